// SPDX-License-Identifier: Apache-2.0
// What each member said in forecasts that were issued, and how it fared once the truth had come.
//
// Back-tests tell how members would have done with parameters fitted long before; only what was
// issued tells how they do now. Of the forecasts issued one per bucket of the horizon is under
// watch at a time, at up to LEDGER_STEPS steps spread over the bucket; when the last of them has
// come true the next forecast made takes its place. So the near bucket learns within the hour and
// the far one as slowly as truth comes, in bounded memory. Losses are kept beside those of the
// served forecast at the same steps: members that were asked at different times are compared by
// the ratio, whatever the series did then. ledger_weigh() puts them together with the losses of the
// trials, which are the prior: it fades as issued steps come. Pure; no allocation.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "aggregator/forecast/blend.h"

enum {
	LEDGER_STEPS = 6,
	LEDGER_LEVELS = 6, // those that row_loss() counts
	LEDGER_PRIOR = 48, // issued steps that weigh as much as the trials
};

struct ledger_watch {
	int64_t start_s;
	uint16_t step[LEDGER_STEPS]; // of the horizon, ascending
	uint8_t n, scored;           // n == scored: free for the next
	bool ok[ENTRIES_MAX];
	float said[ENTRIES_MAX][LEDGER_STEPS][LEDGER_LEVELS];
	float served[LEDGER_STEPS][LEDGER_LEVELS];
};

// Discounted sums; about the last 300 steps count.
struct ledger_sums {
	float own[BLEND_USES][ENTRIES_MAX][BUCKETS_MAX];
	float served[BLEND_USES][ENTRIES_MAX][BUCKETS_MAX]; // at the same steps
	float steps[ENTRIES_MAX][BUCKETS_MAX];
};

struct ledger {
	struct ledger_watch watch[BUCKETS_MAX];
	struct ledger_sums sums;
};

struct ledger_said { // a forecast being issued
	int64_t start_s;
	size_t horizon;
	const double *rows; // [entry][stride / QUANTILE_COUNT][QUANTILE_COUNT]
	size_t stride;      // numbers from one entry's rows to the next one's
	const bool *ok;     // [entry]
	const double (*served)[QUANTILE_COUNT];
};

// Puts the forecast under watch in every bucket that is free.
void ledger_issue(struct ledger *l, const struct blend *b, const struct ledger_said *said);
// Scores what has come true. value_at(arg, epoch seconds): the truth of that step, NAN if there is
// none (missing, saturated); end_s: the truth is known up to there.
struct ledger_truth {
	double (*value_at)(const void *arg, int64_t at_s);
	const void *arg;
	int64_t end_s, step_s;
};
void ledger_score(struct ledger *l, const struct ledger_truth *truth);
// Weighs b's losses (of the trials) and those issued together, and sets its weights by them.
void ledger_weigh(const struct ledger *l, struct blend *b, const bool *usable);
