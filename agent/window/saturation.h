// SPDX-License-Identifier: Apache-2.0
// Demand, not usage: what a cgroup wanted of the CPU in a window, bounded from both sides.
//
// A workload that gets all it asks for shows its demand as usage. One that does not shows what it
// got; its demand is then only known to lie between usage and usage + wait + throttled time, and
// the flag says so. Wait alone overstates demand (by Little's law it counts everybody in the
// queue), and alone it is no saturation either: behind a neighbour a task waits half of the time at
// half of the load it could have. What tells the two apart is idleness: whoever gets what he needs
// is idle in between. Two tests:
//   limit: usage reached the limit (within a tenth and a half) and a quarter of the periods
//   throttled; busy:  per CPU in use, the share of the time with a task of ours running (usage)
//   plus the share
//          with tasks of ours runnable but none running (PSI cpu "full": throttled or behind
//          others) fills the window, and some of it was waiting. The window is what the
//          hypervisor left of it: while a CPU is stolen, nobody runs and nobody is seen waiting.
// Pure: figures in, figures out.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Negative: not known.
struct saturation_input {
	uint64_t window_ns;
	int64_t usage_ns;
	int64_t wait_ns; // run-queue wait of all tasks
	int64_t throttled_ns, periods, throttled_periods;
	int64_t some_us, full_us; // PSI cpu
	int64_t limit_millicores;
	unsigned cpus;       // that it may run on
	double stolen_share; // of the node's CPU time in this window, 0..1
};
struct saturation {
	int64_t low_millicores, high_millicores; // high: -1 if the wait is not known
	bool saturated;
};

// usage_ns has to be known and window_ns > 0.
struct saturation saturation_of_cgroup(const struct saturation_input *in);
// The node: busy time includes steal, because a guest that is robbed of its CPU has no idle time.
struct saturation saturation_of_node(const struct saturation_input *in, int64_t steal_ns);
