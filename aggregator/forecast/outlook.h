// SPDX-License-Identifier: Apache-2.0
// The record "outlook": what the forecaster says about one series, and how far to trust it.
//
// It travels from forecast to decide and show, is kept by the store, and is compared with the truth
// when that arrives; so it carries everything needed to explain itself later: quantiles per step,
// the members behind them with their weights, the honesty against naive, generation, seed and the
// span of the data. Ownership: plain memory, one allocation apart from the two arrays; free with
// outlook_free(). Values are in the unit of the series. Step h (0-based) covers
// [start_s + h*step_s, start_s + (h+1)*step_s).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aggregator/forecast/model/member.h"
#include "proto/base/buf.h"

enum { OUTLOOK_VERSION = 1, OUTLOOK_MEMBERS_MAX = 32 };

// How much the series had to say; the less, the wider the band.
enum outlook_basis {
	OUTLOOK_EMPTY,  // no known value: all zeros, only to have an answer
	OUTLOOK_COLD,   // under two days, or under 48 values: level and its spread only
	OUTLOOK_DAILY,  // daily season known
	OUTLOOK_WEEKLY, // weekly season known
};

enum outlook_made { OUTLOOK_FULL, OUTLOOK_REFRESHED, OUTLOOK_CARRIED };

struct outlook_member {
	char name[16];
	double weight; // share in the served quantiles, mean over the horizon; 0 = scored, not used
	double loss;   // discounted pinball loss in back-tests / that of the best naive; NAN = not
		       // scored
};

struct outlook {
	uint64_t generation; // counts up with every outlook of the series
	uint64_t seed;
	int64_t start_s; // start of the first forecast step = end of the data
	int64_t step_s;
	size_t horizon;
	double (*quantiles)[QUANTILE_COUNT]; // [horizon], rows ascending, finite
	// Distribution of the maximum over the first 1..horizon steps (row h: over steps 0..h):
	// what capacity must hold, as it can only be added in advance. Never below quantiles.
	double (*peak)[QUANTILE_COUNT];
	struct outlook_member members[OUTLOOK_MEMBERS_MAX];
	size_t n_members;
	// Pinball loss of the ensemble / that of the best naive forecast, from back-tests inside
	// the history and from the forecasts issued; NAN = not known yet.
	double honesty;
	bool gated;     // the ensemble had been worse than the naive, so the naive is served
	char naive[16]; // the naive it is compared with, "" = none yet
	enum outlook_basis basis;
	enum outlook_made made;
	int64_t data_from_s, data_to_s; // span of the history used
	size_t data_known;              // values in it that are not missing
	size_t data_clipped;            // outliers set aside for fitting
	size_t data_censored;           // saturated samples, read as "at least this"
	int64_t changed_s; // a level shift was found at this time and older data discounted; 0 =
			   // none
	size_t members_rejected; // gave NaN, Inf or > 10 x anything seen, and were dropped
};

int outlook_new(struct outlook **ret, size_t horizon); // -EINVAL if 0 or over 1e6, -ENOMEM
void outlook_free(struct outlook *o);                  // NULL is fine
bool outlook_equal(const struct outlook *a, const struct outlook *b);
void outlook_print(const struct outlook *o, struct buf *out); // one JSON object
const char *outlook_basis_name(enum outlook_basis b);
const char *outlook_made_name(enum outlook_made m);
// Quantile at any level in (0, 1) of one row: straight lines between the normal scores of the nine
// levels; beyond the outer two it is theirs.
double outlook_quantile(const double row[QUANTILE_COUNT], double level);
