// SPDX-License-Identifier: Apache-2.0
// What the agent itself costs, and what it does about it.
//
// A monitor that takes the CPU from the workload is a fault of its own. Cost is read from the
// kernel's accounts of this process. The budget is pure: cost in, detail out. Over the budget for
// COST_PATIENCE_NS on end, it asks for one step less detail; one step back is taken only after ten
// times as long below half of it, so that it does not swing.
#pragma once

#include <stdint.h>

#define COST_PATIENCE_NS 60000000000ull

struct cost {
	uint64_t cpu_ns;    // user and system, all threads, since the start
	uint64_t rss_bytes; // resident now
	uint64_t wakeups;   // voluntary context switches, since the start
};
// statm: kept descriptor of /proc/self/statm, or negative: then rss_bytes is 0.
int cost_read(int statm, struct cost *ret);

struct budget {
	uint64_t permille; // of one core
	int step;          // 0: full detail
	int most_steps;
	// private
	uint64_t window_ns, window_cpu_ns; // the minute under way
	uint64_t calm_ns;
};
void budget_init(struct budget *b, uint64_t permille, int most_steps);
// Adds one tick's cost. Returns +1 or -1 when the step changed, else 0.
int budget_add(struct budget *b, uint64_t cpu_ns, uint64_t elapsed_ns);
