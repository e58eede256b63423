// SPDX-License-Identifier: Apache-2.0
// News that comes late: after its deadline, or after its drain.
#include "tests/unit/aggregator/act/rig.h"

static void a_deadline_that_is_long_past_still_asks_the_pods_to_go(void **state)
{
	struct rig *r = rig_make(false);
	rig_pod(r, "a", 30);
	const struct drain *d = rig_notice(r, NOTICE_SPOT_ITN, -90000);
	rig_flush(r);
	rig_answer(r, "mark", 0);
	rig_flush(r);
	assert_int_equal(rig_count(r, "evict"), 1);
	assert_in_range(rig_call(r, "evict")->grace_s, 1, 30);
	rig_answer(r, "evict", 0);
	rig_pod_gone(r, "a");
	rig_run(r, 500);
	assert_int_equal(d->phase, DRAIN_DONE);
	rig_free(r);
}

static void the_state_change_after_the_drain_is_no_second_drain(void **state)
{
	struct rig *r = rig_make(false);
	rig_pod(r, "a", 30);
	const struct drain *d = rig_notice(r, NOTICE_SPOT_ITN, 120000);
	rig_flush(r);
	rig_answer(r, "mark", 0);
	rig_flush(r);
	rig_answer(r, "evict", 0);
	rig_pod_gone(r, "a");
	rig_run(r, 500);
	assert_int_equal(d->phase, DRAIN_DONE);
	rig_run(r, 110000);
	size_t calls = r->n_calls;
	rig_notice(r, NOTICE_STATE_CHANGE, 0);
	rig_run(r, 1000);
	assert_int_equal(r->n_calls, calls);
	assert_ptr_equal(drains_first(r->drains), d);
	assert_null(d->next);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_deadline_that_is_long_past_still_asks_the_pods_to_go),
		cmocka_unit_test(the_state_change_after_the_drain_is_no_second_drain),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
