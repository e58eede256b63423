// SPDX-License-Identifier: Apache-2.0
#include "aggregator/sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/text.h"

const char *const sim_zones[3] = {"sim-1a", "sim-1b", "sim-1c"};
const char *const sim_zone_ids[3] = {"use1-az1", "use1-az2", "use1-az4"};

static const int64_t launch_least_ms = 60000, launch_spread_ms = 30000;
static const int64_t start_ms = 5000; // of a container whose image is there
static const int64_t balance_every_ms = 30000;
static const double request_share = 0.8; // of a node that six pods request

// --- looking --------------------------------------------------------------------------------

struct sim_node *world_find_node(struct sim_world *w, const char *name)
{
	for (unsigned g = 0; g < SIM_GROUPS; g++)
		for (unsigned i = 0; i < SIM_MAX_NODES_PER_GROUP; i++)
			if (w->nodes[g][i].up && strcmp(w->nodes[g][i].name, name) == 0)
				return &w->nodes[g][i];
	return NULL;
}

struct sim_node *world_find_instance(struct sim_world *w, const char *instance_id)
{
	for (unsigned g = 0; g < SIM_GROUPS; g++)
		for (unsigned i = 0; i < SIM_MAX_NODES_PER_GROUP; i++)
			if (w->nodes[g][i].exists &&
				strcmp(w->nodes[g][i].instance_id, instance_id) == 0)
				return &w->nodes[g][i];
	return NULL;
}

struct sim_pod *world_find_pod(struct sim_world *w, const char *uid)
{
	for (unsigned i = 0; i < SIM_MAX_PODS; i++)
		if (w->pods[i].exists && strcmp(w->pods[i].uid, uid) == 0)
			return &w->pods[i];
	return NULL;
}

static int64_t request_of(const struct sim_world *w, const struct sim_pod *p)
{
	return (int64_t)((double)w->groups[p->group].millicores * request_share *
			 sim_pod_share(p->kind));
}

int32_t world_replicas(const struct sim_world *w, unsigned group, unsigned workload)
{
	return SIM_NODES_PER_GROUP * SIM_PODS_PER_NODE / SIM_WORKLOADS;
}

int32_t world_allowed(
	const struct sim_world *w, unsigned group, unsigned workload, int32_t *ret_healthy)
{
	int32_t healthy = 0;
	for (unsigned i = 0; i < SIM_MAX_PODS; i++) {
		const struct sim_pod *p = &w->pods[i];
		healthy += p->exists && p->group == group && p->workload == workload && p->ready &&
			   !p->deleting_ms;
	}
	int32_t needed = world_replicas(w, group, workload) - w->groups[group].budget[workload];
	if (ret_healthy)
		*ret_healthy = healthy;
	return healthy > needed ? healthy - needed : 0;
}

// --- telling --------------------------------------------------------------------------------

void world_tell_node(struct sim_world *w, const struct sim_node *n)
{
	const struct sim_group *g = &w->groups[n->group];
	struct kube_node k = {.capacity = n->capacity,
		.managed = true,
		.ready = n->up,
		.unschedulable = n->cordoned,
		.interruption_taint = n->tainted,
		.created_ms = n->created_ms,
		.ready_changed_ms = n->created_ms,
		.lease_ms = w->now_ms,
		.allocatable_millicores = g->millicores,
		.allocatable_mem_bytes = g->mem_bytes,
		.drain = n->drain};
	if (!w->sink.on_node)
		return;
	text_copy(k.name, sizeof(k.name), n->name);
	text_copy(k.uid, sizeof(k.uid), n->uid);
	text_copy(k.group, sizeof(k.group), g->name);
	text_copy(k.instance_type, sizeof(k.instance_type), g->instance_type);
	text_copy(k.zone_id, sizeof(k.zone_id), sim_zone_ids[n->zone]);
	text_copy(k.zone, sizeof(k.zone), sim_zones[n->zone]);
	text_copy(k.instance_id, sizeof(k.instance_id), n->instance_id);
	w->sink.on_node(w->sink.arg, &k);
}

static void tell_pod(struct sim_world *w, const struct sim_pod *p)
{
	const struct sim_group *g = &w->groups[p->group];
	char labels[80];
	struct kube_pod k = {
		.controller = g->stateful[p->workload] ? KUBE_BY_STATEFULSET : KUBE_BY_DEPLOYMENT,
		.phase = p->ready || p->deleting_ms ? KUBE_RUNNING : KUBE_PENDING,
		.ready = p->ready,
		.volumes = g->stateful[p->workload],
		.grace_s = g->grace_s[p->workload],
		.deleting_ms = p->deleting_ms,
		.request_millicores = request_of(w, p),
		.request_mem_bytes = (int64_t)((double)g->mem_bytes * 0.5 * sim_pod_share(p->kind)),
		.labels = labels};
	if (!w->sink.on_pod)
		return;
	snprintf(labels, sizeof(labels), "app=%s\n", g->workloads[p->workload]);
	text_copy(k.uid, sizeof(k.uid), p->uid);
	text_copy(k.namespace_, sizeof(k.namespace_), "demo");
	text_copy(k.name, sizeof(k.name), p->name);
	text_copy(k.workload, sizeof(k.workload), g->workloads[p->workload]);
	text_copy(k.node, sizeof(k.node), p->node ? p->node->name : "");
	w->sink.on_pod(w->sink.arg, &k);
}

static void tell_budget(struct sim_world *w, unsigned g, unsigned workload)
{
	const struct sim_group *group = &w->groups[g];
	char selector[80];
	struct kube_budget k = {.selector = selector, .observed = true};
	snprintf(selector, sizeof(selector), "= app %s\n", group->workloads[workload]);
	text_copy(k.namespace_, sizeof(k.namespace_), "demo");
	snprintf(k.name, sizeof(k.name), "%s-pdb", group->workloads[workload]);
	k.allowed = world_allowed(w, g, workload, &k.healthy);
	k.expected = world_replicas(w, g, workload);
	k.desired = k.expected - group->budget[workload];
	w->allowed[g][workload] = k.allowed;
	w->sink.on_budget(w->sink.arg, &k);
}

static void tell_workload(struct sim_world *w, unsigned g, unsigned workload)
{
	struct kube_workload k = {
		.kind = w->groups[g].stateful[workload] ? KUBE_BY_STATEFULSET : KUBE_BY_DEPLOYMENT,
		.replicas = world_replicas(w, g, workload)};
	world_allowed(w, g, workload, &k.ready);
	text_copy(k.namespace_, sizeof(k.namespace_), "demo");
	text_copy(k.name, sizeof(k.name), w->groups[g].workloads[workload]);
	w->sink.on_workload(w->sink.arg, &k);
}

static void tell_guards(struct sim_world *w, bool all)
{
	for (unsigned g = 0; g < SIM_GROUPS; g++)
		for (unsigned i = 0; i < SIM_WORKLOADS; i++) {
			bool changed = all || world_allowed(w, g, i, NULL) != w->allowed[g][i];
			if (w->sink.on_budget && w->groups[g].budget[i] && changed)
				tell_budget(w, g, i);
			if (w->sink.on_workload && all)
				tell_workload(w, g, i);
		}
}

void world_tell_all(struct sim_world *w)
{
	for (unsigned g = 0; g < SIM_GROUPS; g++)
		for (unsigned i = 0; i < SIM_MAX_NODES_PER_GROUP; i++)
			if (w->nodes[g][i].up)
				world_tell_node(w, &w->nodes[g][i]);
	for (unsigned i = 0; i < SIM_MAX_PODS; i++)
		if (w->pods[i].exists)
			tell_pod(w, &w->pods[i]);
	tell_guards(w, true);
}

// --- pods -----------------------------------------------------------------------------------

static struct sim_pod *make_pod(
	struct sim_world *w, unsigned group, unsigned workload, unsigned kind)
{
	struct sim_pod *p = NULL;
	for (unsigned i = 0; i < SIM_MAX_PODS && !p; i++)
		if (!w->pods[i].exists)
			p = &w->pods[i];
	if (!p)
		return NULL; // as many are still terminating: the next tick makes it
	*p = (struct sim_pod){.exists = true, .group = group, .workload = workload, .kind = kind};
	sim_uid(w->groups[group].workloads[workload], ++w->pod_numbers, p->uid);
	snprintf(p->name, sizeof(p->name), "%s-%.8s", w->groups[group].workloads[workload], p->uid);
	return p;
}

static void remove_pod(struct sim_world *w, struct sim_pod *p)
{
	if (w->sink.on_pod_gone)
		w->sink.on_pod_gone(w->sink.arg, p->uid);
	p->exists = false;
}

void world_end_pod(struct sim_world *w, struct sim_pod *p, uint32_t grace_s)
{
	int64_t grace_ms = (int64_t)grace_s * 1000;
	int64_t own_ms = (int64_t)w->groups[p->group].grace_s[p->workload] * 1000;
	// it needs between a fifth and four fifths of the time it was written to need
	int64_t needs_ms = own_ms / 5 + (int64_t)(rng_unit(&w->rng) * 0.6 * (double)own_ms);
	if (p->deleting_ms)
		return;
	p->deleting_ms = w->now_ms + grace_ms;
	p->ends_ms = w->now_ms + (needs_ms < grace_ms ? needs_ms : grace_ms);
	p->ready = false;
	tell_pod(w, p);
}

static size_t pods_on(const struct sim_world *w, const struct sim_node *n, int64_t *ret_millicores)
{
	size_t count = 0;
	*ret_millicores = 0;
	for (unsigned i = 0; i < SIM_MAX_PODS; i++)
		if (w->pods[i].exists && w->pods[i].node == n) {
			*ret_millicores += request_of(w, &w->pods[i]);
			count++;
		}
	return count;
}

// The emptiest node of its group that takes it, as the scheduler's LeastAllocated would choose.
static struct sim_node *place_for(struct sim_world *w, const struct sim_pod *p)
{
	struct sim_node *best = NULL;
	int64_t least = INT64_MAX, used;
	for (unsigned i = 0; i < SIM_MAX_NODES_PER_GROUP; i++) {
		struct sim_node *n = &w->nodes[p->group][i];
		if (!n->up || n->cordoned || n->tainted)
			continue;
		if (pods_on(w, n, &used) >= SIM_MAX_PODS_PER_NODE ||
			used + request_of(w, p) > w->groups[p->group].millicores)
			continue;
		if (used < least) {
			least = used;
			best = n;
		}
	}
	return best;
}

static void tick_pod(struct sim_world *w, struct sim_pod *p)
{
	if (p->deleting_ms && w->now_ms >= p->ends_ms) {
		remove_pod(w, p);
	} else if (!p->deleting_ms && !p->node) {
		p->node = place_for(w, p);
		p->ready_ms = w->now_ms + start_ms;
		if (p->node)
			tell_pod(w, p);
	} else if (!p->deleting_ms && !p->ready && w->now_ms >= p->ready_ms) {
		p->ready = true;
		tell_pod(w, p);
	}
}

// Every kind of pod has one replica per node that the group was made for. A StatefulSet makes its
// pod again when the old one has gone, a Deployment when it is told to go.
static void make_missing(struct sim_world *w, unsigned group)
{
	for (unsigned kind = 0; kind < SIM_PODS_PER_NODE; kind++) {
		unsigned workload = kind % SIM_WORKLOADS, have = 0;
		bool stateful = w->groups[group].stateful[workload];
		for (unsigned i = 0; i < SIM_MAX_PODS; i++) {
			const struct sim_pod *p = &w->pods[i];
			have += p->exists && p->group == group && p->kind == kind &&
				(stateful || !p->deleting_ms);
		}
		for (; have < SIM_NODES_PER_GROUP; have++) {
			struct sim_pod *p = make_pod(w, group, workload, kind);
			if (p)
				tell_pod(w, p);
		}
	}
}

// Now and then a rollout makes one pod of the fullest node again, which then lands on the emptiest:
// so a fleet that has lost and won nodes evens out, as real ones do by deployments.
static void balance(struct sim_world *w, unsigned group)
{
	struct sim_node *fullest = NULL;
	int64_t most = 0, least = INT64_MAX, used;
	for (unsigned i = 0; i < SIM_MAX_NODES_PER_GROUP; i++) {
		struct sim_node *n = &w->nodes[group][i];
		if (!n->up || n->cordoned || n->tainted)
			continue;
		pods_on(w, n, &used);
		if (used > most) {
			most = used;
			fullest = n;
		}
		least = used < least ? used : least;
	}
	if (!fullest || most - least < w->groups[group].millicores / 4)
		return;
	for (unsigned i = 0; i < SIM_MAX_PODS; i++) {
		struct sim_pod *p = &w->pods[i];
		if (p->exists && p->node == fullest && p->ready &&
			request_of(w, p) * 2 <= most - least) {
			world_end_pod(w, p, w->groups[group].grace_s[p->workload]);
			return;
		}
	}
}

// --- nodes ----------------------------------------------------------------------------------

// Spot nodes of a mixed group: every second one.
static enum capacity_type capacity_of(const struct sim_world *w, unsigned group, uint32_t place)
{
	if (w->groups[group].capacity != CAPACITY_MIXED)
		return w->groups[group].capacity;
	return place % 2 ? CAPACITY_ON_DEMAND : CAPACITY_SPOT;
}

// The lowest that no instance of the group has: a newcomer's demo-spot-3 is there after a month,
// too.
static uint32_t free_place(const struct sim_world *w, unsigned group)
{
	for (uint32_t place = 1;; place++) {
		unsigned i = 0;
		while (i < SIM_MAX_NODES_PER_GROUP &&
			!(w->nodes[group][i].exists && w->nodes[group][i].place == place))
			i++;
		if (i == SIM_MAX_NODES_PER_GROUP)
			return place;
	}
}

struct sim_node *world_launch(struct sim_world *w, unsigned group, int zone)
{
	struct sim_node *n = NULL;
	for (unsigned i = 0; i < SIM_MAX_NODES_PER_GROUP && !n; i++)
		if (!w->nodes[group][i].exists)
			n = &w->nodes[group][i];
	if (!n)
		return NULL;
	*n = (struct sim_node){.group = group};
	n->place = free_place(w, group);
	n->exists = true;
	n->number = ++w->numbers[group];
	n->zone = zone >= 0 ? (unsigned)zone : n->number % 3;
	snprintf(n->name, sizeof(n->name), "%s-%u", w->groups[group].name, n->place);
	snprintf(n->instance_id, sizeof(n->instance_id), "i-sim%u%06u", group, n->number);
	sim_uid(n->name, n->number, n->uid);
	n->capacity = capacity_of(w, group, n->place);
	n->skew = 0.85 + 0.3 * rng_unit(&w->rng);
	for (int i = 0; i < 16; i++)
		n->boot_id[i] = (uint8_t)rng_next(&w->rng);
	n->joins_ms = w->now_ms + launch_least_ms +
		      (int64_t)(rng_unit(&w->rng) * (double)launch_spread_ms);
	return n;
}

static void join(struct sim_world *w, struct sim_node *n)
{
	n->up = true;
	n->created_ms = w->now_ms;
	world_tell_node(w, n);
}

// Its pods go with it, without a word to anybody.
static void leave(struct sim_world *w, struct sim_node *n)
{
	for (unsigned i = 0; i < SIM_MAX_PODS; i++)
		if (w->pods[i].exists && w->pods[i].node == n)
			remove_pod(w, &w->pods[i]);
	if (n->up && w->sink.on_node_gone)
		w->sink.on_node_gone(w->sink.arg, n->name);
	n->exists = n->up = false;
}

// What the scaling group does: it keeps its size, and never takes a node by itself.
static void keep_size(struct sim_world *w, unsigned group)
{
	uint32_t have = 0;
	for (unsigned i = 0; i < SIM_MAX_NODES_PER_GROUP; i++)
		have += w->nodes[group][i].exists;
	for (; have < w->desired[group]; have++)
		if (!world_launch(w, group, -1))
			return;
}

void world_start(struct sim_world *w)
{
	for (unsigned g = 0; g < SIM_GROUPS; g++) {
		w->desired[g] = SIM_NODES_PER_GROUP;
		keep_size(w, g);
		for (unsigned i = 0; i < SIM_NODES_PER_GROUP; i++)
			w->nodes[g][i].up = true;
		make_missing(w, g);
	}
	for (unsigned i = 0; i < SIM_MAX_PODS; i++) {
		struct sim_pod *p = &w->pods[i];
		if (!p->exists)
			continue;
		unsigned slot = 0; // the n-th of its kind on the n-th node: all alike
		for (unsigned k = 0; k < i; k++)
			slot += w->pods[k].group == p->group && w->pods[k].kind == p->kind;
		p->node = &w->nodes[p->group][slot];
		p->ready = true;
	}
}

static void tick_nodes(struct sim_world *w, unsigned group)
{
	for (unsigned i = 0; i < SIM_MAX_NODES_PER_GROUP; i++) {
		struct sim_node *n = &w->nodes[group][i];
		if (n->exists && n->ends_ms && w->now_ms >= n->ends_ms)
			leave(w, n);
		else if (n->exists && !n->up && w->now_ms >= n->joins_ms)
			join(w, n);
	}
	keep_size(w, group);
}

void world_tick(struct sim_world *w, int64_t now_ms)
{
	bool balances = now_ms - w->balanced_ms >= balance_every_ms;
	w->now_ms = now_ms;
	if (balances)
		w->balanced_ms = now_ms;
	for (unsigned g = 0; g < SIM_GROUPS; g++) {
		tick_nodes(w, g);
		make_missing(w, g);
		if (balances)
			balance(w, g);
	}
	for (unsigned i = 0; i < SIM_MAX_PODS; i++)
		if (w->pods[i].exists)
			tick_pod(w, &w->pods[i]);
	tell_guards(w, false);
}
