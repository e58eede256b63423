// SPDX-License-Identifier: Apache-2.0
// What a replica that does not lead makes of a drain: it shows it, and passes on what it was asked.
#include "tests/unit/aggregator/act/rig.h"

static void see_node(struct rig *r)
{
	rig_node(r, "n1");
	drains_on_node(r->drains, fleet_find_node(r->fleet, "prod", "n1"), r->now_ms);
	rig_run(r, 250);
}

static void a_drain_asked_of_a_follower_reaches_the_leader_by_the_node(void **state)
{
	struct rig *follower = rig_new(), *leader = rig_new();
	const struct drain_request ask = {.cluster = "prod", .node = "n1"};
	const struct drain *asked = NULL;
	rig_pod(follower, "a", 10);
	rig_pod(leader, "a", 10);
	follower->leads = false;
	assert_int_equal(drains_request(follower->drains, &ask, follower->now_ms, &asked), 0);
	rig_run(follower, 250);
	rig_answer(follower, "ask", -EIO); // somebody has changed the node: once more
	rig_run(follower, 2000);
	rig_answer(follower, "ask", 0);
	rig_run(follower, 15000);
	assert_int_equal(follower->n_calls, 0);
	assert_int_equal(follower->unannounced, 0);
	assert_int_equal(asked->phase, DRAIN_PLANNED);

	memcpy(leader->annotation, follower->annotation, sizeof(leader->annotation));
	see_node(leader);
	const struct drain *done = drains_first(leader->drains);
	assert_non_null(done);
	assert_string_equal(done->id, asked->id);
	assert_int_equal(done->kind, DRAIN_OPERATOR);
	assert_int_equal(done->deadline_ms, asked->deadline_ms);
	assert_int_equal(leader->tellings, 1);
	rig_answer(leader, "mark", 0);
	assert_non_null(strstr(leader->annotation, "evicting"));

	memcpy(follower->annotation, leader->annotation, sizeof(leader->annotation));
	follower->cordoned = true;
	see_node(follower);
	assert_int_equal(asked->phase, DRAIN_EVICTING);
	rig_pod_gone(follower, "a");
	rig_run(follower, 250);
	assert_int_equal(asked->phase, DRAIN_FINISHING);
	follower->annotation[0] = 0; // the leader has closed it
	see_node(follower);
	assert_int_equal(asked->phase, DRAIN_DONE);
	assert_int_equal(follower->n_calls, 0);
	assert_int_equal(follower->tellings, 0);
	rig_free(follower);
	rig_free(leader);
}

static void what_was_asked_long_ago_is_not_begun(void **state)
{
	struct rig *follower = rig_new(), *leader = rig_new();
	const struct drain_request ask = {.cluster = "prod", .node = "n1"};
	const struct drain *asked = NULL;
	follower->leads = false;
	assert_int_equal(drains_request(follower->drains, &ask, follower->now_ms, &asked), 0);
	rig_run(follower, 250);
	rig_answer(follower, "ask", 0);
	memcpy(leader->annotation, follower->annotation, sizeof(leader->annotation));
	leader->now_ms = asked->deadline_ms;
	see_node(leader);
	assert_null(drains_first(leader->drains));
	rig_free(follower);
	rig_free(leader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_drain_asked_of_a_follower_reaches_the_leader_by_the_node),
		cmocka_unit_test(what_was_asked_long_ago_is_not_begun),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
