// SPDX-License-Identifier: Apache-2.0
// Outliers: single values that stand alone, taken back for fitting only.
//
// An outlier is one value further from both its neighbours than OUTLIER_REACH robust deviations of
// the differences between neighbours (1.4826 * their median size), with nothing like it a day or a
// week before or after, and rare: where more than one value in OUTLIER_EVERY is like that, the
// series is one of bursts and nothing is touched. A step, a burst of two values and what comes
// every day are not outliers, and the newest value never is: it may be the first of a step. The
// truth that forecasts are scored against keeps every value. Pure.
#pragma once

#include <stddef.h>

enum { OUTLIER_REACH = 10, OUTLIER_EVERY = 200 };

// Moves outliers of y[n] (NAN = missing) to OUTLIER_REACH deviations from the nearer neighbour;
// day: steps of a day. How many were moved; -ENOMEM.
int outlier_clip(double *y, size_t n, size_t day);
