// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/calendar.h"

#include "tests/unit/aggregator/forecast/model/golden.h"

static void dates_and_days_are_each_others_inverse(void **state)
{
	(void)state;
	assert_int_equal(calendar_days(1970, 1, 1), 0);
	assert_int_equal(calendar_days(2000, 2, 29), 11016);
	for (int64_t d = -200000; d < 200000; d += 17) {
		int year, month, day;
		calendar_date(d, &year, &month, &day);
		assert_int_equal(calendar_days(year, month, day), d);
	}
}

static void easter_is_where_the_church_has_it(void **state)
{
	(void)state;
	// earliest and latest possible, and two ordinary ones
	assert_int_equal(calendar_easter(1818), calendar_days(1818, 3, 22));
	assert_int_equal(calendar_easter(2038), calendar_days(2038, 4, 25));
	assert_int_equal(calendar_easter(2024), calendar_days(2024, 3, 31));
	assert_int_equal(calendar_easter(2026), calendar_days(2026, 4, 5));
}

static void every_day_of_16_years_is_as_in_the_golden_file(void **state)
{
	(void)state;
	static const char *const countries[] = {"DE", "US", "GB", "FR"};
	int64_t from = calendar_days(2015, 1, 1), to = calendar_days(2031, 1, 1);
	FILE *f = golden_open("calendar.csv");
	struct golden next;
	bool more = golden_next(f, &next);
	for (int c = 0; c < 4; c++)
		for (int64_t d = from; d < to; d++) {
			bool golden = more && strcmp(next.name, countries[c]) == 0 &&
				      next.value[0] == (double)d;
			if ((calendar_holiday(countries[c], d) != NULL) != golden)
				fail_msg("%s: day %lld is%s a holiday", countries[c], (long long)d,
					golden ? "" : " not");
			if (golden) {
				golden_done(&next);
				more = golden_next(f, &next);
			}
		}
	assert_false(more);
	fclose(f);
}

static void an_unknown_country_has_no_holidays(void **state)
{
	(void)state;
	assert_false(calendar_known("XX"));
	assert_false(calendar_known(NULL));
	assert_true(calendar_known("FR"));
	assert_null(calendar_holiday("XX", 0));
	assert_null(calendar_holiday(NULL, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dates_and_days_are_each_others_inverse),
		cmocka_unit_test(easter_is_where_the_church_has_it),
		cmocka_unit_test(every_day_of_16_years_is_as_in_the_golden_file),
		cmocka_unit_test(an_unknown_country_has_no_holidays),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
