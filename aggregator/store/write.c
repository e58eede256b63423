// SPDX-License-Identifier: Apache-2.0
#include "aggregator/store/write.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	JOURNAL_MS =
		75000, // a put may be 60 s ahead of the clock, its bin 10 s long, closed 3 s late
	CHECKPOINT_PAGES = 1000,
	RESTART_PAGES = 16384, // 64 MiB: now wait for readers
	SWEEP_EVERY_MS = 300000,
	DELETE_ROWS = 200, // chunks of 20 KB: some ms
	VACUUM_PAGES = 256,
	DOCUMENT_DAYS = 36, // of those with a date
};

int store_write_init(struct store_write *w, const struct store_write_options *o)
{
	unsigned longest = 0;
	*w = (struct store_write){.o = *o};
	buf_init(&w->blob, CHUNK_MAX_BYTES * 2);
	for (int r = 0; r < STORE_RESOLUTIONS; r++)
		if (store_resolutions[r].span > longest)
			longest = store_resolutions[r].span;
	if (store_codec_new(&w->codec) < 0 ||
		store_columns_init(&w->one, 1, store_wanted_all) < 0 ||
		store_columns_init(&w->other, 1, store_wanted_all) < 0 ||
		store_columns_init(&w->span, longest, store_wanted_all) < 0) {
		store_write_done(w);
		return -ENOMEM;
	}
	return 0;
}

void store_write_done(struct store_write *w)
{
	store_write_close(w);
	store_codec_free(w->codec);
	store_columns_done(&w->one);
	store_columns_done(&w->other);
	store_columns_done(&w->span);
	buf_done(&w->blob);
	*w = (struct store_write){0};
}

static int on_wal(void *arg, sqlite3 *db, const char *name, int pages)
{
	struct store_write *w = arg;
	w->wal_pages = pages;
	return SQLITE_OK;
}

int store_write_open(struct store_write *w, struct why *why)
{
	int failed = store_disk_open(&w->disk, w->o.path, true, why);
	if (failed)
		return failed;
	w->generation++;
	w->pass.active = false;
	w->swept_ms = 0;
	w->wal_pages = 0;
	sqlite3_wal_hook(w->disk.db, on_wal, w);
	for (int r = 0; r < STORE_RESOLUTIONS; r++) {
		sqlite3_stmt *s = store_sql_of(&w->disk, (enum store_resolution)r, SQL_CHUNK_ENDS);
		w->compacted[r] = 0;
		if (s && sqlite3_step(s) == SQLITE_ROW && sqlite3_column_type(s, 1) != SQLITE_NULL)
			w->compacted[r] = (sqlite3_column_int64(s, 1) >> STORE_ENTITY_BITS) + 1;
		if (s)
			sqlite3_reset(s);
	}
	return 0;
}

void store_write_close(struct store_write *w)
{
	free(w->pass.entities);
	w->pass.entities = NULL;
	w->pass.active = false;
	store_disk_close(&w->disk);
}

static int error_of(struct store_write *w)
{
	int failed = store_disk_error(w->disk.db, sqlite3_errcode(w->disk.db));
	return failed ? failed : -EIO;
}

int store_write_load(
	struct store_write *w, sqlite3_stmt *get, int64_t id, struct store_columns *into, size_t at)
{
	if (!get)
		return error_of(w);
	sqlite3_bind_int64(get, 1, id);
	int rc = sqlite3_step(get), found = 0;
	if (rc == SQLITE_ROW) {
		const struct store_blob blob = {
			sqlite3_column_blob(get, 0), (size_t)sqlite3_column_bytes(get, 0)};
		found = 1;
		if (store_chunk_decode(w->codec, blob, store_wanted_all, into, at) < 0) {
			w->counters.damaged_rows++;
			found = 0;
		}
	}
	int failed = store_disk_error(w->disk.db, rc);
	sqlite3_reset(get);
	return failed ? failed : found;
}

int store_write_row(
	struct store_write *w, sqlite3_stmt *put, int64_t id, const void *blob, size_t len)
{
	if (!put)
		return error_of(w);
	sqlite3_bind_int64(put, 1, id);
	sqlite3_bind_blob(put, 2, blob, (int)len, SQLITE_STATIC);
	int rc = sqlite3_step(put);
	int failed = (rc & 0xff) == SQLITE_CONSTRAINT ? 1 : store_disk_error(w->disk.db, rc);
	sqlite3_reset(put);
	if (!failed)
		w->counters.bytes_written += len;
	return failed;
}

// --- a batch --------------------------------------------------------------------------------

static void bind_entity(sqlite3_stmt *s, const struct store_ref *ref)
{
	sqlite3_bind_int(s, 1, ref->kind);
	sqlite3_bind_text(s, 2, ref->key, ref->cluster_len, SQLITE_STATIC);
	sqlite3_bind_text(s, 3, ref->key + ref->cluster_len + 1, -1, SQLITE_STATIC);
}

struct batch_writing {
	struct store_write *w;
	int64_t now_ms;
};

static int entity_id(void *arg, struct store_ref *ref, uint32_t *ret)
{
	struct batch_writing *b = arg;
	struct store_disk *d = &b->w->disk;
	if (ref->generation == b->w->generation) {
		*ret = ref->id;
		return 0;
	}
	sqlite3_stmt *s = store_sql(d, SQL_ENTITY_GET);
	if (!s)
		return error_of(b->w);
	bind_entity(s, ref);
	int rc = sqlite3_step(s), failed = store_disk_error(d->db, rc);
	int64_t id = rc == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
	sqlite3_reset(s);
	if (!failed && !id) {
		s = store_sql(d, SQL_ENTITY_ADD);
		if (!s)
			return error_of(b->w);
		bind_entity(s, ref);
		sqlite3_bind_int64(s, 4, b->now_ms);
		failed = store_disk_run(d, s);
		id = sqlite3_last_insert_rowid(d->db);
	}
	if (!failed && id >> STORE_ENTITY_BITS)
		failed = -EOVERFLOW;
	if (failed)
		return failed;
	ref->id = *ret = (uint32_t)id;
	ref->generation = b->w->generation;
	return 0;
}

// Adds the blob to what the file has of this bin, in its row or (for a span that was compacted) in
// its chunk.
static int merge_bin(
	struct store_write *w, const struct store_bin_head *h, int64_t id, bool has_row)
{
	enum store_resolution r = (enum store_resolution)h->resolution;
	unsigned span = store_resolutions[r].span;
	int found;
	store_columns_clear(&w->one);
	store_columns_clear(&w->other);
	if (has_row) {
		found = store_write_load(w, store_sql_of(&w->disk, r, SQL_BIN_GET), id, &w->one, 0);
	} else {
		store_columns_clear(&w->span);
		found = store_write_load(w, store_sql_of(&w->disk, r, SQL_CHUNK_GET),
			store_row_id(
				h->index / span, (uint32_t)(id & ((1 << STORE_ENTITY_BITS) - 1))),
			&w->span, 0);
		if (found > 0)
			store_columns_merge(&w->one, 0, &w->span, (size_t)(h->index % span));
	}
	if (found < 0)
		return found;
	if (store_chunk_decode(w->codec, (struct store_blob){h + 1, h->len}, store_wanted_all,
		    &w->other, 0) < 0)
		return 0; // cannot be: we made it
	store_columns_merge(&w->one, 0, &w->other, 0);
	buf_reset(&w->blob);
	int failed = store_chunk_encode(w->codec, &w->one, &w->blob);
	return failed ? failed
		      : store_write_row(w, store_sql_of(&w->disk, r, SQL_BIN_REPLACE), id,
				w->blob.data, w->blob.len);
}

static int write_bin(struct batch_writing *b, const struct store_bin_head *h)
{
	struct store_write *w = b->w;
	enum store_resolution r = (enum store_resolution)h->resolution;
	int64_t span = h->index / store_resolutions[r].span;
	uint32_t entity;
	int failed = entity_id(b, h->ref, &entity);
	if (failed)
		return failed;
	if (w->pass.active && w->pass.resolution == r && w->pass.span == span)
		w->pass.active = false; // it begins again, with this row
	int64_t id = store_row_id(h->index, entity);
	failed = store_write_row(w, store_sql_of(&w->disk, r, SQL_BIN_INSERT), id, h + 1, h->len);
	if (failed == 1)
		return merge_bin(w, h, id, true);
	if (!failed && span < w->compacted[r])
		return merge_bin(w, h, id, false);
	return failed;
}

static int write_journal(struct batch_writing *b, const struct store_batch *batch)
{
	struct store_disk *d = &b->w->disk;
	sqlite3_stmt *s = store_sql(d, SQL_JOURNAL_CUT);
	if (!s)
		return error_of(b->w);
	sqlite3_bind_int64(s, 1, batch->now_ms - JOURNAL_MS);
	sqlite3_bind_int64(s, 2, batch->now_ms + JOURNAL_MS);
	int failed = store_disk_run(d, s);
	if (failed || !batch->puts.len)
		return failed;
	buf_reset(&b->w->blob);
	struct buf *blob = &b->w->blob;
	size_t max = blob->max;
	blob->max = JOURNAL_MAX_BYTES;
	failed = store_journal_pack(batch, entity_id, b, blob);
	blob->max = max;
	s = failed ? NULL : store_sql(d, SQL_JOURNAL_ADD);
	if (!s)
		return failed ? failed : error_of(b->w);
	sqlite3_bind_int64(s, 1, batch->now_ms);
	sqlite3_bind_blob(s, 2, blob->data, (int)blob->len, SQLITE_STATIC);
	failed = store_disk_run(d, s);
	b->w->counters.bytes_written += blob->len;
	return failed;
}

static int write_documents(struct store_write *w, const struct store_batch *batch)
{
	for (size_t i = 0; i < batch->n_documents; i++) {
		const struct store_document *doc = batch->documents[i];
		sqlite3_stmt *s = store_sql(&w->disk, SQL_DOCUMENT_SET);
		if (!s)
			return error_of(w);
		sqlite3_bind_text(s, 1, doc->key, -1, SQLITE_STATIC);
		sqlite3_bind_blob(s, 2, doc->data, (int)doc->len, SQLITE_STATIC);
		int failed = store_disk_run(&w->disk, s);
		if (failed)
			return failed;
	}
	return 0;
}

static int write_now(struct store_write *w, int64_t now_ms)
{
	sqlite3_stmt *s = store_sql(&w->disk, SQL_META_SET);
	if (!s)
		return error_of(w);
	sqlite3_bind_text(s, 1, "now_ms", -1, SQLITE_STATIC);
	sqlite3_bind_int64(s, 2, now_ms);
	return store_disk_run(&w->disk, s);
}

int store_write_batch(struct store_write *w, const struct store_batch *batch)
{
	struct batch_writing b = {w, batch->now_ms};
	const struct store_bin_head *h;
	int failed = store_disk_run(&w->disk, store_sql(&w->disk, SQL_BEGIN));
	if (failed)
		return failed;
	uint32_t generation = w->generation;
	for (size_t at = 0; !failed && (h = store_batch_next_bin(batch, &at));)
		failed = write_bin(&b, h);
	if (!failed)
		failed = write_journal(&b, batch);
	if (!failed)
		failed = write_documents(w, batch);
	if (!failed)
		failed = write_now(w, batch->now_ms);
	if (!failed)
		failed = store_disk_run(&w->disk, store_sql(&w->disk, SQL_COMMIT));
	if (!failed) {
		w->counters.bins_written += batch->n_bins;
		return 0;
	}
	if (!sqlite3_get_autocommit(w->disk.db))
		store_disk_run(&w->disk, store_sql(&w->disk, SQL_ROLLBACK));
	// numbers given in this transaction are gone with it
	w->generation = generation + 1;
	return failed;
}

// --- what is due ----------------------------------------------------------------------------

static int checkpoint(struct store_write *w)
{
	int mode = w->wal_pages > RESTART_PAGES ? SQLITE_CHECKPOINT_RESTART
						: SQLITE_CHECKPOINT_PASSIVE;
	int rc = sqlite3_wal_checkpoint_v2(w->disk.db, NULL, mode, NULL, NULL);
	w->wal_pages = 0; // the hook tells with the next commit
	if ((rc & 0xff) == SQLITE_BUSY)
		return 0;
	return store_disk_error(w->disk.db, rc);
}

static int64_t pragma(struct store_write *w, const char *text)
{
	sqlite3_stmt *s;
	int64_t value = 0;
	if (sqlite3_prepare_v2(w->disk.db, text, -1, &s, NULL) != SQLITE_OK)
		return 0;
	while (sqlite3_step(s) == SQLITE_ROW)
		value = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return value;
}

static int64_t oldest_ms(struct store_write *w, enum store_resolution r)
{
	const struct store_resolution_info *info = &store_resolutions[r];
	int64_t oldest = INT64_MAX;
	for (int chunks = 0; chunks < 2; chunks++) {
		int64_t unit_ms = info->step_ms * (chunks ? info->span : 1);
		sqlite3_stmt *s = store_sql_of(&w->disk, r, chunks ? SQL_CHUNK_ENDS : SQL_BIN_ENDS);
		if (s && sqlite3_step(s) == SQLITE_ROW &&
			sqlite3_column_type(s, 0) != SQLITE_NULL) {
			int64_t ms = (sqlite3_column_int64(s, 0) >> STORE_ENTITY_BITS) * unit_ms;
			oldest = ms < oldest ? ms : oldest;
		}
		if (s)
			sqlite3_reset(s);
	}
	return oldest == INT64_MAX ? 0 : oldest;
}

// 1: there may be more.
static int sweep_documents(struct store_write *w, int64_t now_ms)
{
	char before[16]; // digits sort as their numbers do
	int64_t day = now_ms / 86400000 - DOCUMENT_DAYS;
	sqlite3_stmt *s = store_sql(&w->disk, SQL_DOCUMENT_FORGET);
	if (!s)
		return error_of(w);
	snprintf(before, sizeof(before), "day/%05d", day > 0 && day < 100000 ? (int)day : 0);
	sqlite3_bind_text(s, 1, before, -1, SQLITE_STATIC);
	sqlite3_bind_int(s, 2, DELETE_ROWS);
	int failed = store_disk_run(&w->disk, s);
	return failed ? failed : sqlite3_changes(w->disk.db) > 0;
}

// Deletes what is past its retention, a few rows at a time. 1: there may be more.
static int sweep_piece(struct store_write *w, int64_t now_ms)
{
	int64_t longest = 0;
	for (int r = 0; r < STORE_RESOLUTIONS; r++) {
		const struct store_resolution_info *info = &store_resolutions[r];
		int64_t bound = (now_ms - w->o.retention_ms[r]) / (info->step_ms * info->span);
		sqlite3_stmt *s =
			store_sql_of(&w->disk, (enum store_resolution)r, SQL_CHUNK_DELETE);
		longest = w->o.retention_ms[r] > longest ? w->o.retention_ms[r] : longest;
		if (bound <= 0)
			continue;
		if (!s)
			return error_of(w);
		sqlite3_bind_int64(s, 1, 0);
		sqlite3_bind_int64(s, 2, store_row_id(bound, 0));
		sqlite3_bind_int(s, 3, DELETE_ROWS);
		int failed = store_disk_run(&w->disk, s);
		if (failed || sqlite3_changes(w->disk.db) > 0)
			return failed ? failed : 1;
	}
	int swept = sweep_documents(w, now_ms);
	if (swept)
		return swept;
	sqlite3_stmt *s = store_sql(&w->disk, SQL_ENTITY_FORGET);
	if (!s)
		return error_of(w);
	// a chunk of hours goes up to a span later than its oldest hour
	sqlite3_bind_int64(s, 1, now_ms - longest - 14 * 86400000ll);
	int failed = store_disk_run(&w->disk, s);
	if (failed)
		return failed;
	int64_t pages = pragma(w, "PRAGMA page_count"), unused = pragma(w, "PRAGMA freelist_count");
	if (unused > pages / 4 && unused > VACUUM_PAGES) {
		pragma(w, "PRAGMA incremental_vacuum(256)");
		return 1;
	}
	w->counters.file_bytes = pages * pragma(w, "PRAGMA page_size");
	w->counters.oldest_10s_ms = oldest_ms(w, STORE_10S);
	w->counters.oldest_1h_ms = oldest_ms(w, STORE_1H);
	w->swept_ms = now_ms;
	return 0;
}

void store_write_relieve(struct store_write *w)
{
	sqlite3_wal_checkpoint_v2(w->disk.db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	w->wal_pages = 0;
}

int store_write_piece(struct store_write *w, int64_t now_ms)
{
	if (w->wal_pages >= CHECKPOINT_PAGES) {
		int failed = checkpoint(w);
		if (failed)
			return failed;
	}
	if (llabs(now_ms - w->swept_ms) >= SWEEP_EVERY_MS)
		return sweep_piece(w, now_ms);
	return store_compact_piece(w, now_ms);
}
