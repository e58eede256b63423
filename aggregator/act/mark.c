// SPDX-License-Identifier: Apache-2.0
#include "aggregator/act/mark.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <string.h>

#include "proto/base/json.h"
#include "proto/base/text.h"

enum { MARK_VERSION = 1, MARK_MAX_BYTES = 1024 };
static const double latest_ms = 4102444800000.0; // 2100: beyond it nothing is a time of ours

int drain_mark_print(const struct drain_mark *m, struct buf *out)
{
	struct json j;
	json_init(&j, out);
	json_open(&j, '{');
	json_put_i64(&j, "v", MARK_VERSION);
	json_put_text(&j, "id", m->id);
	json_put_text(&j, "kind", drain_kind_name(m->kind));
	json_put_text(&j, "phase", m->phase);
	json_put_i64(&j, "observed_ms", m->observed_ms);
	json_put_i64(&j, "deadline_ms", m->deadline_ms);
	json_put_text(&j, "owner", m->owner);
	json_put_bool(&j, "cordoned", m->cordoned);
	json_put_bool(&j, "replacing", m->replacing);
	if (m->out_of_service)
		json_put_bool(&j, "out_of_service", true);
	json_close(&j, '}');
	return buf_failed(out) ? -ENOSPC : 0;
}

static int text_of(const cJSON *tree, const char *key, char *ret, size_t size)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(tree, key);
	if (!cJSON_IsString(item) ||
		!text_is_name(item->valuestring, strlen(item->valuestring), size - 1))
		return -EINVAL;
	text_copy(ret, size, item->valuestring);
	return 0;
}

static int time_of(const cJSON *tree, const char *key, int64_t *ret)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(tree, key);
	if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble < latest_ms))
		return -EINVAL;
	*ret = (int64_t)item->valuedouble;
	return 0;
}

static int fields(const cJSON *tree, struct drain_mark *m)
{
	uint8_t id[16];
	char kind[32];
	const cJSON *version = cJSON_GetObjectItemCaseSensitive(tree, "v");
	if (!cJSON_IsNumber(version) || (int)version->valuedouble != MARK_VERSION)
		return -EINVAL;
	if (text_of(tree, "id", m->id, sizeof(m->id)) < 0 ||
		text_from_hex(m->id, id, sizeof(id)) < 0 ||
		text_of(tree, "kind", kind, sizeof(kind)) < 0 ||
		drain_kind_parse(kind, &m->kind) < 0 ||
		text_of(tree, "phase", m->phase, sizeof(m->phase)) < 0 ||
		text_of(tree, "owner", m->owner, sizeof(m->owner)) < 0 ||
		time_of(tree, "observed_ms", &m->observed_ms) < 0 ||
		time_of(tree, "deadline_ms", &m->deadline_ms) < 0)
		return -EINVAL;
	m->cordoned = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(tree, "cordoned"));
	m->replacing = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(tree, "replacing"));
	m->out_of_service = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(tree, "out_of_service"));
	return 0;
}

int drain_mark_parse(const char *text, struct drain_mark *ret)
{
	struct drain_mark m = {0};
	if (strnlen(text, MARK_MAX_BYTES + 1) > MARK_MAX_BYTES)
		return -EINVAL;
	cJSON *tree = cJSON_Parse(text);
	int r = tree ? fields(tree, &m) : -EINVAL;
	cJSON_Delete(tree);
	if (r == 0)
		*ret = m;
	return r;
}
