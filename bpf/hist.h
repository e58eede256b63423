// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Histogram buckets; also compiled into a unit test that holds them against proto/wire/metric.h.
#ifndef PETREL_BPF_HIST_H
#define PETREL_BPF_HIST_H

#include "bpf/records.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

// 1 if v > limit, both below 2^63, without a branch that the CPU would have to guess. The compiler
// must not see what it is, or it makes a branch of it.
ALWAYS_INLINE __u64 above(__u64 v, __u64 limit)
{
	__u64 difference = limit - v;

	asm volatile("" : "+r"(difference));
	return difference >> 63;
}

// Bucket of a value in a log2 histogram whose first bucket also holds everything below. All in 64
// bits: the v2 instruction set has no 32-bit arithmetic and would mask every step. The first step
// is a branch that is guessed right: few values are so large.
ALWAYS_INLINE __u64 log2_bucket(__u64 v, __u32 shift)
{
	__u64 b = 0, s;

	v >>= shift;
	if (v > 0xffff) {
		if (v >> 32)
			return SLOT_BUCKETS - 1;
		v >>= 16;
		b = 16;
	}
	s = above(v, 0xff) << 3;
	v >>= s;
	b |= s;
	s = above(v, 0xf) << 2;
	v >>= s;
	b |= s;
	s = above(v, 3) << 1;
	v >>= s;
	return (b | s | v >> 1) & (SLOT_BUCKETS - 1); // the mask is for the verifier
}

#endif
