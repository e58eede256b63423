// SPDX-License-Identifier: Apache-2.0
// Intervals out of a member's own past errors, wider where the series is wilder.
//
// The spread of an error is not one number: it grows with how much the series moved in the last
// steps, with how much the same time of day differs from day to day, and with the level itself. The
// scale of an error is therefore a non-negative combination of these terms, learnt by ridge
// regression of absolute errors; the quantiles are empirical ones of error / scale. Measured on the
// developer sets, this alone took the weighted quantile loss of the linear member from 0.79 to 0.69
// (24 h) and from 0.35 to 0.32 (15 min) of daily naive's.
//
// Nothing looks past the origin given. Ownership: spread_init() borrows z and allocates two arrays.
#pragma once

#include <stddef.h>

#include "aggregator/forecast/model/member.h"

enum { SPREAD_TERMS = 4 }; // constant, recent movement, spread between days, level

struct spread {
	size_t n, season, recent; // recent: steps that count as "recent movement"
	double unit;              // the constant term
	double *movement;         // prefix sums of |z[t] - z[t-1]|, n + 1
	double *between;          // |z[t] - z[t-season]|, smoothed along the day and over days, n
};

int spread_init(struct spread *s, const double *z, size_t n, size_t season, double unit); // -ENOMEM
void spread_done(struct spread *s);
// The terms for a forecast of `point` for y[target] made from origin <= target.
void spread_terms(const struct spread *s, size_t origin, size_t target, double point,
	double ret[SPREAD_TERMS]);

struct bands {
	double weight[SPREAD_TERMS];
	double floor;              // smallest scale
	double at[QUANTILE_COUNT]; // quantiles of error / scale
};

// Learns from n errors (truth - point) with their terms (row r at terms + r * SPREAD_TERMS).
// Overwrites error with the standardised errors in another order. -ENODATA if n is 0.
int bands_fit(struct bands *b, double *error, const double *terms, size_t n);
// One row of quantiles around point.
void bands_row(
	const struct bands *b, const double *terms, double point, double ret[QUANTILE_COUNT]);

// Bands per bucket of horizons, for a member that can be asked for its points at many past origins:
// add them all, fit once, then serve rows. Bucket b covers horizons [from, to) and widens with
// them.
enum { FAN_BUCKETS = 40 };

struct fan_bucket {
	size_t from, to, n; // n: errors held
	double *error, *terms;
	struct bands bands;
};

struct fan {
	const struct spread *spread;
	const double *y;    // the series; read by fan_add() only
	size_t count, each; // buckets; most errors per bucket
	struct fan_bucket bucket[FAN_BUCKETS];
};

// Borrows spread and y. -ENOMEM.
int fan_init(struct fan *f, const struct spread *spread, const double *y, size_t max_horizon,
	size_t each);
void fan_done(struct fan *f);
// Errors of points for y[origin .. origin + horizon), as far as y is known before `end`.
void fan_add(struct fan *f, size_t origin, size_t end, const double *points);
// Learns the bands and frees the errors, which are first multiplied by `inflate` (>= 1: for members
// that saw the truth while they were fitted). -ENODATA if there is no error at all.
int fan_fit(struct fan *f, double inflate);
// Rows of quantiles around points for origin.
void fan_rows(
	const struct fan *f, size_t origin, const double *points, size_t horizon, double *ret);
