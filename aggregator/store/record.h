// SPDX-License-Identifier: Apache-2.0
// One struct scope (1.3 KB, most of it empty) as a few hundred bytes, exactly.
//
// Used where values must come back as they were put: the newest record of an entity and the
// journal. Layout: presence word, histogram word, then each present value folded, then each present
// histogram as a word of its non-empty buckets and their counts, all varints.
#pragma once

#include "proto/wire/sample.h"

#include <stddef.h>
#include <stdint.h>

enum { RECORD_MAX_BYTES = 10 + 5 + 10 * METRIC_COUNT + HIST_COUNT * (5 + 5 * HIST_BUCKETS) };

// One window of measured values.
struct store_record {
	int64_t wall_ms; // end of the window
	uint32_t window_ms;
	struct scope scope;
};

uint8_t *store_record_encode(const struct scope *s, uint8_t *p); // room for RECORD_MAX_BYTES at p
// NULL if malformed, else the byte after. Values that are absent are 0 in *ret.
const uint8_t *store_record_decode(const uint8_t *p, const uint8_t *end, struct scope *ret);
// Histograms alone, as within a record.
uint8_t *store_hists_encode(const struct scope *s, uint8_t *p);
const uint8_t *store_hists_decode(const uint8_t *p, const uint8_t *end, struct scope *ret);

// Appends a later window: increases add up, gauges become the mean weighted by time, histograms
// merge. A value that only one of them has is kept as it is.
void store_record_merge(struct store_record *into, const struct store_record *later);
