// SPDX-License-Identifier: Apache-2.0
#include "proto/base/config_impl.h"

#include <errno.h>
#include <string.h>

struct args {
	struct config *config;
	int argc;
	char **argv;
	int at;
	bool check;
	void (*page)(const struct config_table *, struct buf *);
	bool version;
	struct why *why;
};

// The value of an option: behind '=' or the next word.
static const char *value_of(struct args *a, const char *equals)
{
	if (equals)
		return equals + 1;
	return a->at + 1 < a->argc ? a->argv[++a->at] : NULL;
}

static bool is(const char *word, size_t len, const char *name)
{
	return strlen(name) == len && memcmp(word, name, len) == 0;
}

static int set_option(struct args *a, const struct config_key *k, const char *equals)
{
	const char *value = k->type == CONFIG_BOOL && !equals ? "true" : value_of(a, equals);
	if (!value)
		return config_error(a->why, -EINVAL, NULL, "--%s needs a value", k->option);
	return config_set_key(a->config, k->name, value, a->why);
}

// Options that take a file or an assignment act in one of two passes: files first, then the rest.
static int take_option(struct args *a, const char *word, bool files)
{
	const char *equals = strchr(word, '=');
	size_t len = equals ? (size_t)(equals - word) : strlen(word);
	const struct config_table *t = a->config->table;
	if (is(word, len, "config") || is(word, len, "set")) {
		const char *value = value_of(a, equals);
		if (!value)
			return config_error(
				a->why, -EINVAL, NULL, "--%.*s needs a value", (int)len, word);
		if (word[0] == 'c')
			return files ? config_load(a->config, value, a->why) : 0;
		return files ? 0 : config_set(a->config, value, a->why);
	}
	for (size_t i = 0; i < t->n_keys; i++) {
		const struct config_key *k = &t->keys[i];
		if (!k->option || !is(word, len, k->option))
			continue;
		if (!files)
			return set_option(a, k, equals);
		if (k->type != CONFIG_BOOL)
			value_of(a, equals);
		return 0;
	}
	char shown[48];
	return config_error(a->why, -EINVAL, NULL, "unknown option --%s; --help lists them",
		config_shown(word, shown));
}

static int take_word(struct args *a, const char *word, bool files)
{
	char shown[48];
	if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0)
		a->page = config_help;
	else if (strcmp(word, "--config-reference") == 0)
		a->page = config_reference;
	else if (strcmp(word, "--config-schema") == 0)
		a->page = config_schema;
	else if (strcmp(word, "--version") == 0)
		a->version = true;
	else if (strcmp(word, "--check-config") == 0)
		a->check = true;
	else if (strncmp(word, "--", 2) == 0)
		return take_option(a, word + 2, files);
	else
		return config_error(a->why, -EINVAL, NULL,
			"unexpected \"%s\"; --help lists the options", config_shown(word, shown));
	return 0;
}

static int take_words(struct args *a, bool files)
{
	for (a->at = 1; a->at < a->argc; a->at++) {
		int r = take_word(a, a->argv[a->at], files);
		if (r < 0)
			return r;
		if (a->page || a->version)
			return 0; // help is given even where the rest is wrong
	}
	return 0;
}

int config_args(struct config *c, int argc, char **argv, struct buf *out, struct why *why)
{
	struct args a = {.config = c, .argc = argc, .argv = argv, .why = why};
	int r = take_words(&a, true);
	if (r == 0 && !a.page && !a.version)
		r = take_words(&a, false);
	if (r < 0)
		return r;
	if (a.page)
		a.page(c->table, out);
	else if (a.version)
		buf_printf(out, "%s %s\n", c->table->program, PETREL_VERSION);
	else if (a.check)
		config_print(c, out);
	return a.page || a.version || a.check ? CONFIG_EXIT : CONFIG_RUN;
}
