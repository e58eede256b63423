// SPDX-License-Identifier: Apache-2.0
// The reader of per-CPU slots, on memory laid out as the programs do it.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "agent/probe/slots.h"
#include "bpf/records.h"

enum { CPUS = 2, SLOTS = 8, LAST = SLOTS - 1 };

struct table {
	struct sched_slot slots[CPUS][SLOTS];
	uint64_t serials[SLOTS];
	struct slots reader;
	struct probe_row rows[16];
	struct probe_reading reading;
};

static void table_init(struct table *t, enum probe_source source)
{
	memset(t, 0, sizeof(*t));
	t->reader = (struct slots){.memory = (const unsigned char *)t->slots,
		.n_cpus = CPUS,
		.n_slots = SLOTS,
		.source = source,
		.serials = t->serials};
	t->reading = (struct probe_reading){.rows = t->rows, .max_rows = 16};
}

static void read_table(struct table *t)
{
	t->reading.n_rows = 0;
	t->reading.left_out = 0;
	slots_read(&t->reader, &t->reading);
}

static struct sched_slot *put(
	struct table *t, unsigned cpu, unsigned id, uint64_t serial, uint64_t inode)
{
	struct sched_slot *s = &t->slots[cpu][id];
	struct sched_slot *last = &t->slots[cpu][LAST];
	*s = (struct sched_slot){.serial = serial, .inode = inode};
	if (last->serial < id)
		last->serial = id;
	return s;
}

static void cpus_are_summed_column_by_column(void **state)
{
	struct table t;
	table_init(&t, PROBE_SCHED);
	*put(&t, 0, 3, 70, 1234) = (struct sched_slot){.serial = 70,
		.inode = 1234,
		.oncpu_ns = 1,
		.wait_ns = 10,
		.involuntary = 100,
		.foreign = 1000,
		.wait[4] = 5,
		.burst[31] = 6};
	*put(&t, 1, 3, 70, 1234) = (struct sched_slot){.serial = 70,
		.inode = 1234,
		.oncpu_ns = 2,
		.wait_ns = 20,
		.involuntary = 200,
		.foreign = 2000,
		.wait[4] = 7,
		.burst[0] = 8};
	t.slots[0][LAST].serial = t.slots[1][LAST].serial = 3;
	read_table(&t);
	assert_int_equal(t.reading.n_rows, 1);
	const struct probe_row *row = &t.rows[0];
	assert_int_equal(row->inode, 1234);
	assert_int_equal(row->values[0], 30); // wait, on CPU, involuntary, foreign
	assert_int_equal(row->values[1], 3);
	assert_int_equal(row->values[2], 300);
	assert_int_equal(row->values[3], 3000);
	assert_int_equal(row->hists[0][4], 12);
	assert_int_equal(row->hists[1][31], 6);
	assert_int_equal(row->hists[1][0], 8);
}

static void block_slots_have_their_own_columns(void **state)
{
	struct table t;
	struct block_slot b = {.serial = 5,
		.inode = 77,
		.read_bytes = 4096,
		.write_bytes = 8192,
		.ios = 3,
		.buckets[6] = {.latency = 2, .device = 1}};
	table_init(&t, PROBE_BLOCK);
	put(&t, 0, 2, 5, 77);
	memcpy(&t.slots[0][2], &b, sizeof(b));
	read_table(&t);
	assert_int_equal(t.reading.n_rows, 1);
	assert_int_equal(t.rows[0].values[0], 4096);
	assert_int_equal(t.rows[0].values[1], 8192);
	assert_int_equal(t.rows[0].values[2], 3);
	assert_int_equal(t.rows[0].hists[0][6], 2);
	assert_int_equal(t.rows[0].hists[1][6], 1);
}

static void the_newest_cgroup_owns_an_id_that_cpus_disagree_about(void **state)
{
	struct table t;
	struct probe_row before;
	table_init(&t, PROBE_SCHED);
	put(&t, 0, 2, 10, 100)->oncpu_ns = 5;
	put(&t, 1, 2, 10, 100)->oncpu_ns = 6;
	read_table(&t);
	before = t.rows[0];
	assert_int_equal(before.values[1], 11);
	assert_int_equal(t.reader.reused, 0);
	put(&t, 1, 2, 11, 200)->oncpu_ns = 1;
	read_table(&t);
	assert_int_equal(t.reading.n_rows, 1);
	assert_int_equal(t.rows[0].inode, 200);
	assert_int_equal(t.rows[0].values[1], 1);
	assert_int_equal(t.reader.reused, 1);
}

static void autogroups_belong_to_the_root_cgroup(void **state)
{
	struct table t;
	table_init(&t, PROBE_SCHED);
	put(&t, 0, 1, 3, 1)->oncpu_ns = 40;
	t.slots[1][0].oncpu_ns = 2; // id 0, serial 0
	read_table(&t);
	assert_int_equal(t.reading.n_rows, 1);
	assert_int_equal(t.rows[0].values[1], 42);
}

static void the_overflow_slots_are_one_row_and_are_counted(void **state)
{
	struct table t;
	table_init(&t, PROBE_SCHED);
	read_table(&t);
	assert_int_equal(t.reading.n_rows, 0); // no row for nothing
	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		t.slots[cpu][LAST].inode = OVERFLOW_INODE;
		t.slots[cpu][LAST].wait[3] = 4;
		t.slots[cpu][LAST].wait_ns = 50;
	}
	read_table(&t);
	assert_int_equal(t.reading.n_rows, 1);
	assert_true(t.rows[0].inode == PROBE_OVERFLOW);
	assert_int_equal(t.rows[0].values[0], 100);
	assert_int_equal(t.reader.overflow, 8);
}

static void what_does_not_fit_is_left_out_and_counted(void **state)
{
	struct table t;
	table_init(&t, PROBE_SCHED);
	for (unsigned id = 1; id < LAST; id++)
		put(&t, 0, id, 20 + id, 200 + id)->oncpu_ns = id;
	t.reading.max_rows = 4;
	read_table(&t);
	assert_int_equal(t.reading.n_rows, 4);
	assert_int_equal(t.reading.left_out, LAST - 1 - 4);
}

static void a_wild_highest_id_does_not_lead_out_of_the_table(void **state)
{
	struct table t;
	table_init(&t, PROBE_SCHED);
	put(&t, 0, LAST - 1, 9, 90)->oncpu_ns = 1;
	t.slots[1][LAST].serial = UINT64_MAX;
	read_table(&t);
	assert_int_equal(t.reading.n_rows, 1);
}

static void histograms_wrap_like_the_counters_below_them(void **state)
{
	struct table t;
	table_init(&t, PROBE_SCHED);
	put(&t, 0, 2, 4, 40)->wait[0] = UINT32_MAX;
	put(&t, 1, 2, 4, 40)->wait[0] = 3;
	read_table(&t);
	assert_int_equal(t.rows[0].hists[0][0], 2); // modulo 2^32, as the header says
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cpus_are_summed_column_by_column),
		cmocka_unit_test(block_slots_have_their_own_columns),
		cmocka_unit_test(the_newest_cgroup_owns_an_id_that_cpus_disagree_about),
		cmocka_unit_test(autogroups_belong_to_the_root_cgroup),
		cmocka_unit_test(the_overflow_slots_are_one_row_and_are_counted),
		cmocka_unit_test(what_does_not_fit_is_left_out_and_counted),
		cmocka_unit_test(a_wild_highest_id_does_not_lead_out_of_the_table),
		cmocka_unit_test(histograms_wrap_like_the_counters_below_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
