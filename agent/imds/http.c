// SPDX-License-Identifier: Apache-2.0
// A slot is one connection and at most one request on it. A slot's handles live for as long as the
// connection; between requests it is idle (kept) or closed. All ends of a request go through
// finish().
#include "agent/imds/http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/imds/response.h"
#include "proto/base/text.h"

enum { REQUEST_BYTES = 1024, BUFFER_BYTES = RESPONSE_MAX_HEADER_BYTES + IMDS_MAX_BODY_BYTES * 2 };

enum slot_state { SLOT_CLOSED, SLOT_CONNECTING, SLOT_WAITING, SLOT_IDLE, SLOT_CLOSING };

struct slot {
	struct imds_http *http;
	enum slot_state state;
	bool busy, fresh; // a request is under way; on a connection made for it
	uv_tcp_t tcp;
	uv_timer_t timer;
	uv_connect_t connect;
	uv_write_t write;
	char request[REQUEST_BYTES];
	size_t request_len;
	void (*on_answer)(void *arg, const struct imds_answer *a);
	void *arg;
	uint64_t start_ns;
	char *data; // BUFFER_BYTES + 1, taken at the first use and kept
	size_t len;
};

struct imds_http {
	uv_loop_t *loop;
	struct sockaddr_storage address;
	char host[64];
	uint32_t connect_ms, total_ms;
	struct slot slots[IMDS_HTTP_SLOTS];
	struct imds_http_counters counters;
	unsigned open_handles;
	bool stopping;
	void (*on_stopped)(void *arg);
	void *on_stopped_arg;
};

static void connect_slot(struct slot *s);

int imds_http_new(struct imds_http **ret, uv_loop_t *loop, const struct imds_http_options *o)
{
	struct imds_http *h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	bool v6 = strchr(o->address, ':') != NULL;
	int r = v6 ? uv_ip6_addr(o->address, o->port, (struct sockaddr_in6 *)&h->address)
		   : uv_ip4_addr(o->address, o->port, (struct sockaddr_in *)&h->address);
	if (r < 0) {
		free(h);
		return -EINVAL;
	}
	snprintf(h->host, sizeof(h->host), v6 ? "[%s]" : "%s", o->address);
	h->loop = loop;
	h->connect_ms = o->connect_ms;
	h->total_ms = o->total_ms;
	for (int i = 0; i < IMDS_HTTP_SLOTS; i++) {
		h->slots[i].http = h;
		h->slots[i].timer.data = h->slots[i].tcp.data = &h->slots[i];
		uv_timer_init(loop, &h->slots[i].timer);
		h->open_handles++;
	}
	*ret = h;
	return 0;
}

static void maybe_free(struct imds_http *h)
{
	if (!h->stopping || h->open_handles > 0)
		return;
	for (int i = 0; i < IMDS_HTTP_SLOTS; i++)
		free(h->slots[i].data);
	if (h->on_stopped)
		h->on_stopped(h->on_stopped_arg);
	free(h);
}

static void on_tcp_closed(uv_handle_t *handle)
{
	struct slot *s = handle->data;
	s->http->open_handles--;
	s->state = SLOT_CLOSED;
	if (s->busy && !s->http->stopping)
		connect_slot(s); // the request that a kept connection lost
	else
		maybe_free(s->http);
}

static void close_slot(struct slot *s)
{
	if (s->state == SLOT_CLOSED || s->state == SLOT_CLOSING)
		return;
	s->state = SLOT_CLOSING;
	uv_close((uv_handle_t *)&s->tcp, on_tcp_closed);
}

static void finish(struct slot *s, int error, const struct response *r)
{
	struct imds_answer a = {.error = error, .took_ns = uv_hrtime() - s->start_ns, .body = ""};
	if (r) {
		a.status = r->status;
		a.body = r->body;
		a.body_len = r->body_len;
	}
	s->http->counters.timeouts += error == -ETIMEDOUT;
	s->http->counters.errors += error != 0 && error != -ETIMEDOUT;
	uv_timer_stop(&s->timer);
	s->busy = false;
	if (error || !r || r->close) {
		close_slot(s);
	} else {
		s->state = SLOT_IDLE;
	}
	s->on_answer(s->arg, &a);
}

// The connection has failed. A kept one may have been closed by the server long ago: then once more
// on a fresh one.
static void lose(struct slot *s, int error)
{
	if (!s->busy) {
		close_slot(s);
		return;
	}
	if (!s->fresh && s->len == 0)
		close_slot(s); // on_tcp_closed connects again
	else
		finish(s, error, NULL);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct slot *s = handle->data;
	static char spare[64]; // for bytes that nobody asked for, on an idle connection
	*buf = s->busy ? uv_buf_init(s->data + s->len, (unsigned)(BUFFER_BYTES - s->len))
		       : uv_buf_init(spare, sizeof(spare));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct slot *s = stream->data;
	struct response r;
	if (n == 0)
		return;
	if (!s->busy) {
		close_slot(s);
		return;
	}
	if (n == UV_ENOBUFS) {
		finish(s, -EMSGSIZE, NULL);
		return;
	}
	if (n < 0 && (n != UV_EOF || s->len == 0)) {
		lose(s, n == UV_EOF ? -ECONNRESET : (int)n);
		return;
	}
	s->len += n > 0 ? (size_t)n : 0;
	int got = response_read(s->data, s->len, n < 0, IMDS_MAX_BODY_BYTES, &r);
	if (got < 0)
		finish(s, got, NULL);
	else if (got > 0)
		finish(s, 0, &r);
}

static void on_written(uv_write_t *write, int status)
{
	struct slot *s = write->data;
	if (status < 0 && s->state == SLOT_WAITING)
		lose(s, status);
}

static void send_request(struct slot *s)
{
	uv_buf_t buf = uv_buf_init(s->request, (unsigned)s->request_len);
	s->state = SLOT_WAITING;
	s->write.data = s;
	int r = uv_write(&s->write, (uv_stream_t *)&s->tcp, &buf, 1, on_written);
	if (r < 0)
		lose(s, r);
}

static void on_deadline(uv_timer_t *timer)
{
	struct slot *s = timer->data;
	finish(s, -ETIMEDOUT, NULL);
}

// What is left of the request's total time, from now on.
static void arm_total(struct slot *s)
{
	uint64_t used_ms = (uv_hrtime() - s->start_ns) / 1000000;
	uint64_t left_ms = used_ms < s->http->total_ms ? s->http->total_ms - used_ms : 1;
	uv_timer_start(&s->timer, on_deadline, left_ms, 0);
}

static void on_connected(uv_connect_t *connect, int status)
{
	struct slot *s = connect->data;
	if (s->state != SLOT_CONNECTING) // the deadline was first
		return;
	if (status == 0)
		status = uv_read_start((uv_stream_t *)&s->tcp, on_alloc, on_read);
	if (status < 0) {
		finish(s, status, NULL);
		return;
	}
	arm_total(s);
	send_request(s);
}

static void connect_slot(struct slot *s)
{
	struct imds_http *h = s->http;
	s->fresh = true;
	s->state = SLOT_CONNECTING;
	s->len = 0;
	h->counters.connections++;
	h->open_handles++;
	uv_tcp_init(h->loop, &s->tcp);
	uv_tcp_nodelay(&s->tcp, 1);
	s->tcp.data = s->connect.data = s;
	uv_timer_start(&s->timer, on_deadline, h->connect_ms, 0);
	int r = uv_tcp_connect(
		&s->connect, &s->tcp, (const struct sockaddr *)&h->address, on_connected);
	if (r < 0) // for instance no route: reported from the timer, never inside imds_http_start()
		uv_timer_start(&s->timer, on_deadline, 0, 0);
}

static struct slot *free_slot(struct imds_http *h)
{
	struct slot *closed = NULL;
	for (int i = 0; i < IMDS_HTTP_SLOTS; i++) {
		struct slot *s = &h->slots[i];
		if (s->state == SLOT_IDLE && !s->busy)
			return s;
		if (s->state == SLOT_CLOSED && !s->busy)
			closed = s;
	}
	return closed;
}

int imds_http_start(struct imds_http *h, const struct imds_request *r)
{
	struct slot *s = free_slot(h);
	if (!s || h->stopping)
		return -EBUSY;
	int len = snprintf(s->request, sizeof(s->request),
		"%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: petrel-agent/%s\r\n%s%s%s%s%s\r\n",
		r->method, r->path, h->host, PETREL_VERSION, r->header_name ? r->header_name : "",
		r->header_name ? ": " : "", r->header_name ? r->header_value : "",
		r->header_name ? "\r\n" : "",
		strcmp(r->method, "PUT") == 0 ? "Content-Length: 0\r\n" : "");
	if (len < 0 || (size_t)len >= sizeof(s->request))
		return -EMSGSIZE;
	if (!s->data)
		s->data = malloc(BUFFER_BYTES + 1);
	if (!s->data)
		return -ENOMEM;
	s->request_len = (size_t)len;
	s->on_answer = r->on_answer;
	s->arg = r->arg;
	s->busy = true;
	s->len = 0;
	s->start_ns = uv_hrtime();
	h->counters.requests++;
	if (s->state == SLOT_IDLE) {
		s->fresh = false;
		h->counters.reused++;
		arm_total(s);
		send_request(s);
	} else {
		connect_slot(s);
	}
	return 0;
}

const struct imds_http_counters *imds_http_counters(const struct imds_http *h)
{
	return &h->counters;
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct slot *s = handle->data;
	s->http->open_handles--;
	maybe_free(s->http);
}

void imds_http_stop(struct imds_http *h, void (*on_stopped)(void *arg), void *arg)
{
	h->stopping = true;
	h->on_stopped = on_stopped;
	h->on_stopped_arg = arg;
	for (int i = 0; i < IMDS_HTTP_SLOTS; i++) {
		h->slots[i].busy = false;
		close_slot(&h->slots[i]);
		uv_close((uv_handle_t *)&h->slots[i].timer, on_timer_closed);
	}
}
