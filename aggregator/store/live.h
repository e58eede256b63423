// SPDX-License-Identifier: Apache-2.0
// The last minutes of one entity in memory, record by record.
//
// Records, not bins: the times of windows are kept, and a query spreads them over whatever grid it
// wants, so that a jitter of the agent's timer never makes a hole beside a double. The newest
// record (the tail) is kept exactly; older ones stand in pages of up to LIVE_PAGE_ROWS rows, where
// a value keeps its ten leading bits (error at most 1/1024; whole below 1024) and only what changed
// costs a byte. Thinning merges the rows of a page into longer windows, so that 5,000 nodes degrade
// to a coarser past instead of passing the memory budget. Ownership: embedded in the entity;
// store_live_done() frees. `bytes` is what it holds on the heap, for the budget.
#pragma once

#include "aggregator/store/record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LIVE_PAGE_ROWS = 64 };

struct live_page;
struct live_codes;
struct store_live {
	struct live_page *first, *last;
	struct live_codes *codes; // of the last row of the last page, NULL when that is full
	uint8_t *tail;            // encoded record
	int64_t tail_wall_ms;
	uint32_t tail_window_ms;
	uint16_t tail_len;
	uint32_t bytes;
};

void store_live_done(struct store_live *l); // frees and empties; may be used again
// Puts a record in its place by its time; one with the same end replaces. Records shorter than
// least_window_ms that follow each other are merged up to it. -ENOMEM; -ENOSPC where absurdly many
// crowd into one minute.
int store_live_put(struct store_live *l, const struct store_record *r, uint32_t least_window_ms);
// The tail as it was put. -ENOENT if empty.
int store_live_tail(const struct store_live *l, struct store_record *ret);
// Calls on_record in order of time for each whose window touches [from, to). Histograms are filled
// only when asked for. The record is borrowed for the call. Stops when it returns nonzero.
struct live_part {
	int64_t from_ms, to_ms;
	bool with_hists;
};
int store_live_each(const struct store_live *l, struct live_part part,
	int (*on_record)(void *arg, const struct store_record *r), void *arg);
void store_live_drop(struct store_live *l, int64_t before_ms); // whole pages, and an old tail
// Merges rows of full pages that end before before_ms into windows of window_ms.
void store_live_thin(struct store_live *l, int64_t before_ms, uint32_t window_ms);

// Ten leading bits of a value as a small number, monotone in the value; exact below 1024.
int32_t store_live_code(int64_t value);
int64_t store_live_value(int32_t code);
