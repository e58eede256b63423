// SPDX-License-Identifier: Apache-2.0
// What show remembers, without its server: the plans it was given and, per node, what the event
// streams last said.
//
// Split from show.c so that every answer can be made, tested and fuzzed without a socket: api.h
// turns a request and a core into an answer.
#pragma once

#include "aggregator/show/drain_tally.h"
#include "aggregator/show/node_view.h"
#include "aggregator/show/show.h"

// One plan as text: the object of plan_print(), and its steps flattened for /api/v1/decisions.
struct kept_step {
	size_t end; // of this step's object in kept_plan.steps
	char group[254];
};
struct kept_plan {
	char id[33];
	char cluster[64];
	int64_t now_ms;
	char *plan; // one JSON object
	size_t plan_len;
	char *steps; // the objects one after the other, without commas
	struct kept_step *ends;
	size_t n_steps;
};

// The newest plan of a cluster, as a value.
struct cluster_plan {
	char cluster[64];
	struct plan_step *steps;
	size_t n_steps;
	char guard[32]; // the first guard that refused something in it; ""
	UT_hash_handle hh;
};

struct show_core {
	struct show_options options;
	struct show_sources sources;
	struct kept_plan *kept[SHOW_MAX_PLANS]; // ring, oldest at first
	size_t first, n_kept, kept_bytes;
	struct cluster_plan *newest; // by cluster
	struct node_memory *nodes;   // by key, see node_view.h
	struct drain_tally drains;   // what was seen of drains
	int64_t last_tick_ms;        // of show_publish_tick(), 0 before the first
	uint64_t last_tick_ns;
	struct show_http_counts {    // by class, for /metrics
		uint64_t answers[6]; // [2] = 2xx …
		uint64_t streams_opened, streams_refused, streams_dropped, event_bytes;
		unsigned streams;
	} http;
};

int core_init(struct show_core *c, const struct show_options *o, const struct show_sources *s);
void core_done(struct show_core *c);
// Borrows p. -ENOMEM; -E2BIG: a plan whose text does not fit (then only the newest step values are
// kept).
int core_add_plan(struct show_core *c, const struct plan *p);
const struct kept_plan *core_plan(const struct show_core *c, size_t index); // 0: newest; NULL past
const struct kept_plan *core_plan_by_id(const struct show_core *c, const char *id);
const struct cluster_plan *core_newest(const struct show_core *c, const char *cluster);
const struct drain *core_drains(const struct show_core *c); // the newest, then ->next
// The newest plan's step about a group, NULL if there is none.
const struct plan_step *core_newest_step(
	const struct show_core *c, const char *cluster, const char *group);
