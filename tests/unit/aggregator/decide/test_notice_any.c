// SPDX-License-Identifier: Apache-2.0
// What must hold of a drain's plan for any view at all.
#include "tests/unit/aggregator/decide/scene.h"

#include "proto/base/rng.h"

static void make_random(struct scene *s, struct rng *r)
{
	static const uint32_t graces[] = {0, 1, 5, 30, 60, 300, 86400};
	size_t pods = rng_below(r, MAX_PODS), budgets = rng_below(r, 5);
	for (size_t i = 0; i < budgets; i++) {
		uint32_t b = add_budget(s, "pdb", (int32_t)rng_below(r, 4) - 1);
		s->budgets[b].observed = rng_below(r, 8) != 0;
		s->budgets[b].always_allow = rng_below(r, 4) == 0;
	}
	for (size_t i = 0; i < pods; i++) {
		struct drain_view_pod *p = add(s, graces[rng_below(r, 7)]);
		p->daemonset = rng_below(r, 6) == 0;
		p->mirror = rng_below(r, 12) == 0;
		p->finished = rng_below(r, 12) == 0;
		p->deleting_ms = rng_below(r, 12) == 0 ? now : 0;
		p->ready = rng_below(r, 4) != 0;
		p->pending = rng_below(r, 9) == 0;
		p->critical = rng_below(r, 4) == 0;
		p->volumes = rng_below(r, 4) == 0;
		p->lone = rng_below(r, 4) == 0;
		p->n_budgets = budgets ? (uint32_t)rng_below(r, 3) : 0;
		p->budget = budgets ? (uint32_t)rng_below(r, budgets) : 0;
	}
	s->n.kind = (enum drain_kind)rng_below(r, DRAIN_KIND_COUNT);
	static const int64_t lefts[] = {-10000, 0, 700, 5000, 60000, 120000, 900000, 86400000};
	s->n.deadline_ms = rng_below(r, 5) ? now + lefts[rng_below(r, 8)] : 0;
	s->v.unschedulable = rng_below(r, 3) == 0;
	s->v.marked = rng_below(r, 3) == 0;
	s->v.cordoned_by_us = s->v.marked && rng_below(r, 2);
	s->v.replacement_asked = rng_below(r, 3) == 0;
	s->v.volumes = (uint32_t)rng_below(r, 2);
	s->v.n_zones = rng_below(r, 4);
	s->v.scaling_group = rng_below(r, 4) ? "asg" : "";
	s->v.hook = rng_below(r, 2) ? "hook" : "";
	s->policy.evict_daemonsets = rng_below(r, 2);
	s->policy.delete_blocked_voluntary = rng_below(r, 2);
}

static void check_pods_once(struct scene *s)
{
	unsigned seen[MAX_PODS] = {0};
	for (size_t i = 0; i < s->plan.n_steps; i++)
		if (s->plan.steps[i].kind == DRAIN_STEP_EVICT)
			seen[s->plan.steps[i].pod]++;
	for (size_t i = 0; i < s->plan.n_left; i++)
		seen[s->plan.left[i].pod]++;
	bool evicts = count(s, DRAIN_STEP_EVICT) + s->plan.n_left > 0;
	for (size_t i = 0; evicts && i < s->v.n_pods; i++)
		assert_int_equal(seen[i], 1);
}

static void check_step(const struct scene *s, const struct drain_step *e)
{
	int64_t deadline = s->plan.deadline_ms;
	int64_t end = s->plan.end_ms < now ? now : s->plan.end_ms;
	assert_true(e->at_ms >= now);
	if (deadline && e->kind != DRAIN_STEP_UNMARK)
		assert_true(e->at_ms <= end);
	if (e->kind != DRAIN_STEP_EVICT)
		return;
	assert_true(e->grace_s >= 1);
	assert_true(e->grace_s <= (s->pods[e->pod].grace_s ? s->pods[e->pod].grace_s : 1));
	if (deadline && e->grace_s > 1)
		assert_true(e->at_ms + (int64_t)e->grace_s * 1000 <= end);
}

static void for_any_view_no_grace_is_zero_no_pod_twice_and_no_time_past_the_end(void **state)
{
	struct rng r;
	rng_init(&r, 20260824);
	for (int round = 0; round < 20000; round++) {
		struct scene *s = a_scene();
		make_random(s, &r);
		decide_it(s);
		check_pods_once(s);
		unsigned class = 0;
		for (size_t i = 0; i < s->plan.n_steps; i++) {
			const struct drain_step *e = &s->plan.steps[i];
			check_step(s, e);
			if (e->kind != DRAIN_STEP_EVICT)
				continue;
			assert_true(e->class >= class); // classes in order
			class = e->class;
		}
		assert_true(s->plan.n_reasons > 0);
		assert_true(s->plan.text[0]);
		drop(s);
	}
}

static void the_same_view_gives_a_byte_equal_plan(void **state)
{
	struct rng r;
	rng_init(&r, 7);
	for (int round = 0; round < 300; round++) {
		struct scene *s = a_scene(), *t = a_scene();
		struct rng copy = r;
		make_random(s, &r);
		make_random(t, &copy);
		autobuf a, b;
		buf_init(&a, 1 << 20);
		buf_init(&b, 1 << 20);
		decide_it(t); // a used plan is filled anew
		t->n.withdrawn = true;
		decide_it(t);
		t->n.withdrawn = false;
		decide_it(s);
		decide_it(t);
		drain_plan_print(&s->plan, &s->v, &a);
		drain_plan_print(&t->plan, &t->v, &b);
		assert_false(buf_failed(&a));
		assert_string_equal(a.data, b.data);
		drop(s);
		drop(t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			for_any_view_no_grace_is_zero_no_pod_twice_and_no_time_past_the_end),
		cmocka_unit_test(the_same_view_gives_a_byte_equal_plan),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
