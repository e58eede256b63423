// SPDX-License-Identifier: Apache-2.0
#include "aggregator/store/batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_MAX_BYTES = 64 << 20 };

int store_ref_new(struct store_ref **ret, unsigned kind, const char *cluster, const char *name)
{
	size_t c = strlen(cluster), n = strlen(name), len = c + 1 + n;
	if (len > UINT16_MAX)
		return -EINVAL;
	struct store_ref *r = calloc(1, sizeof(*r) + len + 1);
	if (!r)
		return -ENOMEM;
	atomic_init(&r->refs, 1);
	r->kind = (uint8_t)kind;
	r->cluster_len = (uint16_t)c;
	r->len = (uint16_t)len;
	memcpy(r->key, cluster, c);
	r->key[c] = '/';
	memcpy(r->key + c + 1, name, n + 1);
	*ret = r;
	return 0;
}

struct store_ref *store_ref_hold(struct store_ref *r)
{
	atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
	return r;
}

void store_ref_drop(struct store_ref *r)
{
	if (r && atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) == 1)
		free(r);
}

void store_document_drop(struct store_document *d)
{
	if (!d || atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) != 1)
		return;
	free(d->data);
	free(d);
}

struct store_batch *store_batch_new(void)
{
	struct store_batch *b = calloc(1, sizeof(*b));
	if (b) {
		buf_init(&b->bins, BATCH_MAX_BYTES);
		buf_init(&b->puts, BATCH_MAX_BYTES);
	}
	return b;
}

void store_batch_free(struct store_batch *b)
{
	const struct store_bin_head *bin;
	const struct store_put_head *put;
	if (!b)
		return;
	for (size_t at = 0; (bin = store_batch_next_bin(b, &at));)
		store_ref_drop(bin->ref);
	for (size_t at = 0; (put = store_batch_next_put(b, &at));)
		store_ref_drop(put->ref);
	for (size_t i = 0; i < b->n_documents; i++)
		store_document_drop(b->documents[i]);
	free(b->documents);
	buf_done(&b->bins);
	buf_done(&b->puts);
	free(b);
}

size_t store_batch_bytes(const struct store_batch *b)
{
	size_t bytes = sizeof(*b) + b->bins.cap + b->puts.cap;
	for (size_t i = 0; i < b->n_documents; i++)
		bytes += sizeof(*b->documents[i]) + b->documents[i]->len;
	return bytes;
}

// Heads stand at multiples of their alignment.
static size_t padded(size_t len)
{
	return (len + 7) & ~(size_t)7;
}

static int add(struct buf *b, const void *head, size_t head_len, const void *data, size_t len)
{
	char *at = buf_reserve(b, head_len + padded(len));
	if (!at) {
		b->failed = false; // this one is lost and counted; the next may be smaller
		return -ENOSPC;
	}
	memcpy(at, head, head_len);
	memcpy(at + head_len, data, len);
	memset(at + head_len + len, 0, padded(len) - len);
	buf_commit(b, head_len + padded(len));
	return 0;
}

int store_batch_bin(struct store_batch *b, const struct store_bin_head *h, const void *blob)
{
	int failed = add(&b->bins, h, sizeof(*h), blob, h->len);
	if (failed)
		return failed;
	store_ref_hold(h->ref);
	b->n_bins++;
	return 0;
}

int store_batch_put(struct store_batch *b, struct store_ref *ref, const struct store_record *r)
{
	uint8_t data[RECORD_MAX_BYTES];
	struct store_put_head h = {ref, r->wall_ms, r->window_ms,
		(uint32_t)(store_record_encode(&r->scope, data) - data)};
	int failed = add(&b->puts, &h, sizeof(h), data, h.len);
	if (!failed)
		store_ref_hold(ref);
	return failed;
}

int store_batch_document(struct store_batch *b, struct store_document *d)
{
	struct store_document **more =
		realloc(b->documents, (b->n_documents + 1) * sizeof(*b->documents));
	if (!more)
		return -ENOMEM;
	b->documents = more;
	b->documents[b->n_documents++] = d;
	return 0;
}

const struct store_bin_head *store_batch_next_bin(const struct store_batch *b, size_t *at)
{
	if (*at >= b->bins.len)
		return NULL;
	const struct store_bin_head *h = (const void *)(b->bins.data + *at);
	*at += sizeof(*h) + padded(h->len);
	return h;
}

const struct store_put_head *store_batch_next_put(const struct store_batch *b, size_t *at)
{
	if (*at >= b->puts.len)
		return NULL;
	const struct store_put_head *h = (const void *)(b->puts.data + *at);
	*at += sizeof(*h) + padded(h->len);
	return h;
}
