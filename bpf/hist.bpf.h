// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Histogram buckets.
#ifndef PETREL_BPF_HIST_H
#define PETREL_BPF_HIST_H

#include "bpf/kernel.bpf.h"
#include "bpf/records.h"

// 1 if v > limit, without a branch that the CPU would have to guess; both below 2^63.
static __always_inline __u64 above(__u64 v, __u64 limit)
{
	return (limit - v) >> 63;
}

// Bucket of a value in a log2 histogram whose first bucket also holds everything below. All in 64
// bits: the v2 instruction set has no 32-bit arithmetic and would mask every step.
static __always_inline __u64 log2_bucket(__u64 v, __u32 shift)
{
	__u64 b, s;

	v >>= shift;
	if (v >> 32)
		return SLOT_BUCKETS - 1;
	b = above(v, 0xffff) << 4;
	v >>= b;
	s = above(v, 0xff) << 3;
	v >>= s;
	b |= s;
	s = above(v, 0xf) << 2;
	v >>= s;
	b |= s;
	s = above(v, 3) << 1;
	v >>= s;
	b |= s;
	return (b | v >> 1) & (SLOT_BUCKETS - 1); // the mask is for the verifier
}

#endif
