// SPDX-License-Identifier: Apache-2.0
#include "aggregator/store/read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct store_reader {
	struct store_disk disk;
	struct store_codec *codec;
	uint32_t files; // of the open one, 0 if none
	char path[];
};

int store_reader_new(struct store_reader **ret, const char *path)
{
	size_t len = strlen(path) + 1;
	struct store_reader *r = calloc(1, sizeof(*r) + len);
	if (!r || store_codec_new(&r->codec) < 0) {
		free(r);
		return -ENOMEM;
	}
	memcpy(r->path, path, len);
	*ret = r;
	return 0;
}

void store_reader_free(struct store_reader *r)
{
	if (!r)
		return;
	store_disk_close(&r->disk);
	store_codec_free(r->codec);
	free(r);
}

static int error_of(struct store_reader *r)
{
	int failed = store_disk_error(r->disk.db, sqlite3_errcode(r->disk.db));
	return failed ? failed : -EIO;
}

int store_reader_begin(struct store_reader *r, uint32_t files)
{
	if (!files)
		return -EAGAIN;
	if (r->files != files) {
		store_disk_close(&r->disk);
		r->files = 0;
		int failed = store_disk_open(&r->disk, r->path, false, NULL);
		if (failed)
			return failed;
		r->files = files;
	}
	return store_disk_run(&r->disk, store_sql(&r->disk, SQL_BEGIN_READ));
}

void store_reader_end(struct store_reader *r)
{
	if (r->disk.db && !sqlite3_get_autocommit(r->disk.db))
		store_disk_run(&r->disk, store_sql(&r->disk, SQL_COMMIT));
}

int store_reader_entity(
	struct store_reader *r, unsigned kind, const char *cluster, const char *name, uint32_t *ret)
{
	sqlite3_stmt *s = store_sql(&r->disk, SQL_ENTITY_GET);
	if (!s)
		return error_of(r);
	sqlite3_bind_int(s, 1, (int)kind);
	sqlite3_bind_text(s, 2, cluster, -1, SQLITE_STATIC);
	sqlite3_bind_text(s, 3, name, -1, SQLITE_STATIC);
	int rc = sqlite3_step(s), failed = store_disk_error(r->disk.db, rc);
	if (rc == SQLITE_ROW)
		*ret = (uint32_t)sqlite3_column_int64(s, 0);
	else if (!failed)
		failed = -ENOENT;
	sqlite3_reset(s);
	return failed;
}

static int ends(struct store_reader *r, enum store_resolution resolution,
	enum store_per_resolution which, int64_t *ret_from, int64_t *ret_to)
{
	sqlite3_stmt *s = store_sql_of(&r->disk, resolution, which);
	if (!s)
		return error_of(r);
	int rc = sqlite3_step(s);
	*ret_from = *ret_to = 0;
	if (rc == SQLITE_ROW && sqlite3_column_type(s, 0) != SQLITE_NULL) {
		*ret_from = sqlite3_column_int64(s, 0) >> STORE_ENTITY_BITS;
		*ret_to = (sqlite3_column_int64(s, 1) >> STORE_ENTITY_BITS) + 1;
	}
	sqlite3_reset(s);
	return store_disk_error(r->disk.db, rc);
}

int store_reader_extent(
	struct store_reader *r, enum store_resolution resolution, struct store_extent *ret)
{
	int failed = ends(r, resolution, SQL_BIN_ENDS, &ret->rows_from, &ret->rows_to);
	if (!failed)
		failed = ends(r, resolution, SQL_CHUNK_ENDS, &ret->chunks_from, &ret->chunks_to);
	ret->chunks_from *= store_resolutions[resolution].span;
	ret->chunks_to *= store_resolutions[resolution].span;
	return failed;
}

static int load(struct store_reader *r, sqlite3_stmt *get, struct store_wanted wanted,
	struct store_columns *into, size_t at)
{
	int rc = sqlite3_step(get);
	if (rc == SQLITE_ROW) { // a damaged row is a hole
		const struct store_blob blob = {
			sqlite3_column_blob(get, 0), (size_t)sqlite3_column_bytes(get, 0)};
		store_chunk_decode(r->codec, blob, wanted, into, at);
	}
	sqlite3_reset(get);
	return store_disk_error(r->disk.db, rc);
}

// The statement that gets a row, ready to step; NULL on failure.
static sqlite3_stmt *get_row(struct store_reader *r, const struct store_stretch *of,
	enum store_per_resolution which, int64_t index)
{
	sqlite3_stmt *s = store_sql_of(&r->disk, of->resolution, which);
	if (s)
		sqlite3_bind_int64(s, 1, store_row_id(index, of->entity));
	return s;
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

int store_reader_read(struct store_reader *r, const struct store_stretch *of,
	struct store_wanted wanted, struct store_columns *into)
{
	struct store_extent extent;
	int64_t span = store_resolutions[of->resolution].span;
	int64_t end = of->first + (int64_t)into->n;
	int failed = store_reader_extent(r, of->resolution, &extent);
	int64_t i = most(of->first, extent.chunks_from);
	for (; !failed && i < least(end, extent.chunks_to); i += span) {
		sqlite3_stmt *get = get_row(r, of, SQL_CHUNK_GET, i / span);
		failed = get ? load(r, get, wanted, into, (size_t)(i - of->first)) : error_of(r);
	}
	for (i = most(of->first, extent.rows_from); !failed && i < least(end, extent.rows_to);
		i++) {
		sqlite3_stmt *get = get_row(r, of, SQL_BIN_GET, i);
		failed = get ? load(r, get, wanted, into, (size_t)(i - of->first)) : error_of(r);
	}
	return failed;
}

int store_reader_document(struct store_reader *r, const char *key, void **ret_data, size_t *ret_len)
{
	sqlite3_stmt *s = store_sql(&r->disk, SQL_DOCUMENT_GET);
	if (!s)
		return error_of(r);
	sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
	int rc = sqlite3_step(s), failed = store_disk_error(r->disk.db, rc);
	if (rc == SQLITE_ROW) {
		size_t len = (size_t)sqlite3_column_bytes(s, 0);
		void *copy = malloc(len + 1);
		if (copy) {
			if (len)
				memcpy(copy, sqlite3_column_blob(s, 0), len);
			*ret_data = copy;
			*ret_len = len;
		} else {
			failed = -ENOMEM;
		}
	} else if (!failed) {
		failed = -ENOENT;
	}
	sqlite3_reset(s);
	return failed;
}
