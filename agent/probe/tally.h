// SPDX-License-Identifier: Apache-2.0
// Reads the shared hashes of tcp and mem, and keeps them from filling up with dead cgroups.
//
// A cgroup's entry is deleted after it was removed and read once more; when the hash is over three
// quarters full, also what has had no event for ten minutes. Private to agent/probe.
#pragma once

#include "agent/probe/probe.h"

#include <stddef.h>
#include <stdint.h>

enum { TALLY_FORGET_MAX = 256 };

struct tally {
	int fd;
	enum probe_source source; // PROBE_TCP or PROBE_MEM
	void *keys, *values;      // of one batch
	uint64_t forget[TALLY_FORGET_MAX];
	size_t n_forget;
	size_t n_entries; // at the last reading
};

int tally_init(struct tally *t, int fd, enum probe_source source); // makes the overflow entry
void tally_done(struct tally *t);                                  // does not close fd
void tally_forget(
	struct tally *t, uint64_t inode); // after the next reading; may be dropped if many
int tally_read(struct tally *t, uint64_t now_ns, struct probe_reading *r);
