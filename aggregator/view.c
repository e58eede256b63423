// SPDX-License-Identifier: Apache-2.0
#include "aggregator/view.h"

#include <math.h>
#include <string.h>

#include "proto/base/text.h"

static const int64_t fresh_ms = 30000; // three roll-up windows: an older sum is no present demand

static void view_demand(
	const struct view_sources *from, const struct fleet_group *g, struct group_view *ret)
{
	int64_t wall_ms;
	struct store_entity *e = store_find(from->store, g->cluster, ENTITY_GROUP, g->name);
	const struct scope *latest = e ? store_latest(e, &wall_ms, NULL) : NULL;
	if (!latest || from->now_ms - wall_ms > fresh_ms || !scope_has(latest, METRIC_DEMAND_LOW))
		return;
	ret->demand_known = true;
	ret->demand_low_millicores = (double)latest->values[METRIC_DEMAND_LOW];
	ret->demand_high_millicores =
		(double)scope_get(latest, METRIC_DEMAND_HIGH, latest->values[METRIC_DEMAND_LOW]);
	ret->saturated_nodes = (uint32_t)scope_get(latest, METRIC_SATURATED, 0);
}

static void view_outlook(
	const struct view_sources *from, const struct fleet_group *g, struct group_view *ret)
{
	struct service_outlook o;
	const struct service_series which = {g->cluster, g->name, ENTITY_GROUP, SERVICE_HOUR};
	int r = service_get(from->service, &which, &o);
	if (r < 0 || !o.outlook) {
		text_copy(ret->forecast_why, sizeof(ret->forecast_why),
			r < 0 ? "not a series yet" : o.why);
		return;
	}
	const struct outlook *k = o.outlook;
	const double *peak = k->peak[k->horizon - 1];
	ret->forecast_ok = isfinite(peak[4]) && isfinite(peak[7]);
	ret->horizon_ms = (int64_t)k->horizon * k->step_s * 1000;
	ret->history_ms = o.history_ms;
	ret->peak_q50_millicores = peak[4];
	ret->peak_q95_millicores = peak[7];
	ret->loss_ratio_to_naive = isfinite(k->honesty) ? k->honesty : 0;
}

static void view_agents(
	const struct view_sources *from, const struct fleet_group *g, struct group_view *ret)
{
	ret->oldest_sample_ms = -1;
	for (const struct fleet_node *n = fleet_nodes(from->fleet); n; n = n->hh.next) {
		if (n->state == NODE_GONE || strcmp(n->cluster, g->cluster) != 0 ||
			strcmp(n->group, g->name) != 0)
			continue;
		ret->agents_expected++;
		if (!n->has_agent || n->state == NODE_SILENT)
			continue;
		ret->agents_reporting++;
		if (from->now_ms - n->last_sample_ms > ret->oldest_sample_ms)
			ret->oldest_sample_ms = from->now_ms - n->last_sample_ms;
	}
}

static void view_group(
	const struct view_sources *from, const struct fleet_group *g, struct group_view *ret)
{
	memset(ret, 0, sizeof(*ret));
	text_copy(ret->name, sizeof(ret->name), g->name);
	ret->limits_known = g->max > 0;
	ret->min = g->min;
	ret->max = g->max;
	ret->desired = g->desired;
	ret->nodes = g->nodes;
	ret->nodes_ready = g->nodes_ready;
	ret->node_millicores = g->node_millicores;
	ret->node_usd_micro_hour = g->node_usd_micro_hour;
	view_demand(from, g, ret);
	view_outlook(from, g, ret);
	view_agents(from, g, ret);
}

size_t view_cluster(const struct view_sources *from, const struct fleet_cluster *c,
	struct group_view *groups, size_t max, struct cluster_view *ret)
{
	size_t n = 0;
	for (const struct fleet_group *g = fleet_groups(from->fleet); g; g = g->hh.next) {
		if (strcmp(g->cluster, c->name) != 0 || (g->nodes == 0 && g->max == 0))
			continue;
		if (n < max)
			view_group(from, g, &groups[n]);
		n++;
	}
	memset(ret, 0, sizeof(*ret));
	text_copy(ret->cluster, sizeof(ret->cluster), c->name);
	text_copy(ret->mode, sizeof(ret->mode), petrel_mode_name(c->mode));
	ret->paused = from->paused;
	ret->groups = groups;
	ret->n_groups = n < max ? n : max;
	return n;
}
