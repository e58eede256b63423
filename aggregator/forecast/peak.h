// SPDX-License-Identifier: Apache-2.0
// Distribution of the maximum over a window: what capacity must hold.
//
// Quantiles of single steps say nothing about their joint behaviour: if errors persist, the maximum
// over an hour is little above one step's quantile; if they come and go, far above. So the errors
// the blend really made in the trials are replayed: each past origin's errors, as ranks within
// their band at that time, give one path through today's band; the maximum along it is one draw.
// The mean of neighbouring order statistics gives the quantiles. Never below the step quantiles
// themselves.
#pragma once

#include "aggregator/forecast/blend.h"
#include "aggregator/forecast/front.h"
#include "aggregator/forecast/outlook.h"
#include "aggregator/forecast/trial.h"

enum { PEAK_SCORES_MAX = 6144 }; // fits a kept state

struct peak_paths {
	size_t n, horizon;
	float *score; // [n][horizon], normal scores of the truths within their bands
};

// -ENOMEM; n is 0 where there are too few whole trials.
int peak_learn(
	struct peak_paths *p, const struct blend *b, const struct trial *t, const struct front *f);
void peak_done(struct peak_paths *p);
// Fills o->peak from o->quantiles; without paths the running maximum of the step quantiles.
// -ENOMEM.
int peak_fill(struct outlook *o, const struct peak_paths *p);
