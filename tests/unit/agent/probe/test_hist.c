// SPDX-License-Identifier: Apache-2.0
// The programs' buckets are those of the wire.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "bpf/hist.h"
#include "proto/wire/metric.h"

static void shifts_are_those_of_the_metric_table(void **state)
{
	assert_int_equal(hist_shift(HIST_RUNQ_LATENCY), SHIFT_SCHED);
	assert_int_equal(hist_shift(HIST_ONCPU_BURST), SHIFT_SCHED);
	assert_int_equal(hist_shift(HIST_BLOCK_LATENCY), SHIFT_BLOCK);
	assert_int_equal(hist_shift(HIST_BLOCK_DEVICE), SHIFT_BLOCK);
	assert_int_equal(hist_shift(HIST_TCP_SRTT), SHIFT_SRTT);
	assert_int_equal(hist_shift(HIST_RECLAIM), SHIFT_RECLAIM);
}

static void every_value_falls_into_the_same_bucket_on_both_sides(void **state)
{
	for (unsigned bit = 0; bit < 64; bit++) {
		for (int64_t off = -2; off <= 2; off++) {
			uint64_t v = (1ull << bit) + (uint64_t)off;
			assert_int_equal(
				log2_bucket(v, SHIFT_SCHED), hist_bucket(HIST_RUNQ_LATENCY, v));
			assert_int_equal(
				log2_bucket(v, SHIFT_BLOCK), hist_bucket(HIST_BLOCK_LATENCY, v));
			assert_int_equal(log2_bucket(v, SHIFT_SRTT), hist_bucket(HIST_TCP_SRTT, v));
		}
	}
	for (uint64_t v = 0; v < 200000; v += 7)
		assert_int_equal(log2_bucket(v, SHIFT_SCHED), hist_bucket(HIST_RUNQ_LATENCY, v));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shifts_are_those_of_the_metric_table),
		cmocka_unit_test(every_value_falls_into_the_same_bucket_on_both_sides),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
