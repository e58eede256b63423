// SPDX-License-Identifier: Apache-2.0
#include "proto/base/ring.h"

#include <errno.h>
#include <stdlib.h>

struct ring {
	void (*free_item)(void *);
	size_t capacity;
	size_t head; // index of the oldest
	size_t len;
	uint64_t dropped;
	void *items[];
};

int ring_new(struct ring **ret_ring, size_t capacity, void (*free_item)(void *))
{
	if (capacity == 0 || capacity > SIZE_MAX / sizeof(void *) / 2)
		return -EINVAL;
	struct ring *r = calloc(1, sizeof(*r) + capacity * sizeof(void *));
	if (!r)
		return -ENOMEM;
	r->capacity = capacity;
	r->free_item = free_item;
	*ret_ring = r;
	return 0;
}

void ring_free(struct ring *r)
{
	if (!r)
		return;
	void *item;
	while ((item = ring_pop(r)))
		if (r->free_item)
			r->free_item(item);
	free(r);
}

int ring_push(struct ring *r, void *item)
{
	int dropped = 0;
	if (r->len == r->capacity) {
		void *oldest = ring_pop(r);
		if (r->free_item)
			r->free_item(oldest);
		r->dropped++;
		dropped = 1;
	}
	r->items[(r->head + r->len) % r->capacity] = item;
	r->len++;
	return dropped;
}

void *ring_pop(struct ring *r)
{
	if (r->len == 0)
		return NULL;
	void *item = r->items[r->head];
	r->head = (r->head + 1) % r->capacity;
	r->len--;
	return item;
}

void *ring_peek(const struct ring *r, size_t index)
{
	return index < r->len ? r->items[(r->head + index) % r->capacity] : NULL;
}

size_t ring_len(const struct ring *r)
{
	return r->len;
}

uint64_t ring_dropped(const struct ring *r)
{
	return r->dropped;
}
