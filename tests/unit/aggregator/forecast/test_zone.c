// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aggregator/forecast/zone.h"

#include <errno.h>
#include <unistd.h>

#include "aggregator/forecast/calendar.h"

static const char folder[] = "/usr/share/zoneinfo";

static int64_t at(int year, int month, int day, int hour)
{
	return calendar_days(year, month, day) * 86400 + hour * 3600;
}

static void check(const char *name, int64_t at_s, int32_t offset_s)
{
	struct forecast_zone *z;
	assert_int_equal(zone_read(&z, folder, name), 0);
	if (zone_offset_s(z, at_s) != offset_s)
		fail_msg("%s at %lld: %d", name, (long long)at_s, zone_offset_s(z, at_s));
	zone_free(z);
}

static void summer_time_begins_and_ends_to_the_second(void **state)
{
	(void)state;
	check("Europe/Berlin", at(2026, 3, 29, 1) - 1, 3600);
	check("Europe/Berlin", at(2026, 3, 29, 1), 7200);
	check("Europe/Berlin", at(2026, 10, 25, 1) - 1, 7200);
	check("Europe/Berlin", at(2026, 10, 25, 1), 3600);
	check("America/New_York", at(2026, 11, 1, 6) - 1, -14400);
	check("America/New_York", at(2026, 11, 1, 6), -18000);
	check("Asia/Kolkata", at(2026, 7, 1, 0), 19800);
	check("Australia/Sydney", at(2026, 1, 15, 0), 39600); // summer there
	check("Australia/Sydney", at(2026, 7, 15, 0), 36000);
	check("UTC", at(2026, 7, 15, 0), 0);
}

static void the_rule_holds_beyond_the_table(void **state)
{
	(void)state;
	check("Europe/Berlin", at(2045, 7, 1, 0), 7200);
	check("Europe/Berlin", at(2045, 12, 1, 0), 3600);
	check("America/New_York", at(2049, 7, 1, 0), -14400);
}

static void what_is_not_a_zone_is_refused(void **state)
{
	(void)state;
	struct forecast_zone *z;
	assert_int_equal(zone_read(&z, folder, "Europe/Atlantis"), -ENOENT);
	assert_int_equal(zone_read(&z, folder, "../../etc/passwd"), -EINVAL);
	assert_int_equal(zone_read(&z, folder, "/etc/passwd"), -EINVAL);
	assert_int_equal(zone_read(&z, folder, ""), -EINVAL);
	assert_true(zone_read(&z, folder, "Europe") < 0); // a folder
	assert_int_equal(zone_read(&z, TEST_SOURCE_DIR, "LICENSE"), -EBADMSG);
	assert_int_equal(zone_offset_s(NULL, 0), 0);
	zone_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(summer_time_begins_and_ends_to_the_second),
		cmocka_unit_test(the_rule_holds_beyond_the_table),
		cmocka_unit_test(what_is_not_a_zone_is_refused),
	};
	if (access("/usr/share/zoneinfo/Europe/Berlin", R_OK) != 0) {
		print_message("[  SKIPPED ] no time zone database (package tzdata)\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
