// SPDX-License-Identifier: Apache-2.0
// The bins of 10 s of one entity that are still filling.
//
// A window adds to every bin it touches, weighted by the time they share (as in grid.h), so what
// was counted is conserved. A bin is taken out once its end is a few seconds past; what comes for
// it later makes a bin of its own, which the writer merges with the first.
#pragma once

#include <stdint.h>

#include "aggregator/store/chunk.h"
#include "aggregator/store/record.h"

struct store_bin;
// Adds to the bins of the list that end after closed_ms (those before have been written already;
// INT64_MIN: to all). -ENOMEM.
int store_bins_add(struct store_bin **list, const struct store_record *r, int64_t closed_ms);
// Takes out one that ends at or before closed_ms (or, after the clock was set back, begins after
// future_ms) as columns of one bin. False if there is none.
bool store_bins_take(struct store_bin **list, int64_t closed_ms, int64_t future_ms,
	struct store_columns *ret, int64_t *ret_index);
void store_bins_done(struct store_bin **list);
