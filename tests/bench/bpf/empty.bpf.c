// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The floor: what any program at these tracepoints costs before it does anything.
#include "bpf/kernel.bpf.h"

SEC("tp_btf/sched_switch")
int BPF_PROG(empty_switch)
{
	return 0;
}

SEC("tp_btf/block_rq_complete")
int BPF_PROG(empty_complete)
{
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
