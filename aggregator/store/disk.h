// SPDX-License-Identifier: Apache-2.0
// The database file: schema, statements, and SQLite's errors as ours.
//
// Three resolutions, each with two tables of blobs (chunk.h): rows of one bin, as they come, and
// rows of a whole span of bins, which replace them once the span is past ("compaction"). What a row
// says of a bin is the truth; where there is none, the chunk. Keys are (bin or span number) << 24 |
// entity, so that rows are appended at the end, a range of time is a range of keys, and one bin of
// one entity is one look-up. Sizes: reference c-stack 5 (blobs of about 120 values: 21 M samples/s,
// against 0.6 M for a row per sample).
#pragma once

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/base/why.h"

enum store_resolution { STORE_10S, STORE_5MIN, STORE_1H, STORE_RESOLUTIONS };
struct store_resolution_info {
	int64_t step_ms;
	unsigned span;   // bins of a chunk
	unsigned per_up; // bins in one of the next resolution, 0 for the last
};
extern const struct store_resolution_info store_resolutions[STORE_RESOLUTIONS];

enum { STORE_ENTITY_BITS = 24 };
static inline int64_t store_row_id(int64_t index, uint32_t entity)
{
	return index << STORE_ENTITY_BITS | entity;
}

// One statement per resolution each.
enum store_per_resolution {
	SQL_BIN_INSERT, // (id, data); fails where there is one
	SQL_BIN_REPLACE,
	SQL_BIN_GET,      // (id) -> data
	SQL_BIN_DELETE,   // (from id, to id, limit)
	SQL_BIN_ENDS,     // -> least, greatest id; NULL if empty
	SQL_BIN_ENTITIES, // (from id, to id) -> entity
	SQL_CHUNK_REPLACE,
	SQL_CHUNK_GET,
	SQL_CHUNK_DELETE,
	SQL_CHUNK_ENDS,
	SQL_PER_RESOLUTION,
};
enum store_sql {
	SQL_BEGIN,      // to write
	SQL_BEGIN_READ, // one snapshot for several statements
	SQL_COMMIT,
	SQL_ROLLBACK,
	SQL_ENTITY_GET,    // (kind, cluster, name) -> id
	SQL_ENTITY_ADD,    // (kind, cluster, name, seen_ms)
	SQL_ENTITY_NAME,   // (id) -> kind, cluster, name
	SQL_ENTITY_SEEN,   // (seen_ms, id)
	SQL_ENTITY_FORGET, // (before_ms)
	SQL_JOURNAL_ADD,   // (now_ms, data)
	SQL_JOURNAL_CUT,   // (before_ms, after_ms)
	SQL_JOURNAL_ALL,   // -> now_ms, data
	SQL_META_SET,      // (key, value)
	SQL_META_GET,      // (key) -> value
	SQL_DOCUMENT_SET,
	SQL_DOCUMENT_GET,
	SQL_DOCUMENT_FORGET,
	SQL_COUNT,
};

struct store_disk {
	sqlite3 *db;
	sqlite3_stmt *statements[SQL_COUNT];
	sqlite3_stmt *per_resolution[STORE_RESOLUTIONS][SQL_PER_RESOLUTION];
};

// Opens; a writer makes the schema too. A path that starts with "file:" is an SQLite URI. -EBADMSG:
// the file is corrupted or no database of ours; -ENOSPC, -EACCES, -EIO, -ENOMEM.
int store_disk_open(struct store_disk *d, const char *path, bool writer, struct why *why);
void store_disk_close(struct store_disk *d);
int store_disk_error(sqlite3 *db, int rc); // SQLite's result as negative errno, 0 for success
// Statements, made on first use and kept; NULL on failure (see sqlite3_errcode).
sqlite3_stmt *store_sql(struct store_disk *d, enum store_sql s);
sqlite3_stmt *store_sql_of(
	struct store_disk *d, enum store_resolution r, enum store_per_resolution s);
// Runs a statement that gives no rows, and resets it. Negative errno.
int store_disk_run(struct store_disk *d, sqlite3_stmt *s);
