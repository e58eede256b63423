// SPDX-License-Identifier: Apache-2.0
// From raw readings to the values of one window: the last step before a sample is sent.
//
// Pure: it is given what was read and when, and keeps the last values per slot (agent/proc/tree.h);
// it reads neither clocks nor files. The node has a window every tick. A cgroup has two kinds of
// values: fast ones (CPU, throttling, CPU pressure, demand), cheap enough for every second, and
// slow ones (memory, disk, network, scheduler, histograms), every ten. A pod's second-by-second row
// has only fast values, its slow row only the others; a container has one row with both. All
// increases of a row are over that row's window_ms, so a row can be stored as it stands. Probe
// counters are scaled from the time the programs were on to the whole window; without any such time
// they are absent. Where a file and a probe give the same metric, the file wins (it is never
// duty-cycled), but for TCP: /proc/net only sees one network namespace.
// Clock: monotonic. A step back is refused, a gap over WINDOW_MAX_NS starts anew. All memory is
// taken by window_new() and touched only as far as used. Thread: the loop.
#pragma once

#include "agent/probe/probe.h"
#include "agent/window/counters.h"
#include "proto/wire/sample.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WINDOW_MAX_NS 600000000000ull

enum { WINDOW_FAST = 1, WINDOW_SLOW = 2 };

struct window_options {
	size_t max_slots;
	size_t max_rows; // of a probe's reading
	unsigned n_cpus;
};
struct window;
int window_new(struct window **ret, const struct window_options *o);
void window_free(struct window *w);

// Whose a cgroup of a probe's row is. Ids as in struct tree_slot: another id is another thing.
struct window_owner {
	int slot; // -1: nobody's, counts for the node only
	uint64_t id;
	int pod; // slot of its pod, or -1
	uint64_t pod_id;
};
struct window_finder {
	struct window_owner (*find)(void *arg, uint64_t inode);
	void *arg;
};
// One reading of one source. finder tells the owner of each row.
void window_probe(struct window *w, enum probe_source source, const struct probe_columns *columns,
	const struct probe_reading *reading, const struct window_finder *finder);

// Closes the window of the node at now_ns. -EINVAL: the clock did not move (nothing changed). The
// first window has only gauges, and ret_ms is 0.
int window_node(struct window *w, const struct scope *raw, uint64_t now_ns, struct scope *ret,
	uint32_t *ret_ms);

struct window_reading {
	int slot;
	uint64_t id;
	unsigned what; // WINDOW_FAST, WINDOW_SLOW or both: what raw was read for
	const struct scope *raw;
	uint64_t now_ns;
	unsigned cpus; // that it may run on; 0: all
};
// The same for a slot. -EAGAIN: first reading, nothing to send yet.
int window_slot(
	struct window *w, const struct window_reading *r, struct scope *ret, uint32_t *ret_ms);

const struct counters_faults *window_faults(const struct window *w);
uint64_t window_rows_left_out(const struct window *w);
