// SPDX-License-Identifier: Apache-2.0
// The forecaster: history of one series in, outlook out.
//
// forecast_run() cleans the history (front), fits the members, back-tests them inside the history,
// combines and calibrates their quantiles (ensemble, interval). Every series gets an answer: a
// constant, zero, almost empty or wild one gets an honest width instead of a refusal. Pure: no I/O,
// no clock, no globals; the same input gives the same bits. Thread: any, one call per state at a
// time; it computes for milliseconds, so the service calls it on the pool (uv_queue_work).
//
// A state keeps what the last run of the same series learnt (parameters, weights, calibration), so
// that the next one is several times cheaper. It is <= FORECAST_STATE_BYTES_MAX, may be lost at any
// time, and can be written as bytes for the store.
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
	const uint8_t *saturated;  // [n], 1 = the truth was at least y; NULL = none
	const double *demand_high; // [n], upper bound of the truth where saturated; NULL = unknown
	int64_t start_s;           // epoch seconds at which bin 0 starts
	int64_t step_s;            // > 0
	size_t horizon;            // 1..FORECAST_HORIZON_MAX steps
	double most;               // physical upper bound of the series, or 0 = unknown
	// Wall clock of the users: seconds to add to UTC, one per transition, so that a day stays a
	// day over a change of summer time. NULL = UTC.
	const struct forecast_zone *zone;
	uint64_t seed;
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

struct forecast_state;
int forecast_state_new(struct forecast_state **ret);
void forecast_state_free(struct forecast_state *s); // NULL is fine
size_t forecast_state_bytes(const struct forecast_state *s);

// state may be NULL (from scratch). -EINVAL on a bad grid or horizon, -ENOMEM; *ret_outlook is new
// for the caller (outlook_free).
int forecast_run(const struct forecast_input *in, struct forecast_state *state,
	struct outlook **ret_outlook);
