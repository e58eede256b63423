// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/show/web/web.h"

#include <string.h>

static void the_page_is_found_at_its_path_and_nowhere_else(void **state)
{
	const struct web_asset *page = web_find("/");
	assert_non_null(page);
	assert_ptr_equal(web_find("/index.html"), page);
	assert_false(page->immutable);
	assert_string_equal(page->content_type, "text/html; charset=utf-8");
	assert_null(web_find(""));
	assert_null(web_find("/assets/"));
	assert_null(web_find("/assets/../"));
	assert_null(web_find("//"));
}

static void every_asset_is_whole_gzip_with_a_quoted_etag(void **state)
{
	const struct web_asset *a;
	size_t n = 0, total = 0;
	for (; (a = web_at(n)); n++) {
		assert_ptr_equal(web_find(a->path), a);
		assert_true(a->gzip_len > 20);
		assert_memory_equal(a->gzip, "\x1f\x8b\x08", 3);
		// The last four bytes of a gzip file are the length of its content: the data ends
		// where the table says it does.
		const unsigned char *end = a->gzip + a->gzip_len;
		uint32_t raw = end[-4] | end[-3] << 8 | end[-2] << 16 | (uint32_t)end[-1] << 24;
		assert_in_range(raw, 1, 1 << 20);
		assert_true(a->etag[0] == '"' && a->etag[strlen(a->etag) - 1] == '"');
		assert_int_equal(strncmp(a->path, "/assets/", 8) == 0, a->immutable);
		total += a->gzip_len;
	}
	assert_true(n >= 4);
	assert_in_range(total, 1, 60 * 1024); // DESIGN 10
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_page_is_found_at_its_path_and_nowhere_else),
		cmocka_unit_test(every_asset_is_whole_gzip_with_a_quoted_etag),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
