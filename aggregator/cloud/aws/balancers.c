// SPDX-License-Identifier: Apache-2.0
// Which load balancers still send to an instance.
//
// A thousand draining nodes ask the same question every few seconds, so the answer is fetched for
// all instances at once: the lists of target groups (of instances) and classic balancers every
// minute, the health of each one's targets at most every two seconds while somebody asks. An ask
// waits for the round that is under way, or starts one. Counted: every target that is not "unused",
// so also one that still drains; classic: every instance that is in service.
#include "aggregator/cloud/aws/aws_impl.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "aggregator/cloud/aws/read.h"
#include "proto/base/text.h"

enum { LIST_FOR_S = 60, ROUND_FOR_S = 2, MAX_BALANCERS = 2000, MAX_COUNTED = 200000, AT_ONCE = 16 };

struct counted {
	UT_hash_handle hh;
	unsigned n;
	char instance_id[32];
};
struct balancer {
	bool classic;
	char id[512]; // ARN of a target group, or a classic balancer's name
};
struct waiter {
	struct waiter *prev, *next;
	struct cloud_reply reply;
	char instance_id[32];
};
struct balancers {
	uv_timer_t timer; // an answer that is known already comes from the loop, not inside the ask
	struct aws_cloud *cloud;
	struct balancer *list;
	size_t n, room, next;
	struct counted *counts;
	struct waiter *waiters;
	unsigned waiting;
	bool busy;
	uint64_t listed_ns, round_ns; // 0: never
	int r;                        // of the round
	struct why why;
};

static void forget_counts(struct balancers *b)
{
	struct counted *c, *tmp;
	HASH_ITER (hh, b->counts, c, tmp) {
		HASH_DEL(b->counts, c);
		free(c);
	}
}

static void answer(struct balancers *b)
{
	while (b->waiters && !b->busy) {
		struct waiter *w = b->waiters;
		struct counted *c;
		char text[16];
		DL_DELETE(b->waiters, w);
		HASH_FIND_STR(b->counts, w->instance_id, c);
		snprintf(text, sizeof(text), "%u", c ? c->n : 0);
		w->reply.on_done(
			w->reply.arg, b->r, b->r < 0 ? &b->why : NULL, b->r < 0 ? "" : text);
		free(w);
	}
}

static void fail(struct balancers *b, int r, const struct why *why)
{
	if (b->r == 0 && r < 0) {
		b->r = r;
		b->why = *why;
	}
}

static void fail_malformed(struct balancers *b, const char *operation)
{
	struct why why;
	fail(b, why_set(&why, -EBADMSG, WHY_BUG, "%s: the answer cannot be read", operation), &why);
}

static void round_end(struct balancers *b)
{
	b->busy = false;
	b->round_ns = b->cloud->mono_ns();
	answer(b);
}

static void count(struct balancers *b, const char *instance_id)
{
	struct counted *c;
	HASH_FIND_STR(b->counts, instance_id, c);
	if (!c && strlen(instance_id) < sizeof(c->instance_id) &&
		HASH_COUNT(b->counts) < MAX_COUNTED && (c = calloc(1, sizeof(*c)))) {
		text_copy(c->instance_id, sizeof(c->instance_id), instance_id);
		HASH_ADD_STR(b->counts, instance_id, c);
	}
	if (c)
		c->n++;
}

static void on_target(void *arg, const char *name, const char *value)
{
	if (strcmp(value, "unused") != 0)
		count(arg, name);
}

static void on_classic_instance(void *arg, const char *name, const char *value)
{
	if (strcmp(value, "InService") == 0)
		count(arg, name);
}

static void round_go_on(struct balancers *b);

static void health_done(struct balancers *b)
{
	b->waiting--;
	round_go_on(b);
}

// A balancer that is deleted meanwhile sends to nobody.
static void on_target_health(void *arg, int r, const struct why *why, const struct aws_answer *a)
{
	struct balancers *b = arg;
	struct body body = {a->body, a->body_len};
	struct read_texts texts = {on_target, b};
	if (r < 0 && r != -ENOENT)
		fail(b, r, why);
	else if (r == 0 && read_target_health(&body, &texts) < 0)
		fail_malformed(b, "DescribeTargetHealth");
	health_done(b);
}

static void on_instance_health(void *arg, int r, const struct why *why, const struct aws_answer *a)
{
	struct balancers *b = arg;
	struct body body = {a->body, a->body_len};
	struct read_texts texts = {on_classic_instance, b};
	if (r < 0 && r != -ENOENT)
		fail(b, r, why);
	else if (r == 0 && read_instance_health(&body, &texts) < 0)
		fail_malformed(b, "DescribeInstanceHealth");
	health_done(b);
}

static void round_go_on(struct balancers *b)
{
	while (b->r == 0 && b->next < b->n && b->waiting < AT_ONCE) {
		const struct balancer *x = &b->list[b->next++];
		struct aws_param p = {x->classic ? "LoadBalancerName" : "TargetGroupArn", x->id};
		struct aws_call call = {.service = x->classic ? AWS_ELB : AWS_ELBV2,
			.operation = x->classic ? "DescribeInstanceHealth" : "DescribeTargetHealth",
			.params = &p,
			.n_params = 1,
			.on_done = x->classic ? on_instance_health : on_target_health,
			.arg = b};
		b->waiting++;
		aws_call(b->cloud->client, &call);
	}
	if (b->waiting == 0)
		round_end(b);
}

static void round_begin(struct balancers *b)
{
	forget_counts(b);
	b->next = 0;
	round_go_on(b);
}

static void add(struct balancers *b, const char *id, bool classic)
{
	if (b->n == b->room && b->room < MAX_BALANCERS) {
		size_t room = b->room ? 2 * b->room : 16;
		struct balancer *list = realloc(b->list, room * sizeof(*list));
		b->list = list ? list : b->list;
		b->room = list ? room : b->room;
	}
	if (b->n == b->room || strlen(id) >= sizeof(b->list[0].id))
		return;
	b->list[b->n].classic = classic;
	text_copy(b->list[b->n++].id, sizeof(b->list[0].id), id);
}

static void on_target_group(void *arg, const char *name, const char *value)
{
	add(arg, name, false);
}

static void on_classic_name(void *arg, const char *name, const char *value)
{
	add(arg, name, true);
}

static void list_page(struct balancers *b, bool classic, const char *marker);

static void list_done(struct balancers *b, bool classic)
{
	if (b->r < 0) {
		round_end(b);
	} else if (!classic) {
		list_page(b, true, NULL);
	} else {
		b->listed_ns = b->cloud->mono_ns();
		round_begin(b);
	}
}

static void on_page(
	struct balancers *b, bool classic, int r, const struct why *why, const struct body *body)
{
	autobuf next;
	buf_init(&next, 8192);
	struct read_texts texts = {classic ? on_classic_name : on_target_group, b};
	size_t before = b->n;
	if (r < 0)
		fail(b, r, why);
	else if ((classic ? read_classic : read_target_groups)(body, &texts, &next) < 0)
		fail_malformed(b, classic ? "DescribeLoadBalancers" : "DescribeTargetGroups");
	// A page that adds nothing cannot go on for ever.
	if (b->r == 0 && next.len > 0 && b->n > before)
		list_page(b, classic, next.data);
	else
		list_done(b, classic);
}

static void on_target_groups(void *arg, int r, const struct why *why, const struct aws_answer *a)
{
	struct body body = {a->body, a->body_len};
	on_page(arg, false, r, why, &body);
}

static void on_classics(void *arg, int r, const struct why *why, const struct aws_answer *a)
{
	struct body body = {a->body, a->body_len};
	on_page(arg, true, r, why, &body);
}

static void list_page(struct balancers *b, bool classic, const char *marker)
{
	struct aws_param p[] = {{"PageSize", "400"}, {"Marker", marker}};
	struct aws_call call = {.service = classic ? AWS_ELB : AWS_ELBV2,
		.operation = classic ? "DescribeLoadBalancers" : "DescribeTargetGroups",
		.params = p,
		.n_params = marker ? 2 : 1,
		.on_done = classic ? on_classics : on_target_groups,
		.arg = b};
	aws_call(b->cloud->client, &call);
}

static bool is_older(const struct balancers *b, uint64_t since_ns, uint64_t s)
{
	return since_ns == 0 || b->cloud->mono_ns() - since_ns >= s * 1000000000;
}

static void on_timer(uv_timer_t *t)
{
	answer(t->data);
}

void aws_load_balancers(void *self, const char *instance_id, const struct cloud_reply *reply)
{
	struct aws_cloud *a = self;
	struct balancers *b = a->balancers;
	struct waiter *w = calloc(1, sizeof(*w));
	assert(w); // there must be an on_done
	w->reply = *reply;
	text_copy(w->instance_id, sizeof(w->instance_id), instance_id);
	DL_APPEND(b->waiters, w);
	if (b->busy)
		return;
	if (!is_older(b, b->round_ns, ROUND_FOR_S)) {
		uv_timer_start(&b->timer, on_timer, 0, 0);
		return;
	}
	b->busy = true;
	b->r = 0;
	if (is_older(b, b->listed_ns, LIST_FOR_S)) {
		b->n = 0;
		list_page(b, false, NULL);
	} else {
		round_begin(b);
	}
}

struct balancers *balancers_new(struct aws_cloud *a)
{
	struct balancers *b = calloc(1, sizeof(*b));
	if (!b)
		return NULL;
	b->cloud = a;
	uv_timer_init(a->loop, &b->timer);
	b->timer.data = b;
	return b;
}

static void on_closed(uv_handle_t *h)
{
	struct balancers *b = h->data;
	forget_counts(b);
	free(b->list);
	free(b);
}

void balancers_stop(struct balancers *b)
{
	b->busy = false;
	if (b->waiters)
		b->r = why_set(&b->why, -ECANCELED, WHY_RETRY, "stopped");
	answer(b);
	uv_close((uv_handle_t *)&b->timer, on_closed);
}
