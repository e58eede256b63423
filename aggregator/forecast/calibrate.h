// SPDX-License-Identifier: Apache-2.0
// How wide the blend's band should be, learnt from what the blend would have said in the trials.
//
// The members' own bands come from errors on the data they were fitted on; the errors of the blend
// itself at origins after the fit are honest but few. The band served is the mean of both
// (measured: better than either on series held back). Tails rest on few errors either way, so the
// outer quantiles are drawn towards those of a normal distribution as wide as the inner ones, the
// more the less history there is.
#pragma once

#include "aggregator/forecast/blend.h"
#include "aggregator/forecast/front.h"
#include "aggregator/forecast/model/bands.h"
#include "aggregator/forecast/trial.h"

struct calibration {
	double days; // of history
	bool hard;   // the members' tails drawn in harder
	bool learnt; // false: too few trials, only tails are drawn in
	struct bands bands[BUCKETS_MAX];
	struct spread spread;
	double *z; // the series with gaps filled
};

int calibration_learn(struct calibration *c, const struct blend *b, const struct trial *t,
	const struct front *f); // -ENOMEM
// The bands learnt by an earlier run over the present series. -ENOMEM.
int calibration_restore(
	struct calibration *c, const struct calibration *kept, const struct front *f);
void calibration_done(struct calibration *c);
// Corrects one blended row of a forecast from origin, in place; stays ascending.
void calibrate_row(const struct calibration *c, const struct blend *b, size_t origin, size_t h,
	double row[QUANTILE_COUNT]);
