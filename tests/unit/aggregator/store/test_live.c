// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/store/live.h"
#include "aggregator/store/store.h"
#include "proto/base/rng.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t T0 = 1700000000000; // a multiple of 10 s, not of a minute

static struct store *memory_store(size_t max_entities)
{
	struct store *s;
	struct store_options o = {.max_entities = max_entities, .live_seconds = 600};
	assert_int_equal(store_new(&s, &o, NULL), 0);
	store_tick(s, T0);
	return s;
}

static struct store_entity *entity(struct store *s, enum entity_kind kind, const char *name)
{
	struct store_entity *e;
	assert_int_equal(store_entity(s, "c", kind, name, &e), 0);
	return e;
}

static int put(struct store *s, struct store_entity *e, int64_t wall_ms, int64_t value)
{
	struct scope v = {0};
	scope_set(&v, METRIC_CPU_USAGE, value);
	scope_set(&v, METRIC_MEM_USED, value);
	return store_put(s, e, wall_ms, 1000, &v);
}

static void a_range_has_rates_for_increases_and_values_for_gauges(void **state)
{
	struct store *s = memory_store(10);
	struct store_entity *e = entity(s, ENTITY_NODE, "n");
	struct scope v = {0};
	scope_set(&v, METRIC_NET_RX, 500);
	scope_set(&v, METRIC_TCP_ESTABLISHED, 7);
	assert_int_equal(store_put(s, e, T0 + 2000, 2000, &v), 0);
	struct store_series r;
	assert_int_equal(
		store_range(s, e, METRIC_NET_RX, (struct store_times){T0, T0 + 3000, 1000}, &r), 0);
	assert_int_equal(r.n, 3);
	assert_true(r.mean[0] == 250 && r.mean[1] == 250 && isnan(r.mean[2]) && isnan(r.max[2]));
	store_series_done(&r);
	assert_int_equal(store_range(s, e, METRIC_TCP_ESTABLISHED,
				 (struct store_times){T0, T0 + 3000, 1000}, &r),
		0);
	assert_true(r.mean[0] == 7 && r.max[1] == 7 && isnan(r.mean[2]));
	store_series_done(&r);
	assert_int_equal(
		store_range(s, e, METRIC_CPU_IDLE, (struct store_times){T0, T0 + 3000, 1000}, &r),
		0);
	assert_true(isnan(r.mean[0])); // never measured is not 0
	store_series_done(&r);
	store_free(s);
}

static void the_newest_record_comes_back_exactly(void **state)
{
	struct store *s = memory_store(10);
	struct store_entity *e = entity(s, ENTITY_NODE, "n");
	assert_null(store_latest(e, NULL, NULL));
	struct scope v = {0};
	for (int m = 0; m < METRIC_COUNT; m++)
		scope_set(&v, (enum metric)m, (int64_t)0x123456789abcdef >> m);
	v.hists_present = 1u << HIST_TCP_SRTT;
	v.hists[HIST_TCP_SRTT].buckets[31] = UINT32_MAX;
	assert_int_equal(store_put(s, e, T0 + 1000, 1000, &v), 0);
	int64_t wall;
	uint32_t window;
	const struct scope *got = store_latest(e, &wall, &window);
	assert_non_null(got);
	assert_int_equal(wall, T0 + 1000);
	assert_int_equal(window, 1000);
	assert_memory_equal(got, &v, sizeof(v));
	store_tick(s, T0 + 601000); // it has left the live window
	assert_null(store_latest(e, NULL, NULL));
	store_free(s);
}

static void out_of_order_records_are_put_in_their_place(void **state)
{
	struct store *s = memory_store(10);
	struct store_entity *e = entity(s, ENTITY_NODE, "n");
	struct rng rng;
	rng_init(&rng, 1);
	int order[400];
	for (int i = 0; i < 400; i++)
		order[i] = i;
	for (int i = 399; i > 0; i--) {
		int j = (int)rng_below(&rng, (uint64_t)i + 1), swap = order[i];
		order[i] = order[j];
		order[j] = swap;
	}
	store_tick(s, T0 + 400000);
	for (int i = 0; i < 400; i++)
		assert_int_equal(put(s, e, T0 + 1000 * (order[i] + 1), order[i]), 0);
	assert_int_equal(put(s, e, T0 + 1000 * 101, 999), 0); // same end: replaces
	struct store_series r;
	assert_int_equal(
		store_range(s, e, METRIC_MEM_USED, (struct store_times){T0, T0 + 400000, 1000}, &r),
		0);
	for (int i = 0; i < 400; i++)
		assert_true(r.mean[i] == (i == 100 ? 999 : i));
	store_series_done(&r);
	store_free(s);
}

static void stale_and_future_records_are_refused_and_counted(void **state)
{
	struct store *s = memory_store(10);
	struct store_entity *e = entity(s, ENTITY_NODE, "n");
	store_tick(s, T0);
	assert_int_equal(put(s, e, T0 + 60000, 1), 0);
	assert_int_equal(put(s, e, T0 + 60001, 1), -ERANGE);
	assert_int_equal(put(s, e, T0 + 86400000, 1), -ERANGE);
	assert_int_equal(put(s, e, T0 - 600000, 1), -ESTALE);
	assert_int_equal(put(s, e, T0 - 86400000, 1), -ESTALE);
	assert_int_equal(put(s, e, T0 - 599999, 1), 0);
	struct scope v = {0};
	assert_int_equal(store_put(s, e, T0, 0, &v), -EINVAL);
	assert_int_equal(store_put(s, e, T0, 3600001, &v), -EINVAL);
	struct store_stats st;
	store_stats(s, &st);
	assert_int_equal(st.puts, 2);
	assert_int_equal(st.puts_future, 2);
	assert_int_equal(st.puts_stale, 2);
	store_free(s);
}

static void a_clock_that_jumps_a_day_and_back_does_not_stop_the_store(void **state)
{
	struct store *s = memory_store(10);
	struct store_entity *e = entity(s, ENTITY_NODE, "n");
	assert_int_equal(put(s, e, T0 + 1000, 5), 0);
	store_tick(s, T0 + 86400000);
	assert_int_equal(put(s, e, T0 + 86401000, 6), 0);
	store_tick(s, T0 + 3000);
	assert_int_equal(put(s, e, T0 + 4000, 7), 0);
	store_tick(s, T0 + 86400000 * -1);
	assert_int_equal(put(s, e, T0 - 86400000, 8), 0);
	store_tick(s, T0 + 5000);
	assert_int_equal(put(s, e, T0 + 6000, 9), 0);
	struct store_series r;
	assert_int_equal(
		store_range(s, e, METRIC_MEM_USED, (struct store_times){T0, T0 + 7000, 1000}, &r),
		0);
	assert_true(r.mean[5] == 9);
	store_series_done(&r);
	store_free(s);
}

static void windows_off_the_grid_conserve_what_they_counted(void **state)
{
	struct store *s = memory_store(10);
	struct store_entity *e = entity(s, ENTITY_NODE, "n");
	struct rng rng;
	rng_init(&rng, 2);
	int64_t wall = T0 + 437, total = 0, first = T0;
	while (wall < T0 + 500000) {
		uint32_t window = 900 + (uint32_t)rng_below(&rng, 200);
		struct scope v = {0};
		scope_set(&v, METRIC_DISK_IOS, (int64_t)rng_below(&rng, 1000));
		total += v.values[METRIC_DISK_IOS];
		wall += window;
		store_tick(s, wall);
		assert_int_equal(store_put(s, e, wall, window, &v), 0);
	}
	int64_t steps[] = {1000, 2000, 7000, 10000, 60000};
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct store_series r;
		int64_t to = wall - wall % steps[i] + steps[i];
		assert_int_equal(store_range(s, e, METRIC_DISK_IOS,
					 (struct store_times){first, to, steps[i]}, &r),
			0);
		double sum = 0;
		for (size_t b = 0; b < r.n; b++) {
			int64_t start = r.from_ms + (int64_t)b * steps[i], end = start + steps[i];
			start = start > T0 + 437 ? start : T0 + 437;
			end = end < wall ? end : wall;
			if (end > start)
				sum += r.mean[b] * (double)(end - start) / 1000;
			assert_true(isnan(r.mean[b]) || r.max[b] >= r.mean[b] - 1e-9);
		}
		assert_float_equal(sum, (double)total, (double)total / 65536);
		store_series_done(&r);
	}
	store_free(s);
}

static void large_values_keep_ten_leading_bits(void **state)
{
	struct rng rng;
	rng_init(&rng, 3);
	int32_t before = 0;
	for (int64_t v = 0; v < 5000; v++) {
		int32_t code = store_live_code(v);
		assert_true(code == before || code == before + 1);
		before = code;
	}
	for (int i = 0; i < 100000; i++) {
		int64_t v = (int64_t)(rng_next(&rng) >> rng_below(&rng, 63) >> 1);
		int32_t code = store_live_code(v);
		assert_in_range(code, 0, INT16_MAX);
		int64_t error = store_live_value(code) - v;
		assert_true(v < 1024 ? error == 0 : llabs(error) <= v / 1024);
		assert_int_equal(store_live_value(store_live_code(-v)), -store_live_value(code));
	}
	assert_int_equal(store_live_value(store_live_code(INT64_MAX)), INT64_MAX);
}

static void histograms_of_a_range_are_merged(void **state)
{
	struct store *s = memory_store(10);
	struct store_entity *e = entity(s, ENTITY_NODE, "n");
	for (int i = 1; i <= 20; i++) {
		struct scope v = {.hists_present = 1u << HIST_RUNQ_LATENCY};
		v.hists[HIST_RUNQ_LATENCY].buckets[i % 5] = (uint32_t)i;
		assert_int_equal(store_put(s, e, T0 + 1000 * i, 1000, &v), 0);
	}
	struct store_hists r;
	assert_int_equal(store_hist_range(s, e, HIST_RUNQ_LATENCY,
				 (struct store_times){T0, T0 + 30000, 10000}, &r),
		0);
	assert_int_equal(r.n, 3);
	assert_int_equal(hist_count(&r.bins[0]), 55);
	assert_int_equal(r.bins[0].buckets[1], 1 + 6);
	assert_int_equal(hist_count(&r.bins[1]), 155);
	assert_int_equal(hist_count(&r.bins[2]), 0);
	store_hists_done(&r);
	store_free(s);
}

static void pods_are_kept_at_ten_seconds(void **state)
{
	struct store *s = memory_store(10);
	struct store_entity *e = entity(s, ENTITY_POD, "p");
	for (int i = 1; i <= 300; i++) {
		struct scope v = {0};
		scope_set(&v, METRIC_CPU_USAGE, i);
		store_tick(s, T0 + 1000 * i);
		assert_int_equal(store_put(s, e, T0 + 1000 * i, 1000, &v), 0);
	}
	struct store_series r;
	assert_int_equal(store_range(s, e, METRIC_CPU_USAGE,
				 (struct store_times){T0, T0 + 300000, 10000}, &r),
		0);
	for (int i = 0; i < 30; i++)
		assert_float_equal(r.mean[i], i * 10 + 5.5, 0.005 * (i * 10 + 5.5));
	store_series_done(&r);
	struct store_stats st;
	store_stats(s, &st);
	assert_in_range(st.live_bytes, 1, 1000);
	store_free(s);
}

static void bad_ranges_are_refused(void **state)
{
	struct store *s = memory_store(10);
	struct store_entity *e = entity(s, ENTITY_NODE, "n");
	struct store_series r;
	assert_int_equal(
		store_range(s, e, METRIC_CPU_USAGE, (struct store_times){T0, T0 + 1000, 999}, &r),
		-EINVAL);
	assert_int_equal(
		store_range(s, e, METRIC_CPU_USAGE, (struct store_times){T0, T0 + 1000, 1500}, &r),
		-EINVAL);
	assert_int_equal(
		store_range(s, e, METRIC_CPU_USAGE, (struct store_times){T0, T0 - 1000, 1000}, &r),
		-EINVAL);
	assert_int_equal(
		store_range(s, e, METRIC_COUNT, (struct store_times){T0, T0 + 1000, 1000}, &r),
		-EINVAL);
	assert_int_equal(
		store_range(s, e, METRIC_CPU_USAGE, (struct store_times){0, INT64_MAX, 1000}, &r),
		-E2BIG);
	assert_int_equal(
		store_range(s, e, METRIC_CPU_USAGE,
			(struct store_times){INT64_MAX - 10, INT64_MAX, INT64_MAX / 1000 * 1000},
			&r),
		0);
	store_series_done(&r);
	assert_int_equal(store_range(s, e, METRIC_CPU_USAGE,
				 (struct store_times){T0, T0 + 20001000, 1000}, &r),
		-E2BIG);
	assert_int_equal(
		store_range(s, e, METRIC_CPU_USAGE, (struct store_times){T0, T0, 1000}, &r), 0);
	assert_int_equal(r.n, 0);
	store_series_done(&r);
	store_free(s);
}

static int count(void *arg, struct store_entity *e)
{
	strncat(arg, store_entity_name(e), 8);
	return 0;
}

static void entities_are_bounded_and_silent_ones_are_forgotten(void **state)
{
	struct store *s = memory_store(2);
	struct store_entity *e, *same;
	char names[64] = "";
	assert_int_equal(store_entity(s, "c", ENTITY_POD, "b", &e), 0);
	assert_int_equal(store_entity(s, "c", ENTITY_POD, "b", &same), 0);
	assert_ptr_equal(e, same);
	assert_int_equal(store_entity(s, "d", ENTITY_POD, "a", &e), 0);
	assert_int_equal(store_entity(s, "c", ENTITY_NODE, "b", &e), -ENOSPC);
	store_each(s, NULL, ENTITY_POD, count, names);
	assert_string_equal(names, "ba");
	names[0] = 0;
	store_each(s, "d", ENTITY_POD, count, names);
	assert_string_equal(names, "a");
	assert_null(store_find(s, "c", ENTITY_POD, "a"));
	for (int i = 1; i <= 3612; i++) {
		store_tick(s, T0 + 1000 * i);
		if (i % 100 == 0)
			assert_int_equal(
				put(s, store_find(s, "c", ENTITY_POD, "b"), T0 + 1000 * i, 1), 0);
	}
	assert_int_equal(store_entity(s, "c", ENTITY_NODE, "b", &e), 0);
	assert_null(store_find(s, "d", ENTITY_POD, "a"));
	struct store_stats st;
	store_stats(s, &st);
	assert_int_equal(st.entities, 2);
	assert_int_equal(st.entities_refused, 1);
	char longname[600];
	memset(longname, 'x', sizeof(longname));
	longname[599] = 0;
	assert_int_equal(store_entity(s, "c", ENTITY_NODE, longname, &e), -EINVAL);
	store_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_range_has_rates_for_increases_and_values_for_gauges),
		cmocka_unit_test(the_newest_record_comes_back_exactly),
		cmocka_unit_test(out_of_order_records_are_put_in_their_place),
		cmocka_unit_test(stale_and_future_records_are_refused_and_counted),
		cmocka_unit_test(a_clock_that_jumps_a_day_and_back_does_not_stop_the_store),
		cmocka_unit_test(windows_off_the_grid_conserve_what_they_counted),
		cmocka_unit_test(large_values_keep_ten_leading_bits),
		cmocka_unit_test(histograms_of_a_range_are_merged),
		cmocka_unit_test(pods_are_kept_at_ten_seconds),
		cmocka_unit_test(bad_ranges_are_refused),
		cmocka_unit_test(entities_are_bounded_and_silent_ones_are_forgotten),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
