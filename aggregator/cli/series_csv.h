// SPDX-License-Identifier: Apache-2.0
// A series out of a CSV file: header "timestamp,value", then one row per sample.
//
// Strict, because a silent repair of a history becomes a wrong forecast: what cannot be understood
// is an error with the line number; what is repaired is counted, and series_csv_repairs() says it
// in words. Timestamps: epoch seconds, or "YYYY-MM-DD HH:MM:SS" / RFC 3339, taken as UTC. Values: a
// finite number up to 1e30 in size; empty, NA, NaN, null = missing. A byte order mark, CR LF and
// quotes are fine. Repairs: samples finer than the step are averaged per bin, samples off the grid
// move to their bin, exact repetitions count once, gaps become missing. Errors: descending
// timestamps, one timestamp with two values, infinite or huge numbers, other text, UTF-16, over
// SERIES_CSV_BINS_MAX bins. Memory: 12 bytes per bin (twice that while it grows), none per row.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "proto/base/buf.h"
#include "proto/base/why.h"

enum { SERIES_CSV_BINS_MAX = 20 * 1000 * 1000 };

struct series_csv {
	int64_t start_s, step_s;
	double *y; // NAN = missing
	size_t n;
	size_t rows;
	size_t missing;  // bins without a value
	size_t averaged; // rows that share their bin with another
	size_t moved;    // rows off the grid
	size_t repeated; // rows that repeat the one before
	size_t first_moved_line, first_repeated_line;
	int64_t apart_s; // median distance of the first rows
};

struct series_csv_source {
	const char *name; // for messages
	int64_t step_s;   // 0 = the median distance of the first rows
	size_t max_bins;
};

// path "-" is the standard input. -ENOENT and the like, -EBADMSG with the place in *why.
int series_csv_read(const char *path, int64_t step_s, struct series_csv *ret, struct why *why);
int series_csv_read_stream(
	FILE *file, const struct series_csv_source *from, struct series_csv *ret, struct why *why);
void series_csv_done(struct series_csv *s);
void series_csv_repairs(const struct series_csv *s, struct buf *out); // "" if nothing was repaired
