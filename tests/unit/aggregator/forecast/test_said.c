// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/forecast/said.h"

static const int64_t hour_ms = 3600000;

static struct outlook *outlook(size_t horizon, int64_t start_s, int64_t step_s)
{
	struct outlook *o;
	assert_int_equal(outlook_new(&o, horizon), 0);
	o->start_s = start_s;
	o->step_s = step_s;
	for (size_t h = 0; h < horizon; h++)
		for (int i = 0; i < QUANTILE_COUNT; i++)
			o->quantiles[h][i] = 100 * (double)h + i;
	return o;
}

static void a_long_forecast_is_kept_at_fewer_steps(void **state)
{
	struct said s = {0};
	struct outlook *o = outlook(720, 7200, 3600);
	assert_int_equal(said_add(&s, o, 5), 0);
	assert_int_equal(s.one[0].n, 48);
	assert_int_equal(s.one[0].step_ms, 15 * hour_ms);
	assert_int_equal(s.one[0].from_ms, 2 * hour_ms);
	assert_true(
		s.one[0].q[2][0] == 3002 && s.one[0].q[2][1] == 3004 && s.one[0].q[2][2] == 3006);
	outlook_free(o);
	said_done(&s);
}

static void a_month_of_hourly_forecasts_leaves_old_and_new_ones(void **state)
{
	struct said s = {0};
	for (int64_t h = 0; h < 24 * 50; h++) {
		struct outlook *o = outlook(24, h * 3600, 3600);
		assert_int_equal(said_add(&s, o, h * hour_ms), 0);
		outlook_free(o);
	}
	int64_t now = (24 * 50 - 1) * hour_ms;
	assert_int_equal(s.n, SAID_MAX);
	assert_int_equal(s.one[SAID_MAX - 1].generated_ms, now);
	assert_true(now - s.one[SAID_MAX - 2].generated_ms <= 3 * hour_ms);
	assert_true(now - s.one[0].generated_ms <= 35 * 24 * hour_ms);
	assert_true(now - s.one[0].generated_ms >= 7 * 24 * hour_ms);
	size_t in_a_day = 0;
	for (size_t i = 0; i < s.n; i++) {
		in_a_day += now - s.one[i].generated_ms < 24 * hour_ms;
		assert_true(i == 0 || s.one[i].generated_ms > s.one[i - 1].generated_ms);
	}
	assert_true(in_a_day >= 3 && in_a_day < SAID_MAX);
	said_done(&s);
}

static void the_same_forecast_made_again_replaces_itself(void **state)
{
	struct said s = {0};
	struct outlook *o = outlook(12, 300, 300);
	assert_int_equal(said_add(&s, o, 1), 0);
	assert_int_equal(said_add(&s, o, 2), 0);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.one[0].generated_ms, 2);
	outlook_free(o);
	said_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_long_forecast_is_kept_at_fewer_steps),
		cmocka_unit_test(a_month_of_hourly_forecasts_leaves_old_and_new_ones),
		cmocka_unit_test(the_same_forecast_made_again_replaces_itself),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
