// SPDX-License-Identifier: Apache-2.0
// The cgroups of this node: path <-> inode <-> owner.
//
// One walk at the start; after that the probe's mkdir and rmdir events, or a new walk where there
// are none. Every directory is known (the scheduler program charges the innermost one), but only
// owners (pods, containers, units, see attribution.h) get a slot, which is what is sampled. A
// slot's id is never given again: whoever keeps something beside a slot (descriptors, last values)
// compares ids. Bounds: max_slots owners, TREE_DIRS_PER_SLOT times as many directories, depth
// TREE_MAX_DEPTH, path TREE_MAX_PATH; what passes them is counted (tree_left_out). Memory is taken
// when a cgroup appears, never per tick. Names are hostile. Thread: the loop.
#pragma once

#include "agent/proc/layout.h"
#include "proto/wire/sample.h"

#include <stddef.h>
#include <stdint.h>

enum { TREE_DIRS_PER_SLOT = 4, TREE_MAX_DEPTH = 32, TREE_MAX_PATH = 1024 };

struct tree_slot {
	uint64_t id; // 0: free
	enum cgroup_kind kind;
	const char *path; // of the owner's cgroup, with leading '/'; borrowed
	char name[CGROUP_MAX_BYTES];
	char pod_uid[40];
	char container_id[72];
	int pod; // slot of a container's pod, -1 if none
};

struct tree;
int tree_new(struct tree **ret, const struct layout *layout, size_t max_slots); // borrows layout
void tree_free(struct tree *t);

// Looks at every directory of every hierarchy: adds what is new, removes what is gone.
void tree_walk(struct tree *t);
// From an event. hierarchy: canonical. inode 0: looked up (-errno if that fails). Unknown parents
// and paths out of bounds are no error: -ENOSPC or -EINVAL, counted.
int tree_add(struct tree *t, enum hierarchy h, const char *path, uint64_t inode);
void tree_remove(struct tree *t, enum hierarchy h, const char *path);

size_t tree_slots(const struct tree *t); // slots in use lie below this
const struct tree_slot *tree_slot(const struct tree *t, size_t index);
size_t tree_count(const struct tree *t);                          // slots in use
size_t tree_left_out(const struct tree *t);                       // owners that have no slot
int tree_owner(struct tree *t, enum hierarchy h, uint64_t inode); // slot, or -1
