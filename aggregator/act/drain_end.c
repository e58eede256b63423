// SPDX-License-Identifier: Apache-2.0
// What follows when the pods are gone or time is up: load balancers, giving the instance back, the
// lifecycle hook, volumes that hang, taking the mark off; and the end of the drain.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "aggregator/act/drains_inner.h"
#include "aggregator/act/mark.h"
#include "proto/base/text.h"

static const int64_t hook_for_ms = 7200000;   // a hook waits for an hour, unless told otherwise
static const int64_t volumes_for_ms = 600000; // Kubernetes itself lets go after six minutes

static bool is_open(const struct drain_act *a)
{
	return a && (a->state == DRAIN_STEP_PLANNED || a->state == DRAIN_STEP_DOING);
}

static void skip(struct drains *ds, struct drain *d, struct drain_act *a, const char *text)
{
	a->state = DRAIN_STEP_SKIPPED;
	a->done_ms = ds->now_ms;
	text_copy(a->text, sizeof(a->text), text);
	drain_changed(ds, d);
}

static void start(struct drains *ds, struct drain *d, struct drain_act *a, enum call_kind k)
{
	drain_start_act(ds, d, a, k);
	drain_changed(ds, d);
}

static bool has_cloud(const struct drain *d)
{
	return d->inner->cluster && d->inner->cluster->cloud.ops;
}

static bool can_start(const struct drain_act *a, int64_t now_ms)
{
	return a->state == DRAIN_STEP_PLANNED && now_ms >= a->again_ms;
}

// A voluntary drain does not wait for its deadline, only a while.
static int64_t balancer_limit_ms(
	const struct drains *ds, const struct drain *d, const struct drain_act *a)
{
	int64_t while_ms = d->times.drained_ms + ds->o.policy.load_balancer_ms;
	return d->times.drained_ms && while_ms < a->step.at_ms ? while_ms : a->step.at_ms;
}

static void advance_balancers(struct drains *ds, struct drain *d, int64_t now_ms)
{
	struct drain_act *a = drain_find_act(d, DRAIN_STEP_WAIT_LB);
	if (!is_open(a))
		return;
	if (!has_cloud(d))
		skip(ds, d, a, "no cloud to ask about load balancers");
	else if (now_ms >= balancer_limit_ms(ds, d, a) && a->state == DRAIN_STEP_PLANNED)
		skip(ds, d, a, "time is up for load balancers");
	else if (d->n_left == 0 && can_start(a, now_ms))
		start(ds, d, a, CALL_BALANCERS);
}

static bool volumes_hang(const struct drains *ds, const struct drain *d)
{
	const struct fleet_node *n = fleet_find_node(ds->o.fleet, d->cluster, d->node);
	return n && !d->inner->node_gone && n->volumes > 0;
}

// The pods have gone, the volumes are still being detached: the instance is left to it, until its
// time is over; a voluntary drain waits only a while.
static bool is_detaching(const struct drains *ds, const struct drain *d, int64_t now_ms)
{
	int64_t until_ms = d->inner->end_ms - ds->o.policy.margin_ms;
	int64_t while_ms = d->times.drained_ms + ds->o.policy.load_balancer_ms;
	if (!drain_kind_forced(d->kind) && d->times.drained_ms && while_ms < until_ms)
		until_ms = while_ms;
	return now_ms < until_ms && volumes_hang(ds, d);
}

// The answer was lost, and so was the one to the question whether the instance goes.
static void ask_whether_it_goes(
	struct drains *ds, struct drain *d, const struct drain_act *a, int64_t now_ms)
{
	if (d->inner->busy || now_ms < d->inner->ask_state_ms)
		return;
	const struct call c = {.drain = d, .kind = CALL_STATE, .act = a->number};
	drain_call(ds, &c);
}

// The group was made one larger for the replacement: the drained instance goes with it.
static void advance_terminate(struct drains *ds, struct drain *d, int64_t now_ms)
{
	struct drain_act *a = drain_find_act(d, DRAIN_STEP_TERMINATE);
	if (!is_open(a))
		return;
	if (a->state == DRAIN_STEP_DOING) {
		ask_whether_it_goes(ds, d, a, now_ms);
		return;
	}
	enum drain_replacement_state s = d->replacement.state;
	bool enlarged = s == DRAIN_REPLACEMENT_LAUNCHED || s == DRAIN_REPLACEMENT_READY;
	bool late = drain_kind_forced(d->kind) && now_ms >= a->step.at_ms;
	if (!enlarged && s != DRAIN_REPLACEMENT_ASKED)
		skip(ds, d, a, "no replacement was had, the group keeps its size");
	else if (!has_cloud(d))
		skip(ds, d, a, "no cloud");
	else if (!late && (d->n_left > 0 || is_open(drain_find_act(d, DRAIN_STEP_WAIT_LB)) ||
				  is_detaching(ds, d, now_ms)))
		return;
	else if (enlarged && can_start(a, now_ms))
		start(ds, d, a, CALL_TERMINATE);
}

// Nobody runs on it and nobody sends to it.
static bool is_empty(struct drain *d)
{
	return d->n_left == 0 && !is_open(drain_find_act(d, DRAIN_STEP_WAIT_LB));
}

// Whether the hook is there to complete: the group is ending the instance, by itself or by us.
static bool is_ending(struct drain *d, const char **ret_why_not)
{
	const struct drain_act *terminate = drain_find_act(d, DRAIN_STEP_TERMINATE);
	if (d->kinds & 1u << DRAIN_ASG_LIFECYCLE)
		return true;
	if (terminate && !is_open(terminate) && terminate->state != DRAIN_STEP_DONE)
		*ret_why_not = "the instance was not ended by us";
	return terminate && terminate->state == DRAIN_STEP_DONE;
}

static void advance_finish(struct drains *ds, struct drain *d, int64_t now_ms)
{
	struct drain_act *a = drain_find_act(d, DRAIN_STEP_FINISH);
	const char *why_not = NULL;
	if (!is_open(a))
		return;
	bool ending = is_ending(d, &why_not);
	if (!has_cloud(d))
		why_not = "no cloud";
	else if (now_ms > a->step.at_ms + hook_for_ms)
		why_not = "not accepted in time";
	if (why_not && a->state == DRAIN_STEP_PLANNED)
		skip(ds, d, a, why_not);
	else if (ending && can_start(a, now_ms) &&
		 (now_ms >= a->step.at_ms || d->inner->node_gone ||
			 (is_empty(d) && !is_detaching(ds, d, now_ms))))
		start(ds, d, a, CALL_COMPLETE);
}

// The hook is kept from timing out until it is completed; AWS itself ends that after 48 hours or
// a hundred time-outs. One at a time: its answer says when the next is due (drain_answer.c).
static void beat(struct drains *ds, struct drain *d, int64_t now_ms)
{
	const struct fleet_group *g = fleet_find_group(ds->o.fleet, d->cluster, d->group);
	const struct drain_act *finish = drain_find_act(d, DRAIN_STEP_FINISH);
	bool hook = d->inner->hook[0] || (g && g->terminate_hook[0]);
	if (!(d->kinds & 1u << DRAIN_ASG_LIFECYCLE) || !has_cloud(d) || !hook || !finish ||
		finish->state != DRAIN_STEP_PLANNED || now_ms < d->inner->heartbeat_ms)
		return;
	d->inner->heartbeat_ms = INT64_MAX;
	const struct call c = {.drain = d, .kind = CALL_HEARTBEAT};
	drain_call(ds, &c);
}

// Whether EC2 is to be asked about the instance now: from the end on, or when its node is silent.
static bool may_be_gone(const struct drains *ds, const struct drain *d, int64_t end_ms)
{
	const struct fleet_node *n = fleet_find_node(ds->o.fleet, d->cluster, d->node);
	return ds->now_ms >= end_ms || (n && !n->ready);
}

// Kubernetes keeps volumes attached for six minutes to a node it does not hear of: once EC2 says
// that the instance is gone, the taint frees them at once, and the pods that hold them.
static void advance_volumes(struct drains *ds, struct drain *d, int64_t now_ms)
{
	struct drain_act *a = drain_find_act(d, DRAIN_STEP_OUT_OF_SERVICE);
	if (!is_open(a))
		return;
	bool ended = now_ms > a->step.at_ms;
	if (d->inner->node_gone || (!volumes_hang(ds, d) && (d->n_left == 0 || ended))) {
		skip(ds, d, a, "no volume hangs");
	} else if ((ended && !has_cloud(d)) || now_ms > a->step.at_ms + volumes_for_ms) {
		skip(ds, d, a, "it is not known that the instance is gone");
	} else if (!has_cloud(d) || !volumes_hang(ds, d)) {
		return;
	} else if (d->inner->instance_gone) {
		if (can_start(a, now_ms))
			start(ds, d, a, CALL_OUT_OF_SERVICE);
	} else if (may_be_gone(ds, d, a->step.at_ms) && now_ms >= d->inner->ask_state_ms) {
		d->inner->ask_state_ms = now_ms + 10000;
		const struct call c = {.drain = d, .kind = CALL_STATE};
		drain_call(ds, &c);
	}
}

// The mark says so, which is written together with the taint: what others have tainted is theirs.
static bool taint_is_ours(const struct fleet_node *n)
{
	struct drain_mark m;
	return n && n->out_of_service && n->drain && drain_mark_parse(n->drain, &m) == 0 &&
	       m.out_of_service;
}

// The taint has done its work, or the node is back and would lose its pods to it. True while it is
// still on: the mark stays for so long. A node that lives is never left with it.
static bool advance_in_service(struct drains *ds, struct drain *d, int64_t now_ms)
{
	const struct fleet_node *n = fleet_find_node(ds->o.fleet, d->cluster, d->node);
	if (d->inner->in_service_ms == INT64_MAX)
		return true; // under way
	if (!d->inner->marked || !taint_is_ours(n))
		return false;
	bool done = n->volumes == 0 && d->n_left == 0;
	bool back = n->ready && (d->inner->fell_silent || d->kinds == 0);
	d->inner->fell_silent |= !n->ready;
	if ((done || back) && now_ms >= d->inner->in_service_ms && !d->inner->busy) {
		const struct call c = {.drain = d, .kind = CALL_IN_SERVICE};
		d->inner->in_service_ms = INT64_MAX;
		drain_call(ds, &c);
	}
	return back || now_ms < d->inner->end_ms + volumes_for_ms;
}

// Nobody is left cordoned for ever: what was neither lost nor replaced is given back.
static void advance_unmark(struct drains *ds, struct drain *d, int64_t now_ms)
{
	struct drain_act *a = drain_find_act(d, DRAIN_STEP_UNMARK);
	if (!is_open(a))
		return;
	const struct drain_act *terminate = drain_find_act(d, DRAIN_STEP_TERMINATE);
	if (terminate && terminate->state == DRAIN_STEP_DONE)
		skip(ds, d, a, "the node has been replaced");
	else if (!d->inner->marked)
		skip(ds, d, a, "it was never marked");
	else if (can_start(a, now_ms) && now_ms >= a->step.at_ms)
		start(ds, d, a, CALL_UNMARK);
}

static bool all_closed(const struct drain *d)
{
	for (size_t i = 0; i < d->n_acts; i++) {
		enum drain_step_kind k = d->acts[i].step.kind;
		if (is_open(&d->acts[i]) && k != DRAIN_STEP_DELETE && k != DRAIN_STEP_LAUNCH &&
			k != DRAIN_STEP_DESIRED)
			return false;
	}
	return true;
}

static void close_acts(struct drains *ds, struct drain *d, const char *text)
{
	for (size_t i = 0; i < d->n_acts; i++)
		if (d->acts[i].state == DRAIN_STEP_PLANNED)
			skip(ds, d, &d->acts[i], text);
		else if (d->acts[i].step.kind == DRAIN_STEP_DELETE &&
			 d->acts[i].state == DRAIN_STEP_DOING)
			d->acts[i].state = DRAIN_STEP_DONE;
}

// The Node went first: the hook still waits for its completion.
static bool finishes(struct drains *ds, struct drain *d, int64_t now_ms)
{
	const struct drain_act *a = drain_find_act(d, DRAIN_STEP_FINISH);
	const char *why_not = NULL;
	if (!is_open(a) || !drain_may_act(ds, d) || !is_ending(d, &why_not))
		return false;
	advance_finish(ds, d, now_ms);
	return is_open(a);
}

static void end_of_node(struct drains *ds, struct drain *d, int64_t now_ms)
{
	char text[160];
	if (finishes(ds, d, now_ms) || d->inner->busy)
		return;
	if (d->n_left == 0)
		snprintf(text, sizeof(text), "every pod had gone before the node");
	else
		snprintf(text, sizeof(text), "the node went with %zu of %zu pods still there",
			d->n_left, d->n_pods);
	drain_conclude(ds, d, d->n_left ? DRAIN_FAILED : DRAIN_DONE, text);
}

static void end_of_time(struct drains *ds, struct drain *d)
{
	char text[224];
	snprintf(text, sizeof(text), "%zu of %zu pods were still there at the deadline%s%.80s",
		d->n_left, d->n_pods, d->n_blocking ? ": budget " : "",
		d->n_blocking ? d->blocking[0].name : "");
	drain_conclude(ds, d, DRAIN_FAILED, text);
}

static void end_well(struct drains *ds, struct drain *d)
{
	char text[160];
	size_t went = 0;
	for (size_t i = 0; i < d->n_pods; i++)
		went += d->pods[i].state == DRAIN_POD_GONE;
	const struct drain_act *a = drain_find_act(d, DRAIN_STEP_UNMARK);
	if (d->kinds == 0) {
		drain_conclude(
			ds, d, DRAIN_WITHDRAWN, "the notice was withdrawn, the node is given back");
		return;
	}
	if (a && a->state == DRAIN_STEP_DONE)
		snprintf(text, sizeof(text),
			"neither interrupted nor replaced: the node is given back");
	else if (d->dry_run)
		snprintf(text, sizeof(text), "would have drained %zu pods", d->n_pods);
	else if (d->times.drained_ms && d->deadline_ms)
		snprintf(text, sizeof(text), "%zu pods gone %lld s before the deadline", went,
			(long long)(d->deadline_ms - d->times.drained_ms) / 1000);
	else
		snprintf(text, sizeof(text), "%zu pods gone", went);
	drain_conclude(ds, d, DRAIN_DONE, text);
}

void drain_conclude(struct drains *ds, struct drain *d, enum drain_phase phase, const char *text)
{
	close_acts(ds, d, "not needed any more");
	d->ended_ms = ds->now_ms;
	d->times.completed_ms = phase == DRAIN_DONE ? ds->now_ms : 0;
	text_copy(d->text, sizeof(d->text), text);
	if (phase == DRAIN_DONE && d->times.drained_ms)
		drain_tell(ds, d, "CordonAndDrain", text);
	else if (phase == DRAIN_FAILED)
		drain_tell_warning(ds, d, "CordonAndDrainError", text);
	d->phase = phase;
	drain_changed(ds, d);
}

// A person's drain that is over says so on the node: nobody resumes it.
static bool close_node(struct drains *ds, struct drain *d)
{
	if (d->kind != DRAIN_OPERATOR || !d->inner->marked || d->inner->node_gone)
		return true;
	const struct call c = {.drain = d, .kind = CALL_CLOSE};
	d->inner->marked = false;
	drain_call(ds, &c);
	return false;
}

// It is shown until the news is old.
static void advance_stand_back(struct drains *ds, struct drain *d, int64_t now_ms)
{
	int64_t old_ms = d->observed_ms + ds->o.policy.keep_marked_ms;
	if (now_ms > old_ms || (d->deadline_ms && now_ms > d->deadline_ms + DRAIN_LOST_AFTER_MS))
		drain_conclude(ds, d, DRAIN_DONE, d->text);
}

static void advance_conclusion(struct drains *ds, struct drain *d, int64_t now_ms)
{
	const struct drain_act *unmark = drain_find_act(d, DRAIN_STEP_UNMARK);
	bool given_back = unmark && unmark->state == DRAIN_STEP_DONE;
	bool over = given_back || (all_closed(d) && (d->n_left == 0 || d->kinds == 0));
	bool late = d->n_left > 0 && now_ms > d->inner->end_ms + DRAIN_LOST_AFTER_MS &&
		    !is_open(drain_find_act(d, DRAIN_STEP_OUT_OF_SERVICE));
	if (!over && !late)
		return;
	if (!close_node(ds, d))
		return;
	if (over)
		end_well(ds, d);
	else
		end_of_time(ds, d);
}

void drain_advance_end(struct drains *ds, struct drain *d, int64_t now_ms)
{
	if (d->inner->node_gone) {
		end_of_node(ds, d, now_ms);
		return;
	}
	if (d->inner->stands_back) {
		advance_stand_back(ds, d, now_ms);
		return;
	}
	if (d->n_left == 0 && !d->times.drained_ms && d->inner->marked && d->kinds)
		d->times.drained_ms = now_ms;
	beat(ds, d, now_ms);
	advance_balancers(ds, d, now_ms);
	advance_terminate(ds, d, now_ms);
	advance_finish(ds, d, now_ms);
	advance_volumes(ds, d, now_ms);
	bool held = advance_in_service(ds, d, now_ms);
	if (!held)
		advance_unmark(ds, d, now_ms);
	bool open = is_open(drain_find_act(d, DRAIN_STEP_WAIT_LB)) || is_detaching(ds, d, now_ms);
	if (d->n_left == 0 && drain_find_act(d, DRAIN_STEP_WAIT_LB))
		drain_set_phase(ds, d, open ? DRAIN_WAITING : DRAIN_FINISHING);
	if (d->inner->busy == 0 && !held)
		advance_conclusion(ds, d, now_ms);
}
