// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Block latency, bytes and I/Os per cgroup, from block_rq_complete alone.
//
// The request already carries when it was made (start_time_ns) and when the device got it
// (io_start_time_ns), so there is no insert or issue hook and no map by request. What counts as an
// I/O is what /sys/block/*/stat counts: requests with RQF_IO_STAT that are no part of a flush
// sequence, once, when the last of their bytes completes.
//
// Attribution is by the blkcg of the bio, which is right for O_DIRECT, for fsync and for write-back
// of cgroups whose file system supports it. Completions run in interrupts; the kernel does not run
// the program twice on one CPU (it counts recursion_misses), so plain adds are enough.
#include "bpf/kernel.bpf.h"

#include "bpf/hist.h"

const volatile struct slot_params params = {.nslots = 2, .ncpus = 1};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2); // params.nslots * params.ncpus
	__type(key, __u32);
	__type(value, struct block_slot);
} slots SEC(".maps");

enum {
	OP_MASK = 0xff,
	OP_READ = 0,
	OP_WRITE = 1,
	OP_FLUSH = 2,
	OP_DISCARD = 3
}; // stable since 4.8

// Rare: the slot is empty, was another cgroup's, or is the overflow slot; see sched.bpf.c.
static __noinline int slot_take(struct block_slot *s, struct blkcg *blkcg, __u32 last)
{
	struct block_slot *overflow = bpf_map_lookup_elem(&slots, &last);
	__u64 id = blkcg->css.id;

	if (!overflow || id >= params.nslots - 1)
		return 0;
	s->serial = 0;
	barrier();
	__builtin_memset(&s->read_bytes, 0, sizeof(*s) - offsetof(struct block_slot, read_bytes));
	s->inode = blkcg->css.cgroup->kn->id;
	barrier();
	s->serial = blkcg->css.serial_nr;
	overflow->inode = OVERFLOW_INODE;
	if (overflow->serial < id)
		overflow->serial = id;
	return 0;
}

static __always_inline struct block_slot *slot_of(struct blkcg *blkcg, __u64 base)
{
	__u64 last = params.nslots - 1, id = (__u32)blkcg->css.id;
	__u32 index = base + (id < last ? id : last);
	struct block_slot *s = bpf_map_lookup_elem(&slots, &index);

	if (s && s->serial != blkcg->css.serial_nr)
		slot_take(s, blkcg, base + last);
	return s;
}

// Is the request counted by /sys/block/*/stat?
static __always_inline bool is_counted(__u32 rq_flags)
{
	__u32 io_stat = 1 << 13, flush_seq = 1 << 4; // while they were macros (until 6.10)

	if (bpf_core_enum_value_exists(enum rqf_flags, __RQF_IO_STAT)) {
		io_stat = 1 << bpf_core_enum_value(enum rqf_flags, __RQF_IO_STAT);
		flush_seq = 1 << bpf_core_enum_value(enum rqf_flags, __RQF_FLUSH_SEQ);
	}
	return (rq_flags & io_stat) && !(rq_flags & flush_seq);
}

static __always_inline void count_bytes(struct block_slot *s, __u32 op, __u32 bytes)
{
	if (op == OP_READ)
		s->read_bytes += bytes;
	else if (op == OP_WRITE)
		s->write_bytes += bytes;
}

static __always_inline void count_done(struct block_slot *s, struct request *rq)
{
	__u64 start = rq->start_time_ns, issued = rq->io_start_time_ns, now;

	s->ios++;
	if (!start) // statistics are off for this queue
		return;
	now = bpf_ktime_get_ns();
	s->buckets[log2_bucket(now - start, SHIFT_BLOCK)].latency++;
	if (issued)
		s->buckets[log2_bucket(now - issued, SHIFT_BLOCK)].device++;
}

SEC("tp_btf/block_rq_complete")
int BPF_PROG(on_complete, struct request *rq, int error, unsigned int bytes)
{
	__u32 op = rq->cmd_flags & OP_MASK;
	struct block_slot *s;
	struct bio *bio = rq->bio;

	if (!bio || op == OP_FLUSH || !is_counted(rq->rq_flags))
		return 0;
	s = slot_of(bio->bi_blkg->blkcg, (__u64)bpf_get_smp_processor_id() * params.nslots);
	if (!s)
		return 0;
	count_bytes(s, op, bytes);
	if (bytes >= rq->__data_len)
		count_done(s, rq);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
