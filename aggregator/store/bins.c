// SPDX-License-Identifier: Apache-2.0
#include "aggregator/store/bins.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

enum { BIN_MS = 10000 };

struct store_bin {
	struct store_bin *next;
	int64_t index;
	uint64_t present;
	uint32_t hists_present;
	struct {
		double sum, max; // of rate x ms; largest rate of a window mostly within
		double weight_ms;
	} values[METRIC_COUNT];
	struct hist hists[HIST_COUNT];
};

static struct store_bin *find_or_make(struct store_bin **list, int64_t index)
{
	for (struct store_bin *b = *list; b; b = b->next)
		if (b->index == index)
			return b;
	struct store_bin *b = calloc(1, sizeof(*b));
	if (!b)
		return NULL;
	b->index = index;
	b->next = *list;
	*list = b;
	return b;
}

static void add_values(
	struct store_bin *b, const struct store_record *r, int64_t shared_ms, bool mostly)
{
	for (uint64_t left = r->scope.present; left; left &= left - 1) {
		enum metric m = (enum metric)__builtin_ctzll(left);
		double v = (double)r->scope.values[m];
		if (metric_kind(m) == DELTA)
			v *= 1000.0 / r->window_ms;
		if (!(b->present >> m & 1))
			b->values[m].max = -INFINITY;
		b->present |= 1ull << m;
		b->values[m].sum += v * (double)shared_ms;
		b->values[m].weight_ms += (double)shared_ms;
		if (mostly)
			b->values[m].max = fmax(b->values[m].max, v);
	}
}

int store_bins_add(struct store_bin **list, const struct store_record *r, int64_t closed_ms)
{
	int64_t start = r->wall_ms - r->window_ms;
	int64_t middle = (r->wall_ms - (r->window_ms + 1) / 2) / BIN_MS;
	for (int64_t i = start / BIN_MS; i * BIN_MS < r->wall_ms; i++) {
		int64_t from = i * BIN_MS > start ? i * BIN_MS : start;
		int64_t to = (i + 1) * BIN_MS < r->wall_ms ? (i + 1) * BIN_MS : r->wall_ms;
		if (from < 0 || (i + 1) * BIN_MS <= closed_ms)
			continue;
		struct store_bin *b = find_or_make(list, i);
		if (!b)
			return -ENOMEM;
		add_values(b, r, to - from, 2 * (to - from) >= r->window_ms || to - from == BIN_MS);
		if (i != middle)
			continue;
		for (uint32_t left = r->scope.hists_present; left; left &= left - 1)
			hist_merge(&b->hists[__builtin_ctz(left)],
				&r->scope.hists[__builtin_ctz(left)]);
		b->hists_present |= r->scope.hists_present;
	}
	return 0;
}

static void to_columns(const struct store_bin *b, struct store_columns *ret)
{
	store_columns_clear(ret);
	for (uint64_t left = b->present; left; left &= left - 1) {
		unsigned m = (unsigned)__builtin_ctzll(left);
		struct store_column *c = store_columns_use(ret, (enum metric)m);
		double covered = rint(b->values[m].weight_ms * CHUNK_FULL / BIN_MS);
		c->mean[0] = b->values[m].sum / b->values[m].weight_ms;
		c->max[0] = fmax(b->values[m].max, c->mean[0]);
		c->covered[0] = (uint8_t)fmin(fmax(covered, 1), CHUNK_FULL);
	}
	for (uint32_t left = b->hists_present; left; left &= left - 1) {
		unsigned h = (unsigned)__builtin_ctz(left);
		store_columns_use_hist(ret, (enum hist_id)h)[0] = b->hists[h];
		ret->counted[h][0] = 1;
	}
}

bool store_bins_take(struct store_bin **list, int64_t closed_ms, int64_t future_ms,
	struct store_columns *ret, int64_t *ret_index)
{
	for (struct store_bin **link = list; *link; link = &(*link)->next) {
		struct store_bin *b = *link;
		if ((b->index + 1) * BIN_MS > closed_ms && b->index * BIN_MS <= future_ms)
			continue;
		to_columns(b, ret);
		*ret_index = b->index;
		*link = b->next;
		free(b);
		return true;
	}
	return false;
}

void store_bins_done(struct store_bin **list)
{
	while (*list) {
		struct store_bin *b = *list;
		*list = b->next;
		free(b);
	}
}
