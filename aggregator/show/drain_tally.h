// SPDX-License-Identifier: Apache-2.0
// What show has seen of drains: how long each stage took, how many ended how, and which have
// changed since the event streams last said them.
//
// Drains are forgotten by their owner when newer ones need the room; the sums here only grow, as
// counters must. A drain is known by its id; what was counted of it is remembered for as long as it
// is listed. Drains that are only planned (dry run) take no time and are not in the histograms.
// Thread: the loop.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

#include "aggregator/decide/drain_plan.h"

struct drain;

// From the notice to: each a label of petrel_drain_stage_seconds.
enum drain_stage {
	STAGE_SEEN,
	STAGE_RECEIPTED,
	STAGE_TAINTED,
	STAGE_FIRST_EVICTION,
	STAGE_DRAINED,
	STAGE_REPLACEMENT_READY,
	STAGE_COMPLETED,
	STAGE_COUNT,
};
const char *drain_stage_name(enum drain_stage s); // "seen", …
enum {
	DRAIN_BOUNDS = 16,
	DRAIN_SAID_PODS =
		2000, // said at once, some 600 KB: a stream's queue takes three times that
};
extern const double drain_bounds_s[DRAIN_BOUNDS];

enum drain_end { END_DONE, END_WITHDRAWN, END_FAILED, END_COUNT };
const char *drain_end_name(enum drain_end e); // "done", …

struct drain_seen {
	char id[33];
	uint32_t counted;     // stages, bit by bit; then the beginning and the end
	uint64_t said_change; // what the streams know
	bool said, listed;
	UT_hash_handle hh;
};

struct drain_tally {
	struct drain_seen *seen; // by id
	struct {
		uint64_t counts[DRAIN_BOUNDS + 1];
		double sum_s;
	} stages[STAGE_COUNT];
	uint64_t started[DRAIN_KIND_COUNT], ended[END_COUNT];
};
void drain_tally_done(struct drain_tally *t);
// first: the newest of all drains, then ->next. Once a tick.
void drain_tally_update(struct drain_tally *t, const struct drain *first);
// At most most, with at most DRAIN_SAID_PODS pods (but always one), that have changed since they
// were last returned here; how many.
size_t drain_tally_changed(
	struct drain_tally *t, const struct drain *first, const struct drain **ret, size_t most);
