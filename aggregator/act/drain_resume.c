// SPDX-License-Identifier: Apache-2.0
// Drains that a predecessor or another replica has begun, read off the nodes; and nodes that have
// outlived the end that was foretold: those are given back, as after a withdrawn notice.
#include <string.h>

#include "aggregator/act/drains_inner.h"
#include "aggregator/act/mark.h"
#include "proto/base/text.h"

static const int64_t survived_after_ms = 600000; // past the deadline the instance is not going

static bool survived(int64_t deadline_ms, int64_t now_ms)
{
	return deadline_ms && now_ms > deadline_ms + survived_after_ms;
}

// Another replica's drain of this node: its id is the one on the node.
static void take_over_id(struct drains *ds, struct drain *d, const struct drain_mark *m)
{
	if (strcmp(d->id, m->id) == 0 || d->inner->marked || drains_find(ds, m->id))
		return;
	HASH_DELETE(hh_id, ds->by_id, d->inner);
	text_copy(d->id, sizeof(d->id), m->id);
	HASH_ADD_KEYPTR(hh_id, ds->by_id, d->id, strlen(d->id), d->inner);
	drain_changed(ds, d);
}

static bool is_asked(const struct drain_mark *m)
{
	return strcmp(m->phase, DRAIN_MARK_ASKED) == 0;
}

static void resume(struct drains *ds, const struct fleet_node *n, const struct drain_mark *m)
{
	bool begun = !is_asked(m);
	struct drain *d = drain_new(ds, n);
	if (!d)
		return;
	text_copy(d->id, sizeof(d->id), m->id);
	text_copy(d->source, sizeof(d->source), begun ? "watch" : "operator");
	d->kind = m->kind;
	d->kinds = survived(m->deadline_ms, ds->now_ms) ? 0 : 1u << m->kind;
	d->observed_ms = d->times.notice_ms = m->observed_ms;
	d->times.seen_ms = ds->now_ms;
	d->inner->deadlines[m->kind] = d->deadline_ms = m->deadline_ms;
	d->inner->told = begun; // by the predecessor
	if (drain_start(ds, d, ds->now_ms) < 0)
		return;
	d->inner->marked = begun;
	d->inner->cordoned = m->cordoned;
	d->inner->asked_before = m->replacing;
	d->times.tainted_ms = begun ? ds->now_ms : 0;
	if (drain_plan_again(ds, d, ds->now_ms) < 0)
		return; // the next tick plans again
	drain_observe(ds, d, ds->now_ms);
	drain_tell_news(ds, d);
	drain_advance(ds, d, ds->now_ms);
}

void drains_on_node(struct drains *ds, const struct fleet_node *n, int64_t now_ms)
{
	struct drain_mark m;
	const struct drains_cluster *c = drains_find_cluster(ds, n->cluster);
	if (!c || !c->synced || !n->drain || n->state == NODE_GONE ||
		drain_mark_parse(n->drain, &m) < 0)
		return;
	ds->now_ms = now_ms;
	struct drain *d = drain_running_on(ds, n->cluster, n->name);
	const struct drain *ended = drains_find(ds, m.id);
	// asked too long ago; or voluntary, and un-cordoned since: somebody wants the node
	bool stale = is_asked(&m) ? now_ms >= m.deadline_ms
				  : !drain_kind_forced(m.kind) && !n->unschedulable;
	if (d && is_asked(&m)) { // it is being drained already, or we are who asks
		d->inner->ask_seen |= strcmp(d->id, m.id) == 0;
		return;
	}
	if (d) {
		take_over_id(ds, d, &m);
		drain_observe_mark(ds, d, n); // it may be off again at the next tick
		d->inner->mark_seen |= d->inner->marked;
	} else if (!ended && !stale) {
		resume(ds, n, &m);
	}
}

void drains_synced(struct drains *ds, const char *cluster, int64_t now_ms)
{
	struct drains_cluster *c = drains_find_cluster(ds, cluster);
	if (!c)
		return;
	c->synced = true;
	for (const struct fleet_node *n = fleet_nodes(ds->o.fleet); n; n = n->hh.next)
		if (strcmp(n->cluster, cluster) == 0)
			drains_on_node(ds, n, now_ms);
	drains_take_recalled(ds, cluster, now_ms);
}

// Drains that were over long ago, of nodes that are still there with the mark on.
void drains_give_back_survivors(struct drains *ds, int64_t now_ms)
{
	for (struct drain *d = ds->list; d; d = d->next) {
		if (!drain_phase_ended(d->phase) || !d->inner->marked || d->inner->node_gone ||
			!drain_kind_forced(d->kind) || !survived(d->deadline_ms, now_ms) ||
			!drain_may_act(ds, d) || drain_running_on(ds, d->cluster, d->node))
			continue;
		const struct fleet_node *n = fleet_find_node(ds->o.fleet, d->cluster, d->node);
		if (!n || n->state == NODE_GONE || !n->ready || strcmp(n->uid, d->node_uid) != 0) {
			d->inner->node_gone = !n || n->state == NODE_GONE;
			continue;
		}
		drain_reopen(ds, d);
		d->kinds = 0;
		drain_plan_again(ds, d, now_ms);
	}
}
