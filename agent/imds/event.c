// SPDX-License-Identifier: Apache-2.0
#include "agent/imds/event.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cjson/cJSON.h>

#include "proto/base/clock.h"
#include "proto/base/text.h"

static struct notice *start_notice(
	struct notice *ret, const struct notice *from, enum notice_kind kind, const char *event_id)
{
	*ret = *from;
	ret->kind = kind;
	ret->action = NOTICE_TERMINATE;
	ret->deadline_ms = 0;
	ret->withdrawn = ret->guessed = false;
	text_copy(ret->event_id, sizeof(ret->event_id), event_id);
	notice_make_id(ret->instance_id, kind, ret->event_id, ret->id);
	return ret;
}

// The body as JSON of the wanted type, or NULL. Nothing may follow it.
static cJSON *parse(const char *body, size_t len, int type)
{
	const char *end = NULL;
	cJSON *json = cJSON_ParseWithLengthOpts(body, len, &end, 0);
	while (json && end && end < body + len && isspace((unsigned char)*end))
		end++;
	if (json && ((json->type & 0xff) != type || end != body + len)) {
		cJSON_Delete(json);
		return NULL;
	}
	return json;
}

static const char *text_of(const cJSON *object, const char *key)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, key);
	return cJSON_IsString(value) ? value->valuestring : NULL;
}

static int parse_action(const char *text, enum notice_action *ret)
{
	static const struct {
		const char *text;
		enum notice_action action;
	} actions[] = {{"terminate", NOTICE_TERMINATE}, {"stop", NOTICE_STOP},
		{"hibernate", NOTICE_HIBERNATE}};
	for (size_t i = 0; text && i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (strcmp(text, actions[i].text) == 0) {
			*ret = actions[i].action;
			return 0;
		}
	}
	return -EINVAL;
}

int event_spot_action(const char *body, size_t len, const struct notice *from,
	struct notice ret[EVENT_MAX_NOTICES])
{
	struct notice *n = start_notice(&ret[0], from, NOTICE_SPOT_ITN, "");
	cJSON *json = parse(body, len, cJSON_Object);
	const char *time = text_of(json, "time");
	bool action_known = parse_action(text_of(json, "action"), &n->action) == 0;
	bool time_known = time && clock_parse(time, &n->deadline_ms) == 0;
	if (!time_known)
		n->deadline_ms = from->observed_ms + EVENT_GUESS_MS;
	if (action_known && n->action == NOTICE_HIBERNATE)
		n->deadline_ms = from->observed_ms; // no two minutes: it starts at once
	n->guessed = !action_known || (!time_known && n->action != NOTICE_HIBERNATE);
	cJSON_Delete(json);
	return 1;
}

int event_termination_time(const char *body, size_t len, const struct notice *from,
	struct notice ret[EVENT_MAX_NOTICES])
{
	char text[40];
	int64_t deadline_ms;
	while (len > 0 && isspace((unsigned char)body[len - 1]))
		len--;
	if (len >= sizeof(text))
		return -EBADMSG;
	memcpy(text, body, len);
	text[len] = '\0';
	if (clock_parse(text, &deadline_ms) < 0)
		return -EBADMSG;
	start_notice(&ret[0], from, NOTICE_SPOT_ITN, "")->deadline_ms = deadline_ms;
	return 1;
}

int event_rebalance(const char *body, size_t len, const struct notice *from,
	struct notice ret[EVENT_MAX_NOTICES])
{
	int64_t notice_ms;
	cJSON *json = parse(body, len, cJSON_Object);
	const char *time = text_of(json, "noticeTime");
	int r = time && clock_parse(time, &notice_ms) == 0 ? 1 : -EBADMSG;
	if (r > 0)
		start_notice(&ret[0], from, NOTICE_REBALANCE_RECOMMENDATION, "");
	cJSON_Delete(json);
	return r;
}

int event_parse_maintenance_time(const char *text, int64_t *ret_ms)
{
	struct tm tm = {0};
	// "%b" follows the locale; the programs never leave the C locale
	const char *end = strptime(text, "%d %b %Y %H:%M:%S", &tm);
	if (!end || strcmp(end, " GMT") != 0)
		return -EINVAL;
	*ret_ms = (int64_t)timegm(&tm) * 1000;
	return 0;
}

static enum notice_action action_of_code(const char *code)
{
	if (strcmp(code, "instance-stop") == 0 || strcmp(code, "instance-retirement") == 0)
		return NOTICE_STOP;
	if (strcmp(code, "instance-reboot") == 0 || strcmp(code, "system-reboot") == 0)
		return NOTICE_REBOOT;
	return NOTICE_OTHER;
}

static bool read_maintenance(const cJSON *item, const struct notice *from, struct notice *ret)
{
	const char *id = text_of(item, "EventId"), *code = text_of(item, "Code"),
		   *state = text_of(item, "State");
	const char *not_before = text_of(item, "NotBefore");
	int64_t deadline_ms;
	if (!id || !code || !state || strlen(id) >= sizeof(ret->event_id) || !not_before ||
		event_parse_maintenance_time(not_before, &deadline_ms) < 0)
		return false;
	start_notice(ret, from, NOTICE_SCHEDULED_EVENT, id);
	ret->action = action_of_code(code);
	ret->deadline_ms = deadline_ms;
	ret->withdrawn = strcmp(state, "active") != 0;
	return true;
}

int event_maintenance(const char *body, size_t len, const struct notice *from,
	struct notice ret[EVENT_MAX_NOTICES])
{
	int n = 0, bad = 0;
	cJSON *json = parse(body, len, cJSON_Array);
	if (!json)
		return -EBADMSG;
	const cJSON *item;
	cJSON_ArrayForEach (item, json) {
		if (n == EVENT_MAX_NOTICES)
			break;
		if (read_maintenance(item, from, &ret[n]))
			n++;
		else
			bad++;
	}
	cJSON_Delete(json);
	return n == 0 && bad > 0 ? -EBADMSG : n;
}

int event_lifecycle(const char *body, size_t len, const struct notice *from,
	struct notice ret[EVENT_MAX_NOTICES])
{
	static const char *const states[] = {"InService", "Terminated", "Detached", "Standby",
		"Warmed:Hibernated", "Warmed:Running", "Warmed:Stopped", "Warmed:Terminated"};
	while (len > 0 && isspace((unsigned char)body[len - 1]))
		len--;
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		if (strlen(states[i]) != len || memcmp(states[i], body, len) != 0)
			continue;
		bool ends = strstr(states[i], "Terminated") != NULL;
		if (ends)
			start_notice(&ret[0], from, NOTICE_ASG_LIFECYCLE, "");
		return ends;
	}
	return -EBADMSG;
}
