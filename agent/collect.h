// SPDX-License-Identifier: Apache-2.0
// One tick of the agent: reads what is due, makes the windows, fills a sample.
//
// The only place where probe, proc and window meet. What is read when: the node and the fast values
// of every owner (pod, unit, container without a pod) each tick, or every fifth while it does next
// to nothing; their slow values, and the containers inside pods, each slow tick, spread evenly over
// the ticks by slot so that no tick is dear. Lower detail (agent/self) leaves out the dearest
// first. A pod thus has at most two rows in a sample, with different values and windows
// (agent/window/window.h). New and removed cgroups come from the probe's events; where there are
// none the tree is walked again every COLLECT_WALK_MS, and at least every COLLECT_SAFETY_WALK_MS
// otherwise. No allocation per tick. Thread: the loop.
#pragma once

#include "agent/probe/probe.h"
#include "agent/window/counters.h"
#include "proto/base/why.h"
#include "proto/wire/sample.h"

#include <stdint.h>

enum { COLLECT_WALK_MS = 15000, COLLECT_SAFETY_WALK_MS = 300000, COLLECT_MAX_SLOTS = 4096 };

enum collect_detail {
	COLLECT_FULL,
	COLLECT_SLOWER_PODS,   // fast values at the slow interval, too
	COLLECT_NO_CONTAINERS, // and no containers inside pods
	COLLECT_NODE_ONLY,
	COLLECT_DETAILS,
};
const char *collect_detail_name(enum collect_detail d);

struct collect_options {
	const char *proc, *sys, *cgroup, *root;
	uint32_t interval_ms, slow_interval_ms;
	unsigned n_cpus;
	uint32_t max_fds;     // that may be kept open
	uint64_t ticks_per_s; // USER_HZ
	struct probe *probe;  // borrowed; NULL: none
};
struct collect;
// -ENOENT etc. if there is no /proc. Missing cgroups are a hook status, not an error.
int collect_new(struct collect **ret, const struct collect_options *o, struct why *why);
void collect_free(struct collect *c);

struct collect_now {
	uint64_t mono_ns;
	int64_t wall_ms;
	enum collect_detail detail;
};
// Fills the measured part of the sample: scopes, cgroups, hooks, duty, times. Identity, sequence
// and the agent's own cost are others' business. -EAGAIN: first tick, nothing to send yet.
int collect_tick(struct collect *c, const struct collect_now *now, struct sample *ret);

struct collect_counts {
	size_t cgroups, left_out; // owners known, and without a slot
	uint32_t fds;
	uint64_t walks;
	struct probe_losses losses; // of the probe, as of the last slow tick
	uint64_t rows_left_out;     // probe rows
	struct counters_faults faults;
};
void collect_counts(const struct collect *c, struct collect_counts *ret);
