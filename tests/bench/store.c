// SPDX-License-Identifier: Apache-2.0
// Figures of the store, one JSON line each: samples/s in, bytes per sample by kind of series, range
// queries. A sample is one value of one metric in one window. Virtual time, real file.
#include "aggregator/store/chunk.h"
#include "aggregator/store/store.h"
#include "proto/base/clock.h"
#include "proto/base/json.h"
#include "proto/base/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const int64_t T0 = 1700006400000;
enum { METRICS_PUT = 40 };

struct figure {
	const char *name, *unit;
	double value, budget, baseline;
	bool at_least;
};

static void print(struct figure f)
{
	autobuf out;
	struct json j;
	buf_init(&out, 4096);
	json_init(&j, &out);
	json_open(&j, '{');
	json_put_text(&j, "name", f.name);
	json_put_double(&j, "value", f.value);
	json_put_text(&j, "unit", f.unit);
	json_put_double(&j, "baseline", f.baseline ? f.baseline : NAN);
	json_put_double(&j, "ratio", f.baseline ? f.value / f.baseline : NAN);
	json_put_double(&j, "budget", f.budget ? f.budget : NAN);
	json_key(&j, "ok");
	if (f.budget)
		json_bool(&j, f.at_least ? f.value >= f.budget : f.value <= f.budget);
	else
		json_null(&j);
	json_close(&j, '}');
	printf("%s\n", out.data);
	fflush(stdout);
}

// --- bytes per sample -----------------------------------------------------------------------

static double next_value(int kind, struct rng *rng, double before)
{
	switch (kind) {
	case 0: return fmax(0, rint(before + 40 * rng_normal(rng))); // millicores, random walk
	case 1: return before + 4096 * rint(20 * rng_normal(rng));   // bytes in pages
	case 2: return rint(1e9 * (0.5 + 0.1 * rng_normal(rng)));    // ns of CPU per second
	case 3: return rint(500 + 5 * rng_normal(rng));              // a count
	case 4: return rng_below(rng, 50) ? before : rint(8 + rng_unit(rng)); // mostly constant
	default: return before * (1 + 0.01 * rng_normal(rng));                // any double
	}
}

static void bytes_per_sample(void)
{
	static const char *const names[] = {"store_bytes_millicores_walk",
		"store_bytes_memory_pages", "store_bytes_cpu_ns_noise", "store_bytes_count",
		"store_bytes_mostly_constant", "store_bytes_doubles"};
	struct store_codec *codec;
	struct store_columns c;
	struct rng rng;
	rng_init(&rng, 1);
	if (store_codec_new(&codec) < 0 || store_columns_init(&c, 120, store_wanted_all) < 0)
		exit(1);
	for (int kind = 0; kind < 6; kind++) {
		size_t bytes = 0, samples = 0;
		for (int round = 0; round < 200; round++) {
			struct store_column *v = store_columns_use(&c, METRIC_MEM_USED);
			double x = kind == 1 ? 4e9 : 5000;
			autobuf blob;
			buf_init(&blob, CHUNK_MAX_BYTES);
			for (size_t i = 0; i < c.n; i++) {
				x = next_value(kind, &rng, x);
				v->mean[i] = v->max[i] = x;
				v->covered[i] = CHUNK_FULL;
			}
			store_chunk_encode(codec, &c, &blob);
			bytes += blob.len;
			samples += c.n;
		}
		print((struct figure){.name = names[kind],
			.unit = "bytes/sample",
			.value = (double)bytes / (double)samples,
			.budget = kind < 5 ? 3 : 0,
			.baseline = 8});
	}
	store_columns_done(&c);
	store_codec_free(codec);
}

// --- in, and back ---------------------------------------------------------------------------

static void fill(struct scope *v, struct rng *rng, int64_t second)
{
	*v = (struct scope){.hists_present = 3};
	for (int m = 0; m < METRICS_PUT; m++) {
		double wave = 1 + 0.5 * sin((double)second / 13750 + m);
		double level = m % 4 == 0 ? 1e9 : m % 4 == 1 ? 500 : m % 4 == 2 ? 3e7 : 0;
		scope_set(
			v, (enum metric)m, (int64_t)(level * wave * (0.95 + 0.1 * rng_unit(rng))));
	}
	for (int h = 0; h < 2; h++)
		for (int b = 4; b < 16; b++)
			v->hists[h].buckets[b] = (uint32_t)rng_below(rng, 1000);
}

static struct store *opened(const char *path, size_t live_bytes)
{
	struct store *s;
	struct why why;
	const struct store_options o = {.path = path,
		.max_entities = 100000,
		.live_seconds = 600,
		.live_bytes = live_bytes};
	if (store_new(&s, &o, &why) < 0) {
		fprintf(stderr, "%s\n", why.text);
		exit(1);
	}
	return s;
}

static struct store_entity *node_of(struct store *s, int i)
{
	char name[32];
	struct store_entity *e;
	snprintf(name, sizeof(name), "ip-10-0-%d-%d.internal", i / 250, i % 250);
	if (store_entity(s, "c", ENTITY_NODE, name, &e) < 0)
		exit(1);
	return e;
}

static long rss_kib(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");
	if (f && fscanf(f, "%*d %ld", &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static double thread_cpu_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void samples_in(const char *path, int nodes, int seconds)
{
	struct scope *v = calloc(64, sizeof(*v));
	struct rng rng;
	long before_kib = rss_kib();
	struct store *s = opened(path, 96 << 20);
	rng_init(&rng, 2);
	for (int i = 0; i < 64; i++)
		fill(&v[i], &rng, i);
	store_tick(s, T0);
	uint64_t start = clock_mono_ns();
	double cpu_start_s = thread_cpu_s();
	for (int64_t t = T0 + 1000; t <= T0 + seconds * 1000ll; t += 1000) {
		for (int i = 0; i < nodes; i++)
			store_put(s, node_of(s, i), t, 1000, &v[(t / 1000 + i) % 64]);
		store_tick(s, t);
	}
	double put_s = (double)(clock_mono_ns() - start) / 1e9;
	double cpu_s = thread_cpu_s() - cpu_start_s;
	store_flush(s);
	double all_s = (double)(clock_mono_ns() - start) / 1e9;
	double samples = (double)nodes * seconds * METRICS_PUT;
	struct store_stats st;
	store_stats(s, &st);
	// of the loop's thread, which a busy machine does not distort; then by the wall clock
	print((struct figure){
		"store_samples_in_cpu", "samples/s of CPU", samples / cpu_s, 5e6, 0, true});
	print((struct figure){"store_samples_in", "samples/s", samples / put_s, 5e6, 0, true});
	print((struct figure){"store_samples_on_disk", "samples/s", samples / all_s, 0, 0, true});
	print((struct figure){.name = "store_live_bytes_per_node",
		.unit = "bytes",
		.value = (double)st.live_bytes / nodes});
	print((struct figure){.name = "store_rss_5000_nodes",
		.unit = "MiB",
		.value = (double)(rss_kib() - before_kib) / 1024 * 5000 / nodes,
		.budget = 300});
	print((struct figure){
		.name = "store_dropped_bins", .unit = "bins", .value = (double)st.dropped_bins});
	store_free(s);
	free(v);
}

static double query_ms(struct store *s, struct store_times t)
{
	struct store_series r;
	double best = INFINITY;
	for (int i = 0; i < 9; i++) {
		uint64_t start = clock_mono_ns();
		if (store_range(s, node_of(s, 0), METRIC_CPU_USAGE, t, &r) < 0)
			exit(1);
		best = fmin(best, (double)(clock_mono_ns() - start) / 1e6);
		store_series_done(&r);
	}
	return best;
}

static void queries(const char *path, int days)
{
	struct store *s = opened(path, 0);
	struct scope v;
	struct rng rng;
	rng_init(&rng, 3);
	int64_t end = T0 + days * 86400000ll;
	for (int64_t t = T0; t < end; t += 10000) {
		for (int i = 0; i < 2; i++) {
			fill(&v, &rng, t / 1000);
			store_put(s, node_of(s, i), t + 10000, 10000, &v);
		}
		store_tick(s, t + 10000);
	}
	store_flush(s);
	struct store_stats st;
	store_stats(s, &st);
	print((struct figure){"store_query_7d_5min", "ms",
		query_ms(s, (struct store_times){end - 7 * 86400000ll, end, 300000}), 20, 0,
		false});
	print((struct figure){"store_query_7d_1h", "ms",
		query_ms(s, (struct store_times){end - 7 * 86400000ll, end, 3600000}), 20, 0,
		false});
	print((struct figure){"store_query_48h_10s", "ms",
		query_ms(s, (struct store_times){end - 172800000, end, 10000}), 0, 0, false});
	print((struct figure){"store_query_10min_1s", "ms",
		query_ms(s, (struct store_times){end - 600000, end, 1000}), 0, 0, false});
	store_free(s);
}

int main(int argc, char **argv)
{
	char dir[] = "/tmp/petrel-bench-XXXXXX", path[64];
	static const char *const files[] = {
		"a", "a-wal", "a-shm", "a.lock", "b", "b-wal", "b-shm", "b.lock"};
	bool brief = argc > 1 && strcmp(argv[1], "--short") == 0;
	if (!mkdtemp(dir))
		return 1;
	bytes_per_sample();
	snprintf(path, sizeof(path), "%s/a", dir);
	samples_in(path, brief ? 1000 : 5000, brief ? 60 : 120);
	snprintf(path, sizeof(path), "%s/b", dir);
	queries(path, 8);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		unlink(path);
	}
	rmdir(dir);
	return 0;
}
