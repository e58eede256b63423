// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/base/buf.h"
#include "proto/base/clock.h"
#include "proto/base/hash.h"
#include "proto/base/json.h"
#include "proto/base/ring.h"
#include "proto/base/rng.h"
#include "proto/base/text.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void a_full_ring_drops_the_oldest_and_counts_it(void **state)
{
	struct ring *r;
	assert_int_equal(ring_new(&r, 2, free), 0);
	for (char c = 'a'; c <= 'c'; c++)
		assert_int_equal(ring_push(r, strndup(&c, 1)), c == 'c');
	assert_int_equal(ring_dropped(r), 1);
	char *oldest = ring_pop(r);
	assert_string_equal(oldest, "b");
	free(oldest);
	ring_free(r);
	assert_int_equal(ring_new(&r, 0, free), -EINVAL);
}

static void a_buffer_refuses_what_passes_its_cap_and_keeps_what_it_had(void **state)
{
	struct buf b;
	buf_init(&b, 4);
	assert_int_equal(buf_text(&b, "abc"), 0);
	assert_int_equal(buf_text(&b, "de"), -ENOSPC);
	assert_true(buf_failed(&b));
	assert_int_equal(b.len, 3);
	assert_string_equal(b.data, "abc");
	buf_reset(&b);
	assert_int_equal(buf_printf(&b, "%d", 1234), 0);
	assert_string_equal(b.data, "1234");
	buf_done(&b);
}

static void hostile_text_is_escaped_in_json(void **state)
{
	struct buf b;
	struct json j;
	buf_init(&b, 1 << 16);
	json_init(&j, &b);
	json_open(&j, '[');
	json_text(&j, "a\"b\\c\n\x01<script>");
	json_text(&j, "\xff\xe2\x80\xa8\xc3\xa4");
	json_double(&j, NAN);
	json_double(&j, 0.1);
	json_i64(&j, INT64_MIN);
	json_text(&j, NULL);
	json_close(&j, ']');
	assert_string_equal(b.data,
		"[\"a\\\"b\\\\c\\n\\u0001\\u003cscript\\u003e\","
		"\"\xef\xbf\xbd\\u2028\xc3\xa4\",null,0.1,-9223372036854775808,null]");
	buf_done(&b);
}

static void numbers_are_whole_or_refused(void **state)
{
	uint64_t u;
	int64_t i;
	double d;
	assert_int_equal(text_to_u64("18446744073709551615", &u), 0);
	assert_true(u == UINT64_MAX);
	assert_int_equal(text_to_u64("18446744073709551616", &u), -ERANGE);
	assert_int_equal(text_to_u64("-1", &u), -EINVAL);
	assert_int_equal(text_to_u64(" 1", &u), -EINVAL);
	assert_int_equal(text_to_u64("1x", &u), -EINVAL);
	assert_int_equal(text_to_i64("-5", &i), 0);
	assert_int_equal(i, -5);
	assert_int_equal(text_to_double("nan", &d), -ERANGE);
	assert_int_equal(text_to_double("1e400", &d), -ERANGE);
	assert_int_equal(text_to_double("2.5", &d), 0);
}

static void names_exclude_what_could_escape_a_path_or_a_terminal(void **state)
{
	assert_true(text_is_name("ip-10-0-0-1.ec2.internal", 24, 253));
	assert_false(text_is_name("a/../b", 6, 253));
	assert_false(text_is_name("a\nb", 3, 253));
	assert_false(text_is_name("", 0, 253));
	assert_false(text_is_utf8("\xed\xa0\x80", 3));
	assert_true(text_is_utf8("\xf0\x9f\x90\xa6", 4));
	assert_int_equal(text_distance("intervall", "interval"), 1);
}

static void times_survive_a_round_trip(void **state)
{
	char text[25];
	int64_t ms;
	clock_format_ms(1790000000123, text);
	assert_string_equal(text, "2026-09-21T14:13:20.123Z");
	assert_int_equal(clock_parse(text, &ms), 0);
	assert_true(ms == 1790000000123);
	assert_int_equal(clock_parse("2026-09-21T16:13:20+02:00", &ms), 0);
	assert_true(ms == 1790000000000);
	assert_int_equal(clock_parse("2026-09-21", &ms), -EINVAL);
	assert_int_equal(clock_parse("2026-09-21T16:13:20", &ms), -EINVAL);
	clock_format_ms(-1, text);
	assert_string_equal(text, "1969-12-31T23:59:59.999Z");
}

static void hmac_matches_rfc_4231(void **state)
{
	uint8_t key[20], mac[32];
	char text[65];
	memset(key, 0x0b, sizeof(key));
	hash_hmac_sha256(key, sizeof(key), "Hi There", 8, mac);
	text_to_hex(mac, sizeof(mac), text);
	assert_string_equal(
		text, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
}

static void crc32c_matches_the_published_vectors(void **state)
{
	// RFC 3720 appendix B.4
	uint8_t data[32] = {0};
	assert_int_equal(hash_crc32c(data, 32), 0x8a9136aa);
	memset(data, 0xff, 32);
	assert_int_equal(hash_crc32c(data, 32), 0x62a8ab43);
	for (uint8_t i = 0; i < 32; i++)
		data[i] = i;
	assert_int_equal(hash_crc32c(data, 32), 0x46dd794e);
	assert_int_equal(hash_crc32c("123456789", 9), 0xe3069283);
}

static void random_numbers_repeat_by_seed_and_stay_in_range(void **state)
{
	struct rng a, b;
	rng_init(&a, 7);
	rng_init(&b, 7);
	for (int i = 0; i < 1000; i++) {
		assert_true(rng_next(&a) == rng_next(&b));
		assert_true(rng_below(&a, 10) < 10);
		rng_below(&b, 10);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_ring_drops_the_oldest_and_counts_it),
		cmocka_unit_test(a_buffer_refuses_what_passes_its_cap_and_keeps_what_it_had),
		cmocka_unit_test(hostile_text_is_escaped_in_json),
		cmocka_unit_test(numbers_are_whole_or_refused),
		cmocka_unit_test(names_exclude_what_could_escape_a_path_or_a_terminal),
		cmocka_unit_test(times_survive_a_round_trip),
		cmocka_unit_test(hmac_matches_rfc_4231),
		cmocka_unit_test(crc32c_matches_the_published_vectors),
		cmocka_unit_test(random_numbers_repeat_by_seed_and_stay_in_range),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
