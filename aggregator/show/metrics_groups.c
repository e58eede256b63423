// SPDX-License-Identifier: Apache-2.0
#include "aggregator/show/metrics.h"

#include "aggregator/forecast/outlook.h"
#include "aggregator/show/api.h"

#include <math.h>
#include <stdlib.h>

struct row {
	const struct fleet_group *group;
	struct group_sum sum;
	double nodes_recommended, peak_q50, peak_q95, loss_ratio, coverage;
};
struct rows {
	struct show_core *core;
	struct row *items;
	size_t n, most;
};

static double cores(int64_t millicores)
{
	return millicores < 0 ? NAN : (double)millicores / 1000;
}

static void take_forecast(struct show_core *c, struct row *r)
{
	struct show_forecast f = {.coverage80_permille = -1};
	r->peak_q50 = r->peak_q95 = r->loss_ratio = r->coverage = NAN;
	const struct show_series series = {
		r->group->cluster, ENTITY_GROUP, r->group->name, SHOW_HOUR};
	if (!c->sources.forecast || c->sources.forecast(c->sources.arg, &series, &f) < 0)
		return;
	if (f.coverage80_permille >= 0)
		r->coverage = f.coverage80_permille / 1000.0;
	if (!f.outlook || f.outlook->basis == OUTLOOK_EMPTY || !f.outlook->horizon)
		return;
	const double *peak = f.outlook->peak[f.outlook->horizon - 1];
	r->peak_q50 = peak[4] / 1000;
	r->peak_q95 = peak[7] / 1000;
	r->loss_ratio = f.outlook->honesty;
}

static void on_group(void *arg, const struct fleet_group *g, const struct group_sum *sum)
{
	struct rows *all = arg;
	if (all->n == all->most)
		return;
	struct row *r = &all->items[all->n++];
	*r = (struct row){.group = g, .sum = *sum};
	const struct plan_step *s = core_newest_step(all->core, g->cluster, g->name);
	r->nodes_recommended = s ? s->to : NAN;
	take_forecast(all->core, r);
}

// One family out of one number of each row.
#define FAMILY(family, help, expression)                                                           \
	do {                                                                                       \
		prom_family(p, family, "gauge", help);                                             \
		for (size_t i = 0; i < all->n; i++) {                                              \
			const struct row *r = &all->items[i];                                      \
			prom_sample(p,                                                             \
				PROM_LABELS({"cluster", r->group->cluster},                        \
					{"group", r->group->name}),                                \
				expression);                                                       \
		}                                                                                  \
	} while (0)

static void write_nodes(const struct rows *all, struct prom *p)
{
	FAMILY("petrel_node_group_nodes", "Nodes of the group.", r->group->nodes);
	FAMILY("petrel_node_group_ready_nodes", "Its nodes that are ready.", r->group->nodes_ready);
	FAMILY("petrel_node_group_saturated_nodes", "Its nodes that had to hold work back.",
		r->sum.saturated_nodes);
	FAMILY("petrel_node_group_min_nodes", "Least nodes allowed.",
		r->group->max ? r->group->min : NAN);
	FAMILY("petrel_node_group_max_nodes", "Most nodes allowed.",
		r->group->max ? r->group->max : NAN);
	FAMILY("petrel_node_group_desired_nodes", "Nodes asked of the cloud.",
		r->group->max ? r->group->desired : NAN);
	FAMILY("petrel_node_group_recommended_nodes", "Nodes that the newest plan is for.",
		r->nodes_recommended);
	FAMILY("petrel_node_group_pods", "Pods on its nodes.", r->group->pods);
}

static void write_demand(const struct rows *all, struct prom *p)
{
	FAMILY("petrel_node_group_capacity_cores", "CPU capacity of its reporting nodes.",
		cores(r->sum.capacity_millicores));
	FAMILY("petrel_node_group_usage_cores", "CPU used.", cores(r->sum.usage_millicores));
	prom_family(p, "petrel_node_group_demand_cores", "gauge",
		"CPU wanted, between its lower and upper bound.");
	for (size_t i = 0; i < all->n; i++) {
		const struct row *r = &all->items[i];
		prom_sample(p,
			PROM_LABELS({"cluster", r->group->cluster}, {"group", r->group->name},
				{"bound", "low"}),
			cores(r->sum.low_millicores));
		prom_sample(p,
			PROM_LABELS({"cluster", r->group->cluster}, {"group", r->group->name},
				{"bound", "high"}),
			cores(r->sum.high_millicores));
	}
}

static void write_forecast(const struct rows *all, struct prom *p)
{
	prom_family(p, "petrel_node_group_forecast_peak_cores", "gauge",
		"Highest CPU demand within the short horizon, by probability not to pass it.");
	for (size_t i = 0; i < all->n; i++) {
		const struct row *r = &all->items[i];
		prom_sample(p,
			PROM_LABELS({"cluster", r->group->cluster}, {"group", r->group->name},
				{"level", "0.5"}),
			r->peak_q50);
		prom_sample(p,
			PROM_LABELS({"cluster", r->group->cluster}, {"group", r->group->name},
				{"level", "0.95"}),
			r->peak_q95);
	}
	FAMILY("petrel_node_group_forecast_loss_ratio",
		"Loss of the forecast over that of the naive one; above 1 it is worse.",
		r->loss_ratio);
	FAMILY("petrel_node_group_forecast_coverage_ratio",
		"Share of the truth within the 80 % band (0.8 is right).", r->coverage);
}

void metrics_groups(struct show_core *c, int64_t now_ms, struct prom *p)
{
	struct rows all = {.core = c, .most = HASH_COUNT(fleet_groups(c->sources.fleet))};
	all.items = calloc(all.most + 1, sizeof(*all.items));
	if (!all.items)
		return;
	each_group(c, NULL, now_ms, on_group, &all);
	write_nodes(&all, p);
	write_demand(&all, p);
	write_forecast(&all, p);
	free(all.items);
}
