// SPDX-License-Identifier: Apache-2.0
// What the writer thread does to the file: batches in, compaction, roll-up, retention, checkpoints.
//
// There is no state beside the file: what is to be compacted is what stands in the row tables and
// is old enough; a span is made into a chunk and rolled up to the next resolution in one
// transaction per group of entities, from chunk and rows together, so doing it again after a crash
// gives the same. Everything is cut into pieces of a few ms, so that a commit never waits long.
// Thread: the writer's (before it starts, the loop's).
#pragma once

#include "aggregator/store/batch.h"
#include "aggregator/store/chunk.h"
#include "aggregator/store/disk.h"

struct store_write_options {
	const char *path; // borrowed
	int64_t live_ms;  // nothing older arrives, unless the clock jumps
	int64_t retention_ms[STORE_RESOLUTIONS];
};

struct store_write_counters {
	uint64_t chunks_written, bytes_written, bins_written, damaged_rows;
	int64_t file_bytes, oldest_10s_ms, oldest_1h_ms;
};

struct store_write {
	struct store_write_options o;
	struct store_disk disk;
	uint32_t generation; // of the file: entity numbers of another one mean nothing
	struct store_codec *codec;
	struct store_columns one, other, span;
	struct buf blob;
	int64_t compacted[STORE_RESOLUTIONS]; // spans before this one may have chunks
	struct {                              // compaction under way
		bool active;
		enum store_resolution resolution;
		int64_t span;
		uint32_t *entities;
		size_t n, next;
	} pass;
	int64_t swept_ms;
	int wal_pages;
	struct store_write_counters counters;
};

int store_write_init(struct store_write *w, const struct store_write_options *o); // -ENOMEM
void store_write_done(struct store_write *w);
int store_write_open(struct store_write *w, struct why *why); // as store_disk_open
void store_write_close(struct store_write *w);
int store_write_batch(struct store_write *w, const struct store_batch *b); // all or nothing
// On a full disk: gives back the room of the write-ahead log, if the database has room for it.
void store_write_relieve(struct store_write *w);
// One piece of what is due at now_ms: 1 there may be more, 0 nothing left, negative errno.
int store_write_piece(struct store_write *w, int64_t now_ms);

// compact.c
int store_compact_piece(struct store_write *w, int64_t now_ms);
int store_compact_entity(
	struct store_write *w, enum store_resolution r, int64_t span, uint32_t entity);
// Row of a chunk or bin decoded over into at `at`; false if there is none. Damaged rows count as
// none.
int store_write_load(struct store_write *w, sqlite3_stmt *get, int64_t id,
	struct store_columns *into, size_t at);
int store_write_row(struct store_write *w, sqlite3_stmt *put, int64_t id, const void *blob,
	size_t len); // 1 if there is one already (insert)

// journal.c: puts of a batch as one blob, and back.
enum { JOURNAL_MAX_BYTES = 256 << 20 };
struct store_journal_put {
	uint32_t entity;
	struct store_record record;
};
// id_of gives the number of a ref, or a negative errno.
int store_journal_pack(const struct store_batch *b,
	int (*id_of)(void *arg, struct store_ref *ref, uint32_t *ret), void *arg, struct buf *out);
int store_journal_unpack(const void *blob, size_t len, int64_t now_ms,
	int (*on_put)(void *arg, const struct store_journal_put *p), void *arg);
