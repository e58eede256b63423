// SPDX-License-Identifier: Apache-2.0
#include "proto/base/config_impl.h"
#include "proto/base/json.h"

#include <string.h>

static void print_default(const struct config_key *k, struct buf *out)
{
	buf_text(out, k->initial && *k->initial ? k->initial : "empty");
}

static void help_key(const struct config_key *k, struct buf *out)
{
	buf_printf(out, "  %s (", k->name);
	config_value_type(k, out);
	size_t mark = out->len;
	buf_text(out, ", ");
	config_value_range(k, out);
	if (out->len == mark + 2)
		out->len = mark;
	buf_text(out, ", default ");
	print_default(k, out);
	buf_printf(out, ")\n      %s\n", k->help);
	if (k->example)
		buf_printf(out, "      example: %s\n", k->example);
}

void config_help(const struct config_table *t, struct buf *out)
{
	buf_printf(out, "%s: %s\n\nExamples:\n%s\nOptions:\n", t->program, t->summary, t->examples);
	buf_text(out,
		"  --config FILE        read this YAML file (may repeat: later files win)\n"
		"  --set KEY=VALUE      set one key, over the files (may repeat)\n"
		"  --check-config       say whether the configuration is good, and what it is\n"
		"  --config-reference   print the reference page (Markdown)\n"
		"  --config-schema      print the JSON schema\n"
		"  --help, --version\n");
	for (size_t i = 0; i < t->n_keys; i++) {
		const struct config_key *k = &t->keys[i];
		if (!k->option)
			continue;
		size_t mark = out->len;
		buf_printf(out, "  --%s", k->option);
		if (k->type != CONFIG_BOOL)
			buf_printf(out, " VALUE");
		while (!buf_failed(out) && out->len < mark + 23)
			buf_text(out, " ");
		buf_printf(out, "same as --set %s=%s\n", k->name,
			k->type == CONFIG_BOOL ? "true" : "VALUE");
	}
	buf_text(out, "\nKeys of the file and of --set:\n");
	for (size_t i = 0; i < t->n_keys; i++)
		help_key(&t->keys[i], out);
}

void config_reference(const struct config_table *t, struct buf *out)
{
	buf_printf(out,
		"# Configuration of %s\n\n%s\n\n"
		"Made by `%s --config-reference`; do not edit.\n\n"
		"| key | type | default | range | meaning |\n|---|---|---|---|---|\n",
		t->program, t->summary, t->program);
	for (size_t i = 0; i < t->n_keys; i++) {
		const struct config_key *k = &t->keys[i];
		buf_printf(out, "| `%s` | ", k->name);
		size_t mark = out->len;
		config_value_type(k, out);
		for (size_t at = mark; at < out->len; at++)
			if (out->data[at] == '|')
				out->data[at] = '/'; // would end the cell
		buf_text(out, " | ");
		print_default(k, out);
		buf_text(out, " | ");
		config_value_range(k, out);
		buf_printf(out, " | %s%s%s%s |\n", k->help, k->example ? " Example: `" : "",
			k->example ? k->example : "", k->example ? "`" : "");
	}
}

static void schema_choices(const struct config_key *k, struct json *j)
{
	size_t len;
	const char *choice;
	json_key(j, "enum");
	json_open(j, '[');
	for (unsigned i = 0; (choice = config_choice(k, i, &len)); i++)
		json_text_n(j, choice, len);
	json_close(j, ']');
}

static void schema_type(const struct config_key *k, struct json *j)
{
	switch (k->type) {
	case CONFIG_BOOL: json_put_text(j, "type", "boolean"); break;
	case CONFIG_U64:
		json_put_text(j, "type", "integer");
		json_put_i64(j, "minimum", (int64_t)k->least);
		if (k->most > 0 && k->most <= INT64_MAX)
			json_put_i64(j, "maximum", (int64_t)k->most);
		break;
	case CONFIG_DURATION:
		json_put_text(j, "type", "string");
		json_put_text(j, "pattern", "^(0|([0-9]+(ms|s|m|h|d))+)$");
		break;
	case CONFIG_BYTES:
		json_key(j, "type");
		json_raw(j, "[\"string\",\"integer\"]", 20);
		json_put_text(j, "pattern", "^[0-9]+(B|kB|MB|GB|KiB|MiB|GiB|Ki|Mi|Gi)?$");
		break;
	case CONFIG_ENUM: schema_choices(k, j); break;
	case CONFIG_LIST:
		json_put_text(j, "type", "array");
		json_key(j, "items");
		json_raw(j, "{\"type\":\"string\"}", 17);
		break;
	case CONFIG_TEXT:
	case CONFIG_PATH:
		json_put_text(j, "type", "string");
		if (k->least)
			json_put_i64(j, "minLength", (int64_t)k->least);
		json_put_i64(j, "maxLength", (int64_t)(k->most ? k->most : CONFIG_MAX_TEXT));
		break;
	}
}

static void open_object(struct json *j)
{
	json_open(j, '{');
	json_put_text(j, "type", "object");
	json_put_bool(j, "additionalProperties", false);
	json_key(j, "properties");
	json_open(j, '{');
}

static void close_object(struct json *j)
{
	json_close(j, '}');
	json_close(j, '}');
}

// Length of the longest section that both keys are in: up to a dot in both.
static size_t shared_section(const char *a, const char *b)
{
	size_t shared = 0;
	for (size_t i = 0; a[i] && a[i] == b[i]; i++)
		if (a[i] == '.')
			shared = i + 1;
	return shared;
}

static unsigned dots(const char *text)
{
	unsigned n = 0;
	for (; *text; text++)
		n += *text == '.';
	return n;
}

void config_schema(const struct config_table *t, struct buf *out)
{
	struct json j;
	json_init(&j, out);
	json_open(&j, '{');
	json_put_text(&j, "$schema", "https://json-schema.org/draft/2020-12/schema");
	json_put_text(&j, "title", t->program);
	json_put_text(&j, "type", "object");
	json_put_bool(&j, "additionalProperties", false);
	json_key(&j, "properties");
	json_open(&j, '{');
	const char *last = "";
	for (size_t i = 0; i < t->n_keys; i++) {
		const char *name = t->keys[i].name;
		size_t shared = shared_section(last, name);
		for (unsigned n = dots(last + shared); n > 0; n--)
			close_object(&j);
		const char *part = name + shared;
		for (const char *dot; (dot = strchr(part, '.')); part = dot + 1) {
			json_text_n(&j, part, (size_t)(dot - part));
			buf_text(out, ":");
			j.comma = false;
			open_object(&j);
		}
		json_key(&j, part);
		json_open(&j, '{');
		schema_type(&t->keys[i], &j);
		json_put_text(&j, "description", t->keys[i].help);
		json_close(&j, '}');
		last = name;
	}
	for (unsigned n = dots(last); n > 0; n--)
		close_object(&j);
	json_close(&j, '}');
	json_close(&j, '}');
	buf_text(out, "\n");
}

void config_print(const struct config *c, struct buf *out)
{
	for (size_t i = 0; i < c->table->n_keys; i++) {
		buf_printf(out, "%s: ", c->table->keys[i].name);
		config_value_print(c->values, &c->table->keys[i], out);
		if (c->origins[i] == CONFIG_FILE)
			buf_printf(out, " # line %u of the file", c->lines[i]);
		else if (c->origins[i] == CONFIG_OPTION)
			buf_text(out, " # command line");
		buf_text(out, "\n");
	}
}
