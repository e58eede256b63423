// SPDX-License-Identifier: Apache-2.0
// What `petrel forecast` and `petrel backtest` are asked in the same words: the file, its grid, how
// far to look, whose clock and holidays. Strings are borrowed from argv.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "aggregator/cli/series_csv.h"
#include "aggregator/forecast/forecast.h"
#include "proto/base/why.h"

enum { SERIES_STEP_MAX_S = 31 * 86400 };

struct series_options {
	const char *verb; // for messages
	const char *input, *timezone, *calendar;
	uint64_t step_s;  // 0: what the file has
	uint64_t horizon; // steps
	uint64_t seed;
	double most; // 0: unknown
};

// For getopt_long(): the letters that series_option() understands.
#define SERIES_OPTIONS                                                                             \
	{"input", 1, NULL, 'i'}, {"step", 1, NULL, 's'}, {"horizon", 1, NULL, 'h'},                \
		{"timezone", 1, NULL, 'z'}, {"calendar", 1, NULL, 'c'}, {"most", 1, NULL, 'm'},    \
	{                                                                                          \
		"seed", 1, NULL, 'r'                                                               \
	}

// 0, or EXIT_USAGE after a message; an unknown letter is "unknown option or missing value".
int series_option(int option, const char *value, struct series_options *o);
// Prints "petrel VERB: message: text"; text may be NULL. EXIT_USAGE.
int series_usage(const struct series_options *o, const char *message, const char *text);
// The zone of --timezone; NULL stays NULL, which is UTC. -ENOENT and the like, with the reason in
// *why. Free with zone_free().
int series_zone(const struct series_options *o, struct forecast_zone **ret, struct why *why);
// series_csv_read(), and what it repaired is said on the standard error.
int series_read(const struct series_options *o, struct series_csv *ret, struct why *why);
