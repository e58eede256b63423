// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/store/store.h"
#include "proto/base/rng.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const int64_t T0 = 1700006400000; // a whole hour
static const int64_t MIN_MS = 60000, HOUR_MS = 3600000, DAY_MS = 86400000;
static char dir[64], path[96];
static int64_t in_memory_ms; // from here on answers may come from memory, which keeps ten bits

static int make_dir(void **state)
{
	snprintf(dir, sizeof(dir), "/dev/shm/petrel-store-XXXXXX" /* no fsync to wait for */);
	in_memory_ms = INT64_MAX;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s.db", dir);
	return 0;
}

static int drop_dir(void **state)
{
	static const char *const names[] = {"s.db", "s.db-wal", "s.db-shm", "s.db.lock",
		"s.db.corrupt", "s.db.corrupt-wal", "s.db.corrupt-shm", "t.db", "t.db-wal",
		"t.db-shm", "t.db.lock"};
	char name[128];
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(name, sizeof(name), "%s/%s", dir, names[i]);
		unlink(name);
	}
	return rmdir(dir);
}

static struct store *opened_at(const char *at, struct why *why)
{
	struct store *s;
	struct store_options o = {.path = at, .max_entities = 1000, .live_seconds = 600};
	struct why mine = {0};
	int r = store_new(&s, &o, why ? why : &mine);
	if (r)
		fail_msg("%s", why ? why->text : mine.text);
	return s;
}

static struct store_entity *node(struct store *s, const char *name)
{
	struct store_entity *e;
	assert_int_equal(store_entity(s, "c", ENTITY_NODE, name, &e), 0);
	return e;
}

// One value a second, known by time: a daily wave with noise, and holes.
static bool value_at(int64_t wall_ms, int64_t *ret)
{
	struct rng rng;
	rng_init(&rng, (uint64_t)wall_ms);
	if (rng_below(&rng, 20) == 0 || wall_ms / 1000 % 5000 < 100)
		return false;
	double wave = 1 + sin((double)(wall_ms % DAY_MS) / (double)DAY_MS * 2 * M_PI);
	*ret = (int64_t)(20000 * wave + 1000 * rng_unit(&rng));
	return true;
}

static void put_second(struct store *s, const char *name, int64_t wall_ms)
{
	struct scope v = {.hists_present = 1u << HIST_RUNQ_LATENCY};
	int64_t value;
	if (!value_at(wall_ms, &value))
		return;
	scope_set(&v, METRIC_MEM_USED, value);
	scope_set(&v, METRIC_DISK_IOS, value / 100);
	v.hists[HIST_RUNQ_LATENCY].buckets[value % 7] = (uint32_t)(value % 100);
	assert_int_equal(store_put(s, node(s, name), wall_ms, 1000, &v), 0);
}

static void run(struct store *s, const char *name, int64_t from_ms, int64_t to_ms)
{
	for (int64_t t = from_ms; t < to_ms; t += 1000) {
		put_second(s, name, t + 1000);
		store_tick(s, t + 1000);
	}
}

// What the store must say of [from, to): the mean over seconds, the largest second.
static void expected(int64_t from_ms, int64_t to_ms, double *mean, double *max)
{
	double sum = 0;
	int64_t n = 0, value;
	*mean = *max = NAN;
	for (int64_t t = from_ms; t < to_ms; t += 1000) {
		if (!value_at(t + 1000, &value))
			continue;
		sum += (double)value;
		*max = n++ ? fmax(*max, (double)value) : (double)value;
	}
	if (n)
		*mean = sum / (double)n;
}

static void check_range(struct store *s, int64_t from_ms, int64_t to_ms, int64_t step_ms)
{
	struct store_series r;
	struct store_entity *e = store_find(s, "c", ENTITY_NODE, "n");
	assert_non_null(e);
	assert_int_equal(store_range(s, e, METRIC_MEM_USED,
				 (struct store_times){from_ms, to_ms, step_ms}, &r),
		0);
	assert_int_equal(r.n, (to_ms - from_ms) / step_ms);
	for (size_t i = 0; i < r.n; i++) {
		double mean, max;
		int64_t t = from_ms + (int64_t)i * step_ms;
		expected(t, t + step_ms, &mean, &max);
		if (isnan(mean) != isnan(r.mean[i]))
			fail_msg("bin %zu of %d ms: %f, not %f", i, (int)step_ms, r.mean[i], mean);
		if (isnan(mean))
			continue;
		// coverage is kept to 1/250, values to 1/65536 of 42,000
		double error = t + step_ms > in_memory_ms ? mean / 512 : 0;
		if (fabs(mean - r.mean[i]) > 5 + error || fabs(max - r.max[i]) > 1 + error)
			fail_msg("bin %zu of %d ms: %f max %f, not %f max %f", i, (int)step_ms,
				r.mean[i], r.max[i], mean, max);
	}
	store_series_done(&r);
}

static void check_hists(struct store *s, int64_t from_ms, int64_t to_ms, int64_t step_ms)
{
	struct store_hists r;
	struct store_entity *e = store_find(s, "c", ENTITY_NODE, "n");
	int64_t value;
	assert_int_equal(store_hist_range(s, e, HIST_RUNQ_LATENCY,
				 (struct store_times){from_ms, to_ms, step_ms}, &r),
		0);
	for (size_t i = 0; i < r.n; i++) {
		struct hist want = {0};
		for (int64_t t = 0; t < step_ms; t += 1000)
			if (value_at(from_ms + (int64_t)i * step_ms + t + 1000, &value))
				want.buckets[value % 7] += (uint32_t)(value % 100);
		assert_memory_equal(&want, &r.bins[i], sizeof(want));
	}
	store_hists_done(&r);
}

static void roll_ups_are_those_of_a_sum_over_seconds(void **state)
{
	struct store *s = opened_at(path, NULL);
	int64_t end = T0 + 13 * HOUR_MS;
	in_memory_ms = end - 10 * MIN_MS - 10000;
	store_tick(s, T0);
	run(s, "n", T0, end);
	for (int round = 0; round < 2; round++) {
		store_flush(s);
		check_range(s, T0, end, 10000);
		check_range(s, T0, end, 30000);
		check_range(s, T0, end, 5 * MIN_MS);
		check_range(s, T0, end, 15 * MIN_MS);
		check_range(s, T0, end, HOUR_MS);
		check_range(s, end - 5 * MIN_MS, end, 1000 + 9000 * round); // after a restart: 10 s
		check_hists(s, T0, end, 5 * MIN_MS);
		check_hists(s, T0 + HOUR_MS, T0 + 2 * HOUR_MS, 10000);
		check_hists(s, T0, end, HOUR_MS);
		store_free(s);
		s = opened_at(path, NULL);
		store_tick(s, end + 1000);
	}
	struct store_stats st;
	store_flush(s);
	store_stats(s, &st);
	assert_int_equal(st.damaged_rows, 0);
	assert_int_equal(st.oldest_10s_ms, T0);
	store_free(s);
}

static void coarser_data_stands_where_finer_is_gone(void **state)
{
	struct store *s;
	struct store_options o = {.path = path,
		.max_entities = 10,
		.live_seconds = 60,
		.retention_10s_ms = 2 * HOUR_MS,
		.retention_5min_ms = DAY_MS,
		.retention_1h_ms = 30 * DAY_MS};
	assert_int_equal(store_new(&s, &o, NULL), 0);
	int64_t end = T0 + 10 * DAY_MS;
	struct scope v = {0};
	for (int64_t t = T0; t < end; t += MIN_MS) { // the value is the number of the hour
		scope_set(&v, METRIC_PODS, (t - T0) / HOUR_MS);
		store_tick(s, t + MIN_MS);
		assert_int_equal(store_put(s, node(s, "n"), t + MIN_MS, (uint32_t)MIN_MS, &v), 0);
	}
	store_flush(s);
	struct store_stats st;
	for (int i = 0; i < 100; i++) { // what is due goes on behind the tick
		store_tick(s, end + 1000 * i);
		store_flush(s);
	}
	store_stats(s, &st);
	assert_true(st.oldest_10s_ms >= end - 4 * HOUR_MS);
	assert_true(st.oldest_1h_ms <= T0 + HOUR_MS);
	struct store_series r;
	struct store_entity *e = node(s, "n");
	const int64_t steps[] = {10 * MIN_MS, HOUR_MS};
	for (int k = 0; k < 2; k++) {
		assert_int_equal(
			store_range(s, e, METRIC_PODS, (struct store_times){T0, end, steps[k]}, &r),
			0);
		for (size_t i = 0; i < r.n; i++)
			assert_float_equal(
				r.mean[i], (double)((int64_t)i * steps[k] / HOUR_MS), 0.01);
		store_series_done(&r);
	}
	assert_int_equal(
		store_range(s, e, METRIC_PODS, (struct store_times){end - HOUR_MS, end, 10000}, &r),
		0);
	for (size_t i = 0; i < r.n; i++)
		assert_float_equal(r.mean[i], 239, 0.01);
	store_series_done(&r);
	store_free(s);
}

static void copy(const char *from, const char *to)
{
	char buffer[65536];
	ssize_t n;
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(in >= 0 && out >= 0);
	while ((n = read(in, buffer, sizeof(buffer))) > 0)
		assert_int_equal(write(out, buffer, (size_t)n), n);
	close(in);
	close(out);
}

// The files as they are at this moment are what a kill -9 would leave.
static void a_crash_loses_nothing_that_a_tick_has_handed_over(void **state)
{
	char other[128], from[160], to[160];
	snprintf(other, sizeof(other), "%s/t.db", dir);
	struct store *s = opened_at(path, NULL), *t;
	store_tick(s, T0);
	in_memory_ms = T0;
	for (int i = 1; i <= 40; i++) {
		run(s, "n", T0 + (i - 1) * 3000, T0 + i * 3000);
		store_flush(s);
		snprintf(from, sizeof(from), "%s-wal", path);
		snprintf(to, sizeof(to), "%s-wal", other);
		in_memory_ms = T0;
		copy(path, other);
		copy(from, to);
		t = opened_at(other, NULL);
		store_tick(t, T0 + i * 3000);
		check_range(t, T0, T0 + i * 3000 / 10000 * 10000, 10000);
		run(t, "n", T0 + i * 3000, T0 + i * 3000 + 25000);
		store_flush(t);
		store_tick(t, T0 + HOUR_MS); // nothing in memory any more
		store_tick(t, T0 + HOUR_MS + 20000);
		store_flush(t);
		in_memory_ms = INT64_MAX;
		check_range(t, T0, T0 + (i * 3000 + 25000) / 10000 * 10000, 10000);
		check_hists(t, T0, T0 + (i * 3000 + 25000) / 10000 * 10000, 10000);
		store_free(t);
	}
	store_free(s);
}

static void late_data_join_what_was_written(void **state)
{
	struct store *s = opened_at(path, NULL);
	store_tick(s, T0);
	for (int64_t t = T0; t < T0 + 500000; t += 1000)
		if (t / 1000 % 3)
			put_second(s, "n", t + 1000);
		else if (t % 2000 == 0)
			store_tick(s, t);
	store_tick(s, T0 + 500000);
	store_flush(s);
	for (int64_t t = T0 + 499000; t >= T0; t -= 1000) // the agent was away and replays
		if (t / 1000 % 3 == 0) {
			put_second(s, "n", t + 1000);
			store_tick(s, T0 + 500000 + t / 1000 % 7);
		}
	store_tick(s, T0 + HOUR_MS);
	store_tick(s, T0 + 2 * HOUR_MS); // all from the file, compacted
	store_flush(s);
	check_range(s, T0, T0 + 490000, 10000);
	check_hists(s, T0, T0 + 490000, 10000);
	store_free(s);
}

static void a_clock_that_jumps_a_day_and_back_keeps_both_days(void **state)
{
	struct store *s = opened_at(path, NULL);
	store_tick(s, T0);
	run(s, "n", T0, T0 + HOUR_MS);
	store_tick(s, T0 + DAY_MS);
	run(s, "n", T0 + DAY_MS, T0 + DAY_MS + 2 * HOUR_MS); // an hour is compacted meanwhile
	store_tick(s, T0 + HOUR_MS);
	run(s, "n", T0 + HOUR_MS, T0 + 2 * HOUR_MS);
	store_tick(s, T0 - DAY_MS);
	store_tick(s, T0 + 2 * HOUR_MS);
	run(s, "n", T0 + 2 * HOUR_MS, T0 + 3 * HOUR_MS);
	store_flush(s);
	in_memory_ms = T0 + 170 * MIN_MS;
	check_range(s, T0, T0 + 3 * HOUR_MS - 20000, 10000);
	check_range(s, T0, T0 + 2 * HOUR_MS, 5 * MIN_MS);
	check_range(s, T0 + DAY_MS, T0 + DAY_MS + HOUR_MS, 10000);
	store_free(s);
}

static void entities_and_documents_are_found_after_a_restart(void **state)
{
	struct store *s = opened_at(path, NULL);
	void *data;
	size_t len;
	store_tick(s, T0);
	run(s, "n", T0, T0 + MIN_MS);
	assert_int_equal(store_document_get(s, "weights", &data, &len), -ENOENT);
	assert_int_equal(store_document_put(s, "weights", "one", 3), 0);
	assert_int_equal(store_document_put(s, "weights", "two\0", 4), 0);
	assert_int_equal(store_document_put(s, "empty", "", 0), 0);
	assert_int_equal(store_document_put(s, "", "x", 1), -EINVAL);
	assert_int_equal(store_document_get(s, "weights", &data, &len), 0); // at once
	assert_int_equal(len, 4);
	free(data);
	store_tick(s, T0 + MIN_MS + 1000);
	store_flush(s);
	store_tick(s, T0 + MIN_MS + 2000); // now from the file
	assert_int_equal(store_document_get(s, "weights", &data, &len), 0);
	assert_memory_equal(data, "two", 4);
	free(data);
	assert_int_equal(store_document_put(s, "last", "moment", 6), 0);
	store_free(s);
	s = opened_at(path, NULL);
	assert_int_equal(store_document_get(s, "last", &data, &len), 0);
	assert_memory_equal(data, "moment", 6);
	free(data);
	assert_int_equal(store_document_get(s, "empty", &data, &len), 0);
	assert_int_equal(len, 0);
	free(data);
	assert_non_null(store_find(s, "c", ENTITY_NODE, "n"));
	assert_null(store_find(s, "c", ENTITY_GROUP, "n"));
	assert_null(store_find(s, "d", ENTITY_NODE, "n"));
	store_free(s);
}

static void two_processes_do_not_share_a_file(void **state)
{
	struct store *s = opened_at(path, NULL), *t;
	struct store_options o = {.path = path, .max_entities = 1, .live_seconds = 1};
	struct why why;
	assert_int_equal(store_new(&t, &o, &why), -EBUSY);
	store_free(s);
	o.path = "/nonexistent/s.db";
	assert_int_equal(store_new(&t, &o, &why), -ENOENT);
	assert_non_null(strstr(why.text, "/nonexistent/s.db"));
}

static void damage(off_t at, size_t len)
{
	int fd = open(path, O_WRONLY);
	char *noise = malloc(len);
	memset(noise, 0x5a, len);
	assert_int_equal(pwrite(fd, noise, len, at), len);
	free(noise);
	close(fd);
}

static void a_damaged_file_is_moved_aside_and_a_new_one_begun(void **state)
{
	static const struct {
		off_t at;
		size_t len;
	} places[] = {{0, 100}, {0, 20000}, {4096, 4096}};
	char aside[128];
	struct stat st;
	snprintf(aside, sizeof(aside), "%s.corrupt", path);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct store *s = opened_at(path, NULL);
		struct why why;
		store_tick(s, T0);
		run(s, "n", T0, T0 + 10 * MIN_MS);
		store_free(s);
		damage(places[i].at, places[i].len);
		unlink(aside);
		s = opened_at(path, &why);
		if (!strstr(why.text, "damaged"))
			fail_msg("place %zu: \"%s\"", i, why.text);
		assert_int_equal(why.code, 0);
		assert_int_equal(stat(aside, &st), 0);
		store_tick(s, T0);
		run(s, "n", T0, T0 + MIN_MS);
		store_flush(s);
		check_range(s, T0, T0 + MIN_MS - 10000, 10000);
		struct store_stats stats;
		store_stats(s, &stats);
		assert_int_equal(stats.moved_aside, 1);
		assert_true(stats.storing);
		store_free(s);
		unlink(path);
	}
}

static void memory_alone_keeps_history_too(void **state)
{
	struct store *s = opened_at(NULL, NULL);
	store_tick(s, T0);
	run(s, "n", T0, T0 + 2 * HOUR_MS);
	store_flush(s);
	in_memory_ms = T0 + 110 * MIN_MS;
	check_range(s, T0, T0 + 2 * HOUR_MS, 10000);
	check_range(s, T0, T0 + 2 * HOUR_MS, 5 * MIN_MS);
	store_free(s);
}

int main(void)
{
#define DISK(test) cmocka_unit_test_setup_teardown(test, make_dir, drop_dir)
	const struct CMUnitTest tests[] = {
		DISK(roll_ups_are_those_of_a_sum_over_seconds),
		DISK(coarser_data_stands_where_finer_is_gone),
		DISK(a_crash_loses_nothing_that_a_tick_has_handed_over),
		DISK(late_data_join_what_was_written),
		DISK(a_clock_that_jumps_a_day_and_back_keeps_both_days),
		DISK(entities_and_documents_are_found_after_a_restart),
		DISK(two_processes_do_not_share_a_file),
		DISK(a_damaged_file_is_moved_aside_and_a_new_one_begun),
		DISK(memory_alone_keeps_history_too),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
