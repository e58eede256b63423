// SPDX-License-Identifier: Apache-2.0
// What a forecast_state holds between the runs of one series.
//
// A full run (trials, search for parameters) costs a hundred milliseconds, one with the parameters
// and weights kept about a fifth, and to carry the last forecast on costs microseconds: the rows
// were made for some steps more than asked, and the error of the newest value against them fades
// into the steps ahead as such errors did in the trials (slope and rest by lag, least squares).
// Besides, the state scores what was issued against the truth as it comes, and watches one-step
// errors with a two-sided CUSUM: an alarm makes the next run a full one that trusts older trials
// less and widens the band for a while. Pure memory, under FORECAST_STATE_BYTES_MAX; one thread at
// a time.
#pragma once

#include "aggregator/forecast/calibrate.h"
#include "aggregator/forecast/forecast.h"
#include "aggregator/forecast/honest.h"
#include "aggregator/forecast/ledger.h"
#include "aggregator/forecast/peak.h"
#include "aggregator/forecast/trial.h"

enum {
	KEEP_CARRY_MAX = 24, // steps a forecast may be carried
	KEEP_ISSUED_MAX = 96,
	KEEP_CENSORED = 10, // percent saturated from which a bin is no truth, as in front.c
};

struct issued { // one forecast under watch until its truth has come
	int64_t start_s;
	size_t n, scored;
	float served[KEEP_ISSUED_MAX][QUANTILE_COUNT], naive[KEEP_ISSUED_MAX][QUANTILE_COUNT];
	float ensemble[KEEP_ISSUED_MAX][QUANTILE_COUNT]; // what was served, or would have been
	bool has_naive;
};

struct tally { // discounted sums
	double steps, all_steps, error, pinball[QUANTILE_COUNT], hits[QUANTILE_COUNT];
	double naive_steps, ours, naives;
};

struct cusum {
	double up, down;
	int64_t next_s; // start of the step that `row` was said of; 0 = none
	double row[QUANTILE_COUNT];
	uint64_t alarms;
	int64_t changed_s; // when the last alarm came, 0 = never
	bool pending;      // no full run has heard of it yet
};

struct forecast_state {
	uint64_t generation, runs[3], rejected;
	bool valid;
	int64_t step_s, full_at_s,
		made_at_s;      // data ended there at the last full run, the last made
	size_t horizon, rows_n; // rows_n = horizon and the steps it may be carried
	struct blend blend;
	struct calibration calibration; // its bands; no spread, no series
	struct honesty honesty;
	struct pool_kept pool;
	struct peak_paths paths;
	double floor, ceiling, scale;
	float (*rows)[QUANTILE_COUNT]; // [rows_n]
	float *slope, *rest;           // by lag - 1, [rows_n]
	struct outlook last;           // its head; the arrays are NULL
	struct issued issued;
	struct tally tally;
	struct honest_issued gate;
	struct ledger ledger;
	struct cusum cusum;
};

// Steps a forecast of this horizon is made to be carried.
size_t keep_carry(size_t horizon);
// Scores what was issued and watches for drift; call first.
void keep_watch(struct forecast_state *s, const struct forecast_input *in);
enum outlook_made keep_kind(const struct forecast_state *s, const struct forecast_input *in);
// Another grid: what is under watch has no truth on it. What was learnt of members is gone.
void keep_forget_issued(struct forecast_state *s);
// Learns how errors fade. -ENOMEM.
int keep_fade(struct forecast_state *s, const struct trial *t, const struct front *f,
	const struct blend *b);
// Takes over the rows just made; o has rows_n of them. naive: rows of the naive, NULL = none.
// -ENOMEM.
int keep_rows(struct forecast_state *s, const struct front *f, const struct outlook *o);
struct keep_said {              // of the forecast being issued, [horizon][QUANTILE_COUNT]
	const double *naive;    // NULL = none
	const double *ensemble; // NULL = it is what is served
};
// said: NULL for one that was carried.
void keep_issue(struct forecast_state *s, const struct outlook *o, const struct keep_said *said);
// The kept rows carried to the end of in; o has the horizon asked.
void keep_carried(
	const struct forecast_state *s, const struct forecast_input *in, struct outlook *o);
bool keep_widened(const struct forecast_state *s, int64_t end_s, size_t horizon, int64_t step_s);
