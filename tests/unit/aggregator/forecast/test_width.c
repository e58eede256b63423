// SPDX-License-Identifier: Apache-2.0
// Every kind of series gets an answer whose 80 % band is about as wide as the truth is uncertain.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "aggregator/forecast/forecast.h"
#include "proto/base/rng.h"

enum { H = 12, REPEATS = 12, N_MAX = 24 * 14, DAY = 24 };

static double y[N_MAX + H];

enum shape { DAILY, TO_ZERO, BURST, STEP, ZERO, WILD };

static double value(enum shape shape, size_t i, size_t n, struct rng *r)
{
	double z = rng_normal(r), day = 60 * (1 - cos(2 * M_PI * (double)(i % DAY) / DAY));
	switch (shape) {
	case DAILY: return 100 + day + 6 * z;
	case TO_ZERO: return i % DAY < 8 ? 0 : fmax(0, day + 6 * z);
	case BURST: return 50 + 5 * z + (z > 1.6 ? 200 : 0);
	case STEP: return (i * 4 < n * 3 ? 100 : 200) + 6 * z;
	case WILD: return i % 2 ? -1e300 : 1e300;
	default: return 0;
	}
}

static struct outlook *outlook_of(enum shape shape, size_t n, int64_t step_s, uint64_t seed)
{
	struct rng r;
	struct outlook *o = NULL;
	rng_init(&r, seed);
	for (size_t i = 0; i < n + H; i++)
		y[i] = value(shape, i, n, &r);
	const struct forecast_input in = {.y = y,
		.n = n,
		.start_s = 1700006400,
		.step_s = step_s,
		.horizon = H,
		.seed = seed};
	assert_int_equal(forecast_run(&in, NULL, &o), 0);
	return o;
}

// Share of truths in the 80 % band over seeded repetitions.
static double coverage(enum shape shape, size_t n, int64_t step_s)
{
	double inside = 0;
	for (uint64_t seed = 1; seed <= REPEATS; seed++) {
		struct outlook *o = outlook_of(shape, n, step_s, seed);
		for (size_t h = 0; h < H; h++)
			inside += y[n + h] >= o->quantiles[h][2] && y[n + h] <= o->quantiles[h][6];
		outlook_free(o);
	}
	print_message("shape %d, %zu values: %.2f\n", shape, n, inside / (H * REPEATS));
	return inside / (H * REPEATS);
}

static void check(enum shape shape, size_t n, int64_t step_s)
{
	double share = coverage(shape, n, step_s);
	assert_true(share >= .6 && share <= .97);
}

static void two_weeks_of_hours_have_an_honest_width(void **state)
{
	check(DAILY, 24 * 14, 3600);
}

static void two_days_of_hours_have_an_honest_width(void **state)
{
	check(DAILY, 48, 3600);
}

static void two_hours_of_minutes_have_an_honest_width(void **state)
{
	check(STEP, 120, 60);
}

static void a_series_with_bursts_has_an_honest_width(void **state)
{
	check(BURST, 24 * 10, 3600);
}

static void a_series_that_stepped_has_an_honest_width(void **state)
{
	check(STEP, 24 * 10, 3600);
}

static void a_series_that_scales_to_zero_has_an_honest_width(void **state)
{
	double share = coverage(TO_ZERO, 24 * 10, 3600); // zeros are foretold exactly
	assert_true(share >= .6);
}

static void a_series_at_zero_has_no_width(void **state)
{
	struct outlook *o = outlook_of(ZERO, 24 * 10, 3600, 1);
	assert_true(o->quantiles[H - 1][0] == 0 && o->quantiles[H - 1][8] == 0);
	outlook_free(o);
}

static void members_that_answer_nonsense_are_dropped_and_counted(void **state)
{
	struct outlook *o = outlook_of(DAILY, 24 * 10, 3600, 1);
	assert_int_equal(o->members_rejected, 0);
	outlook_free(o);
	o = outlook_of(WILD, 24 * 10, 3600, 1); // squares of its values overflow
	print_message("rejected %zu\n", o->members_rejected);
	assert_true(o->members_rejected > 0);
	for (size_t h = 0; h < H; h++)
		for (int i = 0; i < QUANTILE_COUNT; i++)
			assert_true(isfinite(o->quantiles[h][i]));
	outlook_free(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_weeks_of_hours_have_an_honest_width),
		cmocka_unit_test(two_days_of_hours_have_an_honest_width),
		cmocka_unit_test(two_hours_of_minutes_have_an_honest_width),
		cmocka_unit_test(a_series_with_bursts_has_an_honest_width),
		cmocka_unit_test(a_series_that_stepped_has_an_honest_width),
		cmocka_unit_test(a_series_that_scales_to_zero_has_an_honest_width),
		cmocka_unit_test(a_series_at_zero_has_no_width),
		cmocka_unit_test(members_that_answer_nonsense_are_dropped_and_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
