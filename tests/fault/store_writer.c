// SPDX-License-Identifier: Apache-2.0
// Writes to a store until it is killed, and checks what a killed one left. For
// tests/fault/test_store.py.
//
//   store-writer write PATH PAUSE_US   goes on after the newest second that is in the file; a line
//                                      "have T" first, then "T" for each second that is on the disk
//                                      and "storing 0|1 ERROR" when that changes
//   store-writer check PATH T          exits 0 if every second up to T is there with its value
#include "aggregator/store/store.h"
#include "proto/base/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { NODES = 20, CHECKED_METRICS = 3 };
static const int64_t START_MS = 1700006400000; // a whole hour
static const enum metric metrics[CHECKED_METRICS] = {
	METRIC_MEM_USED, METRIC_DISK_IOS, METRIC_TCP_ESTABLISHED};

static int64_t value_of(int64_t wall_ms, int node)
{
	return wall_ms / 1000 % 1000 + 500 + node;
}

static struct store_entity *node_of(struct store *s, int i)
{
	char name[16];
	struct store_entity *e = NULL;
	snprintf(name, sizeof(name), "node-%d", i);
	store_entity(s, "c", ENTITY_NODE, name, &e);
	return e;
}

static struct store *opened(const char *path)
{
	struct store *s;
	struct why why;
	const struct store_options o = {.path = path, .max_entities = 100, .live_seconds = 600};
	if (store_new(&s, &o, &why) < 0 || why.text[0]) {
		fprintf(stderr, "%s\n", why.text);
		return NULL;
	}
	return s;
}

static void put_all(struct store *s, int64_t wall_ms)
{
	for (int i = 0; i < NODES; i++) {
		struct scope v = {.hists_present = 1};
		for (int m = 0; m < CHECKED_METRICS; m++)
			scope_set(&v, metrics[m], value_of(wall_ms, i));
		v.hists[0].buckets[3] = 1;
		store_put(s, node_of(s, i), wall_ms, 1000, &v);
	}
}

static int write_on(const char *path, uint64_t pause_us)
{
	struct store *s = opened(path);
	int64_t t = START_MS;
	bool storing = true;
	if (!s)
		return 1;
	store_latest(node_of(s, 0), &t, NULL);
	printf("have %lld\n", (long long)t);
	fflush(stdout);
	store_tick(s, t);
	for (;;) {
		struct store_stats st;
		t += 1000;
		put_all(s, t);
		store_tick(s, t);
		store_stats(s, &st);
		if (st.storing)
			store_flush(s);
		store_stats(s, &st);
		if (st.storing != storing)
			printf("storing %d %d\n", st.storing, st.error);
		else if (st.storing)
			printf("%lld\n", (long long)t);
		storing = st.storing;
		if (fflush(stdout) != 0)
			return 0;
		usleep((useconds_t)pause_us);
	}
}

static int check(struct store *s, int node, struct store_times t)
{
	struct store_series r;
	if (store_range(s, node_of(s, node), metrics[0], t, &r) < 0)
		return 1;
	for (size_t i = 0; i < r.n; i++) {
		double sum = 0, max = 0;
		int64_t n = t.step_ms / 1000, from = r.from_ms + (int64_t)i * t.step_ms;
		for (int64_t k = 1; k <= n; k++) {
			sum += (double)value_of(from + k * 1000, node);
			max = fmax(max, (double)value_of(from + k * 1000, node));
		}
		if (fabs(r.mean[i] - sum / (double)n) < 2 && fabs(r.max[i] - max) < 2)
			continue;
		fprintf(stderr, "node %d, %lld + %lld ms: %f max %f, not %f max %f\n", node,
			(long long)from, (long long)t.step_ms, r.mean[i], r.max[i], sum / (double)n,
			max);
		return 1;
	}
	store_series_done(&r);
	return 0;
}

static int check_all(const char *path, int64_t until_ms)
{
	static const int64_t steps[] = {10000, 300000, 3600000};
	struct store *s = opened(path);
	int bad = !s;
	if (s)
		store_tick(s, until_ms);
	for (int k = 0; k < 3 && !bad; k++)
		for (int i = 0; i < NODES && !bad; i++)
			bad = check(s, i,
				(struct store_times){
					START_MS, until_ms / steps[k] * steps[k], steps[k]});
	store_free(s);
	return bad;
}

int main(int argc, char **argv)
{
	int64_t number;
	if (argc != 4 || text_to_i64(argv[3], &number) < 0)
		return 2;
	if (strcmp(argv[1], "write") == 0)
		return write_on(argv[2], (uint64_t)number);
	return strcmp(argv[1], "check") == 0 ? check_all(argv[2], number) : 2;
}
