// SPDX-License-Identifier: Apache-2.0
// What the watch says about a drain, and what is due of it: the mark, the pods. What comes after
// the pods is drain_end.c, the new node drain_replace.c.
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "aggregator/act/drains_inner.h"
#include "aggregator/act/mark.h"
#include "proto/base/text.h"

static const int64_t unmarked_patience_ms = 10000; // an interrupted node is drained without its
						   // taint, if that cannot be set for so long

struct drain_act *drain_find_act(struct drain *d, enum drain_step_kind k)
{
	for (size_t i = 0; i < d->n_acts; i++)
		if (d->acts[i].step.kind == k)
			return &d->acts[i];
	return NULL;
}

void drain_changed(struct drains *ds, struct drain *d)
{
	d->change++;
	if (ds->o.on_change && d != ds->dry)
		ds->o.on_change(ds->o.arg, d, ds->now_ms);
}

void drain_set_phase(struct drains *ds, struct drain *d, enum drain_phase phase)
{
	if (d->phase == phase)
		return;
	d->phase = phase;
	drain_changed(ds, d);
}

void drain_set_text(struct drain *d, const char *format, ...)
{
	va_list list;
	va_start(list, format);
	vsnprintf(d->text, sizeof(d->text), format, list);
	va_end(list);
}

// --- what the watch says ----------------------------------------------------------------------

// The mark on the node: ours after an answer that got lost, or another replica's.
void drain_observe_mark(struct drains *ds, struct drain *d, const struct fleet_node *n)
{
	struct drain_mark m;
	if (d->inner->marked || !n->drain || drain_mark_parse(n->drain, &m) < 0)
		return;
	if (strcmp(m.id, d->id) != 0 || strcmp(m.phase, DRAIN_MARK_ASKED) == 0)
		return; // only asked for, or drains_on_node() has taken over its id, or it is of an
			// older drain
	d->inner->marked = true;
	d->inner->cordoned = m.cordoned;
	d->inner->asked_before = m.replacing && d->replacement.state == DRAIN_REPLACEMENT_NONE;
	struct drain_act *a = drain_find_act(d, DRAIN_STEP_MARK);
	if (a && a->state != DRAIN_STEP_DOING) {
		a->state = DRAIN_STEP_DONE;
		a->done_ms = ds->now_ms;
	}
	if (!d->times.tainted_ms)
		d->times.tainted_ms = ds->now_ms;
	drain_changed(ds, d);
}

static bool observe_pod(struct drains *ds, struct drain *d, struct drain_pod *p)
{
	const struct fleet_pod *f = fleet_find_pod(ds->o.fleet, d->cluster, p->uid);
	if (p->state == DRAIN_POD_GONE || (p->state == DRAIN_POD_LEFT && f))
		return false;
	if (!f || !f->watched || strcmp(f->node, d->node) != 0) {
		p->state = DRAIN_POD_GONE;
		p->done_ms = ds->now_ms;
		p->why[0] = 0;
		return true;
	}
	bool ended = f->phase == KUBE_SUCCEEDED || f->phase == KUBE_FAILED;
	if (ended && p->state != DRAIN_POD_EVICTING) {
		p->state = DRAIN_POD_GONE;
		p->done_ms = ds->now_ms;
		return true;
	}
	if (f->deleting_ms && !p->accepted) {
		p->accepted = true; // by us or by somebody else: it is going
		if (p->state != DRAIN_POD_EVICTING)
			p->state = DRAIN_POD_TERMINATING;
		p->why[0] = 0;
		return true;
	}
	return false;
}

static void count_left(struct drains *ds, struct drain *d)
{
	size_t left = 0;
	for (size_t i = 0; i < d->n_pods; i++)
		left += d->pods[i].state < DRAIN_POD_GONE;
	if (left == 0 && d->n_left != 0 && !d->times.drained_ms && d->inner->marked)
		d->times.drained_ms = ds->now_ms;
	d->n_left = left;
}

static void observe_pods(struct drains *ds, struct drain *d)
{
	uint64_t change = fleet_pods_change(ds->o.fleet, d->cluster, d->node);
	if (change == d->inner->pods_change)
		return;
	d->inner->pods_change = change;
	bool changed = false;
	for (size_t i = 0; i < d->n_pods; i++)
		changed |= observe_pod(ds, d, &d->pods[i]);
	for (const struct fleet_pod *p = fleet_pods_on(ds->o.fleet, d->cluster, d->node); p;
		p = p->next_on_node)
		if (p->watched && !drain_find_pod(d, p->uid))
			d->inner->replan = true; // bound before the taint was there
	if (changed) {
		count_left(ds, d);
		drain_changed(ds, d);
	}
}

void drain_observe(struct drains *ds, struct drain *d, int64_t now_ms)
{
	const struct fleet_node *n = fleet_find_node(ds->o.fleet, d->cluster, d->node);
	ds->now_ms = now_ms;
	if (!n || n->state == NODE_GONE || (n->uid[0] && strcmp(n->uid, d->node_uid) != 0)) {
		d->inner->node_gone = true;
		d->inner->instance_gone = true;
	} else {
		drain_observe_mark(ds, d, n);
	}
	observe_pods(ds, d);
	bool due = d->inner->replan_ms && now_ms >= d->inner->replan_ms;
	if ((due || d->inner->replan) && !d->inner->node_gone) {
		drain_plan_again(ds, d, now_ms);
		count_left(ds, d);
	}
}

// --- what is due ------------------------------------------------------------------------------

void drain_start_act(struct drains *ds, struct drain *d, struct drain_act *a, enum call_kind k)
{
	const struct call c = {.drain = d, .kind = k, .act = a->number};
	a->state = DRAIN_STEP_DOING;
	a->tries++;
	if (!a->begun_ms)
		a->begun_ms = ds->now_ms;
	drain_call(ds, &c);
}

// True when pods may be evicted: the node is marked, or that could not be had in time.
static bool advance_mark(struct drains *ds, struct drain *d, int64_t now_ms)
{
	struct drain_act *a = drain_find_act(d, DRAIN_STEP_MARK);
	if (!a || a->state == DRAIN_STEP_DONE || a->state == DRAIN_STEP_SKIPPED)
		return true;
	if (a->state == DRAIN_STEP_PLANNED && now_ms >= a->step.at_ms && now_ms >= a->again_ms) {
		drain_start_act(ds, d, a, CALL_MARK);
		drain_set_phase(ds, d, DRAIN_MARKING);
	}
	bool waited = a->begun_ms && now_ms - a->begun_ms > unmarked_patience_ms;
	return drain_kind_forced(d->kind) && (a->state == DRAIN_STEP_FAILED || waited);
}

static bool lower_are_gone(const struct drain *d, unsigned class)
{
	for (size_t i = 0; i < d->n_pods; i++)
		if (d->pods[i].class < class && d->pods[i].state < DRAIN_POD_GONE)
			return false;
	return true;
}

static bool replacement_settled(const struct drain *d)
{
	enum drain_replacement_state s = d->replacement.state;
	return s == DRAIN_REPLACEMENT_READY || s == DRAIN_REPLACEMENT_FAILED;
}

static bool pod_is_due(const struct drain *d, const struct drain_pod *p, int64_t now_ms)
{
	if (p->accepted || (p->state != DRAIN_POD_WAITING && p->state != DRAIN_POD_BLOCKED) ||
		now_ms < p->again_ms || now_ms < d->inner->begin_ms)
		return false;
	if (p->wait == DRAIN_WAIT_REPLACEMENT)
		return now_ms >= p->planned_ms || replacement_settled(d);
	if (p->wait == DRAIN_WAIT_OTHERS)
		return now_ms >= p->planned_ms || lower_are_gone(d, p->class);
	return true; // a later wave of its budget is asked for already now: budgets may change
}

static void start_pod(struct drains *ds, struct drain *d, struct drain_pod *p, int64_t now_ms)
{
	bool delete = p->state == DRAIN_POD_BLOCKED && d->inner->delete_ms &&
		      now_ms >= d->inner->delete_ms;
	struct call c = {.drain = d,
		.kind = delete ? CALL_DELETE : CALL_EVICT,
		.pod = (uint32_t)(p - d->pods)};
	c.grace_s = p->grace_s = drain_grace_s(p->own_grace_s, now_ms, d->inner->end_ms);
	p->state = DRAIN_POD_EVICTING;
	p->asked_ms = now_ms;
	p->deleted = delete;
	if (delete) {
		struct drain_act *a = drain_find_act(d, DRAIN_STEP_DELETE);
		if (a && a->state == DRAIN_STEP_PLANNED) {
			a->state = DRAIN_STEP_DOING;
			a->begun_ms = now_ms;
		}
	}
	drain_call(ds, &c);
}

static void advance_pods(struct drains *ds, struct drain *d, int64_t now_ms)
{
	bool started = false;
	if (now_ms > d->inner->end_ms + 5000)
		return; // the instance is gone, or a person has to look
	for (unsigned class = 0; class < 4; class ++)
		for (size_t i = 0; i < d->n_pods; i++)
			if (d->pods[i].class == class && pod_is_due(d, &d->pods[i], now_ms)) {
				start_pod(ds, d, &d->pods[i], now_ms);
				started = true;
			}
	if (started)
		drain_changed(ds, d);
}

static bool any_began(const struct drain *d)
{
	for (size_t i = 0; i < d->n_pods; i++)
		if (d->pods[i].state != DRAIN_POD_WAITING && d->pods[i].state != DRAIN_POD_LEFT)
			return true;
	return false;
}

void drain_advance(struct drains *ds, struct drain *d, int64_t now_ms)
{
	ds->now_ms = now_ms;
	if (drain_phase_ended(d->phase))
		return;
	count_left(ds, d);
	if (d->inner->stands_back) {
		drain_advance_end(ds, d, now_ms);
		return;
	}
	if (d->inner->node_gone) {
		drain_advance_end(ds, d, now_ms);
		return;
	}
	if (!drain_may_act(ds, d)) {
		drain_follow(ds, d, now_ms);
		return;
	}
	if (now_ms < d->inner->begin_ms)
		return;
	bool may_evict = advance_mark(ds, d, now_ms);
	drain_advance_replacement(ds, d, now_ms);
	if (may_evict && d->n_left > 0) {
		advance_pods(ds, d, now_ms);
		drain_set_phase(ds, d, any_began(d) ? DRAIN_EVICTING : DRAIN_REPLACING);
	}
	if (may_evict)
		drain_advance_end(ds, d, now_ms);
}
