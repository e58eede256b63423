// SPDX-License-Identifier: Apache-2.0
#include "aggregator/show/node_view.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const struct node_view node_view_unknown = {
	.age_ms = -1,
	.capacity_millicores = -1,
	.usage_millicores = -1,
	.demand_low_millicores = -1,
	.demand_high_millicores = -1,
	.requested_millicores = -1,
	.cpu_permille = -1,
	.demand_high_permille = -1,
	.mem_permille = -1,
	.psi_cpu_permille = -1,
	.psi_io_permille = -1,
	.psi_mem_permille = -1,
	.runq_p99_ns = -1,
	.block_p99_ns = -1,
	.retransmits_per_s = NAN,
};

static int64_t permille(int64_t part, int64_t whole)
{
	return part >= 0 && whole > 0 ? (int64_t)((double)part * 1000.0 / (double)whole + 0.5) : -1;
}

// ns of CPU time within a window, as millicores.
static int64_t millicores(const struct scope *v, enum metric m, uint32_t window_ms)
{
	int64_t ns = scope_get(v, m, -1);
	return ns >= 0 && window_ms > 0 ? ns / ((int64_t)window_ms * 1000) : -1;
}

// us of stall within a window: us / ms is permille.
static int64_t stall_permille(const struct scope *v, enum metric m, uint32_t window_ms)
{
	int64_t us = scope_get(v, m, -1);
	return us >= 0 && window_ms > 0 ? us / window_ms : -1;
}

static bool hist_p99(const struct scope *v, enum hist_id h, int64_t *ret)
{
	if (!(v->hists_present >> h & 1) || hist_count(&v->hists[h]) == 0)
		return false;
	*ret = (int64_t)hist_quantile(h, &v->hists[h], 990);
	return true;
}

static int64_t mem_permille(const struct scope *v)
{
	int64_t total = scope_get(v, METRIC_MEM_TOTAL, -1);
	int64_t available = scope_get(v, METRIC_MEM_AVAILABLE, -1);
	int64_t used = available >= 0 && available <= total ? total - available
							    : scope_get(v, METRIC_MEM_USED, -1);
	return permille(used, total);
}

void node_view_scope(const struct scope *v, uint32_t window_ms, struct node_view *ret)
{
	ret->known = true;
	ret->capacity_millicores = scope_get(v, METRIC_CPU_CAPACITY, -1);
	ret->usage_millicores = millicores(v, METRIC_CPU_USAGE, window_ms);
	ret->demand_low_millicores = scope_get(v, METRIC_DEMAND_LOW, ret->usage_millicores);
	ret->demand_high_millicores = scope_get(v, METRIC_DEMAND_HIGH, ret->demand_low_millicores);
	ret->requested_millicores = scope_get(v, METRIC_CPU_REQUESTED, -1);
	ret->cpu_permille = permille(ret->usage_millicores, ret->capacity_millicores);
	ret->demand_high_permille = permille(ret->demand_high_millicores, ret->capacity_millicores);
	ret->mem_permille = mem_permille(v);
	ret->psi_cpu_permille = stall_permille(v, METRIC_PSI_CPU_SOME, window_ms);
	ret->psi_io_permille = stall_permille(v, METRIC_PSI_IO_SOME, window_ms);
	ret->psi_mem_permille = stall_permille(v, METRIC_PSI_MEM_SOME, window_ms);
	if (scope_has(v, METRIC_TCP_RETRANSMITS) && window_ms > 0)
		ret->retransmits_per_s =
			(double)v->values[METRIC_TCP_RETRANSMITS] * 1000.0 / window_ms;
	ret->saturated = scope_get(v, METRIC_SATURATED, 0) > 0;
	hist_p99(v, HIST_RUNQ_LATENCY, &ret->runq_p99_ns);
	hist_p99(v, HIST_BLOCK_LATENCY, &ret->block_p99_ns);
}

void node_view_get(struct store *s, const struct fleet_node *n, const struct node_memory *memory,
	int64_t now_ms, struct node_view *ret)
{
	*ret = node_view_unknown;
	if (n->last_sample_ms > 0)
		ret->age_ms = now_ms > n->last_sample_ms ? now_ms - n->last_sample_ms : 0;
	const struct store_entity *e = store_find(s, n->cluster, ENTITY_NODE, n->name);
	int64_t wall_ms;
	uint32_t window_ms;
	const struct scope *v = e ? store_latest(e, &wall_ms, &window_ms) : NULL;
	if (!v)
		return;
	node_view_scope(v, window_ms, ret);
	if (!memory)
		return;
	if (ret->runq_p99_ns < 0 && memory->hists_ms > now_ms - NODE_VIEW_HOLD_MS)
		ret->runq_p99_ns = memory->runq_p99_ns;
	if (ret->block_p99_ns < 0 && memory->block_ms > now_ms - NODE_VIEW_HOLD_MS)
		ret->block_p99_ns = memory->block_p99_ns;
}

struct node_memory *node_memory_find(struct node_memory *all, const char *key)
{
	struct node_memory *m;
	HASH_FIND_STR(all, key, m);
	return m;
}

static struct node_memory *memory_of(struct node_memory **all, const struct fleet_node *n)
{
	struct node_memory *m = node_memory_find(*all, n->key);
	if (m)
		return m;
	m = calloc(1, sizeof(*m));
	if (!m)
		return NULL;
	memcpy(m->key, n->key, sizeof(m->key));
	HASH_ADD_STR(*all, key, m);
	return m;
}

static void remember(struct node_memory *m, struct store *s, const struct fleet_node *n)
{
	const struct store_entity *e = store_find(s, n->cluster, ENTITY_NODE, n->name);
	int64_t wall_ms;
	uint32_t window_ms;
	const struct scope *v = e ? store_latest(e, &wall_ms, &window_ms) : NULL;
	if (!v)
		return;
	if (hist_p99(v, HIST_RUNQ_LATENCY, &m->runq_p99_ns))
		m->hists_ms = wall_ms;
	if (hist_p99(v, HIST_BLOCK_LATENCY, &m->block_p99_ns))
		m->block_ms = wall_ms;
}

int node_memory_update(struct node_memory **all, struct fleet *f, struct store *s, int64_t now_ms)
{
	int error = 0;
	for (struct fleet_node *n = fleet_nodes(f); n; n = n->hh.next) {
		struct node_memory *m = memory_of(all, n);
		if (!m) {
			error = -ENOMEM;
			continue;
		}
		m->seen_ms = now_ms;
		remember(m, s, n);
	}
	struct node_memory *m, *next;
	HASH_ITER (hh, *all, m, next) {
		if (m->seen_ms != now_ms) {
			HASH_DEL(*all, m);
			free(m);
		}
	}
	return error;
}

void node_memory_free(struct node_memory **all)
{
	struct node_memory *m, *next;
	HASH_ITER (hh, *all, m, next) {
		HASH_DEL(*all, m);
		free(m);
	}
}
