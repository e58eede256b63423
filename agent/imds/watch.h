// SPDX-License-Identifier: Apache-2.0
// Watches the instance metadata service and tells of every notice as soon as it is there.
//
// Five questions, each with its own period; a slow service delays an answer, never the next
// question (at most two under way per question). No error lengthens a period or ends the watch.
// IMDSv2: a token is renewed at half its life; a 401 gets a fresh token and the same question
// again. IMDSv1 only when allowed. What is told: a notice when it appears, again when its deadline
// or its action changes or a guess is corrected, and once as withdrawn when the service no longer
// shows it. Ownership: notices are borrowed for the call. Thread: the loop. Time and randomness
// come from outside.
#pragma once

#include <uv.h>

#include "agent/imds/http.h"
#include "proto/base/rng.h"
#include "proto/wire/notice.h"
#include "proto/wire/sample.h"

enum watch_question {
	WATCH_SPOT_ACTION,
	WATCH_LIFECYCLE,
	WATCH_REBALANCE,
	WATCH_MAINTENANCE,
	WATCH_TERMINATION_TIME,
	WATCH_QUESTION_COUNT,
};
const char *watch_question_name(enum watch_question q); // "spot-action", …

struct watch_identity { // "" where the service did not say
	char instance_id[32], instance_type[32], zone_id[32], life_cycle[32];
	bool known;      // instance id has been read
	int tags_status; // HTTP status of the tags path: 200 or 404; 0 not asked yet
};

struct watch_options {
	struct imds_http_options http;
	uint32_t period_ms[WATCH_QUESTION_COUNT]; // 0: not asked
	uint32_t token_ttl_s;                     // 21,600
	uint32_t jitter_permille;                 // 100: each period is within +-10 %
	bool allow_v1;
	char cluster[64], node[NAME_MAX_BYTES];
	int64_t (*wall_ms)(void);
	uint64_t (*mono_ns)(void);
	struct rng rng;
	void (*on_notice)(void *arg, const struct notice *n);
	void (*on_identity)(void *arg, const struct watch_identity *id);
	void *arg;
};
void watch_defaults(struct watch_options
		*ret); // periods 1, 2, 5, 60, 5 s; connect 300 ms, total 2 s; 169.254.169.254:80

enum watch_error {
	WATCH_TIMEOUT,
	WATCH_REFUSED,
	WATCH_STATUS_401,
	WATCH_STATUS_403,
	WATCH_STATUS_5XX,
	WATCH_STATUS_OTHER,
	WATCH_MALFORMED,
	WATCH_BROKEN,
	WATCH_BUSY,
	WATCH_ERROR_COUNT
};
const char *watch_error_name(enum watch_error e); // "timeout", …

struct watch_stats {
	uint64_t polls, answers, notices;
	uint64_t errors[WATCH_ERROR_COUNT];
	uint64_t tokens, token_failures, v1_polls;
	uint64_t last_good_ns;   // monotonic, of the newest good answer to any question; 0: never
	uint64_t latency_us[16]; // good answers by log2 of 64 us: bucket b is < 64 us << b
	uint64_t latency_sum_us;
	struct imds_http_counters http;
};

struct watch;
int watch_start(struct watch **ret, uv_loop_t *loop, const struct watch_options *o);
void watch_stats(const struct watch *w, struct watch_stats *ret);
const struct watch_identity *watch_identity(const struct watch *w);
// One line of the capability report, in plain words: reachable, hop limit, v2 only, life cycle,
// tags.
void watch_hook(const struct watch *w, struct hook_status *ret);
void watch_stop(struct watch *w, void (*on_stopped)(void *arg), void *arg);
