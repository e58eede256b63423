// SPDX-License-Identifier: Apache-2.0
// HTTP requests on the loop (libcurl's multi interface on libuv), for IMDS, Kubernetes and AWS.
//
// Bounded: a body past max_body_bytes, a line past max_line_bytes and a request past its deadline
// fail. No redirects unless asked for, no proxy unless given (the environment's http_proxy is
// ignored), http and https only. Every request ends in exactly one on_done, also after cancel
// (-ECANCELED) and stop. Errors: -ETIMEDOUT, -ECONNREFUSED, -EHOSTUNREACH (name or route),
// -EMSGSIZE (body), -EPROTO (TLS, malformed answer), -ECONNRESET, -EIO; an HTTP status is no error.
// Ownership: everything in the options is copied; what callbacks get is borrowed for the call.
// Thread: the loop.
#pragma once

#include "proto/base/why.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct http_client;
struct http_client_options {
	const char *ca_file;      // PEM; NULL: the system's
	const char *cert_file;    // client certificate, NULL: none
	const char *key_file;     // its key
	const char *user_agent;   // NULL: "petrel/VERSION"
	const char *proxy;        // NULL: none
	unsigned max_connections; // 0: 32, over all hosts
	bool http2;               // multiplex over one connection where the server can
};
int http_client_new(struct http_client **ret, uv_loop_t *loop, const struct http_client_options *o);

struct http_header {
	const char *name, *value;
};
struct http_answer {
	int error;  // 0, or a negative errno: then status may be 0
	int status; // 200, 404, …
	const char *body;
	size_t body_len;        // NUL-terminated at body_len; empty for a streamed request
	const char *error_text; // for people; "" if none
	uint64_t took_ms;
	const struct http_call *call;
};
// Value of an answer's header (any case), NULL if absent. Only inside on_done and on_line.
const char *http_answer_header(const struct http_answer *a, const char *name);

struct http_call;
struct http_call_options {
	const char *method; // NULL: GET
	const char *url;
	const struct http_header *headers;
	size_t n_headers;
	const void *body;
	size_t body_len;
	uint32_t connect_ms;   // 0: 5,000
	uint32_t deadline_ms;  // whole request; 0: 30,000, for a stream: none
	uint32_t silence_ms;   // no byte for so long: -ETIMEDOUT; 0: no limit but the deadline
	size_t max_body_bytes; // 0: 1 MiB
	unsigned max_redirects;
	// Streamed request (a watch): each line of a 2xx answer without its line end, an unfinished
	// last one is dropped; false ends the request with -ECANCELED. Other statuses are collected
	// as usual.
	bool (*on_line)(void *arg, const struct http_answer *so_far, const char *line, size_t len);
	size_t max_line_bytes; // 0: 4 MiB
	void (*on_done)(void *arg, const struct http_answer *a);
	void *arg;
};
// ret_call (may be NULL) is valid until on_done returns. on_done never runs inside http_call_start,
// and not at all if it fails (-EINVAL: a header; -ENOMEM; -ESHUTDOWN: the client is stopping).
int http_call_start(
	struct http_call **ret_call, struct http_client *c, const struct http_call_options *o);
// on_done runs inside, with -ECANCELED; called from the call's own on_line, it runs soon after.
void http_call_cancel(struct http_call *call);
void http_client_stop(struct http_client *c, void (*on_stopped)(void *arg), void *arg);
