// SPDX-License-Identifier: Apache-2.0
// From many members' quantiles to one forecast.
//
// The centre is the weighted median of the members' medians, the width around it the weighted
// median of their quantiles' distances from their own medians. The median and not the mean: one
// member that runs away spoils a mean (measured on every set of the benchmark). Centre and width
// have weights of their own, by absolute error and by pinball loss in trials, per bucket of
// horizon: a member may know where without knowing how sure it is. Weights are exp(-steepness *
// (loss / best - 1)). Rules: a member whose loss is over twice the best one's is dropped; a share
// is spread evenly, all of it while nothing was scored and a fifth once much was; nobody gets more
// than half, as with more one alone would be the median. Losses come from trials, and from what was
// issued (ledger.h). Pure; no allocation.
#pragma once

#include <stddef.h>

#include "aggregator/forecast/trial.h"

enum { BUCKETS_MAX = 4 };
enum blend_use { BLEND_CENTRE, BLEND_WIDTH, BLEND_USES };

struct blend {
	size_t n_entries, n_buckets;
	size_t bucket_end[BUCKETS_MAX]; // horizon steps below this belong to the bucket
	double weight[BLEND_USES][ENTRIES_MAX][BUCKETS_MAX]; // each sums to 1 over the entries
	double loss[BLEND_USES][ENTRIES_MAX][BUCKETS_MAX];   // mean in trials, NAN = not scored
	double scored[BUCKETS_MAX];                          // steps that the losses rest on
	double floor; // losses below it are all the same to anybody
};

// usable[e]: the entry has a forecast from the end of the history as well. Without any trial the
// usable entries get equal weights.
void blend_weigh(struct blend *b, const struct trial *t, const struct front *f, const bool *usable);
// Sets the weights by the losses, among those usable.
void blend_reweigh(struct blend *b, const bool *usable);
bool blend_uses(const struct blend *b, size_t e); // entry e has weight somewhere
size_t blend_bucket(const struct blend *b, size_t h);
// Blends one step. rows: the entries' rows, `stride` numbers apart; those without weight are not
// read. ret: ascending, ret[QUANTILE_COUNT / 2] is the centre.
void blend_row(const struct blend *b, size_t h, const double *rows, size_t stride,
	double ret[QUANTILE_COUNT]);
// The same of a trial's origin; and its centre alone.
void blend_past_row(const struct blend *b, const struct trial *t, size_t origin, size_t h,
	double ret[QUANTILE_COUNT]);
double blend_centre(const struct blend *b, const struct trial *t, size_t origin, size_t h);
// Weighted median of n (value, weight) pairs, interpolated between the midpoints of their weights;
// pairs with weight <= 0 are ignored. 0 if there are none. Reorders its arguments.
double weighted_median(double *values, double *weights, size_t n);
double pinball(double truth, double forecast, double level);
// Loss of one row over the levels that count for provisioning (.05 .1 .5 .9 .95 .99), as the
// benchmark's weighted quantile loss.
double row_loss(double truth, const double row[QUANTILE_COUNT]);
