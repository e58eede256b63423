// SPDX-License-Identifier: Apache-2.0
// petrel forecast: quantile forecasts of series in CSV files, offline.
//
// The contract of the benchmark (tests/bench/forecast): --input or --batch, one JSON line per job
// in the order given; a job that fails prints a line {"error":…} so that the others keep their
// place.
#pragma once

int forecast_verb(int argc, char **argv);
