// SPDX-License-Identifier: Apache-2.0
// The query arguments of the API: one table of what exists, checked before anything is looked up.
//
// Every argument is bounded and typed here; a handler gets values, never text of unknown shape.
// Unknown, repeated and malformed arguments are refused with a message that names the nearest known
// one. Pure.
#pragma once

#include "aggregator/show/show.h"
#include "proto/wire/notice.h"

#include <stdint.h>

enum param {
	PARAM_CLUSTER,
	PARAM_GROUP,
	PARAM_NODE,
	PARAM_NAME,
	PARAM_KIND,
	PARAM_METRIC,
	PARAM_HIST,
	PARAM_HORIZON,
	PARAM_FROM,
	PARAM_TO,
	PARAM_STEP,
	PARAM_LIMIT,
	PARAM_EVENT,
	PARAM_LEFT,
	PARAM_DRY_RUN,
	PARAM_COUNT,
};
#define PARAM(name) (1u << PARAM_##name)

enum { QUERY_MAX_LIMIT = 10000, QUERY_MAX_BINS = 20000 };

struct query {
	uint32_t present; // bit of enum param
	char cluster[64], group[NAME_MAX_BYTES], node[NAME_MAX_BYTES], name[NAME_MAX_BYTES];
	enum entity_kind kind;
	enum metric metric;
	enum hist_id hist;
	enum show_horizon horizon;
	int64_t from_ms, to_ms, step_ms;
	int64_t limit;
	enum notice_kind event;
	int64_t left_ms; // from now
	bool dry_run;
};
static inline bool query_has(const struct query *q, enum param p)
{
	return q->present >> p & 1;
}

// What is told to a client that asked wrongly.
struct problem {
	int status;    // HTTP
	char code[24]; // stable: "bad-argument", "not-found", …
	char message[256];
	char hint[256]; // what to do instead; "" if nothing helps
};
int problem_set(struct problem *p, int status, const char *code, const char *format, ...)
	__attribute__((format(printf, 4, 5))); // returns -EINVAL
void problem_hint(struct problem *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Adds one argument; allowed: the bits that the path knows. 0, or -EINVAL with the problem.
int query_add(
	struct query *q, uint32_t allowed, const char *key, const char *value, struct problem *p);
// After the last one: those that must be there.
int query_need(const struct query *q, uint32_t needed, struct problem *p);
// Fills in from, to and step where they were not given, and checks them: to = now, from = an hour
// before, step = the finest round one with at most 720 bins. At most max_bins.
int query_range(struct query *q, int64_t now_ms, int64_t max_bins, struct problem *p);
const char *show_horizon_name(enum show_horizon h); // "hour", "day", "month"
