// SPDX-License-Identifier: Apache-2.0
// What the files of store share; not for others.
//
// On the loop: store.c put, tick · entity.c the table · query.c ranges · document.c documents ·
// recover.c the last seconds before a crash · live.c the last minutes in memory · bins.c the ten
// seconds that are filling · read.c the file. Between: batch.c. On the writer's thread: writer.c
// queue and failures · write.c batches · compact.c chunks and roll-ups · journal.c. Both: chunk.c
// columns.c record.c disk.c grid.c.
#pragma once

#include "aggregator/store/batch.h"
#include "aggregator/store/bins.h"
#include "aggregator/store/live.h"
#include "aggregator/store/read.h"
#include "aggregator/store/store.h"
#include "aggregator/store/writer.h"

#include <uthash.h>

enum {
	STORE_LATE_MS = 3000, // a bin is written so long after its end
	STORE_PATH_BYTES = 128,
};

struct store_cluster {
	struct store *store;
	UT_hash_handle hh;
	char name[];
};

struct store_entity {
	struct store_cluster *cluster;
	struct store_ref *ref;
	struct store_live live;
	struct store_bin *bins;
	struct store_entity *next_open; // in store->open
	bool open;                      // it has bins
	uint64_t touched;               // tick of the last put or lookup
	UT_hash_handle hh;              // by ref->key in store->kinds[kind]
};

struct store {
	struct store_options o;
	int64_t live_ms;
	struct store_cluster *clusters;
	struct store_entity *kinds[ENTITY_KIND_COUNT];
	struct store_entity *cursor[ENTITY_KIND_COUNT]; // where the sweep goes on
	struct store_entity *open;
	int64_t now_ms, pushed_ms; // newest tick, 0 before it; newest push
	size_t live_bytes;
	unsigned pressure; // how much the live window is thinned
	uint64_t ticks;
	struct store_record scratch;
	struct store_document *documents; // not yet on disk
	struct store_batch *batch;
	uint64_t batches;
	struct store_writer *writer;
	struct store_reader *reader;
	struct store_codec *codec;
	struct store_columns one;
	struct buf blob;
	struct store_stats stats;
};

// Puts without a check: into the live window and into the bins that end after closed_ms.
int store_add(
	struct store *s, struct store_entity *e, const struct store_record *r, int64_t closed_ms);
void store_close_bins(struct store *s);
struct store_batch *store_batch_of(struct store *s); // the one being filled, NULL without memory
int store_recover(struct store *s);
void store_sweep(struct store *s, bool all); // a part of the entities: ages, thins, forgets
void store_entities_done(struct store *s);
void store_documents_done(struct store *s);
void store_documents_written(struct store *s, uint64_t batch);
int store_read_begin(struct store *s); // of the reader; negative errno
