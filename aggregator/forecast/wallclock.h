// SPDX-License-Identifier: Apache-2.0
// Seasons on the users' wall clock.
//
// People get up by the clock, so a day has its peak at the same local time on both sides of a
// change of summer time. The history is laid on a grid of local time: an hour that does not exist
// is missing, one that exists twice is the mean of both. The models run on that grid and know
// nothing of it; their rows are put back on UTC. Where the clock's change is no multiple of the
// step the grid is only shifted.
#pragma once

#include "aggregator/forecast/forecast.h"

// As forecast_run(), for an input with a zone.
int wallclock_run(const struct forecast_input *in, struct forecast_state *state,
	struct outlook **ret_outlook);
