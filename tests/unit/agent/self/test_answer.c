// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/self/answer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DEADLINE_MS = 400 };

struct rig {
	uv_loop_t loop;
	uv_timer_t wake;
	struct answer *server;
	uint16_t port;
	int asked;
	char text[300 << 10]; // what the last client got
};

static void on_get(void *arg, const char *path, struct answer_reply *reply)
{
	struct rig *r = arg;
	r->asked++;
	if (strcmp(path, "/big") == 0)
		for (int i = 0; i < 20000; i++)
			buf_text(&reply->body, "0123456789");
	else if (strcmp(path, "/too-big") == 0)
		for (int i = 0; i < 40000; i++)
			buf_text(&reply->body, "0123456789");
	else if (strcmp(path, "/metrics") == 0)
		buf_text(&reply->body, "petrel 1\n");
	else
		reply->status = 404;
}

static void on_wake(uv_timer_t *timer)
{
	// so that uv_run() comes back
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct why why = {0};
	uv_loop_init(&r->loop);
	uv_timer_init(&r->loop, &r->wake);
	uv_timer_start(&r->wake, on_wake, 2, 2);
	const struct answer_options o = {
		.address = "127.0.0.1", .deadline_ms = DEADLINE_MS, .on_get = on_get, .arg = r};
	assert_int_equal(answer_start(&r->server, &r->loop, &o, &why), 0);
	r->port = answer_port(r->server);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;
	answer_stop(r->server, NULL, NULL);
	uv_close((uv_handle_t *)&r->wake, NULL);
	uv_run(&r->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&r->loop), 0);
	free(r);
	return 0;
}

static int dial(struct rig *r)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
		.sin_port = htons(r->port),
		.sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

// Until the server closes, or for limit_ms; false if it did not.
static bool hear(struct rig *r, int fd, unsigned limit_ms)
{
	size_t len = 0;
	uint64_t end = uv_hrtime() + (uint64_t)limit_ms * 1000000;
	while (uv_hrtime() < end) {
		uv_run(&r->loop, UV_RUN_ONCE);
		ssize_t n = recv(fd, r->text + len, sizeof(r->text) - 1 - len, 0);
		if (n > 0)
			len += (size_t)n;
		r->text[len] = '\0';
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return true;
	}
	return false;
}

static const char *ask(struct rig *r, const char *request)
{
	int fd = dial(r);
	say(fd, request);
	assert_true(hear(r, fd, 5000));
	close(fd);
	return r->text;
}

static void a_get_is_answered_and_the_connection_closed(void **state)
{
	struct rig *r = *state;
	assert_string_equal(ask(r, "GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\n\r\n"),
		"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"
		"Content-Length: 9\r\nConnection: close\r\n\r\npetrel 1\n");
	assert_non_null(strstr(ask(r, "GET /nothing HTTP/1.0\n\n"), " 404 "));
	assert_int_equal(r->asked, 2);
}

static void a_request_in_pieces_is_one_request(void **state)
{
	struct rig *r = *state;
	int fd = dial(r);
	for (const char *c = "GET /metrics HTTP/1.1\r\nA: b\r\n\r\n"; *c; c++) {
		char one[2] = {*c, '\0'};
		say(fd, one);
		uv_run(&r->loop, UV_RUN_ONCE);
	}
	assert_true(hear(r, fd, 5000));
	assert_non_null(strstr(r->text, "petrel 1\n"));
	assert_int_equal(r->asked, 1);
	close(fd);
}

static void head_has_the_length_and_no_body(void **state)
{
	const char *text = ask(*state, "HEAD /metrics HTTP/1.1\r\n\r\n");
	assert_non_null(strstr(text, "Content-Length: 9\r\n"));
	assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\n");
}

static void a_large_page_comes_whole_and_a_larger_one_is_an_error(void **state)
{
	struct rig *r = *state;
	const char *text = ask(r, "GET /big HTTP/1.1\r\n\r\n");
	assert_int_equal(strlen(strstr(text, "\r\n\r\n") + 4), 200000);
	assert_non_null(strstr(ask(r, "GET /too-big HTTP/1.1\r\n\r\n"), " 500 "));
}

static void what_is_no_get_is_refused_and_never_asked(void **state)
{
	struct rig *r = *state;
	static char long_header[2 * ANSWER_MAX_HEADER];
	memset(long_header, 'a', sizeof(long_header) - 1);
	memcpy(long_header, "GET /", 5);
	assert_non_null(strstr(ask(r, "POST /metrics HTTP/1.1\r\n\r\n"), "Allow: GET, HEAD\r\n"));
	assert_non_null(strstr(ask(r, "GET metrics HTTP/1.1\r\n\r\n"), " 400 "));
	assert_non_null(strstr(ask(r, "GET /metrics\r\n\r\n"), " 400 "));
	assert_non_null(strstr(ask(r, "GET\r\nx /y HTTP/1.1\r\n\r\n"), " 400 "));
	assert_non_null(strstr(ask(r, "\r\n\r\n"), " 400 "));
	assert_non_null(strstr(ask(r, long_header), " 431 "));
	assert_int_equal(r->asked, 0);
}

static void who_says_nothing_is_closed_and_others_do_not_notice(void **state)
{
	struct rig *r = *state;
	int silent[ANSWER_CONNECTIONS - 1];
	for (int i = 0; i < ANSWER_CONNECTIONS - 1; i++)
		silent[i] = dial(r);
	say(silent[0], "GET /metrics HTT");
	assert_non_null(strstr(ask(r, "GET /metrics HTTP/1.1\r\n\r\n"), "petrel 1\n"));
	for (int i = 0; i < ANSWER_CONNECTIONS - 1; i++) {
		assert_true(hear(r, silent[i], 10 * DEADLINE_MS));
		assert_string_equal(r->text, "");
		close(silent[i]);
	}
}

static void one_connection_too_many_is_closed_at_once(void **state)
{
	struct rig *r = *state;
	int fds[ANSWER_CONNECTIONS];
	for (int i = 0; i < ANSWER_CONNECTIONS; i++)
		fds[i] = dial(r);
	assert_string_equal(ask(r, "GET /metrics HTTP/1.1\r\n\r\n"), "");
	for (int i = 0; i < ANSWER_CONNECTIONS; i++)
		close(fds[i]);
	// they are noticed on the loop
	for (int i = 0; i < 20; i++)
		uv_run(&r->loop, UV_RUN_ONCE);
	assert_non_null(strstr(ask(r, "GET /metrics HTTP/1.1\r\n\r\n"), "petrel 1\n"));
}

static void an_address_that_cannot_be_had_is_an_error(void **state)
{
	struct rig *r = *state;
	struct answer *other;
	struct why why = {0};
	struct answer_options o = {.address = "127.0.0.1", .port = r->port, .on_get = on_get};
	assert_int_equal(answer_start(&other, &r->loop, &o, &why), -EADDRINUSE);
	o.address = "localhost";
	assert_int_equal(answer_start(&other, &r->loop, &o, &why), -EINVAL);
	assert_non_null(strstr(why.text, "localhost"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_get_is_answered_and_the_connection_closed),
		TEST(a_request_in_pieces_is_one_request),
		TEST(head_has_the_length_and_no_body),
		TEST(a_large_page_comes_whole_and_a_larger_one_is_an_error),
		TEST(what_is_no_get_is_refused_and_never_asked),
		TEST(who_says_nothing_is_closed_and_others_do_not_notice),
		TEST(one_connection_too_many_is_closed_at_once),
		TEST(an_address_that_cannot_be_had_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
