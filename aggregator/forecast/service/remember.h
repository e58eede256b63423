// SPDX-License-Identifier: Apache-2.0
// What the service keeps in the store over a restart: what forecasts said, and how they fared.
//
// Outlooks are kept for "what did we say then" for 35 days, reduced as said.h does: of each series
// and horizon one every two hours (hour), six hours (day) and a day (month), so at most 18 of
// SAID_PACKED_MAX = 328 bytes, 6 KiB, a day and 210 KiB in all; once a series has the history for
// its usual grid 84 KiB. One document per day, series and horizon, which the store deletes by its
// date. Scores and weights of issued forecasts: a document of under 4.2 KiB per week, series and
// horizon, the last of the last two weeks counts. Everything is read on the loop, by key. What is
// damaged or of another version is as if it were not there. Thread: the loop.
#pragma once

#include "aggregator/forecast/forecast.h"
#include "aggregator/forecast/said.h"
#include "aggregator/store/store.h"

struct remembered { // which forecast
	struct store *store;
	const char *cluster, *name;
	int kind, horizon;
};
struct remembered_scores { // the service's own
	double hits, hits_of;
	uint64_t scored;
};

int64_t remember_apart_ms(int horizon); // said more often than this is not kept
int remember_said(const struct remembered *w, const struct outlook *o, int64_t generated_ms);
int remember_scores(const struct remembered *w, int64_t now_ms, const struct forecast_state *state,
	const struct remembered_scores *scores);
// -ENOENT if there is nothing usable; state is as it was then.
int recall_scores(const struct remembered *w, int64_t now_ms, struct forecast_state *state,
	struct remembered_scores *ret);
// Adds those of the last SAID_DAYS to ret; the newest one's time, 0 = none.
int64_t recall_said(const struct remembered *w, int64_t now_ms, struct said *ret);
// The last one kept that was made at or before at_ms, in the three days before. -ENOENT, -ENOMEM;
// free(ret->q).
int recall_then(const struct remembered *w, int64_t at_ms, struct said_one *ret);
