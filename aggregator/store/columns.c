// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/store/chunk.h"

const struct store_wanted store_wanted_all = {
	METRIC_COUNT < 64 ? (1ull << METRIC_COUNT) - 1 : UINT64_MAX, (1u << HIST_COUNT) - 1};

int store_columns_init(struct store_columns *c, size_t n, struct store_wanted wanted)
{
	size_t metrics = (size_t)__builtin_popcountll(wanted.metrics);
	size_t hists = (size_t)__builtin_popcount(wanted.hists);
	*c = (struct store_columns){.n = n};
	c->memory[0] = calloc(n * metrics * 2 + 1, sizeof(double));
	c->memory[1] = calloc(n * (metrics + hists) + 1, 1);
	c->memory[2] = calloc(n * hists + 1, sizeof(struct hist));
	if (!c->memory[0] || !c->memory[1] || !c->memory[2]) {
		store_columns_done(c);
		return -ENOMEM;
	}
	double *values = c->memory[0];
	uint8_t *covered = c->memory[1];
	struct hist *counts = c->memory[2];
	for (uint64_t left = wanted.metrics; left; left &= left - 1) {
		c->values[__builtin_ctzll(left)] =
			(struct store_column){values, values + n, covered};
		values += 2 * n;
		covered += n;
	}
	for (uint32_t left = wanted.hists; left; left &= left - 1) {
		c->counts[__builtin_ctz(left)] = counts;
		c->counted[__builtin_ctz(left)] = covered;
		counts += n;
		covered += n;
	}
	return 0;
}

void store_columns_done(struct store_columns *c)
{
	for (int i = 0; i < 3; i++)
		free(c->memory[i]);
	*c = (struct store_columns){0};
}

void store_columns_clear(struct store_columns *c)
{
	c->metrics = 0;
	c->hists = 0;
}

struct store_column *store_columns_use(struct store_columns *c, enum metric m)
{
	if (!(c->metrics >> m & 1))
		memset(c->values[m].covered, 0, c->n);
	c->metrics |= 1ull << m;
	return &c->values[m];
}

struct hist *store_columns_use_hist(struct store_columns *c, enum hist_id h)
{
	if (!(c->hists >> h & 1))
		memset(c->counted[h], 0, c->n);
	c->hists |= 1u << h;
	return c->counts[h];
}

static void merge_value(
	struct store_column *into, size_t i, const struct store_column *from, size_t j)
{
	unsigned a = into->covered[i], b = from->covered[j];
	if (!b)
		return;
	if (!a) {
		into->mean[i] = from->mean[j];
		into->max[i] = from->max[j];
	} else {
		into->mean[i] += (from->mean[j] - into->mean[i]) * b / (a + b);
		into->max[i] = fmax(into->max[i], from->max[j]);
	}
	into->covered[i] = (uint8_t)(a + b > CHUNK_FULL ? CHUNK_FULL : a + b);
}

void store_columns_merge(
	struct store_columns *into, size_t i, const struct store_columns *from, size_t j)
{
	for (uint64_t left = from->metrics; left; left &= left - 1) {
		enum metric m = (enum metric)__builtin_ctzll(left);
		merge_value(store_columns_use(into, m), i, &from->values[m], j);
	}
	for (uint32_t left = from->hists; left; left &= left - 1) {
		enum hist_id h = (enum hist_id)__builtin_ctz(left);
		struct hist *counts = store_columns_use_hist(into, h);
		if (!from->counted[h][j])
			continue;
		if (!into->counted[h][i])
			counts[i] = (struct hist){0};
		hist_merge(&counts[i], &from->counts[h][j]);
		into->counted[h][i] = 1;
	}
}

static void roll_value(struct store_column *into, const struct store_column *from, size_t n)
{
	double sum = 0, max = -INFINITY;
	unsigned covered = 0;
	for (size_t i = 0; i < n; i++) {
		if (!from->covered[i])
			continue;
		sum += from->mean[i] * from->covered[i];
		max = fmax(max, from->max[i]);
		covered += from->covered[i];
	}
	if (!covered)
		return;
	into->mean[0] = sum / covered;
	into->max[0] = max;
	covered = (covered + (unsigned)n / 2) / (unsigned)n;
	into->covered[0] = (uint8_t)(covered ? covered : 1);
}

void store_columns_roll(
	struct store_columns *into, const struct store_columns *from, size_t at, size_t n)
{
	store_columns_clear(into);
	for (uint64_t left = from->metrics; left; left &= left - 1) {
		enum metric m = (enum metric)__builtin_ctzll(left);
		const struct store_column part = {from->values[m].mean + at,
			from->values[m].max + at, from->values[m].covered + at};
		roll_value(store_columns_use(into, m), &part, n);
	}
	for (uint32_t left = from->hists; left; left &= left - 1) {
		enum hist_id h = (enum hist_id)__builtin_ctz(left);
		struct hist *counts = store_columns_use_hist(into, h);
		counts[0] = (struct hist){0};
		for (size_t i = at; i < at + n; i++) {
			if (!from->counted[h][i])
				continue;
			hist_merge(counts, &from->counts[h][i]);
			into->counted[h][0] = 1;
		}
	}
}
