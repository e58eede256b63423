// SPDX-License-Identifier: Apache-2.0
// Notices that have no drain yet: their node is not known, or there was no room for its drain. Who
// brought one has its receipt, so it is in the journal, too, and drain_recall.c finds it there.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/act/drains_inner.h"
#include "proto/base/events.h"
#include "proto/base/log.h"
#include "proto/base/text.h"

static const int64_t unplaced_ms = 120000; // how long a notice waits for its node to be known

// Before a cluster's first list is in, nothing can be said of what is not known.
static bool is_listed(const struct drains *ds, const struct notice *n)
{
	const struct drains_cluster *c = drains_find_cluster(ds, n->cluster);
	return !c || c->synced;
}

static bool is_of_queue(const struct notice *n)
{
	return strcmp(n->source, "queue") == 0;
}

// Of the queue nothing: most of it is other clusters', and it shows its own again.
static void write_down(struct drains *ds, const struct notice *n)
{
	if (is_of_queue(n))
		return;
	struct drain *d = calloc(1, sizeof(*d)); // only for the entry
	if (!d) {
		ds->stats.unaudited++;
		return;
	}
	text_copy(d->cluster, sizeof(d->cluster), n->cluster);
	text_to_hex(n->id, 16, d->id);
	drain_notice_entry(ds, d, n);
	free(d);
}

static void forget(struct drains *ds, struct drain_unplaced *u)
{
	DL_DELETE(ds->unplaced, u);
	ds->n_unplaced--;
	free(u);
}

static struct drain_unplaced *find(const struct drains *ds, const struct notice *n)
{
	struct drain_unplaced *u;
	DL_FOREACH (ds->unplaced, u)
		if (memcmp(u->notice.id, n->id, sizeof(n->id)) == 0)
			return u;
	return NULL;
}

static int take_back(struct drains *ds, struct drain_unplaced *u, const struct notice *n)
{
	if (u) {
		write_down(ds, n);
		forget(ds, u);
	}
	return 0;
}

int drains_keep_unplaced(struct drains *ds, const struct notice *n, int64_t now_ms)
{
	const int r = is_of_queue(n) && !is_listed(ds, n) ? -EAGAIN : -ENOENT;
	struct drain_unplaced *u = find(ds, n);
	if (n->withdrawn)
		return take_back(ds, u, n);
	if (u) {
		u->notice = *n;
		return r;
	}
	u = ds->n_unplaced < DRAINS_MAX_UNPLACED ? malloc(sizeof(*u)) : NULL;
	if (!u) {
		ds->stats.refused++;
		return -ENOSPC;
	}
	u->notice = *n;
	u->since_ms = now_ms;
	DL_APPEND(ds->unplaced, u);
	ds->n_unplaced++;
	write_down(ds, n);
	return r;
}

static void tell_expired(struct drains *ds, const struct notice *n, const struct fleet_node *f)
{
	if (is_of_queue(n) && !f)
		return; // another cluster's
	ds->stats.refused++;
	log_event(LOG_ERROR, EV_DRAIN,
		f ? "a notice for whose drain there was no room is given up"
		  : "a notice whose node never became known is given up",
		LOG_TEXT("cluster", n->cluster), LOG_TEXT("node", n->node),
		LOG_TEXT("instance", n->instance_id));
}

void drains_place_late(struct drains *ds, int64_t now_ms)
{
	struct drain_unplaced *u, *next;
	DL_FOREACH_SAFE(ds->unplaced, u, next)
	{
		struct drain *d;
		const struct fleet_node *f = drain_node_of(ds, &u->notice);
		bool placed = f && drain_place(ds, f, &u->notice, &d) == 0;
		if (!is_listed(ds, &u->notice))
			u->since_ms = now_ms;
		if (!placed && now_ms - u->since_ms < unplaced_ms)
			continue;
		if (!placed)
			tell_expired(ds, &u->notice, f);
		forget(ds, u);
	}
}
