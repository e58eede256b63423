// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Memory trouble per cgroup: victims of the OOM killer (an event each) and the time that tasks
// spent in direct reclaim, both of their own memory cgroup's limit and of the whole node.
//
// Attribution is by the memory controller's cgroup of the stalled or killed task.
#include "bpf/tally.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TALLY_MAX);
	__type(key, __u64);
	__type(value, struct mem_tally);
} tallies SEC(".maps");

struct { // when the task began to reclaim; a task sleeps and migrates meanwhile
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, STALLED_MAX);
	__type(key, __u32);
	__type(value, __u64);
} stalled SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, OOM_RING_BYTES);
} events SEC(".maps");

static const struct mem_tally zeroed;

static __always_inline struct cgroup *memory_cgroup(struct task_struct *task)
{
	struct css_set *set = BPF_CORE_READ(task, cgroups);
	int index = bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id);
	struct cgroup_subsys_state *css = 0;

	bpf_core_read(&css, sizeof(css), &set->subsys[index]);
	return css ? BPF_CORE_READ(css, cgroup) : 0;
}

static __always_inline int stall_begins(void)
{
	__u32 pid = (__u32)bpf_get_current_pid_tgid();
	__u64 now = bpf_ktime_get_ns();

	if (bpf_map_update_elem(&stalled, &pid, &now, BPF_ANY))
		LOST(starts);
	return 0;
}

static __always_inline int stall_ends(void)
{
	__u32 pid = (__u32)bpf_get_current_pid_tgid();
	__u64 *since = bpf_map_lookup_elem(&stalled, &pid), ns, now;
	struct task_struct *task = (void *)bpf_get_current_task();
	struct cgroup *cgroup;
	struct mem_tally *t;

	if (!since)
		return 0; // began before we were attached
	now = bpf_ktime_get_ns();
	ns = now - *since;
	bpf_map_delete_elem(&stalled, &pid);
	cgroup = memory_cgroup(task);
	t = tally_of(&tallies, cgroup ? BPF_CORE_READ(cgroup, kn, id) : 0, &zeroed);
	if (!t)
		return 0;
	t->last_ns = now;
	__sync_fetch_and_add(&t->stall_ns, ns);
	__sync_fetch_and_add(&t->stalls, 1);
	__sync_fetch_and_add(&t->hist[log2_bucket(ns, SHIFT_RECLAIM)], 1);
	return 0;
}

SEC("tp_btf/mm_vmscan_memcg_reclaim_begin")
int BPF_PROG(on_memcg_reclaim)
{
	return stall_begins();
}

SEC("tp_btf/mm_vmscan_memcg_reclaim_end")
int BPF_PROG(on_memcg_reclaimed)
{
	return stall_ends();
}

SEC("tp_btf/mm_vmscan_direct_reclaim_begin")
int BPF_PROG(on_direct_reclaim)
{
	return stall_begins();
}

SEC("tp_btf/mm_vmscan_direct_reclaim_end")
int BPF_PROG(on_direct_reclaimed)
{
	return stall_ends();
}

static __always_inline void fill_victim(struct kernel_event *e, struct task_struct *task)
{
	struct cgroup *cgroup = memory_cgroup(task);

	e->pid = BPF_CORE_READ(task, tgid);
	if (cgroup) {
		e->inode = BPF_CORE_READ(cgroup, kn, id);
		e->level = BPF_CORE_READ(cgroup, level);
		e->hierarchy = BPF_CORE_READ(cgroup, root, hierarchy_id);
		e->controllers = controllers_of(BPF_CORE_READ(cgroup, root));
	}
	bpf_core_read_str(e->path, 16, &task->comm);
	e->path_len = 16;
}

// The tracepoint gave a pid and gives the task since 72ba14deb40a (6.9), which also put the uid
// into its record. (bpf_core_type_matches() would say it directly, but needs clang 15.)
SEC("tp_btf/mark_victim")
int on_victim(unsigned long long *ctx)
{
	struct kernel_event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (!e) {
		LOST(events);
		return 0;
	}
	__builtin_memset(e, 0, sizeof(*e));
	e->kind = EVENT_OOM;
	if (bpf_core_field_exists(struct trace_event_raw_mark_victim, uid))
		fill_victim(e, (void *)ctx[0]);
	else
		e->pid = (__u32)ctx[0];
	bpf_ringbuf_submit(e, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
