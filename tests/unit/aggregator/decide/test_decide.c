// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/decide/decide.h"

static struct group_view calm_group(void)
{
	return (struct group_view){
		.name = "web",
		.limits_known = true,
		.min = 2,
		.max = 20,
		.desired = 10,
		.nodes = 10,
		.nodes_ready = 10,
		.node_millicores = 4000,
		.node_usd_micro_hour = 170000,
		.demand_known = true,
		.demand_low_millicores = 24000,
		.demand_high_millicores = 25000,
		.forecast_ok = true,
		.horizon_ms = 3600000,
		.history_ms = 86400000,
		.peak_q50_millicores = 25000,
		.peak_q95_millicores = 27000,
		.oldest_sample_ms = 1500,
		.agents_expected = 10,
		.agents_reporting = 10,
	};
}

// Decides for one group; the plan is freed by the caller.
static struct plan *decide_one(const struct group_view *g, bool paused)
{
	struct plan *p = malloc(sizeof(*p));
	struct policy policy;
	policy_default(&policy);
	const struct cluster_view view = {
		.cluster = "c", .mode = "observe", .paused = paused, .groups = g, .n_groups = 1};
	assert_int_equal(decide(&view, &policy, 1790000000000, p), 0);
	return p;
}

static bool has_reason(const struct plan_step *s, enum reason r)
{
	for (size_t i = 0; i < s->n_reasons; i++)
		if (s->reasons[i] == r)
			return true;
	return false;
}

static bool guard_passed(const struct plan_step *s, const char *name)
{
	for (size_t i = 0; i < s->n_guards; i++)
		if (strcmp(s->guards[i].name, name) == 0)
			return s->guards[i].passed;
	fail_msg("no guard %s", name);
	return false;
}

static void a_demand_that_fits_holds(void **state)
{
	struct group_view g = calm_group();
	struct plan *p = decide_one(&g, false);
	assert_int_equal(p->steps[0].kind, STEP_HOLD);
	assert_false(p->steps[0].would_act);
	assert_true(has_reason(&p->steps[0], REASON_CAPACITY_FITS));
	free(p);
}

static void a_forecast_peak_scales_out_before_the_demand_is_there(void **state)
{
	struct group_view g = calm_group();
	g.peak_q95_millicores = 35000; // 35 cores at 70 % of 4 cores: 12.5 nodes
	struct plan *p = decide_one(&g, false);
	assert_int_equal(p->steps[0].kind, STEP_SCALE_OUT);
	assert_int_equal(p->steps[0].to, 13);
	assert_true(p->steps[0].would_act);
	assert_int_equal(p->steps[0].cost_usd_micro_hour, 3 * 170000);
	free(p);
}

static void one_step_adds_at_most_half_and_removes_at_most_a_tenth(void **state)
{
	struct group_view g = calm_group();
	g.peak_q95_millicores = 1e6;
	struct plan *p = decide_one(&g, false);
	assert_int_equal(p->steps[0].to, 15);
	free(p);
	g.demand_low_millicores = g.demand_high_millicores = 1000;
	g.peak_q50_millicores = g.peak_q95_millicores = 1000;
	p = decide_one(&g, false);
	assert_int_equal(p->steps[0].to, 9);
	free(p);
}

static void the_group_limits_hold(void **state)
{
	struct group_view g = calm_group();
	g.max = 11;
	g.peak_q95_millicores = 50000;
	struct plan *p = decide_one(&g, false);
	assert_int_equal(p->steps[0].to, 11);
	assert_true(has_reason(&p->steps[0], REASON_AT_MAXIMUM));
	free(p);
}

static void unknown_limits_mean_advice_only(void **state)
{
	struct group_view g = calm_group();
	g.limits_known = false;
	g.peak_q95_millicores = 35000;
	struct plan *p = decide_one(&g, false);
	assert_int_equal(p->steps[0].kind, STEP_SCALE_OUT);
	assert_false(p->steps[0].would_act);
	assert_false(guard_passed(&p->steps[0], "limits"));
	assert_true(has_reason(&p->steps[0], REASON_NO_LIMITS_KNOWN));
	free(p);
}

static void scale_in_is_refused_on(void (*spoil)(struct group_view *), const char *guard)
{
	struct group_view g = calm_group();
	g.demand_low_millicores = g.demand_high_millicores = 5000;
	g.peak_q50_millicores = g.peak_q95_millicores = 5000;
	struct plan *p = decide_one(&g, false);
	assert_int_equal(p->steps[0].kind, STEP_SCALE_IN);
	assert_true(p->steps[0].would_act);
	free(p);
	spoil(&g);
	p = decide_one(&g, false);
	assert_false(p->steps[0].would_act);
	assert_false(guard_passed(&p->steps[0], guard));
	assert_true(has_reason(&p->steps[0], REASON_GUARD_REFUSED));
	free(p);
}

static void lose_agents(struct group_view *g)
{
	g->agents_reporting = 8;
}

static void age_samples(struct group_view *g)
{
	g->oldest_sample_ms = 60001;
}

static void saturate(struct group_view *g)
{
	g->saturated_nodes = 1;
}

static void lose_the_forecast(struct group_view *g)
{
	g->forecast_ok = false;
}

static void lose_a_node(struct group_view *g)
{
	g->nodes_ready = 9;
}

static void low_coverage_refuses_scale_in(void **state)
{
	scale_in_is_refused_on(lose_agents, "coverage");
}

static void old_samples_refuse_scale_in(void **state)
{
	scale_in_is_refused_on(age_samples, "freshness");
}

static void a_saturated_node_refuses_scale_in(void **state)
{
	scale_in_is_refused_on(saturate, "saturation");
}

static void without_a_forecast_nothing_is_given_up(void **state)
{
	scale_in_is_refused_on(lose_the_forecast, "forecast");
}

static void a_node_that_is_not_ready_refuses_scale_in(void **state)
{
	scale_in_is_refused_on(lose_a_node, "ready");
}

static void a_pause_refuses_every_step(void **state)
{
	struct group_view g = calm_group();
	g.peak_q95_millicores = 35000;
	struct plan *p = decide_one(&g, true);
	assert_false(p->steps[0].would_act);
	assert_false(guard_passed(&p->steps[0], "pause"));
	free(p);
}

static void a_forecast_worse_than_naive_is_not_used(void **state)
{
	struct group_view g = calm_group();
	g.peak_q95_millicores = 35000;
	g.loss_ratio_to_naive = 1.2;
	struct plan *p = decide_one(&g, false);
	assert_int_equal(p->steps[0].kind, STEP_HOLD);
	assert_true(has_reason(&p->steps[0], REASON_FORECAST_WORSE_THAN_NAIVE));
	free(p);
}

static void saturated_nodes_count_what_they_could_not_run(void **state)
{
	struct group_view g = calm_group();
	g.saturated_nodes = 3;
	g.demand_high_millicores = 40000;
	struct plan *p = decide_one(&g, false);
	assert_int_equal(p->steps[0].kind, STEP_SCALE_OUT);
	assert_int_equal(p->steps[0].to, 15);
	assert_true(has_reason(&p->steps[0], REASON_SATURATED));
	free(p);
}

static void without_data_nothing_is_invented(void **state)
{
	struct group_view g = {.name = "new", .nodes = 1};
	struct plan *p = decide_one(&g, false);
	assert_int_equal(p->steps[0].kind, STEP_HOLD);
	assert_int_equal(p->steps[0].n_inputs, 0);
	assert_true(has_reason(&p->steps[0], REASON_TOO_LITTLE_DATA));
	free(p);
}

static void the_same_view_gives_a_byte_equal_plan(void **state)
{
	struct group_view g = calm_group();
	g.peak_q95_millicores = 35000;
	struct plan *a = decide_one(&g, false), *b = decide_one(&g, false);
	assert_memory_equal(a, b, sizeof(*a));
	assert_true(plan_equal(a, b));
	struct buf json;
	buf_init(&json, 1 << 20);
	plan_print(a, &json);
	assert_false(buf_failed(&json));
	assert_non_null(strstr(json.data, "\"code\":\"demand-above-capacity\""));
	buf_done(&json);
	g.peak_q95_millicores++;
	free(b);
	b = decide_one(&g, false);
	assert_false(plan_equal(a, b));
	free(a);
	free(b);
}

static void more_groups_than_steps_is_said(void **state)
{
	size_t n = PLAN_MAX_STEPS + 1;
	struct group_view *groups = calloc(n, sizeof(*groups));
	struct plan *p = malloc(sizeof(*p));
	struct policy policy;
	policy_default(&policy);
	for (size_t i = 0; i < n; i++)
		groups[i] = calm_group();
	const struct cluster_view view = {
		.cluster = "c", .mode = "observe", .groups = groups, .n_groups = n};
	assert_int_equal(decide(&view, &policy, 1, p), -E2BIG);
	assert_int_equal(p->n_steps, PLAN_MAX_STEPS);
	free(groups);
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_demand_that_fits_holds),
		cmocka_unit_test(a_forecast_peak_scales_out_before_the_demand_is_there),
		cmocka_unit_test(one_step_adds_at_most_half_and_removes_at_most_a_tenth),
		cmocka_unit_test(the_group_limits_hold),
		cmocka_unit_test(unknown_limits_mean_advice_only),
		cmocka_unit_test(low_coverage_refuses_scale_in),
		cmocka_unit_test(old_samples_refuse_scale_in),
		cmocka_unit_test(a_saturated_node_refuses_scale_in),
		cmocka_unit_test(without_a_forecast_nothing_is_given_up),
		cmocka_unit_test(a_node_that_is_not_ready_refuses_scale_in),
		cmocka_unit_test(a_pause_refuses_every_step),
		cmocka_unit_test(a_forecast_worse_than_naive_is_not_used),
		cmocka_unit_test(saturated_nodes_count_what_they_could_not_run),
		cmocka_unit_test(without_data_nothing_is_invented),
		cmocka_unit_test(the_same_view_gives_a_byte_equal_plan),
		cmocka_unit_test(more_groups_than_steps_is_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
