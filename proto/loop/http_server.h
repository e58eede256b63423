// SPDX-License-Identifier: Apache-2.0
// HTTP server on the loop (libmicrohttpd, its epoll descriptor watched by libuv), for
// aggregator/show. Routes are its.
//
// Everything from outside is bounded before it is stored: header 16 KiB, body 1 MiB, connections in
// all and per address, 10 s for a header, 30 s idle, and a slow reader costs only its own bounded
// memory. Requests that are ambiguous (two lengths, a length and an encoding, other than origin
// form) are refused by 400. The path is decoded once; "..", an escaped "/" or NUL, control
// characters and invalid UTF-8 in the target are 400. Ownership: request and response are borrowed
// for the call of on_request; a stream lives until its on_closed. Thread: the loop. on_request
// answers at once or opens a stream; without either the client gets 500. An answer of more than 4
// KiB goes out as gzip to those who accept it, but for static ones and streams.
#pragma once

#include "proto/base/why.h"

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct http_server;
struct http_request;
struct http_response;
struct http_stream;

enum {
	HTTP_MAX_HEADER_BYTES = 16 << 10,
	HTTP_MAX_BODY_BYTES = 1 << 20,
};

struct http_server_options {
	const char *address;      // "127.0.0.1", "::1", "0.0.0.0", "::" (both families)
	uint16_t port;            // 0: any, see http_server_port()
	unsigned max_connections; // 0: 12,000; and at most three quarters of the files it may open
	unsigned max_per_address; // 0: no limit of its own
	uint32_t header_ms;       // 0: 10,000. From accept to the end of the header
	uint32_t idle_ms; // 0: 30,000. Between requests, for a body, and for an answer that stalls
	size_t max_body_bytes; // 0: HTTP_MAX_BODY_BYTES; 413 beyond
	void (*on_request)(void *arg, const struct http_request *q, struct http_response *r);
	void *arg;
};
struct http_counters {
	uint64_t requests, connections; // since the start
	uint64_t bad_requests;          // answered 4xx by the server itself
	uint64_t timed_out;             // header or idle time passed
	uint64_t over_limit;            // connections refused by a limit
	uint64_t streams_dropped;       // clients that read too slowly
	unsigned open_connections, open_streams;
};
int http_server_new(struct http_server **ret, uv_loop_t *loop, const struct http_server_options *o,
	struct why *why);
uint16_t http_server_port(const struct http_server *s);
const struct http_counters *http_server_counters(const struct http_server *s);
// Closes all connections and streams (their on_closed runs), then calls on_stopped.
void http_server_stop(struct http_server *s, void (*on_stopped)(void *arg), void *arg);

// The request.
const char *http_request_method(const struct http_request *q); // "GET"; HEAD is answered like GET
const char *http_request_path(const struct http_request *q);   // "/api/v1/nodes"
// Decoded value of the first query argument of that name; "" for "?key"; NULL if absent.
const char *http_request_query(const struct http_request *q, const char *key);
// Calls each for every query argument, in order; a handler that knows its keys refuses others.
void http_request_each_query(const struct http_request *q,
	void (*each)(void *arg, const char *key, const char *value), void *arg);
const char *http_request_header(const struct http_request *q, const char *name); // NULL if absent
const void *http_request_body(const struct http_request *q, size_t *ret_len);
const char *http_request_remote(const struct http_request *q); // "10.0.3.7"

// The response: exactly one of reply, reply_take, reply_static or stream; headers may be set
// before.
int http_response_header(struct http_response *r, const char *name, const char *value);
int http_reply(struct http_response *r, int status, const char *type, const void *data, size_t len);
// Takes data (malloc'ed, also on failure); what buf_take() gives.
int http_reply_take(struct http_response *r, int status, const char *type, void *data, size_t len);
// data outlives the server (embedded files).
int http_reply_static(
	struct http_response *r, int status, const char *type, const void *data, size_t len);

// A response without an end (server-sent events). The queue holds at most max_queue_bytes that the
// client has not read; a write beyond drops the client. on_closed is called once, whoever closed;
// the stream is gone afterwards. Returns NULL when out of memory.
struct http_stream *http_reply_stream(struct http_response *r, const char *type,
	size_t max_queue_bytes, void (*on_closed)(void *arg), void *arg);
int http_stream_write(struct http_stream *s, const void *data, size_t len); // -ENOSPC: dropped
size_t http_stream_queued(const struct http_stream *s);
void http_stream_close(struct http_stream *s); // after what is queued was sent
