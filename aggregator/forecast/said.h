// SPDX-License-Identifier: Apache-2.0
// What earlier forecasts of a series said, for the question "what did we say then?".
//
// A forecast is reduced to q10, q50 and q90 at up to SAID_POINTS steps. Of many only SAID_MAX are
// kept, close together lately and further apart the older they are, up to SAID_DAYS: the one is
// dropped whose neighbours leave the smallest hole in proportion to its age. 5 KiB per series and
// horizon; in memory, so a restart forgets. Ownership: caller's storage, said_done() frees. Thread:
// the caller's.
#pragma once

#include "aggregator/forecast/outlook.h"

enum { SAID_MAX = 10, SAID_POINTS = 48, SAID_DAYS = 35 };

struct said_one {
	int64_t generated_ms, from_ms, step_ms; // step of the points kept
	size_t n;
	float (*q)[3]; // [n]: q10, q50, q90
};

struct said {
	struct said_one one[SAID_MAX]; // oldest first
	size_t n;
};

void said_done(struct said *s);
// Remembers an outlook; -ENOMEM leaves everything as it was.
int said_add(struct said *s, const struct outlook *o, int64_t generated_ms);
