// SPDX-License-Identifier: Apache-2.0
// From the bodies of an interruption queue to notices. Pure.
//
// Bodies: EventBridge events (spot interruption, rebalance recommendation, state change, capacity
// reservation interruption, Auto Scaling termination, AWS Health), Auto Scaling's own
// notifications, and either inside an SNS envelope. A notice's id is the one that the same event
// has when it is seen by IMDS or told twice: spot, rebalance, state change and life cycle have no
// id of their own, AWS Health has its event ARN. A spot event's time is that of the notice: the end
// is two minutes later; one without a readable time is taken as two minutes from now (guessed is
// set). Launch hooks are no interruption: they are understood and give no notice.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "proto/wire/notice.h"

enum { EVENT_MAX_ENTITIES = 256, EVENT_SPOT_MS = 120000 };

struct queue_extra { // "" where the event has none
	char hook[256], scaling_group[256], token[64];
	char account[16], region[32];
};

struct event_sink {
	const struct notice *from; // the template: cluster, source, observed_ms = now
	void (*on_notice)(void *arg, const struct notice *n, const struct queue_extra *extra);
	void *arg;
};
// Number of notices told, 0 if there is nothing to do; -EBADMSG: not understood, none was told.
int event_read(const char *body, size_t len, const struct event_sink *sink);
