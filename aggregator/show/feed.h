// SPDX-License-Identifier: Apache-2.0
// The debug feed's topics: what the line saw, thought and did, as lines for nngcat.
//
// One function per record; each formats its line and hands it to proto/loop/publish, which caps the
// rate and counts what it drops. Nothing secret is in any of the records (no certificates, no
// environment, no command lines). Topics: sample.<cluster>.<node>, notice.<cluster>.<node>,
// forecast.<cluster>.<kind>.<name>, plan.<cluster>. A character that may not stand in a topic
// becomes '_'. Thread: the loop. All return what publish_line() says: 0, -EAGAIN (rate cap),
// -E2BIG. f NULL: nothing is done, 0.
#pragma once

#include "aggregator/decide/plan.h"
#include "aggregator/show/show.h"
#include "proto/wire/notice.h"
#include "proto/wire/sample.h"

#include <stdint.h>

struct publish;

int feed_sample(struct publish *f, const struct sample *s, uint64_t now_ns);
int feed_notice(struct publish *f, const struct notice *n, uint64_t now_ns);
int feed_forecast(struct publish *f, const struct show_series *series, const struct outlook *o,
	uint64_t now_ns);
// A plan line is its id, mode and steps without the inputs and guards (those are at
// /api/v1/plans/ID): a line of the feed is at most 64 KiB.
int feed_plan(struct publish *f, const struct plan *p, uint64_t now_ns);
