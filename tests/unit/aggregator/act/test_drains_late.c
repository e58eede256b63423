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

// A leader that begins after T-25 s may be killed before a second question: the refusal is enough.
static void a_refusal_in_the_last_seconds_is_followed_by_the_deletion_at_once(void **state)
{
	struct rig *r = rig_make(false);
	rig_pod(r, "a", 30);
	rig_budget(r, "app=a", 0);
	rig_notice(r, NOTICE_SPOT_ITN, 15000);
	rig_flush(r);
	rig_answer(r, "mark", 0);
	rig_flush(r);
	rig_answer(r, "evict", -EBUSY);
	rig_run(r, 250);
	assert_non_null(rig_call(r, "delete"));
	assert_in_range(rig_call(r, "delete")->grace_s, 13, 15);
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

static void lose_everything_but_the_journal_and_the_nodes(struct rig *r)
{
	drains_free(r->drains);
	rig_drains(r);
}

static size_t lines_of(const struct rig *r, const char *kind)
{
	size_t n = 0;
	for (size_t i = 0; i < r->n_lines; i++)
		n += strcmp(r->lines[i][0], kind) == 0;
	return n;
}

static void a_notice_for_an_unknown_node_outlives_a_death_by_the_journal(void **state)
{
	struct rig *r = rig_make(false);
	const struct notice n = rig_news_of(r, "n9", NOTICE_SPOT_ITN, 120000);
	assert_int_equal(drains_notice(r->drains, &n, r->now_ms, NULL), -ENOENT);
	assert_int_equal(drains_notice(r->drains, &n, r->now_ms, NULL), -ENOENT);
	rig_flush(r);
	assert_int_equal(lines_of(r, "notice"), 1);
	rig_node(r, "n9");
	rig_restart(r);
	rig_run(r, 500);
	assert_string_equal(rig_call(r, "mark")->what, "n9");
	rig_free(r);
}

static void what_is_withdrawn_before_its_node_is_known_is_forgotten(void **state)
{
	struct rig *r = rig_make(false);
	struct notice n = rig_news_of(r, "n9", NOTICE_SPOT_ITN, 120000);
	assert_int_equal(drains_notice(r->drains, &n, r->now_ms, NULL), -ENOENT);
	n.withdrawn = true;
	assert_int_equal(drains_notice(r->drains, &n, r->now_ms, NULL), 0);
	rig_flush(r);
	rig_node(r, "n9");
	rig_run(r, 1500);
	rig_restart(r);
	rig_run(r, 1500);
	assert_null(drains_first(r->drains));
	rig_free(r);
}

static void before_the_first_list_the_queue_is_asked_again_and_nothing_grows_old(void **state)
{
	struct rig *r = rig_make(false);
	lose_everything_but_the_journal_and_the_nodes(r);
	struct notice n = rig_news_of(r, "n9", NOTICE_SPOT_ITN, 400000);
	n.node[0] = 0;
	text_copy(n.source, sizeof(n.source), "queue");
	assert_int_equal(drains_notice(r->drains, &n, r->now_ms, NULL), -EAGAIN);
	rig_run(r, 200000);
	rig_node(r, "n9"); // of the list that is on its way
	drains_synced(r->drains, "prod", r->now_ms);
	rig_run(r, 1500);
	assert_string_equal(rig_call(r, "mark")->what, "n9");
	n = rig_news_of(r, "n7", NOTICE_SPOT_ITN, 120000);
	text_copy(n.source, sizeof(n.source), "queue");
	assert_int_equal(drains_notice(r->drains, &n, r->now_ms, NULL), -ENOENT);
	rig_free(r);
}

static uint64_t refused(const struct rig *r)
{
	struct drains_stats s;
	drains_stats(r->drains, &s);
	return s.refused;
}

static void what_never_finds_its_node_is_counted_when_it_is_given_up(void **state)
{
	struct rig *r = rig_make(false);
	const struct notice n = rig_news_of(r, "n9", NOTICE_SPOT_ITN, 120000);
	assert_int_equal(drains_notice(r->drains, &n, r->now_ms, NULL), -ENOENT);
	rig_run(r, 119000);
	assert_int_equal(refused(r), 0);
	rig_run(r, 3000);
	assert_int_equal(refused(r), 1);
	rig_node(r, "n9");
	rig_run(r, 1500);
	assert_null(rig_call(r, "mark"));
	rig_free(r);
}

static void a_notice_for_whose_drain_there_is_no_room_is_kept_until_there_is(void **state)
{
	struct rig *r = rig_make(false);
	struct notice n = rig_news_of(r, "late", NOTICE_SPOT_ITN, 120000);
	assert_int_equal(drains_notice(r->drains, &n, r->now_ms, NULL), -ENOENT);
	for (int i = 0; i < RIG_MAX_DRAINS; i++) {
		char node[16];
		snprintf(node, sizeof(node), "m%d", i);
		rig_node(r, node);
		n = rig_news_of(r, node, NOTICE_SPOT_ITN, 120000);
		assert_int_equal(drains_notice(r->drains, &n, r->now_ms, NULL), 0);
	}
	rig_node(r, "late");
	rig_run(r, 2000);
	assert_null(drains_of_node(r->drains, "prod", "late"));
	rig_node_gone(r, "m0");
	rig_answer_all(r, 0);
	rig_run(r, 500);
	rig_answer_all(r, 0);
	rig_run(r, 2000);
	assert_non_null(drains_of_node(r->drains, "prod", "late"));
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_deadline_that_is_long_past_still_asks_the_pods_to_go),
		cmocka_unit_test(a_refusal_in_the_last_seconds_is_followed_by_the_deletion_at_once),
		cmocka_unit_test(the_state_change_after_the_drain_is_no_second_drain),
		cmocka_unit_test(a_notice_for_an_unknown_node_outlives_a_death_by_the_journal),
		cmocka_unit_test(what_is_withdrawn_before_its_node_is_known_is_forgotten),
		cmocka_unit_test(
			before_the_first_list_the_queue_is_asked_again_and_nothing_grows_old),
		cmocka_unit_test(what_never_finds_its_node_is_counted_when_it_is_given_up),
		cmocka_unit_test(a_notice_for_whose_drain_there_is_no_room_is_kept_until_there_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
