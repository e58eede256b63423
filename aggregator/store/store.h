// SPDX-License-Identifier: Apache-2.0
// History of everything measured: the last ten minutes at one second in memory, the rest in one
// SQLite file.
//
// Kept on disk for nodes, groups and workloads (pods live only): 10 s x 48 h, 5 min x 35 d, 1 h x
// 400 d, mean and max, histograms merged, as integer-quantised delta-coded chunks. kill -9 loses at
// most the last second; a full disk stops storing, says so, and storing resumes by itself. Nothing
// here is on the notice path. Values older than the newest are kept to ten leading bits in memory
// and to 1/65536 of the largest of their chunk on disk.
// Ownership: the store owns entities. A handle is good until the 3,600th store_tick() (an hour)
// after the last store_put(), store_entity() or store_find() of it: so pods that come and go do not
// fill the table; look up anew rather than keep one over that. Thread: every function on the loop;
// one writer thread inside owns the database connection for writing, queries read through their own
// connection. Bounds: max_entities, past it store_entity() says -ENOSPC and counts; live_bytes,
// past it the older part of the live window is thinned to 10 s, then to 60 s.
#pragma once

#include "proto/base/why.h"
#include "proto/wire/metric.h"
#include "proto/wire/sample.h"

#include <stddef.h>
#include <stdint.h>

enum entity_kind { ENTITY_NODE, ENTITY_GROUP, ENTITY_WORKLOAD, ENTITY_POD, ENTITY_KIND_COUNT };
const char *entity_kind_name(enum entity_kind kind); // "node", "group", "workload", "pod"

struct store;
struct store_entity; // one node, group, workload or pod of one cluster

struct store_options {
	const char *path; // database file (beside it: -wal, -shm, .lock); NULL: in memory only
	size_t max_entities;
	size_t live_seconds; // 600
	size_t live_bytes;   // budget of the live window; 0: no bound
	int64_t retention_10s_ms, retention_5min_ms, retention_1h_ms; // 0: 48 h, 35 d, 400 d
};
// A damaged file is moved to PATH.corrupt and a new one begun: then 0, and why->text says so. A
// disk that is full or fails is no error (see store_stats). -EBUSY if another process has the file,
// or why the file cannot be made.
int store_new(struct store **ret, const struct store_options *o, struct why *why);
void store_free(struct store *s); // writes what there is, if the disk takes it

// Finds or makes. Names are checked by the caller (text_is_name); cluster and name together at most
// 510 bytes, else -EINVAL. -ENOSPC over max_entities.
int store_entity(struct store *s, const char *cluster, enum entity_kind kind, const char *name,
	struct store_entity **ret);
// NULL if neither known nor (but for pods) on disk.
struct store_entity *store_find(
	struct store *s, const char *cluster, enum entity_kind kind, const char *name);
const char *store_entity_cluster(const struct store_entity *e);
const char *store_entity_name(const struct store_entity *e);
enum entity_kind store_entity_kind(const struct store_entity *e);
// Calls on_entity for each of the kind (cluster NULL: all), in order of first appearance; stops
// when it returns nonzero.
int store_each(struct store *s, const char *cluster, enum entity_kind kind,
	int (*on_entity)(void *arg, struct store_entity *e), void *arg);

// One window of 1 ms to 1 h ending at wall_ms (else -EINVAL). DELTA values are increases within
// window_ms. Out-of-order within the live window is put in its place, the same end replaces; older
// than that is -ESTALE and counted; more than 60 s in the future of the newest tick is -ERANGE.
// Windows of pods under 10 s that follow each other are merged up to 10 s.
int store_put(struct store *s, struct store_entity *e, int64_t wall_ms, uint32_t window_ms,
	const struct scope *values);
// Advances to now: closes bins, hands them to the writer. Call once a second.
void store_tick(struct store *s, int64_t now_ms);
// Waits (at most 10 s) until everything closed so far can be read back from the file: for tests and
// tools.
void store_flush(struct store *s);

// Newest record put, exactly, or NULL if none within the live window. Borrowed until the next call
// of any store_ function.
const struct scope *store_latest(
	const struct store_entity *e, int64_t *ret_wall_ms, uint32_t *ret_window_ms);

// A regular grid: bin i covers [from_ms + i*step_ms, + step_ms). DELTA metrics come as rate per
// second, GAUGE as value: the mean over time; max is the largest mean of a stored window (one
// second, as a rule). Missing bins are NAN in both. The finest stored resolution that covers the
// range is used and merged up to step_ms; where only coarser is left, it stands in every bin it
// covers.
struct store_series {
	int64_t from_ms, step_ms;
	size_t n;
	double *mean, *max; // n each
};
// from and to are aligned down to step_ms (>= 1000, a multiple of 1000). -EINVAL, -E2BIG over
// 20,000 bins, -EIO.
struct store_times {
	int64_t from_ms, to_ms, step_ms;
};
int store_range(struct store *s, const struct store_entity *e, enum metric m, struct store_times t,
	struct store_series *ret);
void store_series_done(struct store_series *r);
struct store_hists {
	int64_t from_ms, step_ms;
	size_t n;
	struct hist *bins; // n; empty where missing
};
int store_hist_range(struct store *s, const struct store_entity *e, enum hist_id h,
	struct store_times t, struct store_hists *ret);
void store_hists_done(struct store_hists *r);

// Small documents kept beside the history (model weights, calibration, issued forecasts): last
// write wins. Key: 1 to 511 bytes; at most 4 MiB each, else -EINVAL. One whose key begins with
// "day/" and its day since the epoch in five digits is deleted once that is 36 days ago.
int store_document_put(struct store *s, const char *key, const void *data, size_t len);
int store_document_get(
	struct store *s, const char *key, void **ret_data, size_t *ret_len); // -ENOENT; free()

struct store_stats {
	uint64_t entities, entities_refused, puts, puts_stale, puts_future;
	uint64_t chunks_written, bytes_written;
	uint64_t dropped_bins; // not written because the disk was full or the writer too far behind
	uint64_t damaged_rows; // that could not be read back
	uint64_t unjournalled; // puts that a crash within the next seconds would lose
	size_t live_bytes;     // held by the live window
	bool storing;          // false while the disk refuses
	int error;             // last errno (negative) of the writer, 0 when fine
	char error_text[192];  // for people: of the last error, or what was moved aside
	uint32_t moved_aside;  // damaged files
	bool recovery_failed;  // the last seconds before a crash could not be read back
	int64_t file_bytes;    // these three: as of the last few minutes
	int64_t oldest_10s_ms, oldest_1h_ms; // 0 if none
};
void store_stats(const struct store *s, struct store_stats *ret);
