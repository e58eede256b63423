// SPDX-License-Identifier: Apache-2.0
// The eBPF half of the agent: loads the programs of bpf/, switches them on and off, reads their
// counters.
//
// Why so quiet: the programs count in place (per cgroup, histograms included) and nothing travels
// per event, so reading is a scan of mapped memory and losing is impossible by construction; what
// does not fit is counted under "overflow" and reported. Scheduler and block programs are
// duty-cycled (1 s on in 10), because even an empty tracepoint costs the host something per switch;
// everybody who uses their counters divides by on_ns, the time they were on.
// Every group of programs is loaded on its own. What the kernel refuses becomes a line of the
// capability report (struct hook_status); the rest goes on. Nothing here ends the agent.
// Ownership: probe_new() gives a probe; rows, statuses and events are the caller's or borrowed for
// the call. Thread: the loop only; attaching or detaching blocks it for up to 20 ms (wall, not
// CPU). Memory: all of it is taken in probe_new(): kernel side 320 B x 2 x slots x CPUs + 0.8 MiB.
// Rights: CAP_BPF + CAP_PERFMON, also later, for the re-attaching of the duty cycle (privilege.h).
#pragma once

#include "proto/base/why.h"
#include "proto/wire/metric.h"
#include "proto/wire/sample.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct probe;

struct probe_options {
	enum duty_mode duty;        // DUTY_OFF, DUTY_CYCLE or DUTY_FULL; DUTY_ARMED is a state
	uint32_t cycle_on_ms;       // 1000
	uint32_t cycle_ms;          // 10000
	uint32_t armed_ms;          // 30000: how long one probe_arm() keeps everything on
	uint32_t max_cgroups;       // slots per CPU, up to 65,534; 0: 1022, above 32 CPUs 510
	uint32_t n_cpus;            // 0: as many as the kernel may ever have
	uint64_t (*mono_ns)(void);  // the clock of all now_ns below; NULL: clock_mono_ns
	const char *btf_path;       // NULL: /sys/kernel/btf/vmlinux
	const char *const *refused; // names of programs to treat as refused, NULL-ended; for tests
};

void probe_options_init(struct probe_options *o); // the defaults above, DUTY_CYCLE

// Loads what can be loaded and attaches it (the duty-cycled ones at the first tick). 0 also when
// the kernel refused everything: look at probe_hooks(). -EINVAL for options out of range, -ENOMEM.
int probe_new(struct probe **ret, const struct probe_options *o, struct why *why);
void probe_free(struct probe *p); // detaches everything; NULL is fine

// Switches the duty-cycled programs as the time demands. Returns in how many ns it wants to be
// called again (at most 1 s); being late is no error, on_ns tells the truth.
uint64_t probe_tick(struct probe *p, uint64_t now_ns);
// Something is under pressure: on from now for armed_ms. Ignored when the mode is off.
void probe_arm(struct probe *p, uint64_t now_ns);
void probe_set_duty(struct probe *p, enum duty_mode mode, uint64_t now_ns); // takes effect at once
enum duty_mode probe_duty(const struct probe *p, uint64_t now_ns); // in force; may be DUTY_ARMED

// The capability report, one line per group ("btf", "sched", "block", "tcp", "mem", "cgroup").
// Returns how many were written. HOOK_FALLBACK: part of the group works, detail says what does not.
size_t probe_hooks(const struct probe *p, struct hook_status *ret, size_t max);

// --- counters -------------------------------------------------------------------------------

enum probe_source { PROBE_SCHED, PROBE_BLOCK, PROBE_TCP, PROBE_MEM, PROBE_SOURCES };
enum { PROBE_VALUES = 4, PROBE_HISTS = 2 };
#define PROBE_OVERFLOW UINT64_MAX // "inode" of the row of all cgroups that found no slot

// What the columns of a source's rows mean.
struct probe_columns {
	const char *name;
	// Whose hierarchy the inodes belong to: "cpu", "blkio", "memory", or "" for v2. On a pure
	// v2 node these are all the same tree. A controller that is not enabled in a subtree
	// charges the nearest ancestor where it is.
	const char *controller;
	size_t n_values, n_hists;
	enum metric values[PROBE_VALUES];
	enum hist_id hists[PROBE_HISTS];
};
const struct probe_columns *probe_columns(enum probe_source source);

struct probe_row {
	uint64_t inode;                            // of the cgroup's directory (st_ino)
	uint64_t values[PROBE_VALUES];             // since the cgroup's first event; they only grow
	uint32_t hists[PROBE_HISTS][HIST_BUCKETS]; // the same, modulo 2^32: subtract as uint32_t
};

struct probe_reading {
	struct probe_row *rows; // the caller's
	size_t max_rows;
	size_t n_rows;
	uint64_t on_ns;    // how long the source has been on, in all. 0: never, there are no data
	uint64_t left_out; // rows that did not fit into max_rows
};

// One row per cgroup that ever had an event, in no order, each inode once. The row of a removed
// cgroup stays for a while; a row that is gone and comes back, or a value that is smaller than
// before, has started again at 0. PROBE_OVERFLOW also holds what belongs to no cgroup (resets by
// closed ports). A burst or a wait is counted when it ends, whole, also if it began while the
// source was off: right on the average, but one window may hold more than on_ns. Returns 0, or
// -ENODATA if the source is not loaded.
int probe_read(struct probe *p, enum probe_source source, uint64_t now_ns, struct probe_reading *r);
// How long the source has been on so far. While it does not grow, nothing new can have been counted
// by a source that is switched off and on: no need to read it.
uint64_t probe_on_ns(const struct probe *p, enum probe_source source, uint64_t now_ns);

// --- events ---------------------------------------------------------------------------------

enum probe_event_kind {
	PROBE_MKDIR,
	PROBE_RMDIR,
	PROBE_POPULATED, // the cgroup or one below has its first process
	PROBE_EMPTY,     // and its last one is gone
	PROBE_OOM,       // the kernel chose a victim
};

enum {
	PROBE_CONTROLLER_CPU = 1,
	PROBE_CONTROLLER_CPUACCT = 2,
	PROBE_CONTROLLER_MEMORY = 4,
	PROBE_CONTROLLER_IO = 8,
};

struct probe_event {
	enum probe_event_kind kind;
	uint32_t hierarchy;   // its id as in /proc/self/cgroup; 0 = v2
	uint32_t controllers; // of the hierarchy: PROBE_CONTROLLER_* bits; 0 for a named one
	uint32_t level;       // depth, 0 = root
	uint64_t inode;       // OOM: of the victim's memory cgroup; 0 if unknown
	uint32_t pid;         // OOM: the victim
	// Path inside the hierarchy ("/kubepods.slice/..."), "" if unknown; OOM: the victim's name.
	// Comes from outside: any bytes but NUL. Borrowed for the call.
	const char *text;
};

// Hands out everything that has happened since the last call; returns how many. Bounded: at most
// about 800 wait in the kernel, more are counted in probe_losses().events and the cgroups must then
// be walked again.
int probe_events(
	struct probe *p, void (*on_event)(void *arg, const struct probe_event *e), void *arg);
int probe_events_fd(const struct probe *p); // readable when there are events; -ENODATA if none ever

// --- about itself ---------------------------------------------------------------------------

struct probe_losses {
	uint64_t events;   // cgroup and OOM events that found the ring full
	uint64_t overflow; // countings (not cgroups) that went to an overflow row
	uint64_t missed;   // programs the kernel skipped because one was running on that CPU
	uint64_t reused;   // slots that changed their cgroup between two readings
};
void probe_losses(const struct probe *p, struct probe_losses *ret);

// CPU time and number of runs of our programs so far. -ENODATA unless kernel.bpf_stats_enabled (or
// someone with CAP_SYS_ADMIN) keeps the statistics on. Includes about 60 ns per run for taking
// them.
int probe_cost(const struct probe *p, uint64_t *ret_ns, uint64_t *ret_runs);
