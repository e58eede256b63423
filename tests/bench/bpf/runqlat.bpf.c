// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The usual design, to compare with: wake-up hooks that leave a time stamp in a hash by pid, a
// switch hook that takes it out, on-CPU time by a second hash, results in a hash by cgroup with
// atomic adds, every field through BPF_CORE_READ. It gathers what bpf/sched gathers.
#include "bpf/kernel.bpf.h"
#include "bpf/kernel.bpf.h"

#include "bpf/hist.h"

struct hists {
	__u64 wait_ns, oncpu_ns;
	__u32 wait[SLOT_BUCKETS];
	__u32 burst[SLOT_BUCKETS];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, __u32);
	__type(value, __u64);
} queued SEC(".maps"), arrived SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, __u64);
	__type(value, struct hists);
} hists SEC(".maps");

static const struct hists zero;

static __always_inline void enqueue(struct task_struct *task)
{
	__u32 pid = BPF_CORE_READ(task, pid);
	__u64 now = bpf_ktime_get_ns();

	if (pid)
		bpf_map_update_elem(&queued, &pid, &now, BPF_ANY);
}

static __always_inline struct hists *hists_of(struct task_struct *task)
{
	__u64 id = BPF_CORE_READ(task, sched_task_group, css.cgroup, kn, id);
	struct hists *h = bpf_map_lookup_elem(&hists, &id);

	if (h)
		return h;
	bpf_map_update_elem(&hists, &id, &zero, BPF_NOEXIST);
	return bpf_map_lookup_elem(&hists, &id);
}

SEC("tp_btf/sched_wakeup")
int BPF_PROG(runqlat_wakeup, struct task_struct *task)
{
	enqueue(task);
	return 0;
}

SEC("tp_btf/sched_wakeup_new")
int BPF_PROG(runqlat_wakeup_new, struct task_struct *task)
{
	enqueue(task);
	return 0;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(runqlat_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	__u32 from = BPF_CORE_READ(prev, pid), to = BPF_CORE_READ(next, pid);
	__u64 now = bpf_ktime_get_ns(), *since;
	struct hists *h;

	if (BPF_CORE_READ(prev, __state) == 0)
		enqueue(prev);
	since = bpf_map_lookup_elem(&arrived, &from);
	if (since) {
		h = hists_of(prev);
		if (h) {
			__sync_fetch_and_add(&h->oncpu_ns, now - *since);
			__sync_fetch_and_add(&h->burst[log2_bucket(now - *since, SHIFT_SCHED)], 1);
		}
		bpf_map_delete_elem(&arrived, &from);
	}
	if (to)
		bpf_map_update_elem(&arrived, &to, &now, BPF_ANY);
	since = bpf_map_lookup_elem(&queued, &to);
	if (since) {
		h = hists_of(next);
		if (h) {
			__sync_fetch_and_add(&h->wait_ns, now - *since);
			__sync_fetch_and_add(&h->wait[log2_bucket(now - *since, SHIFT_SCHED)], 1);
		}
		bpf_map_delete_elem(&queued, &to);
	}
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
