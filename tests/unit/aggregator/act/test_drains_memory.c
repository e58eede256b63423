// SPDX-License-Identifier: Apache-2.0
// Calls for which there is no memory: what they were for is asked for again when there is.
#include <stdbool.h>
#include <stdlib.h>

static bool no_memory;

static void *scarce(size_t size)
{
	return no_memory ? NULL : malloc(size);
}

#define malloc scarce
#include "aggregator/act/drain_calls.c"
#undef malloc

#include "tests/unit/aggregator/act/rig.h"

// Each is due while there is no memory; it comes once when there is.
static void comes_later(struct rig *r, const char *kind)
{
	rig_run(r, 3000);
	assert_null(rig_call(r, kind));
	no_memory = false;
	rig_run(r, 2500);
	assert_int_equal(rig_count(r, kind), 1);
}

static void a_drain_goes_through_although_every_call_finds_no_memory_at_first(void **state)
{
	struct rig *r = rig_make(true);
	rig_pod(r, "a", 30);
	no_memory = true;
	const struct drain *d = rig_notice(r, NOTICE_SPOT_ITN, 120000);
	comes_later(r, "mark");
	assert_int_equal(rig_count(r, "launch"), 1);
	no_memory = true;
	rig_answer(r, "mark", 0);
	comes_later(r, "evict");
	rig_answer_with(r, "launch", 0, 0, "i-n2");
	rig_answer(r, "evict", 0);
	no_memory = true;
	rig_pod_gone(r, "a");
	comes_later(r, "balancers");
	no_memory = true;
	rig_answer_with(r, "balancers", 0, 0, "0");
	comes_later(r, "terminate");
	no_memory = true;
	rig_answer(r, "terminate", -ETIMEDOUT);
	comes_later(r, "state");
	rig_answer_with(r, "state", 0, 0, "shutting-down");
	rig_run(r, 500);
	assert_int_equal(d->phase, DRAIN_DONE);
	rig_free(r);
}

static void a_desired_size_that_could_not_be_asked_for_is_not_counted_twice(void **state)
{
	struct rig *r = rig_make(true);
	rig_pod(r, "a", 30);
	rig_notice(r, NOTICE_SPOT_ITN, 120000);
	rig_flush(r);
	no_memory = true;
	rig_answer(r, "launch", -EACCES);
	comes_later(r, "desired");
	assert_int_equal(rig_call(r, "desired")->grace_s, 4);
	rig_free(r);
}

static void a_hook_is_completed_although_there_was_no_memory(void **state)
{
	struct rig *r = rig_make(true);
	fleet_find_group(r->fleet, "prod", "web")->terminate_hook[0] = 'h';
	rig_pod(r, "a", 30);
	const struct drain *d = rig_notice(r, NOTICE_ASG_LIFECYCLE, 600000);
	rig_flush(r);
	no_memory = true;
	rig_answer(r, "mark", 0);
	comes_later(r, "heartbeat");
	rig_answer(r, "heartbeat", 0);
	rig_answer(r, "evict", 0);
	rig_pod_gone(r, "a");
	rig_run(r, 500);
	no_memory = true;
	rig_answer_with(r, "balancers", 0, 0, "0");
	comes_later(r, "complete");
	rig_answer(r, "complete", 0);
	rig_run(r, 500);
	assert_int_equal(d->phase, DRAIN_DONE);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_drain_goes_through_although_every_call_finds_no_memory_at_first),
		cmocka_unit_test(a_desired_size_that_could_not_be_asked_for_is_not_counted_twice),
		cmocka_unit_test(a_hook_is_completed_although_there_was_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
