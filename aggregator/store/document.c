// SPDX-License-Identifier: Apache-2.0
#include "aggregator/store/store_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_KEY_BYTES = 511, MAX_DOCUMENT_BYTES = 4 << 20 };

static struct store_document *make(const char *key, const void *data, size_t len)
{
	size_t key_len = strlen(key);
	struct store_document *d = calloc(1, sizeof(*d) + key_len + 1);
	void *copy = malloc(len + 1);
	if (!d || !copy) {
		free(d);
		free(copy);
		return NULL;
	}
	atomic_init(&d->refs, 2); // the loop's table and the batch
	d->data = copy;
	d->len = len;
	if (len)
		memcpy(copy, data, len);
	memcpy(d->key, key, key_len + 1);
	return d;
}

static void forget(struct store *s, struct store_document *d)
{
	HASH_DEL(s->documents, d);
	store_document_drop(d);
}

int store_document_put(struct store *s, const char *key, const void *data, size_t len)
{
	if (!*key || strlen(key) > MAX_KEY_BYTES || len > MAX_DOCUMENT_BYTES)
		return -EINVAL;
	struct store_batch *b = store_batch_of(s);
	struct store_document *d = b ? make(key, data, len) : NULL, *before;
	if (!d)
		return -ENOMEM;
	d->batch = b->number;
	if (store_batch_document(b, d) < 0) {
		store_document_drop(d);
		store_document_drop(d);
		return -ENOMEM;
	}
	HASH_FIND_STR(s->documents, key, before);
	if (before)
		forget(s, before);
	HASH_ADD_KEYPTR(hh, s->documents, d->key, strlen(d->key), d);
	return 0;
}

int store_document_get(struct store *s, const char *key, void **ret_data, size_t *ret_len)
{
	struct store_document *d;
	HASH_FIND_STR(s->documents, key, d);
	if (!d) {
		int failed = store_read_begin(s);
		if (!failed)
			failed = store_reader_document(s->reader, key, ret_data, ret_len);
		store_reader_end(s->reader);
		return failed;
	}
	void *copy = malloc(d->len + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, d->data, d->len);
	*ret_data = copy;
	*ret_len = d->len;
	return 0;
}

void store_documents_written(struct store *s, uint64_t batch)
{
	struct store_document *d, *next;
	HASH_ITER (hh, s->documents, d, next)
		if (d->batch <= batch)
			forget(s, d);
}

void store_documents_done(struct store *s)
{
	store_documents_written(s, UINT64_MAX);
}
