// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <zstd.h>

#include "aggregator/store/varint.h"
#include "aggregator/store/write.h"

enum { HEAD_MAX_BYTES = 4 * VARINT_MAX_BYTES, ZSTD_LEVEL = 1 };

// Blob: length when unpacked, then zstd of: entity, end of window as difference to now, length of
// window, record, …
static int pack_puts(const struct store_batch *b,
	int (*id_of)(void *arg, struct store_ref *ref, uint32_t *ret), void *arg, struct buf *raw)
{
	const struct store_put_head *h;
	for (size_t at = 0; (h = store_batch_next_put(b, &at));) {
		uint32_t id;
		int failed = id_of(arg, h->ref, &id);
		if (failed)
			return failed;
		uint8_t head[HEAD_MAX_BYTES], *p = varint_put(head, id);
		p = varint_put(p, varint_fold(h->wall_ms - b->now_ms));
		p = varint_put(p, h->window_ms);
		p = varint_put(p, h->len);
		buf_append(raw, head, (size_t)(p - head));
		buf_append(raw, h + 1, h->len);
	}
	return buf_failed(raw) ? -ENOMEM : 0;
}

int store_journal_pack(const struct store_batch *b,
	int (*id_of)(void *arg, struct store_ref *ref, uint32_t *ret), void *arg, struct buf *out)
{
	autobuf raw;
	buf_init(&raw, JOURNAL_MAX_BYTES);
	int failed = pack_puts(b, id_of, arg, &raw);
	if (failed)
		return failed;
	size_t bound = ZSTD_compressBound(raw.len);
	uint8_t *at = buf_reserve(out, VARINT_MAX_BYTES + bound);
	if (!at)
		return -ENOMEM;
	size_t head = (size_t)(varint_put(at, raw.len) - at);
	size_t n = ZSTD_compress(at + head, bound, raw.data ? raw.data : "", raw.len, ZSTD_LEVEL);
	if (ZSTD_isError(n))
		return -ENOMEM;
	buf_commit(out, head + n);
	return 0;
}

static int unpack_puts(const uint8_t *p, const uint8_t *end, int64_t now_ms,
	int (*on_put)(void *arg, const struct store_journal_put *p), void *arg)
{
	struct store_journal_put put;
	while (p < end) {
		uint64_t id, ago, window, len;
		p = varint_get(varint_get(p, end, &id), end, &ago);
		p = varint_get(varint_get(p, end, &window), end, &len);
		if (!p || id > UINT32_MAX || window > UINT32_MAX || len > (uint64_t)(end - p) ||
			!store_record_decode(p, p + len, &put.record.scope))
			return -EBADMSG;
		put.entity = (uint32_t)id;
		put.record.wall_ms = now_ms + varint_unfold(ago);
		put.record.window_ms = (uint32_t)window;
		int stop = on_put(arg, &put);
		if (stop)
			return stop;
		p += len;
	}
	return 0;
}

int store_journal_unpack(const void *blob, size_t len, int64_t now_ms,
	int (*on_put)(void *arg, const struct store_journal_put *p), void *arg)
{
	const uint8_t *end = (const uint8_t *)blob + len;
	uint64_t raw_len;
	const uint8_t *p = varint_get(blob, end, &raw_len);
	if (!p || raw_len > JOURNAL_MAX_BYTES)
		return -EBADMSG;
	uint8_t *raw = malloc(raw_len + 1);
	if (!raw)
		return -ENOMEM;
	size_t n = ZSTD_decompress(raw, raw_len, p, (size_t)(end - p));
	int result = -EBADMSG;
	if (!ZSTD_isError(n) && n == raw_len)
		result = unpack_puts(raw, raw + raw_len, now_ms, on_put, arg);
	free(raw);
	return result;
}
