// SPDX-License-Identifier: Apache-2.0
#include "aggregator/store/disk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	APPLICATION_ID = 0x5054524c, // "PTRL"
	SCHEMA_VERSION = 1,
	BUSY_MS = 2000,
	CHECK_MAX_BYTES = 128 << 20, // a file up to this size is checked whole when it is opened
};

const struct store_resolution_info store_resolutions[STORE_RESOLUTIONS] = {
	{10000, 120, 30},  // 20 min
	{300000, 144, 12}, // 12 h
	{3600000, 168, 0}, // 7 d
};
static const char *const suffixes[STORE_RESOLUTIONS] = {"10s", "5min", "1h"};

static const char *const per_resolution_sql[SQL_PER_RESOLUTION] = {
	[SQL_BIN_INSERT] = "INSERT INTO bin_%1$s VALUES (?1, ?2)",
	[SQL_BIN_REPLACE] = "INSERT OR REPLACE INTO bin_%1$s VALUES (?1, ?2)",
	[SQL_BIN_GET] = "SELECT data FROM bin_%1$s WHERE id = ?1",
	[SQL_BIN_DELETE] = "DELETE FROM bin_%1$s WHERE id IN"
			   " (SELECT id FROM bin_%1$s WHERE id >= ?1 AND id < ?2 LIMIT ?3)",
	[SQL_BIN_ENDS] = "SELECT (SELECT min(id) FROM bin_%1$s), (SELECT max(id) FROM bin_%1$s)",
	[SQL_BIN_ENTITIES] =
		"SELECT DISTINCT id & 16777215 FROM bin_%1$s WHERE id >= ?1 AND id < ?2",
	[SQL_CHUNK_REPLACE] = "INSERT OR REPLACE INTO chunk_%1$s VALUES (?1, ?2)",
	[SQL_CHUNK_GET] = "SELECT data FROM chunk_%1$s WHERE id = ?1",
	[SQL_CHUNK_DELETE] = "DELETE FROM chunk_%1$s WHERE id IN"
			     " (SELECT id FROM chunk_%1$s WHERE id >= ?1 AND id < ?2 LIMIT ?3)",
	[SQL_CHUNK_ENDS] =
		"SELECT (SELECT min(id) FROM chunk_%1$s), (SELECT max(id) FROM chunk_%1$s)",
};
static const char *const sql[SQL_COUNT] = {
	[SQL_BEGIN] = "BEGIN IMMEDIATE",
	[SQL_BEGIN_READ] = "BEGIN",
	[SQL_COMMIT] = "COMMIT",
	[SQL_ROLLBACK] = "ROLLBACK",
	[SQL_ENTITY_GET] = "SELECT id FROM entity WHERE kind = ?1 AND cluster = ?2 AND name = ?3",
	[SQL_ENTITY_ADD] =
		"INSERT INTO entity (kind, cluster, name, seen_ms) VALUES (?1, ?2, ?3, ?4)",
	[SQL_ENTITY_NAME] = "SELECT kind, cluster, name FROM entity WHERE id = ?1",
	[SQL_ENTITY_SEEN] = "UPDATE entity SET seen_ms = ?1 WHERE id = ?2",
	[SQL_ENTITY_FORGET] = "DELETE FROM entity WHERE seen_ms < ?1",
	[SQL_JOURNAL_ADD] = "INSERT INTO journal (now_ms, data) VALUES (?1, ?2)",
	[SQL_JOURNAL_CUT] = "DELETE FROM journal WHERE now_ms < ?1 OR now_ms > ?2",
	[SQL_JOURNAL_ALL] = "SELECT now_ms, data FROM journal ORDER BY id",
	[SQL_META_SET] = "INSERT OR REPLACE INTO meta VALUES (?1, ?2)",
	[SQL_META_GET] = "SELECT value FROM meta WHERE key = ?1",
	[SQL_DOCUMENT_SET] = "INSERT OR REPLACE INTO document VALUES (?1, ?2)",
	[SQL_DOCUMENT_GET] = "SELECT data FROM document WHERE key = ?1",
	[SQL_DOCUMENT_FORGET] = ("DELETE FROM document WHERE key IN (SELECT key FROM document "
				 "WHERE key >= 'day/' AND key < ?1 LIMIT ?2)"),
};

static const char schema[] =
	"CREATE TABLE IF NOT EXISTS entity (id INTEGER PRIMARY KEY, kind INTEGER NOT NULL,"
	" cluster TEXT NOT NULL, name TEXT NOT NULL, seen_ms INTEGER NOT NULL,"
	" UNIQUE (kind, cluster, name)) STRICT;"
	"CREATE TABLE IF NOT EXISTS journal (id INTEGER PRIMARY KEY, now_ms INTEGER NOT NULL,"
	" data BLOB NOT NULL) STRICT;"
	"CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;"
	"CREATE TABLE IF NOT EXISTS document (key TEXT PRIMARY KEY, data BLOB NOT NULL) STRICT;";

int store_disk_error(sqlite3 *db, int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
	case SQLITE_ROW: return 0;
	case SQLITE_FULL: return -ENOSPC;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_FORMAT: return -EBADMSG;
	case SQLITE_NOMEM: return -ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED: return -EAGAIN;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH: return -EACCES;
	}
	int error = db ? sqlite3_system_errno(db) : 0;
	if (error == ENOSPC || error == EDQUOT)
		return -ENOSPC;
	if ((rc & 0xff) == SQLITE_CANTOPEN)
		return error > 0 ? -error : -EACCES;
	return -EIO;
}

static int exec(struct store_disk *d, const char *text)
{
	return store_disk_error(d->db, sqlite3_exec(d->db, text, NULL, NULL, NULL));
}

static int number_of(struct store_disk *d, const char *text, int64_t *ret)
{
	sqlite3_stmt *s;
	int rc = sqlite3_prepare_v2(d->db, text, -1, &s, NULL);
	if (rc == SQLITE_OK) {
		rc = sqlite3_step(s);
		if (rc == SQLITE_ROW)
			*ret = sqlite3_column_int64(s, 0);
		sqlite3_finalize(s);
	}
	return store_disk_error(d->db, rc);
}

// Makes the tables; refuses a database that someone else made.
static int make_schema(struct store_disk *d)
{
	int64_t id = 0, version = 0, tables = 0;
	char text[256];
	int failed = number_of(d, "PRAGMA application_id", &id);
	if (!failed)
		failed = number_of(d, "PRAGMA user_version", &version);
	if (!failed)
		failed = number_of(d, "SELECT count(*) FROM sqlite_schema", &tables);
	if (failed)
		return failed;
	if (tables && (id != APPLICATION_ID || version != SCHEMA_VERSION))
		return -EBADMSG;
	if (!tables) {
		snprintf(text, sizeof(text),
			"PRAGMA auto_vacuum = INCREMENTAL; PRAGMA application_id = %d;"
			"PRAGMA user_version = %d",
			APPLICATION_ID, SCHEMA_VERSION);
		failed = exec(d, text);
	}
	if (!failed)
		failed = exec(d, "PRAGMA journal_mode = WAL; PRAGMA journal_size_limit = 67108864;"
				 "PRAGMA wal_autocheckpoint = 0");
	if (!failed)
		failed = exec(d, schema);
	for (int r = 0; r < STORE_RESOLUTIONS && !failed; r++) {
		snprintf(text, sizeof(text),
			"CREATE TABLE IF NOT EXISTS bin_%1$s (id INTEGER PRIMARY KEY,"
			" data BLOB NOT NULL) STRICT; CREATE TABLE IF NOT EXISTS chunk_%1$s"
			" (id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT",
			suffixes[r]);
		failed = exec(d, text);
	}
	return failed;
}

// A small file is checked whole; in a large one damage is found where it is met.
static int check(struct store_disk *d)
{
	int64_t pages = 0, page_bytes = 0;
	sqlite3_stmt *s;
	int failed = number_of(d, "PRAGMA page_count", &pages);
	if (!failed)
		failed = number_of(d, "PRAGMA page_size", &page_bytes);
	if (failed || pages * page_bytes > CHECK_MAX_BYTES)
		return failed;
	int rc = sqlite3_prepare_v2(d->db, "PRAGMA quick_check(1)", -1, &s, NULL);
	if (rc != SQLITE_OK)
		return store_disk_error(d->db, rc);
	rc = sqlite3_step(s);
	failed = store_disk_error(d->db, rc);
	if (rc == SQLITE_ROW && strcmp((const char *)sqlite3_column_text(s, 0), "ok") != 0)
		failed = -EBADMSG;
	sqlite3_finalize(s);
	return failed;
}

int store_disk_open(struct store_disk *d, const char *path, bool writer, struct why *why)
{
	*d = (struct store_disk){0};
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI;
	int rc = sqlite3_open_v2(path, &d->db, flags | (writer ? SQLITE_OPEN_CREATE : 0), NULL);
	int failed = store_disk_error(d->db, rc);
	if (!failed) {
		sqlite3_extended_result_codes(d->db, 1);
		sqlite3_busy_timeout(d->db, BUSY_MS);
		failed = exec(d, "PRAGMA synchronous = NORMAL; PRAGMA cache_size = -8000;"
				 "PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF");
	}
	if (!failed && !writer)
		failed = exec(d, "PRAGMA query_only = ON");
	if (!failed && writer)
		failed = make_schema(d);
	if (!failed && writer)
		failed = check(d);
	if (!failed)
		return 0;
	why_set(why, failed, failed == -EBADMSG ? WHY_BUG : WHY_RETRY, "%s: %s", path,
		d->db ? sqlite3_errmsg(d->db) : "no memory");
	store_disk_close(d);
	return failed;
}

void store_disk_close(struct store_disk *d)
{
	for (int i = 0; i < SQL_COUNT; i++)
		sqlite3_finalize(d->statements[i]);
	for (int r = 0; r < STORE_RESOLUTIONS; r++)
		for (int i = 0; i < SQL_PER_RESOLUTION; i++)
			sqlite3_finalize(d->per_resolution[r][i]);
	sqlite3_close_v2(d->db);
	*d = (struct store_disk){0};
}

static sqlite3_stmt *prepared(struct store_disk *d, sqlite3_stmt **at, const char *text)
{
	if (*at)
		sqlite3_reset(*at);
	else
		sqlite3_prepare_v3(d->db, text, -1, SQLITE_PREPARE_PERSISTENT, at, NULL);
	return *at;
}

sqlite3_stmt *store_sql(struct store_disk *d, enum store_sql s)
{
	return prepared(d, &d->statements[s], sql[s]);
}

sqlite3_stmt *store_sql_of(
	struct store_disk *d, enum store_resolution r, enum store_per_resolution s)
{
	char text[256];
	if (d->per_resolution[r][s])
		return prepared(d, &d->per_resolution[r][s], "");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(text, sizeof(text), per_resolution_sql[s], suffixes[r]); // from the table above
#pragma GCC diagnostic pop
	return prepared(d, &d->per_resolution[r][s], text);
}

int store_disk_run(struct store_disk *d, sqlite3_stmt *s)
{
	if (!s)
		return store_disk_error(d->db, sqlite3_errcode(d->db));
	int failed = store_disk_error(d->db, sqlite3_step(s));
	sqlite3_reset(s);
	return failed;
}
