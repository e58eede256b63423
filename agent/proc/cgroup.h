// SPDX-License-Identifier: Apache-2.0
// The files of the cgroups that are sampled.
//
// One set of kept descriptors per slot of the tree, opened when first read, closed when the slot's
// id changes. Past max_fds descriptors a cgroup's files are opened for each read instead: slower,
// but right. v1, hybrid and v2 give the same values, but for user and system time, which v1 keeps
// in a file of its own with a tick's precision: left out there. Fast files are worth reading each
// second (2.8 us per cgroup), slow ones are read every ten. Thread: the loop. No allocation after
// cgroups_new().
#pragma once

#include "agent/proc/layout.h"
#include "agent/proc/tree.h"
#include "proto/wire/sample.h"

#include <stdint.h>

enum {
	CGROUP_FAST = 1,   // CPU, throttling, CPU pressure
	CGROUP_SLOW = 2,   // memory, disk, the other pressures
	CGROUP_LIMITS = 4, // look again at the limits, which else are repeated from last time
};

struct cgroups;
int cgroups_new(
	struct cgroups **ret, const struct layout *layout, size_t max_slots, uint32_t max_fds);
void cgroups_free(struct cgroups *c);
// Raw values of the files asked for into ret (emptied first). -ENODEV: the cgroup is gone.
int cgroups_read(struct cgroups *c, size_t slot, const struct tree_slot *s, unsigned what,
	struct scope *ret);
// CPUs it may run on, as of its last CGROUP_LIMITS; 0: unknown.
unsigned cgroups_cpus(const struct cgroups *c, size_t slot);
uint32_t cgroups_fds(const struct cgroups *c); // descriptors kept now
