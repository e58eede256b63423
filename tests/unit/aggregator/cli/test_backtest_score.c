// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/cli/backtest_score.h"

#include <math.h>

static const double M = NAN;

static void near(double a, double b)
{
	if (!(fabs(a - b) <= 1e-9 * (1 + fabs(b))))
		fail_msg("%.12g is not %.12g", a, b);
}

static void the_scale_is_the_mean_difference_between_seasons_with_a_floor(void **state)
{
	const double y[] = {1, 2, 3, M, 5, 3};
	near(score_scale(y, 6, 2), (2 + 2) / 2.); // 3-1, 5-3; M pairs do not count, 3-M neither
	const double flat[] = {100, 100, 100, 100};
	near(score_scale(flat, 4, 1), 1); // 1 % of the level
	const double none[] = {M, M};
	near(score_scale(none, 2, 1), 1);
}

// Rows, truths and expected figures worked out by hand.
static void the_figures_of_one_forecast(void **state)
{
	const double rows[2][QUANTILE_COUNT] = {
		{0, 1, 2, 4, 5, 6, 8, 9, 10}, {0, 1, 2, 4, 5, 6, 8, 9, 10}};
	const double y[2] = {7, M};
	struct score s = {0};
	struct truth t = {y, 2, 2, 5};
	score_add(&s, &t, rows);
	struct score m = score_mean(&s);
	near(m.mase, 2 / 2.);
	near(m.pinball[0], .01 * 7 / 2);
	near(m.pinball[6], .1 * 1 / 2);
	near(m.pinball[8], .01 * 3 / 2);
	near(m.wql, (.05 * 6 + .1 * 5 + .5 * 2 + .1 * 1 + .05 * 2 + .01 * 3) / 2);
	near(m.below[5], 0);
	near(m.below[6], 1);
	near(m.inside[BAND_50], 0);
	near(m.inside[BAND_80], 1);
	near(m.miss, 0);
	near(m.waste, 1 / 7.);
	assert_int_equal(s.steps, 1);
	assert_int_equal(s.crossed, 0);
}

static void a_forecast_whose_truth_is_all_missing_does_not_count(void **state)
{
	const double rows[1][QUANTILE_COUNT] = {{0}};
	const double y[1] = {M};
	struct score s = {0};
	struct truth t = {y, 1, 2, 5};
	score_add(&s, &t, rows);
	assert_int_equal(s.forecasts, 0);
	assert_true(isnan(score_mean(&s).mase));
}

static void crossing_quantiles_are_counted(void **state)
{
	const double rows[1][QUANTILE_COUNT] = {{0, 1, 2, 4, 3, 6, 8, 9, 10}};
	const double y[1] = {3};
	struct score s = {0};
	struct truth t = {y, 1, 1, 3};
	score_add(&s, &t, rows);
	assert_int_equal(s.crossed, 1);
}

static void the_naive_repeats_the_last_season_and_widens_with_each(void **state)
{
	const double y[] = {1, 10, 2, M, 3, 12}; // M lies between 2 and 3: 2.5
	double rows[4][QUANTILE_COUNT];
	assert_int_equal(naive_seasonal(y, 6, 2, 4, rows), 0);
	near(rows[0][4], 3);
	near(rows[1][4], 12);
	near(rows[2][4], 3);
	double sd = sqrt((1 + 7.5 * 7.5 + 1 + 9.5 * 9.5) / 4);
	near(rows[0][6] - rows[0][4], sd * quantile_scores[6]);
	near(rows[3][6] - rows[3][4], sd * sqrt(2) * quantile_scores[6]);
	assert_int_equal(naive_seasonal(y, 0, 24, 1, rows), 0);
	near(rows[0][4], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_scale_is_the_mean_difference_between_seasons_with_a_floor),
		cmocka_unit_test(the_figures_of_one_forecast),
		cmocka_unit_test(a_forecast_whose_truth_is_all_missing_does_not_count),
		cmocka_unit_test(crossing_quantiles_are_counted),
		cmocka_unit_test(the_naive_repeats_the_last_season_and_widens_with_each),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
