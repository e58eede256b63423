// SPDX-License-Identifier: Apache-2.0
// petrel forecast: quantile forecasts of series in CSV files, offline.
//
// The contract of the benchmark (tests/bench/forecast): --input or --batch, one JSON line per job
// in the order given; a job that fails prints a line {"error":…} so that the others keep their
// place.
#pragma once

#include "aggregator/forecast/forecast.h"
#include "proto/base/why.h"

int forecast_verb(int argc, char **argv);
// The zone of --timezone; NULL stays NULL, which is UTC. -ENOENT and the like, with the reason in
// *why. Free with zone_free().
int forecast_zone_of(const char *name, struct forecast_zone **ret, struct why *why);
