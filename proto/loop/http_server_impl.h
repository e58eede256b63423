// SPDX-License-Identifier: Apache-2.0
// What http_server.c (daemon, connections, deadlines), http_request.c (one request) and
// http_response.c (answers, streams) share; nobody else includes it.
#pragma once

#include <microhttpd.h>
#include <stdbool.h>
#include <uv.h>

#include "proto/base/buf.h"
#include "proto/loop/http_server.h"
#include "proto/loop/http_uri.h"

struct http_address; // how many connections one address has

enum http_phase {
	HTTP_PHASE_HEADER, // nothing or a part of a header has come
	HTTP_PHASE_BODY,
	HTTP_PHASE_ANSWER,
	HTTP_PHASE_STREAM, // no deadline: its queue is the limit
};

struct http_conn {
	struct http_server *server;
	struct http_conn *prev, *next;
	struct http_address *address;
	int fd;
	uint64_t deadline_ms; // loop time, 0: none
};

struct http_server {
	struct http_server_options o;
	uv_loop_t *loop;
	struct MHD_Daemon *daemon;
	uv_poll_t poll;
	uv_timer_t run_timer;  // MHD's own time-outs and leftovers
	uv_timer_t tick_timer; // ours
	struct http_conn *conns;
	struct http_stream *streams;
	struct http_address *addresses;
	struct http_counters counters;
	uint16_t port;
	bool woken;    // a stream has something to send
	bool stopping; // no more handlers run, no more streams are suspended
	int open_handles;
	void (*on_stopped)(void *arg);
	void *on_stopped_arg;
};

struct http_request {
	struct http_server *server;
	struct http_conn *conn;
	struct MHD_Connection *mhd;
	const char *method;
	struct http_uri uri;
	int uri_error;
	bool started;  // headers seen
	int too_large; // status to answer once the body has been read and dropped
	struct buf body;
	char remote[64];
	struct http_stream *stream;
};

struct http_response {
	struct http_request *request;
	struct MHD_Response *mhd;
	int status;
	struct {
		char *name, *value;
	} headers[16];
	size_t n_headers;
	struct http_stream *stream;
};

void http_server_wake(struct http_server *s);
void http_conn_phase(struct http_conn *c, enum http_phase phase);

// MHD's callbacks for one request.
void *http_request_on_uri(void *arg, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result http_request_on_data(void *arg, struct MHD_Connection *mhd, const char *url,
	const char *method, const char *version, const char *data, size_t *len, void **req);
void http_request_on_end(
	void *arg, struct MHD_Connection *mhd, void **req, enum MHD_RequestTerminationCode why);

// Runs the handler and queues what it answered.
enum MHD_Result http_response_make(struct http_request *q);
enum MHD_Result http_response_error(struct http_request *q, int status, const char *text);
void http_stream_gone(struct http_stream *s); // its request has ended
void http_streams_abort(struct http_server *s);
