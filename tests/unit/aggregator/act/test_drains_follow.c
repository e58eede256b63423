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
	assert_non_null(strstr(leader->annotation, "\"asked\""));
	see_node(leader);
	assert_null(drains_first(leader->drains));
	rig_free(follower);
	rig_free(leader);
}

// What the leader of the same notice does to the node, told to the follower.
static void lead(struct rig *follower, struct rig *leader)
{
	memcpy(follower->annotation, leader->annotation, sizeof(leader->annotation));
	follower->cordoned = leader->cordoned;
	follower->tainted = leader->tainted;
	rig_node(follower, "n1");
	drains_on_node(
		follower->drains, fleet_find_node(follower->fleet, "prod", "n1"), follower->now_ms);
}

static struct rig *new_follower(struct rig *leader)
{
	struct rig *r = rig_new();
	r->leads = false;
	rig_pod(r, "a", 10);
	rig_pod(leader, "a", 10);
	return r;
}

static void what_the_leader_has_taken_off_stays_off_and_is_over_once(void **state)
{
	for (int withdrawn = 0; withdrawn < 2; withdrawn++) {
		struct rig *leader = rig_new(), *r = new_follower(leader);
		const struct drain *d = rig_notice(r, NOTICE_SPOT_ITN, 120000);
		rig_notice(leader, NOTICE_SPOT_ITN, 120000);
		rig_flush(leader);
		rig_answer(leader, "mark", 0);
		lead(r, leader);
		rig_run(r, 1000);
		assert_int_equal(d->phase, DRAIN_EVICTING);
		if (withdrawn)
			rig_withdraw(r, NOTICE_SPOT_ITN);
		leader->annotation[0] = 0;
		leader->cordoned = leader->tainted = false;
		lead(r, leader);
		rig_run(r, 1000);
		assert_int_equal(d->phase, withdrawn ? DRAIN_WITHDRAWN : DRAIN_FAILED);
		size_t lines = r->n_lines;
		r->cordoned = true; // an administrator's
		rig_node(r, "n1");
		rig_run(r, 17 * 60000);
		assert_int_equal(r->n_lines, lines);
		r->leads = true;
		rig_run(r, 5000);
		assert_int_equal(r->n_lines, lines);
		assert_int_equal(r->n_calls, 0);
		rig_free(r);
		rig_free(leader);
	}
}

static void a_follower_gives_no_survivor_back(void **state)
{
	struct rig *r = rig_new();
	rig_pod(r, "a", 10);
	const struct drain *d = rig_notice(r, NOTICE_SPOT_ITN, 120000);
	rig_flush(r);
	rig_answer(r, "mark", 0);
	rig_flush(r);
	rig_answer(r, "evict", 0);
	rig_pod_gone(r, "a");
	rig_run(r, 500);
	assert_int_equal(d->phase, DRAIN_DONE);
	rig_answer_all(r, 0); // what was told
	size_t lines = r->n_lines;
	r->leads = false;
	rig_run(r, 15 * 60000);
	assert_int_equal(r->n_lines, lines);
	assert_int_equal(r->n_calls, 0);
	r->leads = true; // now it is ours
	rig_run(r, 2000);
	assert_int_equal(rig_count(r, "unmark"), 1);
	rig_free(r);
}

static void a_mark_that_is_on_and_off_between_two_ticks_is_seen(void **state)
{
	struct rig *leader = rig_new(), *r = new_follower(leader);
	const struct drain *d = rig_notice(r, NOTICE_SPOT_ITN, 120000);
	rig_notice(leader, NOTICE_SPOT_ITN, 120000);
	rig_flush(leader);
	rig_answer(leader, "mark", 0);
	lead(r, leader);
	leader->annotation[0] = 0;
	leader->cordoned = leader->tainted = false;
	lead(r, leader);
	rig_run(r, 250);
	assert_true(drain_phase_ended(d->phase));
	r->leads = true;
	rig_run(r, 5000);
	assert_int_equal(r->n_calls, 0);
	rig_free(r);
	rig_free(leader);
}

static void a_drain_that_no_leader_marked_ends_with_its_time(void **state)
{
	struct rig *leader = rig_new(), *r = new_follower(leader);
	const struct drain *d = rig_notice(r, NOTICE_SPOT_ITN, 120000);
	rig_run(r, 170000);
	assert_int_equal(d->phase, DRAIN_PLANNED);
	rig_run(r, 30000);
	assert_int_equal(d->phase, DRAIN_FAILED);
	r->leads = true;
	rig_run(r, 1000);
	assert_int_equal(r->n_calls, 0);
	rig_free(r);
	rig_free(leader);
}

static void a_drain_withdrawn_before_the_mark_ends(void **state)
{
	struct rig *leader = rig_new(), *r = new_follower(leader);
	const struct drain *d = rig_notice(r, NOTICE_SPOT_ITN, 120000);
	rig_run(r, 250);
	rig_withdraw(r, NOTICE_SPOT_ITN);
	rig_run(r, 11000);
	assert_int_equal(d->phase, DRAIN_WITHDRAWN);
	rig_free(r);
	rig_free(leader);
}

static void a_person_s_drain_ends_when_what_was_asked_is_taken_off(void **state)
{
	struct rig *r = rig_new();
	const struct drain_request ask = {.cluster = "prod", .node = "n1"};
	const struct drain *d = NULL;
	r->leads = false;
	rig_pod(r, "a", 10);
	assert_int_equal(drains_request(r->drains, &ask, r->now_ms, &d), 0);
	rig_run(r, 250);
	rig_answer(r, "ask", 0);
	see_node(r);
	assert_int_equal(d->phase, DRAIN_PLANNED);
	r->annotation[0] = 0;
	see_node(r);
	assert_int_equal(d->phase, DRAIN_FAILED);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_drain_asked_of_a_follower_reaches_the_leader_by_the_node),
		cmocka_unit_test(what_was_asked_long_ago_is_not_begun),
		cmocka_unit_test(what_the_leader_has_taken_off_stays_off_and_is_over_once),
		cmocka_unit_test(a_follower_gives_no_survivor_back),
		cmocka_unit_test(a_mark_that_is_on_and_off_between_two_ticks_is_seen),
		cmocka_unit_test(a_drain_that_no_leader_marked_ends_with_its_time),
		cmocka_unit_test(a_drain_withdrawn_before_the_mark_ends),
		cmocka_unit_test(a_person_s_drain_ends_when_what_was_asked_is_taken_off),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
