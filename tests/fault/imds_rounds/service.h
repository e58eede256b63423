// SPDX-License-Identifier: Apache-2.0
// An instance metadata service on the loop of its client, which fails in every way of enum
// fault_kind.
//
// It is IMDSv2: tokens by PUT, 401 without a good one, 404 for what is not shown. Like EC2's it
// answers "Connection: close", in some of the answers it keeps the connection. Faults have a
// beginning and an end on the loop's clock; between them each request meets the first one that
// applies. It lives as long as the program. Texts are copied. Thread: the loop.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "proto/base/rng.h"

enum place {
	PLACE_SPOT_ACTION,
	PLACE_LIFECYCLE,
	PLACE_REBALANCE,
	PLACE_MAINTENANCE,
	PLACE_TERMINATION_TIME,
	PLACE_TOKEN,
	PLACE_OTHER, // the identity
	PLACE_COUNT,
	PLACE_ANY = PLACE_COUNT,
};

enum fault_kind {
	FAULT_503,
	FAULT_403,
	FAULT_401,
	FAULT_STATUS,      // some other status
	FAULT_HANG,        // taken, and never answered
	FAULT_LATE,        // answered up to three seconds later, with what was true at the request
	FAULT_SLOW,        // one byte each 20 ms
	FAULT_RESET,       //
	FAULT_HALF_CLOSED, // its end without a word, and the connection stays
	FAULT_TRUNCATED,   // a part of the body, then the end
	FAULT_HUGE,        // 200 with more than anybody takes
	FAULT_GARBAGE,     // 200 with something else
	FAULT_TOKEN_REFUSED, // 403 to the token request, and the old tokens are forgotten
	FAULT_TOKEN_STORM,   // tokens are given, and forgotten at once
	FAULT_REFUSED,       // nobody listens; begins at once
	FAULT_KIND_COUNT,
};
const char *fault_name(enum fault_kind k);

struct fault {
	enum fault_kind kind;
	int place;              // enum place
	unsigned share_percent; // of the requests
	uint64_t from_ns, until_ns;
};
enum { MAX_FAULTS = 8 };

struct service_stats {
	uint64_t requests, tokens, met[FAULT_KIND_COUNT];
	uint64_t garbage_ns; // when a garbled spot action was last sent
	unsigned open;       // connections
};

struct service;
int service_start(struct service **ret, uv_loop_t *loop, uint64_t seed); // on 127.0.0.1
uint16_t service_port(const struct service *s);
void service_show(struct service *s, enum place place, const char *body); // NULL: not there
void service_fault(struct service *s, const struct fault *f); // the oldest one makes room
const struct service_stats *service_stats(const struct service *s);
