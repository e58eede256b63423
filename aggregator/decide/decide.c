// SPDX-License-Identifier: Apache-2.0
#include "aggregator/decide/decide.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/hash.h"
#include "proto/base/text.h"

void policy_default(struct policy *ret)
{
	*ret = (struct policy){
		.target_utilisation_permille = 700,
		.scale_in_hysteresis_permille = 150,
		.max_out_permille = 500,
		.max_in_permille = 100,
		.coverage_scale_in_permille = 900,
		.coverage_reactive_permille = 800,
		.freshness_ms = 60000,
	};
}

static void add_reason(struct plan_step *s, enum reason r)
{
	if (s->n_reasons < sizeof(s->reasons) / sizeof(s->reasons[0]))
		s->reasons[s->n_reasons++] = r;
}

static void add_input(struct plan_step *s, const char *name, double value)
{
	if (s->n_inputs == PLAN_MAX_INPUTS || !isfinite(value))
		return;
	struct plan_input *in = &s->inputs[s->n_inputs++];
	text_copy(in->name, sizeof(in->name), name);
	in->value = value;
}

// May the outlook be used, or is the present demand the only guide? Says why not.
static bool may_use_forecast(
	const struct group_view *g, const struct policy *p, struct plan_step *s)
{
	if (!g->forecast_ok) {
		add_reason(s, REASON_TOO_LITTLE_DATA);
		return false;
	}
	if (g->loss_ratio_to_naive > 1.0) {
		add_reason(s, REASON_FORECAST_WORSE_THAN_NAIVE);
		return false;
	}
	return (uint64_t)g->agents_reporting * 1000 >=
	       (uint64_t)g->agents_expected * p->coverage_reactive_permille;
}

// Nodes needed so that the demand fills them to the target and no further.
static uint32_t nodes_for(
	double demand_millicores, const struct group_view *g, uint32_t utilisation_permille)
{
	double per_node = (double)g->node_millicores * utilisation_permille / 1000.0;
	double nodes = ceil(demand_millicores / per_node - 1e-9);
	return nodes < 1 ? 1 : nodes > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)nodes;
}

static uint32_t at_least_one(uint64_t value)
{
	return value < 1 ? 1 : (uint32_t)value;
}

static uint32_t step_limit(uint32_t nodes, uint32_t permille)
{
	return at_least_one((uint64_t)nodes * permille / 1000);
}

static uint32_t clamp(uint32_t value, uint32_t low, uint32_t high)
{
	return value < low ? low : value > high ? high : value;
}

// The demand to provision for and what it rests on.
static double demand_to_provision(
	const struct group_view *g, const struct policy *p, struct plan_step *s)
{
	double demand = g->saturated_nodes ? g->demand_high_millicores : g->demand_low_millicores;
	add_input(s, "demand_low_millicores", g->demand_low_millicores);
	add_input(s, "demand_high_millicores", g->demand_high_millicores);
	if (g->saturated_nodes) {
		add_input(s, "saturated_nodes", g->saturated_nodes);
		add_reason(s, REASON_SATURATED);
	}
	if (may_use_forecast(g, p, s)) {
		add_input(s, "peak_q50_millicores", g->peak_q50_millicores);
		add_input(s, "peak_q95_millicores", g->peak_q95_millicores);
		add_input(s, "horizon_ms", (double)g->horizon_ms);
		demand = fmax(demand, g->peak_q95_millicores);
	}
	add_input(s, "history_ms", (double)g->history_ms);
	add_input(s, "provision_for_millicores", demand);
	add_input(s, "node_millicores", (double)g->node_millicores);
	add_input(s, "target_utilisation_permille", p->target_utilisation_permille);
	return demand;
}

// Where the group should go, inside the limits of one step and of the group.
static void choose_target(
	const struct group_view *g, const struct policy *p, double demand, struct plan_step *s)
{
	uint32_t now = g->limits_known ? g->desired : g->nodes;
	uint32_t need = nodes_for(demand, g, p->target_utilisation_permille);
	double with_spare = demand * (1000 + p->scale_in_hysteresis_permille) / 1000.0;
	uint32_t need_spare = nodes_for(with_spare, g, p->target_utilisation_permille);
	uint32_t to = now;
	if (need > now)
		to = clamp(need, now, now + step_limit(now, p->max_out_permille));
	else if (need_spare < now)
		to = clamp(need_spare, now - step_limit(now, p->max_in_permille), now);
	if (g->limits_known)
		to = clamp(to, g->min, g->max);
	s->from = now;
	s->to = to;
	s->nodes = (int32_t)to - (int32_t)now;
	s->kind = to > now ? STEP_SCALE_OUT : to < now ? STEP_SCALE_IN : STEP_HOLD;
	add_input(s, "nodes_needed", need);
	if (need > to)
		add_reason(s, g->limits_known && to == g->max ? REASON_AT_MAXIMUM
							      : REASON_DEMAND_ABOVE_CAPACITY);
	else if (s->kind == STEP_SCALE_OUT)
		add_reason(s, REASON_DEMAND_ABOVE_CAPACITY);
	else if (s->kind == STEP_SCALE_IN)
		add_reason(s, REASON_DEMAND_BELOW_CAPACITY);
	else
		add_reason(s, g->limits_known && to == g->min && need_spare < to
				      ? REASON_AT_MINIMUM
				      : REASON_CAPACITY_FITS);
}

static void add_alternatives(const struct group_view *g, struct plan_step *s)
{
	if (s->kind == STEP_HOLD || g->node_usd_micro_hour == 0)
		return;
	struct plan_alternative *stay = &s->alternatives[s->n_alternatives++];
	snprintf(stay->what, sizeof(stay->what), "stay at %u nodes", s->from);
	stay->cost_usd_micro_hour = 0;
	text_copy(stay->why_not, sizeof(stay->why_not),
		s->kind == STEP_SCALE_OUT
			? "the demand to provision for would not fit"
			: "pays for capacity that the demand is not expected to use");
}

static void write_sentence(
	const struct cluster_view *view, const struct group_view *g, struct plan_step *s)
{
	const char *tense = strcmp(view->mode, "act") == 0 ? "" : "would ";
	double demand = 0;
	for (size_t i = 0; i < s->n_inputs; i++)
		if (strcmp(s->inputs[i].name, "provision_for_millicores") == 0)
			demand = s->inputs[i].value;
	double capacity = (double)s->from * (double)g->node_millicores;
	const char *blocked = s->would_act || s->kind == STEP_HOLD ? "" : ", but a guard refuses";
	if (s->kind == STEP_HOLD)
		snprintf(s->text, sizeof(s->text),
			"%skeep %u node%s: %.1f cores to provision for, %.1f cores there (%s)",
			tense, s->from, s->from == 1 ? "" : "s", demand / 1000, capacity / 1000,
			reason_code(s->reasons[s->n_reasons - 1]));
	else
		snprintf(s->text, sizeof(s->text),
			"%s%s %d node%s (%u to %u): %.1f cores to provision for, %.1f cores "
			"there%s",
			tense, s->kind == STEP_SCALE_OUT ? "add" : "remove", abs(s->nodes),
			abs(s->nodes) == 1 ? "" : "s", s->from, s->to, demand / 1000,
			capacity / 1000, blocked);
}

static void decide_group(const struct cluster_view *view, const struct group_view *g,
	const struct policy *p, struct plan_step *s)
{
	text_copy(s->group, sizeof(s->group), g->name);
	s->kind = STEP_HOLD;
	s->from = s->to = g->limits_known ? g->desired : g->nodes;
	if (!g->demand_known || g->node_millicores <= 0) {
		add_reason(s, REASON_TOO_LITTLE_DATA);
		guards_ask(view, g, p, s);
		snprintf(s->text, sizeof(s->text),
			"no recommendation: no demand has been measured yet");
		return;
	}
	choose_target(g, p, demand_to_provision(g, p, s), s);
	if (!g->limits_known)
		add_reason(s, REASON_NO_LIMITS_KNOWN);
	s->cost_usd_micro_hour = s->nodes * g->node_usd_micro_hour;
	s->would_act = guards_ask(view, g, p, s) && s->kind != STEP_HOLD;
	if (s->kind != STEP_HOLD && !s->would_act)
		add_reason(s, REASON_GUARD_REFUSED);
	add_alternatives(g, s);
	write_sentence(view, g, s);
}

int decide(const struct cluster_view *view, const struct policy *policy, int64_t now_ms,
	struct plan *ret)
{
	memset(ret, 0, sizeof(*ret)); // equal plans are equal bytes, padding included
	text_copy(ret->cluster, sizeof(ret->cluster), view->cluster);
	text_copy(ret->mode, sizeof(ret->mode), view->mode);
	ret->now_ms = now_ms;
	size_t n = view->n_groups < PLAN_MAX_STEPS ? view->n_groups : PLAN_MAX_STEPS;
	for (size_t i = 0; i < n; i++)
		decide_group(view, &view->groups[i], policy, &ret->steps[ret->n_steps++]);
	uint8_t digest[32];
	hash_sha256(ret, sizeof(*ret), digest);
	text_to_hex(digest, 16, ret->id);
	return n < view->n_groups ? -E2BIG : 0;
}
