// SPDX-License-Identifier: Apache-2.0
// The history that a horizon is forecast from: which grid, how far back, and the demand with its
// bounds.
#pragma once

#include "aggregator/store/store.h"

enum history_horizon { HISTORY_HOUR, HISTORY_DAY, HISTORY_MONTH };
enum { HISTORY_LEAST_VALUES = 10 }; // fewer say nothing about a spread

struct history {
	double *y;          // demand in millicores: what ran; NAN = missing
	double *high;       // upper bound of the demand
	uint8_t *saturated; // percent of the bin in which the demand was at least y
	size_t n, known;
	int64_t start_s, step_s;
	size_t horizon; // steps
};

int64_t history_refit_ms(
	enum history_horizon h); // how often a forecast of this horizon is worth renewing
// -ENODATA under HISTORY_LEAST_VALUES known values (known is filled in), -ENOMEM, or what the store
// said.
int history_read(struct history *ret, struct store *store, const struct store_entity *e,
	enum history_horizon h, int64_t now_ms);
void history_done(struct history *h);
