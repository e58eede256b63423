// SPDX-License-Identifier: Apache-2.0
// The front end: from a raw history to what models can learn from.
//
// It trims, closes short gaps, replaces saturated samples by what the demand behind them was likely
// to be, and shows the series through lenses: as it is, and compressed (logarithm) where it is
// never negative, so that members that think in differences and members that think in ratios both
// get their turn. Lenses are monotone, so quantiles pass through them unchanged. What the models
// see (lens.y) and what they are scored against (truth) are kept apart: truth is never repaired,
// and saturated samples are not truth. Pure; memory is one allocation per array, freed by
// front_done().
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aggregator/forecast/forecast.h"

enum lens_kind { LENS_RAW, LENS_LOG, LENS_COUNT };

enum {
	FRONT_HISTORY_MAX = 10080, // values used, the newest: 35 days of 5 min, 400 days of hours
	FRONT_GAP_MAX = 2,         // gaps up to this are closed by a line
};

struct lens {
	bool used;
	enum lens_kind kind;
	double shift; // log(y + shift)
	double *y;    // [n], NAN = missing
	double scale; // mean absolute daily-season difference of y, > 0
};

struct front {
	size_t n;
	int64_t start_s, step_s;
	double *truth; // [n], NAN = missing or saturated
	struct lens lens[LENS_COUNT];
	size_t periods[MAX_PERIODS], n_periods;
	size_t day;            // steps of a day, at least 1
	double floor, ceiling; // no forecast leaves these
	double least, most;    // seen
	double *holiday;       // 1 on public holidays, [holiday_n]; NULL = no calendar
	size_t holiday_n;
	size_t changed; // the level changed before this index; 0 = not known to
	size_t known, clipped, censored;
	const struct lstm_weights *lstm; // of the input
};

int front_init(struct front *f, const struct forecast_input *in); // -ENOMEM; n may be 0 after it
void front_done(struct front *f);
// Whether a value on the lens' scale is over ten times beyond anything seen.
bool lens_beyond(const struct front *f, enum lens_kind kind, double value);
double front_bound(const struct front *f, double value);
// From the lens' scale to the series' unit, bounded.
double lens_back(const struct front *f, enum lens_kind kind, double value);
