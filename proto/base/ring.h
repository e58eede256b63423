// SPDX-License-Identifier: Apache-2.0
// Bounded queue that drops the oldest.
//
// Why drop and not block: on a node the newest sample is worth more than the oldest, and an agent
// that waits for the wire takes CPU from the workload. Every loss is counted; a silent loss is a
// bug. Ownership: the ring owns what it holds; ring_pop() gives it to the caller. Thread: the loop
// only.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct ring;
int ring_new(struct ring **ret_ring, size_t capacity,
	void (*free_item)(void *));        // -EINVAL if capacity is 0
void ring_free(struct ring *r);            // NULL is fine
int ring_push(struct ring *r, void *item); // takes item; 1 if an older one was dropped to make room
void *ring_pop(struct ring *r);            // NULL when empty
void *ring_peek(
	const struct ring *r, size_t index); // borrowed; index 0 is the oldest; NULL past the end
size_t ring_len(const struct ring *r);
uint64_t ring_dropped(const struct ring *r);
