// SPDX-License-Identifier: Apache-2.0
// Loads of known size and cgroups to put them in, for tests/bpf and tests/bench.
//
// Everything is undone by its own _stop or _remove; processes are children of the caller. Root
// only.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { LOAD_PATH = 512, LOAD_MAX = 64 };

// Two processes on one CPU hand a byte to and fro for about ns; returns how many context switches
// that made (2 a round), and the time in *ret_ns. Negative errno on failure.
int64_t load_pingpong(int cpu, uint64_t ns, uint64_t *ret_ns);

struct load {
	pid_t pids[LOAD_MAX];
	size_t n;
};

// n children that compute (spin) on CPU cpu (-1: any), or sleep 1 ms in between (spin false),
// started inside the cgroups of paths (NULL-ended, may be NULL).
int load_start(struct load *l, size_t n, int cpu, bool spin, const char *const *cgroups);
// The same in two steps: after the first all are in their cgroups and on their CPU, and stand
// still.
int load_prepare(struct load *l, size_t n, int cpu, bool spin, const char *const *cgroups);
void load_go(struct load *l);
void load_kill(struct load *l); // waits until all are dead, reaps none: /proc still knows them
void load_stop(struct load *l);
// Sum over the children of field 0 (ns on CPU) or 1 (ns waited) of /proc/PID/schedstat.
uint64_t load_schedstat(const struct load *l, int field);

// Folder of a new cgroup where controller ("cpu", "cpuacct", "memory", "blkio", "" = v2) lives on
// this machine, whatever the layout. -ENOENT if the controller is not mounted.
int cgroup_make(const char *controller, const char *name, char ret[LOAD_PATH]);
int cgroup_enter(const char *path, pid_t pid); // 0 = the caller
int cgroup_write(const char *path, const char *file, const char *text);
int64_t cgroup_number(const char *path, const char *file, const char *key); // key NULL: the file
void cgroup_remove(const char *path);
uint64_t cgroup_inode(const char *path);

// A file on a real block device, read and written past the page cache.
struct disk {
	int fd;
	void *block;
	uint64_t bytes; // read + written so far
};
int disk_open(struct disk *d, const char *folder); // 8 MiB; negative errno
int disk_run(struct disk *d, unsigned ios);        // 4 KiB each, reads and writes by turns
void disk_close(struct disk *d);
// Sums of /sys/block/*/stat over all disks that have request queues (not zram, dm or md: those pass
// their I/O on).
struct disk_counts {
	uint64_t reads, writes, discards, read_bytes, write_bytes;
};
int disk_counts_all(struct disk_counts *ret); // -ENOENT if there is none

// Capability check with a printed reason: exits with status 77 (skipped) if we are not root or the
// kernel has no BTF.
void load_need_root(void);
_Noreturn void load_skip(const char *reason); // prints it, exits with 77
