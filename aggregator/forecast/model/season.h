// SPDX-License-Identifier: Apache-2.0
// What several members share about seasons and gaps.
//
// Thread: any; no state. Nothing here looks ahead: the value at t depends on y[0..t] alone, so that
// a member may fill the whole series once and forecast from any origin.
#pragma once

#include <stddef.h>

#include "aggregator/forecast/model/member.h"

// Copies y with gaps closed causally: one season ago shifted by the present level difference, which
// fades with the age of the gap; without a season the last value. Values before the first known one
// take that one. period 0 = none. Returns the number of known values; 0 leaves ret all zero.
size_t season_fill(const double *y, size_t n, size_t period, double *ret);

// Shortest and longest candidate season that y[0..fit_end) holds at least twice; 0 if none. When
// there is only one they are equal.
void season_pick(
	const struct member_input *in, size_t fit_end, size_t *ret_short, size_t *ret_long);
