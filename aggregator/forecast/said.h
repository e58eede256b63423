// SPDX-License-Identifier: Apache-2.0
// What earlier forecasts of a series said, for the question "what did we say then?".
//
// A forecast is reduced to q10, q50 and q90 at up to SAID_POINTS steps. Of many only SAID_MAX are
// kept, close together lately and further apart the older they are, up to SAID_DAYS: the one is
// dropped whose neighbours leave the smallest hole in proportion to its age. At most 6 KiB per
// series and horizon. said_pack() makes at most SAID_PACKED_MAX bytes of one, for the store.
// Ownership: caller's storage, said_done() frees. Thread: the caller's.
#pragma once

#include "aggregator/forecast/outlook.h"

enum { SAID_MAX = 10, SAID_POINTS = 48, SAID_DAYS = 35, SAID_PACKED_MAX = 40 + SAID_POINTS * 6 };

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
// Takes one over (its q), unless it is not newer than the newest.
void said_take(struct said *s, struct said_one *one);
// To 16 bits between the least and the most of its values.
void said_pack(const struct said_one *one, struct buf *out);
// Reads one at *at and moves on: 1, or 0 at the end; -EBADMSG on what was not packed here, -ENOMEM.
int said_unpack(const void *data, size_t len, size_t *at, struct said_one *ret); // free(ret->q)
// Reduces an outlook. -ENOMEM.
int said_of(const struct outlook *o, int64_t generated_ms, struct said_one *ret);
