// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The kernel types that the programs touch, and nothing else.
//
// Hand-kept instead of a dumped vmlinux.h: every line can be reviewed, it is the same on all
// architectures, and a field that the kernel does not have is a decision made here. Offsets do not
// matter: preserve_access_index lets libbpf put in those of the running kernel. A name with
// ___suffix is a flavour: the same kernel type in another version, chosen with
// bpf_core_field_exists(), never by a version number (stable kernels
// have back-ports).
#ifndef PETREL_BPF_KERNEL_H
#define PETREL_BPF_KERNEL_H

#include <linux/types.h>
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include "bpf/records.h"

typedef _Bool bool;
enum { false = 0, true = 1 };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct kernfs_node {
	__u64 id;
};

struct cgroup;

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	int id;
	__u64 serial_nr;
};

struct cgroup_root {
	int hierarchy_id;
	unsigned int subsys_mask;
};

struct cgroup {
	struct cgroup_subsys_state self;
	int level;
	struct kernfs_node *kn;
	struct cgroup_root *root;
};

// Which number a controller has depends on the kernel's configuration: ask bpf_core_enum_value().
enum cgroup_subsys_id {
	cpu_cgrp_id = 1,
	cpuacct_cgrp_id = 2,
	io_cgrp_id = 3,
	memory_cgrp_id = 4,
	CGROUP_SUBSYS_COUNT = 12,
};

struct css_set {
	struct cgroup_subsys_state *subsys[CGROUP_SUBSYS_COUNT];
};

// scheduler
struct rq {
	__u64 clock;
};

struct cfs_rq {
	struct rq *rq;
};

struct sched_entity {
	__u64 sum_exec_runtime;
	struct cfs_rq *cfs_rq;
};

struct sched_info {
	unsigned long pcount;
	unsigned long long run_delay;
	unsigned long long last_arrival;
	unsigned long long last_queued;
};

struct task_group {
	struct cgroup_subsys_state css;
};

struct task_struct {
	unsigned int __state;
	int pid;
	int tgid;
	char comm[16];
	struct sched_entity se;
	struct sched_info sched_info;
	struct task_group *sched_task_group;
	struct css_set *cgroups;
};

struct task_struct___before_5_14 { // renamed by 2f064a59a1
	volatile long state;
};

// block
struct blkcg {
	struct cgroup_subsys_state css;
};

struct blkcg_gq {
	struct blkcg *blkcg;
};

struct bio {
	struct blkcg_gq *bi_blkg;
};

struct request {
	unsigned int cmd_flags;
	unsigned int rq_flags;
	unsigned int __data_len;
	struct bio *bio;
	__u64 start_time_ns;
	__u64 io_start_time_ns;
};

enum rqf_flags { __RQF_FLUSH_SEQ = 1, __RQF_IO_STAT = 8 }; // bits; an enum since 6.11

// sockets
struct sock_cgroup_data {
	struct cgroup *cgroup;
};

struct sock_cgroup_data___before_5_16 { // pointer, or net_cls data with the lowest bit set
	__u64 val;
};

struct sock_common {
	unsigned char skc_state;
	unsigned long skc_flags;
};

struct sock {
	struct sock_common __sk_common;
	struct sock_cgroup_data sk_cgrp_data;
};

struct tcp_sock {
	__u64 bytes_received;
	__u64 bytes_sent;    // payload, retransmitted included
	__u64 bytes_retrans; // of it
	__u32 srtt_us;
};

struct trace_event_raw_mark_victim {
	__u32 uid;
};

#pragma clang attribute pop

#define HAS_CONTROLLER_(mask, id, bit)                                                             \
	(bpf_core_enum_value_exists(enum cgroup_subsys_id, id) &&                                  \
				((mask) >> bpf_core_enum_value(enum cgroup_subsys_id, id) & 1)     \
			? (bit)                                                                    \
			: 0)

// CONTROLLER_* bits of a hierarchy.
static __always_inline __u32 controllers_of(struct cgroup_root *root)
{
	__u32 mask = BPF_CORE_READ(root, subsys_mask);

	return HAS_CONTROLLER_(mask, cpu_cgrp_id, CONTROLLER_CPU) |
	       HAS_CONTROLLER_(mask, cpuacct_cgrp_id, CONTROLLER_CPUACCT) |
	       HAS_CONTROLLER_(mask, memory_cgrp_id, CONTROLLER_MEMORY) |
	       HAS_CONTROLLER_(mask, io_cgrp_id, CONTROLLER_IO);
}

#endif
