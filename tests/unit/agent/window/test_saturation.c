// SPDX-License-Identifier: Apache-2.0
// Worked examples; that the figures are what a kernel gives is shown by tests/bench/saturation.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/window/saturation.h"

#define MS 1000000ll

static struct saturation_input second(int64_t usage_ms, int64_t wait_ms)
{
	return (struct saturation_input){.window_ns = 1000 * MS,
		.usage_ns = usage_ms * MS,
		.wait_ns = wait_ms < 0 ? -1 : wait_ms * MS,
		.throttled_ns = -1,
		.periods = -1,
		.throttled_periods = -1,
		.some_us = -1,
		.full_us = -1,
		.limit_millicores = -1,
		.cpus = 8};
}

static struct saturation_input crowded(
	int64_t usage_ms, int64_t wait_ms, int64_t some_ms, int64_t full_ms)
{
	struct saturation_input in = second(usage_ms, wait_ms);
	in.some_us = some_ms * 1000;
	in.full_us = full_ms * 1000;
	return in;
}

static void demand_lies_between_usage_and_usage_wait_and_throttled_time(void **state)
{
	struct saturation_input in = second(400, 300);
	in.throttled_ns = 200 * MS;
	struct saturation s = saturation_of_cgroup(&in);
	assert_int_equal(s.low_millicores, 400);
	assert_int_equal(s.high_millicores, 900);
	in.wait_ns = -1;
	assert_int_equal(saturation_of_cgroup(&in).high_millicores, -1);
}

static void what_the_hypervisor_takes_is_not_idleness(void **state)
{
	// one CPU of which a fifth is stolen, shared with a hog
	struct saturation_input in = crowded(400, 400, 400, 400);
	assert_false(saturation_of_cgroup(&in).saturated);
	in.stolen_share = 0.2;
	assert_true(saturation_of_cgroup(&in).saturated);
	// and at four fifths of what is left it still has room
	in = crowded(320, 320, 320, 320);
	in.stolen_share = 0.2;
	assert_false(saturation_of_cgroup(&in).saturated);
}

static void a_task_behind_a_neighbour_is_saturated_only_when_it_never_gets_idle(void **state)
{
	// one CPU shared with one hog: while it has work it waits half of the time
	struct saturation_input fit = crowded(400, 400, 400, 400);
	struct saturation_input full = crowded(500, 500, 500, 500);
	assert_false(saturation_of_cgroup(&fit).saturated);
	assert_true(saturation_of_cgroup(&full).saturated);
	// the same without the scheduler program
	fit.wait_ns = full.wait_ns = -1;
	assert_false(saturation_of_cgroup(&fit).saturated);
	assert_true(saturation_of_cgroup(&full).saturated);
	// the same on a kernel without "full"
	fit.full_us = full.full_us = -1;
	assert_false(saturation_of_cgroup(&fit).saturated);
	assert_true(saturation_of_cgroup(&full).saturated);
}

static void tasks_on_many_cpus_are_judged_per_cpu(void **state)
{
	struct saturation_input fit = crowded(1600, 1600, 400, 400); // four CPUs, a hog on each
	struct saturation_input full = crowded(2000, 2000, 500, 500);
	assert_false(saturation_of_cgroup(&fit).saturated);
	assert_true(saturation_of_cgroup(&full).saturated);
	// eight tasks on two CPUs that are theirs alone: they wait for each other
	struct saturation_input own = crowded(2000, 6000, 1000, 0);
	own.cpus = 2;
	assert_true(saturation_of_cgroup(&own).saturated);
}

static void a_busy_task_that_never_waits_is_not_saturated(void **state)
{
	struct saturation_input in = crowded(1000, 5, 5, 0);
	assert_false(saturation_of_cgroup(&in).saturated);
}

static void the_limit_saturates_when_it_is_reached_and_throttles(void **state)
{
	struct saturation_input in = second(500, 0);
	in.limit_millicores = 500;
	in.periods = 10;
	in.throttled_periods = 9;
	assert_true(saturation_of_cgroup(&in).saturated);
	in.usage_ns = 400 * MS; // a burst was throttled, but the work got done
	assert_false(saturation_of_cgroup(&in).saturated);
	in.usage_ns = 495 * MS; // just fits
	in.throttled_periods = 1;
	assert_false(saturation_of_cgroup(&in).saturated);
}

static void nothing_known_but_usage_is_not_called_saturated(void **state)
{
	struct saturation_input in = second(8000, -1);
	assert_false(saturation_of_cgroup(&in).saturated);
	in.usage_ns = 0;
	assert_false(saturation_of_cgroup(&in).saturated);
}

static void a_node_is_saturated_without_idle_time_and_with_waiting(void **state)
{
	struct saturation_input in = crowded(7900, 1000, 500, 0);
	assert_true(saturation_of_node(&in, 0).saturated);
	in.some_us = 1000;
	assert_false(saturation_of_node(&in, 0).saturated); // eight tasks on eight CPUs
	in.some_us = -1;
	assert_true(saturation_of_node(&in, 0).saturated); // no PSI: careful
	in = crowded(4000, 1000, 500, 0);
	assert_false(saturation_of_node(&in, 0).saturated);
	assert_true(saturation_of_node(&in, 3900 * MS).saturated); // robbed by the hypervisor
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(demand_lies_between_usage_and_usage_wait_and_throttled_time),
		cmocka_unit_test(
			a_task_behind_a_neighbour_is_saturated_only_when_it_never_gets_idle),
		cmocka_unit_test(what_the_hypervisor_takes_is_not_idleness),
		cmocka_unit_test(tasks_on_many_cpus_are_judged_per_cpu),
		cmocka_unit_test(a_busy_task_that_never_waits_is_not_saturated),
		cmocka_unit_test(the_limit_saturates_when_it_is_reached_and_throttles),
		cmocka_unit_test(nothing_known_but_usage_is_not_called_saturated),
		cmocka_unit_test(a_node_is_saturated_without_idle_time_and_with_waiting),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
