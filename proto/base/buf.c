// SPDX-License-Identifier: Apache-2.0
#include "proto/base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){.max = max};
}

void buf_done(struct buf *b)
{
	free(b->data);
	*b = (struct buf){.max = b->max};
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	b->failed = false;
	if (b->data)
		b->data[0] = '\0';
}

static int buf_grow(struct buf *b, size_t more)
{
	if (b->max - b->len < more || b->max < b->len) {
		b->failed = true;
		return -ENOSPC;
	}
	size_t need = b->len + more + 1;
	if (need <= b->cap)
		return 0;
	size_t cap = b->cap ? b->cap : 64;
	while (cap < need)
		cap *= 2;
	if (cap > b->max + 1)
		cap = b->max + 1;
	char *data = realloc(b->data, cap);
	if (!data) {
		b->failed = true;
		return -ENOMEM;
	}
	b->data = data;
	b->cap = cap;
	return 0;
}

int buf_append(struct buf *b, const void *data, size_t len)
{
	void *room = buf_reserve(b, len);
	if (!room)
		return -ENOSPC;
	if (len)
		memcpy(room, data, len);
	buf_commit(b, len);
	return 0;
}

int buf_text(struct buf *b, const char *text)
{
	return buf_append(b, text, strlen(text));
}

int buf_printf(struct buf *b, const char *format, ...)
{
	va_list args, again;
	va_start(args, format);
	va_copy(again, args);
	int len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	int r = len < 0 ? -EINVAL : buf_grow(b, (size_t)len);
	if (r == 0) {
		vsnprintf(b->data + b->len, (size_t)len + 1, format, again);
		b->len += (size_t)len;
	}
	va_end(again);
	return r;
}

void *buf_reserve(struct buf *b, size_t len)
{
	if (b->failed || buf_grow(b, len) < 0)
		return NULL;
	return b->data + b->len;
}

void buf_commit(struct buf *b, size_t len)
{
	b->len += len;
	b->data[b->len] = '\0';
}

char *buf_take(struct buf *b, size_t *ret_len)
{
	if (b->failed || (!b->data && buf_grow(b, 0) < 0))
		return NULL;
	char *data = b->data;
	data[b->len] = '\0';
	if (ret_len)
		*ret_len = b->len;
	*b = (struct buf){.max = b->max};
	return data;
}
