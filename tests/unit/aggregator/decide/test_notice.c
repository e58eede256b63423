// SPDX-License-Identifier: Apache-2.0
// One test per rule of decide_notice().
#include "tests/unit/aggregator/decide/scene.h"

// --- order and pace ---------------------------------------------------------------------------

static void the_node_is_marked_before_anything_else(void **state)
{
	struct scene *s = a_scene();
	add(s, 30);
	decide_it(s);
	assert_int_equal(s->plan.steps[0].kind, DRAIN_STEP_MARK);
	assert_int_equal(s->plan.steps[0].at_ms, now);
	assert_true(has(&s->plan.steps[0], DRAIN_REASON_INTERRUPTED));
	assert_int_equal(s->plan.steps[1].kind, DRAIN_STEP_LAUNCH); // before the first eviction
	drop(s);
}

static void longest_goes_first_volumes_before_all_and_critical_last(void **state)
{
	struct scene *s = a_scene();
	add(s, 10);
	add(s, 60);
	add(s, 30)->volumes = true;
	add(s, 100)->critical = true;
	decide_it(s);
	assert_string_equal(evicted(s, 0), "pod-02");
	assert_string_equal(evicted(s, 1), "pod-01");
	assert_string_equal(evicted(s, 2), "pod-00");
	assert_string_equal(evicted(s, 3), "pod-03");
	const struct drain_step *last = step(s, DRAIN_STEP_EVICT, 3);
	assert_int_equal(last->wait, DRAIN_WAIT_OTHERS);
	assert_int_equal(last->at_ms, now + 120000 - 5000 - 100000); // keeps its grace
	assert_true(has(last, DRAIN_REASON_CRITICAL_LAST));
	assert_true(has(step(s, DRAIN_STEP_EVICT, 0), DRAIN_REASON_VOLUMES_EARLY));
	drop(s);
}

static void among_equals_the_less_important_goes_first(void **state)
{
	struct scene *s = a_scene();
	add(s, 30)->priority = 1000;
	add(s, 30)->priority = 0;
	decide_it(s);
	assert_string_equal(evicted(s, 0), "pod-01");
	drop(s);
}

static void a_grace_is_shortened_to_what_is_left_and_never_zero(void **state)
{
	static const struct {
		uint32_t own_s;
		int64_t left_ms;
		uint32_t want_s;
	} cases[] = {{30, 120000, 30}, {300, 120000, 120}, {0, 120000, 1}, {30, 500, 1},
		{30, 0, 10}, {30, -60000, 10}, {120, 120000, 120}, {121, 120000, 120}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scene *s = a_scene();
		s->n.deadline_ms = now + cases[i].left_ms;
		add(s, cases[i].own_s);
		decide_it(s);
		const struct drain_step *e = step(s, DRAIN_STEP_EVICT, 0);
		assert_int_equal(e->grace_s, cases[i].want_s);
		assert_int_equal(
			has(e, DRAIN_REASON_GRACE_SHORTENED), cases[i].want_s < cases[i].own_s);
		drop(s);
	}
}

static void daemonset_mirror_and_finished_pods_are_left_with_the_reason(void **state)
{
	struct scene *s = a_scene();
	add(s, 30)->daemonset = true;
	add(s, 30)->mirror = true;
	add(s, 30)->finished = true;
	add(s, 30)->deleting_ms = now - 1000;
	decide_it(s);
	static const enum drain_reason want[] = {DRAIN_REASON_DAEMONSET, DRAIN_REASON_MIRROR,
		DRAIN_REASON_FINISHED, DRAIN_REASON_TERMINATING};
	assert_int_equal(count(s, DRAIN_STEP_EVICT), 0);
	assert_int_equal(s->plan.n_left, 4);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(s->plan.left[i].reason, want[i]);
	drop(s);
}

static void daemonsets_go_last_when_asked_for(void **state)
{
	struct scene *s = a_scene();
	s->policy.evict_daemonsets = true;
	add(s, 30)->daemonset = true;
	add(s, 10)->critical = true;
	add(s, 5);
	decide_it(s);
	assert_string_equal(evicted(s, 0), "pod-02");
	assert_string_equal(evicted(s, 1), "pod-01");
	assert_string_equal(evicted(s, 2), "pod-00");
	assert_true(has(step(s, DRAIN_STEP_EVICT, 2), DRAIN_REASON_DAEMONSET_LAST));
	drop(s);
}

static void the_only_replica_waits_for_the_new_node_where_its_grace_leaves_time(void **state)
{
	struct scene *s = a_scene();
	add(s, 30)->lone = true;
	add(s, 100)->lone = true;
	add(s, 30);
	decide_it(s);
	const struct drain_step *quick = step(s, DRAIN_STEP_EVICT, 1),
				*slow = step(s, DRAIN_STEP_EVICT, 0);
	assert_string_equal(s->pods[slow->pod].name, "pod-01");
	assert_int_equal(slow->wait, DRAIN_WAIT_TIME);
	assert_true(has(slow, DRAIN_REASON_ONE_REPLICA_NO_TIME));
	assert_int_equal(s->pods[quick->pod].lone, true);
	assert_int_equal(quick->wait, DRAIN_WAIT_REPLACEMENT);
	assert_int_equal(quick->at_ms, now + 120000 - 5000 - 30000);
	assert_int_equal(step(s, DRAIN_STEP_EVICT, 2)->wait, DRAIN_WAIT_TIME);
	drop(s);
}

static void without_a_replacement_the_only_replica_waits_for_nothing(void **state)
{
	struct scene *s = a_scene();
	s->v.scaling_group = "";
	add(s, 30)->lone = true;
	decide_it(s);
	assert_int_equal(step(s, DRAIN_STEP_EVICT, 0)->wait, DRAIN_WAIT_TIME);
	assert_true(plan_has(s, DRAIN_REASON_NO_SCALING_GROUP));
	drop(s);
}

// --- budgets ----------------------------------------------------------------------------------

static void a_budget_that_allows_none_is_named_and_its_pod_deleted_before_the_end(void **state)
{
	struct scene *s = a_scene();
	guard_by(add(s, 30), add_budget(s, "web-pdb", 0));
	decide_it(s);
	const struct drain_step *e = step(s, DRAIN_STEP_EVICT, 0),
				*d = step(s, DRAIN_STEP_DELETE, 0);
	assert_int_equal(e->at_ms, now); // asked at once, and again
	assert_true(has(e, DRAIN_REASON_BUDGET_BLOCKS));
	assert_int_equal(d->at_ms, now + 95000);
	assert_int_equal(s->plan.n_blocking, 1);
	assert_string_equal(s->budgets[s->plan.blocking[0]].name, "web-pdb");
	assert_int_equal(e->gone_by_ms, now + 120000); // 25 s of its 30
	assert_int_equal(s->plan.predicted_ms, now + 120000);
	assert_non_null(strstr(s->plan.text, "web-pdb"));
	drop(s);
}

static void a_voluntary_drain_never_overrides_a_budget_unless_told_to(void **state)
{
	struct scene *s = a_scene();
	s->n.kind = DRAIN_OPERATOR;
	s->n.deadline_ms = now + 600000;
	guard_by(add(s, 30), add_budget(s, "web-pdb", 0));
	decide_it(s);
	assert_null(step(s, DRAIN_STEP_DELETE, 0));
	assert_true(plan_has(s, DRAIN_REASON_NEVER_DELETED));
	assert_int_equal(s->plan.predicted_ms, 0); // cannot be said
	s->policy.delete_blocked_voluntary = true;
	decide_it(s);
	assert_int_equal(step(s, DRAIN_STEP_DELETE, 0)->at_ms, now + 575000);
	s->n.kind = DRAIN_SPOT_ITN;
	s->policy.delete_blocked_forced = false;
	decide_it(s);
	assert_null(step(s, DRAIN_STEP_DELETE, 0));
	drop(s);
}

static void a_budget_paces_its_pods_in_waves(void **state)
{
	struct scene *s = a_scene();
	uint32_t b = add_budget(s, "web-pdb", 2);
	for (int i = 0; i < 5; i++)
		guard_by(add(s, 10), b);
	decide_it(s);
	int64_t wave = 10000 + s->policy.start_ms;
	for (size_t i = 0; i < 5; i++) {
		const struct drain_step *e = step(s, DRAIN_STEP_EVICT, i);
		assert_int_equal(e->at_ms, now + (int64_t)(i / 2) * wave);
		assert_int_equal(e->gone_by_ms, e->at_ms + 10000);
		assert_int_equal(has(e, DRAIN_REASON_BUDGET_BLOCKS), i >= 2);
	}
	assert_int_equal(s->plan.predicted_ms, now + 2 * wave + 10000);
	assert_int_equal(s->plan.n_blocking, 0); // it will give way in time
	drop(s);
}

static void waves_beyond_the_end_are_predicted_to_be_deleted(void **state)
{
	struct scene *s = a_scene();
	uint32_t b = add_budget(s, "web-pdb", 1);
	for (int i = 0; i < 6; i++)
		guard_by(add(s, 30), b); // a wave each 50 s
	decide_it(s);
	assert_int_equal(s->plan.n_blocking, 1);
	assert_int_equal(step(s, DRAIN_STEP_EVICT, 1)->at_ms, now + 50000);
	assert_int_equal(step(s, DRAIN_STEP_EVICT, 5)->gone_by_ms, now + 120000);
	drop(s);
}

static void pods_that_an_eviction_lets_pass_do_not_count(void **state)
{
	struct scene *s = a_scene();
	uint32_t b = add_budget(s, "web-pdb", 0);
	struct drain_view_pod *pending = add(s, 30), *unready = add(s, 30);
	guard_by(pending, b);
	pending->pending = true;
	guard_by(unready, b);
	unready->ready = false; // 3 healthy of 2 needed
	decide_it(s);
	assert_int_equal(s->plan.n_blocking, 0);
	s->budgets[b].healthy = 1;
	decide_it(s);
	assert_int_equal(s->plan.n_blocking, 1);
	s->budgets[b].always_allow = true;
	decide_it(s);
	assert_int_equal(s->plan.n_blocking, 0);
	drop(s);
}

static void two_budgets_over_one_pod_and_an_uncomputed_budget_are_said(void **state)
{
	struct scene *s = a_scene();
	uint32_t b = add_budget(s, "a-pdb", 5), c = add_budget(s, "b-pdb", 5);
	struct drain_view_pod *two = add(s, 60), *unknown = add(s, 30);
	two->n_budgets = 2;
	two->budget = b;
	guard_by(unknown, c);
	s->budgets[c].observed = false;
	decide_it(s);
	assert_true(has(step(s, DRAIN_STEP_EVICT, 0), DRAIN_REASON_TWO_BUDGETS));
	assert_true(has(step(s, DRAIN_STEP_EVICT, 1), DRAIN_REASON_BUDGET_UNKNOWN));
	assert_int_equal(s->plan.n_blocking, 2);
	drop(s);
}

// --- the replacement --------------------------------------------------------------------------

static void other_zones_are_asked_first_failed_ones_last_then_desired_then_on_demand(void **state)
{
	struct scene *s = a_scene();
	s->v.zones[1].failed_ms = now - 60000; // b failed a minute ago
	s->v.fallback_group = "asg-on-demand";
	s->v.fallback_zone = "c";
	add(s, 30);
	decide_it(s);
	static const char *const zones[] = {"c", "a", "b", "c"};
	static const enum drain_wait waits[] = {
		DRAIN_WAIT_TIME, DRAIN_WAIT_FAILED, DRAIN_WAIT_FAILED, DRAIN_WAIT_FAILED};
	assert_int_equal(count(s, DRAIN_STEP_LAUNCH), 4);
	for (size_t i = 0; i < 4; i++) {
		assert_string_equal(step(s, DRAIN_STEP_LAUNCH, i)->zone, zones[i]);
		assert_int_equal(step(s, DRAIN_STEP_LAUNCH, i)->wait, waits[i]);
	}
	assert_true(has(step(s, DRAIN_STEP_LAUNCH, 2), DRAIN_REASON_RECENT_FAILURES));
	const struct drain_step *last = step(s, DRAIN_STEP_LAUNCH, 3);
	assert_true(has(last, DRAIN_REASON_ON_DEMAND_LAST));
	assert_string_equal(last->scaling_group, "asg-on-demand");
	const struct drain_step *desired = step(s, DRAIN_STEP_DESIRED, 0);
	assert_int_equal(desired->desired, 4);
	assert_int_equal(desired->wait, DRAIN_WAIT_REFUSED);
	assert_true(desired < last && desired > step(s, DRAIN_STEP_LAUNCH, 2));
	drop(s);
}

static void a_failure_is_forgotten_after_three_minutes(void **state)
{
	struct scene *s = a_scene();
	s->v.zones[1].failed_ms = now - s->policy.failure_memory_ms;
	decide_it(s);
	assert_string_equal(step(s, DRAIN_STEP_LAUNCH, 0)->zone, "b");
	drop(s);
}

static void there_is_no_replacement_where_none_is_wanted_or_possible(void **state)
{
	static const struct {
		enum drain_kind kind;
		uint32_t desired;
		bool replace, asked;
		enum drain_reason why;
	} cases[] = {{DRAIN_ASG_LIFECYCLE, 3, true, false, DRAIN_REASON_GROUP_REPLACES},
		{DRAIN_SPOT_ITN, 10, true, false, DRAIN_REASON_AT_MAXIMUM},
		{DRAIN_SPOT_ITN, 3, false, false, DRAIN_REASON_INTERRUPTED},
		{DRAIN_OPERATOR, 3, true, false, DRAIN_REASON_ASKED},
		{DRAIN_SPOT_ITN, 3, true, true, DRAIN_REASON_INTERRUPTED}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scene *s = a_scene();
		s->n.kind = cases[i].kind;
		s->v.group_desired = cases[i].desired;
		s->policy.replace = cases[i].replace;
		s->v.replacement_asked = cases[i].asked;
		add(s, 30);
		decide_it(s);
		assert_int_equal(count(s, DRAIN_STEP_LAUNCH) + count(s, DRAIN_STEP_DESIRED), 0);
		assert_true(plan_has(s, cases[i].why));
		drop(s);
	}
}

static void the_instance_is_given_back_only_where_a_replacement_was_asked_for(void **state)
{
	struct scene *s = a_scene();
	s->v.hook = "drain-hook";
	decide_it(s);
	assert_non_null(step(s, DRAIN_STEP_TERMINATE, 0));
	assert_non_null(step(s, DRAIN_STEP_FINISH, 0));
	s->policy.replace = false;
	decide_it(s);
	assert_null(step(s, DRAIN_STEP_TERMINATE, 0));
	assert_null(step(s, DRAIN_STEP_FINISH, 0));
	s->n.kind = DRAIN_ASG_LIFECYCLE;
	decide_it(s);
	assert_null(step(s, DRAIN_STEP_TERMINATE, 0));
	assert_non_null(step(s, DRAIN_STEP_FINISH, 0));
	drop(s);
}

static void volumes_that_may_hang_are_freed_after_the_instance(void **state)
{
	struct scene *s = a_scene();
	s->v.volumes = 2;
	decide_it(s);
	assert_int_equal(step(s, DRAIN_STEP_OUT_OF_SERVICE, 0)->wait, DRAIN_WAIT_GONE);
	s->n.kind = DRAIN_OPERATOR; // the instance stays
	decide_it(s);
	assert_null(step(s, DRAIN_STEP_OUT_OF_SERVICE, 0));
	drop(s);
}

// --- kinds ------------------------------------------------------------------------------------

static void a_recommendation_waits_for_the_replacement_and_gives_back_what_was_not_needed(
	void **state)
{
	struct scene *s = a_scene();
	s->n.kind = DRAIN_REBALANCE_RECOMMENDATION;
	s->n.deadline_ms = 0;
	add(s, 30);
	decide_it(s);
	const struct drain_step *e = step(s, DRAIN_STEP_EVICT, 0);
	assert_int_equal(e->wait, DRAIN_WAIT_REPLACEMENT);
	assert_int_equal(e->at_ms, now + s->policy.patience_ms);
	assert_int_equal(step(s, DRAIN_STEP_UNMARK, 0)->at_ms, now + s->policy.keep_marked_ms);
	s->v.replacement_asked = s->v.replacement_ready = true;
	decide_it(s);
	assert_int_equal(step(s, DRAIN_STEP_EVICT, 0)->wait, DRAIN_WAIT_TIME);
	s->v.replacement_ready = false;
	s->v.replacement_failed = true;
	decide_it(s);
	assert_null(step(s, DRAIN_STEP_EVICT, 0));
	assert_int_equal(step(s, DRAIN_STEP_UNMARK, 0)->at_ms, now + s->policy.patience_ms);
	assert_true(plan_has(s, DRAIN_REASON_NO_REPLACEMENT));
	drop(s);
}

static void recommendations_have_a_budget_per_hour(void **state)
{
	struct scene *s = a_scene();
	s->n.kind = DRAIN_REBALANCE_RECOMMENDATION;
	s->v.replaced_this_hour = s->policy.rebalance_per_hour;
	decide_it(s);
	assert_true(s->plan.stands_back);
	assert_true(plan_has(s, DRAIN_REASON_BUDGET_PER_HOUR));
	assert_int_equal(s->plan.n_steps, 0);
	s->v.replaced_this_hour--;
	decide_it(s);
	assert_false(s->plan.stands_back);
	s->n.kind = DRAIN_SPOT_ITN; // what is lost anyway has none
	s->v.replaced_this_hour = 100;
	decide_it(s);
	assert_false(s->plan.stands_back);
	drop(s);
}

static void scheduled_maintenance_begins_near_its_time(void **state)
{
	struct scene *s = a_scene();
	s->n.kind = DRAIN_SCHEDULED_EVENT;
	s->n.deadline_ms = now + 14 * 86400000ll;
	add(s, 30);
	decide_it(s);
	assert_true(plan_has(s, DRAIN_REASON_NOT_YET));
	int64_t begin = s->n.deadline_ms - s->policy.scheduled_window_ms;
	for (size_t i = 0; i < s->plan.n_steps; i++)
		assert_true(s->plan.steps[i].at_ms >= begin);
	assert_int_equal(step(s, DRAIN_STEP_MARK, 0)->at_ms, begin);
	assert_int_equal(step(s, DRAIN_STEP_EVICT, 0)->wait, DRAIN_WAIT_REPLACEMENT);
	s->n.deadline_ms = now + 600000;
	decide_it(s);
	assert_int_equal(step(s, DRAIN_STEP_MARK, 0)->at_ms, now);
	drop(s);
}

static void others_nodes_are_left_to_them(void **state)
{
	struct scene *s = a_scene();
	add(s, 30);
	s->v.karpenter = true;
	decide_it(s);
	assert_true(s->plan.stands_back && plan_has(s, DRAIN_REASON_KARPENTER_OWNS));
	s->n.kind = DRAIN_OPERATOR; // a person may
	decide_it(s);
	assert_false(s->plan.stands_back);
	s->n.kind = DRAIN_SPOT_ITN;
	s->policy.take_karpenter = true;
	decide_it(s);
	assert_false(s->plan.stands_back);
	s->v.autoscaler_deletes = true;
	decide_it(s);
	assert_true(s->plan.stands_back && plan_has(s, DRAIN_REASON_AUTOSCALER_DELETES));
	s->policy.take_autoscaler = true;
	decide_it(s);
	assert_false(s->plan.stands_back);
	s->v.deleting = true;
	decide_it(s);
	assert_true(s->plan.stands_back && plan_has(s, DRAIN_REASON_NODE_DELETING));
	drop(s);
}

static void eks_replaces_its_managed_spot_nodes_on_a_recommendation(void **state)
{
	struct scene *s = a_scene();
	s->v.managed = true;
	s->n.kind = DRAIN_REBALANCE_RECOMMENDATION;
	decide_it(s);
	assert_true(s->plan.stands_back && plan_has(s, DRAIN_REASON_EKS_HANDLES));
	s->n.kind = DRAIN_SPOT_ITN; // the last two minutes are ours
	decide_it(s);
	assert_false(s->plan.stands_back);
	drop(s);
}

static void a_withdrawn_notice_undoes_what_was_done_and_only_that(void **state)
{
	struct scene *s = a_scene();
	s->n.withdrawn = true;
	add(s, 30);
	decide_it(s);
	assert_int_equal(s->plan.n_steps, 0);
	s->v.marked = s->v.unschedulable = true;
	s->v.cordoned_by_us = true;
	decide_it(s);
	assert_int_equal(s->plan.n_steps, 1);
	assert_int_equal(s->plan.steps[0].kind, DRAIN_STEP_UNMARK);
	assert_false(has(&s->plan.steps[0], DRAIN_REASON_ALREADY_CORDONED));
	s->v.cordoned_by_us = false;
	decide_it(s);
	assert_true(has(&s->plan.steps[0], DRAIN_REASON_ALREADY_CORDONED));
	drop(s);
}

static void a_missing_deadline_is_two_minutes_and_a_past_one_is_said(void **state)
{
	struct scene *s = a_scene();
	s->n.deadline_ms = 0;
	decide_it(s);
	assert_int_equal(s->plan.deadline_ms, now + 120000);
	assert_true(plan_has(s, DRAIN_REASON_DEADLINE_GUESSED));
	s->n.deadline_ms = now - 5000;
	add(s, 30);
	decide_it(s);
	assert_true(plan_has(s, DRAIN_REASON_DEADLINE_PAST));
	assert_int_equal(step(s, DRAIN_STEP_EVICT, 0)->at_ms, now);
	assert_int_equal(step(s, DRAIN_STEP_EVICT, 0)->grace_s, 10);
	assert_int_equal(s->plan.end_ms, now + 10000);
	drop(s);
}

// The notice of a hibernation carries its own moment as the deadline: there are no two minutes.
static void hibernation_is_drained_at_once_and_within_seconds(void **state)
{
	struct scene *s = a_scene();
	s->n.deadline_ms = now;
	s->n.begun_ms = now;
	add(s, 300);
	struct drain_view_pod *lone = add(s, 5), *critical = add(s, 20);
	lone->lone = true;
	critical->critical = true;
	guard_by(add(s, 30), add_budget(s, "full", 0));
	decide_it(s);
	assert_int_equal(step(s, DRAIN_STEP_MARK, 0)->at_ms, now);
	assert_int_equal(step(s, DRAIN_STEP_LAUNCH, 0)->at_ms, now);
	assert_int_equal(count(s, DRAIN_STEP_EVICT), 4);
	for (size_t i = 0; i < 4; i++) {
		const struct drain_step *e = step(s, DRAIN_STEP_EVICT, i);
		assert_int_equal(e->at_ms, now); // nobody waits for anything
		assert_in_range(e->grace_s, 1, 10);
	}
	assert_int_equal(step(s, DRAIN_STEP_DELETE, 0)->at_ms, now);
	assert_int_equal(step(s, DRAIN_STEP_TERMINATE, 0)->at_ms, now + 10000); // not before
	drop(s);
}

// A plan that is made again does not move the end: the seconds are counted from the first.
static void the_shortest_drain_does_not_slide(void **state)
{
	struct scene *s = a_scene();
	s->n.deadline_ms = now - 60000;
	s->n.begun_ms = now - 4000;
	add(s, 30);
	decide_it(s);
	assert_int_equal(s->plan.end_ms, now + 6000);
	assert_int_equal(step(s, DRAIN_STEP_EVICT, 0)->grace_s, 6);
	s->n.begun_ms = now - 60000;
	decide_it(s);
	assert_int_equal(s->plan.end_ms, now);
	assert_int_equal(step(s, DRAIN_STEP_EVICT, 0)->grace_s, 1);
	drop(s);
}

// A stop has its two minutes as a termination has.
static void two_minutes_stay_two_minutes(void **state)
{
	struct scene *s = a_scene();
	s->n.begun_ms = now;
	add(s, 30);
	decide_it(s);
	assert_int_equal(s->plan.end_ms, now + 120000);
	assert_int_equal(step(s, DRAIN_STEP_EVICT, 0)->grace_s, 30);
	drop(s);
}

static void more_pods_than_a_plan_holds_are_said(void **state)
{
	struct scene *s = a_scene();
	struct drain_view_pod *many = calloc(DRAIN_MAX_PODS + 5, sizeof(*many));
	for (size_t i = 0; i < DRAIN_MAX_PODS + 5; i++)
		many[i] = (struct drain_view_pod){.namespace_ = "a",
			.name = "b",
			.uid = "c",
			.workload = "d",
			.ready = true,
			.grace_s = 30};
	s->v.pods = many;
	s->v.n_pods = DRAIN_MAX_PODS + 5;
	decide_it(s);
	assert_int_equal(count(s, DRAIN_STEP_EVICT), DRAIN_MAX_PODS);
	assert_true(plan_has(s, DRAIN_REASON_TOO_MANY_PODS));
	free(many);
	drop(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_node_is_marked_before_anything_else),
		cmocka_unit_test(longest_goes_first_volumes_before_all_and_critical_last),
		cmocka_unit_test(among_equals_the_less_important_goes_first),
		cmocka_unit_test(a_grace_is_shortened_to_what_is_left_and_never_zero),
		cmocka_unit_test(daemonset_mirror_and_finished_pods_are_left_with_the_reason),
		cmocka_unit_test(daemonsets_go_last_when_asked_for),
		cmocka_unit_test(
			the_only_replica_waits_for_the_new_node_where_its_grace_leaves_time),
		cmocka_unit_test(without_a_replacement_the_only_replica_waits_for_nothing),
		cmocka_unit_test(
			a_budget_that_allows_none_is_named_and_its_pod_deleted_before_the_end),
		cmocka_unit_test(a_voluntary_drain_never_overrides_a_budget_unless_told_to),
		cmocka_unit_test(a_budget_paces_its_pods_in_waves),
		cmocka_unit_test(waves_beyond_the_end_are_predicted_to_be_deleted),
		cmocka_unit_test(pods_that_an_eviction_lets_pass_do_not_count),
		cmocka_unit_test(two_budgets_over_one_pod_and_an_uncomputed_budget_are_said),
		cmocka_unit_test(
			other_zones_are_asked_first_failed_ones_last_then_desired_then_on_demand),
		cmocka_unit_test(a_failure_is_forgotten_after_three_minutes),
		cmocka_unit_test(there_is_no_replacement_where_none_is_wanted_or_possible),
		cmocka_unit_test(the_instance_is_given_back_only_where_a_replacement_was_asked_for),
		cmocka_unit_test(volumes_that_may_hang_are_freed_after_the_instance),
		cmocka_unit_test(
			a_recommendation_waits_for_the_replacement_and_gives_back_what_was_not_needed),
		cmocka_unit_test(recommendations_have_a_budget_per_hour),
		cmocka_unit_test(scheduled_maintenance_begins_near_its_time),
		cmocka_unit_test(others_nodes_are_left_to_them),
		cmocka_unit_test(eks_replaces_its_managed_spot_nodes_on_a_recommendation),
		cmocka_unit_test(a_withdrawn_notice_undoes_what_was_done_and_only_that),
		cmocka_unit_test(a_missing_deadline_is_two_minutes_and_a_past_one_is_said),
		cmocka_unit_test(hibernation_is_drained_at_once_and_within_seconds),
		cmocka_unit_test(the_shortest_drain_does_not_slide),
		cmocka_unit_test(two_minutes_stay_two_minutes),
		cmocka_unit_test(more_pods_than_a_plan_holds_are_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
