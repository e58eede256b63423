// SPDX-License-Identifier: Apache-2.0
// A connection reads until the empty line, answers, shuts its side down and then throws away what
// still comes until the client closes: closing first would send a reset that can overtake the
// answer.
#include "agent/self/answer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

enum { DEADLINE_MS = 5000, BACKLOG = 64, HANDLES = 2 };

struct connection {
	struct answer *server;
	struct connection *prev, *next;
	int open; // handles
	bool answered, closing;
	uv_tcp_t tcp;
	uv_timer_t deadline;
	uv_write_t write;
	uv_shutdown_t shutdown;
	char request[ANSWER_MAX_HEADER + 1];
	size_t len;
	char head[256];
	struct answer_reply reply;
};

struct answer {
	struct answer_options o;
	uv_loop_t *loop;
	uv_tcp_t listener;
	bool listener_open, stopping;
	struct connection *connections; // also those being closed
	unsigned n_connections;
	void (*on_stopped)(void *arg);
	void *on_stopped_arg;
};

static void maybe_free(struct answer *a)
{
	if (!a->stopping || a->listener_open || a->connections)
		return;
	if (a->on_stopped)
		a->on_stopped(a->on_stopped_arg);
	free(a);
}

static void on_closed(uv_handle_t *handle)
{
	struct connection *c = handle->data;
	struct answer *a = c->server;
	if (--c->open > 0)
		return;
	DL_DELETE(a->connections, c);
	a->n_connections--;
	buf_done(&c->reply.body);
	free(c);
	maybe_free(a);
}

static void close_connection(struct connection *c)
{
	if (c->closing)
		return;
	c->closing = true;
	uv_close((uv_handle_t *)&c->tcp, on_closed);
	uv_close((uv_handle_t *)&c->deadline, on_closed);
}

static void on_deadline(uv_timer_t *timer)
{
	close_connection(timer->data);
}

static const char *reason_of(int status)
{
	switch (status) {
	case 200: return "OK";
	case 400: return "Bad Request";
	case 404: return "Not Found";
	case 405: return "Method Not Allowed";
	case 431: return "Request Header Fields Too Large";
	case 503: return "Service Unavailable";
	default: return "Internal Server Error";
	}
}

static void on_shutdown(uv_shutdown_t *request, int status)
{
	if (status < 0)
		close_connection(request->data);
}

static void on_written(uv_write_t *write, int status)
{
	struct connection *c = write->data;
	c->shutdown.data = c;
	if (c->closing)
		return;
	if (status < 0 || uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, on_shutdown) < 0)
		close_connection(c);
}

static void send_reply(struct connection *c, bool with_body)
{
	struct answer_reply *r = &c->reply;
	c->answered = true;
	if (buf_failed(&r->body)) {
		r->status = 500;
		buf_reset(&r->body);
	}
	int n = snprintf(c->head, sizeof(c->head),
		"HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s"
		"Connection: close\r\n\r\n",
		r->status, reason_of(r->status), r->type, r->body.len,
		r->status == 405 ? "Allow: GET, HEAD\r\n" : "");
	if (n < 0 || (size_t)n >= sizeof(c->head)) {
		close_connection(c);
		return;
	}
	const uv_buf_t pieces[] = {uv_buf_init(c->head, (unsigned)n),
		uv_buf_init(r->body.data, (unsigned)r->body.len)};
	c->write.data = c;
	if (uv_write(&c->write, (uv_stream_t *)&c->tcp, pieces, with_body && r->body.len ? 2 : 1,
		    on_written) < 0)
		close_connection(c);
}

static void refuse(struct connection *c, int status)
{
	c->reply.status = status;
	buf_printf(&c->reply.body, "%s\n", reason_of(status));
	send_reply(c, true);
}

// "GET /path?query HTTP/1.1": the path, NULL if the line is not of this form. text is cut up.
static const char *take_path(char *text, const char **ret_method)
{
	char *line_end = strpbrk(text, "\r\n");
	char *target = strchr(text, ' ');
	char *version = target ? strchr(target + 1, ' ') : NULL;
	if (!line_end || !version || version > line_end || target[1] != '/' ||
		strncmp(version, " HTTP/1.", 8) != 0)
		return NULL;
	*target++ = *version = '\0';
	target[strcspn(target, "?")] = '\0';
	*ret_method = text;
	return target;
}

static void use_request(struct connection *c)
{
	const char *method, *path = take_path(c->request, &method);
	if (!path) {
		refuse(c, 400);
		return;
	}
	bool head = strcmp(method, "HEAD") == 0;
	if (!head && strcmp(method, "GET") != 0) {
		refuse(c, 405);
		return;
	}
	c->server->o.on_get(c->server->o.arg, path, &c->reply);
	send_reply(c, !head);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	struct connection *c = handle->data;
	// after the answer only the end matters: what comes is written over itself
	if (c->answered)
		c->len = 0;
	*ret = uv_buf_init(c->request + c->len, (unsigned)(ANSWER_MAX_HEADER - c->len));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct connection *c = stream->data;
	if (n == UV_ENOBUFS) {
		refuse(c, 431);
		return;
	}
	if (n < 0) { // after a half-close the answer still goes out: it was queued before
		close_connection(c);
		return;
	}
	if (c->answered)
		return;
	c->len += (size_t)n;
	c->request[c->len] = '\0';
	if (strlen(c->request) != c->len)
		refuse(c, 400);
	else if (strstr(c->request, "\r\n\r\n") || strstr(c->request, "\n\n"))
		use_request(c);
}

// One too many is accepted all the same, and closed: else it would wait in the kernel and come
// again and again.
static void on_connection(uv_stream_t *listener, int status)
{
	struct answer *a = listener->data;
	struct connection *c = status == 0 ? calloc(1, sizeof(*c)) : NULL;
	if (!c)
		return;
	c->server = a;
	c->open = HANDLES;
	c->reply = (struct answer_reply){.status = 200, .type = "text/plain; charset=utf-8"};
	buf_init(&c->reply.body, ANSWER_MAX_BODY);
	uv_tcp_init(a->loop, &c->tcp);
	uv_timer_init(a->loop, &c->deadline);
	c->tcp.data = c->deadline.data = c;
	DL_APPEND(a->connections, c);
	bool full = ++a->n_connections > ANSWER_CONNECTIONS;
	if (uv_accept(listener, (uv_stream_t *)&c->tcp) < 0 || full ||
		uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) < 0)
		close_connection(c);
	else
		uv_timer_start(&c->deadline, on_deadline, a->o.deadline_ms, 0);
}

static int listen_on(struct answer *a, const struct answer_options *o)
{
	struct sockaddr_storage at = {0};
	int r = strchr(o->address, ':')
			? uv_ip6_addr(o->address, o->port, (struct sockaddr_in6 *)&at)
			: uv_ip4_addr(o->address, o->port, (struct sockaddr_in *)&at);
	if (r == 0)
		r = uv_tcp_bind(&a->listener, (const struct sockaddr *)&at, 0);
	return r < 0 ? r : uv_listen((uv_stream_t *)&a->listener, BACKLOG, on_connection);
}

int answer_start(
	struct answer **ret, uv_loop_t *loop, const struct answer_options *o, struct why *why)
{
	struct answer *a = calloc(1, sizeof(*a));
	if (!a)
		return why_set(why, -ENOMEM, WHY_RETRY, "out of memory");
	a->o = *o;
	a->o.address = NULL; // borrowed, not needed again
	a->o.deadline_ms = o->deadline_ms ? o->deadline_ms : DEADLINE_MS;
	a->loop = loop;
	uv_tcp_init(loop, &a->listener);
	a->listener.data = a;
	a->listener_open = true;
	int r = listen_on(a, o);
	if (r < 0) {
		answer_stop(a, NULL, NULL);
		return why_set(why, r, r == -EINVAL ? WHY_DENIED : WHY_RETRY,
			"cannot listen for HTTP on %s port %u: %s", o->address, o->port,
			strerror(-r));
	}
	*ret = a;
	return 0;
}

uint16_t answer_port(const struct answer *a)
{
	struct sockaddr_in6 name;
	int len = sizeof(name);
	if (uv_tcp_getsockname(&a->listener, (struct sockaddr *)&name, &len) < 0)
		return 0;
	return ntohs(name.sin6_port); // same place in sockaddr_in
}

static void on_listener_closed(uv_handle_t *handle)
{
	struct answer *a = handle->data;
	a->listener_open = false;
	maybe_free(a);
}

void answer_stop(struct answer *a, void (*on_stopped)(void *arg), void *arg)
{
	a->stopping = true;
	a->on_stopped = on_stopped;
	a->on_stopped_arg = arg;
	uv_close((uv_handle_t *)&a->listener, on_listener_closed);
	struct connection *c;
	DL_FOREACH (a->connections, c)
		close_connection(c);
}
