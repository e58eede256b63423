// SPDX-License-Identifier: Apache-2.0
// TerminateInstanceInAutoScalingGroup, which must not happen twice: with a lowered desired capacity
// a second one would cost another node. When it is not known whether it was received, the group is
// asked what has become of the instance, and only one that still is in service is terminated again.
#include "aggregator/cloud/aws/aws_impl.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "aggregator/cloud/aws/read.h"
#include "proto/base/text.h"

// A request that was received is visible in the group's life cycle within a second or two.
enum { MAX_SENT = 2, LOOK_AFTER_MS = 2000, MAX_LOOKS = 3 };

struct terminate {
	struct terminate *prev, *next;
	uv_timer_t timer;
	struct aws_cloud *cloud;
	struct cloud_reply reply;
	char instance_id[32];
	bool decrement;
	unsigned sent, looks;
	int r;
	struct why why; // of the attempt that may have been received
};

static void on_closed(uv_handle_t *h)
{
	free(h->data);
}

static void end(struct terminate *t, int r, const struct why *why, const char *text)
{
	struct cloud_reply reply = t->reply;
	struct why w = why ? *why : (struct why){0};
	DL_DELETE(t->cloud->terminates, t);
	uv_close((uv_handle_t *)&t->timer, on_closed);
	reply.on_done(reply.arg, r, why ? &w : NULL, text);
}

static void send_terminate(struct terminate *t);

// "Terminating", "Terminating:Wait", "Terminated"…: it was received.
static void on_looked(void *arg, int r, const struct why *why, const struct aws_answer *a)
{
	struct terminate *t = arg;
	struct body b = {a->body, a->body_len};
	char state[64];
	if (r == -ECANCELED) {
		end(t, r, why, "");
		return;
	}
	if (r == 0)
		r = read_first(
			&b, "AutoScalingInstances/member/LifecycleState", state, sizeof(state));
	if (r == -ENOENT || (r == 0 && strncmp(state, "Terminat", 8) == 0))
		end(t, 0, NULL, "");
	else if (r < 0 && t->looks < MAX_LOOKS)
		uv_timer_again(&t->timer);
	else if (r == 0 && t->sent < MAX_SENT)
		send_terminate(t);
	else
		end(t, t->r, &t->why, "");
}

static void on_timer(uv_timer_t *timer)
{
	struct terminate *t = timer->data;
	uv_timer_stop(timer);
	struct aws_param p = {"InstanceIds.member.1", t->instance_id};
	struct aws_call call = {.service = AWS_AUTOSCALING,
		.operation = "DescribeAutoScalingInstances",
		.params = &p,
		.n_params = 1,
		.on_done = on_looked,
		.arg = t};
	t->looks++;
	aws_call(t->cloud->client, &call);
}

static void on_terminated(void *arg, int r, const struct why *why, const struct aws_answer *a)
{
	struct terminate *t = arg;
	struct why w = why ? *why : (struct why){0};
	if (r < 0 && a->maybe_done && r != -ECANCELED) {
		t->r = r;
		t->why = w;
		uv_timer_start(&t->timer, on_timer, LOOK_AFTER_MS, LOOK_AFTER_MS);
		return;
	}
	if (r < 0 && strcmp(a->code, "ValidationError") == 0 && strcasestr(a->message, "not found"))
		r = why_set(&w, -ENOENT, WHY_GONE, "no scaling group holds the instance");
	end(t, r, r < 0 ? &w : NULL, "");
}

static void send_terminate(struct terminate *t)
{
	struct aws_param p[] = {{"InstanceId", t->instance_id},
		{"ShouldDecrementDesiredCapacity", t->decrement ? "true" : "false"}};
	struct aws_call call = {.service = AWS_AUTOSCALING,
		.operation = "TerminateInstanceInAutoScalingGroup",
		.params = p,
		.n_params = 2,
		.once = true,
		.on_done = on_terminated,
		.arg = t};
	t->sent++;
	t->looks = 0;
	aws_call(t->cloud->client, &call);
}

void aws_terminate(void *self, const char *instance_id, bool decrement_desired,
	const struct cloud_reply *reply)
{
	struct aws_cloud *a = self;
	struct terminate *t = calloc(1, sizeof(*t));
	assert(t); // there must be an on_done
	t->cloud = a;
	t->reply = *reply;
	t->decrement = decrement_desired;
	text_copy(t->instance_id, sizeof(t->instance_id), instance_id);
	uv_timer_init(a->loop, &t->timer);
	t->timer.data = t;
	DL_APPEND(a->terminates, t);
	send_terminate(t);
}

void terminates_stop(struct aws_cloud *a)
{
	struct why why;
	while (a->terminates)
		end(a->terminates, why_set(&why, -ECANCELED, WHY_RETRY, "stopped"), &why, "");
}
