// SPDX-License-Identifier: Apache-2.0
#include "aggregator/store/store_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_KEY_BYTES = 255, MAX_DOCUMENT_BYTES = 4 << 20 };

int store_document_put(struct store *s, const char *key, const void *data, size_t len)
{
	size_t key_len = strlen(key);
	if (!key_len || key_len > MAX_KEY_BYTES || len > MAX_DOCUMENT_BYTES)
		return -EINVAL;
	void *copy = malloc(len + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, data, len);
	struct store_document *d;
	HASH_FIND_STR(s->documents, key, d);
	if (!d) {
		d = calloc(1, sizeof(*d) + key_len + 1);
		if (!d) {
			free(copy);
			return -ENOMEM;
		}
		memcpy(d->key, key, key_len + 1);
		HASH_ADD_KEYPTR(hh, s->documents, d->key, key_len, d);
	}
	free(d->data);
	d->data = copy;
	d->len = len;
	return 0;
}

int store_document_get(struct store *s, const char *key, void **ret_data, size_t *ret_len)
{
	struct store_document *d;
	HASH_FIND_STR(s->documents, key, d);
	if (!d)
		return -ENOENT;
	void *copy = malloc(d->len + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, d->data, d->len);
	*ret_data = copy;
	*ret_len = d->len;
	return 0;
}

void store_documents_done(struct store *s)
{
	struct store_document *d, *next;
	HASH_ITER (hh, s->documents, d, next) {
		HASH_DEL(s->documents, d);
		free(d->data);
		free(d);
	}
}
