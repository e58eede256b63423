// SPDX-License-Identifier: Apache-2.0
// The forecaster: history of one series in, outlook out.
//
// forecast_run() cleans the history (front), fits the members, back-tests them inside the history,
// combines and calibrates their quantiles (ensemble, interval). Every series gets an answer: a
// constant, zero, almost empty or wild one gets an honest width instead of a refusal. Pure: no I/O,
// no clock, no globals; the same input gives the same bits. Thread: any, one call per state at a
// time; it computes for milliseconds, so the service calls it on the pool (uv_queue_work).
//
// A state keeps what earlier runs of the same series learnt (parameters, weights, calibration, the
// forecasts issued and how they fared), so that the next one is many times cheaper. It is <=
// FORECAST_STATE_BYTES_MAX and may be lost at any time. A run with a state is one of three
// (outlook.made): FULL from scratch, REFRESHED with the parameters and weights kept, or CARRIED:
// the last forecast moved on by the values that have come since.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "aggregator/forecast/outlook.h"

enum {
	FORECAST_HORIZON_MAX = 8760,
	FORECAST_STATE_BYTES_MAX = 100 * 1024,
};

struct forecast_input {
	const double *y; // regular grid, oldest first; NAN = missing. Borrowed for the call.
	size_t n;        // may be 0
	const uint8_t *saturated;  // [n], percent of the bin in which the truth was at least y,
				   // 0..100; NULL = none
	const double *demand_high; // [n], upper bound of the truth where saturated; NULL = unknown
	int64_t start_s;           // epoch seconds at which bin 0 starts
	int64_t step_s;            // > 0
	size_t horizon;            // 1..FORECAST_HORIZON_MAX steps
	double most;               // physical upper bound of the series, or 0 = unknown
	// Wall clock of the users: seconds to add to UTC, one per transition, so that a day stays a
	// day over a change of summer time. NULL = UTC.
	const struct forecast_zone *zone; // zone.h reads one
	// Public holidays of this country (calendar.h: "DE", "US", "GB", "FR") are known to the
	// members that take regressors. NULL or unknown = none.
	const char *calendar;
	uint64_t seed;
	// The cluster's own weights of the LSTM (model/lstm.h), borrowed; NULL = pre-trained.
	const struct lstm_weights *lstm;
};

struct forecast_zone_change {
	int64_t at_s;     // UTC, ascending
	int32_t offset_s; // from then on
};
struct forecast_zone {
	const struct forecast_zone_change *changes;
	size_t n;
	int32_t first_offset_s; // before the first change
};

// How the forecasts issued under a state fared once their truth had come; discounted, about the
// last 300 steps count. Of a fresh state steps is 0 and the rest NAN.
struct forecast_score {
	double steps;                    // truths compared, undiscounted
	double mase;                     // mean error of the median / daily-season difference
	double pinball[QUANTILE_COUNT];  // mean loss / daily-season difference
	double coverage[QUANTILE_COUNT]; // share of truths at or below the quantile
	double loss_ratio;               // pinball over all levels / that of the best naive's
	uint64_t alarms;                 // drift alarms (CUSUM on scaled errors) so far
	uint64_t full, refreshed, carried, rejected; // runs by kind; member answers dropped
};

struct forecast_state;
int forecast_state_new(struct forecast_state **ret);
void forecast_state_free(struct forecast_state *s); // NULL is fine
size_t forecast_state_bytes(const struct forecast_state *s);
void forecast_state_score(const struct forecast_state *s, struct forecast_score *ret);
// What forecasts that were issued have taught (scores, weights, gate), to be kept over a restart;
// the rest is found again by the first run. Under FORECAST_SAVED_BYTES_MAX.
enum { FORECAST_SAVED_BYTES_MAX = 4096 };
void forecast_state_save(const struct forecast_state *s, struct buf *out);
// Into a fresh state. -EBADMSG: not saved by this version, or damaged; the state is as it was.
int forecast_state_load(struct forecast_state *s, const void *data, size_t len);

// state may be NULL (from scratch). -EINVAL on a bad grid or horizon, -ENOMEM; *ret_outlook is new
// for the caller (outlook_free).
int forecast_run(const struct forecast_input *in, struct forecast_state *state,
	struct outlook **ret_outlook);
