// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/outlook.h"
#include "aggregator/show/api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct summed { // by the address of the fleet's group
	const struct fleet_group *group;
	struct group_sum sum;
	UT_hash_handle hh;
};

static void add(int64_t *sum, int64_t value)
{
	if (value < 0)
		return;
	*sum = (*sum < 0 ? 0 : *sum) + value;
}

static void add_node(struct group_sum *sum, const struct node_view *v)
{
	add(&sum->usage_millicores, v->usage_millicores);
	add(&sum->low_millicores, v->demand_low_millicores);
	add(&sum->high_millicores, v->demand_high_millicores);
	add(&sum->capacity_millicores, v->capacity_millicores);
	sum->saturated_nodes += v->saturated;
}

static int make_sums(struct show_core *c, const char *cluster, struct summed **all)
{
	for (struct fleet_group *g = fleet_groups(c->sources.fleet); g; g = g->hh.next) {
		if (cluster && strcmp(cluster, g->cluster) != 0)
			continue;
		struct summed *s = calloc(1, sizeof(*s));
		if (!s)
			return -ENOMEM;
		s->group = g;
		s->sum = (struct group_sum){-1, -1, -1, -1, 0};
		HASH_ADD_PTR(*all, group, s);
	}
	return 0;
}

static void sum_nodes(struct show_core *c, int64_t now_ms, struct summed *all)
{
	for (struct fleet_node *n = fleet_nodes(c->sources.fleet); n; n = n->hh.next) {
		if (n->state == NODE_GONE || n->state == NODE_SILENT || !n->group[0])
			continue;
		const struct fleet_group *g =
			fleet_find_group(c->sources.fleet, n->cluster, n->group);
		struct summed *s;
		HASH_FIND_PTR(all, &g, s);
		if (!s)
			continue;
		struct node_view v;
		node_view_get(c->sources.store, n, NULL, now_ms, &v);
		add_node(&s->sum, &v);
	}
}

int each_group(struct show_core *c, const char *cluster, int64_t now_ms,
	void (*on_group)(void *arg, const struct fleet_group *g, const struct group_sum *sum),
	void *arg)
{
	struct summed *all = NULL, *s, *next;
	int r = make_sums(c, cluster, &all);
	if (r == 0)
		sum_nodes(c, now_ms, all);
	HASH_ITER (hh, all, s, next) {
		if (r == 0)
			on_group(arg, s->group, &s->sum);
		HASH_DEL(all, s);
		free(s);
	}
	return r;
}

static void put_demand(struct json *j, const struct group_sum *sum)
{
	json_key(j, "demand");
	json_open(j, '{');
	put_known(j, "usage_millicores", sum->usage_millicores);
	put_known(j, "low_millicores", sum->low_millicores);
	put_known(j, "high_millicores", sum->high_millicores);
	json_put_i64(j, "saturated_nodes", sum->saturated_nodes);
	json_close(j, '}');
	put_known(j, "capacity_millicores", sum->capacity_millicores);
}

// What must be provisioned for within the hour: the distribution of the highest demand in it.
static void put_forecast(struct show_core *c, struct json *j, const struct fleet_group *g)
{
	struct show_forecast f = {0};
	json_key(j, "forecast");
	const struct show_series series = {g->cluster, ENTITY_GROUP, g->name, SHOW_HOUR};
	if (!c->sources.forecast || c->sources.forecast(c->sources.arg, &series, &f) < 0 ||
		!f.outlook || f.outlook->basis == OUTLOOK_EMPTY || f.outlook->horizon == 0) {
		json_null(j);
		return;
	}
	const struct outlook *o = f.outlook;
	const double *peak = o->peak[o->horizon - 1];
	json_open(j, '{');
	json_put_i64(j, "horizon_ms", (int64_t)o->horizon * o->step_s * 1000);
	put_number(j, "q50", peak[4]);
	put_number(j, "q95", peak[7]);
	json_close(j, '}');
}

static void put_recommendation(struct show_core *c, struct json *j, const struct fleet_group *g)
{
	const struct plan_step *s = core_newest_step(c, g->cluster, g->name);
	json_key(j, "recommendation");
	if (!s) {
		json_null(j);
		return;
	}
	json_open(j, '{');
	json_put_text(j, "kind", step_kind_name(s->kind));
	json_put_i64(j, "nodes", s->nodes);
	json_put_text(j, "text", s->text);
	json_close(j, '}');
}

void put_group(struct show_core *c, struct json *j, const struct fleet_group *g,
	const struct group_sum *sum)
{
	bool limits = g->max > 0;
	json_open(j, '{');
	json_put_text(j, "cluster", g->cluster);
	json_put_text(j, "group", g->name);
	json_put_text(j, "capacity", capacity_type_name(g->capacity));
	json_put_bool(j, "managed", g->managed);
	put_known(j, "min", limits ? (int64_t)g->min : -1);
	put_known(j, "max", limits ? (int64_t)g->max : -1);
	put_known(j, "desired", limits ? (int64_t)g->desired : -1);
	json_put_i64(j, "nodes", g->nodes);
	json_put_i64(j, "nodes_ready", g->nodes_ready);
	json_put_i64(j, "pods", g->pods);
	put_name(j, "instance_type", g->instance_type);
	put_known(j, "node_millicores", g->node_millicores > 0 ? g->node_millicores : -1);
	put_known(
		j, "node_usd_micro_hour", g->node_usd_micro_hour > 0 ? g->node_usd_micro_hour : -1);
	put_demand(j, sum);
	put_forecast(c, j, g);
	put_recommendation(c, j, g);
	json_close(j, '}');
}

static void on_group(void *arg, const struct fleet_group *g, const struct group_sum *sum)
{
	struct api_call *a = arg;
	put_group(a->core, a->j, g, sum);
}

int api_groups(struct api_call *a)
{
	const char *cluster;
	int r = call_cluster(a, &cluster);
	if (r < 0)
		return r;
	items_open(a->j);
	r = each_group(a->core, cluster, a->now_ms, on_group, a);
	items_close(a->j, a->now_ms);
	return r < 0 ? problem_set(a->problem, 503, "out-of-memory", "out of memory") : 0;
}
