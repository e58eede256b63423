// SPDX-License-Identifier: Apache-2.0
// The guards of DESIGN 7 that can be asked from a view. Each is one function: does it object to
// this step, and on what figures. A guard never changes a step; all are always asked, so that a
// person sees every objection at once.
#include <stdio.h>

#include "aggregator/decide/decide.h"

struct question {
	const struct cluster_view *view;
	const struct group_view *group;
	const struct policy *policy;
	const struct plan_step *step;
	char *detail;
	size_t detail_size;
};
#define SAY(q, ...) snprintf((q)->detail, (q)->detail_size, __VA_ARGS__)

static uint32_t coverage_permille(const struct group_view *g)
{
	return g->agents_expected
		       ? (uint32_t)((uint64_t)g->agents_reporting * 1000 / g->agents_expected)
		       : 0;
}

static bool guard_pause(const struct question *q)
{
	SAY(q, "%s", q->view->paused ? "paused by an operator" : "not paused");
	return !q->view->paused;
}

static bool guard_limits(const struct question *q)
{
	if (!q->group->limits_known) {
		SAY(q, "minimum and maximum are not known");
		return q->step->nodes == 0;
	}
	SAY(q, "%u within %u..%u", q->step->to, q->group->min, q->group->max);
	return q->step->to >= q->group->min && q->step->to <= q->group->max;
}

static bool guard_coverage(const struct question *q)
{
	uint32_t have = coverage_permille(q->group), need = q->policy->coverage_scale_in_permille;
	SAY(q, "%u of %u agents report (%u permille, scale-in needs %u)",
		q->group->agents_reporting, q->group->agents_expected, have, need);
	return q->step->kind != STEP_SCALE_IN || have >= need;
}

static bool guard_freshness(const struct question *q)
{
	int64_t age_ms = q->group->oldest_sample_ms;
	SAY(q, "oldest sample is %lld ms old (scale-in needs <= %lld)", (long long)age_ms,
		(long long)q->policy->freshness_ms);
	return q->step->kind != STEP_SCALE_IN || (age_ms >= 0 && age_ms <= q->policy->freshness_ms);
}

static bool guard_saturation(const struct question *q)
{
	SAY(q, "%u nodes saturated", q->group->saturated_nodes);
	return q->step->kind != STEP_SCALE_IN || q->group->saturated_nodes == 0;
}

// What is not known to stay unneeded is not given up.
static bool guard_forecast(const struct question *q)
{
	bool trusted = q->group->forecast_ok && q->group->loss_ratio_to_naive <= 1.0;
	if (trusted)
		SAY(q, "forecast over %lld min, loss %.2f of naive",
			(long long)q->group->horizon_ms / 60000, q->group->loss_ratio_to_naive);
	else
		SAY(q, "no forecast to trust: %s",
			q->group->forecast_ok ? "worse than naive" : q->group->forecast_why);
	return q->step->kind != STEP_SCALE_IN || trusted;
}

static bool guard_ready(const struct question *q)
{
	SAY(q, "%u of %u nodes ready", q->group->nodes_ready, q->group->nodes);
	return q->step->kind != STEP_SCALE_IN || q->group->nodes_ready == q->group->nodes;
}

static bool guard_one_at_least(const struct question *q)
{
	SAY(q, "%u nodes would be left", q->step->to);
	return q->step->kind != STEP_SCALE_IN || q->step->to >= 1;
}

static const struct {
	const char *name;
	bool (*ask)(const struct question *q);
} guards[] = {
	{"pause", guard_pause},
	{"limits", guard_limits},
	{"coverage", guard_coverage},
	{"freshness", guard_freshness},
	{"saturation", guard_saturation},
	{"forecast", guard_forecast},
	{"ready", guard_ready},
	{"last-node", guard_one_at_least},
};
_Static_assert(
	sizeof(guards) / sizeof(guards[0]) <= PLAN_MAX_GUARDS, "every guard's answer has a place");

bool guards_ask(const struct cluster_view *view, const struct group_view *g,
	const struct policy *policy, struct plan_step *step)
{
	bool all = true;
	step->n_guards = 0;
	for (size_t i = 0; i < sizeof(guards) / sizeof(guards[0]); i++) {
		struct plan_guard *answer = &step->guards[step->n_guards++];
		snprintf(answer->name, sizeof(answer->name), "%s", guards[i].name);
		const struct question q = {
			view, g, policy, step, answer->detail, sizeof(answer->detail)};
		answer->passed = guards[i].ask(&q);
		all = all && answer->passed;
	}
	return all;
}
