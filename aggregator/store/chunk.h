// SPDX-License-Identifier: Apache-2.0
// Many bins of one entity as one blob: what a row of the database holds.
//
// By column: each metric on its own, mean and maximum, quantised to integers of 16 bits by a power
// of two that fits the largest value of the chunk (whole numbers below 65536 stay whole), then
// whichever is shorter of differences to the bin before or to the least; the maximum as its excess
// over the mean; coverage by runs; all as varints, the whole through zstd where that helps. A
// single bin is a chunk of one. Blobs come back from a disk: a malformed one is -EBADMSG, never
// more. Thread: one per codec.
#pragma once

#include "proto/base/buf.h"
#include "proto/wire/metric.h"

#include <stddef.h>
#include <stdint.h>

enum {
	CHUNK_FULL = 250,      // coverage of a bin that was measured all the time
	CHUNK_MAX_BINS = 1024, // in one blob
	CHUNK_MAX_BYTES = 8 << 20,
};

// Bins side by side, decoded. covered 0 is "no value", else how much of the bin was measured, in
// 1/250. Which columns are in use at all stands in the two words.
struct store_column {
	double *mean, *max;
	uint8_t *covered;
};
struct store_columns {
	size_t n;
	uint64_t metrics;
	uint32_t hists;
	struct store_column values[METRIC_COUNT];
	struct hist *counts[HIST_COUNT];
	uint8_t *counted[HIST_COUNT]; // 1 where counts has the bin
	void *memory[3];
};
struct store_wanted { // which columns
	uint64_t metrics;
	uint32_t hists;
};
extern const struct store_wanted store_wanted_all;
// Room for n bins of the wanted columns; the others must not be used. -ENOMEM.
int store_columns_init(struct store_columns *c, size_t n, struct store_wanted wanted);
void store_columns_done(struct store_columns *c);
void store_columns_clear(struct store_columns *c); // no values
// The column, put into use (empty) if it was not.
struct store_column *store_columns_use(struct store_columns *c, enum metric m);
struct hist *store_columns_use_hist(struct store_columns *c, enum hist_id h);
// Adds bin j of from to bin i of into: weighted by coverage, which adds up to at most CHUNK_FULL.
void store_columns_merge(
	struct store_columns *into, size_t i, const struct store_columns *from, size_t j);
// Makes the n bins at `at` of from (where it has them) into bin 0 of into, which is cleared before.
// The bins are parts of that one, so their coverage is averaged.
void store_columns_roll(
	struct store_columns *into, const struct store_columns *from, size_t at, size_t n);

struct store_codec; // scratch memory
int store_codec_new(struct store_codec **ret);
void store_codec_free(struct store_codec *c);
// Appends the blob to out. -ENOSPC past its cap.
int store_chunk_encode(struct store_codec *codec, const struct store_columns *c, struct buf *out);
// Writes the bins of a blob over bins at, at + 1, … of into, for the columns asked for; bins that
// the blob has not stay as they are, so do those past the end of into.
struct store_blob {
	const void *data;
	size_t len;
};
int store_chunk_decode(struct store_codec *codec, struct store_blob blob,
	struct store_wanted wanted, struct store_columns *into, size_t at);
