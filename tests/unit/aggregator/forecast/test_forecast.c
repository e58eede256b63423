// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/forecast/forecast.h"
#include "aggregator/forecast/trial.h"
#include "proto/base/rng.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HOUR = 3600 };

static double y[24 * 60];

static struct forecast_input input(size_t n, size_t horizon)
{
	return (struct forecast_input){.y = y,
		.n = n,
		.start_s = 1700000400,
		.step_s = HOUR,
		.horizon = horizon,
		.seed = 7};
}

// A day with a peak in the afternoon, quieter weekends, some noise.
static void make_load(size_t n, uint64_t seed)
{
	struct rng r;
	rng_init(&r, seed);
	for (size_t i = 0; i < n; i++) {
		double weekend = i / 24 % 7 >= 5 ? .5 : 1;
		y[i] = 100 + weekend * 60 * (1 - cos(2 * M_PI * (double)(i % 24) / 24)) +
		       4 * rng_normal(&r);
	}
}

static struct outlook *answer(const struct forecast_input *in)
{
	struct outlook *o = NULL;
	assert_int_equal(forecast_run(in, NULL, &o), 0);
	for (size_t h = 0; h < o->horizon; h++)
		for (int i = 0; i < QUANTILE_COUNT; i++) {
			assert_true(isfinite(o->quantiles[h][i]));
			assert_true(i == 0 || o->quantiles[h][i] >= o->quantiles[h][i - 1]);
			assert_true(o->peak[h][i] >= o->quantiles[h][i]);
			assert_true(h == 0 || o->peak[h][i] >= o->peak[h - 1][i]);
		}
	return o;
}

static void a_daily_load_is_followed_and_its_band_is_narrow(void **state)
{
	make_load(24 * 28, 1);
	struct forecast_input in = input(24 * 27, 24);
	struct outlook *o = answer(&in);
	size_t inside = 0;
	for (size_t h = 0; h < 24; h++) {
		double truth = y[24 * 27 + h];
		assert_true(fabs(o->quantiles[h][4] - truth) < 20);
		inside += truth >= o->quantiles[h][2] && truth <= o->quantiles[h][6];
		assert_true(o->quantiles[h][6] - o->quantiles[h][2] < 40);
	}
	assert_in_range(inside, 14, 24);
	assert_int_equal(o->basis, OUTLOOK_WEEKLY);
	assert_true(o->data_known == 24 * 27);
	outlook_free(o);
}

static void the_same_input_gives_the_same_bits(void **state)
{
	make_load(24 * 20, 2);
	struct forecast_input in = input(24 * 20, 30);
	struct outlook *a = answer(&in), *b = answer(&in);
	assert_true(outlook_equal(a, b));
	outlook_free(a);
	outlook_free(b);
}

static void what_comes_after_the_origin_changes_nothing(void **state)
{
	make_load(24 * 28, 3);
	struct forecast_input in = input(24 * 20, 24);
	struct outlook *a = answer(&in);
	for (size_t i = 24 * 20; i < 24 * 28; i++)
		y[i] = 1e6;
	struct outlook *b = answer(&in);
	assert_true(outlook_equal(a, b));
	outlook_free(a);
	outlook_free(b);
}

static void no_member_looks_past_its_origin(void **state)
{
	enum { N = 24 * 20, ORIGIN = 24 * 16, FIT = 24 * 12, H = 24 };
	static double other[N], a[H * QUANTILE_COUNT], b[H * QUANTILE_COUNT];
	make_load(N, 4);
	memcpy(other, y, sizeof(other));
	for (size_t i = ORIGIN; i < N; i++)
		other[i] = -1e5;
	for (size_t e = 0; e < pool_size; e++) {
		struct member_input in = {.y = y,
			.n = N,
			.start_s = 1700000400,
			.step_s = HOUR,
			.periods = {24},
			.n_periods = 1,
			.max_horizon = H,
			.scale = 5,
			.seed = 1};
		struct member_input in2 = in;
		in2.y = other;
		void *m, *m2;
		if (pool[e].ops->create(&m, &in, FIT) < 0)
			continue;
		assert_int_equal(pool[e].ops->create(&m2, &in2, FIT), 0);
		assert_int_equal(pool[e].ops->forecast(m, ORIGIN, H, a), 0);
		assert_int_equal(pool[e].ops->forecast(m2, ORIGIN, H, b), 0);
		for (size_t i = 0; i < H * QUANTILE_COUNT; i++)
			if (a[i] != b[i])
				fail_msg("%s looks past its origin", pool[e].ops->name);
		pool[e].ops->destroy(m);
		pool[e].ops->destroy(m2);
	}
}

static void a_member_gives_the_same_from_an_origin_in_any_order(void **state)
{
	enum { N = 24 * 20, FIT = 24 * 12, H = 24 };
	static double a[H * QUANTILE_COUNT], b[H * QUANTILE_COUNT];
	make_load(N, 5);
	for (size_t e = 0; e < pool_size; e++) {
		struct member_input in = {.y = y,
			.n = N,
			.start_s = 1700000400,
			.step_s = HOUR,
			.periods = {24},
			.n_periods = 1,
			.max_horizon = H,
			.scale = 5,
			.seed = 1};
		void *m;
		if (pool[e].ops->create(&m, &in, FIT) < 0)
			continue;
		assert_int_equal(pool[e].ops->forecast(m, FIT + 30, H, a), 0);
		assert_int_equal(pool[e].ops->forecast(m, N, H, b), 0);
		assert_int_equal(pool[e].ops->forecast(m, FIT + 30, H, b), 0);
		for (size_t i = 0; i < H * QUANTILE_COUNT; i++)
			if (a[i] != b[i])
				fail_msg("%s remembers a later origin", pool[e].ops->name);
		pool[e].ops->destroy(m);
	}
}

// One of eight shapes that have broken forecasters before; 0 is a usual load.
static double odd_value(int shape, size_t i, size_t n, double usual)
{
	switch (shape) {
	case 1: return 0;
	case 2: return 42;
	case 3: return NAN;
	case 4: return i % 3 ? NAN : usual;
	case 5: return i % 97 ? 0 : 1e9;
	case 6: return i * 2 < n ? 1e-9 : 1e12;
	case 7: return i % 2 ? -1e300 : 1e300;
	default: return usual;
	}
}

static void every_series_gets_an_answer(void **state)
{
	static const size_t lengths[] = {0, 1, 2, 3, 5, 11, 17, 30, 49, 60, 100, 400};
	for (size_t k = 0; k < sizeof(lengths) / sizeof(*lengths); k++)
		for (int shape = 0; shape < 8; shape++) {
			size_t n = lengths[k];
			make_load(n, 6);
			for (size_t i = 0; i < n; i++)
				y[i] = odd_value(shape, i, n, y[i]);
			struct forecast_input in = input(n, 30);
			struct outlook *o = answer(&in);
			if (shape == 2 && n > 2)
				assert_true(fabs(o->quantiles[29][4] - 42) < 1e-6);
			if (shape == 1 || shape == 3 || n == 0)
				assert_true(o->quantiles[29][8] == 0);
			if (shape < 3 || shape == 5)
				assert_true(o->quantiles[0][0] >= 0);
			outlook_free(o);
		}
}

static void two_hours_of_minutes_are_enough_for_a_first_band(void **state)
{
	struct rng r;
	rng_init(&r, 8);
	for (size_t i = 0; i < 120; i++)
		y[i] = 50 + 5 * rng_normal(&r);
	struct forecast_input in = input(120, 15);
	in.step_s = 60;
	struct outlook *o = answer(&in);
	assert_int_equal(o->basis, OUTLOOK_COLD);
	assert_true(fabs(o->quantiles[14][4] - 50) < 8);
	double width = o->quantiles[14][6] - o->quantiles[14][2];
	assert_true(width > 6 && width < 40);
	outlook_free(o);
}

static double highest_median(const struct outlook *o)
{
	double most = 0;
	for (size_t h = 0; h < o->horizon; h++)
		most = fmax(most, o->quantiles[h][QUANTILE_COUNT / 2]);
	return most;
}

static void demand_clipped_at_capacity_is_forecast_above_the_clip(void **state)
{
	static uint8_t saturated[24 * 20];
	const double capacity = 190;
	make_load(24 * 20, 9);
	for (size_t i = 0; i < 24 * 20; i++) {
		saturated[i] = y[i] >= capacity ? 100 : 0;
		y[i] = fmin(y[i], capacity);
	}
	struct forecast_input in = input(24 * 18, 24); // ends before a working day
	struct outlook *naive = answer(&in);
	assert_true(highest_median(naive) < capacity + 3);
	in.saturated = saturated;
	struct outlook *o = answer(&in);
	assert_true(o->data_censored > 0);
	assert_true(highest_median(o) > capacity + 8);
	outlook_free(naive);
	outlook_free(o);
}

static void the_peak_of_a_window_is_above_the_quantile_of_its_steps(void **state)
{
	struct rng r;
	rng_init(&r, 10);
	for (size_t i = 0; i < 24 * 28; i++)
		y[i] = 100 + 10 * rng_normal(&r); // errors that come and go
	struct forecast_input in = input(24 * 28, 24);
	struct outlook *o = answer(&in);
	// the median of the maximum of 24 independent values is at about 1.9 deviations
	assert_true(o->peak[23][4] > 110 && o->peak[23][4] < 130);
	assert_true(o->quantiles[23][4] < 106);
	outlook_free(o);
}

static void a_bad_grid_is_refused(void **state)
{
	struct outlook *o;
	struct forecast_input in = input(10, 0);
	assert_int_equal(forecast_run(&in, NULL, &o), -EINVAL);
	in = input(10, FORECAST_HORIZON_MAX + 1);
	assert_int_equal(forecast_run(&in, NULL, &o), -EINVAL);
	in = input(10, 1);
	in.step_s = 0;
	assert_int_equal(forecast_run(&in, NULL, &o), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_daily_load_is_followed_and_its_band_is_narrow),
		cmocka_unit_test(the_same_input_gives_the_same_bits),
		cmocka_unit_test(what_comes_after_the_origin_changes_nothing),
		cmocka_unit_test(no_member_looks_past_its_origin),
		cmocka_unit_test(a_member_gives_the_same_from_an_origin_in_any_order),
		cmocka_unit_test(every_series_gets_an_answer),
		cmocka_unit_test(two_hours_of_minutes_are_enough_for_a_first_band),
		cmocka_unit_test(demand_clipped_at_capacity_is_forecast_above_the_clip),
		cmocka_unit_test(the_peak_of_a_window_is_above_the_quantile_of_its_steps),
		cmocka_unit_test(a_bad_grid_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
