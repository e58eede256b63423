// SPDX-License-Identifier: Apache-2.0
// After a crash: what was put in the last minute goes in again, except into bins that had been
// written. At the tick of the last commit every bin that ended STORE_LATE_MS before it was on the
// disk with all that had been put, so this is exact.
#include <errno.h>

#include "aggregator/store/store_internal.h"

struct recovery {
	struct store *store;
	struct store_write *file;
	int64_t closed_ms;
};

static int on_put(void *arg, const struct store_journal_put *p)
{
	struct recovery *r = arg;
	struct store_entity *e;
	sqlite3_stmt *s = store_sql(&r->file->disk, SQL_ENTITY_NAME);
	if (!s)
		return 0;
	sqlite3_bind_int64(s, 1, p->entity);
	if (sqlite3_step(s) == SQLITE_ROW &&
		store_entity(r->store, (const char *)sqlite3_column_text(s, 1),
			(enum entity_kind)sqlite3_column_int(s, 0),
			(const char *)sqlite3_column_text(s, 2), &e) == 0)
		store_add(r->store, e, &p->record, r->closed_ms);
	sqlite3_reset(s);
	return 0;
}

int store_recover(struct store *s)
{
	struct recovery r = {s, store_writer_file(s->writer), INT64_MIN};
	if (!r.file)
		return 0;
	sqlite3_stmt *meta = store_sql(&r.file->disk, SQL_META_GET);
	if (!meta)
		return -EIO;
	sqlite3_bind_text(meta, 1, "now_ms", -1, SQLITE_STATIC);
	if (sqlite3_step(meta) == SQLITE_ROW)
		r.closed_ms = sqlite3_column_int64(meta, 0) - STORE_LATE_MS;
	sqlite3_reset(meta);
	sqlite3_stmt *all = store_sql(&r.file->disk, SQL_JOURNAL_ALL);
	while (all && sqlite3_step(all) == SQLITE_ROW)
		store_journal_unpack(sqlite3_column_blob(all, 1),
			(size_t)sqlite3_column_bytes(all, 1), sqlite3_column_int64(all, 0), on_put,
			&r);
	if (all)
		sqlite3_reset(all);
	return all ? 0 : -EIO;
}
