// SPDX-License-Identifier: Apache-2.0
// The client against our own server, and against threads that misbehave on purpose.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/loop/http_client.h"
#include "proto/loop/http_server.h"
#include "tests/unit/proto/loop/certs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <utlist.h>

struct rig {
	uv_loop_t loop;
	struct http_client *client;
	struct http_server *server;
	struct http_stream *stream;
	unsigned done, lines;
	int error, status;
	char body[4096], header[64], error_text[256], last_line[256];
	bool stop_at_line, restart;
	struct http_call *call;
};

static void on_request(void *arg, const struct http_request *q, struct http_response *r)
{
	struct rig *rig = arg;
	const char *path = http_request_path(q);
	char text[512];
	size_t len;
	const char *body = http_request_body(q, &len);
	const char *token = http_request_header(q, "X-Token");
	if (strcmp(path, "/say") == 0) {
		int n = snprintf(text, sizeof(text), "%s %.*s %s %s", http_request_method(q),
			(int)len, body, token ? token : "-", http_request_header(q, "User-Agent"));
		http_response_header(r, "X-Answer", "forty-two");
		http_reply(r, 200, "text/plain", text, (size_t)n);
	} else if (strcmp(path, "/big") == 0) {
		http_reply_take(r, 200, "text/plain", calloc(1, 2000), 2000);
	} else if (strcmp(path, "/moved") == 0) {
		http_response_header(r, "Location", "/say");
		http_reply_static(r, 302, "text/plain", "", 0);
	} else if (strcmp(path, "/watch") == 0) {
		rig->stream = http_reply_stream(r, "application/json", 64 << 10, NULL, NULL);
		http_stream_write(rig->stream, "{\"n\":1}\n{\"n\":2}\r\n{\"n\"", 21);
		http_stream_write(rig->stream, ":3}\nunfinished", 14);
		if (http_request_query(q, "end"))
			http_stream_close(rig->stream);
	} else {
		http_reply_static(r, 404, "text/plain", "no such page", 12);
	}
}

static void on_done(void *arg, const struct http_answer *a)
{
	struct rig *rig = arg;
	const char *header = http_answer_header(a, "x-answer");
	rig->done++;
	rig->error = a->error;
	rig->status = a->status;
	snprintf(rig->body, sizeof(rig->body), "%s", a->body);
	snprintf(rig->header, sizeof(rig->header), "%s", header ? header : "");
	snprintf(rig->error_text, sizeof(rig->error_text), "%s", a->error_text);
	if (rig->restart) {
		struct http_call_options o = {.url = "http://127.0.0.1:1/", .on_done = on_done};
		assert_int_equal(http_call_start(NULL, rig->client, &o), -ESHUTDOWN);
	}
}

static bool on_line(void *arg, const struct http_answer *so_far, const char *line, size_t len)
{
	struct rig *rig = arg;
	assert_int_equal(strlen(line), len);
	assert_int_equal(so_far->status, 200);
	rig->lines++;
	snprintf(rig->last_line, sizeof(rig->last_line), "%s", line);
	if (rig->stop_at_line)
		http_call_cancel(rig->call);
	return true;
}

static void rig_init(struct rig *rig, struct http_client_options o)
{
	struct why why;
	*rig = (struct rig){0};
	uv_loop_init(&rig->loop);
	struct http_server_options s = {
		.address = "127.0.0.1", .on_request = on_request, .arg = rig};
	assert_int_equal(http_server_new(&rig->server, &rig->loop, &s, &why), 0);
	assert_int_equal(http_client_new(&rig->client, &rig->loop, &o), 0);
}

static void rig_done(struct rig *rig)
{
	if (rig->client)
		http_client_stop(rig->client, NULL, NULL);
	http_server_stop(rig->server, NULL, NULL);
	uv_run(&rig->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&rig->loop), 0);
}

static void start(struct rig *rig, const char *path, struct http_call_options o)
{
	char url[128];
	snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", http_server_port(rig->server), path);
	o.url = o.url ? o.url : url;
	o.on_done = on_done;
	o.arg = rig;
	assert_int_equal(http_call_start(&rig->call, rig->client, &o), 0);
	assert_int_equal(rig->done, 0);
}

static void finish(struct rig *rig)
{
	while (rig->done == 0)
		uv_run(&rig->loop, UV_RUN_ONCE);
	rig->done = 0;
}

static void ask(struct rig *rig, const char *path, struct http_call_options o)
{
	start(rig, path, o);
	finish(rig);
}

static void requests_arrive_as_asked_for(void **state)
{
	struct rig rig;
	rig_init(&rig, (struct http_client_options){0});
	ask(&rig, "/say", (struct http_call_options){0});
	assert_int_equal(rig.error, 0);
	assert_int_equal(rig.status, 200);
	assert_string_equal(rig.body, "GET  - petrel/" PETREL_VERSION);
	assert_string_equal(rig.header, "forty-two");
	const struct http_header h[] = {{"X-Token", "secret"}};
	ask(&rig, "/say",
		(struct http_call_options){.method = "PUT",
			.headers = h,
			.n_headers = 1,
			.body = "x=1",
			.body_len = 3});
	assert_string_equal(rig.body, "PUT x=1 secret petrel/" PETREL_VERSION);
	ask(&rig, "/say", (struct http_call_options){.method = "POST"});
	assert_string_equal(rig.body, "POST  - petrel/" PETREL_VERSION);
	ask(&rig, "/say", (struct http_call_options){.method = "HEAD"});
	assert_int_equal(rig.status, 200);
	assert_string_equal(rig.body, "");
	ask(&rig, "/none", (struct http_call_options){0});
	assert_int_equal(rig.error, 0);
	assert_int_equal(rig.status, 404);
	assert_string_equal(rig.header, "");
	rig_done(&rig);
}

static void a_header_cannot_smuggle_another(void **state)
{
	struct rig rig;
	rig_init(&rig, (struct http_client_options){0});
	const struct http_header bad[] = {{"X-Token", "a\r\nHost: other"}};
	struct http_call_options o = {.url = "http://127.0.0.1:1/", .headers = bad, .n_headers = 1};
	assert_int_equal(http_call_start(NULL, rig.client, &o), -EINVAL);
	rig_done(&rig);
}

static void redirects_are_followed_only_when_asked_for(void **state)
{
	struct rig rig;
	rig_init(&rig, (struct http_client_options){0});
	ask(&rig, "/moved", (struct http_call_options){0});
	assert_int_equal(rig.status, 302);
	ask(&rig, "/moved", (struct http_call_options){.max_redirects = 1});
	assert_int_equal(rig.status, 200);
	rig_done(&rig);
}

static void the_environments_proxy_is_ignored(void **state)
{
	struct rig rig;
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	rig_init(&rig, (struct http_client_options){0});
	ask(&rig, "/say", (struct http_call_options){0});
	assert_int_equal(rig.status, 200);
	rig_done(&rig);
	unsetenv("http_proxy");
}

static void a_body_past_its_cap_fails(void **state)
{
	struct rig rig;
	rig_init(&rig, (struct http_client_options){0});
	ask(&rig, "/big", (struct http_call_options){.max_body_bytes = 1999});
	assert_int_equal(rig.error, -EMSGSIZE);
	ask(&rig, "/big", (struct http_call_options){.max_body_bytes = 2000});
	assert_int_equal(rig.error, 0);
	rig_done(&rig);
}

static void a_stream_is_given_line_by_line(void **state)
{
	struct rig rig;
	rig_init(&rig, (struct http_client_options){0});
	ask(&rig, "/watch?end", (struct http_call_options){.on_line = on_line});
	assert_int_equal(rig.error, 0);
	assert_int_equal(rig.lines, 3);
	assert_string_equal(rig.last_line, "{\"n\":3}");
	ask(&rig, "/none", (struct http_call_options){.on_line = on_line});
	assert_int_equal(rig.status, 404);
	assert_string_equal(rig.body, "no such page");
	ask(&rig, "/watch?end",
		(struct http_call_options){.on_line = on_line, .max_line_bytes = 8});
	assert_int_equal(rig.error, -EMSGSIZE);
	rig_done(&rig);
}

static void a_stream_that_falls_silent_times_out(void **state)
{
	struct rig rig;
	rig_init(&rig, (struct http_client_options){0});
	ask(&rig, "/watch", (struct http_call_options){.on_line = on_line, .silence_ms = 1000});
	assert_int_equal(rig.error, -ETIMEDOUT);
	assert_int_equal(rig.lines, 3);
	rig_done(&rig);
}

static void a_call_can_be_cancelled_from_outside_and_from_its_line(void **state)
{
	struct rig rig;
	rig_init(&rig, (struct http_client_options){0});
	start(&rig, "/watch", (struct http_call_options){.on_line = on_line});
	while (rig.lines < 3)
		uv_run(&rig.loop, UV_RUN_ONCE);
	http_call_cancel(rig.call);
	assert_int_equal(rig.done, 1);
	assert_int_equal(rig.error, -ECANCELED);
	rig.done = rig.lines = 0;
	rig.stop_at_line = true;
	ask(&rig, "/watch", (struct http_call_options){.on_line = on_line});
	assert_int_equal(rig.error, -ECANCELED);
	assert_int_equal(rig.lines, 1);
	rig_done(&rig);
}

static void a_client_that_stops_ends_every_call(void **state)
{
	struct rig rig;
	rig_init(&rig, (struct http_client_options){0});
	for (int k = 0; k < 10; k++)
		start(&rig, "/watch", (struct http_call_options){.on_line = on_line});
	for (int k = 0; k < 5; k++)
		uv_run(&rig.loop, UV_RUN_ONCE);
	rig.restart = true;
	http_client_stop(rig.client, NULL, NULL);
	rig.client = NULL;
	assert_int_equal(rig.done, 10);
	assert_int_equal(rig.error, -ECANCELED);
	rig_done(&rig);
}

static int listen_somewhere(char url[64], const char *scheme)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	listen(fd, 5);
	getsockname(fd, (struct sockaddr *)&a, &len);
	snprintf(url, 64, "%s://localhost:%u/", scheme, ntohs(a.sin_port));
	return fd;
}

static void failures_are_told_apart(void **state)
{
	struct rig rig;
	char url[64];
	rig_init(&rig, (struct http_client_options){0});
	int fd = listen_somewhere(url, "http"); // accepts in the kernel and says nothing
	ask(&rig, "", (struct http_call_options){.url = url, .deadline_ms = 200});
	assert_int_equal(rig.error, -ETIMEDOUT);
	close(fd);
	ask(&rig, "", (struct http_call_options){.url = url});
	assert_int_equal(rig.error, -ECONNREFUSED);
	assert_true(rig.error_text[0]);
	ask(&rig, "", (struct http_call_options){.url = "http://no-such-host.invalid/"});
	assert_int_equal(rig.error, -EHOSTUNREACH);
	ask(&rig, "", (struct http_call_options){.url = "file:///etc/passwd"});
	assert_int_equal(rig.error, -EINVAL);
	rig_done(&rig);
}

static void *answer_badly(void *arg)
{
	static const char *const answers[] = {"",
		"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", "SSH-2.0-OpenSSH_9.2\r\n"};
	char request[1024];
	int fd = *(int *)arg;
	for (int k = 0; k < 3; k++) {
		int c = accept(fd, NULL, NULL);
		recv(c, request, sizeof(request), 0);
		send(c, answers[k], strlen(answers[k]), MSG_NOSIGNAL);
		close(c);
	}
	return NULL;
}

static void answers_that_break_off_or_are_none_fail(void **state)
{
	struct rig rig;
	char url[64];
	pthread_t thread;
	rig_init(&rig, (struct http_client_options){0});
	int fd = listen_somewhere(url, "http");
	pthread_create(&thread, NULL, answer_badly, &fd);
	ask(&rig, "", (struct http_call_options){.url = url});
	assert_int_equal(rig.error, -ECONNRESET);
	ask(&rig, "", (struct http_call_options){.url = url});
	assert_int_equal(rig.error, -ECONNRESET);
	ask(&rig, "", (struct http_call_options){.url = url});
	assert_int_not_equal(rig.error, 0);
	pthread_join(thread, NULL);
	close(fd);
	rig_done(&rig);
}

struct https {
	int fd;
	SSL_CTX *ctx;
	int calls;
};

static void *serve_https(void *arg)
{
	struct https *h = arg;
	char request[4096];
	for (int k = 0; k < h->calls; k++) {
		int c = accept(h->fd, NULL, NULL);
		SSL *ssl = SSL_new(h->ctx);
		SSL_set_fd(ssl, c);
		if (SSL_accept(ssl) == 1 && SSL_read(ssl, request, sizeof(request)) > 0) {
			static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: "
						     "6\r\nConnection: close\r\n\r\nsecret";
			SSL_write(ssl, answer, sizeof(answer) - 1);
			SSL_shutdown(ssl);
		}
		SSL_free(ssl);
		close(c);
	}
	return NULL;
}

static void https_verifies_and_proves(void **state)
{
	struct rig rig;
	struct test_ca ca, foreign;
	pthread_t thread;
	char url[64];
	test_ca_new(&ca, "CA");
	test_ca_new(&foreign, "foreign");
	struct test_cert server = test_issue(&ca, "api", "DNS:localhost", true);
	struct test_cert client = test_issue(&ca, "petrel", NULL, false);
	struct https h = {.fd = listen_somewhere(url, "https"), .calls = 3};
	h.ctx = SSL_CTX_new(TLS_server_method());
	SSL_CTX_use_certificate_file(h.ctx, server.cert, SSL_FILETYPE_PEM);
	SSL_CTX_use_PrivateKey_file(h.ctx, server.key, SSL_FILETYPE_PEM);
	SSL_CTX_load_verify_file(h.ctx, ca.path);
	SSL_CTX_set_verify(h.ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	pthread_create(&thread, NULL, serve_https, &h);

	rig_init(&rig,
		(struct http_client_options){
			.ca_file = ca.path, .cert_file = client.cert, .key_file = client.key});
	ask(&rig, "", (struct http_call_options){.url = url});
	assert_int_equal(rig.error, 0);
	assert_string_equal(rig.body, "secret");
	rig_done(&rig);
	rig_init(&rig, (struct http_client_options){.ca_file = foreign.path});
	ask(&rig, "", (struct http_call_options){.url = url});
	assert_int_equal(rig.error, -EPROTO);
	rig_done(&rig);
	rig_init(&rig, (struct http_client_options){.ca_file = ca.path}); // proves nothing
	ask(&rig, "", (struct http_call_options){.url = url});
	assert_int_not_equal(rig.error, 0);
	rig_done(&rig);
	pthread_join(thread, NULL);
	SSL_CTX_free(h.ctx);
	close(h.fd);
	test_ca_done(&ca);
	test_ca_done(&foreign);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_arrive_as_asked_for),
		cmocka_unit_test(a_header_cannot_smuggle_another),
		cmocka_unit_test(redirects_are_followed_only_when_asked_for),
		cmocka_unit_test(the_environments_proxy_is_ignored),
		cmocka_unit_test(a_body_past_its_cap_fails),
		cmocka_unit_test(a_stream_is_given_line_by_line),
		cmocka_unit_test(a_stream_that_falls_silent_times_out),
		cmocka_unit_test(a_call_can_be_cancelled_from_outside_and_from_its_line),
		cmocka_unit_test(a_client_that_stops_ends_every_call),
		cmocka_unit_test(failures_are_told_apart),
		cmocka_unit_test(answers_that_break_off_or_are_none_fail),
		cmocka_unit_test(https_verifies_and_proves),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
