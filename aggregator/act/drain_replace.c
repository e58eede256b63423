// SPDX-License-Identifier: Apache-2.0
// The new node: asked for in zone after zone, then awaited until Kubernetes calls it Ready.
//
// A launch by name tells its instance, so its node is known when it comes. A changed desired size
// tells nothing: the first node of the group that is younger than the request, and that no other
// drain has claimed, is taken for it.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/act/drains_inner.h"
#include "proto/base/text.h"

enum { MAX_TRIES = 5 };

static bool is_launch(const struct drain_act *a)
{
	return a->step.kind == DRAIN_STEP_LAUNCH || a->step.kind == DRAIN_STEP_DESIRED;
}

static void start(struct drains *ds, struct drain *d, struct drain_act *a)
{
	struct fleet_group *g = fleet_find_group(ds->o.fleet, d->cluster, d->group);
	bool launch = a->step.kind == DRAIN_STEP_LAUNCH;
	// several drains of one group in the same turn: each adds one to what the others asked for
	if (!launch && g)
		a->step.desired = ++g->desired;
	if (!launch)
		snprintf(a->text, sizeof(a->text), "set the desired size of %.120s to %u",
			a->step.scaling_group, a->step.desired);
	const struct call c = {
		.drain = d, .kind = launch ? CALL_LAUNCH : CALL_DESIRED, .act = a->number};
	a->state = DRAIN_STEP_DOING;
	a->tries++;
	if (!a->begun_ms)
		a->begun_ms = ds->now_ms;
	d->replacement.state = DRAIN_REPLACEMENT_ASKED;
	text_copy(d->replacement.zone, sizeof(d->replacement.zone), a->step.zone);
	text_copy(d->replacement.text, sizeof(d->replacement.text), a->text);
	if (!d->inner->replacement_asked_ms)
		d->inner->replacement_asked_ms = ds->now_ms;
	drain_changed(ds, d);
	drain_call(ds, &c);
}

// The act that is to be tried next: the first planned launch, the desired size only where its turn
// has come (refused) or nothing else is left.
static struct drain_act *next_act(struct drain *d)
{
	struct drain_act *desired = NULL;
	for (size_t i = 0; i < d->n_acts; i++) {
		struct drain_act *a = &d->acts[i];
		if (a->state != DRAIN_STEP_PLANNED || !is_launch(a))
			continue;
		if (a->step.wait != DRAIN_WAIT_REFUSED)
			return a;
		desired = desired ? desired : a;
	}
	return desired;
}

static bool in_progress(const struct drain *d)
{
	for (size_t i = 0; i < d->n_acts; i++)
		if (is_launch(&d->acts[i]) && (d->acts[i].state == DRAIN_STEP_DOING ||
						      d->acts[i].state == DRAIN_STEP_DONE))
			return true;
	return false;
}

static bool any_failed(const struct drain *d)
{
	for (size_t i = 0; i < d->n_acts; i++)
		if (is_launch(&d->acts[i]) && d->acts[i].state == DRAIN_STEP_FAILED)
			return true;
	return false;
}

static void give_up(struct drains *ds, struct drain *d)
{
	d->replacement.state = DRAIN_REPLACEMENT_FAILED;
	drain_changed(ds, d);
	drain_tell_warning(ds, d, "ReplacementFailed", d->replacement.text);
	if (d->kind == DRAIN_REBALANCE_RECOMMENDATION)
		drain_plan_again(ds, d, ds->now_ms); // without a replacement it is not drained
}

// News of an instance whose drain has ended in vain brings a new drain, and no second new node.
void drain_inherit_replacement(struct drains *ds, struct drain *d)
{
	const uint32_t loss = 1u << DRAIN_SPOT_ITN | 1u << DRAIN_STATE_CHANGE;
	const int64_t long_ago_ms = 600000; // then it is another loss, of a node that survived
	for (const struct drain *old = ds->list; old; old = old->next) {
		if (old == d || strcmp(old->node_uid, d->node_uid) != 0 ||
			strcmp(old->cluster, d->cluster) != 0)
			continue;
		int64_t over_ms =
			old->deadline_ms > old->ended_ms ? old->deadline_ms : old->ended_ms;
		if (!drain_phase_ended(old->phase) || !(old->kinds & loss) ||
			old->replacement.state == DRAIN_REPLACEMENT_FAILED ||
			ds->now_ms >= over_ms + long_ago_ms)
			return;
		d->replacement = old->replacement;
		d->inner->replacement_asked_ms = old->inner->replacement_asked_ms;
		d->times.replacement_ready_ms = old->times.replacement_ready_ms;
		return;
	}
}

void drain_advance_replacement(struct drains *ds, struct drain *d, int64_t now_ms)
{
	if (d->replacement.state > DRAIN_REPLACEMENT_ASKED || in_progress(d))
		return;
	struct drain_act *a = next_act(d);
	if (a && now_ms >= a->step.at_ms && now_ms >= a->again_ms)
		start(ds, d, a);
	else if (!a && any_failed(d))
		give_up(ds, d);
}

// --- answers ------------------------------------------------------------------------------------

static void zone_failed(struct drains *ds, const struct drain_step *s)
{
	char key[NAME_MAX_BYTES + 32];
	struct drain_zone_failure *f;
	snprintf(key, sizeof(key), "%.253s/%.30s", s->scaling_group, s->zone);
	HASH_FIND_STR(ds->failures, key, f);
	if (!f) {
		f = HASH_COUNT(ds->failures) < 4096 ? calloc(1, sizeof(*f)) : NULL;
		if (!f)
			return;
		text_copy(f->key, sizeof(f->key), key);
		HASH_ADD_STR(ds->failures, key, f);
	}
	f->at_ms = ds->now_ms;
}

int64_t drains_zone_failed_ms(const struct drains *ds, const char *scaling_group, const char *zone)
{
	char key[NAME_MAX_BYTES + 32];
	struct drain_zone_failure *f;
	snprintf(key, sizeof(key), "%.253s/%.30s", scaling_group, zone);
	HASH_FIND_STR(ds->failures, key, f);
	return f ? f->at_ms : 0;
}

// Launching by name is not known or not allowed: the other zones need not be asked.
static void skip_launches(struct drain *d, const char *scaling_group)
{
	for (size_t i = 0; i < d->n_acts; i++) {
		struct drain_act *a = &d->acts[i];
		if (a->step.kind == DRAIN_STEP_LAUNCH && a->state == DRAIN_STEP_PLANNED &&
			strcmp(a->step.scaling_group, scaling_group) == 0)
			a->state = DRAIN_STEP_SKIPPED;
		else if (a->step.kind == DRAIN_STEP_DESIRED && a->state == DRAIN_STEP_PLANNED)
			a->step.wait = DRAIN_WAIT_TIME; // its turn
	}
}

// Throttled is not refused: the same launch (its token makes it one) is asked for again for as long
// as a node is going to be lost, ever more rarely. Other failures that may pass have five tries.
static bool is_asked_again(const struct drains *ds, const struct drain *d,
	const struct drain_act *a, const struct answer *n)
{
	bool throttled = n->why && n->why->class == WHY_THROTTLED;
	bool useful =
		!d->inner->node_gone && !d->inner->instance_gone && ds->now_ms < d->inner->end_ms;
	if (n->r == -EPERM)
		return true;
	if (n->r == -ENOSPC || n->r == -ENOTSUP || n->r == -EACCES)
		return false;
	return throttled ? useful : a->tries < MAX_TRIES;
}

static void failed(struct drains *ds, struct drain *d, struct drain_act *a, const struct answer *n)
{
	const char *text = n->why ? n->why->text : "";
	struct fleet_group *g = fleet_find_group(ds->o.fleet, d->cluster, d->group);
	if (a->step.kind == DRAIN_STEP_DESIRED && g && g->desired > 0)
		g->desired--;
	bool again = is_asked_again(ds, d, a, n);
	snprintf(d->replacement.text, sizeof(d->replacement.text), "%.60s: %.120s",
		a->step.zone[0] ? a->step.zone : a->step.scaling_group, text);
	if (again) {
		a->state = DRAIN_STEP_PLANNED;
		a->again_ms = ds->now_ms + drain_backoff_ms(a->tries);
		return;
	}
	a->state = DRAIN_STEP_FAILED;
	a->done_ms = ds->now_ms;
	snprintf(a->text, sizeof(a->text), "%s: %.120s", a->step.zone, text);
	if (n->r == -ENOSPC)
		zone_failed(ds, &a->step);
	else if (a->step.kind == DRAIN_STEP_LAUNCH)
		skip_launches(d, a->step.scaling_group);
}

static void succeeded(
	struct drains *ds, struct drain *d, struct drain_act *a, const struct answer *n)
{
	struct drain_replacement *r = &d->replacement;
	struct fleet_group *g = fleet_find_group(ds->o.fleet, d->cluster, d->group);
	const char *text = n->text ? n->text : "";
	bool launch = a->step.kind == DRAIN_STEP_LAUNCH;
	a->state = DRAIN_STEP_DONE;
	a->done_ms = ds->now_ms;
	r->state = DRAIN_REPLACEMENT_LAUNCHED;
	if (launch && g && n->r == 0)
		g->desired++; // until the cloud is described again
	if (launch)
		snprintf(r->instance, sizeof(r->instance), "%.*s", (int)strcspn(text, " "), text);
	if (launch)
		snprintf(r->text, sizeof(r->text), "%s%s in %s", n->r > 0 ? "would launch" : "",
			r->instance, r->zone);
	for (size_t i = 0; i < d->n_acts; i++)
		if (is_launch(&d->acts[i]) && d->acts[i].state == DRAIN_STEP_PLANNED)
			d->acts[i].state = DRAIN_STEP_SKIPPED;
	drain_tell(ds, d, "ReplacementLaunched", r->text);
}

void drain_answer_replacement(struct drains *ds, struct call *c, const struct answer *a)
{
	struct drain_act *act = drain_act_of(c);
	if (!act)
		return;
	if (a->r >= 0)
		succeeded(ds, c->drain, act, a);
	else
		failed(ds, c->drain, act, a);
	drain_changed(ds, c->drain);
}

// --- waiting for it -----------------------------------------------------------------------------

// Also after the drain has ended, for as long as an instance may take to join.
static bool awaits(const struct drains *ds, const struct drain *d)
{
	const int64_t longest_ms = 900000;
	return d->replacement.state == DRAIN_REPLACEMENT_LAUNCHED &&
	       ds->now_ms - d->inner->replacement_asked_ms < longest_ms;
}

static bool is_claimed(const struct drains *ds, const struct fleet_node *n)
{
	for (const struct drain *d = ds->list; d; d = d->next)
		if (strcmp(d->replacement.node, n->name) == 0 &&
			strcmp(d->cluster, n->cluster) == 0)
			return true;
	return false;
}

static bool is_the_one(const struct drains *ds, const struct drain *d, const struct fleet_node *n)
{
	const struct drain_replacement *r = &d->replacement;
	if (strcmp(n->cluster, d->cluster) != 0 || strcmp(n->name, d->node) == 0 ||
		n->unschedulable || n->interruption_taint)
		return false;
	if (r->node[0])
		return strcmp(r->node, n->name) == 0;
	if (r->instance[0])
		return strcmp(r->instance, n->instance_id) == 0;
	return n->created_ms >= d->inner->replacement_asked_ms && strcmp(n->group, d->group) == 0 &&
	       !is_claimed(ds, n);
}

static void arrived(struct drains *ds, struct drain *d, const struct fleet_node *n)
{
	struct drain_replacement *r = &d->replacement;
	if (!r->node[0]) {
		text_copy(r->node, sizeof(r->node), n->name);
		drain_changed(ds, d);
	}
	if (!n->ready)
		return;
	r->state = DRAIN_REPLACEMENT_READY;
	d->times.replacement_ready_ms = ds->now_ms;
	snprintf(r->text, sizeof(r->text), "%.120s is Ready", n->name);
	drain_changed(ds, d);
	drain_tell(ds, d, "ReplacementReady", r->text);
}

// Only nodes younger than the oldest open request can be one: the rest costs one comparison.
void drains_watch_replacements(struct drains *ds, int64_t now_ms)
{
	int64_t oldest_ms = INT64_MAX;
	ds->now_ms = now_ms;
	for (const struct drain *d = ds->list; d; d = d->next)
		if (awaits(ds, d) && d->inner->replacement_asked_ms < oldest_ms)
			oldest_ms = d->inner->replacement_asked_ms;
	if (oldest_ms == INT64_MAX)
		return;
	const int64_t clock_slack_ms = 10000; // creationTimestamp has whole seconds, other clock
	for (const struct fleet_node *n = fleet_nodes(ds->o.fleet); n; n = n->hh.next) {
		if (!n->watched || n->state == NODE_GONE ||
			n->created_ms < oldest_ms - clock_slack_ms)
			continue;
		for (struct drain *d = ds->list; d; d = d->next)
			if (awaits(ds, d) && is_the_one(ds, d, n)) {
				arrived(ds, d, n);
				break;
			}
	}
}
