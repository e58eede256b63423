// SPDX-License-Identifier: Apache-2.0
// Memory for one protobuf-c message from outside: a little on the stack, then chunks up to
// a cap, freed together.
//
// Why: protobuf-c allocates before anybody can look at the content, and three bytes on the wire may
// cost a hundred in memory; past the cap its allocation fails and the message is refused.
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

struct arena_chunk;
struct arena {
	ProtobufCAllocator allocator; // give this to …__unpack()
	struct arena_chunk *chunks;
	size_t used, max;
	bool exhausted; // an allocation failed by the cap
	size_t first_used;
	_Alignas(16) char first[1024]; // enough for a receipt or a notice
};
void arena_init(struct arena *a, size_t max);
void arena_done(struct arena *a);
#define autoarena __attribute__((cleanup(arena_done))) struct arena
