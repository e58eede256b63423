// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/store/chunk.h"
#include "proto/base/rng.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void fill(struct store_columns *c, struct rng *rng, int round)
{
	store_columns_clear(c);
	for (int m = 0; m < METRIC_COUNT; m++) {
		if (rng_below(rng, 3) == 0)
			continue;
		struct store_column *v = store_columns_use(c, (enum metric)m);
		double scale = ldexp(1, (int)rng_below(rng, 60) - 10), level = rng_unit(rng);
		for (size_t i = 0; i < c->n; i++) {
			if (round % 2 && rng_below(rng, 4) == 0)
				continue;
			level = fabs(level + 0.05 * rng_normal(rng));
			v->mean[i] = level * scale;
			v->max[i] = v->mean[i] * (1 + rng_unit(rng));
			if (round % 3 == 0) { // whole numbers
				v->mean[i] = rint(1000 * level);
				v->max[i] = rint(v->mean[i] + 50 * rng_unit(rng));
			}
			v->covered[i] = round % 2 ? (uint8_t)(1 + rng_below(rng, 250)) : CHUNK_FULL;
		}
	}
	for (int h = 0; h < HIST_COUNT; h++) {
		struct hist *counts = store_columns_use_hist(c, (enum hist_id)h);
		for (size_t i = 0; i < c->n; i++) {
			c->counted[h][i] = rng_below(rng, 5) != 0;
			for (int b = 0; b < HIST_BUCKETS; b++)
				counts[i].buckets[b] =
					rng_below(rng, 2) ? 0 : (uint32_t)rng_next(rng) >> b;
		}
	}
}

static double largest(const struct store_column *c, size_t n)
{
	double most = 0;
	for (size_t i = 0; i < n; i++)
		if (c->covered[i])
			most = fmax(most, c->max[i]);
	return most;
}

static void same(const struct store_columns *a, const struct store_columns *b, bool whole)
{
	for (int m = 0; m < METRIC_COUNT; m++) {
		const struct store_column *x = &a->values[m], *y = &b->values[m];
		if (!(a->metrics >> m & 1)) {
			assert_false(b->metrics >> m & 1);
			continue;
		}
		double most = largest(x, a->n), error = fmax(most / 65536, 1.0 / (1 << 24));
		for (size_t i = 0; i < a->n; i++) {
			if (!(b->metrics >> m & 1)) {
				assert_int_equal(x->covered[i], 0);
				continue;
			}
			assert_int_equal(x->covered[i], y->covered[i]);
			if (!x->covered[i])
				continue;
			assert_true(fabs(x->mean[i] - y->mean[i]) <= (whole ? 0 : error));
			assert_true(fabs(x->max[i] - y->max[i]) <= (whole ? 0 : error));
			assert_true(y->max[i] >= y->mean[i]);
		}
	}
	for (int h = 0; h < HIST_COUNT; h++) {
		assert_memory_equal(a->counted[h], b->counted[h], a->n);
		for (size_t i = 0; i < a->n; i++)
			if (a->counted[h][i])
				assert_memory_equal(
					&a->counts[h][i], &b->counts[h][i], sizeof(struct hist));
	}
}

static void chunks_of_any_shape_come_back_within_their_quantum(void **state)
{
	static const size_t sizes[] = {1, 2, 120, 144, 168};
	struct store_codec *codec;
	struct rng rng;
	rng_init(&rng, 7);
	assert_int_equal(store_codec_new(&codec), 0);
	for (int round = 0; round < 60; round++) {
		struct store_columns a, b;
		struct buf blob;
		size_t n = sizes[round % 5];
		assert_int_equal(store_columns_init(&a, n, store_wanted_all), 0);
		assert_int_equal(store_columns_init(&b, n, store_wanted_all), 0);
		buf_init(&blob, CHUNK_MAX_BYTES);
		fill(&a, &rng, round);
		assert_int_equal(store_chunk_encode(codec, &a, &blob), 0);
		assert_int_equal(store_chunk_decode(codec, (struct store_blob){blob.data, blob.len},
					 store_wanted_all, &b, 0),
			0);
		same(&a, &b, round % 3 == 0);
		buf_done(&blob);
		store_columns_done(&a);
		store_columns_done(&b);
	}
	store_codec_free(codec);
}

static void a_blob_is_laid_over_what_is_there_and_cut_at_the_end(void **state)
{
	struct store_codec *codec;
	struct store_columns one, many;
	struct buf blob;
	assert_int_equal(store_codec_new(&codec), 0);
	assert_int_equal(store_columns_init(&one, 3, store_wanted_all), 0);
	assert_int_equal(store_columns_init(&many, 5, store_wanted_all), 0);
	buf_init(&blob, CHUNK_MAX_BYTES);
	struct store_column *v = store_columns_use(&one, METRIC_PODS);
	v->mean[0] = v->max[0] = 10;
	v->mean[2] = v->max[2] = 12;
	v->covered[0] = v->covered[2] = CHUNK_FULL;
	store_columns_use(&one, METRIC_NODES)->covered[0] = 1;
	assert_int_equal(store_chunk_encode(codec, &one, &blob), 0);
	struct store_column *w = store_columns_use(&many, METRIC_PODS);
	for (int i = 0; i < 5; i++) {
		w->mean[i] = w->max[i] = i;
		w->covered[i] = 5;
	}
	const struct store_wanted pods = {1ull << METRIC_PODS, 0};
	assert_int_equal(
		store_chunk_decode(codec, (struct store_blob){blob.data, blob.len}, pods, &many, 1),
		0);
	assert_int_equal(
		store_chunk_decode(codec, (struct store_blob){blob.data, blob.len}, pods, &many, 4),
		0);
	assert_int_equal(many.metrics, pods.metrics);
	const double want[] = {0, 10, 2, 12, 10};
	for (int i = 0; i < 5; i++)
		assert_true(w->mean[i] == want[i]);
	assert_int_equal(w->covered[2], 5);
	buf_done(&blob);
	store_columns_done(&one);
	store_columns_done(&many);
	store_codec_free(codec);
}

static void a_damaged_blob_is_an_error_and_never_more(void **state)
{
	struct store_codec *codec;
	struct store_columns a, b;
	struct buf blob;
	struct rng rng;
	int refused = 0;
	rng_init(&rng, 8);
	assert_int_equal(store_codec_new(&codec), 0);
	for (int round = 0; round < 40; round++) {
		size_t n = round % 2 ? 1 : 120;
		assert_int_equal(store_columns_init(&a, n, store_wanted_all), 0);
		assert_int_equal(store_columns_init(&b, n, store_wanted_all), 0);
		buf_init(&blob, CHUNK_MAX_BYTES);
		fill(&a, &rng, round);
		store_chunk_encode(codec, &a, &blob);
		for (int i = 0; i < 300; i++) {
			size_t len = 1 + (size_t)rng_below(&rng, blob.len);
			char *damaged = malloc(len); // exact size, so that ASan sees an overread
			memcpy(damaged, blob.data, len);
			for (int k = 0; k < 3; k++)
				damaged[rng_below(&rng, len)] ^= (char)(1 << rng_below(&rng, 8));
			refused += store_chunk_decode(codec, (struct store_blob){damaged, len},
					   store_wanted_all, &b, 0) == -EBADMSG;
			free(damaged);
		}
		buf_done(&blob);
		store_columns_done(&a);
		store_columns_done(&b);
	}
	assert_true(refused > 3000);
	assert_int_equal(
		store_chunk_decode(codec, (struct store_blob){"", 0}, store_wanted_all, &b, 0),
		-EBADMSG);
	store_codec_free(codec);
}

static void merging_bins_weighs_them_by_what_they_cover(void **state)
{
	struct store_columns a, b;
	assert_int_equal(store_columns_init(&a, 1, store_wanted_all), 0);
	assert_int_equal(store_columns_init(&b, 2, store_wanted_all), 0);
	struct store_column *v = store_columns_use(&b, METRIC_PODS);
	v->mean[1] = 10, v->max[1] = 20, v->covered[1] = 200;
	b.counted[0][1] = 0;
	store_columns_use_hist(&b, 0)[1] = (struct hist){{[3] = 7}};
	b.counted[0][1] = 1;
	store_columns_merge(&a, 0, &b, 1);
	v->mean[1] = 40, v->max[1] = 15, v->covered[1] = 100;
	store_columns_merge(&a, 0, &b, 1);
	store_columns_merge(&a, 0, &b, 0); // has nothing
	assert_float_equal(a.values[METRIC_PODS].mean[0], 20, 1e-9);
	assert_float_equal(a.values[METRIC_PODS].max[0], 20, 1e-9);
	assert_int_equal(a.values[METRIC_PODS].covered[0], CHUNK_FULL);
	assert_int_equal(a.counts[0][0].buckets[3], 14);
	store_columns_done(&a);
	store_columns_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chunks_of_any_shape_come_back_within_their_quantum),
		cmocka_unit_test(a_blob_is_laid_over_what_is_there_and_cut_at_the_end),
		cmocka_unit_test(a_damaged_blob_is_an_error_and_never_more),
		cmocka_unit_test(merging_bins_weighs_them_by_what_they_cover),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
