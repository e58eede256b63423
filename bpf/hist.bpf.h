// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Histogram buckets.
#ifndef PETREL_BPF_HIST_H
#define PETREL_BPF_HIST_H

#include "bpf/kernel.bpf.h"
#include "bpf/records.h"

// Bucket of a value in a log2 histogram whose first bucket also holds everything below.
static __always_inline __u32 log2_bucket(__u64 value, __u32 shift)
{
	__u32 v, b, s;

	value >>= shift;
	if (value >> 32)
		return SLOT_BUCKETS - 1;
	v = (__u32)value;
	b = (v > 0xffff) << 4;
	v >>= b;
	s = (v > 0xff) << 3;
	v >>= s;
	b |= s;
	s = (v > 0xf) << 2;
	v >>= s;
	b |= s;
	s = (v > 3) << 1;
	v >>= s;
	b |= s;
	return b | v >> 1;
}

#endif
