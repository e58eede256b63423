// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/cli/forecast_analyse.h"
#include "proto/base/rng.h"

#include <math.h>
#include <string.h>

enum { N = 24 * 28 };
static double y[N];
static struct rng dice;
static struct analysis a;

static void look(size_t n)
{
	assert_int_equal(analyse(y, n, 3600, 0, &a), 0);
}

static double day_wave(size_t i)
{
	return sin(2 * M_PI * (double)i / 24);
}

static void noise_and_a_random_walk_have_no_season(void **state)
{
	unsigned found = 0, walks = 0;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		rng_init(&dice, seed);
		for (size_t i = 0; i < N; i++)
			y[i] = 100 + rng_normal(&dice);
		look(N);
		found += a.n_seasons > 0;
		for (size_t i = 1; i < N; i++)
			y[i] = y[i - 1] + rng_normal(&dice);
		look(N);
		walks += a.n_seasons > 0;
	}
	// two tests at 5 % each, 20 times: over 6 would be a wrong test
	assert_true(found <= 6);
	assert_true(walks <= 6);
}

static void a_day_under_noise_is_found_with_its_share(void **state)
{
	rng_init(&dice, 2);
	for (size_t i = 0; i < N; i++)
		y[i] = 10 + day_wave(i) + .5 * rng_normal(&dice); // .5 of .5 + .25
	look(N);
	assert_int_equal(a.seasons[0].period, 24);
	assert_true(fabs(a.seasons[0].strength - 2 / 3.) < .08);
	assert_true(a.seasons[0].p <= .01);
	assert_string_equal(a.class, "strongly seasonal");
}

static void weekends_are_a_week(void **state)
{
	rng_init(&dice, 3);
	for (size_t i = 0; i < N; i++)
		y[i] = 10 + (i / 24 % 7 < 5 ? 3 : 0) + .3 * day_wave(i) + .2 * rng_normal(&dice);
	look(N);
	assert_int_equal(a.n_seasons, 2);
	assert_int_equal(a.seasons[1].period, 168);
}

static void a_job_every_five_hours_is_found_without_a_calendar(void **state)
{
	rng_init(&dice, 4);
	for (size_t i = 0; i < N; i++)
		y[i] = 10 + (i % 5 == 0 ? 8 : 0) + .3 * rng_normal(&dice);
	look(N);
	assert_int_equal(a.n_seasons, 1);
	assert_int_equal(a.seasons[0].period % 5, 0);
	assert_true(a.seasons[0].strength > .9);
}

static void a_step_is_found_where_it_is(void **state)
{
	rng_init(&dice, 5);
	for (size_t i = 0; i < N; i++)
		y[i] = (i < 400 ? 10 : 30) + day_wave(i) + .5 * rng_normal(&dice);
	look(N);
	assert_true(fabs(a.step - 20) < 2);
	assert_true(a.step_at >= 395 && a.step_at <= 405);
	for (size_t i = 0; i < N; i++)
		y[i] = 10 + day_wave(i) + .5 * rng_normal(&dice);
	look(N);
	assert_true(a.step == 0);
}

static void spread_against_level(void **state)
{
	rng_init(&dice, 6);
	for (size_t i = 0; i < N; i++)
		y[i] = (10 + 8 * day_wave(i)) * exp(.1 * rng_normal(&dice));
	look(N);
	assert_true(a.exponent > .75 && a.exponent < 1.25);
	for (size_t i = 0; i < N; i++)
		y[i] = 20 + 8 * day_wave(i) + rng_normal(&dice);
	look(N);
	assert_true(fabs(a.exponent) < .25);
}

static void outliers_gaps_and_a_ceiling(void **state)
{
	rng_init(&dice, 7);
	for (size_t i = 0; i < N; i++)
		y[i] = fmin(12, 10 + 3 * day_wave(i) + .2 * rng_normal(&dice));
	look(N);
	assert_true(a.saturated && a.top_share > .1 && a.outliers == 0 && a.gaps == 0);
	y[300] = 60;
	y[100] = y[101] = y[500] = NAN;
	look(N);
	assert_int_equal(a.outliers, 1);
	assert_int_equal(a.outlier_at, 300);
	assert_int_equal(a.gaps, 2);
	assert_int_equal(a.gap_most, 2);
	assert_int_equal(a.known, N - 3);
}

static void there_is_an_answer_for_every_series(void **state)
{
	static const double odd[][4] = {
		{NAN, NAN, NAN, NAN}, {5, 5, 5, 5}, {0, 0, 0, 7}, {-1e30, 1e30, 0, 1}};
	static const char *const classes[] = {"empty", "constant", "mostly zero"};
	for (size_t k = 0; k < 4; k++)
		for (size_t n = 0; n <= 4; n++) {
			memcpy(y, odd[k], n * sizeof(*y));
			look(n);
			assert_non_null(a.class);
			assert_true(isfinite(a.trend_strength) && isfinite(a.memory));
			if (n == 4 && k < 3)
				assert_string_equal(a.class, classes[k]);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(noise_and_a_random_walk_have_no_season),
		cmocka_unit_test(a_day_under_noise_is_found_with_its_share),
		cmocka_unit_test(weekends_are_a_week),
		cmocka_unit_test(a_job_every_five_hours_is_found_without_a_calendar),
		cmocka_unit_test(a_step_is_found_where_it_is),
		cmocka_unit_test(spread_against_level),
		cmocka_unit_test(outliers_gaps_and_a_ceiling),
		cmocka_unit_test(there_is_an_answer_for_every_series),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
