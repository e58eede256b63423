// SPDX-License-Identifier: Apache-2.0
// What the event streams say: server-sent events, made once a tick and sent to every client.
//
// Only what changed is said. A node counts as changed when a person could see it: another state,
// two percent of CPU or IO pressure, a quarter more or less run-queue latency. At most
// EVENTS_NODES_PER_TICK nodes are said at once, changed states first, then the others in turn, so
// that 5,000 busy nodes cost a viewer a bounded rate and each is heard again within a few seconds.
// Thread: the loop.
#pragma once

#include "aggregator/show/core.h"
#include "proto/base/buf.h"

enum {
	EVENTS_NODES_PER_TICK = 1800,
	EVENTS_GROUPS_EVERY = 2, // ticks
	EVENTS_HEARTBEAT_TICKS = 15,
	EVENTS_MAX_BYTES = 8 << 20,
	EVENTS_MAX_PLAN_BYTES = 128 << 10,
	EVENTS_MAX_CHANGED = 20000,
	EVENTS_DRAINS_PER_TICK = 64, // the others in the next: each may have a hundred pods
};

struct events {
	const struct fleet_node **changed; // of the tick under way
	size_t n_changed;
	const struct drain *drains[EVENTS_DRAINS_PER_TICK]; // changed, of the tick under way
	size_t n_drains;
	size_t turn; // position in the fleet's list at which the next tick begins
	uint64_t ticks;
	struct said_group *groups; // what was said of each, by hash
};
void events_done(struct events *e);
// Finds what changed, remembers it as said. -ENOMEM.
int events_collect(struct events *e, struct show_core *c, int64_t now_ms);
// The tick's text for clients of one cluster ("" all); collect comes first.
void events_tick(struct events *e, struct show_core *c, const char *cluster, int64_t now_ms,
	struct buf *out);
// The first thing a client hears.
void events_hello(struct show_core *c, const char *cluster, int64_t now_ms, struct buf *out);
void events_plan(const struct kept_plan *k, struct buf *out);
