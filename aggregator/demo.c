// SPDX-License-Identifier: Apache-2.0
#include "aggregator/demo.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/sim/sim.h"
#include "proto/base/text.h"

static const int64_t coarse_ms = 60000,
		     coarse_until_ms = 3600000; // the last hour runs at the roll-up's window
static const int64_t describe_every_ms = 30000;

struct demo {
	struct demo_doors doors;
	struct sim *sim;
	int64_t from_ms, clock_ms, described_ms;
};

static void on_sample(void *arg, const struct sample *s)
{
	struct demo *d = arg;
	d->doors.on_sample(d->doors.arg, s, d->clock_ms); // a refusal is counted at the door
}

static void on_node(void *arg, const struct kube_node *k)
{
	struct demo *d = arg;
	struct fleet_node *n;
	if (fleet_node(d->doors.fleet, DEMO_CLUSTER, k->name, &n) < 0)
		return;
	text_copy(n->group, sizeof(n->group), k->group);
	text_copy(n->instance_id, sizeof(n->instance_id), k->instance_id);
	text_copy(n->instance_type, sizeof(n->instance_type), k->instance_type);
	text_copy(n->zone_id, sizeof(n->zone_id), k->zone_id);
	n->capacity = k->capacity;
	n->simulated = true;
	n->state = k->ready ? NODE_READY : NODE_NOT_READY;
	n->allocatable_millicores = k->allocatable_millicores;
	n->allocatable_mem_bytes = k->allocatable_mem_bytes;
	n->last_sample_ms = d->clock_ms;
}

static void on_node_gone(void *arg, const char *name)
{
	struct demo *d = arg;
	struct fleet_node *n = fleet_find_node(d->doors.fleet, DEMO_CLUSTER, name);
	if (n)
		n->state = NODE_GONE;
}

static void on_pod(void *arg, const struct kube_pod *k)
{
	struct demo *d = arg;
	struct fleet_pod *p;
	if (fleet_pod(d->doors.fleet, DEMO_CLUSTER, k->uid, &p) < 0)
		return;
	text_copy(p->namespace_, sizeof(p->namespace_), k->namespace_);
	text_copy(p->name, sizeof(p->name), k->name);
	text_copy(p->workload, sizeof(p->workload), k->workload);
	text_copy(p->node, sizeof(p->node), k->node);
	p->request_millicores = k->request_millicores;
	p->request_mem_bytes = k->request_mem_bytes;
	p->last_seen_ms = d->clock_ms;
}

static void on_pod_gone(void *arg, const char *uid)
{
	struct demo *d = arg;
	struct fleet_pod *p = fleet_find_pod(d->doors.fleet, DEMO_CLUSTER, uid);
	if (p)
		fleet_remove_pod(d->doors.fleet, p);
}

static void on_synced(void *arg)
{
}

static void on_group(void *arg, const struct cloud_group *c)
{
	struct demo *d = arg;
	struct fleet_group *g;
	if (fleet_group(d->doors.fleet, DEMO_CLUSTER, c->name, &g) < 0)
		return;
	g->capacity = c->capacity;
	g->managed = c->managed;
	g->min = c->min;
	g->max = c->max;
	g->desired = c->desired;
	g->node_usd_micro_hour = c->node_usd_micro_hour;
	text_copy(g->instance_type, sizeof(g->instance_type), c->instance_type);
}

static void on_described(void *arg, int r, const struct why *why)
{
}

static void describe(struct demo *d)
{
	const struct cloud_calls calls = {on_group, on_described, d};
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
	const struct sim_options o = {
		.cluster = DEMO_CLUSTER, .seed = 1, .on_sample = on_sample, .arg = d};
	int r = sim_new(&d->sim, &o);
	if (r < 0) {
		free(d);
		return r;
	}
	int64_t from_ms = now_ms - (int64_t)history_ms;
	int64_t stored_ms = stored_until(doors->store, from_ms, now_ms);
	d->from_ms = d->clock_ms =
		(stored_ms > from_ms ? stored_ms : from_ms) / coarse_ms * coarse_ms;
	const struct kube_sink sink = {.on_node = on_node,
		.on_node_gone = on_node_gone,
		.on_pod = on_pod,
		.on_pod_gone = on_pod_gone,
		.on_synced = on_synced,
		.arg = d};
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
	for (; steps > 0; steps--) {
		int64_t step_ms = now_ms - d->clock_ms > coarse_until_ms ? coarse_ms : 10000;
		if (d->clock_ms + step_ms > now_ms)
			return true;
		d->clock_ms += step_ms;
		sim_tick(d->sim, d->clock_ms, false);
		d->doors.on_clock(d->doors.arg, d->clock_ms, (uint32_t)step_ms);
	}
	return false;
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
