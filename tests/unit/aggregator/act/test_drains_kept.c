// SPDX-License-Identifier: Apache-2.0
// What was taken once: news that has its receipt is kept over a crash, and of one loss there is one
// replacement, one hook and one token.
#include "tests/unit/aggregator/act/rig.h"

static void news_without_a_deadline_is_taken_again_after_a_crash(void **state)
{
	static const enum notice_kind kinds[] = {
		NOTICE_ASG_LIFECYCLE, NOTICE_REBALANCE_RECOMMENDATION, NOTICE_STATE_CHANGE};
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct rig *r = rig_new();
		rig_pod(r, "a", 10);
		rig_notice(r, kinds[i], 0);
		rig_flush(r);
		rig_restart(r); // before the mark was set
		const struct drain *d = drains_first(r->drains);
		assert_non_null(d);
		assert_int_equal(d->kinds, 1u << kinds[i]);
		rig_free(r);
	}
}

static void news_of_the_queue_is_known_by_its_instance(void **state)
{
	struct rig *r = rig_new();
	rig_pod(r, "a", 10);
	struct notice n = rig_news(r, NOTICE_ASG_LIFECYCLE, 0);
	n.node[0] = 0;
	assert_int_equal(drains_notice(r->drains, &n, r->now_ms, NULL), 0);
	rig_flush(r);
	rig_restart(r);
	assert_non_null(drains_first(r->drains));
	rig_free(r);
}

static void two_kinds_of_news_are_both_kept_and_their_action_too(void **state)
{
	struct rig *r = rig_new();
	rig_pod(r, "a", 10);
	struct notice n = rig_news(r, NOTICE_SPOT_ITN, 0);
	n.deadline_ms = n.observed_ms;
	n.action = NOTICE_HIBERNATE;
	assert_int_equal(drains_notice(r->drains, &n, r->now_ms, NULL), 0);
	rig_notice(r, NOTICE_ASG_LIFECYCLE, 0);
	rig_flush(r);
	r->now_ms += 1000;
	size_t lines = r->n_lines, found = 0;
	rig_restart(r);
	rig_run(r, 250);
	const struct drain *d = drains_first(r->drains);
	assert_non_null(d);
	assert_int_equal(d->kinds, 1u << DRAIN_SPOT_ITN | 1u << DRAIN_ASG_LIFECYCLE);
	for (size_t i = lines; i < r->n_lines; i++)
		found += strcmp(r->lines[i][0], "notice") == 0 &&
			 strstr(r->lines[i][1], "\"hibernate\"") != NULL;
	assert_int_equal(found, 1);
	rig_free(r);
}

static void what_is_withdrawn_or_old_is_not_taken_again(void **state)
{
	struct rig *r = rig_new();
	rig_notice(r, NOTICE_ASG_LIFECYCLE, 0);
	rig_withdraw(r, NOTICE_ASG_LIFECYCLE);
	rig_flush(r);
	rig_restart(r);
	assert_null(drains_first(r->drains));
	rig_notice(r, NOTICE_STATE_CHANGE, 0);
	rig_flush(r);
	r->now_ms += 3600000;
	rig_restart(r);
	assert_null(drains_first(r->drains));
	rig_free(r);
}

static void a_drain_that_has_ended_is_not_begun_again_by_the_journal(void **state)
{
	struct rig *r = rig_new();
	rig_notice(r, NOTICE_STATE_CHANGE, 0);
	rig_flush(r);
	rig_answer(r, "mark", 0);
	rig_run(r, 1000);
	rig_answer_all(r, 0);
	rig_node_gone(r, "n1");
	rig_run(r, 1000);
	assert_true(drain_phase_ended(drains_first(r->drains)->phase));
	r->annotation[0] = 0;
	r->cordoned = r->tainted = false;
	rig_node(r, "n1");
	rig_restart(r);
	assert_null(drains_first(r->drains));
	rig_free(r);
}

static void a_loss_whose_drain_has_failed_has_one_replacement(void **state)
{
	struct rig *r = rig_make(true);
	rig_pod(r, "a", 30);
	const struct drain *d = rig_notice(r, NOTICE_SPOT_ITN, 120000);
	rig_flush(r);
	rig_answer(r, "mark", 0);
	rig_flush(r);
	rig_answer_with(r, "launch", 0, 0, "i-new");
	for (int i = 0; i < 300 && !drain_phase_ended(d->phase); i++) {
		rig_run(r, 1000);
		while (rig_call(r, "evict"))
			rig_answer(r, "evict", -EBUSY);
		while (rig_call(r, "delete"))
			rig_answer(r, "delete", -EACCES);
		rig_answer_all(r, 0); // whatever else
	}
	assert_int_equal(d->phase, DRAIN_FAILED);
	const struct drain *again = rig_notice(r, NOTICE_STATE_CHANGE, 0);
	assert_ptr_not_equal(again, d);
	rig_flush(r);
	if (rig_call(r, "mark"))
		rig_answer(r, "mark", 0);
	rig_run(r, 5000);
	assert_int_equal(rig_count(r, "launch"), 0);
	assert_int_equal(rig_count(r, "desired"), 0);
	assert_string_equal(again->replacement.instance, "i-new");
	rig_free(r);
}

static void a_hook_without_a_token_is_known(void **state)
{
	struct rig *r = rig_make(true);
	const struct drain_hook hook = {"asg-told", "drain", ""};
	const struct notice n = rig_news(r, NOTICE_ASG_LIFECYCLE, 0);
	rig_pod(r, "a", 10);
	rig_notice(r, NOTICE_ASG_LIFECYCLE, 0);
	drains_hook(r->drains, &n, &hook);
	rig_flush(r);
	rig_answer(r, "mark", 0);
	rig_run(r, 61000);
	assert_non_null(rig_call(r, "heartbeat"));
	assert_string_equal(rig_call(r, "heartbeat")->what, "asg-told/drain/");
	rig_free(r);
}

static void a_refused_token_is_not_taken_again(void **state)
{
	struct rig *r = rig_make(true);
	const struct drain_hook dead = {"asg-told", "drain", "token-1"},
				other = {"asg-told", "drain", "token-2"};
	const struct notice n = rig_news(r, NOTICE_ASG_LIFECYCLE, 0);
	rig_pod(r, "a", 10);
	rig_notice(r, NOTICE_ASG_LIFECYCLE, 0);
	drains_hook(r->drains, &n, &dead);
	rig_flush(r);
	rig_answer(r, "mark", 0);
	rig_run(r, 20000);
	rig_answer(r, "heartbeat", -ENOENT);
	drains_hook(r->drains, &n, &dead); // delivered once more
	rig_run(r, 20000);
	assert_string_equal(rig_call(r, "heartbeat")->what, "asg-told/drain/");
	rig_answer(r, "heartbeat", 0);
	drains_hook(r->drains, &n, &other);
	drains_hook(r->drains, &n, &dead);
	rig_run(r, 20000);
	assert_string_equal(rig_call(r, "heartbeat")->what, "asg-told/drain/token-2");
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(news_without_a_deadline_is_taken_again_after_a_crash),
		cmocka_unit_test(news_of_the_queue_is_known_by_its_instance),
		cmocka_unit_test(two_kinds_of_news_are_both_kept_and_their_action_too),
		cmocka_unit_test(what_is_withdrawn_or_old_is_not_taken_again),
		cmocka_unit_test(a_drain_that_has_ended_is_not_begun_again_by_the_journal),
		cmocka_unit_test(a_loss_whose_drain_has_failed_has_one_replacement),
		cmocka_unit_test(a_hook_without_a_token_is_known),
		cmocka_unit_test(a_refused_token_is_not_taken_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
