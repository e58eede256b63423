// SPDX-License-Identifier: Apache-2.0
// Sums the per-CPU slots of sched and block into one row per cgroup.
//
// The memory belongs to the kernel and changes while we look: every slot is copied between two
// looks at its serial, and left out of this reading if that changed. Where CPUs disagree about
// whose a css id is, the newest cgroup (highest serial) has it; what the former one did between the
// last reading and its end is lost, counted in *reused. Private to agent/probe; layout:
// bpf/records.h.
#pragma once

#include "agent/probe/probe.h"

#include <stddef.h>
#include <stdint.h>

struct slots {
	const unsigned char *memory; // n_cpus * n_slots * slot_bytes, mapped or made by a test
	uint32_t n_cpus, n_slots;
	enum probe_source source; // PROBE_SCHED or PROBE_BLOCK
	uint64_t *serials;        // [n_slots]: whose each id was at the last reading
	uint64_t reused;
	uint64_t overflow; // countings in the overflow slots at the last reading
};

size_t slots_bytes(uint32_t n_cpus, uint32_t n_slots);
// Appends rows to r (which the caller has emptied).
void slots_read(struct slots *s, struct probe_reading *r);
