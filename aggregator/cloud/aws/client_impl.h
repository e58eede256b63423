// SPDX-License-Identifier: Apache-2.0
// What client.c (which call is sent when) and client_send.c (one attempt on the wire) share.
#pragma once

#include "aggregator/cloud/aws/client.h"
#include "aggregator/cloud/aws/credentials.h"
#include "aggregator/cloud/aws/protocol.h"
#include "aggregator/cloud/aws/retry.h"
#include "aggregator/cloud/aws/sign.h"

enum call_state { CALL_DUE, CALL_PARKED, CALL_SENT };
struct pending {
	struct pending *prev, *next;
	struct aws_client *client;
	enum aws_service service;
	char *operation, *path, *query, *endpoint;
	struct buf body;
	bool once, is_unsigned, skew_tried, refused;
	uint32_t hold_ms;
	void (*on_done)(void *arg, int r, const struct why *why, const struct aws_answer *a);
	void *arg;
	enum call_state state;
	uint64_t due_ns;
	struct http_call *http;
	struct retry_ask retry;
	struct credentials *used;
};

struct aws_client {
	uv_timer_t timer;
	struct http_client *http;
	struct credential_chain *chain;
	char *region;
	char *endpoints[AWS_SERVICE_COUNT];
	bool given[AWS_SERVICE_COUNT]; // not AWS's own
	struct sign_cache keys[AWS_SERVICE_COUNT];
	struct retry_quota quota[AWS_SERVICE_COUNT];
	struct retry_rate rate[AWS_SERVICE_COUNT];
	struct environment env;
	int64_t (*wall_ms)(void);
	uint64_t (*mono_ns)(void);
	struct rng rng;
	struct pending *calls;
	unsigned n_calls, n_sent[AWS_SERVICE_COUNT];
	struct aws_stats stats;
	bool stopping;
	unsigned closing;
	void (*on_stopped)(void *arg);
	void *stopped_arg;
};

// Signs and sends one attempt; on_http gets p.
int pending_start(struct pending *p, void (*on_http)(void *arg, const struct http_answer *a));
