// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/kube/server_clock.h"

// The right time is monotonic + RIGHT; the machine's clock is ahead of it.
enum { RIGHT = 1000000000 };

static bool hear(struct server_clock *c, int64_t mono_ms, int64_t took_ms, int64_t ahead_ms)
{
	const int64_t sent_ms = mono_ms - took_ms, answered_ms = sent_ms + took_ms / 2 + RIGHT;
	const struct server_date d = {.date_ms = answered_ms - answered_ms % 1000,
		.sent_ms = sent_ms,
		.took_ms = took_ms,
		.machine_ms = mono_ms + RIGHT + ahead_ms};
	return server_clock_hear(c, &d);
}

static void a_clock_that_agrees_is_taken_as_it_is(void **state)
{
	struct server_clock c = {0};
	for (int64_t at = 5000; at < 60000; at += 777) {
		assert_false(hear(&c, at, at % 400, 1500));
		assert_int_equal(c.off_ms, RIGHT + 1500);
	}
	assert_false(c.wrong);
}

static void a_wrong_clock_is_replaced_by_the_servers_to_within_two_seconds(void **state)
{
	const int64_t wrong[] = {300000, -300000, 4000, -4000};
	for (int i = 0; i < 4; i++) {
		struct server_clock c = {0};
		assert_true(hear(&c, 5123, 40, wrong[i]));
		assert_in_range(c.off_ms, RIGHT - 2000, RIGHT + 2000);
		assert_in_range(c.ahead_ms + 600000, wrong[i] + 598000, wrong[i] + 602000);
	}
}

static void a_clock_that_is_set_while_we_run_changes_nothing_and_is_taken_again_when_right(
	void **state)
{
	struct server_clock c = {0};
	hear(&c, 5000, 20, 0);
	assert_true(hear(&c, 6000, 20, 300000));
	assert_int_equal(c.off_ms, RIGHT); // what was right before stays
	assert_false(hear(&c, 7000, 20, -300000));
	assert_int_equal(c.off_ms, RIGHT);
	assert_true(hear(&c, 8000, 20, 100));
	assert_int_equal(c.off_ms, RIGHT + 100);
}

static void an_answer_that_took_long_proves_little_and_is_no_reason(void **state)
{
	struct server_clock c = {0};
	hear(&c, 50000, 20, 0);
	// a watch of 40 s: its Date is of its beginning
	const struct server_date d = {.date_ms = 10000 + RIGHT,
		.sent_ms = 10000,
		.took_ms = 40000,
		.machine_ms = 50000 + RIGHT};
	assert_false(server_clock_hear(&c, &d));
	assert_int_equal(c.off_ms, RIGHT);
}

static void an_answer_that_took_minutes_does_not_bring_a_wrong_clock_back(void **state)
{
	struct server_clock c = {0};
	assert_true(hear(&c, 500000, 40, -300000));
	const int64_t off_ms = c.off_ms;
	assert_in_range(off_ms, RIGHT - 2000, RIGHT + 2000);
	// its Date is of its beginning, 400 s ago: the clock that is 300 s behind lies after it
	const struct server_date d = {.date_ms = 501000 + RIGHT,
		.sent_ms = 501000,
		.took_ms = 400000,
		.machine_ms = 901000 + RIGHT - 300000};
	assert_false(server_clock_hear(&c, &d));
	assert_true(c.wrong);
	assert_int_equal(c.off_ms, off_ms);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_clock_that_agrees_is_taken_as_it_is),
		cmocka_unit_test(a_wrong_clock_is_replaced_by_the_servers_to_within_two_seconds),
		cmocka_unit_test(
			a_clock_that_is_set_while_we_run_changes_nothing_and_is_taken_again_when_right),
		cmocka_unit_test(an_answer_that_took_long_proves_little_and_is_no_reason),
		cmocka_unit_test(an_answer_that_took_minutes_does_not_bring_a_wrong_clock_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
