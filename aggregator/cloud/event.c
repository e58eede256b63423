// SPDX-License-Identifier: Apache-2.0
#include "aggregator/cloud/event.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/clock.h"
#include "proto/base/text.h"

struct context {
	const cJSON *event, *detail;
	const struct event_sink *sink;
	struct notice notice;
	struct queue_extra extra;
};

static const cJSON *get(const cJSON *o, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(o, key);
}

static const char *text_of(const cJSON *o, const char *key)
{
	const char *t = cJSON_GetStringValue(get(o, key));
	return t ? t : "";
}

static void begin(struct context *c, enum notice_kind kind, enum notice_action action)
{
	c->notice = *c->sink->from;
	c->notice.kind = kind;
	c->notice.action = action;
	c->notice.deadline_ms = 0;
	c->notice.event_id[0] = '\0';
	c->notice.guessed = c->notice.withdrawn = false;
}

static int tell(struct context *c, const char *instance_id)
{
	size_t n = strlen(instance_id);
	if (strncmp(instance_id, "i-", 2) != 0 || n >= sizeof(c->notice.instance_id) ||
		!text_is_name(instance_id, n, n))
		return -EBADMSG;
	text_copy(c->notice.instance_id, sizeof(c->notice.instance_id), instance_id);
	notice_make_id(instance_id, c->notice.kind, c->notice.event_id, c->notice.id);
	c->sink->on_notice(c->sink->arg, &c->notice, &c->extra);
	return 1;
}

static int read_spot(struct context *c)
{
	const char *action = text_of(c->detail, "instance-action");
	int64_t at;
	begin(c, NOTICE_SPOT_ITN, NOTICE_TERMINATE);
	if (strcmp(action, "stop") == 0)
		c->notice.action = NOTICE_STOP;
	else if (strcmp(action, "hibernate") == 0)
		c->notice.action = NOTICE_HIBERNATE;
	c->notice.guessed = clock_parse(text_of(c->event, "time"), &at) < 0;
	if (c->notice.guessed)
		at = c->notice.observed_ms;
	// Hibernation begins at once (EC2 user guide, spot instance interruption notices).
	c->notice.deadline_ms = at + (c->notice.action == NOTICE_HIBERNATE ? 0 : EVENT_SPOT_MS);
	return tell(c, text_of(c->detail, "instance-id"));
}

static int read_rebalance(struct context *c)
{
	begin(c, NOTICE_REBALANCE_RECOMMENDATION, NOTICE_TERMINATE);
	return tell(c, text_of(c->detail, "instance-id"));
}

static int read_state(struct context *c)
{
	const char *state = text_of(c->detail, "state");
	if (strcmp(state, "shutting-down") == 0 || strcmp(state, "terminated") == 0)
		begin(c, NOTICE_STATE_CHANGE, NOTICE_TERMINATE);
	else if (strcmp(state, "stopping") == 0 || strcmp(state, "stopped") == 0)
		begin(c, NOTICE_STATE_CHANGE, NOTICE_STOP);
	else
		return *state ? 0 : -EBADMSG;
	return tell(c, text_of(c->detail, "instance-id"));
}

static int read_reservation(struct context *c)
{
	int64_t at;
	begin(c, NOTICE_SCHEDULED_EVENT, NOTICE_TERMINATE);
	text_copy(c->notice.event_id, sizeof(c->notice.event_id), "capacity-reservation");
	if (clock_parse(text_of(c->detail, "instance-termination-time"), &at) == 0)
		c->notice.deadline_ms = at;
	return tell(c, text_of(c->detail, "instance-id"));
}

static int read_lifecycle(struct context *c)
{
	const char *transition = text_of(c->detail, "LifecycleTransition");
	if (strcmp(transition, "autoscaling:EC2_INSTANCE_TERMINATING") != 0)
		return *transition ? 0 : -EBADMSG;
	begin(c, NOTICE_ASG_LIFECYCLE, NOTICE_TERMINATE);
	if (!text_copy(c->extra.hook, sizeof(c->extra.hook),
		    text_of(c->detail, "LifecycleHookName")) ||
		!text_copy(c->extra.scaling_group, sizeof(c->extra.scaling_group),
			text_of(c->detail, "AutoScalingGroupName")) ||
		!text_copy(c->extra.token, sizeof(c->extra.token),
			text_of(c->detail, "LifecycleActionToken")))
		return -EBADMSG;
	return tell(c, text_of(c->detail, "EC2InstanceId"));
}

// An id travels in frames and logs, which take printable text only. An ARN that does not fit is
// told by its end, which is the part that is its own.
static void set_event_id(struct notice *n, const char *arn)
{
	size_t len = strlen(arn), room = sizeof(n->event_id) - 1;
	text_copy(n->event_id, sizeof(n->event_id), len > room ? arn + len - room : arn);
	for (char *c = n->event_id; *c; c++)
		if (*c <= ' ' || *c >= 0x7f)
			*c = '?';
}

static enum notice_action health_action(const char *code)
{
	if (strstr(code, "REBOOT"))
		return NOTICE_REBOOT;
	if (strstr(code, "RETIREMENT") || strstr(code, "TERMINAT"))
		return NOTICE_TERMINATE;
	return strstr(code, "STOP") ? NOTICE_STOP : NOTICE_OTHER;
}

static int read_health(struct context *c)
{
	const cJSON *entities = get(c->detail, "affectedEntities"), *e;
	if (strcmp(text_of(c->detail, "service"), "EC2") != 0 ||
		strcmp(text_of(c->detail, "eventTypeCategory"), "scheduledChange") != 0)
		return 0;
	begin(c, NOTICE_HEALTH, health_action(text_of(c->detail, "eventTypeCode")));
	set_event_id(&c->notice, text_of(c->detail, "eventArn"));
	if (clock_parse_http(text_of(c->detail, "startTime"), &c->notice.deadline_ms) < 0)
		c->notice.deadline_ms = 0;
	c->notice.withdrawn = strcmp(text_of(c->detail, "statusCode"), "closed") == 0;
	int told = 0;
	cJSON_ArrayForEach (e, entities) {
		const char *id = text_of(e, "entityValue");
		if (told < EVENT_MAX_ENTITIES && strncmp(id, "i-", 2) == 0 && tell(c, id) > 0)
			told++;
	}
	return told;
}

static const struct {
	const char *source, *type;
	int (*read)(struct context *c);
} readers[] = {
	{"aws.ec2", "EC2 Spot Instance Interruption Warning", read_spot},
	{"aws.ec2", "EC2 Instance Rebalance Recommendation", read_rebalance},
	{"aws.ec2", "EC2 Instance State-change Notification", read_state},
	{"aws.ec2", "EC2 Capacity Reservation Instance Interruption Warning", read_reservation},
	{"aws.autoscaling", "EC2 Instance-terminate Lifecycle Action", read_lifecycle},
	{"aws.health", "AWS Health Event", read_health},
};

static int read_bridge(struct context *c)
{
	c->detail = get(c->event, "detail");
	if (!cJSON_IsObject(c->detail))
		return -EBADMSG;
	text_copy(c->extra.account, sizeof(c->extra.account), text_of(c->event, "account"));
	text_copy(c->extra.region, sizeof(c->extra.region), text_of(c->event, "region"));
	for (size_t i = 0; i < sizeof(readers) / sizeof(*readers); i++)
		if (strcmp(text_of(c->event, "source"), readers[i].source) == 0 &&
			strcmp(text_of(c->event, "detail-type"), readers[i].type) == 0)
			return readers[i].read(c);
	return 0;
}

static int read_object(const cJSON *event, const struct event_sink *sink)
{
	struct context c = {.event = event, .sink = sink};
	if (get(event, "detail-type"))
		return read_bridge(&c);
	if (get(event, "LifecycleTransition")) {
		c.detail = event;
		text_copy(c.extra.account, sizeof(c.extra.account), text_of(event, "AccountId"));
		return read_lifecycle(&c);
	}
	// "autoscaling:TEST_NOTIFICATION", which a new hook sends first, and its like
	return strncmp(text_of(event, "Event"), "autoscaling:", 12) == 0 ? 0 : -EBADMSG;
}

int event_read(const char *body, size_t len, const struct event_sink *sink)
{
	cJSON *event = cJSON_ParseWithLength(body, len), *inner = NULL;
	const char *message = cJSON_GetStringValue(get(event, "Message"));
	int r = -EBADMSG;
	if (message) // SNS
		inner = cJSON_Parse(message);
	if (cJSON_IsObject(message ? inner : event))
		r = read_object(message ? inner : event, sink);
	cJSON_Delete(inner);
	cJSON_Delete(event);
	return r;
}
