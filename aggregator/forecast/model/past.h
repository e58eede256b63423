// SPDX-License-Identifier: Apache-2.0
// Bands for a member that has only a point forecast: from its own errors at earlier origins.
//
// Errors h steps ahead are measured, not derived: a variance formula believes in its model, and
// load does not. They are kept per bucket of horizon, in units of how wild the series was then
// (bands.h), and centred so that the median stays the member's point. Everything lies before
// fit_end.
#pragma once

#include <stddef.h>

#include "aggregator/forecast/model/bands.h"
#include "aggregator/forecast/model/member.h"

enum { PAST_BUCKETS = 20 };

struct past {
	const struct member_input *in;
	double *z; // [n], gaps filled from before; also for the member's own use
	struct spread spread;
	size_t n_buckets;
	size_t bucket_end[PAST_BUCKETS]; // horizons below this belong to the bucket
	struct bands bands[PAST_BUCKETS];
};

// Points of y[origin .. origin + horizon) into ret; negative errno if it cannot.
typedef int past_point(void *model, size_t origin, size_t horizon, double *ret);

int past_init(struct past *p, const struct member_input *in, size_t fit_end); // -ENODATA, -ENOMEM
void past_done(struct past *p);
// Asks for points at origins from first on, ascending. -ENOMEM.
int past_learn(struct past *p, past_point *point, void *model, size_t first, size_t fit_end);
// One row of quantiles for y[origin + h] around point.
void past_row(
	const struct past *p, size_t origin, size_t h, double point, double ret[QUANTILE_COUNT]);
