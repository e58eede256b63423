// SPDX-License-Identifier: Apache-2.0
// The record "notice": something is going to happen to an instance.
//
// The id is SHA-256(instance, kind, the event's own id where it has one), never a time: the same
// event by IMDS, by the queue and by its state change is one notice, and a changed time is a new
// deadline of it.
#pragma once

#include "proto/base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum notice_kind {
	NOTICE_SPOT_ITN,
	NOTICE_REBALANCE_RECOMMENDATION,
	NOTICE_SCHEDULED_EVENT,
	NOTICE_ASG_LIFECYCLE,
	NOTICE_STATE_CHANGE,
	NOTICE_HEALTH,
	NOTICE_KIND_COUNT,
};
enum notice_action { NOTICE_TERMINATE, NOTICE_STOP, NOTICE_HIBERNATE, NOTICE_REBOOT, NOTICE_OTHER };

struct notice {
	uint8_t id[32];
	enum notice_kind kind;
	enum notice_action action;
	char cluster[64];
	char node[254];
	char instance_id[32];
	char source[16];     // "imds", "queue", "watch", "operator", "sim"
	char event_id[128];  // the event's own id, "" if it has none
	int64_t observed_ms; // wall clock of the observer
	int64_t deadline_ms; // 0 if unknown
	bool withdrawn;      // the source no longer shows it
	bool guessed;        // the body could not be understood; the deadline is our guess
};

// SHA-256 of the instance id, the kind's name and the event id, each with a NUL after it.
void notice_make_id(
	const char *instance_id, enum notice_kind kind, const char *event_id, uint8_t ret[32]);
const char *notice_kind_name(enum notice_kind kind); // "SPOT_ITN", …
bool notice_equal(const struct notice *a, const struct notice *b);
void notice_print(const struct notice *n, struct buf *out); // one JSON object
int notice_encode(const struct notice *n, struct buf *out);
// -EBADMSG, -E2BIG, -EINVAL (a name, an unknown kind, an id that is not the one of its parts)
int notice_decode(const void *data, size_t len, struct notice *ret);
