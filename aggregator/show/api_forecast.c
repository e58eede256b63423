// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/said.h"
#include "aggregator/risk/risk.h"
#include "aggregator/show/api.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

static void put_rows(struct json *j, const char *key, const struct outlook *o)
{
	json_key(j, key);
	json_open(j, '[');
	for (size_t h = 0; o && h < o->horizon; h++) {
		json_open(j, '[');
		for (size_t i = 0; i < QUANTILE_COUNT; i++)
			element_number(j, o->quantiles[h][i]);
		json_close(j, ']');
	}
	json_close(j, ']');
}

static void put_members(struct json *j, const struct outlook *o)
{
	json_key(j, "members");
	json_open(j, '[');
	for (size_t i = 0; o && i < o->n_members; i++) {
		json_open(j, '{');
		json_put_text(j, "name", o->members[i].name);
		put_number(j, "weight", o->members[i].weight);
		put_number(j, "loss", o->members[i].loss);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void put_levels_of(struct json *j, const char *key, const struct said_one *s, int level)
{
	json_key(j, key);
	json_open(j, '[');
	for (size_t i = 0; i < s->n; i++)
		element_number(j, (double)s->q[i][level]);
	json_close(j, ']');
}

static void put_said(struct json *j, const struct said_one *s)
{
	json_open(j, '{');
	json_put_i64(j, "generated_ms", s->generated_ms);
	json_put_i64(j, "from_ms", s->from_ms);
	json_put_i64(j, "step_ms", s->step_ms);
	put_levels_of(j, "q10", s, 0);
	put_levels_of(j, "q50", s, 1);
	put_levels_of(j, "q90", s, 2);
	json_close(j, '}');
}

// What earlier forecasts said, the newest first.
static void put_previous(struct json *j, const struct said *said)
{
	json_key(j, "previous");
	json_open(j, '[');
	for (size_t i = said ? said->n : 0; i > 0; i--)
		put_said(j, &said->one[i - 1]);
	json_close(j, ']');
}

// What was said at the time asked for; null if nothing is kept of it.
static void put_then(struct api_call *a, const struct show_series *series)
{
	const struct show_sources *from = &a->core->sources;
	struct said_one one;
	json_key(a->j, "then");
	if (!query_has(&a->query, PARAM_TO) || !from->forecast_then ||
		from->forecast_then(from->arg, series, a->query.to_ms, &one) < 0) {
		json_null(a->j);
		return;
	}
	put_said(a->j, &one);
	free(one.q);
}

static const char *why_of(const struct show_forecast *f)
{
	const struct outlook *o = f->outlook;
	if (!o)
		return f->why[0] ? f->why : "no forecast was made yet";
	if (o->gated)
		return "the models have been worse than the naive forecast: the naive one is "
		       "served";
	if (o->basis == OUTLOOK_EMPTY)
		return "there is no known value to forecast from";
	if (o->basis == OUTLOOK_COLD)
		return "too little history for a daily pattern: level and spread only";
	return f->why[0] ? f->why : NULL;
}

static void put_outlook(struct json *j, const struct show_forecast *f)
{
	const struct outlook *o = f->outlook;
	put_known(j, "generated_ms", f->generated_ms > 0 ? f->generated_ms : -1);
	put_known(j, "generation", o ? (int64_t)o->generation : -1);
	json_put_text(j, "basis", o ? outlook_basis_name(o->basis) : NULL);
	put_known(j, "from_ms", o ? o->start_s * 1000 : -1);
	put_known(j, "step_ms", o ? o->step_s * 1000 : -1);
	json_key(j, "quantile_levels");
	json_open(j, '[');
	for (int i = 0; i < QUANTILE_COUNT; i++)
		json_double(j, quantile_levels[i]);
	json_close(j, ']');
	put_rows(j, "values", o);
	put_members(j, o);
	put_number(j, "loss_ratio_to_naive", o ? o->honesty : NAN);
	put_known(j, "coverage80_permille", f->coverage80_permille);
	json_put_i64(j, "scored", (int64_t)f->scored);
	put_known(j, "history_ms", o ? (o->data_to_s - o->data_from_s) * 1000 : -1);
}

int api_forecast(struct api_call *a)
{
	struct show_sources *s = &a->core->sources;
	struct query *q = &a->query;
	struct show_forecast f = {.coverage80_permille = -1, .metric = METRIC_DEMAND_HIGH};
	const struct show_series series = {q->cluster, q->kind, q->name, q->horizon};
	int r = s->forecast ? s->forecast(s->arg, &series, &f) : -ENOENT;
	if (r < 0) {
		problem_set(a->problem, 404, "not-found", "%s '%.80s' in '%.60s' is not forecast",
			entity_kind_name(q->kind), q->name, q->cluster);
		problem_hint(
			a->problem, "groups and workloads are forecast once they have history");
		return -EINVAL;
	}
	bool known = f.outlook && f.outlook->basis != OUTLOOK_EMPTY;
	json_open(a->j, '{');
	json_put_text(a->j, "cluster", q->cluster);
	json_put_text(a->j, "kind", entity_kind_name(q->kind));
	json_put_text(a->j, "name", q->name);
	put_metric(a->j, f.metric);
	json_put_text(a->j, "horizon", show_horizon_name(q->horizon));
	json_put_text(a->j, "state", known ? "ok" : "too-little-data");
	json_put_text(a->j, "why", why_of(&f));
	put_outlook(a->j, &f);
	put_previous(a->j, f.said);
	put_then(a, &series);
	json_put_i64(a->j, "now_ms", a->now_ms);
	json_close(a->j, '}');
	return 0;
}

int api_risk(struct api_call *a)
{
	const char *cluster;
	int r = call_cluster(a, &cluster);
	if (r < 0)
		return r;
	autobuf one;
	buf_init(&one, 4096);
	items_open(a->j);
	for (struct fleet_node *n = fleet_nodes(a->core->sources.fleet); n; n = n->hh.next) {
		if (!call_wants_cluster(a, n->cluster) || n->state == NODE_GONE)
			continue;
		struct risk risk;
		risk_of_node(n->cluster, n->name, capacity_type_name(n->capacity), &risk);
		buf_reset(&one);
		risk_print(&risk, &one);
		if (!buf_failed(&one))
			json_raw(a->j, one.data, one.len);
	}
	items_close(a->j, a->now_ms);
	return 0;
}
