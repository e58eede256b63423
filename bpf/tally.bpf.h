// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Finds or makes the counters of a cgroup in a shared hash: for hooks that are rare.
#ifndef PETREL_BPF_TALLY_H
#define PETREL_BPF_TALLY_H

#include "bpf/kernel.bpf.h"

#include "bpf/hist.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct losses);
} losses SEC(".maps");

#define LOST(field)                                                                                \
	do {                                                                                       \
		__u32 zero_ = 0;                                                                   \
		struct losses *l_ = bpf_map_lookup_elem(&losses, &zero_);                          \
		if (l_)                                                                            \
			__sync_fetch_and_add(&l_->field, 1);                                       \
	} while (0)

// The value of key in map; made from the (zeroed) value when missing; the overflow value (key 0,
// made by the loader) when the map is full.
static __always_inline void *tally_of(void *map, __u64 key, const void *zeroed)
{
	void *t = bpf_map_lookup_elem(map, &key);

	if (t)
		return t;
	bpf_map_update_elem(map, &key, zeroed, BPF_NOEXIST);
	t = bpf_map_lookup_elem(map, &key);
	if (t)
		return t;
	LOST(full);
	key = 0;
	return bpf_map_lookup_elem(map, &key);
}

#endif
