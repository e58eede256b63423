// SPDX-License-Identifier: Apache-2.0
// YAML as a stream of events, flattened to dotted keys. No document tree is built, so a file costs
// its own size and nothing more; anchors are harmless without aliases, and aliases are refused.
#include "proto/base/config_impl.h"

#include <errno.h>
#include <string.h>
#include <yaml.h>

struct reader {
	struct config *config;
	struct why *why;
	struct config_place place;
	const char *yaml;
	size_t len;
	char name[CONFIG_NAME_BYTES];          // dotted, of the current key
	uint16_t prefix[CONFIG_MAX_DEPTH + 1]; // length of name that belongs to each open mapping
	int depth;                             // open mappings
	uint32_t key_line;
	bool want_value;                // name holds a key whose value comes next
	const struct config_key *list;  // inside its sequence
	uint32_t seen[CONFIG_MAX_KEYS]; // line of each key in this file
	int documents;
};

static int fail(struct reader *r, const char *text)
{
	return config_error(r->why, -EINVAL, &r->place, "%s", text);
}

static int take_key(struct reader *r, const char *text, size_t len)
{
	size_t at = r->prefix[r->depth];
	char shown[48];
	if (strlen(text) != len)
		return fail(r, "a key contains a zero byte");
	if (len == 0)
		return fail(r, "an empty key");
	if (at + 1 + len >= sizeof(r->name))
		return config_error(r->why, -EINVAL, &r->place, "unknown key \"%s…\"",
			config_shown(text, shown));
	if (at > 0)
		r->name[at++] = '.';
	memcpy(r->name + at, text, len + 1);
	r->key_line = r->place.line;
	r->want_value = true;
	return 0;
}

// The key of the current value; duplicates are found here.
static int find_key(struct reader *r, const struct config_key **ret)
{
	r->place.line = r->key_line;
	const struct config_table *t = r->config->table;
	const struct config_key *k = config_find(t, r->name);
	if (!k && config_is_section(t, r->name))
		return config_error(r->why, -EINVAL, &r->place,
			"\"%s\" is a section: its keys stand below it, indented", r->name);
	if (!k)
		return config_unknown(t, r->name, &r->place, r->why);
	uint32_t *seen = &r->seen[config_index(r->config, k)];
	if (*seen)
		return config_error(r->why, -EINVAL, &r->place,
			"\"%s\" was given before, in line %u", r->name, *seen);
	*seen = r->place.line;
	*ret = k;
	return 0;
}

static void note_origin(struct reader *r, const struct config_key *k)
{
	size_t i = config_index(r->config, k);
	r->config->origins[i] = CONFIG_FILE;
	r->config->lines[i] = r->place.line;
}

static bool is_null(const yaml_event_t *e)
{
	const char *text = (const char *)e->data.scalar.value;
	return e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       (!*text || strcmp(text, "~") == 0 || strcmp(text, "null") == 0);
}

static int take_value(struct reader *r, const yaml_event_t *e)
{
	r->want_value = false;
	if (is_null(e) && config_is_section(r->config->table, r->name))
		return 0; // a section with everything left out
	const struct config_key *k;
	int code = find_key(r, &k);
	if (code < 0 || is_null(e))
		return code;
	char detail[128];
	if (k->type == CONFIG_LIST) {
		config_value_clear(r->config->values, k);
		code = config_value_append(
			r->config->values, k, (const char *)e->data.scalar.value, detail);
	} else {
		code = config_value_set(
			r->config->values, k, (const char *)e->data.scalar.value, detail);
	}
	if (code < 0)
		return config_error(r->why, code, &r->place, "%s: %s", k->name, detail);
	note_origin(r, k);
	return 0;
}

static int on_scalar(struct reader *r, const yaml_event_t *e)
{
	const char *text = (const char *)e->data.scalar.value;
	if (strlen(text) != e->data.scalar.length)
		return fail(r, "a value contains a zero byte");
	if (e->data.scalar.tag)
		return fail(r, "tags (!…) are not used here");
	if (r->list) {
		char detail[128];
		int code = config_value_append(r->config->values, r->list, text, detail);
		return code < 0 ? config_error(
					  r->why, code, &r->place, "%s: %s", r->list->name, detail)
				: 0;
	}
	if (r->depth == 0)
		return is_null(e) ? 0 : fail(r, "a file is a mapping of keys to values");
	return r->want_value ? take_value(r, e) : take_key(r, text, e->data.scalar.length);
}

static int on_mapping(struct reader *r)
{
	const struct config_table *t = r->config->table;
	if (r->list)
		return config_error(r->why, -EINVAL, &r->place, "%s: items are text, not mappings",
			r->list->name);
	if (r->depth >= CONFIG_MAX_DEPTH)
		return config_error(
			r->why, -E2BIG, &r->place, "nested deeper than %d", CONFIG_MAX_DEPTH);
	if (r->depth > 0 && !r->want_value)
		return fail(r, "a mapping cannot be a key");
	if (r->depth > 0)
		r->place.line = r->key_line;
	if (r->depth > 0 && config_find(t, r->name))
		return config_error(r->why, -EINVAL, &r->place,
			"%s: a value is needed, not a mapping", r->name);
	if (r->depth > 0 && !config_is_section(t, r->name))
		return config_unknown(t, r->name, &r->place, r->why);
	r->prefix[r->depth + 1] = r->depth > 0 ? (uint16_t)strlen(r->name) : 0;
	r->depth++;
	r->want_value = false;
	return 0;
}

static int on_sequence(struct reader *r)
{
	if (r->list)
		return config_error(
			r->why, -EINVAL, &r->place, "%s: items are text, not lists", r->list->name);
	if (r->depth == 0 || !r->want_value)
		return fail(r, "a list where a key should be");
	const struct config_key *k;
	int code = find_key(r, &k);
	if (code < 0)
		return code;
	if (k->type != CONFIG_LIST)
		return config_error(
			r->why, -EINVAL, &r->place, "%s: a value is needed, not a list", k->name);
	config_value_clear(r->config->values, k);
	note_origin(r, k);
	r->list = k;
	r->want_value = false;
	return 0;
}

static int on_sequence_end(struct reader *r)
{
	const struct config_key *k = r->list;
	char detail[128];
	r->list = NULL;
	int code = config_value_check_items(r->config->values, k, detail);
	return code < 0 ? config_error(r->why, code, &r->place, "%s: %s", k->name, detail) : 0;
}

static int on_event(struct reader *r, const yaml_event_t *e)
{
	r->place.line = (uint32_t)e->start_mark.line + 1;
	switch (e->type) {
	case YAML_SCALAR_EVENT: return on_scalar(r, e);
	case YAML_MAPPING_START_EVENT: return on_mapping(r);
	case YAML_MAPPING_END_EVENT:
		r->depth--;
		r->name[r->prefix[r->depth]] = '\0';
		return 0;
	case YAML_SEQUENCE_START_EVENT: return on_sequence(r);
	case YAML_SEQUENCE_END_EVENT: return on_sequence_end(r);
	case YAML_ALIAS_EVENT:
		return fail(r, "aliases (*…) are not used here: write the value out");
	case YAML_DOCUMENT_START_EVENT:
		return ++r->documents > 1 ? fail(r, "a second document in one file") : 0;
	default: return 0;
	}
}

static bool line_has_leading_tab(const struct reader *r, size_t line)
{
	const char *s = r->yaml, *end = r->yaml + r->len;
	for (; line > 0 && s < end; line--) {
		const char *newline = memchr(s, '\n', (size_t)(end - s));
		s = newline ? newline + 1 : end;
	}
	while (s < end && *s == ' ')
		s++;
	return s < end && *s == '\t';
}

static int syntax_error(struct reader *r, const yaml_parser_t *p)
{
	if (p->error == YAML_MEMORY_ERROR)
		return config_error(r->why, -ENOMEM, &r->place, "out of memory");
	r->place.line = (uint32_t)p->problem_mark.line + 1;
	if (p->error == YAML_SCANNER_ERROR && line_has_leading_tab(r, p->problem_mark.line))
		return fail(r, "a tab indents this line; YAML wants spaces");
	if (p->error == YAML_READER_ERROR)
		return config_error(r->why, -EINVAL, &r->place, "not UTF-8 text: %s at byte %zu",
			p->problem, p->problem_offset);
	return config_error(r->why, -EINVAL, &r->place, "not YAML: %s%s%s", p->problem,
		p->context ? ", " : "", p->context ? p->context : "");
}

int config_read(struct config *c, const char *file, const char *yaml, size_t len, struct why *why)
{
	struct reader r = {
		.config = c, .why = why, .place = {.file = file}, .yaml = yaml, .len = len};
	if (len > CONFIG_MAX_BYTES)
		return config_error(
			why, -E2BIG, &r.place, "larger than %d bytes", CONFIG_MAX_BYTES);
	yaml_parser_t parser;
	if (!yaml_parser_initialize(&parser))
		return config_error(why, -ENOMEM, &r.place, "out of memory");
	yaml_parser_set_input_string(&parser, (const unsigned char *)yaml, len);
	int code = 0;
	bool more = true;
	while (more && code == 0) {
		yaml_event_t event;
		if (!yaml_parser_parse(&parser, &event)) {
			code = syntax_error(&r, &parser);
			break;
		}
		code = on_event(&r, &event);
		more = event.type != YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	return code;
}
