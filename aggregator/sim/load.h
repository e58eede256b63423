// SPDX-License-Identifier: Apache-2.0
// Recorded production load, two weeks at five minutes, embedded from load.csv (see make_load.py for
// source and licence).
#pragma once

#include <stdint.h>

enum { LOAD_COLUMNS = 3, LOAD_STEP_S = 300, LOAD_ROWS = 14 * 86400 / LOAD_STEP_S };

struct load {
	uint16_t permille[LOAD_ROWS][LOAD_COLUMNS];
};

int load_parse(const char *csv, const char *end, struct load *ret); // -EBADMSG
int load_embedded(struct load *ret);
// Load of a column at a wall time, 0..1, interpolated between rows; the two weeks repeat.
double load_at(const struct load *l, unsigned column, int64_t wall_ms);
