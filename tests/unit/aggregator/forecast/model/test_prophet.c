// SPDX-License-Identifier: Apache-2.0
#include "golden.h"
#include "member_check.h"

#include "aggregator/forecast/model/linalg.h"
#include "aggregator/forecast/model/prophet_design.h"

// One golden case: Prophet's own parameters have the same objective here, our optimum is the exact
// one, and its forecast is Prophet's.
static void check_case(FILE *f, struct golden *y)
{
	struct golden params, objective, yhat;
	golden_take(f, "prophet", &params);
	golden_take(f, "objective", &objective);
	golden_take(f, "yhat", &yhat);
	for (size_t t = 0; t < y->n; t++)
		if (y->value[t] == -1)
			y->value[t] = NAN;
	struct member_input in = check_input(y->value, y->n, yhat.n);
	struct prophet_design d;
	struct map_fit fit;
	double gram[MAP_COLUMNS * MAP_COLUMNS], row[MAP_COLUMNS];
	assert_int_equal(prophet_design(&d, &in, y->n), 0);
	size_t columns = 2 + d.slopes + d.features;
	assert_int_equal(params.n, columns + 1);
	struct map_problem o = {.gram = gram,
		.p = d.p,
		.rows = prophet_gram(&d, gram),
		.slopes = d.slopes,
		.features = d.features,
		.tau = 0.05,
		.sigmas = d.sigmas};
	// the file has 12 digits of the parameters
	double theirs = prophet_objective(&o, params.value, params.value[columns]);
	assert_true(fabs(theirs - objective.value[0]) < 1e-4);
	assert_int_equal(prophet_map(&o, &fit), 0);
	assert_true(fit.objective >= objective.value[0]);
	assert_true(fabs(fit.objective - objective.value[2]) < 1e-4);
	for (size_t h = 0; h < yhat.n; h++) {
		prophet_row(&d, y->n + h, row);
		double ours = d.y_scale * dot(row, fit.b, columns);
		assert_true(fabs(ours - yhat.value[h]) < 0.04 * d.y_scale);
	}
	golden_done(&params);
	golden_done(&objective);
	golden_done(&yhat);
}

static void the_optimum_equals_prophets_objective_to_1e_4_and_is_not_worse(void **state)
{
	FILE *f = golden_open("prophet.csv");
	struct golden y;
	int cases = 0;
	for (; golden_next(f, &y); cases++) {
		check_case(f, &y);
		golden_done(&y);
	}
	assert_int_equal(cases, 3);
	fclose(f);
}

static void the_prophet_member_never_looks_past_the_origin(void **state)
{
	check_no_look_ahead(&member_prophet);
}

static void the_prophet_member_survives_hostile_series(void **state)
{
	check_hostile(&member_prophet);
}

static void the_prophet_member_gives_the_same_answer_twice(void **state)
{
	check_repeatable(&member_prophet);
}

static void the_prophet_member_beats_yesterday_and_its_band_holds(void **state)
{
	double coverage, ratio = check_skill(&member_prophet, &coverage);
	assert_true(ratio < 0.9); // a square week is not made of three harmonics
	assert_true(coverage > 0.5 && coverage < 0.92); // up to ten days after the fit
}

static void a_trend_that_bent_before_is_less_sure_far_ahead(void **state)
{
	enum { N = 672, H = 168 };
	double *straight = check_series(N, 1), *bent = check_series(N, 1);
	for (size_t t = 0; t < N; t++)
		bent[t] += 60 * fabs((double)(t % 200) / 100 - 1);
	struct member_input a = check_input(straight, N, H), b = check_input(bent, N, H);
	double *qa = check_forecast(&member_prophet, &a, N, N);
	double *qb = check_forecast(&member_prophet, &b, N, N);
	check_rows(qb, H);
	const double *la = qa + (H - 1) * QUANTILE_COUNT, *lb = qb + (H - 1) * QUANTILE_COUNT;
	assert_true(lb[7] - lb[1] > 2 * (la[7] - la[1]));
	free(qa);
	free(qb);
	free(straight);
	free(bent);
}

static void a_planned_event_is_learnt_from_its_earlier_ones(void **state)
{
	enum { N = 500, H = 24 };
	double *y = check_series(N, 12), x[N + H] = {0};
	for (size_t t = 0; t < N + H; t++)
		x[t] = t % 100 < 5; // the next one is due at 500
	for (size_t t = 0; t < N; t++)
		y[t] += 150 * x[t];
	struct member_input in = check_input(y, N, H);
	in.regressors = x;
	in.n_regressors = 1;
	double *q = check_forecast(&member_prophet, &in, N, N);
	for (size_t h = 0; h < H; h++)
		assert_true((q[h * QUANTILE_COUNT + 4] > 180) == (x[N + h] > 0));
	free(q);
	free(y);
}

static void a_shift_of_the_last_hours_reaches_the_next_one(void **state)
{
	enum { N = 480, H = 24 };
	double *y = check_series(N, 13);
	struct member_input in = check_input(y, N, H);
	double *before = check_forecast(&member_prophet, &in, 400, N);
	for (size_t t = N - 6; t < N; t++)
		y[t] += 40;
	double *after = check_forecast(&member_prophet, &in, 400, N);
	assert_true(after[4] - before[4] > 15);
	assert_true(after[4] - before[4] >
		    after[(H - 1) * QUANTILE_COUNT + 4] - before[(H - 1) * QUANTILE_COUNT + 4]);
	free(before);
	free(after);
	free(y);
}

static void saved_parameters_of_prophet_make_the_same_forecast(void **state)
{
	check_saved(&member_prophet);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_optimum_equals_prophets_objective_to_1e_4_and_is_not_worse),
		cmocka_unit_test(the_prophet_member_never_looks_past_the_origin),
		cmocka_unit_test(the_prophet_member_survives_hostile_series),
		cmocka_unit_test(the_prophet_member_gives_the_same_answer_twice),
		cmocka_unit_test(the_prophet_member_beats_yesterday_and_its_band_holds),
		cmocka_unit_test(a_trend_that_bent_before_is_less_sure_far_ahead),
		cmocka_unit_test(a_planned_event_is_learnt_from_its_earlier_ones),
		cmocka_unit_test(a_shift_of_the_last_hours_reaches_the_next_one),
		cmocka_unit_test(saved_parameters_of_prophet_make_the_same_forecast),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
