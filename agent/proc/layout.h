// SPDX-License-Identifier: Apache-2.0
// Which cgroup hierarchies there are: v2, v1, or both (hybrid).
//
// Callers name a controller and get the directory of the hierarchy that carries it; on v2 that is
// always the same one. Two controllers mounted together (cpu,cpuacct) are one hierarchy: `same`
// gives the first of them, and only that one is walked and keeps inodes. Inodes are numbered per
// hierarchy, so an inode means nothing without it. Thread: the loop.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum hierarchy {
	HIERARCHY_UNIFIED, // v2
	HIERARCHY_CPU,
	HIERARCHY_CPUACCT,
	HIERARCHY_MEMORY,
	HIERARCHY_BLKIO,
	HIERARCHY_CPUSET,
	HIERARCHY_COUNT,
};

struct layout {
	int roots[HIERARCHY_COUNT];           // directories (O_PATH), -1 if there is none
	enum hierarchy same[HIERARCHY_COUNT]; // see above
	uint32_t ids[HIERARCHY_COUNT];        // as in /proc/self/cgroup; UINT32_MAX: unknown
	bool pure_v2;
	bool any_v1;
};

// cgroup_root: "/sys/fs/cgroup"; proc_root: "/proc". -ENOENT if there is no hierarchy at all.
int layout_init(struct layout *ret, const char *cgroup_root, const char *proc_root);
void layout_done(struct layout *l);
const char *layout_name(const struct layout *l); // "v2", "v1", "hybrid", "none"
// Controller as a probe or a person names it: "cpu", "blkio", "memory", "" for v2. HIERARCHY_COUNT
// if there is none. The result is canonical (see same).
enum hierarchy layout_find(const struct layout *l, const char *controller);
enum hierarchy layout_by_id(const struct layout *l, uint32_t id); // of /proc/self/cgroup
