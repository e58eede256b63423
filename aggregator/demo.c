// SPDX-License-Identifier: Apache-2.0
#include "aggregator/demo.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/fleet/watch.h"
#include "aggregator/sim/sim.h"
#include "proto/base/text.h"

static const int64_t coarse_ms = 60000,
		     coarse_until_ms = 3600000; // the last hour runs at the roll-up's window
static const int64_t describe_every_ms = 30000;

struct demo {
	struct demo_doors doors;
	struct sim *sim;
	struct fleet_watch watch;
	int64_t from_ms, clock_ms, described_ms;
	bool live; // history is behind it
};

static void on_sample(void *arg, const struct sample *s)
{
	struct demo *d = arg;
	d->doors.on_sample(d->doors.arg, s, d->clock_ms); // a refusal is counted at the door
}

static void on_notice(void *arg, const struct notice *n)
{
	struct demo *d = arg;
	if (d->live)
		d->doors.on_notice(d->doors.arg, n, d->clock_ms);
}

static void on_node(void *arg, const struct fleet_node *n)
{
	struct demo *d = arg;
	if (d->live)
		d->doors.on_node(d->doors.arg, n);
}

static int64_t virtual_ms(void *arg)
{
	const struct demo *d = arg;
	return d->clock_ms;
}

static void describe(struct demo *d)
{
	const struct cloud_calls calls = fleet_watch_groups(&d->watch);
	struct cloud cloud = sim_cloud(d->sim);
	cloud.ops->describe_groups(cloud.self, &calls);
	d->described_ms = d->clock_ms;
}

// End of the newest stored hour of the demo's first group, or 0 if it has none.
static int64_t stored_until(struct store *store, int64_t from_ms, int64_t now_ms)
{
	const int64_t hour_ms = 3600000;
	struct store_entity *e = store_find(store, DEMO_CLUSTER, ENTITY_GROUP, "demo-web");
	struct store_series hours;
	int64_t until_ms = 0;
	if (!e || store_range(store, e, METRIC_DEMAND_LOW,
			  (struct store_times){from_ms, now_ms, hour_ms}, &hours) < 0)
		return 0;
	for (size_t i = 0; i < hours.n; i++)
		if (!isnan(hours.mean[i]))
			until_ms = hours.from_ms + (int64_t)(i + 1) * hour_ms;
	store_series_done(&hours);
	return until_ms;
}

int demo_new(struct demo **ret, const struct demo_doors *doors, uint64_t history_ms, int64_t now_ms)
{
	struct demo *d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->doors = *doors;
	const struct sim_options o = {.cluster = DEMO_CLUSTER,
		.seed = 1,
		.on_sample = on_sample,
		.on_notice = on_notice,
		.arg = d};
	d->watch = (struct fleet_watch){.fleet = doors->fleet,
		.cluster = DEMO_CLUSTER,
		.simulated = true,
		.clock = virtual_ms,
		.on_node = on_node,
		.arg = d};
	int r = sim_new(&d->sim, &o);
	if (r < 0) {
		free(d);
		return r;
	}
	int64_t from_ms = now_ms - (int64_t)history_ms;
	int64_t stored_ms = stored_until(doors->store, from_ms, now_ms);
	d->from_ms = d->clock_ms =
		(stored_ms > from_ms ? stored_ms : from_ms) / coarse_ms * coarse_ms;
	const struct kube_sink sink = fleet_watch_sink(&d->watch);
	struct kube kube = sim_kube(d->sim);
	struct fleet_cluster *cluster;
	r = fleet_cluster(doors->fleet, DEMO_CLUSTER, &cluster);
	if (r == 0)
		r = kube.ops->watch(kube.self, &sink);
	if (r < 0) {
		demo_free(d);
		return r;
	}
	cluster->simulated = true;
	text_copy(cluster->region, sizeof(cluster->region), "simulated");
	describe(d);
	*ret = d;
	return 0;
}

void demo_free(struct demo *d)
{
	if (!d)
		return;
	sim_free(d->sim);
	free(d);
}

bool demo_catch_up(struct demo *d, int64_t now_ms, unsigned steps)
{
	for (; steps > 0 && !d->live; steps--) {
		int64_t step_ms = now_ms - d->clock_ms > coarse_until_ms ? coarse_ms : 10000;
		d->live = d->clock_ms + step_ms > now_ms;
		if (d->live)
			break;
		d->clock_ms += step_ms;
		sim_tick(d->sim, d->clock_ms, false);
		d->doors.on_clock(d->doors.arg, d->clock_ms, (uint32_t)step_ms);
	}
	return d->live;
}

struct kube demo_kube(struct demo *d)
{
	return sim_kube(d->sim);
}

struct cloud demo_cloud(struct demo *d)
{
	return sim_cloud(d->sim);
}

void demo_turn(struct demo *d)
{
	sim_turn(d->sim);
}

int demo_interrupt(struct demo *d, const char *node, enum notice_kind kind, int64_t deadline_ms)
{
	const struct fleet_node *f = fleet_find_node(d->doors.fleet, DEMO_CLUSTER, node);
	struct notice n = {.kind = kind,
		.action = NOTICE_TERMINATE,
		.observed_ms = d->clock_ms,
		.deadline_ms = deadline_ms};
	if (!d->live)
		return -EAGAIN;
	if (kind == NOTICE_SPOT_ITN)
		return sim_interrupt(d->sim, node, deadline_ms);
	if (!f || f->state == NODE_GONE)
		return -ENOENT;
	text_copy(n.cluster, sizeof(n.cluster), DEMO_CLUSTER);
	text_copy(n.node, sizeof(n.node), node);
	text_copy(n.instance_id, sizeof(n.instance_id), f->instance_id);
	text_copy(n.source, sizeof(n.source), "sim");
	snprintf(n.event_id, sizeof(n.event_id), "asked-%lld", (long long)d->clock_ms);
	notice_make_id(n.instance_id, n.kind, n.event_id, n.id);
	d->doors.on_notice(d->doors.arg, &n, d->clock_ms);
	return 0;
}

void demo_tick(struct demo *d, int64_t now_ms)
{
	d->clock_ms = now_ms;
	if (now_ms - d->described_ms >= describe_every_ms || now_ms < d->described_ms)
		describe(d);
	sim_tick(d->sim, now_ms, true);
}

unsigned demo_progress_permille(const struct demo *d, int64_t now_ms)
{
	int64_t all = now_ms - d->from_ms, done = d->clock_ms - d->from_ms;
	return all > 0 ? (unsigned)(done * 1000 / all) : 1000;
}
