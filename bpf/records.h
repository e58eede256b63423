// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What the programs in bpf/ write and agent/probe reads: one layout, asserted on both sides.
//
// Slots. A slot belongs to one cgroup of one hierarchy. sched and block keep their slots in a
// memory-mapped array, one set per CPU: index = cpu * nslots + css id. Only that CPU writes them,
// with interrupts off (sched) or under the kernel's per-program recursion guard (block), so plain
// adds are enough. css ids are small and dense, but used again after rmdir: `serial`
// (css.serial_nr, never used twice) tells whose counts these are; the programs empty a slot when it
// changes. 32-bit histogram buckets wrap: readers subtract modulo 2^32. The last slot of each CPU
// takes what has no slot of its own (id too large); its `inode` is OVERFLOW_INODE and its `serial`
// is the highest id of an ordinary slot in use on that CPU, so that readers need not touch the
// rest.
//
// tcp and mem are rare: one shared hash by cgroup inode, atomic adds; key 0 is their overflow.
#ifndef PETREL_BPF_RECORDS_H
#define PETREL_BPF_RECORDS_H

#include <linux/types.h>

enum {
	SLOT_BUCKETS = 32,      // = HIST_BUCKETS of proto/wire/metric.h
	SHIFT_SCHED = 8,        // log2 ns: the first bucket ends at 512 ns
	SHIFT_BLOCK = 10,       // log2 ns: the first bucket ends at 2 us
	SHIFT_SRTT = 0,         // log2 us
	SHIFT_RECLAIM = 8,      // log2 ns
	EVENT_PATH_BYTES = 256, // kubepods paths need about 200
	// Rings are mapped twice over and count as resident memory: no larger than the second
	// between two readings needs. What does not fit is counted, and then the tree is walked.
	CGROUP_RING_BYTES = 1 << 17, // about 440 events
	OOM_RING_BYTES = 1 << 12,    // about 13; a larger page makes it a page
	TALLY_MAX = 1024,            // cgroups in the tcp and mem hashes
	DEPARTURES = 8192,           // 64 KiB
	STALLED_MAX = 1024,          // tasks in direct reclaim at one time
};
#define OVERFLOW_INODE (~0ull)

struct slot_params {  // .rodata of sched and block, set before loading
	__u64 nslots; // per CPU, the overflow slot included; at least 2
	__u64 ncpus;
};

struct sched_slot {
	__u64 serial;
	__u64 inode;       // kn->id = inode number of the cgroup's directory
	__u64 oncpu_ns;    // sum of the on-CPU bursts that ended
	__u64 wait_ns;     // sum of the run-queue waits that ended
	__u64 involuntary; // switched out while still wanting to run
	__u64 foreign;     // of those, for a task of another cgroup
	__u64 lead;        // the program's own: rq->clock less what the last task to arrive had run
	__u32 wait[SLOT_BUCKETS];
	__u32 burst[SLOT_BUCKETS];
	__u64 unused; // 5 whole cache lines
};

// An I/O finds its slot cold: what it touches is kept in as few cache lines as possible.
struct block_bucket {
	__u32 latency; // queue + device
	__u32 device;  // device only
};

struct block_slot {
	__u64 serial;
	__u64 inode;
	__u64 read_bytes;
	__u64 write_bytes; // discards and flushes have no bytes here
	__u64 ios;         // reads, writes and discards that completed, as /sys/block counts them
	__u64 unused[3];
	struct block_bucket buckets[SLOT_BUCKETS];
};

struct tcp_tally {         // by inode of the v2 cgroup that made the socket
	__u64 connections; // closed that had been established
	__u64 failed;      // closed in SYN_SENT: refused or timed out
	__u64 bytes;       // payload sent + received, of the closed ones
	__u64 retransmits; // segments
	__u64 resets;      // sent or received
	__u64 last_ns;
	__u32 srtt[SLOT_BUCKETS];
};

struct mem_tally { // by inode of the memory cgroup of the stalled task
	__u64 stall_ns;
	__u64 stalls;
	__u64 last_ns;
	__u64 unused;
	__u32 hist[SLOT_BUCKETS];
};

enum event_kind { EVENT_MKDIR, EVENT_RMDIR, EVENT_POPULATED, EVENT_EMPTY, EVENT_OOM };

// The kernel's own numbers depend on its configuration.
enum { CONTROLLER_CPU = 1, CONTROLLER_CPUACCT = 2, CONTROLLER_MEMORY = 4, CONTROLLER_IO = 8 };

struct kernel_event {
	__u32 kind;
	__u32 hierarchy;   // id of the hierarchy, 0 = v2
	__u32 controllers; // of the hierarchy, CONTROLLER_* bits
	__u32 level;       // of the cgroup, 0 = root
	__u64 inode;
	__u32 pid;                   // EVENT_OOM: the victim
	__u32 path_len;              // with NUL; 0 if unknown
	char path[EVENT_PATH_BYTES]; // of the cgroup in its hierarchy; EVENT_OOM: the victim's comm
};

struct losses { // one element of a shared array per object: what could not be counted in place
	__u64 events; // ring full
	__u64 full;   // hash full, counted under the overflow key
	__u64 starts; // reclaim starts that found no room
};

_Static_assert(sizeof(struct sched_slot) == 320, "shared with the kernel side");
_Static_assert(sizeof(struct block_slot) == 320, "shared with the kernel side");
_Static_assert(sizeof(struct tcp_tally) == 176, "shared with the kernel side");
_Static_assert(sizeof(struct mem_tally) == 160, "shared with the kernel side");
_Static_assert(sizeof(struct kernel_event) == 288, "shared with the kernel side");
_Static_assert(sizeof(struct slot_params) == 16, "shared with the kernel side");
_Static_assert(sizeof(struct losses) == 24, "shared with the kernel side");

#endif
