// SPDX-License-Identifier: Apache-2.0
// What is kept between runs: the same forecast, cheaper; scores of what was issued; the drift
// alarm.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aggregator/forecast/keep.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/rng.h"

enum { HOUR = 3600, DAYS = 20, N = 24 * DAYS, HORIZON = 12 };

static double y[N + 200];

static void make_load(double jump_at, double jump)
{
	struct rng r;
	rng_init(&r, 3);
	for (size_t i = 0; i < sizeof(y) / sizeof(*y); i++)
		y[i] = 100 + 40 * sin(2 * M_PI * (double)(i % 24) / 24) + 3 * rng_normal(&r) +
		       ((double)i >= jump_at ? jump : 0);
}

static struct outlook *run(struct forecast_state *s, size_t n)
{
	struct outlook *o;
	struct forecast_input in = {.y = y,
		.n = n,
		.start_s = 1700006400,
		.step_s = HOUR,
		.horizon = HORIZON,
		.seed = 1};
	assert_int_equal(forecast_run(&in, s, &o), 0);
	assert_int_equal(o->horizon, HORIZON);
	assert_int_equal(o->start_s, 1700006400 + (int64_t)n * HOUR);
	return o;
}

static void check_rows(const struct outlook *o)
{
	for (size_t h = 0; h < o->horizon; h++)
		for (int i = 0; i < QUANTILE_COUNT; i++) {
			assert_true(isfinite(o->quantiles[h][i]));
			assert_true(i == 0 || o->quantiles[h][i] >= o->quantiles[h][i - 1]);
			assert_true(o->peak[h][i] >= o->quantiles[h][i] - 1e-9);
		}
}

static double farthest(const struct outlook *a, const struct outlook *b)
{
	double most = 0;
	for (size_t h = 0; h < a->horizon; h++)
		for (int i = 1; i + 1 < QUANTILE_COUNT; i++)
			most = fmax(most, fabs(a->quantiles[h][i] - b->quantiles[h][i]));
	return most;
}

static void a_refreshed_forecast_is_that_from_scratch(void **state)
{
	(void)state;
	struct forecast_state *s;
	make_load(1e9, 0);
	assert_int_equal(forecast_state_new(&s), 0);
	struct outlook *full = run(s, N), *again = run(s, N);
	assert_int_equal(full->made, OUTLOOK_FULL);
	assert_int_equal(again->made, OUTLOOK_REFRESHED);
	check_rows(full);
	check_rows(again);
	// parameters are taken as they were, so only their rounding is left
	assert_true(farthest(full, again) < .05);
	assert_int_equal(again->generation, 2);
	outlook_free(full);
	outlook_free(again);
	forecast_state_free(s);
}

static void a_carried_forecast_is_near_that_from_scratch(void **state)
{
	(void)state;
	struct forecast_state *s;
	make_load(1e9, 0);
	assert_int_equal(forecast_state_new(&s), 0);
	outlook_free(run(s, N));
	for (size_t k = 1; k <= keep_carry(HORIZON); k++) {
		struct outlook *carried = run(s, N + k), *scratch = run(NULL, N + k);
		assert_int_equal(carried->made, OUTLOOK_CARRIED);
		check_rows(carried);
		// noise has a deviation of 3: medians differ by a fraction, the 1..99 % band by
		// less
		for (size_t h = 0; h < HORIZON; h++)
			assert_true(fabs(carried->quantiles[h][4] - scratch->quantiles[h][4]) < 3);
		assert_true(farthest(carried, scratch) < 7);
		outlook_free(carried);
		outlook_free(scratch);
	}
	struct outlook *next = run(s, N + keep_carry(HORIZON) + 1);
	assert_int_equal(next->made, OUTLOOK_REFRESHED);
	outlook_free(next);
	next = run(s, N + 24);
	assert_int_equal(next->made, OUTLOOK_FULL); // a day has passed
	outlook_free(next);
	forecast_state_free(s);
}

static void an_error_that_persists_moves_the_carried_forecast(void **state)
{
	(void)state;
	struct forecast_state *s;
	struct rng r;
	rng_init(&r, 5);
	double level = 0; // a slow walk: errors persist
	make_load(1e9, 0);
	for (size_t i = 0; i < sizeof(y) / sizeof(*y); i++)
		y[i] += level += rng_normal(&r);
	assert_int_equal(forecast_state_new(&s), 0);
	outlook_free(run(s, N));
	double before = y[N];
	struct outlook *low = run(s, N + 1);
	y[N] += 20;
	struct outlook *high = run(s, N + 1);
	assert_int_equal(high->made, OUTLOOK_CARRIED);
	assert_true(high->quantiles[0][4] > low->quantiles[0][4] + 5);
	y[N] = before;
	outlook_free(low);
	outlook_free(high);
	forecast_state_free(s);
}

static void what_was_issued_is_scored_when_its_truth_has_come(void **state)
{
	(void)state;
	struct forecast_state *s;
	struct forecast_score score;
	make_load(1e9, 0);
	assert_int_equal(forecast_state_new(&s), 0);
	forecast_state_score(s, &score);
	assert_true(score.steps == 0 && isnan(score.mase) && isnan(score.loss_ratio));
	for (size_t k = 0; k <= 80; k++)
		outlook_free(run(s, N + k));
	forecast_state_score(s, &score);
	assert_true(score.steps >= 60 && score.steps <= 80);
	assert_true(score.mase > .3 && score.mase < 1.2);
	assert_true(score.loss_ratio < 1);
	assert_true(score.coverage[1] < .25 && score.coverage[7] > .8);
	assert_true(score.pinball[4] > score.pinball[8]);
	assert_int_equal(score.alarms, 0);
	assert_int_equal(score.full + score.refreshed + score.carried, 81);
	assert_true(score.carried >= 70);
	assert_true(forecast_state_bytes(s) <= FORECAST_STATE_BYTES_MAX);
	forecast_state_free(s);
}

static void a_jump_alarms_once_refits_and_widens(void **state)
{
	(void)state;
	struct forecast_state *s;
	struct forecast_score score;
	make_load(N + 4, 60);
	assert_int_equal(forecast_state_new(&s), 0);
	struct outlook *calm = run(s, N);
	double width = calm->quantiles[3][6] - calm->quantiles[3][2];
	outlook_free(calm);
	size_t k = 1;
	for (score.alarms = 0; score.alarms == 0 && k < 40; k++) {
		struct outlook *o = run(s, N + k);
		forecast_state_score(s, &score);
		if (score.alarms > 0) {
			assert_int_equal(o->made, OUTLOOK_FULL);
			assert_true(o->changed_s >= 1700006400 + (int64_t)(N + 4) * HOUR);
			assert_true(o->quantiles[3][6] - o->quantiles[3][2] > 1.4 * width);
		}
		outlook_free(o);
	}
	assert_int_equal(score.alarms, 1);
	assert_true(k <= 15); // within ten hours of the jump
	forecast_state_free(s);
}

static void the_longest_horizon_fits_the_bound(void **state)
{
	(void)state;
	struct forecast_state *s;
	struct outlook *o;
	make_load(1e9, 0);
	assert_int_equal(forecast_state_new(&s), 0);
	struct forecast_input in = {
		.y = y, .n = N, .start_s = 1700006400, .step_s = HOUR, .horizon = 720};
	assert_int_equal(forecast_run(&in, s, &o), 0);
	assert_true(forecast_state_bytes(s) <= FORECAST_STATE_BYTES_MAX);
	outlook_free(o);
	forecast_state_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_refreshed_forecast_is_that_from_scratch),
		cmocka_unit_test(a_carried_forecast_is_near_that_from_scratch),
		cmocka_unit_test(an_error_that_persists_moves_the_carried_forecast),
		cmocka_unit_test(what_was_issued_is_scored_when_its_truth_has_come),
		cmocka_unit_test(a_jump_alarms_once_refits_and_widens),
		cmocka_unit_test(the_longest_horizon_fits_the_bound),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
