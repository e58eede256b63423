// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/loop/http_gzip.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static void gzip_is_sent_to_those_who_ask_for_it(void **state)
{
	static const char *const yes[] = {"gzip", "deflate, gzip, br", "GZIP;q=0.5", "*",
		"br;q=1.0, gzip;q=0.01", "identity;q=0,gzip", " gzip ", "x-gzip", "gzip;q=1"};
	static const char *const no[] = {"", "identity", "gzip;q=0", "gzip; q=0.000", "br, deflate",
		"*;q=0", "gzip;q=0, *", "notgzip", "gzipx", ",,;;", "q=0"};
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		if (!http_gzip_accepted(yes[i]))
			fail_msg("%s", yes[i]);
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		if (http_gzip_accepted(no[i]))
			fail_msg("%s", no[i]);
	assert_false(http_gzip_accepted(NULL));
}

static void what_was_packed_is_unpacked_the_same(void **state)
{
	enum { LEN = 300000 };
	static const char pattern[] = "{\"node\":\"ip-10-0-3-7\"},";
	char *data = malloc(LEN), *back = calloc(1, LEN);
	size_t packed_len;
	for (int i = 0; i < LEN; i++)
		data[i] = pattern[i % (sizeof(pattern) - 1)];
	void *packed = http_gzip(data, LEN, &packed_len);
	assert_non_null(packed);
	assert_true(packed_len < LEN / 20);
	z_stream z = {.next_in = packed,
		.avail_in = (unsigned)packed_len,
		.next_out = (unsigned char *)back,
		.avail_out = LEN};
	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(z.total_out, LEN);
	assert_memory_equal(data, back, LEN);
	inflateEnd(&z);
	free(packed);
	free(data);
	free(back);
}

static void what_gains_nothing_stays_as_it_is(void **state)
{
	static unsigned char noise[8192];
	size_t len;
	uint64_t x = 1;
	assert_null(http_gzip("short", 5, &len));
	for (size_t i = 0; i < sizeof(noise); i++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		noise[i] = (unsigned char)(x >> 56);
	}
	assert_null(http_gzip(noise, sizeof(noise), &len));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gzip_is_sent_to_those_who_ask_for_it),
		cmocka_unit_test(what_was_packed_is_unpacked_the_same),
		cmocka_unit_test(what_gains_nothing_stays_as_it_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
