// SPDX-License-Identifier: Apache-2.0
// Answers GET for a handful of fixed paths: the smallest HTTP server that a scraper and a kubelet
// can talk to.
//
// Why own, where the aggregator has proto/loop/http_server: that one stands on libmicrohttpd, which
// loads GnuTLS and ten more libraries, 3 MiB resident in an agent whose whole budget is 8, for what
// is one GET in 15 s. Here a request is a line and a header that is not looked at, a connection
// carries one request ("Connection: close"), nothing is kept, nothing is decoded: no body, no
// query, no escapes. GET and HEAD only, 405 else.
// Limits: ANSWER_CONNECTIONS at a time (more are closed at once), a header of ANSWER_MAX_HEADER
// bytes (431), deadline_ms from accept to the last byte, then the connection goes, whoever is slow.
// Ownership: on_get fills reply for the call; the body is moved out of it. Thread: the loop.
#pragma once

#include "proto/base/buf.h"
#include "proto/base/why.h"

#include <stdint.h>
#include <uv.h>

enum { ANSWER_CONNECTIONS = 16, ANSWER_MAX_HEADER = 4096, ANSWER_MAX_BODY = 256 << 10 };

struct answer_reply {
	int status;       // 200 at the call
	const char *type; // text/plain at the call; outlives the server
	struct buf body;  // empty at the call; failed: 500 instead
};

struct answer_options {
	const char *address;  // "127.0.0.1", "::1", "::" (both families)
	uint16_t port;        // 0: any
	uint32_t deadline_ms; // 0: 5,000
	void (*on_get)(void *arg, const char *path, struct answer_reply *reply);
	void *arg;
};

struct answer;
int answer_start(
	struct answer **ret, uv_loop_t *loop, const struct answer_options *o, struct why *why);
uint16_t answer_port(const struct answer *a);
// Closes everything, frees, then calls on_stopped (may be NULL).
void answer_stop(struct answer *a, void (*on_stopped)(void *arg), void *arg);
