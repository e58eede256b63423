// SPDX-License-Identifier: Apache-2.0
// Whether the ensemble is worth more than a naive forecast, by what it would have said.
//
// Weights learnt on the earlier half of the trials are judged on the later half, against the naive
// rule (last value, yesterday, last week) that was best in the earlier half: what anybody could
// have chosen at that time. Losses are pinball over the levels that count for provisioning. Where
// the ensemble was clearly worse, the naive is to be served instead, and it is said. Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "aggregator/forecast/blend.h"
#include "aggregator/forecast/front.h"
#include "aggregator/forecast/trial.h"

struct honesty {
	size_t naive; // entry of the pool, pool_size = none
	double ratio; // loss of the ensemble / of the naive; NAN = not known
	bool worse;   // the ensemble lost clearly: serve the naive
};

// Back-tests and issued forecasts together: the more steps have been issued, the more they count.
// NAN where neither is known.
double honest_ratio(double back_tested, double issued, double issued_steps);
// What the ensemble said, served or not, against the naive: discounted sums.
struct honest_issued {
	double steps, ours, naives;
	bool shut; // the naive is served
};
void honest_count(struct honest_issued *i, double ours, double naive);
// Whether the naive is to be served; remembers it, as coming back takes more than staying.
bool honest_gate(struct honest_issued *i, bool worse_in_back_tests);
struct honesty honest_judge(const struct trial *t, const struct front *f, const bool *usable);
