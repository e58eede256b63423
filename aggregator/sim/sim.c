// SPDX-License-Identifier: Apache-2.0
#include "aggregator/sim/sim.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/sim/calls.h"
#include "aggregator/sim/load.h"
#include "aggregator/sim/world.h"
#include "proto/base/text.h"

enum { MAX_WINDOW_MS = 60000 };
static const double reclaims_per_node_hour = 0.05; // 70 % a month: a popular spot pool

// Prices: us-east-1 Linux on demand, spot at its usual discount (AWS price list, July 2026).
static const struct sim_group groups[SIM_GROUPS] = {
	{"demo-web", CAPACITY_ON_DEMAND, "m6i.xlarge", 4000, 16ll << 30, 192000, 0.80,
		{"frontend", "checkout"}, {30, 30}, {0, 2}, {false, false}},
	{"demo-spot", CAPACITY_SPOT, "c6i.xlarge", 4000, 8ll << 30, 62000, 0.95,
		{"render", "transcode"}, {30, 60}, {0, 2}, {false, false}},
	{"demo-mixed", CAPACITY_MIXED, "m6a.xlarge", 4000, 16ll << 30, 98000, 0.70,
		{"api", "search"}, {30, 45}, {3, 1}, {false, true}},
};

struct sim {
	struct sim_options options;
	char cluster[64];
	struct load load;
	int64_t last_ms;
	struct sample *sample; // refilled for every node
	struct sim_world world;
	struct sim_calls calls;
};

int sim_new(struct sim **ret, const struct sim_options *o)
{
	struct sim *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->options = *o;
	text_copy(s->cluster, sizeof(s->cluster), o->cluster);
	s->world.groups = groups;
	rng_init(&s->world.rng, o->seed);
	s->calls.world = &s->world;
	text_copy(s->calls.cluster, sizeof(s->calls.cluster), o->cluster);
	int r = load_embedded(&s->load);
	if (r == 0)
		r = sample_new(&s->sample, SIM_MAX_PODS_PER_NODE);
	if (r < 0) {
		sim_free(s);
		return r;
	}
	world_start(&s->world);
	*ret = s;
	return 0;
}

void sim_free(struct sim *s)
{
	if (!s)
		return;
	calls_done(&s->calls);
	sample_free(s->sample);
	free(s);
}

static void send_notice(struct sim *s, const struct sim_node *n)
{
	struct notice notice = {.kind = NOTICE_SPOT_ITN,
		.action = NOTICE_TERMINATE,
		.observed_ms = s->world.now_ms,
		.deadline_ms = n->ends_ms};
	if (!s->options.on_notice)
		return;
	text_copy(notice.cluster, sizeof(notice.cluster), s->cluster);
	text_copy(notice.node, sizeof(notice.node), n->name);
	text_copy(notice.instance_id, sizeof(notice.instance_id), n->instance_id);
	text_copy(notice.source, sizeof(notice.source), "sim");
	notice_make_id(notice.instance_id, notice.kind, "", notice.id);
	s->options.on_notice(s->options.arg, &notice);
}

int sim_interrupt(struct sim *s, const char *node, int64_t deadline_ms)
{
	struct sim_node *n = world_find_node(&s->world, node);
	if (!n)
		return -ENOENT;
	n->ends_ms = deadline_ms ? deadline_ms : s->world.now_ms + SIM_NOTICE_MS;
	send_notice(s, n);
	return 0;
}

void sim_no_capacity(struct sim *s, const char *zone, int64_t until_ms)
{
	for (int z = 0; z < 3; z++)
		if (strcmp(sim_zones[z], zone) == 0)
			s->world.no_capacity_until_ms[z] = until_ms;
}

// Which spot nodes are reclaimed in the time since the last tick.
static void reclaim(struct sim *s, unsigned g, double hours)
{
	for (unsigned i = 0; i < SIM_MAX_NODES_PER_GROUP; i++) {
		struct sim_node *n = &s->world.nodes[g][i];
		if (n->up && n->capacity == CAPACITY_SPOT && !n->ends_ms &&
			rng_unit(&s->world.rng) < reclaims_per_node_hour * hours)
			sim_interrupt(s, n->name, 0);
	}
}

static void seat_guests(struct sim *s)
{
	for (unsigned g = 0; g < SIM_GROUPS; g++)
		for (unsigned i = 0; i < SIM_MAX_NODES_PER_GROUP; i++)
			s->world.nodes[g][i].n_guests = 0;
	for (unsigned i = 0; i < SIM_MAX_PODS; i++) {
		const struct sim_pod *p = &s->world.pods[i];
		struct sim_node *n = p->exists ? p->node : NULL;
		if (n && n->n_guests < SIM_MAX_PODS_PER_NODE && (p->ready || p->deleting_ms))
			n->guests[n->n_guests++] =
				(struct sim_guest){p->uid, sim_pod_share(p->kind)};
	}
}

static double shares_on(const struct sim_node *n)
{
	double sum = 0;
	for (size_t i = 0; i < n->n_guests; i++)
		sum += n->guests[i].share;
	return sum;
}

static void send_sample(struct sim *s, struct sim_node *n, double demand, bool with_pods)
{
	const struct sim_group *g = &groups[n->group];
	struct sample *out = s->sample;
	uint32_t window_ms = out->window_ms;
	int64_t wall_ms = out->wall_ms;
	struct cgroup_sample *cgroups = out->cgroups;
	size_t max = out->max_cgroups;
	memset(out, 0, sizeof(*out));
	out->cgroups = cgroups;
	out->max_cgroups = max;
	out->n_cgroups = with_pods ? n->n_guests : 0;
	out->window_ms = window_ms;
	out->wall_ms = wall_ms;
	out->mono_ns = (uint64_t)wall_ms * 1000000u;
	out->simulated = true;
	out->duty = DUTY_FULL;
	out->duty_on_ms = window_ms;
	text_copy(out->cluster, sizeof(out->cluster), s->cluster);
	text_copy(out->node, sizeof(out->node), n->name);
	text_copy(out->group, sizeof(out->group), g->name);
	text_copy(out->instance_type, sizeof(out->instance_type), g->instance_type);
	text_copy(out->zone_id, sizeof(out->zone_id), sim_zone_ids[n->zone]);
	text_copy(out->version, sizeof(out->version), "simulated");
	text_copy(out->instance_id, sizeof(out->instance_id), n->instance_id);
	memcpy(out->boot_id, n->boot_id, 16);
	out->sequence = ++n->sequence;
	sim_node_fill(out, g, n, demand, &s->world.rng);
	s->options.on_sample(s->options.arg, out);
}

// The load goes where the pods are.
static void tick_group(struct sim *s, unsigned g, int64_t now_ms, bool with_pods)
{
	double shares = 0;
	double demand = load_at(&s->load, g, now_ms) * groups[g].peak_share *
			(double)groups[g].millicores * SIM_NODES_PER_GROUP;
	for (unsigned i = 0; i < SIM_MAX_NODES_PER_GROUP; i++)
		shares += s->world.nodes[g][i].up ? shares_on(&s->world.nodes[g][i]) : 0;
	for (unsigned i = 0; i < SIM_MAX_NODES_PER_GROUP; i++) {
		struct sim_node *n = &s->world.nodes[g][i];
		if (n->up)
			send_sample(s, n, demand * shares_on(n) / fmax(shares, 0.01), with_pods);
	}
}

void sim_tick(struct sim *s, int64_t now_ms, bool with_pods)
{
	int64_t since_ms = s->last_ms ? now_ms - s->last_ms : 1000;
	if (since_ms <= 0)
		return;
	s->last_ms = now_ms;
	uint32_t window_ms = since_ms < MAX_WINDOW_MS ? (uint32_t)since_ms : MAX_WINDOW_MS;
	world_tick(&s->world, now_ms);
	for (unsigned g = 0; g < SIM_GROUPS; g++)
		reclaim(s, g, (double)window_ms / 3600000.0);
	seat_guests(s);
	for (unsigned g = 0; g < SIM_GROUPS; g++) {
		s->sample->window_ms = window_ms;
		s->sample->wall_ms = now_ms;
		tick_group(s, g, now_ms, with_pods);
	}
	sim_turn(s);
}

void sim_turn(struct sim *s)
{
	calls_answer(&s->calls);
}

struct cloud sim_cloud(struct sim *s)
{
	return calls_cloud(&s->calls);
}

struct kube sim_kube(struct sim *s)
{
	return calls_kube(&s->calls);
}
