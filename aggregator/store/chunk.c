// SPDX-License-Identifier: Apache-2.0
// Blob: flags byte (1: the rest is zstd), number of bins, then (after unpacking, whose length
// stands before it) columns until the end: tag (2 x metric, or 2 x histogram + 1), length, content.
//   values:     flags byte, exponent byte, coverage runs unless FULL, base folded, then per bin
//   that
//               has a value its difference, then unless MAX_IS_MEAN per bin max - mean
//   histograms: coverage runs, word of buckets used, per bin that counted and bucket the difference
#include "aggregator/store/chunk.h"
#include "aggregator/store/varint.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

enum { CHUNK_ZSTD = 1 };
enum { COLUMN_FULL = 1, COLUMN_CONSTANT = 2, COLUMN_MAX_IS_MEAN = 4, COLUMN_OFFSETS = 8 };
enum {
	QUANTUM_BITS = 16,
	EXPONENT_MAX = 24, // 6e-8: one event in half a year is not lost in an hour's mean
	EXPONENT_MIN = -47,
	EXPONENT_BIAS = 64,
	ZSTD_LEVEL = 3,
	COLUMN_MAX_BYTES = 64 + CHUNK_MAX_BINS * (2 + 2 * VARINT_MAX_BYTES),
	HIST_MAX_BYTES = 64 + CHUNK_MAX_BINS * (2 + HIST_BUCKETS * 5),
};

struct store_codec {
	ZSTD_CCtx *packer;
	ZSTD_DCtx *unpacker;
	uint8_t *body; // being made, or unpacked
	int64_t quanta[2][CHUNK_MAX_BINS];
};

int store_codec_new(struct store_codec **ret)
{
	struct store_codec *c = calloc(1, sizeof(*c));
	if (c) {
		c->packer = ZSTD_createCCtx();
		c->unpacker = ZSTD_createDCtx();
		c->body = malloc(CHUNK_MAX_BYTES);
	}
	if (!c || !c->packer || !c->unpacker || !c->body) {
		store_codec_free(c);
		return -ENOMEM;
	}
	*ret = c;
	return 0;
}

void store_codec_free(struct store_codec *c)
{
	if (!c)
		return;
	ZSTD_freeCCtx(c->packer);
	ZSTD_freeDCtx(c->unpacker);
	free(c->body);
	free(c);
}

// The power of two by which a column is multiplied before it is rounded.
static int exponent_of(const struct store_column *c, size_t n)
{
	double most = 0;
	bool whole = true;
	int e;
	for (size_t i = 0; i < n; i++) {
		if (!c->covered[i])
			continue;
		most = fmax(most, fmax(fabs(c->mean[i]), fabs(c->max[i])));
		whole = whole && rint(c->mean[i]) == c->mean[i] && rint(c->max[i]) == c->max[i];
	}
	frexp(most, &e);
	int exponent = QUANTUM_BITS - e;
	if (most == 0 || (whole && exponent > 0))
		return 0;
	if (exponent > EXPONENT_MAX)
		return EXPONENT_MAX;
	return exponent < EXPONENT_MIN ? EXPONENT_MIN : exponent;
}

static uint8_t *put_runs(uint8_t *p, const uint8_t *covered, size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t run = 1;
		while (i + run < n && covered[i + run] == covered[i])
			run++;
		*p++ = covered[i];
		p = varint_put(p, run);
		i += run;
	}
	return p;
}

static unsigned varint_len(uint64_t v)
{
	return v ? (unsigned)(70 - __builtin_clzll(v)) / 7 : 1;
}

static uint8_t *put_means(uint8_t *p, const int64_t *q, size_t n, uint8_t *flags)
{
	int64_t least = INT64_MAX, most = INT64_MIN;
	size_t as_differences = 0, as_offsets = 0;
	for (size_t i = 0; i < n; i++) {
		least = q[i] < least ? q[i] : least;
		most = q[i] > most ? q[i] : most;
	}
	if (least == most) {
		*flags |= COLUMN_CONSTANT;
		return varint_put(p, varint_fold(least));
	}
	for (size_t i = 0; i < n; i++) {
		as_differences += varint_len(varint_fold(q[i] - (i ? q[i - 1] : q[0])));
		as_offsets += varint_len((uint64_t)(q[i] - least));
	}
	if (as_offsets <= as_differences) {
		*flags |= COLUMN_OFFSETS;
		p = varint_put(p, varint_fold(least));
		for (size_t i = 0; i < n; i++)
			p = varint_put(p, (uint64_t)(q[i] - least));
		return p;
	}
	p = varint_put(p, varint_fold(q[0]));
	for (size_t i = 0; i < n; i++)
		p = varint_put(p, varint_fold(q[i] - (i ? q[i - 1] : q[0])));
	return p;
}

static uint8_t *put_column(
	struct store_codec *codec, const struct store_column *c, size_t n, uint8_t *p)
{
	uint8_t *flags = p++;
	int exponent = exponent_of(c, n);
	int64_t *mean = codec->quanta[0], *max = codec->quanta[1];
	size_t present = 0;
	*flags = COLUMN_FULL | COLUMN_MAX_IS_MEAN;
	*p++ = (uint8_t)(exponent + EXPONENT_BIAS);
	for (size_t i = 0; i < n; i++) {
		if (c->covered[i] != CHUNK_FULL)
			*flags &= (uint8_t)~COLUMN_FULL;
		if (!c->covered[i])
			continue;
		mean[present] = llrint(ldexp(c->mean[i], exponent));
		max[present] = llrint(ldexp(fmax(c->max[i], c->mean[i]), exponent));
		if (max[present] != mean[present])
			*flags &= (uint8_t)~COLUMN_MAX_IS_MEAN;
		present++;
	}
	if (!(*flags & COLUMN_FULL))
		p = put_runs(p, c->covered, n);
	p = put_means(p, mean, present, flags);
	for (size_t i = 0; i < present && !(*flags & COLUMN_MAX_IS_MEAN); i++)
		p = varint_put(p, (uint64_t)(max[i] - mean[i]));
	return p;
}

static uint8_t *put_hists(const struct hist *counts, const uint8_t *counted, size_t n, uint8_t *p)
{
	uint32_t used = 0;
	struct hist before = {0};
	for (size_t i = 0; i < n; i++)
		for (unsigned b = 0; counted[i] && b < HIST_BUCKETS; b++)
			used |= (uint32_t)(counts[i].buckets[b] != 0) << b;
	p = put_runs(p, counted, n);
	p = varint_put(p, used);
	for (size_t i = 0; i < n; i++) {
		for (uint32_t left = counted[i] ? used : 0; left; left &= left - 1) {
			unsigned b = (unsigned)__builtin_ctz(left);
			int64_t d = (int64_t)counts[i].buckets[b] - before.buckets[b];
			p = varint_put(p, varint_fold(d));
			before.buckets[b] = counts[i].buckets[b];
		}
	}
	return p;
}

// Puts tag and length before the content that was written 8 bytes behind p.
static uint8_t *close_column(uint8_t *p, unsigned tag, const uint8_t *end)
{
	const uint8_t *content = p + 8;
	size_t len = (size_t)(end - content);
	p = varint_put(p, tag);
	p = varint_put(p, len);
	memmove(p, content, len);
	return p + len;
}

static bool any(const uint8_t *covered, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (covered[i])
			return true;
	return false;
}

static size_t make_body(struct store_codec *codec, const struct store_columns *c)
{
	uint8_t *p = codec->body;
	for (uint64_t left = c->metrics; left; left &= left - 1) {
		unsigned m = (unsigned)__builtin_ctzll(left);
		if (any(c->values[m].covered, c->n))
			p = close_column(p, 2 * m, put_column(codec, &c->values[m], c->n, p + 8));
	}
	for (uint32_t left = c->hists; left; left &= left - 1) {
		unsigned h = (unsigned)__builtin_ctz(left);
		if (any(c->counted[h], c->n))
			p = close_column(
				p, 2 * h + 1, put_hists(c->counts[h], c->counted[h], c->n, p + 8));
	}
	return (size_t)(p - codec->body);
}

_Static_assert(METRIC_COUNT *COLUMN_MAX_BYTES + HIST_COUNT * HIST_MAX_BYTES < CHUNK_MAX_BYTES,
	"the largest body fits");

int store_chunk_encode(struct store_codec *codec, const struct store_columns *c, struct buf *out)
{
	size_t len = make_body(codec, c), bound = ZSTD_compressBound(len);
	uint8_t head[1 + 2 * VARINT_MAX_BYTES], *p = head + 1;
	head[0] = 0;
	p = varint_put(p, c->n);
	if (c->n > 1) {
		uint8_t *packed = buf_reserve(out, sizeof(head) + bound);
		if (!packed)
			return -ENOSPC;
		uint8_t *len_at = p;
		p = varint_put(p, len);
		size_t head_len = (size_t)(p - head);
		size_t n = ZSTD_compressCCtx(
			codec->packer, packed + head_len, bound, codec->body, len, ZSTD_LEVEL);
		if (!ZSTD_isError(n) && n < len) {
			head[0] = CHUNK_ZSTD;
			memcpy(packed, head, head_len);
			buf_commit(out, head_len + n);
			return 0;
		}
		p = len_at;
	}
	buf_append(out, head, (size_t)(p - head));
	return buf_append(out, codec->body, len);
}

// --- reading --------------------------------------------------------------------------------

// Reads coverage runs for n bins; which of them lie within [at, at + room) of a column is the
// caller's business.
static const uint8_t *get_runs(const uint8_t *p, const uint8_t *end, uint8_t *ret, size_t n)
{
	for (size_t i = 0; i < n;) {
		uint64_t run;
		if (!p || p >= end)
			return NULL;
		uint8_t covered = *p++;
		p = varint_get(p, end, &run);
		if (!p || run == 0 || run > n - i || covered > CHUNK_FULL)
			return NULL;
		memset(ret + i, covered, run);
		i += run;
	}
	return p;
}

struct blob {
	size_t n;
	struct store_columns *into;
	size_t at;
	uint8_t covered[CHUNK_MAX_BINS];
};

static const uint8_t *get_means(
	const uint8_t *p, const uint8_t *end, unsigned flags, int64_t *q, size_t n)
{
	uint64_t v;
	p = varint_get(p, end, &v);
	if (!p)
		return NULL;
	uint64_t base = (uint64_t)varint_unfold(v); // unsigned: a corrupt blob must not overflow
	for (size_t i = 0; i < n; i++) {
		if (flags & COLUMN_CONSTANT) {
			q[i] = (int64_t)base;
			continue;
		}
		p = varint_get(p, end, &v);
		if (!p)
			return NULL;
		if (flags & COLUMN_OFFSETS) {
			q[i] = (int64_t)(base + v);
		} else {
			base += (uint64_t)varint_unfold(v);
			q[i] = (int64_t)base;
		}
	}
	return p;
}

static int get_column(struct store_codec *codec, struct blob *b, const uint8_t *p,
	const uint8_t *end, enum metric m)
{
	int64_t *mean = codec->quanta[0], *max = codec->quanta[1];
	if (end - p < 2)
		return -EBADMSG;
	unsigned flags = *p++;
	int exponent = *p++ - EXPONENT_BIAS;
	if (flags & COLUMN_FULL)
		memset(b->covered, CHUNK_FULL, b->n);
	else
		p = get_runs(p, end, b->covered, b->n);
	size_t present = 0, j = 0;
	for (size_t i = 0; p && i < b->n; i++)
		present += b->covered[i] != 0;
	if (p)
		p = get_means(p, end, flags, mean, present);
	for (size_t i = 0; p && i < present; i++) {
		uint64_t excess = 0;
		if (!(flags & COLUMN_MAX_IS_MEAN))
			p = varint_get(p, end, &excess);
		max[i] = (int64_t)((uint64_t)mean[i] + excess);
	}
	if (!p)
		return -EBADMSG;
	struct store_column *c = store_columns_use(b->into, m);
	for (size_t i = 0; i < b->n && b->at + i < b->into->n; i++) {
		if (!b->covered[i])
			continue;
		c->mean[b->at + i] = ldexp((double)mean[j], -exponent);
		c->max[b->at + i] = ldexp((double)max[j], -exponent);
		c->covered[b->at + i] = b->covered[i];
		j++;
	}
	return 0;
}

static int get_hists(struct blob *b, const uint8_t *p, const uint8_t *end, enum hist_id h)
{
	uint64_t used, v;
	struct hist now = {0};
	p = varint_get(get_runs(p, end, b->covered, b->n), end, &used);
	if (!p || used > UINT32_MAX)
		return -EBADMSG;
	struct hist *counts = store_columns_use_hist(b->into, h);
	for (size_t i = 0; i < b->n; i++) {
		for (uint64_t left = b->covered[i] ? used : 0; left; left &= left - 1) {
			p = varint_get(p, end, &v);
			if (!p)
				return -EBADMSG;
			now.buckets[__builtin_ctzll(left)] += (uint32_t)varint_unfold(v);
		}
		if (b->covered[i] && b->at + i < b->into->n) {
			counts[b->at + i] = now;
			b->into->counted[h][b->at + i] = 1;
		}
	}
	return 0;
}

static int get_columns(struct store_codec *codec, struct blob *b, struct store_wanted wanted,
	const uint8_t *p, const uint8_t *end)
{
	while (p < end) {
		uint64_t tag, len;
		p = varint_get(varint_get(p, end, &tag), end, &len);
		if (!p || len > (uint64_t)(end - p))
			return -EBADMSG;
		uint64_t id = tag / 2;
		int failed = 0;
		if (tag % 2 == 0 && id < METRIC_COUNT && wanted.metrics >> id & 1)
			failed = get_column(codec, b, p, p + len, (enum metric)id);
		else if (tag % 2 == 1 && id < HIST_COUNT && wanted.hists >> id & 1)
			failed = get_hists(b, p, p + len, (enum hist_id)id);
		if (failed)
			return failed;
		p += len;
	}
	return 0;
}

int store_chunk_decode(struct store_codec *codec, struct store_blob blob,
	struct store_wanted wanted, struct store_columns *into, size_t at)
{
	const uint8_t *p = blob.data, *end = p + blob.len;
	struct blob b = {.into = into, .at = at};
	uint64_t n, raw;
	if (!blob.len || *p & ~CHUNK_ZSTD)
		return -EBADMSG;
	bool packed = *p & CHUNK_ZSTD;
	p = varint_get(p + 1, end, &n);
	if (!p || n == 0 || n > CHUNK_MAX_BINS)
		return -EBADMSG;
	b.n = (size_t)n;
	if (packed) {
		p = varint_get(p, end, &raw);
		if (!p || raw > CHUNK_MAX_BYTES)
			return -EBADMSG;
		size_t got = ZSTD_decompressDCtx(
			codec->unpacker, codec->body, raw, p, (size_t)(end - p));
		if (ZSTD_isError(got) || got != raw)
			return -EBADMSG;
		p = codec->body;
		end = p + raw;
	}
	return get_columns(codec, &b, wanted, p, end);
}
