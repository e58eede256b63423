// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "agent/imds/response.h"

static char data[1 << 16];
static struct response r;

static int read_text(const char *text, bool at_end)
{
	size_t len = strlen(text);
	memcpy(data, text, len + 1);
	return response_read(data, len, at_end, 64, &r);
}

static void a_response_is_complete_when_its_length_is_there(void **state)
{
	assert_int_equal(read_text("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", false), 0);
	assert_int_equal(
		read_text("HTTP/1.1 200 OK\r\ncontent-length:  5 \r\n\r\nhello", false), 1);
	assert_int_equal(r.status, 200);
	assert_string_equal(r.body, "hello");
	assert_false(r.close);
	assert_int_equal(
		read_text(
			"HTTP/1.1 404 Not Found\nConnection: Close\nContent-Length: 0\n\n", false),
		1);
	assert_int_equal(r.status, 404);
	assert_true(r.close);
}

static void without_a_length_the_body_ends_with_the_connection(void **state)
{
	assert_int_equal(read_text("HTTP/1.0 200 OK\r\n\r\nhello", false), 0);
	assert_int_equal(read_text("HTTP/1.0 200 OK\r\n\r\nhello", true), 1);
	assert_string_equal(r.body, "hello");
	assert_int_equal(read_text("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", true),
		-EPROTO); // cut
}

static void chunks_are_put_together(void **state)
{
	assert_int_equal(read_text("HTTP/1.1 200 OK\r\nTransfer-Encoding: "
				   "chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n",
				 false),
		1);
	assert_string_equal(r.body, "hello");
	assert_int_equal(r.body_len, 5);
	assert_int_equal(
		read_text("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2",
			false),
		0);
	assert_int_equal(
		read_text("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhel", false),
		-EPROTO);
	assert_int_equal(
		read_text("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n",
			false),
		-EPROTO);
}

static void too_much_is_refused(void **state)
{
	assert_int_equal(
		read_text("HTTP/1.1 200 OK\r\nContent-Length: 65\r\n\r\n", false), -EMSGSIZE);
	assert_int_equal(
		read_text("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", false),
		-EMSGSIZE);
	assert_int_equal(
		read_text("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n41\r\n", false),
		-EMSGSIZE);
	memset(data, 'x', RESPONSE_MAX_HEADER_BYTES);
	memcpy(data, "HTTP/1.1 200 OK\r\n", 17);
	assert_int_equal(response_read(data, RESPONSE_MAX_HEADER_BYTES, false, 64, &r), -EMSGSIZE);
}

static void what_is_not_http_is_said_so(void **state)
{
	static const char *const bad[] = {"SSH-2.0-OpenSSH\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nnocolon\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\n"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(read_text(bad[i], false), -EPROTO);
	assert_int_equal(read_text("HTTP", true), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_response_is_complete_when_its_length_is_there),
		cmocka_unit_test(without_a_length_the_body_ends_with_the_connection),
		cmocka_unit_test(chunks_are_put_together),
		cmocka_unit_test(too_much_is_refused),
		cmocka_unit_test(what_is_not_http_is_said_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
