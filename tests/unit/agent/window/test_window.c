// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/window/window.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECOND    1000000000ull
#define MS        1000000ll
#define has(s, m) scope_has((s), METRIC_##m)
#define val(s, m) ((s)->values[METRIC_##m])

struct fixture {
	struct window *w;
	struct scope raw, out;
	uint32_t ms;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct window_options o = {.max_slots = 4, .max_rows = 8, .n_cpus = 2};
	assert_int_equal(window_new(&f->w, &o), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	window_free(f->w);
	free(f);
	return 0;
}

static int node_at(struct fixture *f, uint64_t now_ns)
{
	return window_node(f->w, &f->raw, now_ns, &f->out, &f->ms);
}

static int slot_at(struct fixture *f, uint64_t id, unsigned what, uint64_t now_ns)
{
	const struct window_reading r = {
		.slot = 1, .id = id, .what = what, .raw = &f->raw, .now_ns = now_ns};
	return window_slot(f->w, &r, &f->out, &f->ms);
}

static void the_first_window_has_only_gauges(void **state)
{
	struct fixture *f = *state;
	scope_set(&f->raw, METRIC_CPU_USAGE, 500 * MS);
	scope_set(&f->raw, METRIC_MEM_USED, 4096);
	assert_int_equal(node_at(f, 5 * SECOND), 0);
	assert_int_equal(f->ms, 0);
	assert_false(has(&f->out, CPU_USAGE));
	assert_false(has(&f->out, SATURATED));
	assert_int_equal(val(&f->out, MEM_USED), 4096);
	scope_set(&f->raw, METRIC_CPU_USAGE, 800 * MS);
	assert_int_equal(node_at(f, 6 * SECOND), 0);
	assert_int_equal(f->ms, 1000);
	assert_int_equal(val(&f->out, CPU_USAGE), 300 * MS);
	assert_int_equal(val(&f->out, DEMAND_LOW), 300);
}

static void a_counter_that_went_back_is_absent_once_and_counted(void **state)
{
	struct fixture *f = *state;
	scope_set(&f->raw, METRIC_NET_RX, 1000);
	node_at(f, SECOND);
	scope_set(&f->raw, METRIC_NET_RX, 10);
	node_at(f, 2 * SECOND);
	assert_false(has(&f->out, NET_RX));
	assert_int_equal(window_faults(f->w)->resets, 1);
	scope_set(&f->raw, METRIC_NET_RX, 15);
	node_at(f, 3 * SECOND);
	assert_int_equal(val(&f->out, NET_RX), 5);
}

static void cpu_time_that_jitters_back_counts_as_nothing_and_is_not_counted_twice(void **state)
{
	struct fixture *f = *state;
	static const int64_t raw_ms[] = {1000, 990, 1005};
	static const int64_t increase_ms[] = {-1, 0, 5};
	for (unsigned i = 0; i < 3; i++) {
		scope_set(&f->raw, METRIC_CPU_IOWAIT, raw_ms[i] * MS);
		node_at(f, (i + 1) * SECOND);
		if (i > 0)
			assert_int_equal(val(&f->out, CPU_IOWAIT), increase_ms[i] * MS);
	}
	assert_int_equal(window_faults(f->w)->resets, 0);
}

static void more_cpu_time_than_there_is_is_absent_and_counted(void **state)
{
	struct fixture *f = *state;
	scope_set(&f->raw, METRIC_CPU_USAGE, 0);
	node_at(f, SECOND);
	scope_set(&f->raw, METRIC_CPU_USAGE, 86400 * 1000 * MS);
	node_at(f, 2 * SECOND);
	assert_false(has(&f->out, CPU_USAGE));
	assert_int_equal(window_faults(f->w)->absurd, 1);
}

static void a_metric_that_was_absent_starts_anew(void **state)
{
	struct fixture *f = *state;
	scope_set(&f->raw, METRIC_NET_TX, 1000);
	node_at(f, SECOND);
	f->raw.present = 0;
	node_at(f, 2 * SECOND);
	assert_false(has(&f->out, NET_TX));
	scope_set(&f->raw, METRIC_NET_TX, 9000);
	node_at(f, 3 * SECOND);
	assert_false(has(&f->out, NET_TX));
	scope_set(&f->raw, METRIC_NET_TX, 9001);
	node_at(f, 4 * SECOND);
	assert_int_equal(val(&f->out, NET_TX), 1);
}

static void a_clock_that_stands_or_goes_back_is_refused_and_a_long_gap_starts_anew(void **state)
{
	struct fixture *f = *state;
	scope_set(&f->raw, METRIC_NET_RX, 1);
	node_at(f, 100 * SECOND);
	assert_int_equal(node_at(f, 100 * SECOND), -EINVAL);
	assert_int_equal(node_at(f, 1 * SECOND), -EINVAL);
	scope_set(&f->raw, METRIC_NET_RX, 5);
	assert_int_equal(node_at(f, 101 * SECOND), 0); // the refused ones changed nothing
	assert_int_equal(val(&f->out, NET_RX), 4);
	assert_int_equal(node_at(f, 86501 * SECOND), 0); // a day later
	assert_int_equal(f->ms, 0);
	assert_false(has(&f->out, NET_RX));
}

static void another_id_in_the_same_slot_is_another_thing(void **state)
{
	struct fixture *f = *state;
	scope_set(&f->raw, METRIC_CPU_USAGE, 100 * MS);
	assert_int_equal(slot_at(f, 7, WINDOW_FAST, SECOND), -EAGAIN);
	scope_set(&f->raw, METRIC_CPU_USAGE, 150 * MS);
	assert_int_equal(slot_at(f, 7, WINDOW_FAST, 2 * SECOND), 0);
	assert_int_equal(val(&f->out, CPU_USAGE), 50 * MS);
	assert_int_equal(slot_at(f, 8, WINDOW_FAST, 3 * SECOND), -EAGAIN);
	assert_false(has(&f->out, CPU_USAGE));
	const struct window_reading outside = {.slot = 4, .id = 1, .raw = &f->raw, .now_ns = 1};
	assert_int_equal(window_slot(f->w, &outside, &f->out, &f->ms), -EINVAL);
}

static void fast_and_slow_values_have_their_own_windows(void **state)
{
	struct fixture *f = *state;
	for (int second = 1; second <= 11; second++) {
		unsigned what = second % 10 == 1 ? WINDOW_SLOW : WINDOW_FAST;
		scope_set(&f->raw, METRIC_CPU_USAGE, second * 10 * MS);
		scope_set(&f->raw, METRIC_DISK_READ, second * 100);
		int r = slot_at(f, 1, what, (uint64_t)second * SECOND);
		if (what == WINDOW_FAST && second > 2) {
			assert_int_equal(r, 0);
			assert_int_equal(f->ms, 1000);
			assert_int_equal(val(&f->out, CPU_USAGE), 10 * MS);
			assert_false(has(&f->out, DISK_READ));
		}
	}
	assert_int_equal(f->ms, 10000);
	assert_int_equal(val(&f->out, DISK_READ), 1000);
	assert_false(has(&f->out, CPU_USAGE));
	// now both in one row: the fast ones cover another time, so they wait for the next
	scope_set(&f->raw, METRIC_CPU_USAGE, 210 * MS);
	assert_int_equal(slot_at(f, 1, WINDOW_FAST | WINDOW_SLOW, 21 * SECOND), 0);
	assert_false(has(&f->out, CPU_USAGE));
	scope_set(&f->raw, METRIC_CPU_USAGE, 310 * MS);
	assert_int_equal(slot_at(f, 1, WINDOW_FAST | WINDOW_SLOW, 31 * SECOND), 0);
	assert_int_equal(val(&f->out, CPU_USAGE), 100 * MS);
	assert_int_equal(f->ms, 10000);
}

// --- probes ----------------------------------------------------------------------------------

static const struct probe_columns sched = {
	.name = "sched",
	.controller = "cpu",
	.n_values = 2,
	.n_hists = 1,
	.values = {METRIC_RUNQ_WAIT, METRIC_ONCPU},
	.hists = {HIST_RUNQ_LATENCY},
};

// Inode 21 is slot 1 (id 7), a container of the pod in slot 2 (id 8); others are nobody's.
static struct window_owner find(void *arg, uint64_t inode)
{
	if (inode == 21)
		return (struct window_owner){.slot = 1, .id = 7, .pod = 2, .pod_id = 8};
	return (struct window_owner){.slot = -1, .pod = -1};
}
static const struct window_finder finder = {.find = find};

static void feed(struct fixture *f, uint64_t on_ns, struct probe_row *rows, size_t n)
{
	const struct probe_reading r = {.rows = rows, .n_rows = n, .max_rows = n, .on_ns = on_ns};
	window_probe(f->w, PROBE_SCHED, &sched, &r, &finder);
}

static void probe_counters_are_scaled_from_on_time_to_the_window(void **state)
{
	struct fixture *f = *state;
	f->raw.present = 0;
	slot_at(f, 7, WINDOW_SLOW, SECOND);
	struct probe_row rows[2] = {{.inode = 21, .values = {30 * MS, 20 * MS}},
		{.inode = 99, .values = {1 * MS, 2 * MS}}};
	rows[0].hists[0][5] = 3;
	feed(f, SECOND, rows, 2); // on for 1 s of 10
	assert_int_equal(slot_at(f, 7, WINDOW_SLOW, 11 * SECOND), 0);
	assert_int_equal(val(&f->out, RUNQ_WAIT), 300 * MS);
	assert_int_equal(val(&f->out, ONCPU), 200 * MS);
	assert_int_equal(f->out.hists[HIST_RUNQ_LATENCY].buckets[5], 30);
	// off for the whole next window: absent, not 0
	feed(f, SECOND, rows, 2);
	assert_int_equal(slot_at(f, 7, WINDOW_SLOW, 21 * SECOND), 0);
	assert_false(has(&f->out, RUNQ_WAIT));
	// on, and nothing happened: 0, not absent
	feed(f, 2 * SECOND, rows, 2);
	assert_int_equal(slot_at(f, 7, WINDOW_SLOW, 31 * SECOND), 0);
	assert_true(has(&f->out, RUNQ_WAIT));
	assert_int_equal(val(&f->out, RUNQ_WAIT), 0);
}

static void a_containers_rows_count_for_its_pod_and_the_node_too(void **state)
{
	struct fixture *f = *state;
	f->raw.present = 0;
	node_at(f, SECOND);
	struct window_reading pod = {
		.slot = 2, .id = 8, .what = WINDOW_SLOW, .raw = &f->raw, .now_ns = SECOND};
	window_slot(f->w, &pod, &f->out, &f->ms);
	struct probe_row rows[3] = {{.inode = 21, .values = {30, 20}},
		{.inode = 99, .values = {1, 2}}, {.inode = PROBE_OVERFLOW, .values = {100, 200}}};
	feed(f, SECOND, rows, 3);
	pod.now_ns = 2 * SECOND;
	assert_int_equal(window_slot(f->w, &pod, &f->out, &f->ms), 0);
	assert_int_equal(val(&f->out, RUNQ_WAIT), 30);
	assert_int_equal(node_at(f, 2 * SECOND), 0);
	assert_int_equal(val(&f->out, RUNQ_WAIT), 131);
	assert_int_equal(val(&f->out, ONCPU), 222);
}

static void a_row_that_vanished_or_was_given_away_counts_from_zero(void **state)
{
	struct fixture *f = *state;
	f->raw.present = 0;
	node_at(f, SECOND);
	struct probe_row row = {.inode = 21, .values = {100, 100}};
	feed(f, SECOND, &row, 1);
	node_at(f, 2 * SECOND);
	row.values[0] = 40; // went back: a new cgroup with the old inode
	feed(f, 2 * SECOND, &row, 1);
	node_at(f, 3 * SECOND);
	assert_int_equal(val(&f->out, RUNQ_WAIT), 40);
	feed(f, 3 * SECOND, NULL, 0);
	node_at(f, 4 * SECOND);
	assert_int_equal(val(&f->out, RUNQ_WAIT), 0);
	row.values[0] = 50;
	feed(f, 4 * SECOND, &row, 1);
	node_at(f, 5 * SECOND);
	assert_int_equal(val(&f->out, RUNQ_WAIT), 50);
}

static void rows_beyond_the_bound_are_left_out_and_counted(void **state)
{
	struct fixture *f = *state;
	struct probe_row rows[20] = {0};
	for (int i = 0; i < 20; i++)
		rows[i] = (struct probe_row){.inode = (uint64_t)i * 1000 + 1, .values = {1, 1}};
	f->raw.present = 0;
	node_at(f, SECOND);
	feed(f, SECOND, rows, 20);
	node_at(f, 2 * SECOND);
	assert_int_equal(val(&f->out, RUNQ_WAIT), 8);
	assert_int_equal(window_rows_left_out(f->w), 12);
	// the first eight go, the next eight find room
	feed(f, SECOND, rows + 8, 12);
	feed(f, 2 * SECOND, rows + 8, 12);
	node_at(f, 3 * SECOND);
	assert_int_equal(val(&f->out, RUNQ_WAIT), 8);
}

static void a_known_wait_stands_in_for_the_seconds_without_the_probe(void **state)
{
	struct fixture *f = *state;
	scope_set(&f->raw, METRIC_CPU_USAGE, 0);
	slot_at(f, 7, WINDOW_FAST, SECOND);
	struct probe_row row = {.inode = 21, .values = {500 * MS, 0}};
	feed(f, SECOND, &row, 1);
	scope_set(&f->raw, METRIC_CPU_USAGE, 100 * MS);
	slot_at(f, 7, WINDOW_FAST, 2 * SECOND);
	assert_int_equal(val(&f->out, DEMAND_HIGH), 600);
	scope_set(&f->raw, METRIC_CPU_USAGE, 300 * MS);
	slot_at(f, 7, WINDOW_FAST, 3 * SECOND);
	assert_int_equal(val(&f->out, DEMAND_HIGH), 700);
	slot_at(f, 7, WINDOW_FAST, 40 * SECOND); // too long ago
	assert_false(has(&f->out, DEMAND_HIGH));
	assert_true(has(&f->out, DEMAND_LOW));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(the_first_window_has_only_gauges),
		T(a_counter_that_went_back_is_absent_once_and_counted),
		T(cpu_time_that_jitters_back_counts_as_nothing_and_is_not_counted_twice),
		T(more_cpu_time_than_there_is_is_absent_and_counted),
		T(a_metric_that_was_absent_starts_anew),
		T(a_clock_that_stands_or_goes_back_is_refused_and_a_long_gap_starts_anew),
		T(another_id_in_the_same_slot_is_another_thing),
		T(fast_and_slow_values_have_their_own_windows),
		T(probe_counters_are_scaled_from_on_time_to_the_window),
		T(a_containers_rows_count_for_its_pod_and_the_node_too),
		T(a_row_that_vanished_or_was_given_away_counts_from_zero),
		T(rows_beyond_the_bound_are_left_out_and_counted),
		T(a_known_wait_stands_in_for_the_seconds_without_the_probe),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
