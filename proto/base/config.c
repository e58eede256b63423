// SPDX-License-Identifier: Apache-2.0
#include "proto/base/config.h"

#include "proto/base/config_impl.h"
#include "proto/base/text.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int config_error(
	struct why *why, int code, const struct config_place *place, const char *format, ...)
{
	char text[160], where[64] = "";
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (place && place->file) {
		size_t len = strlen(place->file); // a long path keeps its end, which tells more
		snprintf(where, sizeof(where),
			"%s:%u: ", len > 48 ? place->file + len - 48 : place->file, place->line);
	}
	return why_set(why, code, WHY_DENIED, "%s%s", where, text);
}

const char *config_shown(const char *name, char ret[48])
{
	size_t i = 0;
	for (; name[i] && i < 40; i++)
		ret[i] = name[i] >= ' ' && name[i] < 0x7f ? name[i] : '?';
	ret[i] = '\0';
	return ret;
}

const struct config_key *config_find(const struct config_table *t, const char *name)
{
	for (size_t i = 0; i < t->n_keys; i++)
		if (strcmp(t->keys[i].name, name) == 0)
			return &t->keys[i];
	return NULL;
}

size_t config_index(const struct config *c, const struct config_key *k)
{
	return (size_t)(k - c->table->keys);
}

bool config_is_section(const struct config_table *t, const char *name)
{
	size_t len = strlen(name);
	for (size_t i = 0; i < t->n_keys; i++)
		if (strncmp(t->keys[i].name, name, len) == 0 && t->keys[i].name[len] == '.')
			return true;
	return false;
}

// People misspell the last word, or forget the section in front of it: both are near.
static unsigned distance(const char *key, const char *name)
{
	const char *leaf = strrchr(key, '.');
	unsigned whole = text_distance(key, name);
	unsigned last = leaf ? text_distance(leaf + 1, name) : UINT32_MAX;
	return last < UINT32_MAX && last + 1 < whole ? last + 1 : whole;
}

// Keeps in nearest the key, or the section above it, that is closer to name than best.
static unsigned nearer(
	const char *key, const char *name, unsigned best, char nearest[CONFIG_NAME_BYTES])
{
	unsigned d = distance(key, name);
	if (d < best) {
		best = d;
		text_copy(nearest, CONFIG_NAME_BYTES, key);
	}
	char section[CONFIG_NAME_BYTES];
	text_copy(section, sizeof(section), key);
	for (char *dot; (dot = strrchr(section, '.'));) {
		*dot = '\0';
		d = text_distance(section, name);
		if (d < best) {
			best = d;
			text_copy(nearest, CONFIG_NAME_BYTES, section);
		}
	}
	return best;
}

int config_unknown(const struct config_table *t, const char *name, const struct config_place *place,
	struct why *why)
{
	char nearest[CONFIG_NAME_BYTES] = "", shown[48];
	unsigned best = UINT32_MAX;
	for (size_t i = 0; i < t->n_keys; i++)
		best = nearer(t->keys[i].name, name, best, nearest);
	config_shown(name, shown);
	if (best == UINT32_MAX)
		return config_error(why, -EINVAL, place, "unknown key \"%s\"", shown);
	return config_error(why, -EINVAL, place,
		best <= 2 + strlen(name) / 4
			? "unknown key \"%s\", did you mean \"%s\"?"
			: "unknown key \"%s\"; the nearest known key is \"%s\"",
		shown, nearest);
}

int config_init(struct config *c, const struct config_table *table, void *values)
{
	assert(table->n_keys <= CONFIG_MAX_KEYS);
	*c = (struct config){.table = table, .values = values};
	for (size_t i = 0; i < table->n_keys; i++) {
		const struct config_key *k = &table->keys[i];
		char detail[128];
		assert(strlen(k->name) < CONFIG_NAME_BYTES);
		// an empty default may break a key's own limits: then somebody has to give the key
		int r = k->initial ? config_value_set(values, k, k->initial, detail) : 0;
		assert(r != -EINVAL);
		if (r == 0 && !k->initial && (k->type == CONFIG_TEXT || k->type == CONFIG_PATH)) {
			struct config_key lax = *k;
			lax.least = 0;
			r = config_value_set(values, &lax, "", detail);
		}
		if (r < 0) {
			config_done(c);
			return r;
		}
	}
	return 0;
}

void config_done(struct config *c)
{
	for (size_t i = 0; c->table && i < c->table->n_keys; i++)
		config_value_clear(c->values, &c->table->keys[i]);
	*c = (struct config){0};
}

static int read_whole(int fd, struct buf *out)
{
	for (;;) {
		char *room = buf_reserve(out, 4096);
		if (!room)
			return out->len + 4096 > CONFIG_MAX_BYTES ? -E2BIG : -ENOMEM;
		ssize_t n = read(fd, room, 4096);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		buf_commit(out, (size_t)n);
	}
}

int config_load(struct config *c, const char *path, struct why *why)
{
	autobuf text;
	buf_init(&text, CONFIG_MAX_BYTES + 4096);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : read_whole(fd, &text);
	if (fd >= 0)
		close(fd);
	struct config_place place = {.file = path, .line = 0};
	if (r == -E2BIG)
		return config_error(why, r, &place, "larger than %d bytes", CONFIG_MAX_BYTES);
	if (r < 0)
		return config_error(why, r, &place, "cannot be read: %s", strerror(-r));
	return config_read(c, path, text.data ? text.data : "", text.len, why);
}

int config_set_key(struct config *c, const char *name, const char *value, struct why *why)
{
	const struct config_key *k = config_find(c->table, name);
	if (!k)
		return config_unknown(c->table, name, NULL, why);
	char detail[128];
	int r = config_value_set(c->values, k, value, detail);
	if (r < 0)
		return config_error(why, r, NULL, "%s: %s", name, detail);
	c->origins[config_index(c, k)] = CONFIG_OPTION;
	return 0;
}

int config_set(struct config *c, const char *assignment, struct why *why)
{
	char name[CONFIG_NAME_BYTES], shown[48];
	const char *equals = strchr(assignment, '=');
	if (!equals || equals == assignment)
		return config_error(why, -EINVAL, NULL, "--set %s: must be key=value",
			config_shown(assignment, shown));
	size_t len = (size_t)(equals - assignment);
	if (len >= sizeof(name))
		return config_error(why, -EINVAL, NULL, "--set %s: unknown key",
			config_shown(assignment, shown));
	memcpy(name, assignment, len);
	name[len] = '\0';
	return config_set_key(c, name, equals + 1, why);
}
