// SPDX-License-Identifier: Apache-2.0
// From two readings of monotonic counters to the increase in between.
//
// Pure. What can go wrong with counters is decided here, once: the first reading of a counter has
// no increase (absent, not 0); one that went back was reset, so this window does not know (absent,
// counted) and the next one starts from the new value; a CPU time that went back by less than
// COUNTERS_JITTER_NS is the kernel's rounding (iowait, user/system scaling) and counts as 0; more
// CPU time than the CPUs have is nonsense (absent, counted). A counter that was absent for a
// reading starts anew.
#pragma once

#include "proto/wire/sample.h"

#include <stdint.h>

enum { COUNTERS_JITTER_NS = 50000000 };

struct counters { // last values; all zero at first
	uint64_t present;
	int64_t last[METRIC_COUNT];
};
struct counters_faults {
	uint64_t resets, absurd;
};

struct counters_input {
	const struct scope *raw;
	uint64_t mask;       // which metrics of it to take
	uint64_t elapsed_ns; // since the last call for these metrics; 0: forget what was before
	unsigned cpus;       // that this scope can use at most
};
// Gauges as they are, counters as the increase since the last call. Adds to ret and to faults.
void counters_step(struct counters *c, const struct counters_input *in, struct scope *ret,
	struct counters_faults *faults);
