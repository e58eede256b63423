// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/send/spool.h"
#include "proto/base/rng.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void push(struct spool *s, uint64_t sequence, size_t len)
{
	uint8_t *frame = malloc(len + 1);
	memset(frame, (int)(sequence & 255), len);
	assert_int_equal(spool_push(s, sequence, sequence * 1000, frame, len), 0);
	free(frame);
}

static void check(struct spool *s, uint64_t sequence)
{
	const struct spool_frame *f = spool_find(s, sequence);
	assert_non_null(f);
	const uint8_t *bytes = spool_bytes(s, f);
	for (size_t i = 0; i < f->len; i++)
		assert_int_equal(bytes[i], f->sequence & 255);
}

static void a_full_spool_drops_the_oldest_and_counts_what_nobody_has(void **state)
{
	struct spool s;
	assert_int_equal(spool_init(&s, 1000, 100), 0);
	for (uint64_t n = 1; n <= 12; n++)
		push(&s, n, 100);
	assert_true(s.count >= 9);
	assert_int_equal(s.dropped, 12 - s.count);
	assert_int_equal(spool_find(&s, 1)->sequence, 12 - s.count + 1);
	s.receipted = 12;
	uint64_t dropped = s.dropped;
	push(&s, 13, 100);
	push(&s, 14, 100);
	assert_int_equal(s.dropped, dropped);
	assert_int_equal(spool_push(&s, 15, 0, "", 1001), -E2BIG);
	spool_done(&s);
}

static void the_number_of_frames_is_bounded_too(void **state)
{
	struct spool s;
	assert_int_equal(spool_init(&s, 1000, 5), 0);
	for (uint64_t n = 1; n <= 50; n++)
		push(&s, n, 3);
	assert_int_equal(s.count, 5);
	assert_int_equal(spool_find(&s, 0)->sequence, 46);
	assert_null(spool_find(&s, 51));
	spool_done(&s);
}

static void an_emptied_spool_starts_at_its_first_byte(void **state)
{
	struct spool s;
	assert_int_equal(spool_init(&s, 1 << 20, 5), 0);
	for (uint64_t n = 1; n <= 5000; n++) {
		push(&s, n, 3000);
		assert_int_equal(spool_find(&s, n)->offset, 0);
		s.receipted = n;
		spool_free_through(&s, n);
	}
	assert_int_equal(s.dropped, 0);
	spool_done(&s);
}

static void old_frames_expire(void **state)
{
	struct spool s;
	assert_int_equal(spool_init(&s, 1 << 20, 50), 0);
	for (uint64_t n = 1; n <= 10; n++)
		push(&s, n, 10);
	spool_expire(&s, 5000);
	assert_int_equal(spool_find(&s, 0)->sequence, 5);
	assert_int_equal(s.dropped, 4);
	spool_done(&s);
}

static void every_frame_found_is_whole_whatever_the_sizes(void **state)
{
	struct rng rng;
	rng_init(&rng, 5);
	for (int round = 0; round < 50; round++) {
		struct spool s;
		size_t size = 500 + rng_below(&rng, 5000);
		assert_int_equal(spool_init(&s, size, 1 + rng_below(&rng, 60)), 0);
		uint64_t done = 0;
		for (uint64_t n = 1; n <= 500; n++) {
			push(&s, n, rng_below(&rng, 400));
			check(&s, n);
			check(&s, 0);
			check(&s, spool_find(&s, 0)->sequence + rng_below(&rng, s.count));
			if (rng_below(&rng, 10) == 0) {
				done = n - rng_below(&rng, n < 20 ? n : 20);
				spool_free_through(&s, done);
			}
			size_t used = 0;
			for (size_t k = 0; k < s.count; k++)
				used += s.frames[(s.first + k) % s.max_frames].len;
			assert_int_equal(used, s.used_bytes);
			assert_true(used <= size);
		}
		spool_done(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_spool_drops_the_oldest_and_counts_what_nobody_has),
		cmocka_unit_test(the_number_of_frames_is_bounded_too),
		cmocka_unit_test(an_emptied_spool_starts_at_its_first_byte),
		cmocka_unit_test(old_frames_expire),
		cmocka_unit_test(every_frame_found_is_whole_whatever_the_sizes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
