// SPDX-License-Identifier: Apache-2.0
#include "proto/wire/pb.h"

#include <string.h>

enum { WIRE_VARINT = 0, WIRE_BYTES = 2 };

void pb_varint(struct buf *b, uint64_t v)
{
	uint8_t *room = buf_reserve(b, 10);
	if (!room)
		return;
	size_t n = 0;
	for (; v >= 0x80; v >>= 7)
		room[n++] = (uint8_t)(v | 0x80);
	room[n++] = (uint8_t)v;
	buf_commit(b, n);
}

static void tag(struct buf *b, unsigned field, unsigned type)
{
	pb_varint(b, field << 3 | type);
}

void pb_uint(struct buf *b, unsigned field, uint64_t v)
{
	if (v == 0)
		return;
	tag(b, field, WIRE_VARINT);
	pb_varint(b, v);
}

void pb_sint(struct buf *b, unsigned field, int64_t v)
{
	pb_uint(b, field, pb_zigzag(v));
}

void pb_bytes(struct buf *b, unsigned field, const void *data, size_t len)
{
	if (len == 0)
		return;
	tag(b, field, WIRE_BYTES);
	pb_varint(b, len);
	buf_append(b, data, len);
}

void pb_text(struct buf *b, unsigned field, const char *text)
{
	pb_bytes(b, field, text, strlen(text));
}

// The length is not known yet: one byte is kept for it, and the content moved where it needs more.
size_t pb_open(struct buf *b, unsigned field)
{
	tag(b, field, WIRE_BYTES);
	buf_append(b, "", 1);
	return b->len;
}

void pb_close(struct buf *b, size_t opened)
{
	if (buf_failed(b))
		return;
	size_t len = b->len - opened, more = 0;
	for (size_t rest = len >> 7; rest > 0; rest >>= 7)
		more++;
	if (more > 0) {
		if (!buf_reserve(b, more))
			return;
		memmove(b->data + opened + more, b->data + opened, len);
		buf_commit(b, more);
	}
	uint8_t *at = (uint8_t *)b->data + opened - 1;
	for (size_t i = 0; i < more; i++, len >>= 7)
		*at++ = (uint8_t)(len | 0x80);
	*at = (uint8_t)len;
}
