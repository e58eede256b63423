// SPDX-License-Identifier: Apache-2.0
#include "aggregator/fleet/rollup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/text.h"

// What can be added up. The others (a fullest disk, a capacity of one pod) have no meaning as a
// sum.
static const enum metric summed[] = {METRIC_CPU_USAGE, METRIC_CPU_USER, METRIC_CPU_SYSTEM,
	METRIC_CPU_IDLE, METRIC_CPU_THROTTLED, METRIC_RUNQ_WAIT, METRIC_ONCPU, METRIC_MEM_USED,
	METRIC_OOM_KILLS, METRIC_DISK_READ, METRIC_DISK_WRITE, METRIC_DISK_IOS, METRIC_NET_RX,
	METRIC_NET_TX, METRIC_TCP_RETRANSMITS, METRIC_DEMAND_LOW, METRIC_DEMAND_HIGH,
	METRIC_SATURATED, METRIC_CPU_REQUESTED};
static const enum metric summed_for_groups[] = {METRIC_CPU_CAPACITY, METRIC_MEM_TOTAL, METRIC_PODS};

struct sum { // of one group or workload; found again by its name, because the store forgets what is
	     // silent for long
	char key[8 + 64 + NAME_MAX_BYTES];
	char cluster[64], name[NAME_MAX_BYTES];
	enum entity_kind kind;
	struct scope scope;
	bool spoke;
	unsigned silent; // ticks
	UT_hash_handle hh;
};
enum { FORGET_TICKS = 360 };

struct rollup {
	struct fleet *fleet;
	struct store *store;
	struct sum *sums;
	int64_t now_ms;
	uint32_t window_ms;
};

int rollup_new(struct rollup **ret, struct fleet *fleet, struct store *store)
{
	struct rollup *r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->fleet = fleet;
	r->store = store;
	*ret = r;
	return 0;
}

void rollup_free(struct rollup *r)
{
	if (!r)
		return;
	struct sum *s, *next;
	HASH_ITER (hh, r->sums, s, next) {
		HASH_DEL(r->sums, s);
		free(s);
	}
	free(r);
}

static struct sum *sum_of(
	struct rollup *r, const char *cluster, enum entity_kind kind, const char *name)
{
	char key[sizeof(((struct sum *)0)->key)];
	struct sum *s;
	snprintf(key, sizeof(key), "%d/%s/%s", kind, cluster, name);
	HASH_FIND_STR(r->sums, key, s);
	if (s)
		return s;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	text_copy(s->key, sizeof(s->key), key);
	text_copy(s->cluster, sizeof(s->cluster), cluster);
	text_copy(s->name, sizeof(s->name), name);
	s->kind = kind;
	HASH_ADD_STR(r->sums, key, s);
	return s;
}

static void add_metric(struct sum *s, enum metric m, const struct scope *from, double scale)
{
	if (!scope_has(from, m))
		return;
	int64_t value = metric_kind(m) == DELTA ? (int64_t)((double)from->values[m] * scale)
						: from->values[m];
	scope_set(&s->scope, m, scope_get(&s->scope, m, 0) + value);
}

static void add_hists(struct sum *s, const struct scope *from, double scale)
{
	for (int h = 0; h < HIST_COUNT; h++) {
		if (!(from->hists_present >> h & 1))
			continue;
		s->scope.hists_present |= 1u << h;
		for (int b = 0; b < HIST_BUCKETS; b++)
			s->scope.hists[h].buckets[b] +=
				(uint32_t)((double)from->hists[h].buckets[b] * scale + 0.5);
	}
}

// The newest values of a member, if they are of this window or the one before.
static const struct scope *fresh(const struct rollup *r, const char *cluster, enum entity_kind kind,
	const char *name, double *ret_scale)
{
	int64_t wall_ms;
	uint32_t window_ms;
	struct store_entity *e = store_find(r->store, cluster, kind, name);
	const struct scope *latest = e ? store_latest(e, &wall_ms, &window_ms) : NULL;
	if (!latest || window_ms == 0 || r->now_ms - wall_ms > 2 * (int64_t)r->window_ms)
		return NULL;
	*ret_scale = (double)r->window_ms / window_ms;
	return latest;
}

static void add_member(struct sum *s, const struct scope *from, double scale)
{
	for (size_t i = 0; i < sizeof(summed) / sizeof(summed[0]); i++)
		add_metric(s, summed[i], from, scale);
	add_hists(s, from, scale);
	s->spoke = true;
}

static void add_node(struct rollup *r, const struct fleet_node *n)
{
	double scale;
	const struct scope *latest = fresh(r, n->cluster, ENTITY_NODE, n->name, &scale);
	struct sum *s = latest ? sum_of(r, n->cluster, ENTITY_GROUP, n->group) : NULL;
	if (!s)
		return;
	add_member(s, latest, scale);
	for (size_t i = 0; i < sizeof(summed_for_groups) / sizeof(summed_for_groups[0]); i++)
		add_metric(s, summed_for_groups[i], latest, scale);
	scope_set(&s->scope, METRIC_NODES, scope_get(&s->scope, METRIC_NODES, 0) + 1);
}

static void add_pod(struct rollup *r, const struct fleet_pod *p)
{
	double scale;
	if (!p->workload[0])
		return;
	const struct scope *latest = fresh(r, p->cluster, ENTITY_POD, p->uid, &scale);
	struct sum *s = latest ? sum_of(r, p->cluster, ENTITY_WORKLOAD, p->workload) : NULL;
	if (!s)
		return;
	add_member(s, latest, scale);
	scope_set(&s->scope, METRIC_PODS, scope_get(&s->scope, METRIC_PODS, 0) + 1);
}

static void put_sum(struct rollup *r, struct sum *s)
{
	struct store_entity *e;
	if (store_entity(r->store, s->cluster, s->kind, s->name, &e) ==
		0) // refused: counted by the store
		store_put(r->store, e, r->now_ms, r->window_ms, &s->scope);
	s->spoke = false;
	s->silent = 0;
	memset(&s->scope, 0, sizeof(s->scope));
}

void rollup_tick(struct rollup *r, int64_t now_ms, uint32_t window_ms)
{
	r->now_ms = now_ms;
	r->window_ms = window_ms;
	for (const struct fleet_node *n = fleet_nodes(r->fleet); n; n = n->hh.next)
		add_node(r, n);
	for (const struct fleet_pod *p = fleet_pods(r->fleet); p; p = p->hh.next)
		add_pod(r, p);
	struct sum *s, *next;
	HASH_ITER (hh, r->sums, s, next) {
		if (s->spoke) {
			put_sum(r, s);
		} else if (++s->silent > FORGET_TICKS) {
			HASH_DEL(r->sums, s);
			free(s);
		}
	}
}
