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

// Fills o->peak from o->quantiles. Without trials the step quantiles' running maximum is used.
// -ENOMEM.
int peak_fill(
	struct outlook *o, const struct blend *b, const struct trial *t, const struct front *f);
