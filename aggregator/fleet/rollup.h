// SPDX-License-Identifier: Apache-2.0
// Sums nodes into node groups and pods into workloads, and puts the sums into the store as series
// of their own.
//
// Why here and not at query time: the forecaster, the plans and the pages all ask for groups and
// workloads, over weeks; pods are not stored at all. DELTA values and histograms are brought to the
// common window before they are added; a member that has not spoken within two windows is left out,
// and NODES says how many spoke. Thread: the loop.
#pragma once

#include "aggregator/fleet/fleet.h"
#include "aggregator/store/store.h"

enum { ROLLUP_WINDOW_MS = 10000 };

struct rollup;
int rollup_new(struct rollup **ret, struct fleet *fleet, struct store *store); // borrows both
void rollup_free(struct rollup *r);
// Sums what the window ending at now_ms has seen. Call every ROLLUP_WINDOW_MS (or with the window's
// true length).
void rollup_tick(struct rollup *r, int64_t now_ms, uint32_t window_ms);
