// SPDX-License-Identifier: Apache-2.0
// Encoded frames in one fixed piece of memory, oldest dropped first; inside agent/send only.
//
// A byte ring and beside it a ring of where each frame lies. Frames come with consecutive
// sequences, so one is found by its number. While everybody keeps up the spool is empty again after
// each frame and starts at its first byte, so that only the pages of one frame are ever touched.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct spool_frame {
	uint64_t sequence;
	uint64_t made_ns;
	uint32_t offset, len;
};

struct spool {
	uint8_t *bytes;
	size_t size, write;
	struct spool_frame *frames; // ring
	size_t max_frames, first, count;
	uint64_t receipted; // highest sequence that anybody has: what is dropped beyond is a loss
	uint64_t dropped;   // lost that way
	size_t used_bytes;
};

int spool_init(struct spool *s, size_t bytes, size_t max_frames);
void spool_done(struct spool *s);
// sequence is one more than the last. -E2BIG: larger than the whole spool.
int spool_push(struct spool *s, uint64_t sequence, uint64_t now_ns, const void *frame, size_t len);
// The frame of that sequence, or the first after it; NULL if there is none. Borrowed until the next
// push or drop.
const struct spool_frame *spool_find(const struct spool *s, uint64_t sequence);
uint8_t *spool_bytes(struct spool *s, const struct spool_frame *f);
void spool_free_through(struct spool *s, uint64_t sequence); // all replicas have them
void spool_expire(struct spool *s, uint64_t older_than_ns);
