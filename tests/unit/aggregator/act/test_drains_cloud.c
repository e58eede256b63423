// SPDX-License-Identifier: Apache-2.0
// What a drain asks of the cloud: the new node, load balancers, the end of the old instance, its
// lifecycle hook and its volumes.
#include "tests/unit/aggregator/act/rig.h"

static struct rig *rig_marked(const struct drain **ret, enum notice_kind kind, int64_t left_ms)
{
	struct rig *r = rig_make(true);
	rig_pod(r, "a", 30);
	*ret = rig_notice(r, kind, left_ms);
	rig_flush(r);
	rig_answer(r, "mark", 0);
	rig_flush(r);
	return r;
}

static void drained(struct rig *r)
{
	rig_answer(r, "evict", 0);
	rig_pod_gone(r, "a");
	rig_run(r, 500);
}

static void arrives(struct rig *r, const char *node)
{
	r->cordoned = r->tainted = false;
	rig_node(r, node);
	rig_run(r, 500);
}

static void the_replacement_is_asked_for_before_the_first_eviction(void **state)
{
	struct rig *r = rig_make(true);
	rig_pod(r, "a", 30);
	const struct drain *d = rig_notice(r, NOTICE_SPOT_ITN, 120000);
	rig_flush(r);
	assert_string_equal(rig_call(r, "launch")->what, "b"); // the node is in a
	assert_null(rig_call(r, "evict"));
	assert_int_equal(d->replacement.state, DRAIN_REPLACEMENT_ASKED);
	rig_free(r);
}

static void without_capacity_the_next_zone_is_asked_and_then_the_desired_size(void **state)
{
	const struct drain *d;
	struct rig *r = rig_marked(&d, NOTICE_SPOT_ITN, 120000);
	static const char *const zones[] = {"b", "c", "a"};
	for (int i = 0; i < 3; i++) {
		assert_int_equal(rig_count(r, "launch"), 1);
		assert_string_equal(rig_call(r, "launch")->what, zones[i]);
		rig_answer(r, "launch", -ENOSPC);
		rig_flush(r);
	}
	assert_null(rig_call(r, "launch"));
	assert_int_equal(rig_call(r, "desired")->grace_s, 4);
	rig_answer(r, "desired", 0);
	assert_int_equal(d->replacement.state, DRAIN_REPLACEMENT_LAUNCHED);
	rig_run(r, 60000);
	arrives(r, "n2"); // a node of the group that is younger than the request
	assert_int_equal(d->replacement.state, DRAIN_REPLACEMENT_READY);
	assert_string_equal(d->replacement.node, "n2");
	rig_free(r);
}

static void a_zone_that_has_just_failed_is_asked_last_by_the_next_drain(void **state)
{
	const struct drain *d;
	struct rig *r = rig_marked(&d, NOTICE_SPOT_ITN, 120000);
	rig_answer(r, "launch", -ENOSPC); // b
	rig_flush(r);
	rig_answer_with(r, "launch", 0, 0, "i-new");
	r->cordoned = r->tainted = false;
	rig_node(r, "m1");
	struct notice n = rig_news_of(r, "m1", NOTICE_SPOT_ITN, 120000);
	assert_int_equal(drains_notice(r->drains, &n, r->now_ms, NULL), 0);
	rig_flush(r);
	assert_string_equal(rig_call(r, "launch")->what, "c");
	rig_free(r);
}

static void where_launching_by_name_is_not_allowed_the_desired_size_grows_once_per_drain(
	void **state)
{
	const struct drain *d;
	struct rig *r = rig_marked(&d, NOTICE_SPOT_ITN, 120000);
	rig_answer(r, "launch", -EACCES);
	rig_flush(r);
	assert_null(rig_call(r, "launch")); // the other zones would refuse too
	assert_int_equal(rig_call(r, "desired")->grace_s, 4);
	r->cordoned = r->tainted = false;
	rig_node(r, "m1");
	struct notice n = rig_news_of(r, "m1", NOTICE_SPOT_ITN, 120000);
	assert_int_equal(drains_notice(r->drains, &n, r->now_ms, NULL), 0);
	rig_flush(r);
	rig_answer(r, "launch", -ENOTSUP);
	rig_flush(r);
	assert_int_equal(rig_count(r, "desired"), 2);
	rig_answer(r, "desired", 0);
	assert_int_equal(rig_call(r, "desired")->grace_s, 5);
	rig_free(r);
}

static void nothing_to_be_had_anywhere_is_said_and_the_drain_goes_on(void **state)
{
	const struct drain *d;
	struct rig *r = rig_marked(&d, NOTICE_SPOT_ITN, 120000);
	for (int i = 0; i < 3; i++) {
		rig_answer(r, "launch", -ENOSPC);
		rig_flush(r);
	}
	rig_answer(r, "desired", -EACCES);
	rig_run(r, 500);
	assert_int_equal(d->replacement.state, DRAIN_REPLACEMENT_FAILED);
	assert_string_equal(r->told, "ReplacementFailed");
	drained(r);
	assert_int_equal(d->n_left, 0);
	rig_answer_with(r, "balancers", 0, 0, "0");
	rig_run(r, 500);
	assert_null(rig_call(r, "terminate")); // the group keeps its size
	assert_int_equal(d->phase, DRAIN_DONE);
	rig_free(r);
}

static void a_recommendation_evicts_only_when_the_replacement_is_ready(void **state)
{
	const struct drain *d;
	struct rig *r = rig_marked(&d, NOTICE_REBALANCE_RECOMMENDATION, 0);
	rig_answer_with(r, "launch", 0, 0, "i-n2");
	rig_run(r, 60000);
	assert_null(rig_call(r, "evict"));
	assert_int_equal(d->phase, DRAIN_REPLACING);
	arrives(r, "n2");
	assert_int_equal(rig_count(r, "evict"), 1);
	rig_free(r);
}

static void patience_with_a_replacement_ends(void **state)
{
	const struct drain *d;
	struct rig *r = rig_marked(&d, NOTICE_REBALANCE_RECOMMENDATION, 0);
	rig_answer_with(r, "launch", 0, 0, "i-n2");
	rig_run(r, 299000);
	assert_null(rig_call(r, "evict"));
	rig_run(r, 1500);
	assert_int_equal(rig_count(r, "evict"), 1);
	rig_free(r);
}

static void a_recommended_node_without_a_replacement_is_given_back(void **state)
{
	const struct drain *d;
	struct rig *r = rig_marked(&d, NOTICE_REBALANCE_RECOMMENDATION, 0);
	for (int i = 0; i < 3; i++) {
		rig_answer(r, "launch", -ENOSPC);
		rig_flush(r);
	}
	rig_answer(r, "desired", -EACCES);
	rig_run(r, 295000);
	assert_null(rig_call(r, "evict"));
	assert_null(rig_call(r, "unmark"));
	rig_run(r, 10000);
	assert_int_equal(rig_call(r, "unmark")->cordon, KUBE_CORDON_UNSET);
	rig_answer(r, "unmark", 0);
	rig_run(r, 500);
	assert_int_equal(d->phase, DRAIN_DONE);
	assert_false(r->cordoned);
	assert_null(rig_call(r, "evict"));
	rig_free(r);
}

static void an_interruption_of_a_recommended_node_is_the_same_drain_in_haste(void **state)
{
	const struct drain *d;
	struct rig *r = rig_marked(&d, NOTICE_REBALANCE_RECOMMENDATION, 0);
	rig_answer_with(r, "launch", 0, 0, "i-n2");
	rig_run(r, 5000);
	assert_null(rig_call(r, "evict"));
	assert_ptr_equal(rig_notice(r, NOTICE_SPOT_ITN, 120000), d);
	rig_flush(r);
	assert_int_equal(rig_count(r, "evict"), 1);
	assert_null(rig_call(r, "launch")); // not a second one
	rig_free(r);
}

static void load_balancers_are_waited_for_and_then_the_instance_is_ended_once(void **state)
{
	const struct drain *d;
	struct rig *r = rig_marked(&d, NOTICE_SPOT_ITN, 120000);
	rig_answer_with(r, "launch", 0, 0, "i-n2");
	drained(r);
	assert_int_equal(d->phase, DRAIN_WAITING);
	rig_answer_with(r, "balancers", 0, 0, "2");
	rig_run(r, 2000);
	assert_null(rig_call(r, "terminate"));
	rig_run(r, 1500);
	rig_answer_with(r, "balancers", 0, 0, "0");
	rig_run(r, 500);
	assert_int_equal(rig_count(r, "terminate"), 1);
	rig_answer(r, "terminate", 0);
	rig_run(r, 500);
	assert_int_equal(d->phase, DRAIN_DONE);
	assert_int_equal(r->unannounced, 0);
	rig_free(r);
}

static void an_end_whose_answer_was_lost_is_looked_at_before_it_is_repeated(void **state)
{
	const struct drain *d;
	struct rig *r = rig_marked(&d, NOTICE_SPOT_ITN, 120000);
	rig_answer_with(r, "launch", 0, 0, "i-n2");
	drained(r);
	rig_answer_with(r, "balancers", 0, 0, "0");
	rig_run(r, 500);
	rig_answer(r, "terminate", -ETIMEDOUT);
	rig_run(r, 500);
	assert_null(rig_call(r, "terminate"));
	rig_answer_with(r, "state", 0, 0, "running");
	rig_run(r, 6000);
	assert_int_equal(rig_count(r, "terminate"), 1);
	rig_answer(r, "terminate", -ETIMEDOUT);
	rig_run(r, 500);
	rig_answer_with(r, "state", 0, 0, "shutting-down");
	rig_run(r, 10000);
	assert_null(rig_call(r, "terminate"));
	assert_int_equal(d->phase, DRAIN_DONE);
	rig_free(r);
}

static void a_lifecycle_hook_hears_heartbeats_and_is_completed_until_accepted(void **state)
{
	struct rig *r = rig_make(true);
	fleet_find_group(r->fleet, "prod", "web")->terminate_hook[0] = 'h';
	rig_pod(r, "a", 30);
	const struct drain *d = rig_notice(r, NOTICE_ASG_LIFECYCLE, 600000);
	rig_flush(r);
	assert_null(rig_call(r, "launch")); // its group replaces it
	rig_answer(r, "mark", 0);
	rig_flush(r);
	rig_answer(r, "evict", 0);
	rig_run(r, 61000);
	assert_int_equal(rig_count(r, "heartbeat"), 1);
	rig_answer(r, "heartbeat", 0);
	assert_null(rig_call(r, "complete"));
	rig_pod_gone(r, "a");
	rig_run(r, 500);
	rig_answer_with(r, "balancers", 0, 0, "0");
	rig_run(r, 500);
	rig_answer(r, "complete", -EIO);
	rig_run(r, 4000);
	rig_answer(r, "complete", 0);
	rig_run(r, 500);
	assert_int_equal(d->phase, DRAIN_DONE);
	assert_null(rig_call(r, "terminate"));
	rig_free(r);
}

// The message of a hook names the action; where its token does not hold, the instance does.
static void the_action_of_the_message_is_completed_by_its_token(void **state)
{
	struct rig *r = rig_make(true);
	const struct drain_hook hook = {"asg-told", "drain", "token-1"};
	rig_pod(r, "a", 30);
	rig_notice(r, NOTICE_ASG_LIFECYCLE, 600000);
	const struct notice n = rig_news(r, NOTICE_ASG_LIFECYCLE, 600000);
	drains_hook(r->drains, &n, &hook); // its group is not known to have one
	rig_run(r, 250);
	rig_answer(r, "mark", 0);
	rig_flush(r);
	rig_answer(r, "evict", 0);
	rig_run(r, 61000);
	assert_string_equal(rig_call(r, "heartbeat")->what, "asg-told/drain/token-1");
	rig_answer(r, "heartbeat", 0);
	rig_pod_gone(r, "a");
	rig_run(r, 500);
	rig_answer_with(r, "balancers", 0, 0, "0");
	rig_run(r, 500);
	assert_string_equal(rig_call(r, "complete")->what, "asg-told/drain/token-1");
	rig_answer(r, "complete", -ENOENT);
	rig_run(r, 500);
	assert_string_equal(rig_call(r, "complete")->what, "asg-told/drain/");
	rig_answer(r, "complete", 0);
	rig_run(r, 500);
	assert_int_equal(drains_first(r->drains)->phase, DRAIN_DONE);
	rig_free(r);
}

// Ten minutes of a clock of its own in which AWS refuses everything.
static unsigned throttled(struct rig *r, const char *kind, int64_t until_ms)
{
	unsigned n = 0;
	for (; r->now_ms < until_ms; rig_run(r, 250))
		for (; rig_call(r, kind); n++)
			rig_answer(r, kind, -EBUSY);
	return n;
}

static void ten_minutes_of_throttling_cost_neither_the_hook_nor_the_replacement(void **state)
{
	struct rig *r = rig_make(true);
	fleet_find_group(r->fleet, "prod", "web")->terminate_hook[0] = 'h';
	rig_pod(r, "a", 30);
	const struct drain *d = rig_notice(r, NOTICE_ASG_LIFECYCLE, 0);
	rig_flush(r);
	rig_answer(r, "mark", 0);
	rig_flush(r);
	drained(r);
	rig_answer_with(r, "balancers", 0, 0, "0");
	rig_run(r, 250);
	unsigned n = throttled(r, "complete", start_ms + 600000);
	assert_in_range(n, 10, 25); // ever more rarely, half a minute apart in the end
	while (!rig_call(r, "complete") && r->now_ms < start_ms + 660000)
		rig_run(r, 250);
	rig_answer(r, "complete", 0);
	rig_answer(r, "heartbeat", 0);
	rig_run(r, 500);
	assert_int_equal(d->phase, DRAIN_DONE);
	rig_free(r);

	r = rig_make(true);
	rig_pod(r, "a", 30);
	d = rig_notice(r, NOTICE_SPOT_ITN, 900000);
	rig_flush(r);
	rig_answer(r, "mark", 0);
	rig_flush(r);
	assert_int_equal(rig_count(r, "evict"), 1); // the pods do not wait for it
	n = throttled(r, "launch", start_ms + 600000);
	assert_in_range(n, 10, 25);
	while (!rig_call(r, "launch") && r->now_ms < start_ms + 660000)
		rig_run(r, 250);
	assert_int_equal(rig_count(r, "launch"), 1);
	rig_answer_with(r, "launch", 0, 0, "i-n2");
	rig_run(r, 5000);
	assert_null(rig_call(r, "launch"));
	assert_int_equal(d->replacement.state, DRAIN_REPLACEMENT_LAUNCHED);
	rig_free(r);
}

static void volumes_are_freed_only_when_the_instance_is_known_to_be_gone(void **state)
{
	struct rig *r = rig_make(true);
	rig_pod(r, "a", 30);
	r->sink.on_volumes(r->sink.arg, "n1", 2);
	rig_notice(r, NOTICE_SPOT_ITN, 120000);
	rig_flush(r);
	rig_answer(r, "mark", 0);
	rig_flush(r);
	rig_answer_with(r, "launch", 0, 0, "i-n2");
	drained(r);
	rig_answer_with(r, "balancers", 0, 0, "0");
	rig_run(r, 500);
	assert_null(rig_call(r, "terminate")); // the volumes are still being detached
	while (!rig_call(r, "state") && r->now_ms < start_ms + 200000)
		rig_run(r, 250);
	assert_in_range(r->now_ms, start_ms + 120000, start_ms + 121000);
	rig_answer(r, "terminate", 0); // it could wait no longer
	rig_answer_with(r, "state", 0, 0, "shutting-down");
	rig_run(r, 9000);
	size_t open = r->n_calls;
	rig_run(r, 1500);
	rig_answer_with(r, "state", 0, 0, "terminated");
	rig_flush(r);
	assert_int_equal(r->n_calls, open + 1); // one patch more: the taint
	assert_string_equal(r->calls[r->n_calls - 1].taint, "node.kubernetes.io/out-of-service");
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_replacement_is_asked_for_before_the_first_eviction),
		cmocka_unit_test(without_capacity_the_next_zone_is_asked_and_then_the_desired_size),
		cmocka_unit_test(a_zone_that_has_just_failed_is_asked_last_by_the_next_drain),
		cmocka_unit_test(
			where_launching_by_name_is_not_allowed_the_desired_size_grows_once_per_drain),
		cmocka_unit_test(nothing_to_be_had_anywhere_is_said_and_the_drain_goes_on),
		cmocka_unit_test(a_recommendation_evicts_only_when_the_replacement_is_ready),
		cmocka_unit_test(patience_with_a_replacement_ends),
		cmocka_unit_test(a_recommended_node_without_a_replacement_is_given_back),
		cmocka_unit_test(an_interruption_of_a_recommended_node_is_the_same_drain_in_haste),
		cmocka_unit_test(load_balancers_are_waited_for_and_then_the_instance_is_ended_once),
		cmocka_unit_test(an_end_whose_answer_was_lost_is_looked_at_before_it_is_repeated),
		cmocka_unit_test(a_lifecycle_hook_hears_heartbeats_and_is_completed_until_accepted),
		cmocka_unit_test(the_action_of_the_message_is_completed_by_its_token),
		cmocka_unit_test(
			ten_minutes_of_throttling_cost_neither_the_hook_nor_the_replacement),
		cmocka_unit_test(volumes_are_freed_only_when_the_instance_is_known_to_be_gone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
