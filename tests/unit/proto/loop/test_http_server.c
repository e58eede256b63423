// SPDX-License-Identifier: Apache-2.0
// Each test runs the server's loop in this thread and its client in another one.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/base/clock.h"
#include "proto/loop/http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

struct rig {
	uv_loop_t loop;
	uv_async_t done;
	uv_timer_t beat;
	struct http_server *server;
	uint16_t port;
	struct http_stream *stream;
	unsigned streams_closed, refused_writes;
	struct http_counters at_end;
	void (*client)(struct rig *);
	int asks_last; // a connection that asks for a stream as the server is stopped; 0: none
	bool failed;   // in the client's thread
};
#define CHECK(rig, condition)                                                                      \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			(rig)->failed = true;                                                      \
		}                                                                                  \
	} while (0)

static void on_stream_closed(void *arg)
{
	struct rig *rig = arg;
	rig->stream = NULL;
	__atomic_fetch_add(&rig->streams_closed, 1, __ATOMIC_RELAXED);
}

static void echo(const struct http_request *q, struct http_response *r)
{
	size_t len;
	const void *body = http_request_body(q, &len);
	http_response_header(r, "X-Remote", http_request_remote(q));
	http_reply(r, 200, "application/octet-stream", body, len);
}

static void on_request(void *arg, const struct http_request *q, struct http_response *r)
{
	struct rig *rig = arg;
	const char *path = http_request_path(q), *name = http_request_query(q, "name");
	if (strcmp(path, "/hello") == 0) {
		char text[64];
		int n = snprintf(text, sizeof(text), "%s %s\n", http_request_method(q),
			name ? name : "nobody");
		http_reply(r, 200, "text/plain", text, (size_t)n);
	} else if (strcmp(path, "/echo") == 0) {
		echo(q, r);
	} else if (strcmp(path, "/big") == 0) {
		char *big = calloc(1, 4 << 20);
		http_reply_take(r, 200, "text/plain", big, 4 << 20);
	} else if (strcmp(path, "/stream") == 0) {
		rig->stream =
			http_reply_stream(r, "text/event-stream", 32 << 10, on_stream_closed, rig);
	} else if (strcmp(path, "/nothing") != 0) {
		http_reply_static(r, 404, "text/plain", "no such page\n", 13);
	}
}

static void on_server_stopped(void *arg)
{
	struct rig *rig = arg;
	uv_close((uv_handle_t *)&rig->done, NULL);
	uv_close((uv_handle_t *)&rig->beat, NULL);
}

static void on_client_done(uv_async_t *async)
{
	struct rig *rig = async->data;
	static const char request[] = "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n";
	rig->at_end = *http_server_counters(rig->server);
	if (rig->asks_last)
		send(rig->asks_last, request, sizeof(request) - 1, MSG_NOSIGNAL);
	http_server_stop(rig->server, on_server_stopped, rig);
}

static void on_beat(uv_timer_t *timer)
{
	struct rig *rig = timer->data;
	char block[4096];
	memset(block, 'x', sizeof(block));
	memcpy(block, "data: ", 6);
	memcpy(block + sizeof(block) - 2, "\n\n", 2);
	if (rig->stream && http_stream_write(rig->stream, block, sizeof(block)) < 0)
		rig->refused_writes++;
}

static void *client_thread(void *arg)
{
	struct rig *rig = arg;
	rig->client(rig);
	uv_async_send(&rig->done);
	return NULL;
}

static void serve(struct rig *rig, struct http_server_options o, void (*client)(struct rig *))
{
	*rig = (struct rig){.client = client};
	assert_int_equal(uv_loop_init(&rig->loop), 0);
	o.address = o.address ? o.address : "127.0.0.1";
	o.on_request = on_request;
	o.arg = rig;
	struct why why;
	assert_int_equal(http_server_new(&rig->server, &rig->loop, &o, &why), 0);
	rig->port = http_server_port(rig->server);
	uv_async_init(&rig->loop, &rig->done, on_client_done);
	uv_timer_init(&rig->loop, &rig->beat);
	rig->done.data = rig->beat.data = rig;
	uv_timer_start(&rig->beat, on_beat, 5, 5);
	pthread_t thread;
	pthread_create(&thread, NULL, client_thread, rig);
	uv_run(&rig->loop, UV_RUN_DEFAULT);
	pthread_join(thread, NULL);
	assert_int_equal(uv_loop_close(&rig->loop), 0);
	assert_false(rig->failed);
}

static int dial(struct rig *rig)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
		.sin_port = htons(rig->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct timeval patience = {.tv_sec = 20};
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void say(int fd, const char *text)
{
	send(fd, text, strlen(text), MSG_NOSIGNAL);
}

// Everything until the server closes, or what fits.
static size_t hear(int fd, char *ret, size_t size)
{
	size_t len = 0;
	ssize_t n;
	while (len < size - 1 && (n = recv(fd, ret + len, size - 1 - len, 0)) > 0)
		len += (size_t)n;
	ret[len] = '\0';
	return len;
}

static int ask(struct rig *rig, const char *request, char *ret, size_t size)
{
	int fd = dial(rig);
	say(fd, request);
	hear(fd, ret, size);
	close(fd);
	return strncmp(ret, "HTTP/1.1 ", 9) == 0
		       ? (ret[9] - '0') * 100 + (ret[10] - '0') * 10 + ret[11] - '0'
		       : 0;
}
#define HEAD "Host: x\r\nConnection: close\r\n"

static void client_asks(struct rig *rig)
{
	char a[4096];
	CHECK(rig, ask(rig, "GET /hello?name=J%C3%B6rg HTTP/1.1\r\n" HEAD "\r\n", a, sizeof(a)) ==
			   200);
	CHECK(rig, strstr(a, "\r\n\r\nGET J\xc3\xb6rg\n"));
	CHECK(rig, strstr(a, "nosniff"));
	CHECK(rig, ask(rig, "HEAD /hello HTTP/1.1\r\n" HEAD "\r\n", a, sizeof(a)) == 200);
	CHECK(rig, strlen(strstr(a, "\r\n\r\n")) == 4);
	CHECK(rig, ask(rig, "POST /echo HTTP/1.1\r\n" HEAD "Content-Length: 5\r\n\r\nabcde", a,
			   sizeof(a)) == 200);
	CHECK(rig, strstr(a, "\r\n\r\nabcde"));
	CHECK(rig, strstr(a, "X-Remote: 127.0.0.1"));
	CHECK(rig, ask(rig,
			   "POST /echo HTTP/1.1\r\n" HEAD "Transfer-Encoding: chunked\r\n\r\n"
			   "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
			   a, sizeof(a)) == 200);
	CHECK(rig, strstr(a, "\r\n\r\nabcde"));
	CHECK(rig, ask(rig, "GET /none HTTP/1.1\r\n" HEAD "\r\n", a, sizeof(a)) == 404);
	CHECK(rig, ask(rig, "GET /nothing HTTP/1.1\r\n" HEAD "\r\n", a, sizeof(a)) == 500);
}

static void requests_are_answered(void **state)
{
	struct rig rig;
	serve(&rig, (struct http_server_options){0}, client_asks);
	assert_int_equal(rig.at_end.requests, 6);
}

static void client_misbehaves(struct rig *rig)
{
	char a[4096], big[64 << 10];
	CHECK(rig, ask(rig, "GET /../etc HTTP/1.1\r\n" HEAD "\r\n", a, sizeof(a)) == 400);
	CHECK(rig, ask(rig, "GET /%2e%2e/x HTTP/1.1\r\n" HEAD "\r\n", a, sizeof(a)) == 400);
	CHECK(rig, ask(rig, "GET http://x/hello HTTP/1.1\r\n" HEAD "\r\n", a, sizeof(a)) == 400);
	CHECK(rig, ask(rig, "GET /hello HTTP/1.1\r\n\r\n", a, sizeof(a)) == 400); // no Host
	CHECK(rig, ask(rig,
			   "POST /echo HTTP/1.1\r\n" HEAD
			   "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
			   a, sizeof(a)) == 400);
	CHECK(rig, ask(rig,
			   "POST /echo HTTP/1.1\r\n" HEAD
			   "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
			   a, sizeof(a)) == 400);
	CHECK(rig, ask(rig, "POST /echo HTTP/1.1\r\n" HEAD "Content-Length: -1\r\n\r\n", a,
			   sizeof(a)) == 400);
	CHECK(rig, ask(rig, "POST /echo HTTP/1.1\r\n" HEAD "Content-Length: 1048577\r\n\r\n", a,
			   sizeof(a)) == 413);
	CHECK(rig, ask(rig, "\x16\x03\x01\x02 nonsense\r\n\r\n", a, sizeof(a)) != 200);
	int n = snprintf(big, sizeof(big), "GET /hello HTTP/1.1\r\n" HEAD "X-Big: ");
	memset(big + n, 'a', 17 << 10);
	memcpy(big + n + (17 << 10), "\r\n\r\n", 5);
	CHECK(rig, ask(rig, big, a, sizeof(a)) == 431);
	memset(big + n, 'a', 60 << 10);
	memcpy(big + n + (60 << 10), "\r\n\r\n", 5);
	CHECK(rig, ask(rig, big, a, sizeof(a)) != 200);
	CHECK(rig, ask(rig, "GET /hello HTTP/1.1\r\n" HEAD "\r\n", a, sizeof(a)) == 200);
}

static void bad_requests_are_refused_and_counted_and_the_server_goes_on(void **state)
{
	struct rig rig;
	serve(&rig, (struct http_server_options){0}, client_misbehaves);
	assert_true(rig.at_end.bad_requests >= 9);
	assert_int_equal(rig.at_end.open_connections, 0);
}

static void client_sends_too_much(struct rig *rig)
{
	char a[4096], block[1024 + 16];
	int fd = dial(rig);
	say(fd, "POST /echo HTTP/1.1\r\n" HEAD "Transfer-Encoding: chunked\r\n\r\n");
	int n = snprintf(block, sizeof(block), "400\r\n");
	memset(block + n, 'z', 1024);
	memcpy(block + n + 1024, "\r\n", 3);
	for (int i = 0; i < 40; i++)
		say(fd, block);
	say(fd, "0\r\n\r\n");
	hear(fd, a, sizeof(a));
	close(fd);
	CHECK(rig, strncmp(a, "HTTP/1.1 413", 12) == 0);
}

static void a_chunked_body_past_the_cap_gets_413(void **state)
{
	struct rig rig;
	serve(&rig, (struct http_server_options){.max_body_bytes = 8192}, client_sends_too_much);
	assert_int_equal(rig.at_end.bad_requests, 1);
}

static void client_is_slow(struct rig *rig)
{
	char a[4096];
	int slow = dial(rig), silent = dial(rig);
	uint64_t start = clock_mono_ns();
	say(slow, "GET /hello HTTP/1.1\r\nX: ");
	ssize_t got = -1;
	while (clock_mono_ns() - start < 15ull * 1000000000) {
		say(slow, "a"); // a byte now and then: MHD's own time-out never fires
		struct pollfd p = {.fd = slow, .events = POLLIN};
		if (poll(&p, 1, 100) > 0 && (got = recv(slow, a, sizeof(a), 0)) <= 0)
			break;
		CHECK(rig, got < 0);
	}
	CHECK(rig, got == 0 || errno == ECONNRESET);
	CHECK(rig, recv(silent, a, sizeof(a), 0) <= 0);
	// others were served meanwhile and still are
	CHECK(rig, ask(rig, "GET /hello HTTP/1.1\r\n" HEAD "\r\n", a, sizeof(a)) == 200);
	close(slow);
	close(silent);
}

static void a_header_that_trickles_ends_at_its_deadline(void **state)
{
	struct rig rig;
	serve(&rig, (struct http_server_options){.header_ms = 500, .idle_ms = 20000},
		client_is_slow);
	assert_int_equal(rig.at_end.timed_out, 2);
}

static void client_streams(struct rig *rig)
{
	char a[40000];
	int fd = dial(rig);
	say(fd, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
	size_t n = hear(fd, a, sizeof(a));
	CHECK(rig, n == sizeof(a) - 1);
	CHECK(rig, strstr(a, "text/event-stream"));
	CHECK(rig, strstr(a, "\r\ndata: xxxx"));
	close(fd);
	// the server notices at its next writes
	for (int i = 0; i < 100 && !__atomic_load_n(&rig->streams_closed, __ATOMIC_RELAXED); i++)
		usleep(20 * 1000);
}

static void a_stream_flows_and_its_end_is_noticed(void **state)
{
	struct rig rig;
	serve(&rig, (struct http_server_options){0}, client_streams);
	assert_int_equal(rig.streams_closed, 1);
	assert_int_equal(rig.at_end.open_streams, 0);
}

static void client_does_not_read(struct rig *rig)
{
	char a[4096];
	int fd = dial(rig);
	int small = 4096;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	say(fd, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
	for (int i = 0; i < 1500 && !rig->streams_closed; i++) {
		if (i % 100 == 0)
			CHECK(rig, ask(rig, "GET /hello HTTP/1.1\r\n" HEAD "\r\n", a, sizeof(a)) ==
					   200);
		usleep(10 * 1000);
	}
	close(fd);
}

static void a_client_that_does_not_read_its_stream_is_dropped(void **state)
{
	struct rig rig;
	serve(&rig, (struct http_server_options){0}, client_does_not_read);
	assert_int_equal(rig.streams_closed, 1);
	assert_int_equal(rig.at_end.streams_dropped, 1);
	assert_int_equal(rig.refused_writes, 1);
}

static void client_leaves_a_stream_open(struct rig *rig)
{
	char a[1024];
	int fd = dial(rig);
	say(fd, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
	CHECK(rig, recv(fd, a, sizeof(a), 0) > 0);
	// not closed: the server is stopped with the stream open
}

static void a_server_stops_with_streams_open(void **state)
{
	struct rig rig;
	serve(&rig, (struct http_server_options){0}, client_leaves_a_stream_open);
	assert_int_equal(rig.streams_closed, 1);
}

static void client_asks_as_the_server_stops(struct rig *rig)
{
	rig->asks_last = dial(rig);
	CHECK(rig, rig->asks_last > 0);
	// accepted, and known to the daemon: what comes now is found by its last turn
	for (int i = 0; i < 100 && !__atomic_load_n(&http_server_counters(rig->server)->connections,
					   __ATOMIC_RELAXED);
		i++)
		usleep(10000);
}

// libmicrohttpd aborts a process that stops it with a suspended connection.
static void a_stream_asked_for_as_the_server_stops_is_no_end_of_the_process(void **state)
{
	struct rig rig;
	serve(&rig, (struct http_server_options){0}, client_asks_as_the_server_stops);
	assert_int_equal(rig.streams_closed, 0);
	close(rig.asks_last);
}

static void client_comes_often(struct rig *rig)
{
	enum { MANY = 1000 };
	static int fds[MANY];
	char a[4096];
	for (int i = 0; i < MANY; i++) {
		fds[i] = dial(rig);
		if (i % 3 == 0)
			say(fds[i], "GET /big HTTP/1.1\r\nHost: x\r\n\r\n"); // never read
		if (i % 3 == 1)
			say(fds[i], "GET /hel");
	}
	CHECK(rig, ask(rig, "GET /hello HTTP/1.1\r\n" HEAD "\r\n", a, sizeof(a)) == 0); // the limit
	for (int i = 0; i < 10; i++)
		close(fds[i]);
	int status = 0; // as soon as the server has seen them go
	for (int i = 0; i < 100 && status != 200; i++) {
		usleep(100 * 1000);
		status = ask(rig, "GET /hello HTTP/1.1\r\n" HEAD "\r\n", a, sizeof(a));
	}
	CHECK(rig, status == 200);
	for (int i = 10; i < MANY; i++)
		close(fds[i]);
}

static void the_limit_per_address_holds_and_a_closed_connection_makes_room(void **state)
{
	struct rig rig;
	struct rlimit files = {8192, 8192};
	setrlimit(RLIMIT_NOFILE, &files);
	serve(&rig, (struct http_server_options){.max_connections = 5000, .max_per_address = 1000},
		client_comes_often);
	assert_true(rig.at_end.over_limit >= 1);
}

static void a_port_in_use_is_said(void **state)
{
	uv_loop_t loop;
	uv_loop_init(&loop);
	struct http_server *a, *b;
	struct why why;
	struct http_server_options o = {.address = "127.0.0.1", .on_request = on_request};
	assert_int_equal(http_server_new(&a, &loop, &o, &why), 0);
	o.port = http_server_port(a);
	assert_int_equal(http_server_new(&b, &loop, &o, &why), -EADDRINUSE);
	assert_non_null(strstr(why.text, "127.0.0.1 port"));
	o.address = "localhost";
	assert_int_equal(http_server_new(&b, &loop, &o, &why), -EINVAL);
	http_server_stop(a, NULL, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_answered),
		cmocka_unit_test(bad_requests_are_refused_and_counted_and_the_server_goes_on),
		cmocka_unit_test(a_chunked_body_past_the_cap_gets_413),
		cmocka_unit_test(a_header_that_trickles_ends_at_its_deadline),
		cmocka_unit_test(a_stream_flows_and_its_end_is_noticed),
		cmocka_unit_test(a_client_that_does_not_read_its_stream_is_dropped),
		cmocka_unit_test(a_server_stops_with_streams_open),
		cmocka_unit_test(a_stream_asked_for_as_the_server_stops_is_no_end_of_the_process),
		cmocka_unit_test(the_limit_per_address_holds_and_a_closed_connection_makes_room),
		cmocka_unit_test(a_port_in_use_is_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
