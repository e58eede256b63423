// SPDX-License-Identifier: Apache-2.0
// A drain while another replica leads: it is shown as far as the watch tells, it ends when the
// leader's does, and what a person asked this replica for is passed on. Nothing is called but that.
#include "aggregator/act/drains_inner.h"

static const int64_t mark_shows_ms = 10000; // a mark that was set has reached the watch by then

// The leader hears of it through the node: whichever replica a person asks, it is drained.
static void pass_on(struct drains *ds, struct drain *d, int64_t now_ms)
{
	const int64_t answer_ms = 10000;
	if (d->kind != DRAIN_OPERATOR || !d->inner->pass_on_ms || now_ms < d->inner->pass_on_ms ||
		d->inner->marked || !d->inner->cluster)
		return;
	const struct call c = {.drain = d, .kind = CALL_ASK};
	d->inner->pass_on_ms = now_ms + answer_ms;
	drain_call(ds, &c);
}

// The node is not ours to give back: should we lead one day, somebody else's cordon may be on it.
static void end(struct drains *ds, struct drain *d, const char *text)
{
	enum drain_phase phase = d->kinds == 0    ? DRAIN_WITHDRAWN
				 : d->n_left == 0 ? DRAIN_DONE
						  : DRAIN_FAILED;
	d->inner->marked = d->inner->cordoned = false;
	drain_conclude(ds, d, phase, text);
}

// The leader has not marked the node, or not that we saw it: that is not for ever. True: it is
// over.
static bool end_unmarked(struct drains *ds, struct drain *d, const struct fleet_node *n)
{
	const struct drain_inner *in = d->inner;
	if (d->kinds == 0 && ds->now_ms > in->begin_ms + mark_shows_ms)
		end(ds, d, "withdrawn before the node was marked");
	else if (in->ask_seen && !n->drain)
		end(ds, d, "what was asked for has been taken off the node");
	else if (in->end_ms && ds->now_ms - DRAIN_LOST_AFTER_MS > in->end_ms)
		end(ds, d, "its time is over, the replica that leads has not marked the node");
	return drain_phase_ended(d->phase);
}

void drain_follow(struct drains *ds, struct drain *d, int64_t now_ms)
{
	const struct fleet_node *n = fleet_find_node(ds->o.fleet, d->cluster, d->node);
	if (n && !d->inner->marked && end_unmarked(ds, d, n))
		return;
	pass_on(ds, d, now_ms);
	if (!d->inner->marked || !n)
		return;
	d->inner->mark_seen |= n->drain != NULL;
	if (d->inner->mark_seen && !n->drain)
		end(ds, d, "the replica that leads has finished it");
	else
		drain_set_phase(ds, d, d->n_left > 0 ? DRAIN_EVICTING : DRAIN_FINISHING);
}
