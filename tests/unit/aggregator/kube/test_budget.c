// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/kube/budget.h"

enum { MANY = 64 };
static const uint64_t S = 1000000000;

struct rig {
	struct budget b;
	struct budget_item items[MANY];
	int used;
	uint64_t wait_ns;
};

static void rig_init(struct rig *r, struct budget_options o)
{
	*r = (struct rig){0};
	budget_init(&r->b, &o, 0);
}

static struct budget_item *push(struct rig *r, enum budget_lane lane)
{
	struct budget_item *i = &r->items[r->used++];
	i->lane = lane;
	return budget_push(&r->b, i);
}

static struct budget_item *pop(struct rig *r, uint64_t now_ns)
{
	return budget_pop(&r->b, now_ns, &r->wait_ns);
}

static void what_is_urgent_overtakes(void **state)
{
	struct rig r;
	rig_init(&r, (struct budget_options){0});
	for (int lane = BUDGET_LANE_COUNT - 1; lane >= 0; lane--) {
		push(&r, (enum budget_lane)lane);
		push(&r, (enum budget_lane)lane);
	}
	for (int k = 0; k < 2 * BUDGET_LANE_COUNT; k++) {
		struct budget_item *i = pop(&r, 0);
		assert_non_null(i);
		assert_int_equal(i->lane, k / 2);
		int pair = 2 * (BUDGET_LANE_COUNT - 1 - k / 2); // within a lane the first is first
		assert_ptr_equal(i, &r.items[pair + k % 2]);
	}
	assert_null(pop(&r, 0));
	assert_int_equal(r.wait_ns, UINT64_MAX);
}

static void the_pace_is_the_rate_after_the_burst(void **state)
{
	struct rig r;
	rig_init(&r, (struct budget_options){.per_second = 10, .burst = 8, .slots = 100});
	for (int k = 0; k < 40; k++)
		push(&r, BUDGET_NODE);
	for (int k = 0; k < 8; k++)
		assert_non_null(pop(&r, 0));
	assert_null(pop(&r, 0));
	assert_in_range(r.wait_ns, S / 10, S / 10 + 2);
	assert_null(pop(&r, S / 10 - 1000));
	assert_non_null(pop(&r, S / 10 + 2));
	assert_null(pop(&r, S / 10 + 2));
	int n = 0;
	while (pop(&r, 100 * S)) // no more than the burst is saved up
		n++;
	assert_int_equal(n, 8);
}

static void lower_lanes_leave_a_reserve_of_tokens_and_slots(void **state)
{
	struct rig r;
	rig_init(&r, (struct budget_options){.per_second = 10, .burst = 8, .slots = 100});
	for (int k = 0; k < 20; k++)
		push(&r, BUDGET_VOLUNTARY);
	int n = 0;
	while (pop(&r, 0))
		n++;
	assert_int_equal(n, 2); // six of eight are kept
	for (int k = 0; k < 6; k++)
		push(&r, BUDGET_INTERRUPTION);
	for (n = 0; pop(&r, 0); n++)
		;
	assert_int_equal(n, 2); // of them four for the marks of nodes
	for (int k = 0; k < 6; k++)
		push(&r, BUDGET_NODE);
	for (n = 0; n < 4; n++)
		assert_int_equal(pop(&r, 0)->lane, BUDGET_NODE);
	assert_null(pop(&r, 0));

	rig_init(&r, (struct budget_options){.slots = 4});
	for (int k = 0; k < 8; k++)
		push(&r, BUDGET_LIST);
	for (n = 0; pop(&r, 0); n++)
		;
	assert_int_equal(n, 3);
	assert_int_equal(r.wait_ns, UINT64_MAX); // only an end helps
	push(&r, BUDGET_NODE);
	push(&r, BUDGET_NODE);
	assert_non_null(pop(&r, 0));
	assert_null(pop(&r, 0));
	budget_done(&r.b);
	assert_int_equal(pop(&r, 0)->lane, BUDGET_NODE);
}

static void the_leader_never_waits(void **state)
{
	struct rig r;
	rig_init(&r, (struct budget_options){.per_second = 1, .burst = 1, .slots = 1});
	budget_pause(&r.b, 0, 10 * S);
	for (int k = 0; k < 5; k++)
		push(&r, BUDGET_LEADER);
	for (int k = 0; k < 5; k++)
		assert_non_null(pop(&r, 0));
}

static void a_pause_holds_everybody_else_and_gives_no_burst_after(void **state)
{
	struct rig r;
	rig_init(&r, (struct budget_options){.per_second = 10, .burst = 50, .slots = 100});
	budget_pause(&r.b, S, 2 * S);
	budget_pause(&r.b, S, S); // a shorter one changes nothing
	for (int k = 0; k < 30; k++)
		push(&r, BUDGET_NODE);
	assert_null(pop(&r, S));
	assert_int_equal(r.wait_ns, 2 * S);
	assert_null(pop(&r, 3 * S - 1));
	int n = 0;
	while (pop(&r, 3 * S))
		n++;
	assert_int_equal(n, 1);
	while (pop(&r, 4 * S + 1000))
		n++;
	assert_int_equal(n, 11);
	budget_pause(&r.b, 5 * S, UINT64_MAX); // a server cannot stop us for ever
	assert_null(pop(&r, 65 * S - 1));
	assert_non_null(pop(&r, 65 * S));
	assert_int_equal(r.b.pauses, 3);
}

static void a_full_queue_drops_the_youngest_of_the_lowest_lane(void **state)
{
	struct rig r;
	rig_init(&r, (struct budget_options){.queue = 3});
	assert_null(push(&r, BUDGET_NODE));
	assert_null(push(&r, BUDGET_REPORT));
	assert_null(push(&r, BUDGET_REPORT));
	assert_ptr_equal(push(&r, BUDGET_INTERRUPTION), &r.items[2]);
	assert_ptr_equal(push(&r, BUDGET_REPORT), &r.items[4]); // itself
	assert_int_equal(r.b.waiting_all, 3);
	assert_int_equal(r.b.waiting[BUDGET_REPORT], 1);
	budget_remove(&r.b, &r.items[0]);
	budget_push_front(&r.b, &r.items[0]);
	assert_ptr_equal(pop(&r, 0), &r.items[0]);
	assert_ptr_equal(budget_any(&r.b), &r.items[3]);
	assert_ptr_equal(budget_any(&r.b), &r.items[1]);
	assert_null(budget_any(&r.b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_urgent_overtakes),
		cmocka_unit_test(the_pace_is_the_rate_after_the_burst),
		cmocka_unit_test(lower_lanes_leave_a_reserve_of_tokens_and_slots),
		cmocka_unit_test(the_leader_never_waits),
		cmocka_unit_test(a_pause_holds_everybody_else_and_gives_no_burst_after),
		cmocka_unit_test(a_full_queue_drops_the_youngest_of_the_lowest_lane),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
