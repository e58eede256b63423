// SPDX-License-Identifier: Apache-2.0
// Takes a plan into a drain: what is done stays done, what is under way goes on, what was only
// planned is planned anew. So the same function serves the first plan, a second notice, a changed
// deadline, pods that came late, and a restart.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/act/drains_inner.h"
#include "proto/base/json.h"
#include "proto/base/text.h"

struct drain_pod *drain_find_pod(const struct drain *d, const char *uid)
{
	for (size_t i = 0; i < d->n_pods; i++)
		if (strcmp(d->pods[i].uid, uid) == 0)
			return &d->pods[i];
	return NULL;
}

// The four names in one allocation, owned through namespace_.
static int name_pod(struct drain_pod *p, const struct drain_view_pod *v)
{
	const char *const from[4] = {v->namespace_, v->name, v->uid, v->workload};
	char **const to[4] = {&p->namespace_, &p->name, &p->uid, &p->workload};
	size_t total = 0;
	for (int i = 0; i < 4; i++)
		total += strlen(from[i]) + 1;
	char *text = malloc(total);
	if (!text)
		return -ENOMEM;
	for (int i = 0; i < 4; i++) {
		size_t len = strlen(from[i]) + 1;
		memcpy(text, from[i], len);
		*to[i] = text;
		text += len;
	}
	return 0;
}

static struct drain_pod *add_pod(struct drain *d, const struct drain_view_pod *v)
{
	if (d->n_pods == DRAIN_MAX_PODS)
		return NULL;
	if ((d->n_pods & (d->n_pods - 1)) == 0) { // grows at powers of two
		size_t cap = d->n_pods ? d->n_pods * 2 : 1;
		struct drain_pod *pods = realloc(d->pods, cap * sizeof(*pods));
		if (!pods)
			return NULL;
		d->pods = pods;
	}
	struct drain_pod *p = &d->pods[d->n_pods];
	memset(p, 0, sizeof(*p));
	p->own_grace_s = v->grace_s;
	if (name_pod(p, v) < 0)
		return NULL;
	d->n_pods++;
	return p;
}

void drain_free(struct drain *d)
{
	for (size_t i = 0; i < d->n_pods; i++)
		free(d->pods[i].namespace_);
	free(d->pods);
	free(d->inner);
	free(d);
}

// What the journal of before the restart says about it.
static void recall_pod(struct drains *ds, struct drain_pod *p, int64_t now_ms)
{
	const int64_t settled_ms = 3000; // a call that was under way has reached the watch by then
	struct drain_recalled *r;
	HASH_FIND_STR(ds->recalled, p->uid, r);
	if (r && r->accepted) {
		p->accepted = true;
		p->state = DRAIN_POD_TERMINATING;
	} else if (r) {
		p->again_ms = now_ms + settled_ms;
	}
}

static struct drain_pod *find_or_add(
	struct drains *ds, struct drain *d, const struct drain_view_pod *v, int64_t now_ms)
{
	struct drain_pod *p = drain_find_pod(d, v->uid);
	if (p)
		return p;
	p = add_pod(d, v);
	if (p)
		recall_pod(ds, p, now_ms);
	return p;
}

static void take_reasons(struct drain_pod *p, const struct drain_step *s)
{
	p->why[0] = 0;
	if (s->n_reasons)
		text_copy(p->why, sizeof(p->why), drain_reason_text(s->reasons[0]));
}

static void take_eviction(
	struct drains *ds, struct drain *d, const struct drain_step *s, const struct drain_view *v)
{
	struct drain_pod *p = find_or_add(ds, d, &v->pods[s->pod], ds->now_ms);
	if (!p || p->accepted || p->state == DRAIN_POD_EVICTING || p->state == DRAIN_POD_GONE)
		return;
	if (p->state == DRAIN_POD_LEFT)
		p->state = DRAIN_POD_WAITING;
	p->class = s->class;
	p->wait = s->wait;
	p->planned_ms = s->at_ms;
	p->grace_s = s->grace_s;
	p->gone_by_ms = s->gone_by_ms;
	if (p->state == DRAIN_POD_WAITING)
		take_reasons(p, s);
}

static void take_left(
	struct drains *ds, struct drain *d, const struct drain_left *l, const struct drain_view *v)
{
	struct drain_pod *p = find_or_add(ds, d, &v->pods[l->pod], ds->now_ms);
	if (!p || p->accepted || p->state == DRAIN_POD_EVICTING)
		return;
	bool going = l->reason == DRAIN_REASON_TERMINATING;
	p->state = going ? DRAIN_POD_TERMINATING : DRAIN_POD_LEFT;
	p->accepted = going; // by whomever
	p->grace_s = p->own_grace_s;
	text_copy(p->why, sizeof(p->why), drain_reason_text(l->reason));
}

static bool is_launch(enum drain_step_kind k)
{
	return k == DRAIN_STEP_LAUNCH || k == DRAIN_STEP_DESIRED;
}

// Acts that were only planned are forgotten, and so are refused launches once they are history.
static void forget_planned(struct drain *d)
{
	size_t n = 0;
	for (size_t i = 0; i < d->n_acts; i++) {
		const struct drain_act *a = &d->acts[i];
		bool old = is_launch(a->step.kind) &&
			   (a->state == DRAIN_STEP_FAILED || a->state == DRAIN_STEP_SKIPPED);
		if (a->state != DRAIN_STEP_PLANNED &&
			!(old && d->replacement.state == DRAIN_REPLACEMENT_NONE))
			d->acts[n++] = *a;
	}
	d->n_acts = n;
}

static bool has_act(const struct drain *d, enum drain_step_kind k)
{
	for (size_t i = 0; i < d->n_acts; i++)
		if (d->acts[i].step.kind == k && d->acts[i].state != DRAIN_STEP_PLANNED)
			return true;
	return false;
}

static void take_act(struct drain *d, const struct drain_step *s, const struct drain_view *v)
{
	if (d->n_acts == DRAIN_MAX_ACTS || (!is_launch(s->kind) && has_act(d, s->kind)))
		return;
	struct drain_act *a = &d->acts[d->n_acts++];
	*a = (struct drain_act){.step = *s, .number = ++d->inner->act_numbers};
	drain_step_text(s, v, a->text, sizeof(a->text));
	if (s->kind == DRAIN_STEP_MARK && d->inner->marked) {
		a->state = DRAIN_STEP_DONE;
		a->done_ms = d->times.tainted_ms;
	}
	// A number is not idempotent as a launch's token is: a predecessor may have set it.
	if (s->kind == DRAIN_STEP_DESIRED && d->inner->asked_before)
		a->state = DRAIN_STEP_SKIPPED;
}

static void take_blocking(struct drain *d, const struct drain_plan *p, const struct drain_view *v)
{
	d->n_blocking = 0;
	for (size_t i = 0; i < p->n_blocking; i++) {
		const struct drain_view_budget *b = &v->budgets[p->blocking[i]];
		struct drain_blocking *o = &d->blocking[d->n_blocking++];
		text_copy(o->namespace_, sizeof(o->namespace_), b->namespace_);
		text_copy(o->name, sizeof(o->name), b->name);
		snprintf(o->text, sizeof(o->text), "allows %d, %d healthy of %d needed", b->allowed,
			b->healthy, b->desired);
	}
}

static void take_times(struct drain *d, const struct drain_plan *p, const struct drains *ds)
{
	struct drain_inner *in = d->inner;
	const struct drain_policy *policy = &ds->o.policy;
	in->begin_ms = p->now_ms;
	in->end_ms = p->deadline_ms ? p->end_ms : INT64_MAX;
	in->delete_ms = 0;
	in->replan_ms = 0;
	for (size_t i = 0; i < p->n_steps; i++) {
		const struct drain_step *s = &p->steps[i];
		if (s->kind == DRAIN_STEP_MARK)
			in->begin_ms = s->at_ms;
		if (s->kind == DRAIN_STEP_DELETE)
			in->delete_ms = s->at_ms;
	}
	// a drain that begins later is decided again when it begins, on what is true then
	if (in->begin_ms > p->now_ms)
		in->replan_ms = in->begin_ms;
	if (!p->deadline_ms)
		in->end_ms = in->begin_ms + policy->patience_ms + policy->operator_ms;
	if (!p->deadline_ms && p->kind == DRAIN_REBALANCE_RECOMMENDATION &&
		policy->keep_marked_ms > policy->patience_ms + policy->operator_ms)
		in->end_ms = in->begin_ms + policy->keep_marked_ms;
}

// What the new plan does not evict stays where it is.
static void leave_planned(struct drain *d)
{
	for (size_t i = 0; i < d->n_pods; i++) {
		struct drain_pod *p = &d->pods[i];
		if (p->accepted || (p->state != DRAIN_POD_WAITING && p->state != DRAIN_POD_BLOCKED))
			continue;
		p->state = DRAIN_POD_LEFT;
		text_copy(p->why, sizeof(p->why), "it is not to go any more");
	}
}

static void take(
	struct drains *ds, struct drain *d, const struct drain_plan *p, const struct drain_view *v)
{
	forget_planned(d);
	leave_planned(d);
	for (size_t i = 0; i < p->n_steps; i++) {
		if (p->steps[i].kind == DRAIN_STEP_EVICT)
			take_eviction(ds, d, &p->steps[i], v);
		else
			take_act(d, &p->steps[i], v);
	}
	for (size_t i = 0; i < p->n_left; i++)
		take_left(ds, d, &p->left[i], v);
	take_blocking(d, p, v);
	take_times(d, p, ds);
	d->inner->stands_back = p->stands_back;
	d->inner->replan = false;
	d->deadline_ms = p->deadline_ms;
	d->predicted_ms = p->predicted_ms;
	text_copy(d->text, sizeof(d->text), p->text);
}

int drain_plan_again(struct drains *ds, struct drain *d, int64_t now_ms)
{
	struct drain_seen seen;
	struct drain_plan plan;
	const struct drain_notice notice = {.kind = d->kind,
		.observed_ms = d->observed_ms,
		.deadline_ms = d->deadline_ms,
		.begun_ms = d->started_ms,
		.guessed = d->guessed,
		.withdrawn = d->kinds == 0};
	int r = drain_see(ds, d, &seen);
	if (r < 0)
		return r;
	drain_plan_init(&plan);
	r = decide_notice(&seen.view, &notice, &ds->o.policy, now_ms, &plan);
	if (r == 0) {
		take(ds, d, &plan, &seen.view);
		buf_reset(&ds->text);
		drain_plan_print(&plan, &seen.view, &ds->text);
		drain_entry(ds, d, "drain-plan", &ds->text);
		drain_changed(ds, d);
	}
	drain_plan_done(&plan);
	drain_seen_done(&seen);
	return r;
}
