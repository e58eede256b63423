// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>

#include "aggregator/store/write.h"

enum { ENTITIES_A_PIECE = 32, ROWS_A_PIECE = 2000, LATE_MS = 60000 };

// How long after its end a span may still get rows: what is live, and for roll-ups the span that
// they are made from and its own wait.
static int64_t grace_ms(const struct store_write *w, enum store_resolution r)
{
	int64_t grace = w->o.live_ms + LATE_MS;
	for (int below = 0; below < (int)r; below++)
		grace += store_resolutions[below].step_ms * store_resolutions[below].span + LATE_MS;
	return grace;
}

static int put_chunk(struct store_write *w, enum store_resolution r, int64_t id)
{
	buf_reset(&w->blob);
	int failed = store_chunk_encode(w->codec, &w->span, &w->blob);
	if (!failed)
		failed = store_write_row(w, store_sql_of(&w->disk, r, SQL_CHUNK_REPLACE), id,
			w->blob.data, w->blob.len);
	w->counters.chunks_written += !failed;
	return failed;
}

static int put_rolled(
	struct store_write *w, enum store_resolution r, int64_t first, uint32_t entity)
{
	const struct store_resolution_info *info = &store_resolutions[r];
	for (unsigned at = 0; info->per_up && at < info->span; at += info->per_up) {
		store_columns_roll(&w->one, &w->span, at, info->per_up);
		buf_reset(&w->blob);
		int failed = store_chunk_encode(w->codec, &w->one, &w->blob);
		if (!failed && w->blob.len > 2) // more than a head: it has values
			failed = store_write_row(w, store_sql_of(&w->disk, r + 1, SQL_BIN_REPLACE),
				store_row_id((first + at) / info->per_up, entity), w->blob.data,
				w->blob.len);
		if (failed)
			return failed;
	}
	return 0;
}

static int seen(struct store_write *w, uint32_t entity, int64_t ms)
{
	sqlite3_stmt *s = store_sql(&w->disk, SQL_ENTITY_SEEN);
	if (s) {
		sqlite3_bind_int64(s, 1, ms);
		sqlite3_bind_int64(s, 2, entity);
	}
	return store_disk_run(&w->disk, s);
}

int store_compact_entity(
	struct store_write *w, enum store_resolution r, int64_t span, uint32_t entity)
{
	const struct store_resolution_info *info = &store_resolutions[r];
	int64_t first = span * info->span;
	size_t all = w->span.n;
	store_columns_clear(&w->span);
	w->span.n = info->span;
	int found = store_write_load(w, store_sql_of(&w->disk, r, SQL_CHUNK_GET),
		store_row_id(span, entity), &w->span, 0);
	for (unsigned i = 0; found >= 0 && i < info->span; i++)
		found = store_write_load(w, store_sql_of(&w->disk, r, SQL_BIN_GET),
			store_row_id(first + i, entity), &w->span, i);
	int failed = found < 0 ? found : put_chunk(w, r, store_row_id(span, entity));
	if (!failed)
		failed = put_rolled(w, r, first, entity);
	if (!failed)
		failed = seen(w, entity, (first + info->span) * info->step_ms);
	w->span.n = all;
	return failed;
}

static int collect_entities(struct store_write *w, enum store_resolution r, int64_t span)
{
	unsigned n = store_resolutions[r].span;
	sqlite3_stmt *s = store_sql_of(&w->disk, r, SQL_BIN_ENTITIES);
	size_t room = 0;
	int rc;
	if (!s)
		return store_disk_error(w->disk.db, sqlite3_errcode(w->disk.db));
	sqlite3_bind_int64(s, 1, store_row_id(span * n, 0));
	sqlite3_bind_int64(s, 2, store_row_id((span + 1) * n, 0));
	w->pass.n = w->pass.next = 0;
	while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
		if (w->pass.n == room) {
			room = room ? 2 * room : 256;
			uint32_t *more = realloc(w->pass.entities, room * sizeof(*more));
			if (!more) {
				rc = SQLITE_NOMEM;
				break;
			}
			w->pass.entities = more;
		}
		w->pass.entities[w->pass.n++] = (uint32_t)sqlite3_column_int64(s, 0);
	}
	int failed = store_disk_error(w->disk.db, rc);
	sqlite3_reset(s);
	return failed;
}

static int delete_rows(struct store_write *w, enum store_resolution r, int64_t from, int64_t to)
{
	sqlite3_stmt *s = store_sql_of(&w->disk, r, SQL_BIN_DELETE);
	if (s) {
		sqlite3_bind_int64(s, 1, from);
		sqlite3_bind_int64(s, 2, to);
		sqlite3_bind_int(s, 3, ROWS_A_PIECE);
	}
	int failed = store_disk_run(&w->disk, s);
	return failed ? failed : sqlite3_changes(w->disk.db);
}

// Looks for the oldest span that is due. 1: found (or rows past their retention deleted).
static int begin_pass(struct store_write *w, enum store_resolution r, int64_t now_ms)
{
	const struct store_resolution_info *info = &store_resolutions[r];
	sqlite3_stmt *s = store_sql_of(&w->disk, r, SQL_BIN_ENDS);
	int rc = s ? sqlite3_step(s) : SQLITE_ERROR;
	bool any = rc == SQLITE_ROW && sqlite3_column_type(s, 0) != SQLITE_NULL;
	int64_t oldest = any ? sqlite3_column_int64(s, 0) >> STORE_ENTITY_BITS : 0;
	int failed = store_disk_error(w->disk.db, rc);
	if (s)
		sqlite3_reset(s);
	if (failed || !any)
		return failed;
	int64_t kept = (now_ms - w->o.retention_ms[r]) / info->step_ms;
	if (oldest < kept) {
		failed = delete_rows(w, r, 0, store_row_id(kept, 0));
		return failed < 0 ? failed : 1;
	}
	int64_t span = oldest / info->span;
	if ((span + 1) * info->span * info->step_ms + grace_ms(w, r) > now_ms)
		return 0;
	free(w->pass.entities);
	w->pass.entities = NULL;
	failed = collect_entities(w, r, span);
	if (failed)
		return failed;
	w->pass.active = true;
	w->pass.resolution = r;
	w->pass.span = span;
	if (w->compacted[r] < span + 1)
		w->compacted[r] = span + 1;
	return 1;
}

static int entities_piece(struct store_write *w)
{
	size_t next = w->pass.next;
	int failed = store_disk_run(&w->disk, store_sql(&w->disk, SQL_BEGIN));
	if (failed)
		return failed;
	for (int i = 0; !failed && i < ENTITIES_A_PIECE && next < w->pass.n; i++)
		failed = store_compact_entity(
			w, w->pass.resolution, w->pass.span, w->pass.entities[next++]);
	if (!failed)
		failed = store_disk_run(&w->disk, store_sql(&w->disk, SQL_COMMIT));
	if (failed) {
		if (!sqlite3_get_autocommit(w->disk.db))
			store_disk_run(&w->disk, store_sql(&w->disk, SQL_ROLLBACK));
		return failed;
	}
	w->pass.next = next;
	return 1;
}

int store_compact_piece(struct store_write *w, int64_t now_ms)
{
	for (int r = 0; !w->pass.active && r < STORE_RESOLUTIONS; r++) {
		int begun = begin_pass(w, (enum store_resolution)r, now_ms);
		if (begun)
			return begun;
	}
	if (!w->pass.active)
		return 0;
	if (w->pass.next < w->pass.n)
		return entities_piece(w);
	int64_t n = store_resolutions[w->pass.resolution].span;
	int deleted = delete_rows(w, w->pass.resolution, store_row_id(w->pass.span * n, 0),
		store_row_id((w->pass.span + 1) * n, 0));
	if (deleted < 0)
		return deleted;
	w->pass.active = deleted > 0;
	return 1;
}
