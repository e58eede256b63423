// SPDX-License-Identifier: Apache-2.0
#include "proto/wire/arena.h"

#include <stdint.h>
#include <stdlib.h>

enum { CHUNK_BYTES = 64 << 10, ALIGN = 16 };

struct arena_chunk {
	struct arena_chunk *next;
	size_t used, size;
	_Alignas(ALIGN) char data[];
};

static void *arena_alloc(void *arg, size_t size)
{
	struct arena *a = arg;
	if (size > a->max)
		goto exhausted;
	size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (!a->chunks && sizeof(a->first) - a->first_used >= size) {
		a->first_used += size;
		return a->first + a->first_used - size;
	}
	struct arena_chunk *c = a->chunks;
	if (!c || c->size - c->used < size) {
		size_t room = size > CHUNK_BYTES ? size : CHUNK_BYTES;
		if (a->max - a->used < room)
			goto exhausted;
		c = malloc(sizeof(*c) + room);
		if (!c)
			return NULL;
		c->next = a->chunks;
		c->used = 0;
		c->size = room;
		a->chunks = c;
		a->used += room;
	}
	void *p = c->data + c->used;
	c->used += size;
	return p;
exhausted:
	a->exhausted = true;
	return NULL;
}

static void arena_free(void *arg, void *p)
{
}

void arena_init(struct arena *a, size_t max)
{
	a->chunks = NULL;
	a->used = a->first_used = 0;
	a->max = max;
	a->exhausted = false;
	a->allocator = (ProtobufCAllocator){arena_alloc, arena_free, a};
}

void arena_done(struct arena *a)
{
	while (a->chunks) {
		struct arena_chunk *next = a->chunks->next;
		free(a->chunks);
		a->chunks = next;
	}
}
