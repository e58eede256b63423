// SPDX-License-Identifier: Apache-2.0
#include "agent/window/rows.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

// Rows stand densely in `last`; `index` is an open-addressing table (linear probing, never more
// than half full) of positions + 1, made anew when rows vanish, which is rare.
struct rows {
	struct probe_row *last;
	uint32_t *epochs; // reading in which the row was last seen
	uint32_t *index;
	size_t n, max, mask;
	uint32_t epoch;
	uint64_t left_out;
};

int rows_new(struct rows **ret, size_t max_rows)
{
	if (max_rows == 0 || max_rows > 1 << 24)
		return -EINVAL;
	struct rows *r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	size_t size = 16;
	while (size < 2 * max_rows)
		size *= 2;
	r->max = max_rows;
	r->mask = size - 1;
	r->last = calloc(max_rows, sizeof(*r->last));
	r->epochs = calloc(max_rows, sizeof(*r->epochs));
	r->index = calloc(size, sizeof(*r->index));
	if (!r->last || !r->epochs || !r->index) {
		rows_free(r);
		return -ENOMEM;
	}
	*ret = r;
	return 0;
}

void rows_free(struct rows *r)
{
	if (!r)
		return;
	free(r->last);
	free(r->epochs);
	free(r->index);
	free(r);
}

// Where the inode's position is, or belongs (0 there).
static uint32_t *find(struct rows *r, uint64_t inode)
{
	// Fibonacci hashing: inodes are consecutive numbers
	size_t i = (size_t)(inode * 0x9e3779b97f4a7c15ull >> 32) & r->mask;
	while (r->index[i] && r->last[r->index[i] - 1].inode != inode)
		i = (i + 1) & r->mask;
	return &r->index[i];
}

static void forget_unseen(struct rows *r)
{
	size_t kept = 0;
	for (size_t i = 0; i < r->n; i++) {
		if (r->epochs[i] != r->epoch)
			continue;
		if (kept != i) {
			r->last[kept] = r->last[i];
			r->epochs[kept] = r->epochs[i];
		}
		kept++;
	}
	if (kept == r->n)
		return;
	r->n = kept;
	memset(r->index, 0, (r->mask + 1) * sizeof(*r->index));
	for (size_t i = 0; i < kept; i++)
		*find(r, r->last[i].inode) = (uint32_t)(i + 1);
}

static bool went_back(const struct probe_row *last, const struct probe_row *now)
{
	for (int v = 0; v < PROBE_VALUES; v++)
		if (now->values[v] < last->values[v])
			return true;
	return false;
}

static bool subtract(
	struct probe_row *last, const struct probe_row *now, struct probe_row *increase)
{
	bool any = false;
	if (went_back(last, now))
		*last = (struct probe_row){.inode = now->inode};
	increase->inode = now->inode;
	for (int v = 0; v < PROBE_VALUES; v++) {
		increase->values[v] = now->values[v] - last->values[v];
		any |= increase->values[v] != 0;
	}
	for (unsigned h = 0; h < PROBE_HISTS; h++) {
		for (int b = 0; b < HIST_BUCKETS; b++) {
			increase->hists[h][b] = now->hists[h][b] - last->hists[h][b];
			any |= increase->hists[h][b] != 0;
		}
	}
	*last = *now;
	return any;
}

void rows_feed(struct rows *r, const struct probe_row *now, size_t n,
	void (*each)(void *arg, const struct probe_row *increase), void *arg)
{
	r->epoch++;
	for (size_t i = 0; i < n; i++) {
		uint32_t *at = find(r, now[i].inode);
		if (!*at && r->n == r->max) {
			r->left_out++;
			continue;
		}
		if (!*at) {
			r->last[r->n] = (struct probe_row){.inode = now[i].inode};
			*at = (uint32_t)++r->n;
		}
		r->epochs[*at - 1] = r->epoch;
		struct probe_row increase = {0};
		if (subtract(&r->last[*at - 1], &now[i], &increase))
			each(arg, &increase);
	}
	forget_unseen(r);
}

uint64_t rows_left_out(const struct rows *r)
{
	return r->left_out;
}
