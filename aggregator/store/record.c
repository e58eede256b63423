// SPDX-License-Identifier: Apache-2.0
#include "aggregator/store/record.h"
#include "aggregator/store/varint.h"

#include <string.h>

uint8_t *store_hists_encode(const struct scope *s, uint8_t *p)
{
	p = varint_put(p, s->hists_present);
	for (uint32_t left = s->hists_present; left; left &= left - 1) {
		const struct hist *h = &s->hists[__builtin_ctz(left)];
		uint32_t buckets = 0;
		for (unsigned b = 0; b < HIST_BUCKETS; b++)
			buckets |= (uint32_t)(h->buckets[b] != 0) << b;
		p = varint_put(p, buckets);
		for (; buckets; buckets &= buckets - 1)
			p = varint_put(p, h->buckets[__builtin_ctz(buckets)]);
	}
	return p;
}

static const uint8_t *one_hist(const uint8_t *p, const uint8_t *end, struct hist *ret)
{
	uint64_t buckets, count;
	p = varint_get(p, end, &buckets);
	if (!p || buckets > UINT32_MAX)
		return NULL;
	for (; buckets; buckets &= buckets - 1) {
		p = varint_get(p, end, &count);
		if (!p || count > UINT32_MAX)
			return NULL;
		ret->buckets[__builtin_ctzll(buckets)] = (uint32_t)count;
	}
	return p;
}

const uint8_t *store_hists_decode(const uint8_t *p, const uint8_t *end, struct scope *ret)
{
	uint64_t present;
	p = varint_get(p, end, &present);
	if (!p || present >> HIST_COUNT)
		return NULL;
	memset(ret->hists, 0, sizeof(ret->hists));
	ret->hists_present = (uint32_t)present;
	for (; p && present; present &= present - 1)
		p = one_hist(p, end, &ret->hists[__builtin_ctzll(present)]);
	return p;
}

uint8_t *store_record_encode(const struct scope *s, uint8_t *p)
{
	p = varint_put(p, s->present);
	for (uint64_t left = s->present; left; left &= left - 1)
		p = varint_put(p, varint_fold(s->values[__builtin_ctzll(left)]));
	return store_hists_encode(s, p);
}

const uint8_t *store_record_decode(const uint8_t *p, const uint8_t *end, struct scope *ret)
{
	uint64_t present, v;
	p = varint_get(p, end, &present);
	if (!p || (METRIC_COUNT < 64 && present >> METRIC_COUNT))
		return NULL;
	memset(ret->values, 0, sizeof(ret->values));
	ret->present = present;
	for (; present; present &= present - 1) {
		p = varint_get(p, end, &v);
		if (!p)
			return NULL;
		ret->values[__builtin_ctzll(present)] = varint_unfold(v);
	}
	return store_hists_decode(p, end, ret);
}

static int64_t merged(enum metric m, const struct store_record *a, const struct store_record *b)
{
	int64_t x = a->scope.values[m], y = b->scope.values[m], sum;
	if (metric_kind(m) == DELTA)
		return __builtin_add_overflow(x, y, &sum) ? INT64_MAX : sum;
	double wa = a->window_ms, wb = b->window_ms;
	if (x == y || wa + wb <= 0)
		return y;
	return (int64_t)((double)x + ((double)y - (double)x) * wb / (wa + wb));
}

void store_record_merge(struct store_record *into, const struct store_record *later)
{
	for (uint64_t left = later->scope.present; left; left &= left - 1) {
		enum metric m = (enum metric)__builtin_ctzll(left);
		int64_t v = scope_has(&into->scope, m) ? merged(m, into, later)
						       : later->scope.values[m];
		scope_set(&into->scope, m, v);
	}
	for (uint32_t left = later->scope.hists_present; left; left &= left - 1) {
		unsigned h = (unsigned)__builtin_ctz(left);
		if (!(into->scope.hists_present >> h & 1))
			into->scope.hists[h] = (struct hist){0};
		hist_merge(&into->scope.hists[h], &later->scope.hists[h]);
	}
	into->scope.hists_present |= later->scope.hists_present;
	into->window_ms += later->window_ms;
	into->wall_ms = later->wall_ms;
}
