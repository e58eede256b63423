// SPDX-License-Identifier: Apache-2.0
// Answers and streams.
//
// A stream is a queue that MHD's content reader empties. With nothing in it the connection is
// suspended (a reader that returns 0 without that would spin); a write wakes it. MHD may be inside
// the reader only while the loop runs MHD, so there is no locking.
#include "proto/loop/http_server_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <utlist.h>

#include "proto/loop/http_gzip.h"

enum { STREAM_CHUNK_BYTES = 16 << 10 };

struct http_stream {
	struct http_server *server;
	struct http_request *request; // NULL before it is queued and after it has ended
	struct http_stream *prev, *next;
	struct buf queue; // bytes before `sent` are gone already
	size_t sent;
	bool suspended;
	bool closing; // end after the queue is empty
	bool dropped; // end at once
	void (*on_closed)(void *arg);
	void *arg;
};

int http_response_header(struct http_response *r, const char *name, const char *value)
{
	if (r->n_headers == sizeof(r->headers) / sizeof(r->headers[0]))
		return -ENOSPC;
	char *n = strdup(name), *v = strdup(value);
	if (!n || !v) {
		free(n);
		free(v);
		return -ENOMEM;
	}
	r->headers[r->n_headers].name = n;
	r->headers[r->n_headers++].value = v;
	return 0;
}

static int answer(struct http_response *r, int status, const char *type, struct MHD_Response *mhd)
{
	if (!mhd)
		return -ENOMEM;
	if (r->mhd) {
		MHD_destroy_response(mhd);
		return -EALREADY;
	}
	r->mhd = mhd;
	r->status = status;
	return type ? http_response_header(r, "Content-Type", type) : 0;
}

// MHD wants a pointer it may free; it does not write to it.
static struct MHD_Response *wrap(const void *data, size_t len, enum MHD_ResponseMemoryMode mode)
{
	return MHD_create_response_from_buffer(len, (void *)(uintptr_t)data, mode);
}

// The packed body where the client takes it and it is worth it; NULL: as it is.
static struct MHD_Response *pack(struct http_response *r, const void *data, size_t len)
{
	size_t packed_len;
	if (len < HTTP_GZIP_LEAST_BYTES || r->mhd)
		return NULL;
	http_response_header(r, "Vary", "Accept-Encoding");
	if (!http_gzip_accepted(http_request_header(r->request, "Accept-Encoding")))
		return NULL;
	void *packed = http_gzip(data, len, &packed_len);
	if (!packed)
		return NULL;
	struct MHD_Response *mhd = wrap(packed, packed_len, MHD_RESPMEM_MUST_FREE);
	if (!mhd)
		free(packed);
	else
		http_response_header(r, "Content-Encoding", "gzip");
	return mhd;
}

int http_reply(struct http_response *r, int status, const char *type, const void *data, size_t len)
{
	struct MHD_Response *mhd = pack(r, data, len);
	return answer(r, status, type, mhd ? mhd : wrap(data, len, MHD_RESPMEM_MUST_COPY));
}

int http_reply_take(struct http_response *r, int status, const char *type, void *data, size_t len)
{
	struct MHD_Response *mhd = pack(r, data, len);
	bool packed = mhd != NULL;
	if (!mhd)
		mhd = wrap(data, len, MHD_RESPMEM_MUST_FREE);
	if (packed || !mhd)
		free(data);
	return answer(r, status, type, mhd);
}

int http_reply_static(
	struct http_response *r, int status, const char *type, const void *data, size_t len)
{
	return answer(r, status, type, wrap(data, len, MHD_RESPMEM_PERSISTENT));
}

static ssize_t on_read(void *arg, uint64_t pos, char *buf, size_t max)
{
	struct http_stream *s = arg;
	if (s->dropped)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	size_t n = s->queue.len - s->sent;
	if (n == 0) {
		if (s->closing)
			return MHD_CONTENT_READER_END_OF_STREAM;
		if (s->server->stopping)
			return MHD_CONTENT_READER_END_WITH_ERROR;
		if (s->request && !s->suspended) {
			s->suspended = true;
			MHD_suspend_connection(s->request->mhd);
		}
		return 0;
	}
	if (n > max)
		n = max;
	memcpy(buf, s->queue.data + s->sent, n);
	s->sent += n;
	if (s->sent == s->queue.len) {
		buf_reset(&s->queue);
		s->sent = 0;
	}
	return (ssize_t)n;
}

struct http_stream *http_reply_stream(struct http_response *r, const char *type,
	size_t max_queue_bytes, void (*on_closed)(void *arg), void *arg)
{
	struct http_stream *s = r->mhd ? NULL : calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->server = r->request->server;
	s->on_closed = on_closed;
	s->arg = arg;
	buf_init(&s->queue, 2 * max_queue_bytes);
	r->mhd = MHD_create_response_from_callback(
		MHD_SIZE_UNKNOWN, STREAM_CHUNK_BYTES, on_read, s, NULL);
	if (!r->mhd || http_response_header(r, "Content-Type", type) < 0) {
		if (r->mhd)
			MHD_destroy_response(r->mhd);
		r->mhd = NULL;
		free(s);
		return NULL;
	}
	r->status = MHD_HTTP_OK;
	r->stream = s;
	s->request = r->request;
	DL_APPEND(s->server->streams, s);
	s->server->counters.open_streams++;
	return s;
}

static void wake(struct http_stream *s)
{
	if (s->suspended && s->request) {
		s->suspended = false;
		MHD_resume_connection(s->request->mhd);
		http_server_wake(s->server);
	}
}

static void drop(struct http_stream *s)
{
	s->dropped = true;
	if (s->request)
		shutdown(s->request->conn->fd, SHUT_RDWR);
	wake(s);
}

int http_stream_write(struct http_stream *s, const void *data, size_t len)
{
	if (s->dropped || s->closing)
		return -ENOSPC;
	size_t queued = s->queue.len - s->sent, max = s->queue.max / 2;
	if (queued + len > max) {
		s->server->counters.streams_dropped++;
		drop(s);
		return -ENOSPC;
	}
	if (s->sent > max / 2) { // keeps the bytes already sent from filling the buffer
		memmove(s->queue.data, s->queue.data + s->sent, queued);
		s->queue.len = queued;
		s->sent = 0;
	}
	int r = buf_append(&s->queue, data, len);
	if (r < 0) {
		drop(s);
		return -ENOSPC;
	}
	wake(s);
	return 0;
}

size_t http_stream_queued(const struct http_stream *s)
{
	return s->queue.len - s->sent;
}

void http_stream_close(struct http_stream *s)
{
	s->closing = true;
	wake(s);
}

void http_stream_gone(struct http_stream *s)
{
	s->request = NULL;
	DL_DELETE(s->server->streams, s);
	s->server->counters.open_streams--;
	if (s->on_closed)
		s->on_closed(s->arg);
	buf_done(&s->queue);
	free(s);
}

void http_streams_abort(struct http_server *server)
{
	struct http_stream *s, *next;
	DL_FOREACH_SAFE(server->streams, s, next)
	drop(s);
}

static enum MHD_Result queue(struct http_request *q, struct http_response *r)
{
	for (size_t i = 0; i < r->n_headers; i++) {
		MHD_add_response_header(r->mhd, r->headers[i].name, r->headers[i].value);
		free(r->headers[i].name);
		free(r->headers[i].value);
	}
	MHD_add_response_header(r->mhd, "X-Content-Type-Options", "nosniff");
	enum MHD_Result result = MHD_queue_response(q->mhd, (unsigned)r->status, r->mhd);
	MHD_destroy_response(r->mhd);
	return result;
}

enum MHD_Result http_response_error(struct http_request *q, int status, const char *text)
{
	struct http_response r = {.request = q};
	if (http_reply_static(&r, status, "text/plain; charset=utf-8", text, strlen(text)) < 0)
		return MHD_NO;
	return queue(q, &r);
}

enum MHD_Result http_response_make(struct http_request *q)
{
	struct http_response r = {.request = q};
	if (q->server->stopping)
		return http_response_error(q, MHD_HTTP_SERVICE_UNAVAILABLE, "stopping\n");
	q->server->o.on_request(q->server->o.arg, q, &r);
	if (!r.mhd) {
		for (size_t i = 0; i < r.n_headers; i++) {
			free(r.headers[i].name);
			free(r.headers[i].value);
		}
		return http_response_error(q, MHD_HTTP_INTERNAL_SERVER_ERROR, "no answer\n");
	}
	q->stream = r.stream;
	if (r.stream)
		http_conn_phase(q->conn, HTTP_PHASE_STREAM);
	return queue(q, &r);
}
