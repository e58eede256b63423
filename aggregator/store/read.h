// SPDX-License-Identifier: Apache-2.0
// Reading the file, on the loop, through a connection of its own.
//
// Between store_reader_begin() and store_reader_end() everything is of one instant, whatever the
// writer does meanwhile. Keep that short: a reader holds the write-ahead log back.
#pragma once

#include "aggregator/store/chunk.h"
#include "aggregator/store/disk.h"

struct store_reader;
int store_reader_new(struct store_reader **ret, const char *path); // opens nothing yet
void store_reader_free(struct store_reader *r);
// files: see struct store_writer_state. -EAGAIN while there is no file, or -EIO, -EBADMSG…
int store_reader_begin(struct store_reader *r, uint32_t files);
void store_reader_end(struct store_reader *r);
int store_reader_entity(struct store_reader *r, unsigned kind, const char *cluster,
	const char *name, uint32_t *ret); // -ENOENT
// What there is of a resolution, of all entities together, in bins; from == to if nothing.
struct store_extent {
	int64_t rows_from, rows_to;     // bins
	int64_t chunks_from, chunks_to; // bins
};
int store_reader_extent(
	struct store_reader *r, enum store_resolution resolution, struct store_extent *ret);
// Bins first … first + into->n - 1 of an entity over into; first is a multiple of the span.
struct store_stretch {
	enum store_resolution resolution;
	uint32_t entity;
	int64_t first;
};
int store_reader_read(struct store_reader *r, const struct store_stretch *of,
	struct store_wanted wanted, struct store_columns *into);
int store_reader_document(
	struct store_reader *r, const char *key, void **ret_data, size_t *ret_len); // -ENOENT
