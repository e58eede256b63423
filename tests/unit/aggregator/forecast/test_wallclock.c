// SPDX-License-Identifier: Apache-2.0
// Seasons on the users' clock, and public holidays.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aggregator/forecast/wallclock.h"

#include <math.h>

#include "aggregator/forecast/calendar.h"
#include "aggregator/forecast/zone.h"
#include "proto/base/rng.h"

enum { HOUR = 3600, DAY = 86400, N = 24 * 21, HORIZON = 24 };

// Summer time as in Berlin in 2026, without the system's database.
static const struct forecast_zone_change changes[] = {
	{1774746000, 7200}, // 2026-03-29 01:00 UTC
	{1792890000, 3600}, // 2026-10-25 01:00 UTC
};
static const struct forecast_zone berlin = {changes, 2, 3600};

static double y[N + HORIZON];

// Busy at nine in the morning by the clock on the wall.
static void make_load(int64_t start_s)
{
	struct rng r;
	rng_init(&r, 11);
	for (size_t i = 0; i < sizeof(y) / sizeof(*y); i++) {
		int64_t at = start_s + (int64_t)i * HOUR;
		int64_t hour = (at + zone_offset_s(&berlin, at)) % DAY / HOUR;
		y[i] = 100 + 100 * exp(-.5 * (double)((hour - 9) * (hour - 9))) +
		       2 * rng_normal(&r);
	}
}

static struct outlook *run(int64_t start_s, const struct forecast_zone *zone)
{
	struct outlook *o;
	struct forecast_input in = {.y = y,
		.n = N,
		.start_s = start_s,
		.step_s = HOUR,
		.horizon = HORIZON,
		.zone = zone,
		.seed = 1};
	assert_int_equal(forecast_run(&in, NULL, &o), 0);
	assert_int_equal(o->horizon, HORIZON);
	assert_int_equal(o->start_s, start_s + N * HOUR);
	assert_int_equal(o->data_from_s, start_s);
	return o;
}

static double error_of(const struct outlook *o)
{
	double sum = 0;
	for (size_t h = 0; h < HORIZON; h++) {
		sum += fabs(o->quantiles[h][4] - y[N + h]) / HORIZON;
		for (int i = 0; i < QUANTILE_COUNT; i++)
			assert_true(o->peak[h][i] >= o->quantiles[h][i] - 1e-9);
	}
	return sum;
}

static void check_change(int64_t change_s, int64_t days_before)
{
	int64_t start_s = change_s / DAY * DAY + (1 - days_before) * DAY - 20 * DAY;
	make_load(start_s);
	struct outlook *utc = run(start_s, NULL), *local = run(start_s, &berlin);
	// noise has a mean error of 1.6; an hour off costs a dozen on average
	if (!(error_of(local) < 4 && error_of(utc) > 2 * error_of(local)))
		fail_msg("errors: %.2f local, %.2f UTC", error_of(local), error_of(utc));
	outlook_free(utc);
	outlook_free(local);
}

static void the_peak_keeps_its_hour_over_the_change_to_summer_time(void **state)
{
	(void)state;
	check_change(changes[0].at_s, 0); // the forecast is of the day after
	check_change(changes[0].at_s, 1); // of the day itself
}

static void the_peak_keeps_its_hour_over_the_change_back(void **state)
{
	(void)state;
	check_change(changes[1].at_s, 0);
	check_change(changes[1].at_s, 1);
}

static void a_zone_without_a_change_gives_times_in_utc(void **state)
{
	(void)state;
	static const struct forecast_zone india = {NULL, 0, 19800};
	make_load(1780272000);
	outlook_free(run(1780272000, &india)); // half an hour off the grid
}

static void a_public_holiday_is_expected_to_be_one(void **state)
{
	(void)state;
	int64_t start_s = calendar_days(2026, 4, 23) * DAY; // Ascension Day is 14 May 2026
	struct rng r;
	rng_init(&r, 4);
	for (size_t i = 0; i < sizeof(y) / sizeof(*y); i++) {
		int64_t day = start_s / DAY + (int64_t)i / 24;
		double level = calendar_holiday("FR", day) ? 40 : 100;
		y[i] = level * (1.2 + sin(2 * M_PI * (double)(i % 24) / 24)) + rng_normal(&r);
	}
	double known = 0, unknown = 0;
	const char *const calendars[] = {"FR", NULL};
	for (int k = 0; k < 2; k++) {
		struct outlook *o;
		struct forecast_input in = {.y = y,
			.n = N,
			.start_s = start_s,
			.step_s = HOUR,
			.horizon = HORIZON,
			.calendar = calendars[k],
			.seed = 1};
		assert_int_equal(forecast_run(&in, NULL, &o), 0);
		for (size_t h = 0; h < HORIZON; h++)
			*(k ? &unknown : &known) += o->quantiles[h][4] / HORIZON;
		outlook_free(o);
	}
	if (!(known < .93 * unknown))
		fail_msg("mean %.1f with the calendar, %.1f without", known, unknown);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_peak_keeps_its_hour_over_the_change_to_summer_time),
		cmocka_unit_test(the_peak_keeps_its_hour_over_the_change_back),
		cmocka_unit_test(a_zone_without_a_change_gives_times_in_utc),
		cmocka_unit_test(a_public_holiday_is_expected_to_be_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
