// SPDX-License-Identifier: Apache-2.0
#include "aggregator/cli/yaml.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

static int on_write(void *arg, unsigned char *data, size_t len)
{
	return buf_append(arg, data, len) == 0;
}

static bool scalar(yaml_emitter_t *e, const char *text, bool is_text)
{
	yaml_event_t event;
	// Text is quoted where it would be read as something else: always, as JSON has it, but for
	// keys, which are ours.
	yaml_scalar_style_t style =
		is_text ? YAML_DOUBLE_QUOTED_SCALAR_STYLE : YAML_PLAIN_SCALAR_STYLE;
	return yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text,
		       (int)strlen(text), !is_text, is_text, style) &&
	       yaml_emitter_emit(e, &event);
}

static bool key(yaml_emitter_t *e, const char *text)
{
	bool plain =
		text[0] && strspn(text, "abcdefghijklmnopqrstuvwxyz_0123456789") == strlen(text) &&
		(text[0] < '0' || text[0] > '9') && strcmp(text, "y") != 0 &&
		strcmp(text, "n") != 0 && strcmp(text, "on") != 0 && strcmp(text, "off") != 0 &&
		strcmp(text, "yes") != 0 && strcmp(text, "no") != 0 && strcmp(text, "true") != 0 &&
		strcmp(text, "false") != 0 && strcmp(text, "null") != 0;
	return scalar(e, text, !plain);
}

static bool number(yaml_emitter_t *e, double value)
{
	char text[40];
	if (value == floor(value) && fabs(value) < 1e15)
		snprintf(text, sizeof(text), "%.0f", value);
	else
		snprintf(text, sizeof(text), "%.15g", value);
	return scalar(e, text, false);
}

static bool emit(yaml_emitter_t *e, const cJSON *json);

static bool children(yaml_emitter_t *e, const cJSON *json)
{
	const cJSON *item;
	bool map = cJSON_IsObject(json), empty = !json->child;
	yaml_event_t event;
	bool ok = map ? yaml_mapping_start_event_initialize(&event, NULL, NULL, 1,
				empty ? YAML_FLOW_MAPPING_STYLE : YAML_BLOCK_MAPPING_STYLE)
		      : yaml_sequence_start_event_initialize(&event, NULL, NULL, 1,
				empty ? YAML_FLOW_SEQUENCE_STYLE : YAML_BLOCK_SEQUENCE_STYLE);
	ok = ok && yaml_emitter_emit(e, &event);
	cJSON_ArrayForEach (item, json)
		ok = ok && (!map || key(e, item->string)) && emit(e, item);
	return ok &&
	       (map ? yaml_mapping_end_event_initialize(&event)
		    : yaml_sequence_end_event_initialize(&event)) &&
	       yaml_emitter_emit(e, &event);
}

// cJSON bounds how deep this goes (CJSON_NESTING_LIMIT).
static bool emit(yaml_emitter_t *e, const cJSON *json)
{
	if (cJSON_IsObject(json) || cJSON_IsArray(json))
		return children(e, json);
	if (cJSON_IsString(json))
		return scalar(e, json->valuestring, true);
	if (cJSON_IsNumber(json))
		return number(e, json->valuedouble);
	return scalar(e,
		cJSON_IsTrue(json)    ? "true"
		: cJSON_IsFalse(json) ? "false"
				      : "null",
		false);
}

int yaml_print(const cJSON *json, struct buf *out)
{
	yaml_emitter_t e;
	yaml_event_t event;
	if (!yaml_emitter_initialize(&e))
		return -ENOMEM;
	yaml_emitter_set_output(&e, on_write, out);
	yaml_emitter_set_unicode(&e, 1);
	yaml_emitter_set_width(&e, -1);
	bool ok = yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING) &&
		  yaml_emitter_emit(&e, &event) &&
		  yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1) &&
		  yaml_emitter_emit(&e, &event) && emit(&e, json) &&
		  yaml_document_end_event_initialize(&event, 1) && yaml_emitter_emit(&e, &event) &&
		  yaml_stream_end_event_initialize(&event) && yaml_emitter_emit(&e, &event);
	yaml_emitter_delete(&e);
	return ok ? 0 : buf_failed(out) ? -ENOSPC : -ENOMEM;
}
