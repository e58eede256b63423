// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// TCP per cgroup: connections, bytes and round trip when they close, retransmits and resets as they
// happen. Nothing runs per packet: the socket has kept the sums itself.
//
// Attribution is by sk_cgrp_data, the v2 cgroup that made the socket (on hybrid nodes: its v2
// cgroup, which may be the root).
#include "bpf/tally.bpf.h"

// net/tcp_states.h, visible to user space and therefore stable
enum { SYN_SENT = 2, TIME_WAIT = 6, CLOSE = 7, LISTEN = 10, NEW_SYN_RECV = 12 };
enum { SOCK_DONE = 1 }; // bit of skc_flags: the second of enum sock_flags ever since

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TALLY_MAX);
	__type(key, __u64);
	__type(value, struct tcp_tally);
} tallies SEC(".maps");

static const struct tcp_tally zeroed;

static __always_inline struct cgroup *cgroup_of(const struct sock *sk)
{
	__u64 val = 0;

	if (bpf_core_field_exists(struct sock_cgroup_data, cgroup))
		return sk->sk_cgrp_data.cgroup;
	bpf_core_read(&val, sizeof(val),
		&((struct sock_cgroup_data___before_5_16 *)&sk->sk_cgrp_data)->val);
	return val & 1 ? 0
		       : (struct cgroup *)
				 val; // a word that is a pointer unless its lowest bit is set
}

// sk NULL: nobody's (key 0).
static __always_inline struct tcp_tally *tally_of_socket(const struct sock *sk)
{
	struct cgroup *cgroup = sk ? cgroup_of(sk) : 0;
	struct tcp_tally *t =
		tally_of(&tallies, cgroup ? BPF_CORE_READ(cgroup, kn, id) : 0, &zeroed);

	if (t)
		t->last_ns = bpf_ktime_get_ns();
	return t;
}

// Both directions. bytes_received counts a FIN as a byte; tcp_fin() leaves SOCK_DONE behind.
static __always_inline __u64 payload_of(const struct sock *sk, const struct tcp_sock *tcp)
{
	return tcp->bytes_sent - tcp->bytes_retrans + tcp->bytes_received -
	       (sk->__sk_common.skc_flags >> SOCK_DONE & 1);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_state, const struct sock *sk, int from, int to)
{
	struct tcp_sock *tcp;
	struct tcp_tally *t;

	if (to != CLOSE || from == LISTEN || from == CLOSE)
		return 0;
	tcp = bpf_skc_to_tcp_sock((void *)sk);
	if (!tcp)
		return 0; // another protocol uses the same states
	t = tally_of_socket(sk);
	if (!t)
		return 0;
	if (from == SYN_SENT) {
		__sync_fetch_and_add(&t->failed, 1);
		return 0;
	}
	__sync_fetch_and_add(&t->connections, 1);
	__sync_fetch_and_add(&t->bytes, payload_of(sk, tcp));
	if (tcp->srtt_us) // scaled by 8 in the kernel
		__sync_fetch_and_add(&t->srtt[log2_bucket(tcp->srtt_us >> 3, SHIFT_SRTT)], 1);
	return 0;
}

SEC("tp_btf/tcp_retransmit_skb")
int BPF_PROG(on_retransmit, const struct sock *sk)
{
	struct tcp_tally *t = tally_of_socket(sk);

	if (t)
		__sync_fetch_and_add(&t->retransmits, 1);
	return 0;
}

// Since 6.9 sk is NULL for a segment that belongs to no socket (a closed port), and may be one of
// the small sockets that have no cgroup.
SEC("tp_btf/tcp_send_reset")
int BPF_PROG(on_reset_sent, const struct sock *sk)
{
	struct tcp_tally *t;

	if (sk && (sk->__sk_common.skc_state == TIME_WAIT ||
			  sk->__sk_common.skc_state == NEW_SYN_RECV))
		sk = 0;
	t = tally_of_socket(sk);
	if (t)
		__sync_fetch_and_add(&t->resets, 1);
	return 0;
}

SEC("tp_btf/tcp_receive_reset")
int BPF_PROG(on_reset_received, struct sock *sk)
{
	struct tcp_tally *t = tally_of_socket(sk);

	if (t)
		__sync_fetch_and_add(&t->resets, 1);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
