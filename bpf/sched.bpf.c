// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Run-queue wait and on-CPU bursts per cgroup, from sched_switch alone.
//
// The kernel already keeps what others keep in maps: sched_info.last_queued (when the task began to
// wait), last_arrival (when it got the CPU), se.sum_exec_runtime (what it has run). __schedule()
// updates rq->clock and the sums just before the tracepoint, and sched_info_switch() overwrites the
// stamps only after it, so the differences are exact and need no clock read. No wake-up hook, no
// hash, no atomics: runs with interrupts off on the CPU whose slots it writes. Stateless but for
// two hints that are checked before use, so it can be attached and detached at will: the first
// switch after attaching is already right.
//
// Attribution is by the cpu controller's css (task_group), which is right on v1, hybrid and v2.
// css id 0 is autogroup (a desktop scheduler feature inside the root cgroup).
#include "bpf/kernel.bpf.h"

#include "bpf/hist.h"

const volatile struct slot_params params = {.nslots = 2, .ncpus = 1};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2); // params.nslots * params.ncpus
	__type(key, __u32);
	__type(value, struct sched_slot);
} slots SEC(".maps");

// A task that is moved to another CPU while it waits: the kernel ends its wait there (adds it to
// run_delay) and begins a new one; on a crowded machine 10 % of all waiting is of this kind. So
// each departure leaves a word behind: run_delay, above pid and pcount (how often the task got a
// CPU). If those still match when the task arrives, what run_delay has grown by belongs to this
// wait. Direct-mapped by pid: who finds another's word goes without.
static __u64 departures[DEPARTURES];

// Both words of a task that has not run in between have the same addends, so their difference is
// that of run_delay, shifted; and its lower half is 0, or they are not of one task and one arrival.
static __always_inline __u64 departure_of(struct task_struct *task)
{
	return (task->sched_info.run_delay << 32) + (task->sched_info.pcount << 22) +
	       (__u32)task->pid;
}

static __always_inline __u64 waited_elsewhere(struct task_struct *task)
{
	__u64 grown = departure_of(task) - departures[task->pid & (DEPARTURES - 1)];

	return grown << 32 ? 0 : grown >> 32;
}

// Rare: the slot is empty, was another cgroup's, or is the overflow slot. serial is written last,
// so a reader that finds the same serial before and after its copy has a whole one.
static __noinline int slot_take(struct sched_slot *s, struct task_group *tg, __u32 last)
{
	struct sched_slot *overflow = bpf_map_lookup_elem(&slots, &last);
	__u64 id = tg->css.id;

	if (!overflow || id >= params.nslots - 1)
		return 0;
	s->serial = 0;
	barrier();
	__builtin_memset(&s->oncpu_ns, 0, sizeof(*s) - offsetof(struct sched_slot, oncpu_ns));
	s->inode = tg->css.cgroup->kn->id;
	barrier();
	s->serial = tg->css.serial_nr;
	overflow->inode = OVERFLOW_INODE;
	if (overflow->serial < id)
		overflow->serial = id;
	return 0;
}

static __always_inline struct sched_slot *slot_of(struct task_group *tg, __u64 base)
{
	__u64 last = params.nslots - 1, id = (__u32)tg->css.id;
	__u32 index = base + (id < last ? id : last);
	struct sched_slot *s = bpf_map_lookup_elem(&slots, &index);

	if (s && s->serial != tg->css.serial_nr)
		slot_take(s, tg, base + last);
	return s;
}

// On-CPU time is that of the task's own clock, as in cpuacct and cpu.stat: it stands still while a
// hypervisor gives the CPU to somebody else (and, where the kernel keeps interrupt time apart,
// during interrupts), and rq->clock does not: bursts by it were 1 to 2 % too long for tasks that
// sleep and wake on a shared host. So each arrival leaves behind, in the slot, how far the clock
// was ahead of what the task had run. Not se.prev_sum_exec_runtime: that moves on in mid-burst,
// too, with each change of affinity, priority or cgroup, and at exit. The first burst after
// attaching finds another's word or none; it makes no sense then, and the time between the switches
// counts.
static __always_inline __u64 ran_for(
	const struct task_struct *task, const struct sched_slot *s, __u64 now)
{
	__u64 arrival = task->sched_info.last_arrival, most = now - arrival;
	__u64 ran = task->se.sum_exec_runtime - (arrival - s->lead);

	return ran > most ? most : ran;
}

static __always_inline long state_of(struct task_struct *task)
{
	if (bpf_core_field_exists(task->__state))
		return task->__state;
	return ((struct task_struct___before_5_14 *)task)->state;
}

// The fourth argument (prev_state, since 5.18) is not taken: the state is still in the task.
SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	struct task_group *from = prev->sched_task_group, *to = next->sched_task_group;
	__u64 base = (__u64)bpf_get_smp_processor_id() * params.nslots;
	__u64 now = next->se.cfs_rq->rq->clock;
	struct sched_slot *s = 0;

	if (prev->pid && (s = slot_of(from, base))) {
		__u64 ran = ran_for(prev, s, now);

		departures[prev->pid & (DEPARTURES - 1)] = departure_of(prev);
		s->oncpu_ns += ran;
		s->burst[log2_bucket(ran, SHIFT_SCHED)]++;
		if (preempt || state_of(prev) == 0) { // as the kernel counts nivcsw
			s->involuntary++;
			if (from != to && next->pid)
				s->foreign++;
		}
	}
	if (next->pid && next->sched_info.last_queued) {
		__u64 waited = now - next->sched_info.last_queued + waited_elsewhere(next);

		if (!s || from != to)
			s = slot_of(to, base);
		if (!s)
			return 0;
		s->lead = now - next->se.sum_exec_runtime;
		s->wait_ns += waited;
		s->wait[log2_bucket(waited, SHIFT_SCHED)]++;
	}
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
