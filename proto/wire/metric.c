// SPDX-License-Identifier: Apache-2.0
#include "proto/wire/metric.h"

#include <errno.h>
#include <string.h>

#define M(id, name, kind, scopes) {name, kind, scopes},
static const struct {
	const char *name;
	enum metric_kind kind;
	unsigned scopes;
} metrics[] = {METRICS(M)};
#undef M
#define H(id, name, shift) {name, shift},
static const struct {
	const char *name;
	unsigned shift;
} hists[] = {HISTS(H)};
#undef H

const char *metric_name(enum metric m)
{
	return metrics[m].name;
}

enum metric_kind metric_kind(enum metric m)
{
	return metrics[m].kind;
}

unsigned metric_scopes(enum metric m)
{
	return metrics[m].scopes;
}

int metric_by_name(const char *name, enum metric *ret)
{
	for (int i = 0; i < METRIC_COUNT; i++) {
		if (strcmp(metrics[i].name, name) == 0) {
			*ret = (enum metric)i;
			return 0;
		}
	}
	return -ENOENT;
}

const char *hist_name(enum hist_id h)
{
	return hists[h].name;
}

int hist_by_name(const char *name, enum hist_id *ret)
{
	for (int i = 0; i < HIST_COUNT; i++) {
		if (strcmp(hists[i].name, name) == 0) {
			*ret = (enum hist_id)i;
			return 0;
		}
	}
	return -ENOENT;
}

unsigned hist_shift(enum hist_id h)
{
	return hists[h].shift;
}

unsigned hist_bucket(enum hist_id h, uint64_t value)
{
	value >>= hists[h].shift;
	unsigned b = value ? 63u - (unsigned)__builtin_clzll(value) : 0;
	return b < HIST_BUCKETS ? b : HIST_BUCKETS - 1;
}

uint64_t hist_count(const struct hist *h)
{
	uint64_t n = 0;
	for (int b = 0; b < HIST_BUCKETS; b++)
		n += h->buckets[b];
	return n;
}

uint64_t hist_quantile(enum hist_id id, const struct hist *h, unsigned permille)
{
	uint64_t n = hist_count(h), below = 0;
	if (n == 0)
		return 0;
	double want = (double)n * permille / 1000.0;
	for (unsigned b = 0; b < HIST_BUCKETS; b++) {
		uint64_t here = h->buckets[b];
		if (here && (double)(below + here) >= want) {
			double share = (want - (double)below) / (double)here;
			double low = b ? (double)(1ull << (b + hists[id].shift)) : 0;
			double high = (double)(2ull << (b + hists[id].shift));
			return (uint64_t)(low + (high - low) * (share > 0 ? share : 0));
		}
		below += here;
	}
	return 2ull << (HIST_BUCKETS - 1 + hists[id].shift);
}

void hist_merge(struct hist *into, const struct hist *from)
{
	for (int b = 0; b < HIST_BUCKETS; b++) {
		uint64_t sum = (uint64_t)into->buckets[b] + from->buckets[b];
		into->buckets[b] = sum > UINT32_MAX ? UINT32_MAX : (uint32_t)sum;
	}
}
