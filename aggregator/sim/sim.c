// SPDX-License-Identifier: Apache-2.0
#include "aggregator/sim/sim.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/sim/load.h"
#include "aggregator/sim/node.h"
#include "proto/base/text.h"

enum { MAX_WINDOW_MS = 60000 };
static const double reclaims_per_node_hour = 0.05; // 70 % a month: a popular spot pool
static const int64_t replacement_ms =
	90000; // from the end of a node to its replacement's first sample

// Prices: us-east-1 Linux on demand, spot at its usual discount (AWS price list, July 2026).
static const struct sim_group groups[SIM_GROUPS] = {
	{"demo-web", CAPACITY_ON_DEMAND, "m6i.xlarge", 4000, 16ll << 30, 192000, 0.80,
		{"frontend", "checkout"}},
	{"demo-spot", CAPACITY_SPOT, "c6i.xlarge", 4000, 8ll << 30, 62000, 0.95,
		{"render", "transcode"}},
	{"demo-mixed", CAPACITY_MIXED, "m6a.xlarge", 4000, 16ll << 30, 98000, 0.70,
		{"api", "search"}},
};
static const char *const zones[] = {"use1-az1", "use1-az2", "use1-az4"};

struct sim {
	struct sim_options options;
	char cluster[64];
	struct load load;
	struct rng rng;
	int64_t last_ms;
	struct kube_sink sink;
	struct sample *sample; // refilled for every node
	struct sim_node nodes[SIM_GROUPS][SIM_NODES_PER_GROUP];
	uint32_t numbers[SIM_GROUPS];
};

// Spot nodes of a mixed group: every second one.
static enum capacity_type capacity_of(unsigned group, uint32_t number)
{
	if (groups[group].capacity != CAPACITY_MIXED)
		return groups[group].capacity;
	return number % 2 ? CAPACITY_ON_DEMAND : CAPACITY_SPOT;
}

static void start_node(struct sim *s, unsigned group, struct sim_node *n)
{
	n->number = ++s->numbers[group];
	snprintf(n->name, sizeof(n->name), "%s-%u", groups[group].name, n->number);
	n->capacity = capacity_of(group, n->number);
	n->up = true;
	n->skew = 0.85 + 0.3 * rng_unit(&s->rng);
	n->noise = 0;
	n->sequence = 0;
	for (int i = 0; i < 16; i++)
		n->boot_id[i] = (uint8_t)rng_next(&s->rng);
}

int sim_new(struct sim **ret, const struct sim_options *o)
{
	struct sim *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->options = *o;
	text_copy(s->cluster, sizeof(s->cluster), o->cluster);
	rng_init(&s->rng, o->seed);
	int r = load_embedded(&s->load);
	if (r == 0)
		r = sample_new(&s->sample, SIM_PODS_PER_NODE);
	if (r < 0) {
		sim_free(s);
		return r;
	}
	for (unsigned g = 0; g < SIM_GROUPS; g++)
		for (unsigned i = 0; i < SIM_NODES_PER_GROUP; i++)
			start_node(s, g, &s->nodes[g][i]);
	*ret = s;
	return 0;
}

void sim_free(struct sim *s)
{
	if (!s)
		return;
	sample_free(s->sample);
	free(s);
}

static void tell_node(struct sim *s, unsigned g, const struct sim_node *n)
{
	struct kube_node node = {.capacity = n->capacity, .ready = true};
	text_copy(node.name, sizeof(node.name), n->name);
	text_copy(node.group, sizeof(node.group), groups[g].name);
	text_copy(node.instance_type, sizeof(node.instance_type), groups[g].instance_type);
	text_copy(node.zone_id, sizeof(node.zone_id), zones[n->number % 3]);
	snprintf(node.instance_id, sizeof(node.instance_id), "i-sim%u%06u", g, n->number);
	sim_pod_uid(n, UINT32_MAX, node.uid);
	node.allocatable_millicores = groups[g].millicores;
	node.allocatable_mem_bytes = groups[g].mem_bytes;
	s->sink.on_node(s->sink.arg, &node);
	for (unsigned p = 0; p < SIM_PODS_PER_NODE; p++) {
		struct kube_pod pod = {
			.request_millicores =
				(int64_t)((double)groups[g].millicores * 0.8 * sim_pod_share(p)),
			.request_mem_bytes =
				(int64_t)((double)groups[g].mem_bytes * 0.5 * sim_pod_share(p))};
		const char *workload = groups[g].workloads[p % 2];
		sim_pod_uid(n, p, pod.uid);
		text_copy(pod.namespace_, sizeof(pod.namespace_), "demo");
		text_copy(pod.workload, sizeof(pod.workload), workload);
		snprintf(pod.name, sizeof(pod.name), "%s-%.8s", workload, pod.uid);
		text_copy(pod.node, sizeof(pod.node), n->name);
		s->sink.on_pod(s->sink.arg, &pod);
	}
}

static void tell_gone(struct sim *s, const struct sim_node *n)
{
	for (unsigned p = 0; p < SIM_PODS_PER_NODE; p++) {
		char uid[40];
		sim_pod_uid(n, p, uid);
		s->sink.on_pod_gone(s->sink.arg, uid);
	}
	s->sink.on_node_gone(s->sink.arg, n->name);
}

static void live_and_die(
	struct sim *s, unsigned g, struct sim_node *n, int64_t now_ms, double hours)
{
	if (n->up && n->capacity == CAPACITY_SPOT &&
		rng_unit(&s->rng) < reclaims_per_node_hour * hours) {
		n->up = false;
		n->back_at_ms = now_ms + replacement_ms;
		if (s->sink.on_node_gone)
			tell_gone(s, n);
	} else if (!n->up && now_ms >= n->back_at_ms) {
		start_node(s, g, n);
		if (s->sink.on_node)
			tell_node(s, g, n);
	}
}

static void send_sample(
	struct sim *s, unsigned g, struct sim_node *n, double demand, bool with_pods)
{
	struct sample *out = s->sample;
	uint32_t window_ms = out->window_ms;
	int64_t wall_ms = out->wall_ms;
	struct cgroup_sample *cgroups = out->cgroups;
	size_t max = out->max_cgroups;
	memset(out, 0, sizeof(*out));
	out->cgroups = cgroups;
	out->max_cgroups = max;
	out->n_cgroups = with_pods ? SIM_PODS_PER_NODE : 0;
	out->window_ms = window_ms;
	out->wall_ms = wall_ms;
	out->mono_ns = (uint64_t)wall_ms * 1000000u;
	out->simulated = true;
	out->duty = DUTY_FULL;
	out->duty_on_ms = window_ms;
	text_copy(out->cluster, sizeof(out->cluster), s->cluster);
	text_copy(out->node, sizeof(out->node), n->name);
	text_copy(out->group, sizeof(out->group), groups[g].name);
	text_copy(out->instance_type, sizeof(out->instance_type), groups[g].instance_type);
	text_copy(out->zone_id, sizeof(out->zone_id), zones[n->number % 3]);
	text_copy(out->version, sizeof(out->version), "simulated");
	snprintf(out->instance_id, sizeof(out->instance_id), "i-sim%u%06u", g, n->number);
	memcpy(out->boot_id, n->boot_id, 16);
	out->sequence = ++n->sequence;
	sim_node_fill(out, &groups[g], n, demand, &s->rng);
	s->options.on_sample(s->options.arg, out);
}

static void tick_group(struct sim *s, unsigned g, int64_t now_ms, bool with_pods)
{
	unsigned up = 0;
	double hours = (double)s->sample->window_ms / 3600000.0;
	for (unsigned i = 0; i < SIM_NODES_PER_GROUP; i++) {
		live_and_die(s, g, &s->nodes[g][i], now_ms, hours);
		up += s->nodes[g][i].up;
	}
	double demand = load_at(&s->load, g, now_ms) * groups[g].peak_share *
			(double)groups[g].millicores * SIM_NODES_PER_GROUP;
	for (unsigned i = 0; i < SIM_NODES_PER_GROUP; i++)
		if (s->nodes[g][i].up)
			send_sample(s, g, &s->nodes[g][i], demand / up, with_pods);
}

void sim_tick(struct sim *s, int64_t now_ms, bool with_pods)
{
	int64_t since_ms = s->last_ms ? now_ms - s->last_ms : 1000;
	if (since_ms <= 0)
		return;
	s->last_ms = now_ms;
	for (unsigned g = 0; g < SIM_GROUPS; g++) {
		s->sample->window_ms =
			since_ms < MAX_WINDOW_MS ? (uint32_t)since_ms : MAX_WINDOW_MS;
		s->sample->wall_ms = now_ms;
		tick_group(s, g, now_ms, with_pods);
	}
}

static void describe_groups(void *self, const struct cloud_calls *calls)
{
	for (unsigned g = 0; g < SIM_GROUPS; g++) {
		struct cloud_group group = {.capacity = groups[g].capacity,
			.managed = true,
			.min = 2,
			.max = 16,
			.desired = SIM_NODES_PER_GROUP,
			.node_usd_micro_hour = groups[g].usd_micro_hour};
		text_copy(group.name, sizeof(group.name), groups[g].name);
		text_copy(
			group.instance_type, sizeof(group.instance_type), groups[g].instance_type);
		calls->on_group(calls->arg, &group);
	}
	calls->on_done(calls->arg, 0, NULL);
}

static int watch(void *self, const struct kube_sink *sink)
{
	struct sim *s = self;
	s->sink = *sink;
	for (unsigned g = 0; g < SIM_GROUPS; g++)
		for (unsigned i = 0; i < SIM_NODES_PER_GROUP; i++)
			if (s->nodes[g][i].up)
				tell_node(s, g, &s->nodes[g][i]);
	s->sink.on_synced(s->sink.arg);
	return 0;
}

struct cloud sim_cloud(struct sim *s)
{
	static const struct cloud_ops ops = {.name = "sim", .describe_groups = describe_groups};
	struct cloud c = {.ops = &ops, .self = s};
	text_copy(c.cluster, sizeof(c.cluster), s->cluster);
	return c;
}

struct kube sim_kube(struct sim *s)
{
	static const struct kube_ops ops = {.name = "sim", .watch = watch};
	struct kube k = {.ops = &ops, .self = s};
	text_copy(k.cluster, sizeof(k.cluster), s->cluster);
	return k;
}
