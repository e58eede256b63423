// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/outlier.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "aggregator/forecast/forecast.h"
#include "proto/base/rng.h"

enum { N = 336, DAY = 24 };

static void make_days(double y[N], uint64_t seed)
{
	struct rng r;
	rng_init(&r, seed);
	for (int i = 0; i < N; i++)
		y[i] = 10 + 4 * sin(2 * M_PI * i / DAY) + .5 * rng_normal(&r);
}

static void a_value_that_stands_alone_is_taken_back(void **state)
{
	double y[N], before[N];
	make_days(y, 1);
	y[200] = 500;
	y[100] = NAN;
	memcpy(before, y, sizeof(y));
	assert_int_equal(outlier_clip(y, N, DAY), 1);
	assert_true(y[200] < 40 && y[200] > fmax(y[199], y[201]));
	before[200] = y[200];
	assert_memory_equal(y, before, sizeof(y));
}

static void a_step_a_burst_and_the_newest_value_are_no_outliers(void **state)
{
	double y[N], before[N];
	make_days(y, 2);
	for (int i = 150; i < N; i++)
		y[i] += 300; // a step
	y[80] = y[81] = 400; // a burst
	y[N - 1] = 900;
	memcpy(before, y, sizeof(y));
	assert_int_equal(outlier_clip(y, N, DAY), 0);
	assert_memory_equal(y, before, sizeof(y));
}

static void what_comes_every_day_or_often_is_no_outlier(void **state)
{
	double y[N];
	make_days(y, 3);
	for (int i = 12; i < N; i += 7 * DAY)
		y[i] = 300; // a weekly job
	assert_int_equal(outlier_clip(y, N, DAY), 0);
	make_days(y, 4);
	for (int i = 5; i < N; i += 37)
		y[i] = 300; // a series of bursts
	assert_int_equal(outlier_clip(y, N, DAY), 0);
	double flat[N] = {0};
	flat[77] = 5;
	assert_int_equal(outlier_clip(flat, N, DAY), 0); // nothing to measure it by
}

static double median_of(const double *y, struct outlook **ret)
{
	struct forecast_input in = {.y = y, .n = N, .step_s = 3600, .horizon = DAY, .seed = 1};
	assert_int_equal(forecast_run(&in, NULL, ret), 0);
	double most = 0;
	for (int h = 0; h < DAY; h++)
		most = fmax(most, (*ret)->quantiles[h][4]);
	return most;
}

static void a_forecast_hardly_moves_for_an_absurd_value_and_says_so(void **state)
{
	double y[N];
	struct outlook *plain, *spoilt;
	make_days(y, 5);
	double without = median_of(y, &plain);
	y[N - 30] = 1000;
	double with = median_of(y, &spoilt);
	assert_int_equal(plain->data_clipped, 0);
	assert_int_equal(spoilt->data_clipped, 1);
	assert_true(fabs(with - without) < .2 * without);
	outlook_free(plain);
	outlook_free(spoilt);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_value_that_stands_alone_is_taken_back),
		cmocka_unit_test(a_step_a_burst_and_the_newest_value_are_no_outliers),
		cmocka_unit_test(what_comes_every_day_or_often_is_no_outlier),
		cmocka_unit_test(a_forecast_hardly_moves_for_an_absurd_value_and_says_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
