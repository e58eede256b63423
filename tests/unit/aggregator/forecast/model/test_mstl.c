// SPDX-License-Identifier: Apache-2.0
#include "member_check.h"

static void mstl_never_looks_past_the_origin(void **state)
{
	check_no_look_ahead(&member_mstl_arima);
	check_no_look_ahead(&member_mstl_ets);
}

static void mstl_survives_hostile_series(void **state)
{
	check_hostile(&member_mstl_arima);
	check_hostile(&member_mstl_ets);
}

static void mstl_gives_the_same_answer_twice(void **state)
{
	check_repeatable(&member_mstl_arima);
	check_repeatable(&member_mstl_ets);
}

static void mstl_beats_yesterday_and_its_band_holds(void **state)
{
	const struct member_ops *both[] = {&member_mstl_arima, &member_mstl_ets};
	for (int i = 0; i < 2; i++) {
		double coverage, ratio = check_skill(both[i], &coverage);
		assert_true(ratio < 0.7);
		assert_true(coverage > 0.68 && coverage < 0.92);
	}
}

static void a_later_origin_uses_what_came_since_the_fit(void **state)
{
	enum { N = 480, FIT = 400, H = 6 };
	double *y = check_series(N, 2);
	struct member_input in = check_input(y, N, H);
	double *before = check_forecast(&member_mstl_arima, &in, FIT, N);
	for (size_t t = FIT; t < N; t++)
		y[t] += 100;
	double *after = check_forecast(&member_mstl_arima, &in, FIT, N);
	for (size_t h = 0; h < H; h++)
		assert_true(after[h * QUANTILE_COUNT + 4] - before[h * QUANTILE_COUNT + 4] > 30);
	free(before);
	free(after);
	free(y);
}

static void a_weekend_is_expected_only_after_it_was_seen_twice(void **state)
{
	enum { N = 24 * 26, H = 48 };
	double y[N];
	struct rng r;
	rng_init(&r, 6);
	for (size_t t = 0; t < N; t++) // day 26 and 27 are the fourth weekend
		y[t] = (t / 24 % 7 >= 5 ? 20 : 100) + rng_normal(&r);
	struct member_input in = check_input(y, N, H);
	double *q = check_forecast(&member_mstl_ets, &in, N, N);
	for (size_t h = 3; h < 45; h++)
		assert_true(q[h * QUANTILE_COUNT + 4] < 45);
	free(q);
}

static void saved_parameters_of_mstl_make_the_same_forecast(void **state)
{
	check_saved(&member_mstl_arima);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mstl_never_looks_past_the_origin),
		cmocka_unit_test(mstl_survives_hostile_series),
		cmocka_unit_test(mstl_gives_the_same_answer_twice),
		cmocka_unit_test(mstl_beats_yesterday_and_its_band_holds),
		cmocka_unit_test(a_later_origin_uses_what_came_since_the_fit),
		cmocka_unit_test(a_weekend_is_expected_only_after_it_was_seen_twice),
		cmocka_unit_test(saved_parameters_of_mstl_make_the_same_forecast),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
