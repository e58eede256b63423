// SPDX-License-Identifier: Apache-2.0
// From many members' quantiles to one forecast: weights by past loss, then the weighted median of
// each quantile.
//
// The median and not the mean: one member that runs away spoils a mean (measured on every set of
// the benchmark). Weights are per bucket of horizon: exp(-eta * (loss / best - 1)) of the
// discounted pinball loss in trials, members far behind the best dropped, a share of the weight
// spread evenly, no member alone above a cap. Pure; no allocation.
#pragma once

#include <stddef.h>

#include "aggregator/forecast/trial.h"

enum { BUCKETS_MAX = 4 };

struct blend {
	size_t n_entries, n_buckets;
	size_t bucket_end[BUCKETS_MAX]; // horizon steps below this belong to the bucket
	double weight[ENTRIES_MAX][BUCKETS_MAX];
	double loss[ENTRIES_MAX][BUCKETS_MAX]; // mean discounted pinball loss, NAN = not scored
};

// usable[e]: the entry has a forecast from the end of the history as well. Without any trial the
// usable entries get equal weights.
void blend_weigh(struct blend *b, const struct trial *t, const struct front *f, const bool *usable);
// Forgets entries that have no forecast, at need equal weights for all that have one.
size_t blend_bucket(const struct blend *b, size_t h);
// Weighted median of n (value, weight) pairs, interpolated between the midpoints of their weights;
// pairs with weight <= 0 are ignored. 0 if there are none. Reorders its arguments.
double weighted_median(double *values, double *weights, size_t n);
double pinball(double truth, double forecast, double level);
// Loss of one row over the levels that count for provisioning (.05 .1 .5 .9 .95 .99), as the
// benchmark's weighted quantile loss.
double row_loss(double truth, const double row[QUANTILE_COUNT]);
