// SPDX-License-Identifier: Apache-2.0
// completion: the shells' completions, made from the tables of verbs and options.
//
// deploy/completions/ holds what this prints, so that a package can install it; a test compares.
#include <stdio.h>
#include <string.h>

#include "aggregator/cli/verbs.h"

static void all_names(struct buf *out)
{
	for (const struct verb *v = verbs; v->name; v++)
		buf_printf(out, "%s%s", v == verbs ? "" : " ", v->name);
}

static void option_words(struct buf *out, unsigned options)
{
	for (int o = 0; o < OPTION_COUNT; o++)
		if (options >> o & 1)
			buf_printf(out, " --%s", option_info((enum verb_option)o)->name);
}

// --- bash
// -----------------------------------------------------------------------------------------

static void bash_values(struct buf *out)
{
	for (int o = 0; o < OPTION_COUNT; o++) {
		const struct option_info *i = option_info((enum verb_option)o);
		if (!i->argument)
			continue;
		buf_printf(out, "\t--%s", i->name);
		if (i->letter)
			buf_printf(out, " | -%c", i->letter);
		buf_text(out, ")\n");
		if (i->choices)
			buf_printf(out, "\t\tCOMPREPLY=($(compgen -W '%s' -- \"$word\"))\n",
				i->choices);
		else if (strcmp(i->argument, "FILE") == 0)
			buf_text(out, "\t\tCOMPREPLY=($(compgen -f -- \"$word\"))\n");
		buf_text(out, "\t\treturn ;;\n");
	}
}

static void bash(struct buf *out)
{
	buf_text(out,
		"# SPDX-License-Identifier: Apache-2.0\n"
		"# bash completion of petrel, made by 'petrel completion bash'\n"
		"_petrel() {\n"
		"\tlocal word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words\n"
		"\tif ((COMP_CWORD == 1)); then\n"
		"\t\tCOMPREPLY=($(compgen -W '");
	all_names(out);
	buf_text(out, " help --help --version' -- \"$word\"))\n"
		      "\t\treturn\n"
		      "\tfi\n"
		      "\tcase $before in\n");
	bash_values(out);
	buf_text(out, "\tesac\n"
		      "\tcase ${COMP_WORDS[1]} in\n");
	for (const struct verb *v = verbs; v->name; v++) {
		buf_printf(out, "\t%s) words='", v->name);
		if (strchr(v->arguments, '|'))
			buf_text(out, v->arguments);
		option_words(out, v->options);
		buf_text(out, "' ;;\n");
	}
	buf_text(out, "\thelp) words='");
	all_names(out);
	buf_text(out, "' ;;\n"
		      "\tesac\n"
		      "\tCOMPREPLY=($(compgen -W \"${words//|/ }\" -- \"$word\"))\n"
		      "}\n"
		      "complete -F _petrel petrel\n");
}

// --- zsh
// ------------------------------------------------------------------------------------------

// Text inside single quotes and an option's brackets.
static void zsh_text(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\'')
			buf_text(out, "'\\''");
		else if (strchr("[]:\\", *text))
			buf_printf(out, "\\%c", *text);
		else
			buf_append(out, text, 1);
	}
}

static void zsh_option(struct buf *out, const struct option_info *i)
{
	buf_text(out, " \\\n\t\t\t");
	if (i->letter)
		buf_printf(out, "'(-%c --%s)'{-%c,--%s}'[", i->letter, i->name, i->letter, i->name);
	else
		buf_printf(out, "'--%s[", i->name);
	zsh_text(out, i->help);
	buf_text(out, "]");
	if (i->choices)
		buf_printf(out, ":%s:(%s)", i->argument, i->choices);
	else if (i->argument)
		buf_printf(out, ":%s:%s", i->argument,
			strcmp(i->argument, "FILE") == 0 ? "_files" : "");
	buf_text(out, "'");
}

static void zsh(struct buf *out)
{
	buf_text(out, "#compdef petrel\n"
		      "# zsh completion of petrel, made by 'petrel completion zsh'\n"
		      "_petrel() {\n"
		      "\tlocal -a verbs=(\n");
	for (const struct verb *v = verbs; v->name; v++) {
		buf_printf(out, "\t\t'%s:", v->name);
		zsh_text(out, v->help);
		buf_text(out, "'\n");
	}
	buf_text(out, "\t)\n"
		      "\tif ((CURRENT == 2)); then\n"
		      "\t\t_describe verb verbs\n"
		      "\t\treturn\n"
		      "\tfi\n"
		      "\tlocal verb=$words[2]\n"
		      "\tshift words\n"
		      "\t((CURRENT--))\n"
		      "\tcase $verb in\n");
	for (const struct verb *v = verbs; v->name; v++) {
		buf_printf(out, "\t%s)\n\t\t_arguments", v->name);
		for (int o = 0; o < OPTION_COUNT; o++)
			if (v->options >> o & 1)
				zsh_option(out, option_info((enum verb_option)o));
		if (strchr(v->arguments, '|')) {
			char words[64];
			snprintf(words, sizeof(words), "%s", v->arguments);
			for (char *c = words; *c; c++)
				*c = *c == '|' ? ' ' : *c;
			buf_printf(out, " \\\n\t\t\t'1:shell:(%s)'", words);
		}
		buf_text(out, " ;;\n");
	}
	buf_text(out, "\thelp) _describe verb verbs ;;\n"
		      "\tesac\n"
		      "}\n"
		      "_petrel \"$@\"\n");
}

// --- fish
// -----------------------------------------------------------------------------------------

static void fish_text(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			buf_text(out, "\\");
		buf_append(out, text, 1);
	}
}

static void fish_option(struct buf *out, const struct verb *v, const struct option_info *i)
{
	buf_printf(out, "complete -c petrel -n '__fish_seen_subcommand_from %s' -l %s", v->name,
		i->name);
	if (i->letter)
		buf_printf(out, " -s %c", i->letter);
	if (i->choices)
		buf_printf(out, " -x -a '%s'", i->choices);
	else if (i->argument)
		buf_text(out, strcmp(i->argument, "FILE") == 0 ? " -r -F" : " -x");
	buf_text(out, " -d '");
	fish_text(out, i->help);
	buf_text(out, "'\n");
}

static void fish(struct buf *out)
{
	buf_text(out, "# SPDX-License-Identifier: Apache-2.0\n"
		      "# fish completion of petrel, made by 'petrel completion fish'\n"
		      "complete -c petrel -f\n");
	for (const struct verb *v = verbs; v->name; v++) {
		buf_printf(out, "complete -c petrel -n __fish_use_subcommand -a %s -d '", v->name);
		fish_text(out, v->help);
		buf_text(out, "'\n");
	}
	for (const struct verb *v = verbs; v->name; v++) {
		for (int o = 0; o < OPTION_COUNT; o++)
			if (v->options >> o & 1)
				fish_option(out, v, option_info((enum verb_option)o));
		const char *word = strchr(v->arguments, '|') ? v->arguments : "";
		while (*word) {
			size_t len = strcspn(word, "|");
			buf_printf(out,
				"complete -c petrel -n '__fish_seen_subcommand_from %s' -a %.*s\n",
				v->name, (int)len, word);
			word += len + (word[len] == '|');
		}
	}
}

int completion_verb(int argc, char **argv)
{
	static const struct {
		const char *shell;
		void (*print)(struct buf *out);
	} shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
	struct options o;
	autobuf out;
	buf_init(&out, 1 << 20);
	int code = options_parse(argc, argv, verb_find("completion"), 1, &o);
	if (code)
		return code - 1;
	for (size_t i = 0; o.n_rest && i < 3; i++) {
		if (strcmp(shells[i].shell, o.rest[0]) == 0) {
			shells[i].print(&out);
			return put_out(&out);
		}
	}
	return usage_error(o.verb, "bash, zsh or fish is needed");
}
