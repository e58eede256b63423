// SPDX-License-Identifier: Apache-2.0
// The operations that are one call each.
#include "aggregator/cloud/aws/aws_impl.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "aggregator/cloud/aws/read.h"
#include "proto/base/text.h"

struct op {
	struct cloud_reply reply;
	char instance_id[32];
};

static struct op *op_new(const struct cloud_reply *reply, const char *instance_id)
{
	struct op *op = calloc(1, sizeof(*op));
	assert(op); // there must be an on_done
	op->reply = *reply;
	text_copy(op->instance_id, sizeof(op->instance_id), instance_id);
	return op;
}

static void op_end(struct op *op, int r, const struct why *why, const char *text)
{
	struct cloud_reply reply = op->reply;
	free(op);
	reply.on_done(reply.arg, r, why, text);
}

static int malformed(struct why *why, const char *operation)
{
	return why_set(why, -EBADMSG, WHY_BUG, "%s: the answer cannot be read", operation);
}

// LaunchInstances may not be known yet, not allowed, or not possible for this kind of group: then
// SetDesiredCapacity does it.
static int launch_error(int r, struct why *why, const struct aws_answer *a)
{
	if (r == -EACCES || strcmp(a->code, "ValidationError") == 0)
		return why_set(why, -ENOTSUP, WHY_DENIED, "%s", why->text);
	return r;
}

static void on_launched(void *arg, int r, const struct why *why, const struct aws_answer *a)
{
	struct op *op = arg;
	struct body b = {a->body, a->body_len};
	char code[96];
	autobuf ids;
	buf_init(&ids, 8192);
	struct why w = why ? *why : (struct why){0};
	if (r < 0) {
		op_end(op, launch_error(r, &w, a), &w, "");
		return;
	}
	r = read_launched(&b, &ids, code, sizeof(code));
	if (r == 0) {
		op_end(op, 0, NULL, ids.data);
	} else if (r == -ENOENT) {
		r = why_set(&w, -ENOSPC, WHY_RETRY, "LaunchInstances: %s",
			*code ? code : "no instance was launched");
		op_end(op, r, &w, "");
	} else {
		op_end(op, malformed(&w, "LaunchInstances"), &w, "");
	}
}

void aws_launch(void *self, const struct cloud_launch *l, const struct cloud_reply *reply)
{
	struct aws_cloud *a = self;
	struct aws_param p[] = {{"AutoScalingGroupName", l->scaling_group},
		{"RequestedCapacity", "1"}, {"ClientToken", l->token}, {"RetryStrategy", "none"},
		{"AvailabilityZones.member.1", l->zone}};
	struct aws_call call = {.service = AWS_AUTOSCALING,
		.operation = "LaunchInstances",
		.params = p,
		.n_params = l->zone && *l->zone ? 5 : 4,
		.on_done = on_launched,
		.arg = op_new(reply, "")};
	aws_call(a->client, &call);
}

static void on_plain(void *arg, int r, const struct why *why, const struct aws_answer *a)
{
	op_end(arg, r, why, "");
}

void aws_set_desired(
	void *self, const char *scaling_group, uint32_t desired, const struct cloud_reply *reply)
{
	struct aws_cloud *a = self;
	char number[16];
	snprintf(number, sizeof(number), "%u", desired);
	struct aws_param p[] = {{"AutoScalingGroupName", scaling_group},
		{"DesiredCapacity", number}, {"HonorCooldown", "false"}};
	struct aws_call call = {.service = AWS_AUTOSCALING,
		.operation = "SetDesiredCapacity",
		.params = p,
		.n_params = 3,
		.on_done = on_plain,
		.arg = op_new(reply, "")};
	aws_call(a->client, &call);
}

// "No active Lifecycle Action found with instance ID i-…": the hook is over, or was never there.
static void on_lifecycle(void *arg, int r, const struct why *why, const struct aws_answer *a)
{
	struct why w = why ? *why : (struct why){0};
	if (r < 0 && strcmp(a->code, "ValidationError") == 0 &&
		strcasestr(a->message, "no active lifecycle action"))
		r = why_set(&w, -ENOENT, WHY_GONE, "the lifecycle action is over");
	op_end(arg, r, r < 0 ? &w : NULL, "");
}

static void send_lifecycle(struct aws_cloud *a, const char *operation, const struct cloud_hook *h,
	const struct cloud_reply *reply)
{
	struct aws_param p[5] = {{"AutoScalingGroupName", h->scaling_group},
		{"LifecycleHookName", h->hook}, {"InstanceId", h->instance_id}};
	size_t n = 3;
	if (h->token[0])
		p[n++] = (struct aws_param){"LifecycleActionToken", h->token};
	if (strcmp(operation, "CompleteLifecycleAction") == 0)
		p[n++] = (struct aws_param){"LifecycleActionResult", "CONTINUE"};
	struct aws_call call = {.service = AWS_AUTOSCALING,
		.operation = operation,
		.params = p,
		.n_params = n,
		.on_done = on_lifecycle,
		.arg = op_new(reply, h->instance_id)};
	aws_call(a->client, &call);
}

void aws_lifecycle_heartbeat(
	void *self, const struct cloud_hook *h, const struct cloud_reply *reply)
{
	send_lifecycle(self, "RecordLifecycleActionHeartbeat", h, reply);
}

void aws_lifecycle_complete(void *self, const struct cloud_hook *h, const struct cloud_reply *reply)
{
	send_lifecycle(self, "CompleteLifecycleAction", h, reply);
}
