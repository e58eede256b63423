// SPDX-License-Identifier: Apache-2.0
// instance_state: DescribeInstances, and for those that run DescribeInstanceStatus, for all who ask
// within a moment, so that a thousand draining nodes cost a handful of calls and not EC2's whole
// budget.
//
// By filter and not by id: an id that EC2 has forgotten is then missing in the answer, where asking
// by id would fail for all.
#include "aggregator/cloud/aws/aws_impl.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "aggregator/cloud/aws/read.h"
#include "proto/base/text.h"

// A filter holds 200 values, but DescribeInstanceStatus takes 100 ids: all that run are checked.
enum { GATHER_MS = 20, MAX_IDS = 100 };

struct asker {
	struct asker *prev, *next;
	struct cloud_reply reply;
	char instance_id[32], state[32];
};
struct states {
	uv_timer_t timer;
	struct aws_cloud *cloud;
	struct asker *askers;
};
struct batch {
	struct asker *askers;
	struct aws_cloud *cloud;
};

static void on_state(void *arg, const char *name, const char *value)
{
	struct batch *b = arg;
	struct asker *a;
	DL_FOREACH (b->askers, a)
		if (strcmp(a->instance_id, name) == 0)
			text_copy(a->state, sizeof(a->state), value);
}

static void answer_all(struct batch *b, int r, const struct why *why)
{
	while (b->askers) {
		struct asker *a = b->askers;
		DL_DELETE(b->askers, a);
		const char *text = a->state[0] ? a->state : "terminated";
		a->reply.on_done(a->reply.arg, r, why, r < 0 ? "" : text);
		free(a);
	}
}

// What the checks do not say, or may not be asked, changes nothing: "running" stands.
static void on_checks(void *arg, int r, const struct why *why, const struct aws_answer *a)
{
	struct batch *b = arg;
	struct read_texts texts = {on_state, b};
	if (r == 0 && a) {
		const struct body body = {a->body, a->body_len};
		read_failed_checks(&body, &texts);
	}
	if (r != -ECANCELED)
		b->cloud->checks_denied = r == -EACCES;
	answer_all(b, r == -ECANCELED ? r : 0, why);
	free(b);
}

// Asks for the checks of those that run; false if none does.
static bool ask_checks(struct batch *b)
{
	struct aws_param p[MAX_IDS];
	char names[MAX_IDS][24];
	size_t n = 0;
	struct asker *a;
	DL_FOREACH (b->askers, a) {
		if (n == MAX_IDS || strcmp(a->state, "running") != 0)
			continue;
		snprintf(names[n], sizeof(names[n]), "InstanceId.%zu", n + 1);
		p[n] = (struct aws_param){names[n], a->instance_id};
		n++;
	}
	struct aws_call call = {.service = AWS_EC2,
		.operation = "DescribeInstanceStatus",
		.params = p,
		.n_params = n,
		.on_done = on_checks,
		.arg = b};
	if (n > 0)
		aws_call(b->cloud->client, &call);
	return n > 0;
}

static void on_instances(void *arg, int r, const struct why *why, const struct aws_answer *a)
{
	struct batch *b = arg;
	struct body body = {a->body, a->body_len};
	struct read_texts texts = {on_state, b};
	struct why w;
	if (r == 0 && read_instances(&body, &texts) < 0) {
		r = why_set(&w, -EBADMSG, WHY_BUG, "DescribeInstances: the answer cannot be read");
		why = &w;
	}
	if (r == 0 && ask_checks(b))
		return;
	answer_all(b, r, why);
	free(b);
}

static void ask(struct states *s)
{
	struct aws_param p[1 + MAX_IDS] = {{"Filter.1.Name", "instance-id"}};
	char names[MAX_IDS][24];
	struct batch *b = calloc(1, sizeof(*b));
	assert(b); // there must be an on_done
	b->cloud = s->cloud;
	size_t n = 0;
	for (; s->askers && n < MAX_IDS; n++) {
		struct asker *a = s->askers;
		DL_DELETE(s->askers, a);
		DL_APPEND(b->askers, a);
		snprintf(names[n], sizeof(names[n]), "Filter.1.Value.%zu", n + 1);
		p[n + 1] = (struct aws_param){names[n], a->instance_id};
	}
	struct aws_call call = {.service = AWS_EC2,
		.operation = "DescribeInstances",
		.params = p,
		.n_params = n + 1,
		.on_done = on_instances,
		.arg = b};
	aws_call(s->cloud->client, &call);
}

static void on_timer(uv_timer_t *t)
{
	struct states *s = t->data;
	while (s->askers)
		ask(s);
}

void aws_instance_state(void *self, const char *instance_id, const struct cloud_reply *reply)
{
	struct aws_cloud *cloud = self;
	struct states *s = cloud->states;
	struct asker *a = calloc(1, sizeof(*a));
	assert(a); // there must be an on_done
	a->reply = *reply;
	text_copy(a->instance_id, sizeof(a->instance_id), instance_id);
	DL_APPEND(s->askers, a);
	if (!uv_is_active((uv_handle_t *)&s->timer))
		uv_timer_start(&s->timer, on_timer, GATHER_MS, 0);
}

struct states *states_new(struct aws_cloud *a)
{
	struct states *s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->cloud = a;
	uv_timer_init(a->loop, &s->timer);
	s->timer.data = s;
	return s;
}

static void on_closed(uv_handle_t *h)
{
	free(h->data);
}

void states_stop(struct states *s)
{
	struct why why;
	struct batch rest = {s->askers, s->cloud};
	s->askers = NULL;
	answer_all(&rest, why_set(&why, -ECANCELED, WHY_RETRY, "stopped"), &why);
	uv_close((uv_handle_t *)&s->timer, on_closed);
}
