// SPDX-License-Identifier: Apache-2.0
// A series out of a CSV file: header "timestamp,value", then one row per sample.
//
// Strict, because a silent repair of a history becomes a wrong forecast: what cannot be understood
// is an error with the line number; what is repaired is counted, and series_csv_repairs() says it
// in words. Timestamps: epoch seconds, or "YYYY-MM-DD HH:MM:SS" / RFC 3339, taken as UTC. Values: a
// finite number; empty, NA, NaN, null = missing. Repairs: samples finer than the step are averaged
// per bin, samples off the grid move to their bin, exact repetitions count once, gaps become
// missing. Errors: descending timestamps, one timestamp with two values, other text, over
// SERIES_CSV_BINS_MAX bins.
#pragma once

#include <stddef.h>
#include <stdint.h>

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
};

// step_s 0 = the median distance of the first rows. -ENOENT and the like, -EBADMSG with the place
// in *why.
int series_csv_read(const char *path, int64_t step_s, struct series_csv *ret, struct why *why);
void series_csv_done(struct series_csv *s);
void series_csv_repairs(const struct series_csv *s, struct buf *out); // "" if nothing was repaired
