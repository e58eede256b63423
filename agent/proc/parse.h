// SPDX-License-Identifier: Apache-2.0
// What the files of /proc and of cgroupfs say, as raw counters in a struct scope.
//
// Pure: text in, values out. A value that is not in the text, or makes no sense, stays absent: that
// is how an older kernel, a missing controller and a broken file all look. CPU ticks and
// microseconds become nanoseconds here, sectors and kB become bytes. Counters are as the kernel
// counts them, since boot or since the cgroup was made; agent/window makes windows of them.
#pragma once

#include "proto/wire/sample.h"

#include <stddef.h>
#include <stdint.h>

// --- node ------------------------------------------------------------------------------------
void parse_stat(
	const char *text, size_t len, uint64_t ticks_per_s, struct scope *ret); // /proc/stat
void parse_meminfo(const char *text, size_t len, struct scope *ret);
void parse_vmstat(const char *text, size_t len, struct scope *ret);   // oom_kill
void parse_sockstat(const char *text, size_t len, struct scope *ret); // TIME_WAIT
void parse_snmp(
	const char *text, size_t len, struct scope *ret); // established, retransmits, resets

// "total=" of the lines "some" and "full", into two metrics.
void parse_pressure(
	const char *text, size_t len, enum metric some, enum metric full, struct scope *ret);

// One call per device or interface. Names are borrowed from the text.
struct parse_disk {
	const char *name;
	size_t name_len;
	uint64_t ios, read_bytes, write_bytes, io_ms;
};
void parse_diskstats(const char *text, size_t len,
	void (*each)(void *arg, const struct parse_disk *d), void *arg);
struct parse_interface {
	const char *name;
	size_t name_len;
	uint64_t rx_bytes, tx_bytes;
};
void parse_net_dev(const char *text, size_t len,
	void (*each)(void *arg, const struct parse_interface *i), void *arg);

// A line of /proc/self/mountinfo: where it is mounted (with the kernel's \040 undone), and what it
// is.
struct parse_mount {
	char path[512];
	char type[24];
};
void parse_mountinfo(const char *text, size_t len,
	void (*each)(void *arg, const struct parse_mount *m), void *arg);

// /proc/self/cgroup: "4:memory:/a" (v1) and "0::/a" (v2).
struct parse_hierarchy {
	uint32_t id;
	const char *controllers; // "cpu,cpuacct", "name=systemd", "" for v2
	size_t controllers_len;
};
void parse_self_cgroup(const char *text, size_t len,
	void (*each)(void *arg, const struct parse_hierarchy *h), void *arg);

// --- one cgroup ------------------------------------------------------------------------------
void parse_cpu_stat(const char *text, size_t len, struct scope *ret); // v2 and v1
void parse_cpuacct_usage(const char *text, size_t len, struct scope *ret);
void parse_memory_current(const char *text, size_t len, struct scope *ret); // v1: usage_in_bytes
void parse_memory_events(const char *text, size_t len, struct scope *ret);  // v1: oom_control
void parse_memory_max(const char *text, size_t len, struct scope *ret);     // v1: limit_in_bytes
void parse_io_stat(const char *text, size_t len, struct scope *ret);
void parse_blkio_bytes(const char *text, size_t len, struct scope *ret);
void parse_blkio_ios(const char *text, size_t len, struct scope *ret);
void parse_cpu_max(const char *text, size_t len, struct scope *ret); // "max 100000", "50000 100000"
// v1: two files. quota -1 is none.
void parse_cfs_quota(const char *quota, size_t quota_len, const char *period, size_t period_len,
	struct scope *ret);
unsigned parse_cpu_list(const char *text, size_t len); // "0-3,8" -> 5; 0 if it is no such list
