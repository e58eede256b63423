// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/probe/duty.h"

#define S 1000000000ull

static struct duty duty_of(enum duty_mode mode)
{
	return (struct duty){
		.mode = mode, .on_ns = S, .cycle_ns = 10 * S, .arm_ns = 30 * S, .start_ns = 5 * S};
}

static void a_cycle_is_on_for_the_first_part_of_each_period(void **state)
{
	struct duty d = duty_of(DUTY_CYCLE);
	assert_true(duty_is_on(&d, 5 * S));
	assert_true(duty_is_on(&d, 6 * S - 1));
	assert_false(duty_is_on(&d, 6 * S));
	assert_false(duty_is_on(&d, 15 * S - 1));
	assert_true(duty_is_on(&d, 15 * S));
	assert_int_equal(duty_state(&d, 7 * S), DUTY_CYCLE);
}

static void a_clock_before_the_start_is_the_start(void **state)
{
	struct duty d = duty_of(DUTY_CYCLE);
	assert_true(duty_is_on(&d, 1));
	assert_true(duty_next(&d, 1, S) > 0);
}

static void the_next_change_is_told_up_to_the_limit(void **state)
{
	struct duty d = duty_of(DUTY_CYCLE);
	assert_int_equal(duty_next(&d, 5 * S + S / 4, 60 * S), S * 3 / 4);
	assert_int_equal(duty_next(&d, 6 * S, 60 * S), 9 * S);
	assert_int_equal(duty_next(&d, 6 * S, 2 * S), 2 * S);
	d.mode = DUTY_FULL;
	assert_int_equal(duty_next(&d, 6 * S, 2 * S), 2 * S);
}

static void arming_holds_for_its_time_and_each_arming_starts_it_again(void **state)
{
	struct duty d = duty_of(DUTY_CYCLE);
	duty_arm(&d, 8 * S);
	assert_int_equal(duty_state(&d, 8 * S), DUTY_ARMED);
	assert_true(duty_is_on(&d, 37 * S));
	assert_int_equal(duty_next(&d, 37 * S, 60 * S), 1 * S);
	duty_arm(&d, 37 * S);
	assert_true(duty_is_on(&d, 66 * S));
	assert_int_equal(duty_state(&d, 67 * S), DUTY_CYCLE);
	assert_false(duty_is_on(&d, 67 * S));
}

static void off_and_full_do_not_care_about_arming(void **state)
{
	struct duty d = duty_of(DUTY_OFF);
	duty_arm(&d, 8 * S);
	assert_int_equal(duty_state(&d, 9 * S), DUTY_OFF);
	assert_false(duty_is_on(&d, 9 * S));
	d.mode = DUTY_FULL;
	assert_int_equal(duty_state(&d, 9 * S), DUTY_FULL);
	assert_true(duty_is_on(&d, 1000 * S));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cycle_is_on_for_the_first_part_of_each_period),
		cmocka_unit_test(a_clock_before_the_start_is_the_start),
		cmocka_unit_test(the_next_change_is_told_up_to_the_limit),
		cmocka_unit_test(arming_holds_for_its_time_and_each_arming_starts_it_again),
		cmocka_unit_test(off_and_full_do_not_care_about_arming),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
