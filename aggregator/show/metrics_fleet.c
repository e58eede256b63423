// SPDX-License-Identifier: Apache-2.0
#include "aggregator/show/metrics.h"

#include "aggregator/show/api.h"
#include "proto/base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STATES = 5, HOOK_STATES = 4 };

struct cluster_counts {
	const char *cluster;
	uint32_t states[STATES];
	int64_t worst_offset_ms;
	bool offset_known;
	struct {
		char name[32];
		uint32_t states[HOOK_STATES];
	} hooks[METRICS_MAX_HOOKS + 1]; // the last is "other"
	size_t n_hooks;
};

static void count_hook(struct cluster_counts *k, const struct hook_status *h)
{
	size_t i = 0;
	while (i < k->n_hooks && strcmp(k->hooks[i].name, h->name) != 0)
		i++;
	if (i == k->n_hooks) {
		if (i >= METRICS_MAX_HOOKS) {
			i = METRICS_MAX_HOOKS;
			text_copy(k->hooks[i].name, sizeof(k->hooks[i].name), "other");
			k->n_hooks = METRICS_MAX_HOOKS + 1;
		} else {
			text_copy(k->hooks[i].name, sizeof(k->hooks[i].name), h->name);
			k->n_hooks++;
		}
	}
	if ((unsigned)h->state < HOOK_STATES)
		k->hooks[i].states[h->state]++;
}

static void count_node(struct cluster_counts *k, const struct fleet_node *n)
{
	if ((unsigned)n->state < STATES)
		k->states[n->state]++;
	if (n->state == NODE_GONE || !n->has_agent)
		return;
	int64_t offset = llabs(n->clock_offset_ms);
	if (!k->offset_known || offset > k->worst_offset_ms)
		k->worst_offset_ms = offset;
	k->offset_known = true;
	for (size_t i = 0; i < n->n_hooks; i++)
		count_hook(k, &n->hooks[i]);
}

static void count_all(struct fleet *f, struct cluster_counts *all, size_t n)
{
	for (const struct fleet_node *node = fleet_nodes(f); node; node = node->hh.next)
		for (size_t i = 0; i < n; i++)
			if (strcmp(all[i].cluster, node->cluster) == 0)
				count_node(&all[i], node);
}

static void write_states(const struct cluster_counts *all, size_t n, struct prom *p)
{
	prom_family(p, "petrel_nodes", "gauge", "Nodes by state.");
	for (size_t i = 0; i < n; i++)
		for (int s = 0; s < STATES; s++)
			prom_sample(p,
				PROM_LABELS({"cluster", all[i].cluster},
					{"state", node_state_name((enum node_state)s)}),
				all[i].states[s]);
	prom_family(p, "petrel_agents_clock_offset_max_seconds", "gauge",
		"Largest distance of an agent's clock from ours.");
	for (size_t i = 0; i < n; i++)
		prom_sample(p, PROM_LABELS({"cluster", all[i].cluster}),
			all[i].offset_known ? (double)all[i].worst_offset_ms / 1000 : NAN);
}

static void write_hooks(const struct cluster_counts *all, size_t n, struct prom *p)
{
	static const char *const states[] = {"off", "attached", "fallback", "refused"};
	prom_family(p, "petrel_agent_hooks", "gauge",
		"How many agents have a signal source in a state.");
	for (size_t i = 0; i < n; i++)
		for (size_t h = 0; h < all[i].n_hooks; h++)
			for (int s = 0; s < HOOK_STATES; s++)
				prom_sample(p,
					PROM_LABELS({"cluster", all[i].cluster},
						{"hook", all[i].hooks[h].name},
						{"state", states[s]}),
					all[i].hooks[h].states[s]);
}

static void write_agents(struct show_core *c, int64_t now_ms, struct prom *p)
{
	struct fleet *f = c->sources.fleet;
	struct fleet_stats s;
	struct fleet_cluster *k;
	prom_family(p, "petrel_agents_expected", "gauge", "Nodes that should report.");
	for (k = fleet_clusters(f); k; k = k->hh.next) {
		fleet_stats(f, k->name, now_ms, &s);
		prom_sample(p, PROM_LABELS({"cluster", k->name}), (double)s.expected);
	}
	prom_family(p, "petrel_agents_reporting", "gauge", "Nodes that report.");
	for (k = fleet_clusters(f); k; k = k->hh.next) {
		fleet_stats(f, k->name, now_ms, &s);
		prom_sample(p, PROM_LABELS({"cluster", k->name}), (double)s.reporting);
	}
	prom_family(p, "petrel_oldest_sample_age_seconds", "gauge",
		"Age of the oldest newest sample among the reporting nodes.");
	for (k = fleet_clusters(f); k; k = k->hh.next) {
		fleet_stats(f, k->name, now_ms, &s);
		bool known = s.oldest_sample_age_ms >= 0;
		prom_sample(p, PROM_LABELS({"cluster", k->name}),
			known ? (double)s.oldest_sample_age_ms / 1000 : NAN);
	}
	prom_family(p, "petrel_pods", "gauge", "Pods (on a plain machine: units).");
	for (k = fleet_clusters(f); k; k = k->hh.next) {
		fleet_stats(f, k->name, now_ms, &s);
		prom_sample(p, PROM_LABELS({"cluster", k->name}), (double)s.pods);
	}
}

static void write_safety(struct show_core *c, int64_t now_ms, struct prom *p)
{
	struct fleet_cluster *k;
	prom_family(p, "petrel_mode", "gauge", "1 for the mode that a cluster is in.");
	for (k = fleet_clusters(c->sources.fleet); k; k = k->hh.next)
		for (int m = MODE_OBSERVE; m <= MODE_ACT; m++)
			prom_sample(p,
				PROM_LABELS({"cluster", k->name},
					{"mode", petrel_mode_name((enum petrel_mode)m)}),
				(int)k->mode == m);
	prom_family(p, "petrel_safe_to_scale", "gauge",
		"1 unless a guard refuses; petrel_guard_refusing names it.");
	for (k = fleet_clusters(c->sources.fleet); k; k = k->hh.next)
		prom_sample(p, PROM_LABELS({"cluster", k->name}),
			unsafe_guard(c, k->name, now_ms) == NULL);
	prom_family(p, "petrel_guard_refusing", "gauge", "1 for the guard that refuses.");
	for (k = fleet_clusters(c->sources.fleet); k; k = k->hh.next) {
		const char *guard = unsafe_guard(c, k->name, now_ms);
		if (guard)
			prom_sample(p, PROM_LABELS({"cluster", k->name}, {"guard", guard}), 1);
	}
}

void metrics_fleet(struct show_core *c, int64_t now_ms, struct prom *p)
{
	struct fleet *f = c->sources.fleet;
	size_t n = HASH_COUNT(fleet_clusters(f)), i = 0;
	struct cluster_counts *all = calloc(n + 1, sizeof(*all));
	if (!all)
		return;
	for (struct fleet_cluster *k = fleet_clusters(f); k; k = k->hh.next)
		all[i++].cluster = k->name;
	count_all(f, all, n);
	write_states(all, n, p);
	write_hooks(all, n, p);
	free(all);
	write_agents(c, now_ms, p);
	write_safety(c, now_ms, p);
	struct fleet_stats s;
	fleet_stats(f, NULL, now_ms, &s);
	prom_single(p, "petrel_fleet_refused_total", "counter",
		"Clusters, groups, nodes and pods over a bound or with a name that is none.",
		(double)s.refused);
}
