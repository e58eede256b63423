// SPDX-License-Identifier: Apache-2.0
// What must not get lost when answers do, or the node: the end of the instance, its lifecycle hook,
// the out-of-service taint.
#include "tests/unit/aggregator/act/rig.h"

static struct rig *rig_hooked(const struct drain **ret)
{
	struct rig *r = rig_make(true);
	fleet_find_group(r->fleet, "prod", "web")->terminate_hook[0] = 'h';
	rig_pod(r, "a", 30);
	*ret = rig_notice(r, NOTICE_ASG_LIFECYCLE, 600000);
	rig_flush(r);
	rig_answer(r, "mark", 0);
	rig_flush(r);
	return r;
}

static struct rig *rig_ended(const struct drain **ret)
{
	struct rig *r = rig_make(true);
	rig_pod(r, "a", 30);
	*ret = rig_notice(r, NOTICE_SPOT_ITN, 120000);
	rig_flush(r);
	rig_answer(r, "mark", 0);
	rig_flush(r);
	rig_answer_with(r, "launch", 0, 0, "i-n2");
	rig_answer(r, "evict", 0);
	rig_pod_gone(r, "a");
	rig_run(r, 500);
	rig_answer_with(r, "balancers", 0, 0, "0");
	rig_run(r, 500);
	rig_answer(r, "terminate", -ETIMEDOUT);
	rig_run(r, 500);
	return r;
}

static void an_end_is_not_repeated_while_nobody_knows_whether_the_instance_goes(void **state)
{
	static const int lost[] = {-EBUSY, -ETIMEDOUT, -EPERM, -EIO};
	const struct drain *d;
	struct rig *r = rig_ended(&d);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(rig_count(r, "state"), 1);
		rig_answer(r, "state", lost[i]);
		rig_run(r, 4500);
		assert_null(rig_call(r, "state"));
		rig_run(r, 1000);
		assert_null(rig_call(r, "terminate"));
	}
	rig_answer_with(r, "state", 0, 0, "shutting-down");
	rig_run(r, 10000);
	assert_null(rig_call(r, "terminate"));
	assert_int_equal(d->phase, DRAIN_DONE);
	rig_free(r);

	r = rig_ended(&d);
	rig_answer(r, "state", -EBUSY);
	rig_run(r, 5500);
	rig_answer_with(r, "state", 0, 0, "running"); // it was not heard: once more
	rig_run(r, 6000);
	assert_int_equal(rig_count(r, "terminate"), 1);
	rig_free(r);

	r = rig_ended(&d);
	rig_answer(r, "state", -EACCES); // nobody will ever know
	rig_run(r, 10000);
	assert_null(rig_call(r, "terminate"));
	assert_null(rig_call(r, "state"));
	rig_free(r);
}

static void a_hook_hears_a_heartbeat_at_once_and_every_15_s_until_it_is_completed(void **state)
{
	const struct drain *d;
	struct rig *r = rig_hooked(&d);
	rig_run(r, 250);
	assert_int_equal(rig_count(r, "heartbeat"), 1);
	rig_answer(r, "heartbeat", 0);
	rig_run(r, 14000);
	assert_null(rig_call(r, "heartbeat"));
	rig_run(r, 1000);
	rig_answer(r, "heartbeat", -EIO);
	rig_run(r, 5000); // sooner after one that was lost
	assert_int_equal(rig_count(r, "heartbeat"), 1);
	rig_run(r, 20000);
	assert_int_equal(rig_count(r, "heartbeat"), 1); // one at a time
	rig_answer(r, "heartbeat", 0);
	rig_answer(r, "evict", 0);
	rig_pod_gone(r, "a");
	for (int i = 0; i < 10; i++) { // no pod is left, but load balancers still send to it
		rig_run(r, 3500);
		rig_answer_with(r, "balancers", 0, 0, "1");
	}
	assert_int_equal(rig_count(r, "heartbeat"), 1);
	rig_answer(r, "heartbeat", 0);
	rig_run(r, 3500);
	rig_answer_with(r, "balancers", 0, 0, "0");
	rig_run(r, 500);
	rig_answer(r, "complete", 0);
	rig_run(r, 60000);
	assert_null(rig_call(r, "heartbeat"));
	assert_int_equal(d->phase, DRAIN_DONE);
	rig_free(r);
}

static void a_hook_is_completed_also_when_the_node_object_goes_first(void **state)
{
	const struct drain *d;
	struct rig *r = rig_hooked(&d);
	rig_run(r, 250);
	rig_answer(r, "heartbeat", 0);
	rig_answer(r, "evict", 0);
	rig_pod_gone(r, "a");
	rig_node_gone(r, "n1");
	rig_run(r, 500);
	rig_answer(r, "complete", -EIO);
	rig_run(r, 4000);
	assert_false(drain_phase_ended(d->phase));
	rig_answer(r, "complete", 0);
	while (rig_call(r, "balancers"))
		rig_answer_with(r, "balancers", 0, 0, "0");
	rig_run(r, 500);
	assert_int_equal(d->phase, DRAIN_DONE);
	assert_null(rig_call(r, "complete"));
	rig_free(r);

	r = rig_hooked(&d); // another replica leads: it is its to complete
	rig_run(r, 250);
	r->leads = false;
	rig_answer(r, "heartbeat", 0);
	rig_answer(r, "evict", 0);
	rig_pod_gone(r, "a");
	rig_node_gone(r, "n1");
	rig_run(r, 500);
	assert_int_equal(d->phase, DRAIN_DONE);
	assert_null(rig_call(r, "complete"));
	rig_free(r);
}

static void show(struct rig *r, bool out_of_service)
{
	struct kube_node k = {.capacity = CAPACITY_SPOT,
		.ready = true,
		.unschedulable = r->cordoned,
		.interruption_taint = r->tainted,
		.out_of_service = out_of_service,
		.drain = r->annotation,
		.created_ms = start_ms - 1};
	text_copy(k.name, sizeof(k.name), "n1");
	text_copy(k.uid, sizeof(k.uid), "uid-n1");
	text_copy(k.instance_id, sizeof(k.instance_id), "i-n1");
	text_copy(k.group, sizeof(k.group), "web");
	text_copy(k.zone, sizeof(k.zone), "a");
	r->sink.on_node(r->sink.arg, &k);
}

// Its volumes hang, no replacement is to be had, the instance is said to be gone.
static struct rig *rig_hanging(const struct drain **ret)
{
	struct rig *r = rig_make(true);
	rig_pod(r, "a", 30);
	r->sink.on_volumes(r->sink.arg, "n1", 2);
	*ret = rig_notice(r, NOTICE_SPOT_ITN, 20000);
	rig_flush(r);
	rig_answer(r, "mark", 0);
	rig_flush(r);
	rig_answer(r, "launch", -EACCES);
	rig_flush(r);
	rig_answer(r, "desired", -EACCES);
	rig_answer(r, "evict", 0);
	rig_pod_gone(r, "a");
	rig_run(r, 500);
	while (!rig_call(r, "state") && r->now_ms < start_ms + 60000) {
		if (rig_call(r, "balancers"))
			rig_answer_with(r, "balancers", 0, 0, "0");
		rig_run(r, 250);
	}
	return r;
}

static void a_node_that_lives_keeps_its_mark_until_our_out_of_service_taint_is_off(void **state)
{
	const struct drain *d;
	struct rig *r = rig_hanging(&d);
	rig_answer_with(r, "state", 0, 0, "terminated");
	rig_flush(r);
	const struct rig_call *taint = rig_call(r, "out-of-service");
	assert_non_null(taint);
	snprintf(r->annotation, sizeof(r->annotation), "%s", taint->drain);
	assert_non_null(strstr(r->annotation, "\"out_of_service\":true"));
	rig_answer(r, "out-of-service", 0);
	show(r, true);
	rig_withdraw(r, NOTICE_SPOT_ITN);
	for (int i = 0; i < 3; i++) {
		rig_run(r, 3500);
		assert_int_equal(rig_count(r, "out-of-service"), 1); // to be taken off
		assert_null(rig_call(r, "unmark"));
		rig_answer(r, "out-of-service", -EIO);
	}
	rig_run(r, 3500);
	taint = rig_call(r, "out-of-service");
	assert_null(strstr(taint->drain, "out_of_service"));
	snprintf(r->annotation, sizeof(r->annotation), "%s", taint->drain);
	rig_answer(r, "out-of-service", 0);
	show(r, false);
	rig_run(r, 500);
	rig_answer(r, "unmark", 0);
	rig_run(r, 500);
	assert_int_equal(d->phase, DRAIN_WITHDRAWN);
	rig_free(r);
}

static void an_out_of_service_taint_of_somebody_else_stays_where_it_is(void **state)
{
	const struct drain *d;
	struct rig *r = rig_hanging(&d);
	show(r, true); // an administrator was faster
	rig_answer_with(r, "state", 0, 0, "running");
	rig_withdraw(r, NOTICE_SPOT_ITN);
	rig_run(r, 500);
	assert_null(rig_call(r, "out-of-service"));
	rig_answer(r, "unmark", 0);
	rig_run(r, 5000);
	assert_null(rig_call(r, "out-of-service"));
	assert_int_equal(d->phase, DRAIN_WITHDRAWN);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			an_end_is_not_repeated_while_nobody_knows_whether_the_instance_goes),
		cmocka_unit_test(
			a_hook_hears_a_heartbeat_at_once_and_every_15_s_until_it_is_completed),
		cmocka_unit_test(a_hook_is_completed_also_when_the_node_object_goes_first),
		cmocka_unit_test(
			a_node_that_lives_keeps_its_mark_until_our_out_of_service_taint_is_off),
		cmocka_unit_test(an_out_of_service_taint_of_somebody_else_stays_where_it_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
