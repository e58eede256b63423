// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/loop/http_uri.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int refused(const char *target)
{
	struct http_uri u;
	int r = http_uri_parse(&u, target);
	if (r == 0)
		http_uri_done(&u);
	return r;
}

static void a_target_is_taken_apart_and_decoded(void **state)
{
	struct http_uri u;
	assert_int_equal(
		http_uri_parse(&u, "/api/v1/s%C3%A9ries?from=1&to=a%26b+c&flag&x=1;y=2&=e&&k=v=w"),
		0);
	assert_string_equal(u.path, "/api/v1/s\xc3\xa9ries");
	assert_string_equal(http_uri_arg(&u, "from"), "1");
	assert_string_equal(http_uri_arg(&u, "to"), "a&b c");
	assert_string_equal(http_uri_arg(&u, "flag"), "");
	assert_string_equal(http_uri_arg(&u, "x"), "1;y=2");
	assert_string_equal(http_uri_arg(&u, ""), "e");
	assert_string_equal(http_uri_arg(&u, "k"), "v=w");
	assert_null(http_uri_arg(&u, "y"));
	assert_int_equal(u.n_args, 6);
	http_uri_done(&u);
	assert_int_equal(http_uri_parse(&u, "/?"), 0);
	assert_string_equal(u.path, "/");
	assert_int_equal(u.n_args, 0);
	http_uri_done(&u);
}

static void what_could_fool_a_router_is_refused(void **state)
{
	const char *const bad[] = {"", "*", "http://host/", "//../", "/../etc/passwd", "/a/..",
		"/a/%2e%2e/b", "/a/.%2E", "/./a", "/a%2fb", "/a%00b", "/a%0ab", "/a%", "/a%4",
		"/a%zz", "/a%ff", "/a?k=%00", "/a?k=%ff", "/a?%", "/a\x01"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(refused(bad[i]), -EBADMSG);
	assert_int_equal(refused("/..."), 0);
	assert_int_equal(refused("/a..b/c?x=../.."), 0);
}

static void size_and_number_of_arguments_are_bounded(void **state)
{
	char *target = malloc(HTTP_URI_MAX_BYTES + 2);
	memset(target, 'a', HTTP_URI_MAX_BYTES + 1);
	target[0] = '/';
	target[HTTP_URI_MAX_BYTES + 1] = '\0';
	assert_int_equal(refused(target), -E2BIG);
	target[HTTP_URI_MAX_BYTES] = '\0';
	assert_int_equal(refused(target), 0);
	free(target);
	char many[4 * (HTTP_URI_MAX_ARGS + 1) + 3] = "/?";
	for (size_t i = 0; i < HTTP_URI_MAX_ARGS; i++)
		memcpy(many + 2 + 4 * i, "k=v&", 5);
	assert_int_equal(refused(many), 0);
	memcpy(many + 2 + 4 * HTTP_URI_MAX_ARGS, "k=v", 4);
	assert_int_equal(refused(many), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_target_is_taken_apart_and_decoded),
		cmocka_unit_test(what_could_fool_a_router_is_refused),
		cmocka_unit_test(size_and_number_of_arguments_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
