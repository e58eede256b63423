// SPDX-License-Identifier: Apache-2.0
// What goes from the loop to the writer thread: everything of one tick, in one transaction.
//
// Ownership: a batch is built by the loop and given away whole; it holds references (store_ref,
// store_document are counted) and plain bytes, no pointers into the store.
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

#include "aggregator/store/disk.h"
#include "aggregator/store/record.h"
#include "proto/base/buf.h"

// Names an entity; outlives it while bins of it wait. id and generation belong to the writer: the
// row of table entity in the file of that generation.
struct store_ref {
	atomic_uint refs;
	uint32_t id, generation;
	uint8_t kind;
	uint16_t cluster_len, len;
	char key[]; // "cluster/name"
};
int store_ref_new(struct store_ref **ret, unsigned kind, const char *cluster, const char *name);
struct store_ref *store_ref_hold(struct store_ref *r);
void store_ref_drop(struct store_ref *r);

struct store_document {
	atomic_uint refs;
	uint64_t batch; // the one that carries it
	size_t len;
	void *data;
	UT_hash_handle hh; // in the loop's table of those not yet written
	char key[];
};
void store_document_drop(struct store_document *d);

struct store_batch {
	struct store_batch *next;
	uint64_t number;
	int64_t now_ms;
	struct buf bins; // struct store_bin_head and that many bytes of a chunk of one bin, …
	size_t n_bins;
	struct buf puts; // struct store_put_head and that many bytes of a record, …
	struct store_document **documents;
	size_t n_documents;
};
struct store_bin_head {
	struct store_ref *ref;
	int64_t index;
	uint32_t resolution, len;
};
struct store_put_head {
	struct store_ref *ref;
	int64_t wall_ms;
	uint32_t window_ms, len;
};
struct store_batch *store_batch_new(void);
void store_batch_free(struct store_batch *b);
size_t store_batch_bytes(const struct store_batch *b);
// Both hold the ref. -ENOMEM, -ENOSPC: counted by the caller.
int store_batch_bin(struct store_batch *b, const struct store_bin_head *h, const void *blob);
int store_batch_put(struct store_batch *b, struct store_ref *ref, const struct store_record *r);
int store_batch_document(struct store_batch *b, struct store_document *d); // takes one reference
// Walks: the next head at *at, which is moved on; the bytes follow the head. NULL at the end.
const struct store_bin_head *store_batch_next_bin(const struct store_batch *b, size_t *at);
const struct store_put_head *store_batch_next_put(const struct store_batch *b, size_t *at);
