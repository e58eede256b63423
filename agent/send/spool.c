// SPDX-License-Identifier: Apache-2.0
#include "agent/send/spool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int spool_init(struct spool *s, size_t bytes, size_t max_frames)
{
	if (bytes == 0 || bytes > UINT32_MAX || max_frames == 0)
		return -EINVAL;
	*s = (struct spool){.size = bytes, .max_frames = max_frames};
	s->bytes = malloc(bytes);
	s->frames = calloc(max_frames, sizeof(*s->frames));
	if (s->bytes && s->frames)
		return 0;
	spool_done(s);
	return -ENOMEM;
}

void spool_done(struct spool *s)
{
	free(s->bytes);
	free(s->frames);
	*s = (struct spool){0};
}

static struct spool_frame *at(const struct spool *s, size_t index)
{
	return &s->frames[(s->first + index) % s->max_frames];
}

static void pop(struct spool *s)
{
	const struct spool_frame *f = at(s, 0);
	if (f->sequence > s->receipted)
		s->dropped++;
	s->used_bytes -= f->len;
	s->first = (s->first + 1) % s->max_frames;
	if (--s->count == 0)
		s->write = 0;
}

// Offset of len free bytes in one piece, or -1. The write mark never catches up with the oldest
// frame.
static int64_t room(const struct spool *s, size_t len)
{
	if (s->count == 0)
		return 0;
	if (s->count == s->max_frames)
		return -1;
	size_t oldest = at(s, 0)->offset;
	if (s->write <= oldest)
		return oldest - s->write > len ? (int64_t)s->write : -1;
	if (s->size - s->write >= len)
		return (int64_t)s->write;
	return oldest > len ? 0 : -1;
}

int spool_push(struct spool *s, uint64_t sequence, uint64_t now_ns, const void *frame, size_t len)
{
	if (len > s->size)
		return -E2BIG;
	int64_t offset;
	while ((offset = room(s, len)) < 0)
		pop(s);
	memcpy(s->bytes + offset, frame, len);
	*at(s, s->count) = (struct spool_frame){
		.sequence = sequence,
		.made_ns = now_ns,
		.offset = (uint32_t)offset,
		.len = (uint32_t)len,
	};
	s->count++;
	s->write = (size_t)offset + len;
	s->used_bytes += len;
	return 0;
}

const struct spool_frame *spool_find(const struct spool *s, uint64_t sequence)
{
	if (s->count == 0)
		return NULL;
	uint64_t oldest = at(s, 0)->sequence;
	if (sequence <= oldest)
		return at(s, 0);
	return sequence - oldest < s->count ? at(s, (size_t)(sequence - oldest)) : NULL;
}

uint8_t *spool_bytes(struct spool *s, const struct spool_frame *f)
{
	return s->bytes + f->offset;
}

void spool_free_through(struct spool *s, uint64_t sequence)
{
	while (s->count > 0 && at(s, 0)->sequence <= sequence)
		pop(s);
}

void spool_expire(struct spool *s, uint64_t older_than_ns)
{
	while (s->count > 0 && at(s, 0)->made_ns < older_than_ns)
		pop(s);
}
