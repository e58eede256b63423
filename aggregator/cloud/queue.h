// SPDX-License-Identifier: Apache-2.0
// Reads interruption events from an SQS queue and turns them into notices.
//
// One long poll is open while nothing comes; as long as messages come there are several, so that a
// thousand events of one second are read within a few; a message is deleted (in batches of ten)
// only after the caller has given its verdict on every notice that it holds: until then SQS shows
// it again after the visibility time, and a crash loses nothing. What is not about instances is
// deleted and counted; what cannot be understood is set aside (counted, its first bytes kept in the
// stats), never fatal. Which bodies: event.h. Limits: QUEUE_MAX_HELD messages without a verdict,
// then reading waits. Thread: the loop.
#pragma once

#include <uv.h>

#include "aggregator/cloud/aws/client.h"
#include "aggregator/cloud/event.h"
#include "proto/wire/notice.h"

enum { QUEUE_MAX_HELD = 4096, QUEUE_ASIDE_BYTES = 512, QUEUE_ASIDE_KEPT = 16 };

struct queue;
struct queue_ack; // one per notice; valid until its verdict or queue_stop()
enum queue_verdict {
	QUEUE_ACCEPTED, // on disk: delete it
	QUEUE_FOREIGN,  // no instance of ours: delete it, and count it
	QUEUE_LATER,    // not now: SQS shall show it again
};

struct queue_options {
	struct aws_client *client; // borrowed until on_stopped
	const char *url;           // https://sqs.REGION.amazonaws.com/ACCOUNT/NAME
	const char *cluster;       // what the notices say
	unsigned receivers;        // polls open at once at the most, 1..16; 0: 8
	uint32_t wait_s;           // 0..20; UINT32_MAX: 20
	uint32_t visibility_s;     // 1..43,200; 0: 60
	int64_t (*wall_ms)(void);
	uint64_t seed;
	// A notice from the queue: source "queue", node "" (unknown here), observed now. The caller
	// owes exactly one queue_verdict() per call, now or later. extra is borrowed for the call.
	void (*on_notice)(void *arg, const struct notice *n, const struct queue_extra *extra,
		struct queue_ack *ack);
	void *arg;
};
// -EINVAL WHY_DENIED: the URL.
int queue_start(
	struct queue **ret, uv_loop_t *loop, const struct queue_options *o, struct why *why);
void queue_verdict(struct queue *q, struct queue_ack *ack, enum queue_verdict v);

struct queue_stats {
	uint64_t receives, receive_failures, messages, notices;
	uint64_t accepted, foreign, later;
	uint64_t ignored;   // understood, but nothing to do: tests, other event types
	uint64_t malformed; // set aside
	uint64_t deleted, delete_failures;
	uint64_t held;         // messages without a verdict now
	int64_t last_good_ms;  // wall clock of the last receive that was answered; 0: never
	int64_t last_event_ms; // of the last message; 0: never
	struct why last_error; // of the last receive that failed; class WHY_NONE after a good one
};
void queue_stats(const struct queue *q, struct queue_stats *ret);
// The text of the newest malformed bodies, newest first; NULL past the end. Printable ASCII only.
const char *queue_aside(const struct queue *q, size_t index);
// Not inside on_notice. Deletes that are due are given up (SQS shows those messages again: same
// notices, same ids). on_stopped (may be NULL) comes when the last poll has ended: soon if the
// client is stopped next, after wait_s otherwise.
void queue_stop(struct queue *q, void (*on_stopped)(void *arg), void *arg);
