// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The usual design, to compare with: time stamps in a hash by request at insert and issue, taken
// out at completion, results in a hash by cgroup with atomic adds, every field through
// BPF_CORE_READ.
#include "bpf/kernel.bpf.h"

#include "bpf/hist.h"

struct stamps {
	__u64 insert, issue;
};

struct hists {
	__u64 read_bytes, write_bytes, ios;
	__u32 latency[SLOT_BUCKETS];
	__u32 device[SLOT_BUCKETS];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, __u64);
	__type(value, struct stamps);
} started SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, __u64);
	__type(value, struct hists);
} hists SEC(".maps");

static const struct hists zero;

SEC("tp_btf/block_rq_insert")
int BPF_PROG(biolat_insert, struct request *rq)
{
	struct stamps s = {.insert = bpf_ktime_get_ns()};
	__u64 key = (__u64)rq;

	bpf_map_update_elem(&started, &key, &s, BPF_ANY);
	return 0;
}

SEC("tp_btf/block_rq_issue")
int BPF_PROG(biolat_issue, struct request *rq)
{
	__u64 key = (__u64)rq, now = bpf_ktime_get_ns();
	struct stamps *old = bpf_map_lookup_elem(&started, &key), s = {.insert = now, .issue = now};

	if (old)
		s.insert = old->insert;
	bpf_map_update_elem(&started, &key, &s, BPF_ANY);
	return 0;
}

SEC("tp_btf/block_rq_complete")
int BPF_PROG(biolat_complete, struct request *rq, int error, unsigned int bytes)
{
	__u64 key = (__u64)rq, now = bpf_ktime_get_ns(), id;
	struct stamps *s = bpf_map_lookup_elem(&started, &key);
	struct hists *h;

	if (!s)
		return 0;
	id = BPF_CORE_READ(rq, bio, bi_blkg, blkcg, css.cgroup, kn, id);
	h = bpf_map_lookup_elem(&hists, &id);
	if (!h) {
		bpf_map_update_elem(&hists, &id, &zero, BPF_NOEXIST);
		h = bpf_map_lookup_elem(&hists, &id);
	}
	if (h) {
		if (BPF_CORE_READ(rq, cmd_flags) & 1)
			__sync_fetch_and_add(&h->write_bytes, bytes);
		else
			__sync_fetch_and_add(&h->read_bytes, bytes);
		__sync_fetch_and_add(&h->ios, 1);
		__sync_fetch_and_add(&h->latency[log2_bucket(now - s->insert, SHIFT_BLOCK)], 1);
		__sync_fetch_and_add(&h->device[log2_bucket(now - s->issue, SHIFT_BLOCK)], 1);
	}
	bpf_map_delete_elem(&started, &key);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
