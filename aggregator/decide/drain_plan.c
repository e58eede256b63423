// SPDX-License-Identifier: Apache-2.0
#include "aggregator/decide/drain_plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/decide/notice.h"
#include "proto/base/json.h"

#define R(id, code, text) {code, text},
static const struct {
	const char *code, *text;
} reasons[] = {DRAIN_REASONS(R)};
#undef R

const char *drain_reason_code(enum drain_reason r)
{
	return (unsigned)r < DRAIN_REASON_COUNT ? reasons[r].code : "unknown";
}

const char *drain_reason_text(enum drain_reason r)
{
	return (unsigned)r < DRAIN_REASON_COUNT ? reasons[r].text : "unknown";
}

static const struct {
	const char *name;
	unsigned urgency;
	bool forced;
} kinds[DRAIN_KIND_COUNT] = {
	[DRAIN_SPOT_ITN] = {"SPOT_ITN", 6, true},
	[DRAIN_REBALANCE_RECOMMENDATION] = {"REBALANCE_RECOMMENDATION", 1, false},
	[DRAIN_SCHEDULED_EVENT] = {"SCHEDULED_EVENT", 3, true},
	[DRAIN_ASG_LIFECYCLE] = {"ASG_LIFECYCLE", 4, true},
	[DRAIN_STATE_CHANGE] = {"STATE_CHANGE", 5, true},
	[DRAIN_HEALTH] = {"HEALTH", 2, true},
	[DRAIN_OPERATOR] = {"OPERATOR", 0, false},
};

const char *drain_kind_name(enum drain_kind k)
{
	return (unsigned)k < DRAIN_KIND_COUNT ? kinds[k].name : "UNKNOWN";
}

int drain_kind_parse(const char *name, enum drain_kind *ret)
{
	for (int k = 0; k < DRAIN_KIND_COUNT; k++)
		if (strcmp(kinds[k].name, name) == 0) {
			*ret = (enum drain_kind)k;
			return 0;
		}
	return -EINVAL;
}

unsigned drain_kind_urgency(enum drain_kind k)
{
	return (unsigned)k < DRAIN_KIND_COUNT ? kinds[k].urgency : 0;
}

bool drain_kind_forced(enum drain_kind k)
{
	return (unsigned)k < DRAIN_KIND_COUNT && kinds[k].forced;
}

const char *drain_step_kind_name(enum drain_step_kind k)
{
	static const char *const names[] = {"mark", "launch", "desired", "evict", "delete",
		"wait-lb", "finish", "terminate", "out-of-service", "unmark"};
	return (unsigned)k < DRAIN_STEP_KIND_COUNT ? names[k] : "unknown";
}

uint32_t drain_grace_s(uint32_t own_s, int64_t at_ms, int64_t end_ms)
{
	int64_t left_s = (end_ms - at_ms) / 1000;
	if (left_s < 1)
		return 1;
	if (own_s < 1)
		return 1; // never 0: it would break "at most one" (StatefulSets)
	return left_s < (int64_t)own_s ? (uint32_t)left_s : own_s;
}

void drain_plan_init(struct drain_plan *p)
{
	memset(p, 0, sizeof(*p));
}

void drain_plan_done(struct drain_plan *p)
{
	free(p->steps);
	free(p->left);
	memset(p, 0, sizeof(*p));
}

static const char *pod_name(const struct drain_view *v, uint32_t pod)
{
	return pod < v->n_pods ? v->pods[pod].name : "?";
}

static void launch_text(const struct drain_step *s, char *ret, size_t size)
{
	if (s->kind == DRAIN_STEP_DESIRED)
		snprintf(ret, size, "set the desired size of %s to %u", s->scaling_group,
			s->desired);
	else
		snprintf(ret, size, "launch a node in %s of %s", s->zone, s->scaling_group);
}

void drain_step_text(const struct drain_step *s, const struct drain_view *v, char *ret, size_t size)
{
	switch (s->kind) {
	case DRAIN_STEP_MARK:
		snprintf(ret, size, "cordon, taint and take out of load balancers: %s", v->node);
		break;
	case DRAIN_STEP_LAUNCH:
	case DRAIN_STEP_DESIRED: launch_text(s, ret, size); break;
	case DRAIN_STEP_EVICT:
		snprintf(ret, size, "evict %s with %u s", pod_name(v, s->pod), s->grace_s);
		break;
	case DRAIN_STEP_DELETE:
		snprintf(ret, size, "delete what a disruption budget still blocks");
		break;
	case DRAIN_STEP_WAIT_LB:
		snprintf(ret, size, "wait until no load balancer sends to %s", v->instance_id);
		break;
	case DRAIN_STEP_FINISH:
		snprintf(ret, size, "complete the lifecycle hook %s", v->hook);
		break;
	case DRAIN_STEP_TERMINATE:
		snprintf(
			ret, size, "end the drained instance %s, desired size - 1", v->instance_id);
		break;
	case DRAIN_STEP_OUT_OF_SERVICE:
		snprintf(ret, size, "free the volumes of %s once its instance is gone", v->node);
		break;
	case DRAIN_STEP_UNMARK:
		snprintf(ret, size, "take cordon, taint and label back: %s", v->node);
		break;
	case DRAIN_STEP_KIND_COUNT: snprintf(ret, size, "?"); break;
	}
}

static void print_reasons(const enum drain_reason *r, size_t n, struct json *j)
{
	json_key(j, "reasons");
	json_open(j, '[');
	for (size_t i = 0; i < n; i++)
		json_text(j, drain_reason_code(r[i]));
	json_close(j, ']');
}

static void print_pod(const struct drain_view_pod *p, struct json *j)
{
	json_put_text(j, "namespace", p->namespace_);
	json_put_text(j, "name", p->name);
	json_put_text(j, "uid", p->uid);
}

static void print_step(const struct drain_step *s, const struct drain_view *v, struct json *j)
{
	static const char *const waits[] = {
		"time", "replacement", "others", "failed", "refused", "drained", "gone"};
	char text[192];
	json_open(j, '{');
	json_put_text(j, "kind", drain_step_kind_name(s->kind));
	json_put_i64(j, "at_ms", s->at_ms);
	if (s->wait != DRAIN_WAIT_TIME)
		json_put_text(j, "wait", waits[s->wait]);
	if (s->pod < v->n_pods)
		print_pod(&v->pods[s->pod], j);
	if (s->kind == DRAIN_STEP_EVICT) {
		json_put_i64(j, "grace_s", s->grace_s);
		json_put_i64(j, "class", s->class);
		json_put_i64(j, "gone_by_ms", s->gone_by_ms);
	}
	print_reasons(s->reasons, s->n_reasons, j);
	drain_step_text(s, v, text, sizeof(text));
	json_put_text(j, "text", text);
	json_close(j, '}');
}

static void print_left(const struct drain_plan *p, const struct drain_view *v, struct json *j)
{
	json_key(j, "left");
	json_open(j, '[');
	for (size_t i = 0; i < p->n_left; i++) {
		json_open(j, '{');
		print_pod(&v->pods[p->left[i].pod], j);
		json_put_text(j, "reason", drain_reason_code(p->left[i].reason));
		json_close(j, '}');
	}
	json_close(j, ']');
}

void drain_plan_print(const struct drain_plan *p, const struct drain_view *v, struct buf *out)
{
	struct json j;
	json_init(&j, out);
	json_open(&j, '{');
	json_put_text(&j, "node", v->node);
	json_put_text(&j, "instance", v->instance_id);
	json_put_text(&j, "kind", drain_kind_name(p->kind));
	json_put_i64(&j, "now_ms", p->now_ms);
	json_put_i64(&j, "deadline_ms", p->deadline_ms);
	json_put_bool(&j, "stands_back", p->stands_back);
	print_reasons(p->reasons, p->n_reasons, &j);
	json_key(&j, "steps");
	json_open(&j, '[');
	for (size_t i = 0; i < p->n_steps; i++)
		print_step(&p->steps[i], v, &j);
	json_close(&j, ']');
	print_left(p, v, &j);
	json_put_i64(&j, "predicted_ms", p->predicted_ms);
	json_key(&j, "blocking");
	json_open(&j, '[');
	for (size_t i = 0; i < p->n_blocking; i++) {
		json_open(&j, '{');
		json_put_text(&j, "namespace", v->budgets[p->blocking[i]].namespace_);
		json_put_text(&j, "budget", v->budgets[p->blocking[i]].name);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_put_text(&j, "text", p->text);
	json_close(&j, '}');
}
