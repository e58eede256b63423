// SPDX-License-Identifier: Apache-2.0
// The drains' state machines against a cluster that answers as it is told to: each answer of the
// API server, each road of the news, each thing that fails.
#include "tests/unit/aggregator/act/rig.h"

// --- the calls --------------------------------------------------------------------------------

static void an_interrupted_node_is_marked_before_its_pods_are_evicted(void **state)
{
	struct rig *r = rig_new();
	rig_pod(r, "a", 30);
	rig_pod(r, "b", 300);
	rig_notice(r, NOTICE_SPOT_ITN, 120000);
	rig_flush(r);
	assert_int_equal(r->n_calls, 2); // the mark and the Event of the news
	assert_string_equal(rig_call(r, "mark")->what, "n1");
	assert_null(rig_call(r, "evict"));
	rig_answer(r, "mark", 0);
	rig_flush(r);
	assert_int_equal(rig_call(r, "evict")->grace_s, 120); // the longest first, shortened
	assert_string_equal(rig_call(r, "evict")->what, "b");
	rig_free(r);
}

static void intents_are_on_the_disk_before_the_calls_and_in_one_append(void **state)
{
	struct rig *r = rig_new();
	for (int i = 0; i < 9; i++) {
		char name[16];
		snprintf(name, sizeof(name), "p%d", i);
		rig_pod(r, name, 30);
	}
	rig_notice(r, NOTICE_SPOT_ITN, 120000);
	rig_flush(r);
	unsigned appends = r->appends;
	rig_answer(r, "mark", 0);
	rig_flush(r);
	assert_int_equal(r->appends, appends + 1); // nine intents, one wait for the disk
	assert_int_equal(rig_count(r, "evict"), 9);
	assert_int_equal(r->unannounced, 0);
	rig_free(r);
}

static void an_eviction_that_was_accepted_is_never_asked_for_again(void **state)
{
	struct rig *r = rig_new();
	rig_pod(r, "a", 30);
	rig_notice(r, NOTICE_SPOT_ITN, 120000);
	rig_flush(r);
	rig_answer(r, "mark", 0);
	rig_flush(r);
	rig_answer(r, "evict", 0);
	rig_run(r, 20000); // the watch is slow: no deletionTimestamp yet
	assert_int_equal(rig_count(r, "evict"), 0);
	rig_notice(r, NOTICE_SPOT_ITN, 60000); // another deadline: planned again
	rig_run(r, 5000);
	assert_int_equal(rig_count(r, "evict"), 0);
	assert_int_equal(r->accepted, 1);
	rig_free(r);
}

static void every_answer_to_an_eviction_has_its_reaction(void **state)
{
	static const struct {
		int r;
		int64_t retry_ms;
		enum drain_pod_state want;
		int64_t again_ms; // 0: not asked again
	} cases[] = {{0, 0, DRAIN_POD_TERMINATING, 0}, {-ENOENT, 0, DRAIN_POD_GONE, 0},
		{-ESTALE, 0, DRAIN_POD_GONE, 0}, {-EBUSY, 0, DRAIN_POD_BLOCKED, 1000},
		{-EAGAIN, 10000, DRAIN_POD_WAITING, 10000}, {-EIO, 0, DRAIN_POD_WAITING, 1000},
		{-ETIMEDOUT, 0, DRAIN_POD_WAITING, 1000}, {-EACCES, 0, DRAIN_POD_WAITING, 10000},
		{-ENOTSUP, 0, DRAIN_POD_BLOCKED, 95000}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rig *r = rig_new();
		rig_pod(r, "a", 30);
		const struct drain *d = rig_notice(r, NOTICE_SPOT_ITN, 120000);
		rig_flush(r);
		rig_answer(r, "mark", 0);
		rig_flush(r);
		int64_t asked_ms = r->now_ms;
		rig_answer_after(r, "evict", cases[i].r, cases[i].retry_ms);
		assert_int_equal(d->pods[0].state, cases[i].want);
		if (cases[i].again_ms) {
			while (!rig_call(r, "evict") && !rig_call(r, "delete"))
				rig_run(r, 250);
			assert_in_range(
				r->now_ms - asked_ms, cases[i].again_ms, cases[i].again_ms + 250);
		}
		rig_free(r);
	}
}

static void a_blocked_pod_is_deleted_25_seconds_before_the_end_with_what_is_left(void **state)
{
	struct rig *r = rig_new();
	rig_pod(r, "a", 60);
	rig_budget(r, "app=a", 0);
	const struct drain *d = rig_notice(r, NOTICE_SPOT_ITN, 120000);
	rig_flush(r);
	rig_answer(r, "mark", 0);
	unsigned asked = 0;
	while (!rig_call(r, "delete") && r->now_ms < d->deadline_ms) {
		rig_run(r, 250);
		if (rig_call(r, "evict")) {
			rig_answer(r, "evict", -EBUSY);
			asked++;
		}
	}
	assert_in_range(asked, 60, 100); // each second or so
	assert_in_range(d->deadline_ms - r->now_ms, 24000, 25000);
	assert_in_range(rig_call(r, "delete")->grace_s, 24, 25);
	assert_int_equal(d->n_blocking, 1);
	assert_string_equal(d->blocking[0].name, "pdb");
	rig_answer(r, "delete", 0);
	assert_int_equal(d->pods[0].state, DRAIN_POD_TERMINATING);
	rig_pod_gone(r, "a");
	rig_run(r, 500);
	assert_int_equal(d->n_left, 0);
	rig_free(r);
}

static void a_persons_drain_never_deletes_and_says_at_the_end_what_blocked(void **state)
{
	struct rig *r = rig_new();
	rig_pod(r, "a", 10);
	rig_budget(r, "app=a", 0);
	const struct drain_request ask = {"prod", "n1", r->now_ms + 60000, false};
	const struct drain *d;
	assert_int_equal(drains_request(r->drains, &ask, r->now_ms, &d), 0);
	rig_flush(r);
	rig_answer(r, "mark", 0);
	while (!drain_phase_ended(d->phase) && r->now_ms < start_ms + 600000) {
		rig_run(r, 250);
		assert_null(rig_call(r, "delete"));
		if (rig_call(r, "evict"))
			rig_answer(r, "evict", -EBUSY);
		if (rig_call(r, "close"))
			rig_answer(r, "close", 0);
	}
	assert_int_equal(d->phase, DRAIN_FAILED);
	assert_non_null(strstr(d->text, "pdb"));
	rig_free(r);
}

static void critical_pods_wait_for_the_others(void **state)
{
	struct rig *r = rig_new();
	rig_pod(r, "a", 10);
	rig_pod(r, "dns", 10)->critical = true;
	rig_notice(r, NOTICE_SPOT_ITN, 120000);
	rig_flush(r);
	rig_answer(r, "mark", 0);
	rig_flush(r);
	assert_int_equal(rig_count(r, "evict"), 1);
	rig_answer(r, "evict", 0);
	rig_run(r, 3000);
	assert_null(rig_call(r, "evict"));
	rig_pod_gone(r, "a");
	rig_run(r, 500);
	assert_string_equal(rig_call(r, "evict")->what, "dns");
	rig_free(r);
}

static void a_pod_bound_before_the_taint_is_evicted_too(void **state)
{
	struct rig *r = rig_new();
	rig_pod(r, "a", 10);
	const struct drain *d = rig_notice(r, NOTICE_SPOT_ITN, 120000);
	rig_flush(r);
	rig_answer(r, "mark", 0);
	rig_flush(r);
	rig_answer(r, "evict", 0);
	rig_pod(r, "late", 10);
	rig_run(r, 500);
	assert_string_equal(rig_call(r, "evict")->what, "late");
	assert_int_equal(d->n_pods, 2);
	rig_free(r);
}

static void a_mark_that_may_not_be_set_does_not_stop_an_interruption(void **state)
{
	struct rig *r = rig_new();
	rig_pod(r, "a", 10);
	rig_notice(r, NOTICE_SPOT_ITN, 120000);
	rig_flush(r);
	rig_answer(r, "mark", -EACCES);
	rig_flush(r);
	assert_int_equal(rig_count(r, "evict"), 1);
	rig_free(r);
}

static void a_mark_that_fails_is_tried_again(void **state)
{
	struct rig *r = rig_new();
	rig_pod(r, "a", 10);
	rig_notice(r, NOTICE_SPOT_ITN, 120000);
	for (int i = 0; i < 4; i++) {
		rig_run(r, 500);
		rig_answer(r, "mark", -EIO);
		assert_null(rig_call(r, "evict"));
	}
	rig_run(r, 500);
	rig_answer(r, "mark", 0);
	rig_flush(r);
	assert_int_equal(rig_count(r, "evict"), 1);
	rig_free(r);
}

// --- the news ---------------------------------------------------------------------------------

static void the_same_event_by_three_roads_in_any_order_is_one_drain(void **state)
{
	static const enum notice_kind orders[6][3] = {{0, 1, 4}, {0, 4, 1}, {1, 0, 4}, {1, 4, 0},
		{4, 0, 1}, {4, 1, 0}}; // SPOT_ITN, REBALANCE_RECOMMENDATION, STATE_CHANGE
	for (int i = 0; i < 6; i++) {
		struct rig *r = rig_new();
		const struct drain *d = NULL;
		rig_pod(r, "a", 10);
		for (int k = 0; k < 3; k++) {
			static const int64_t left[] = {120000, 0, 0, 0, 100000};
			d = rig_notice(r, orders[i][k], left[orders[i][k]]);
			rig_run(r, 250);
		}
		struct drains_stats s;
		drains_stats(r->drains, &s);
		assert_int_equal(s.started, 1);
		assert_int_equal(d->kind, DRAIN_SPOT_ITN);
		assert_in_range(d->deadline_ms, start_ms + 100000, start_ms + 101000);
		assert_int_equal(rig_count(r, "mark"), 1);
		rig_free(r);
	}
}

static void the_queue_finds_the_node_by_its_instance(void **state)
{
	struct rig *r = rig_new();
	struct notice n = rig_news(r, NOTICE_SPOT_ITN, 120000);
	const struct drain *d = NULL;
	n.node[0] = 0;
	assert_int_equal(drains_notice(r->drains, &n, r->now_ms, &d), 0);
	assert_string_equal(d->node, "n1");
	snprintf(n.instance_id, sizeof(n.instance_id), "i-unknown");
	notice_make_id(n.instance_id, n.kind, "", n.id);
	assert_int_equal(drains_notice(r->drains, &n, r->now_ms, &d), -ENOENT);
	rig_free(r);
}

static void a_notice_that_comes_before_its_node_waits_for_it(void **state)
{
	struct rig *r = rig_new();
	struct notice n = rig_news(r, NOTICE_SPOT_ITN, 120000);
	snprintf(n.node, sizeof(n.node), "n9");
	assert_int_equal(drains_notice(r->drains, &n, r->now_ms, NULL), -ENOENT);
	rig_run(r, 5000);
	assert_null(rig_call(r, "mark"));
	rig_node(r, "n9");
	rig_run(r, 500);
	assert_string_equal(rig_call(r, "mark")->what, "n9");
	rig_free(r);
}

static void a_slid_deadline_moves_the_drain(void **state)
{
	struct rig *r = rig_new();
	rig_pod(r, "a", 10);
	const struct drain *d = rig_notice(r, NOTICE_SPOT_ITN, 120000);
	rig_run(r, 500);
	assert_ptr_equal(rig_notice(r, NOTICE_SPOT_ITN, 60000), d);
	assert_int_equal(d->deadline_ms, r->now_ms + 60000);
	rig_free(r);
}

static void a_withdrawn_notice_stops_and_undoes_the_drain(void **state)
{
	struct rig *r = rig_new();
	rig_pod(r, "a", 10);
	rig_budget(r, "app=a", 0);
	const struct drain *d = rig_notice(r, NOTICE_SPOT_ITN, 120000);
	rig_flush(r);
	rig_answer(r, "mark", 0);
	rig_flush(r);
	rig_answer(r, "evict", -EBUSY);
	rig_withdraw(r, NOTICE_SPOT_ITN);
	rig_flush(r);
	assert_int_equal(rig_call(r, "unmark")->cordon, KUBE_CORDON_UNSET);
	rig_answer(r, "unmark", 0);
	rig_run(r, 5000);
	assert_null(rig_call(r, "evict"));
	assert_int_equal(d->phase, DRAIN_WITHDRAWN);
	rig_free(r);
}

static void withdrawn_while_the_mark_is_under_way_it_is_taken_off_again(void **state)
{
	struct rig *r = rig_new();
	rig_pod(r, "a", 10);
	const struct drain *d = rig_notice(r, NOTICE_SPOT_ITN, 120000);
	rig_flush(r);
	rig_withdraw(r, NOTICE_SPOT_ITN);
	rig_run(r, 250);
	assert_null(rig_call(r, "unmark"));
	rig_answer(r, "mark", 0);
	rig_run(r, 500);
	assert_non_null(rig_call(r, "unmark"));
	rig_answer(r, "unmark", 0);
	rig_run(r, 500);
	assert_int_equal(d->phase, DRAIN_WITHDRAWN);
	assert_null(rig_call(r, "evict"));
	rig_free(r);
}

static void what_somebody_else_cordoned_stays_cordoned(void **state)
{
	struct rig *r = rig_new();
	r->cordoned = true;
	rig_node(r, "n1");
	rig_notice(r, NOTICE_SPOT_ITN, 120000);
	rig_flush(r);
	assert_int_equal(rig_call(r, "mark")->cordon, KUBE_CORDON_KEEP);
	rig_answer(r, "mark", 0);
	rig_withdraw(r, NOTICE_SPOT_ITN);
	rig_flush(r);
	assert_int_equal(rig_call(r, "unmark")->cordon, KUBE_CORDON_KEEP);
	rig_free(r);
}

// --- who acts, and what of it survives ----------------------------------------------------------

static void a_node_that_outlived_its_deadline_by_ten_minutes_is_given_back(void **state)
{
	for (int restarted = 0; restarted < 2; restarted++) {
		struct rig *r = rig_new();
		rig_pod(r, "a", 10);
		rig_notice(r, NOTICE_SPOT_ITN, 120000);
		rig_flush(r);
		rig_answer(r, "mark", 0);
		rig_flush(r);
		rig_answer(r, "evict", 0);
		rig_pod_gone(r, "a");
		rig_run(r, 500);
		rig_run(r, 700000);
		assert_null(rig_call(r, "unmark"));
		if (restarted) {
			r->now_ms += 25000;
			rig_pod(r, "new", 10); // somebody tolerates the taint
			rig_restart(r);
		}
		rig_run(r, 25000);
		assert_non_null(rig_call(r, "unmark"));
		assert_null(rig_call(r, "evict"));
		rig_answer(r, "unmark", 0);
		rig_run(r, 500);
		assert_false(r->cordoned);
		assert_int_equal(drains_first(r->drains)->phase, DRAIN_WITHDRAWN);
		rig_free(r);
	}
}

static void a_follower_calls_nothing_and_goes_on_at_once_when_it_leads(void **state)
{
	struct rig *r = rig_new();
	rig_pod(r, "a", 10);
	r->leads = false;
	rig_notice(r, NOTICE_SPOT_ITN, 120000);
	rig_run(r, 10000);
	assert_int_equal(r->n_calls, 0);
	assert_int_equal(r->tellings, 0);
	r->leads = true;
	rig_run(r, 250);
	assert_non_null(rig_call(r, "mark"));
	assert_int_equal(r->tellings, 1);
	rig_free(r);
}

static void leadership_lost_between_intent_and_call_means_no_call(void **state)
{
	struct rig *r = rig_new();
	rig_pod(r, "a", 10);
	rig_notice(r, NOTICE_SPOT_ITN, 120000);
	rig_flush(r);
	rig_answer(r, "mark", 0); // evictions are queued
	r->leads = false;
	rig_flush(r);
	assert_null(rig_call(r, "evict"));
	r->leads = true;
	rig_run(r, 1000);
	assert_int_equal(rig_count(r, "evict"), 1);
	rig_free(r);
}

static void a_successor_resumes_from_the_node_with_the_same_deadline(void **state)
{
	struct rig *r = rig_new();
	rig_pod(r, "a", 10);
	rig_pod(r, "b", 10);
	const struct drain *d = rig_notice(r, NOTICE_SPOT_ITN, 120000);
	int64_t deadline_ms = d->deadline_ms;
	char id[33];
	snprintf(id, sizeof(id), "%s", d->id);
	rig_flush(r);
	rig_answer(r, "mark", 0);
	rig_flush(r);
	rig_answer(r, "evict", 0); // of a
	rig_terminating(r, "a");
	rig_restart(r);
	rig_run(r, 4000); // b's eviction may still be on its way for a while
	d = drains_first(r->drains);
	assert_non_null(d);
	assert_string_equal(d->id, id);
	assert_int_equal(d->deadline_ms, deadline_ms);
	assert_null(rig_call(r, "mark"));
	assert_int_equal(rig_count(r, "evict"), 1);
	assert_string_equal(rig_call(r, "evict")->what, "b");
	rig_free(r);
}

static void what_the_journal_knows_is_not_asked_again_though_the_watch_is_behind(void **state)
{
	struct rig *r = rig_new();
	rig_pod(r, "a", 10);
	rig_pod(r, "b", 10);
	rig_notice(r, NOTICE_SPOT_ITN, 120000);
	rig_flush(r);
	rig_answer(r, "mark", 0);
	rig_flush(r);
	rig_answer(r, "evict", 0); // a: accepted, no deletionTimestamp yet; b: no answer yet
	drains_tick(r->drains, r->now_ms += 250); // the outcome reaches the disk
	rig_restart(r);
	rig_run(r, 1000);
	assert_int_equal(rig_count(r, "evict"), 0);
	rig_run(r, 3000); // b has not begun to terminate: its eviction was not accepted
	assert_int_equal(rig_count(r, "evict"), 1);
	assert_string_equal(rig_call(r, "evict")->what, "b");
	rig_free(r);
}

static void a_voluntary_drain_of_a_node_that_was_uncordoned_since_is_not_resumed(void **state)
{
	struct rig *r = rig_new();
	rig_pod(r, "a", 10);
	const struct drain_request ask = {"prod", "n1", 0, false};
	const struct drain *d;
	assert_int_equal(drains_request(r->drains, &ask, r->now_ms, &d), 0);
	rig_flush(r);
	rig_answer(r, "mark", 0);
	r->cordoned = false;
	rig_node(r, "n1");
	rig_restart(r);
	rig_run(r, 1000);
	assert_null(drains_first(r->drains));
	rig_free(r);
}

static void without_an_audit_file_interruptions_go_on_and_nothing_voluntary_does(void **state)
{
	struct rig *r = rig_new();
	rig_pod(r, "a", 10);
	r->audit_r = -ENOSPC;
	const struct drain_request ask = {"prod", "n1", 0, false};
	const struct drain *d;
	assert_int_equal(drains_request(r->drains, &ask, r->now_ms, &d), 0);
	rig_run(r, 3000);
	assert_null(rig_call(r, "mark"));
	r->audit_r = 0;
	rig_run(r, 1000);
	assert_non_null(rig_call(r, "mark"));
	r->audit_r = -ENOSPC;
	rig_notice(r, NOTICE_SPOT_ITN, 120000);
	rig_answer(r, "mark", 0);
	rig_run(r, 500);
	assert_int_equal(rig_count(r, "evict"), 1);
	struct drains_stats s;
	drains_stats(r->drains, &s);
	assert_true(s.unaudited > 0);
	rig_free(r);
}

static void a_request_to_look_only_calls_nothing_and_keeps_nothing(void **state)
{
	struct rig *r = rig_new();
	rig_pod(r, "a", 10);
	const struct drain_request ask = {"prod", "n1", 0, true};
	const struct drain *d;
	assert_int_equal(drains_request(r->drains, &ask, r->now_ms, &d), 0);
	assert_int_equal(d->n_pods, 1);
	assert_true(d->dry_run);
	rig_run(r, 2000);
	assert_int_equal(r->n_calls, 0);
	assert_null(drains_first(r->drains));
	const struct drain_request nobody = {"prod", "n7", 0, true};
	assert_int_equal(drains_request(r->drains, &nobody, r->now_ms, &d), -ENOENT);
	rig_free(r);
}

static void a_node_that_goes_in_the_middle_ends_the_drain(void **state)
{
	struct rig *r = rig_new();
	rig_pod(r, "a", 10);
	const struct drain *d = rig_notice(r, NOTICE_SPOT_ITN, 120000);
	rig_flush(r);
	rig_answer(r, "mark", 0);
	rig_flush(r);
	rig_node_gone(r, "n1");
	rig_run(r, 500);
	rig_answer(r, "evict", -ENOENT);
	rig_answer_all(r, 0);
	rig_run(r, 500);
	assert_true(drain_phase_ended(d->phase));
	rig_free(r);
}

static void drains_are_bounded_and_the_oldest_ended_makes_room(void **state)
{
	struct rig *r = rig_new();
	for (int i = 0; i < RIG_MAX_DRAINS; i++) {
		char node[16];
		snprintf(node, sizeof(node), "m%d", i);
		rig_node(r, node);
		struct notice n = rig_news_of(r, node, NOTICE_SPOT_ITN, 120000);
		assert_int_equal(drains_notice(r->drains, &n, r->now_ms, NULL), 0);
	}
	rig_node(r, "one-more");
	struct notice n = rig_news_of(r, "one-more", NOTICE_SPOT_ITN, 120000);
	assert_int_equal(drains_notice(r->drains, &n, r->now_ms, NULL), -ENOSPC);
	rig_flush(r);
	rig_node_gone(r, "m0");
	rig_answer_all(r, 0);
	rig_run(r, 500);
	rig_answer_all(r, 0);
	rig_run(r, 500);
	assert_int_equal(drains_notice(r->drains, &n, r->now_ms, NULL), 0);
	rig_free(r);
}

static void people_are_told_at_the_moment_of_the_news(void **state)
{
	struct rig *r = rig_new();
	rig_pod(r, "a", 10);
	rig_notice(r, NOTICE_SPOT_ITN, 120000);
	assert_int_equal(r->tellings, 1);
	assert_string_equal(r->told, "SpotInterruption");
	rig_flush(r);
	rig_answer(r, "mark", 0);
	assert_string_equal(r->told, "Cordon");
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_interrupted_node_is_marked_before_its_pods_are_evicted),
		cmocka_unit_test(intents_are_on_the_disk_before_the_calls_and_in_one_append),
		cmocka_unit_test(an_eviction_that_was_accepted_is_never_asked_for_again),
		cmocka_unit_test(every_answer_to_an_eviction_has_its_reaction),
		cmocka_unit_test(
			a_blocked_pod_is_deleted_25_seconds_before_the_end_with_what_is_left),
		cmocka_unit_test(a_persons_drain_never_deletes_and_says_at_the_end_what_blocked),
		cmocka_unit_test(critical_pods_wait_for_the_others),
		cmocka_unit_test(a_pod_bound_before_the_taint_is_evicted_too),
		cmocka_unit_test(a_mark_that_may_not_be_set_does_not_stop_an_interruption),
		cmocka_unit_test(a_mark_that_fails_is_tried_again),
		cmocka_unit_test(the_same_event_by_three_roads_in_any_order_is_one_drain),
		cmocka_unit_test(the_queue_finds_the_node_by_its_instance),
		cmocka_unit_test(a_notice_that_comes_before_its_node_waits_for_it),
		cmocka_unit_test(a_slid_deadline_moves_the_drain),
		cmocka_unit_test(a_withdrawn_notice_stops_and_undoes_the_drain),
		cmocka_unit_test(withdrawn_while_the_mark_is_under_way_it_is_taken_off_again),
		cmocka_unit_test(what_somebody_else_cordoned_stays_cordoned),
		cmocka_unit_test(a_node_that_outlived_its_deadline_by_ten_minutes_is_given_back),
		cmocka_unit_test(a_follower_calls_nothing_and_goes_on_at_once_when_it_leads),
		cmocka_unit_test(leadership_lost_between_intent_and_call_means_no_call),
		cmocka_unit_test(a_successor_resumes_from_the_node_with_the_same_deadline),
		cmocka_unit_test(
			what_the_journal_knows_is_not_asked_again_though_the_watch_is_behind),
		cmocka_unit_test(
			a_voluntary_drain_of_a_node_that_was_uncordoned_since_is_not_resumed),
		cmocka_unit_test(
			without_an_audit_file_interruptions_go_on_and_nothing_voluntary_does),
		cmocka_unit_test(a_request_to_look_only_calls_nothing_and_keeps_nothing),
		cmocka_unit_test(a_node_that_goes_in_the_middle_ends_the_drain),
		cmocka_unit_test(drains_are_bounded_and_the_oldest_ended_makes_room),
		cmocka_unit_test(people_are_told_at_the_moment_of_the_news),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
