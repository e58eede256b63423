// SPDX-License-Identifier: Apache-2.0
// Shapes that a real node's figures have: what runs is capped by the capacity, what does not run
// waits, waiting times follow a log-normal around a queueing delay that grows as 1 / (1 -
// utilisation), and memory follows load slowly.
#include "aggregator/sim/node.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "aggregator/sim/sim.h"
#include "proto/base/hash.h"
#include "proto/base/text.h"

double sim_pod_share(unsigned p)
{
	static const double shares[SIM_PODS_PER_NODE] = {0.34, 0.22, 0.16, 0.12, 0.10, 0.06};
	return shares[p];
}

void sim_uid(const char *what, uint32_t number, char ret[40])
{
	char text[96];
	uint8_t digest[32];
	char hex[33];
	int len = snprintf(text, sizeof(text), "%.80s/%u", what, number);
	hash_sha256(text, (size_t)len, digest);
	text_to_hex(digest, 16, hex);
	snprintf(ret, 40, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

// About `total` events, log-normal around `median` with a spread of `sigma` doublings.
static void fill_hist(struct scope *s, enum hist_id id, double total, double median, double sigma)
{
	double center = log2(median) - hist_shift(id), sum = 0, weight[HIST_BUCKETS];
	for (int b = 0; b < HIST_BUCKETS; b++) {
		double z = (b + 0.5 - center) / sigma;
		sum += weight[b] = exp(-0.5 * z * z);
	}
	for (int b = 0; b < HIST_BUCKETS; b++)
		s->hists[id].buckets[b] = (uint32_t)(total * weight[b] / sum + 0.5);
	s->hists_present |= 1u << id;
}

struct cpu {                       // of one scope within one window
	double used, wait, demand; // millicores
	double capacity;
};

static struct cpu serve(double demand, double capacity)
{
	double used = fmin(demand, capacity * 0.98);
	double load = fmin(used / capacity, 0.97);
	return (struct cpu){
		used, (demand - used) + used * 0.04 * load / (1 - load), demand, capacity};
}

static void fill_cpu(struct scope *s, const struct cpu *c, double window_ms)
{
	double ns = window_ms * 1000; // of one millicore
	scope_set(s, METRIC_CPU_USAGE, (int64_t)(c->used * ns));
	scope_set(s, METRIC_CPU_USER, (int64_t)(c->used * ns * 0.8));
	scope_set(s, METRIC_CPU_SYSTEM, (int64_t)(c->used * ns * 0.2));
	scope_set(s, METRIC_ONCPU, (int64_t)(c->used * ns));
	scope_set(s, METRIC_RUNQ_WAIT, (int64_t)(c->wait * ns));
	double waiting = fmin(1, c->wait / fmax(c->capacity, 1));
	scope_set(s, METRIC_PSI_CPU_SOME, (int64_t)(waiting * window_ms * 1000));
	scope_set(s, METRIC_DEMAND_LOW, (int64_t)c->used);
	scope_set(s, METRIC_DEMAND_HIGH, (int64_t)(c->used + c->wait));
	scope_set(s, METRIC_SATURATED, c->demand > c->capacity * 0.98);
	double load = fmin(c->used / fmax(c->capacity, 1), 0.97);
	double switches = c->used * window_ms / 1000 * 1.5;
	fill_hist(s, HIST_RUNQ_LATENCY, switches, 6000 / (1 - load), 1.6);
	fill_hist(s, HIST_ONCPU_BURST, switches, 90000, 1.8);
	scope_set(s, METRIC_INVOLUNTARY_SWITCHES, (int64_t)(switches * 0.1 * load));
}

static void fill_rest(struct scope *s, const struct sim_group *g, double load, double window_ms)
{
	double seconds = window_ms / 1000;
	double mem = (double)g->mem_bytes * (0.35 + 0.3 * load);
	scope_set(s, METRIC_CPU_CAPACITY, g->millicores);
	scope_set(s, METRIC_CPU_IDLE,
		(int64_t)((double)g->millicores * (1 - load) * window_ms * 1000));
	scope_set(s, METRIC_CPU_IOWAIT, 0);
	scope_set(s, METRIC_CPU_STEAL, 0);
	scope_set(s, METRIC_CPU_SOFTIRQ, (int64_t)(load * 2e7 * seconds));
	scope_set(s, METRIC_MEM_TOTAL, g->mem_bytes);
	scope_set(s, METRIC_MEM_USED, (int64_t)mem);
	scope_set(s, METRIC_MEM_AVAILABLE, g->mem_bytes - (int64_t)mem);
	scope_set(s, METRIC_FS_USED, 420);
	scope_set(s, METRIC_DISK_READ, (int64_t)(load * 3e6 * seconds));
	scope_set(s, METRIC_DISK_WRITE, (int64_t)(load * 8e6 * seconds));
	scope_set(s, METRIC_DISK_IOS, (int64_t)(load * 400 * seconds));
	scope_set(s, METRIC_NET_RX, (int64_t)(load * 4e7 * seconds));
	scope_set(s, METRIC_NET_TX, (int64_t)(load * 6e7 * seconds));
	scope_set(s, METRIC_TCP_ESTABLISHED, (int64_t)(load * 900));
	scope_set(s, METRIC_TCP_TIME_WAIT, (int64_t)(load * 300));
	scope_set(s, METRIC_TCP_RETRANSMITS, (int64_t)(load * load * 4 * seconds));
	scope_set(s, METRIC_PSI_IO_SOME, (int64_t)(load * load * 2e4 * seconds));
	scope_set(s, METRIC_PSI_MEM_SOME, 0);
	fill_hist(s, HIST_BLOCK_LATENCY, load * 400 * seconds, 400000 / (1.05 - load), 1.2);
	fill_hist(s, HIST_BLOCK_DEVICE, load * 400 * seconds, 350000, 1.0);
	fill_hist(s, HIST_TCP_SRTT, load * 200 * seconds, 700, 1.0);
}

void sim_node_fill(struct sample *ret, const struct sim_group *g, struct sim_node *n,
	double demand_millicores, struct rng *rng)
{
	double window_ms = ret->window_ms;
	n->noise = 0.98 * n->noise + 0.01 * rng_normal(rng);
	double demand = fmax(20, demand_millicores * n->skew * (1 + n->noise));
	struct cpu cpu = serve(demand, (double)g->millicores);
	fill_cpu(&ret->node_scope, &cpu, window_ms);
	fill_rest(&ret->node_scope, g, cpu.used / cpu.capacity, window_ms);
	double shares = 0;
	for (size_t p = 0; p < n->n_guests; p++)
		shares += n->guests[p].share;
	for (size_t p = 0; p < ret->n_cgroups; p++) {
		struct cgroup_sample *c = &ret->cgroups[p];
		memset(c, 0, sizeof(*c));
		c->kind = CGROUP_POD;
		c->window_ms = ret->window_ms;
		text_copy(c->pod_uid, sizeof(c->pod_uid), n->guests[p].uid);
		double share = n->guests[p].share / shares;
		struct cpu pod = {cpu.used * share, cpu.wait * share, demand * share, cpu.capacity};
		fill_cpu(&c->scope, &pod, window_ms);
		scope_set(&c->scope, METRIC_SATURATED,
			scope_get(&ret->node_scope, METRIC_SATURATED, 0));
		scope_set(
			&c->scope, METRIC_MEM_USED, (int64_t)((double)g->mem_bytes * 0.5 * share));
	}
}
