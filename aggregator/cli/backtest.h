// SPDX-License-Identifier: Apache-2.0
// petrel backtest: how good would forecasts of a series in a CSV file have been?
//
// The series is forecast from N origins inside it, each from the history before it alone, and
// compared with what came; beside it the seasonal naive forecast and the last value, so that the
// figures mean something. Figures are those of tests/bench/forecast. The report (--html, --svg) is
// one file.
#pragma once

#include <stdint.h>

#include "aggregator/cli/backtest_score.h"
#include "aggregator/forecast/forecast.h"
#include "proto/base/buf.h"

enum { BACKTEST_ORIGINS_MAX = 500 };
enum contender { CONTENDER_PETREL, CONTENDER_NAIVE, CONTENDER_LAST, CONTENDERS };
extern const char *const contender_names[CONTENDERS];

struct backtest_origin {
	size_t at;                       // index of the first value forecast
	struct outlook *o;               // owned
	double (*naive)[QUANTILE_COUNT]; // [horizon], owned
	struct score score[CONTENDERS];  // of this origin alone
	double fit_ms;
};

struct backtest {
	const char *name; // of the file
	const double *y;  // borrowed
	size_t n, season, horizon, stride, history;
	int64_t start_s, step_s;
	double most;
	uint64_t seed;
	const struct forecast_zone *zone; // NULL = UTC
	const char *calendar;             // country, or NULL
	size_t n_origins;
	struct backtest_origin *origins; // oldest first
	struct score total[CONTENDERS];
	double cpu_ms;
};

int backtest_verb(int argc, char **argv);

// What was asked for, as text; backtest_print.c and backtest_report.c.
void backtest_print_table(const struct backtest *b, struct buf *out);
void backtest_print_json(const struct backtest *b, struct buf *out);
void backtest_svg(const struct backtest *b, size_t origin, bool alone, struct buf *out);
void backtest_html(const struct backtest *b, struct buf *out);
