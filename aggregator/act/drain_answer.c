// SPDX-License-Identifier: Apache-2.0
// What an answer means for the drain: go on, ask again and when, or give up.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "aggregator/act/drains_inner.h"
#include "proto/base/text.h"

static const int64_t blocked_again_ms = 1000;
static const int64_t later_wave_again_ms = 2000; // before the plan expects its budget to give way
static const int64_t error_again_ms = 1000;
static const int64_t denied_again_ms = 10000;
static const int64_t held_again_ms = 250; // not the leader, or not audited

static const char *text_of(const struct answer *a)
{
	return a->why && a->why->text[0] ? a->why->text : strerror(a->r < 0 ? -a->r : 0);
}

static void note_blocking(struct drain *d, const struct drain_pod *p, const char *text)
{
	for (size_t i = 0; i < d->n_blocking; i++)
		if (strcmp(d->blocking[i].namespace_, p->namespace_) == 0)
			text_copy(d->blocking[i].text, sizeof(d->blocking[i].text), text);
}

static void blocked(struct drain *d, struct drain_pod *p, const struct answer *a, int64_t now_ms)
{
	p->state = DRAIN_POD_BLOCKED;
	text_copy(p->why, sizeof(p->why), text_of(a));
	note_blocking(d, p, p->why);
	if (a->r == -ENOTSUP && d->inner->delete_ms > now_ms)
		p->again_ms = d->inner->delete_ms; // two budgets: asking is of no use
	else if (a->r == -ENOTSUP)
		p->again_ms = now_ms + denied_again_ms;
	else if (p->planned_ms > now_ms)
		p->again_ms = now_ms + later_wave_again_ms;
	else
		p->again_ms = now_ms + blocked_again_ms;
	if (d->inner->delete_ms > now_ms && p->again_ms > d->inner->delete_ms)
		p->again_ms = d->inner->delete_ms;
	else if (d->inner->delete_ms && now_ms >= d->inner->delete_ms && !p->deleted)
		p->again_ms = now_ms; // only a leader that is new asks so late: it may not live to
				      // ask again
}

static void refused(struct drain *d, struct drain_pod *p, const struct answer *a, int64_t now_ms)
{
	if (a->r == -EBUSY || a->r == -ENOTSUP) {
		blocked(d, p, a, now_ms);
		return;
	}
	p->state = DRAIN_POD_WAITING;
	text_copy(p->why, sizeof(p->why), text_of(a));
	if (a->r == -EPERM)
		p->again_ms = now_ms + held_again_ms;
	else if (a->r == -EACCES || a->r == -EINVAL)
		p->again_ms = now_ms + denied_again_ms;
	else if (a->r == -EAGAIN && a->retry_ms > 0)
		p->again_ms = now_ms + a->retry_ms;
	else
		p->again_ms = now_ms + error_again_ms;
	if (p->again_ms > d->inner->end_ms - 1000 && now_ms < d->inner->end_ms - 1000)
		p->again_ms = d->inner->end_ms - 1000; // a late answer does not cost the last try
	// "still being processed" may hold until the end: then it counts as blocked
	if (a->r == -EAGAIN && d->inner->delete_ms && p->again_ms >= d->inner->delete_ms) {
		p->state = DRAIN_POD_BLOCKED;
		p->again_ms = d->inner->delete_ms > now_ms ? d->inner->delete_ms : p->again_ms;
	}
}

static void accepted(
	struct drains *ds, struct drain *d, struct drain_pod *p, const struct answer *a)
{
	p->accepted = true;
	p->why[0] = 0;
	if (!d->times.first_eviction_ms)
		d->times.first_eviction_ms = ds->now_ms;
	if (a->r > 0) { // a driver that only says what it would do
		p->state = DRAIN_POD_LEFT;
		p->done_ms = ds->now_ms;
		text_copy(p->why, sizeof(p->why),
			p->deleted ? "would be deleted" : "would be evicted");
		return;
	}
	p->state = DRAIN_POD_TERMINATING;
	p->gone_by_ms = ds->now_ms + (int64_t)p->grace_s * 1000;
	if (p->deleted)
		ds->stats.deleted++;
	else
		ds->stats.evicted++;
}

static void answer_pod(struct drains *ds, struct call *c, const struct answer *a)
{
	struct drain *d = c->drain;
	struct drain_pod *p = &d->pods[c->pod];
	if (p->state != DRAIN_POD_EVICTING)
		return; // the watch was faster: it has gone
	if (a->r >= 0) {
		accepted(ds, d, p, a);
	} else if (a->r == -ENOENT || a->r == -ESTALE) {
		p->state = DRAIN_POD_GONE;
		p->done_ms = ds->now_ms;
	} else if (p->accepted) {
		p->state = DRAIN_POD_TERMINATING;
	} else {
		refused(d, p, a, ds->now_ms);
	}
	drain_changed(ds, d);
}

static void answer_mark(
	struct drains *ds, struct drain *d, struct drain_act *act, const struct answer *a)
{
	if (a->r >= 0) {
		act->state = DRAIN_STEP_DONE;
		act->done_ms = ds->now_ms;
		d->inner->marked = true;
		if (!d->times.tainted_ms)
			d->times.tainted_ms = ds->now_ms;
		drain_tell(ds, d, "Cordon", "cordoned, tainted, out of load balancers");
		if (d->kinds == 0) // withdrawn meanwhile: it is taken off again
			drain_plan_again(ds, d, ds->now_ms);
	} else if (a->r == -EACCES || a->r == -EINVAL) {
		act->state = DRAIN_STEP_FAILED;
		act->done_ms = ds->now_ms;
		snprintf(act->text, sizeof(act->text), "%s", text_of(a));
		drain_tell_warning(ds, d, "CordonError", act->text);
	} else {
		act->state = DRAIN_STEP_PLANNED;
		act->again_ms = ds->now_ms +
				(a->r == -EAGAIN && a->retry_ms > 0 ? a->retry_ms : held_again_ms);
		snprintf(act->text, sizeof(act->text), "%s, retrying", text_of(a));
		d->inner->node_gone |= a->r == -ENOENT;
	}
}

static void answer_balancers(struct drains *ds, struct drain_act *act, const struct answer *a)
{
	const int64_t again_ms = 3000;
	if (a->r >= 0 && (!a->text || strcmp(a->text, "0") == 0 || !a->text[0])) {
		act->state = DRAIN_STEP_DONE;
		act->done_ms = ds->now_ms;
	} else if (a->r == -EACCES || a->r == -ENOTSUP) {
		act->state = DRAIN_STEP_SKIPPED;
		act->done_ms = ds->now_ms;
		snprintf(act->text, sizeof(act->text), "load balancers may not be asked");
	} else {
		act->state = DRAIN_STEP_PLANNED;
		act->again_ms = ds->now_ms + again_ms;
		if (a->r >= 0)
			snprintf(act->text, sizeof(act->text),
				"%.16s load balancers still send to it", a->text);
	}
}

int64_t drain_backoff_ms(uint32_t tries)
{
	return 2000ll << (tries == 0 ? 0 : tries > 5 ? 4 : tries - 1);
}

// Terminate is never repeated blindly: after an answer that got lost, the state is asked first.
static void answer_terminate(
	struct drains *ds, struct drain *d, struct drain_act *act, const struct answer *a)
{
	enum { MAX_TRIES = 3 };
	bool lost = a->why && a->why->class == WHY_RETRY && a->r != -EPERM;
	bool throttled = a->why && a->why->class == WHY_THROTTLED;
	if (a->r >= 0 || a->r == -ENOENT) {
		act->state = DRAIN_STEP_DONE;
		act->done_ms = ds->now_ms;
	} else if (lost) {
		const struct call c = {.drain = d, .kind = CALL_STATE, .act = act->number};
		drain_call(ds, &c);
	} else if (throttled) {
		act->state = DRAIN_STEP_PLANNED;
		act->again_ms = ds->now_ms + drain_backoff_ms(act->tries);
	} else if (a->r != -EPERM && (a->r == -EACCES || a->r == -EINVAL || a->r == -ENOTSUP ||
					     act->tries >= MAX_TRIES)) {
		act->state = DRAIN_STEP_FAILED;
		act->done_ms = ds->now_ms;
		snprintf(act->text, sizeof(act->text), "%s", text_of(a));
	} else {
		act->state = DRAIN_STEP_PLANNED;
		act->again_ms = ds->now_ms + error_again_ms;
	}
}

// Whether the instance goes is not known yet: it is asked again (drain_end.c), nothing is repeated.
static void answer_state_unknown(
	struct drains *ds, struct drain *d, struct drain_act *act, const struct answer *a)
{
	if (a->r != -EACCES) {
		d->inner->ask_state_ms = ds->now_ms + 5 * error_again_ms;
		return;
	}
	act->state = DRAIN_STEP_FAILED;
	act->done_ms = ds->now_ms;
	snprintf(
		act->text, sizeof(act->text), "not known whether it was ended: %.120s", text_of(a));
}

static void answer_state(struct drains *ds, struct call *c, const struct answer *a)
{
	struct drain_act *act = drain_find_act(c->drain, DRAIN_STEP_TERMINATE);
	static const char *const ending[] = {"terminated", "shutting-down", "stopped", "stopping"};
	bool goes = a->r == -ENOENT, gone = a->r == -ENOENT;
	for (int i = 0; a->r == 0 && a->text && i < 4; i++)
		goes |= strcmp(a->text, ending[i]) == 0;
	if (a->r == 0 && a->text)
		gone = strcmp(a->text, ending[0]) == 0 || strcmp(a->text, ending[2]) == 0;
	c->drain->inner->instance_gone |= gone;
	if (!act || act->number != c->act || act->state != DRAIN_STEP_DOING)
		return;
	if (a->r < 0 && !gone) {
		answer_state_unknown(ds, c->drain, act, a);
		return;
	}
	act->state = goes ? DRAIN_STEP_DONE : DRAIN_STEP_PLANNED;
	act->again_ms = ds->now_ms + 5 * error_again_ms;
	if (goes)
		act->done_ms = ds->now_ms;
}

// The hook: accepted, or asked again until its time is over (drain_end.c).
static void answer_again(struct drains *ds, struct drain_act *act, const struct answer *a)
{
	if (a->r >= 0 || a->r == -ENOENT) {
		act->state = DRAIN_STEP_DONE;
		act->done_ms = ds->now_ms;
	} else if (a->r == -EACCES) {
		act->state = DRAIN_STEP_FAILED;
		act->done_ms = ds->now_ms;
		snprintf(act->text, sizeof(act->text), "%s", text_of(a));
	} else {
		act->state = DRAIN_STEP_PLANNED;
		act->again_ms = ds->now_ms + (act->step.kind == DRAIN_STEP_FINISH
							     ? drain_backoff_ms(act->tries)
							     : 3 * error_again_ms);
		snprintf(act->text, sizeof(act->text), "%.150s, retrying", text_of(a));
	}
}

// A token that is not the action's (any more): the instance is enough to find it.
static void answer_hook(
	struct drains *ds, struct drain *d, struct drain_act *act, const struct answer *a)
{
	bool other = a->r == -ENOENT && d->inner->hook_token[0];
	if (!other) {
		answer_again(ds, act, a);
		return;
	}
	d->inner->hook_token[0] = 0;
	act->state = DRAIN_STEP_PLANNED;
	act->again_ms = ds->now_ms;
}

static void answer_unmark(
	struct drains *ds, struct drain *d, struct drain_act *act, const struct answer *a)
{
	answer_again(ds, act, a);
	if (act->state != DRAIN_STEP_DONE)
		return;
	d->inner->marked = false;
	drain_tell(ds, d, "Uncordon", "given back: taint, label and annotation are off");
}

static void answer_in_service(struct drains *ds, struct drain *d, const struct answer *a)
{
	d->inner->in_service_ms = ds->now_ms + 3 * error_again_ms; // the watch says when it is off
	if (a->r >= 0)
		drain_tell(ds, d, "InService",
			"its volumes are free: the out-of-service taint is off");
}

// A token that does not hold is left out at once; one that was lost may be all that a short hook
// has left.
static void answer_heartbeat(struct drains *ds, struct drain *d, const struct answer *a)
{
	const int64_t heartbeat_ms = 15000; // half of the shortest time-out that a hook may have
	bool other = a->r == -ENOENT && d->inner->hook_token[0];
	bool lost = a->r < 0 && a->r != -ENOENT && a->r != -EACCES;
	d->inner->heartbeat_ms = ds->now_ms + (other         ? 0
						      : lost ? 5 * error_again_ms
							     : heartbeat_ms);
	if (other)
		d->inner->hook_token[0] = 0;
}

static void answer_act(struct drains *ds, struct call *c, const struct answer *a)
{
	struct drain_act *act = drain_act_of(c);
	if (!act)
		return;
	switch (c->kind) {
	case CALL_MARK: answer_mark(ds, c->drain, act, a); break;
	case CALL_UNMARK: answer_unmark(ds, c->drain, act, a); break;
	case CALL_BALANCERS: answer_balancers(ds, act, a); break;
	case CALL_COMPLETE: answer_hook(ds, c->drain, act, a); break;
	case CALL_TERMINATE: answer_terminate(ds, c->drain, act, a); break;
	default: answer_again(ds, act, a); break;
	}
	drain_changed(ds, c->drain);
}

void drain_answer(struct drains *ds, struct call *c, const struct answer *a)
{
	switch (c->kind) {
	case CALL_EVICT:
	case CALL_DELETE: answer_pod(ds, c, a); break;
	case CALL_LAUNCH:
	case CALL_DESIRED: drain_answer_replacement(ds, c, a); break;
	case CALL_STATE: answer_state(ds, c, a); break;
	case CALL_HEARTBEAT: answer_heartbeat(ds, c->drain, a); break;
	case CALL_IN_SERVICE: answer_in_service(ds, c->drain, a); break;
	case CALL_ASK:
		c->drain->inner->pass_on_ms = a->r < 0 ? ds->now_ms + error_again_ms : 0;
		break;
	case CALL_CLOSE: // asked once more when it failed for a passing reason
		c->drain->inner->marked = a->r < 0 && a->r != -ENOENT && a->r != -EACCES;
		break;
	default: answer_act(ds, c, a); break;
	}
	drain_advance(ds, c->drain, ds->now_ms);
}
