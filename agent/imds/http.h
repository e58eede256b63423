// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 to the instance metadata service, over libuv, with deadlines.
//
// Why own: the notice path depends on as little as possible, and libcurl with everything it loads
// would double the agent's memory for what is one GET a second to a fixed address. No names are
// resolved, no proxy, no redirects, no TLS. Every request ends in exactly one callback: an answer,
// or a negative errno at the deadline at the latest. A request that a kept connection lost before
// the first byte is repeated once on a fresh one. EC2's own service answers "Connection: close";
// where a server keeps the connection open it is used again.
// Limits: IMDS_HTTP_SLOTS requests at a time (-EBUSY), body IMDS_MAX_BODY_BYTES, header 8 KiB.
// Thread: the loop.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

enum { IMDS_HTTP_SLOTS = 14, IMDS_MAX_BODY_BYTES = 64 << 10 };

struct imds_http_options {
	const char *address; // "169.254.169.254", "fd00:ec2::254"; copied
	uint16_t port;
	uint32_t connect_ms, total_ms; // 300, 2,000
};

struct imds_answer {
	int error;        // 0, -ETIMEDOUT, -ECONNREFUSED, -EMSGSIZE (too long), -EPROTO (not HTTP),
			  // -ECONNRESET…
	int status;       // 200, 404…; 0 on error
	const char *body; // NUL-terminated; borrowed for the call
	size_t body_len;
	uint64_t took_ns;
};

struct imds_request {
	const char *method, *path;                                 // "GET", "/latest/…"
	const char *header_name, *header_value;                    // one more header, or NULL
	void (*on_answer)(void *arg, const struct imds_answer *a); // never inside imds_http_start()
	void *arg;
};

struct imds_http_counters {
	uint64_t requests, connections, reused, timeouts, errors;
};

struct imds_http;
int imds_http_new(struct imds_http **ret, uv_loop_t *loop,
	const struct imds_http_options *o); // -EINVAL: no address
int imds_http_start(
	struct imds_http *h, const struct imds_request *r); // texts are copied; -EBUSY, -EMSGSIZE
const struct imds_http_counters *imds_http_counters(const struct imds_http *h);
// Ends all requests without their callbacks, closes everything, frees, then calls on_stopped (may
// be NULL).
void imds_http_stop(struct imds_http *h, void (*on_stopped)(void *arg), void *arg);
