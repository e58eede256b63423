// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/said.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { Q10 = 2, Q50 = 4, Q90 = 6 };
static const int64_t day_ms = 86400000;

void said_done(struct said *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->one[i].q);
	s->n = 0;
}

static void drop(struct said *s, size_t i)
{
	free(s->one[i].q);
	memmove(s->one + i, s->one + i + 1, (s->n - i - 1) * sizeof(*s->one));
	s->n--;
}

// The entry whose loss is felt least; the oldest and the newest stay.
static size_t least_missed(const struct said *s, int64_t now_ms)
{
	size_t best = 1;
	double least = 0;
	for (size_t i = 1; i + 1 < s->n; i++) {
		double hole = (double)(s->one[i + 1].generated_ms - s->one[i - 1].generated_ms);
		double age = (double)(now_ms - s->one[i].generated_ms) + 1;
		if (i == 1 || hole / age < least) {
			least = hole / age;
			best = i;
		}
	}
	return best;
}

int said_of(const struct outlook *o, int64_t generated_ms, struct said_one *ret)
{
	size_t every = (o->horizon + SAID_POINTS - 1) / SAID_POINTS;
	struct said_one one = {generated_ms, o->start_s * 1000, (int64_t)every * o->step_s * 1000,
		(o->horizon + every - 1) / every, NULL};
	one.q = malloc(one.n * sizeof(*one.q));
	if (!one.q)
		return -ENOMEM;
	for (size_t i = 0; i < one.n; i++) {
		const double *row = o->quantiles[i * every];
		one.q[i][0] = (float)row[Q10];
		one.q[i][1] = (float)row[Q50];
		one.q[i][2] = (float)row[Q90];
	}
	*ret = one;
	return 0;
}

void said_take(struct said *s, struct said_one *one)
{
	int64_t now_ms = one->generated_ms;
	if (s->n && s->one[s->n - 1].generated_ms >= now_ms) {
		free(one->q);
		one->q = NULL;
		return;
	}
	while (s->n && s->one[0].generated_ms < now_ms - SAID_DAYS * day_ms)
		drop(s, 0);
	if (s->n && s->one[s->n - 1].from_ms == one->from_ms)
		drop(s, s->n - 1); // the same forecast made again
	if (s->n == SAID_MAX)
		drop(s, least_missed(s, now_ms));
	s->one[s->n++] = *one;
	one->q = NULL;
}

int said_add(struct said *s, const struct outlook *o, int64_t generated_ms)
{
	struct said_one new;
	int r = said_of(o, generated_ms, &new);
	if (r == 0)
		said_take(s, &new);
	return r;
}

struct packed { // and n times three uint16_t
	int64_t generated_ms, from_ms, step_ms;
	uint32_t n;
	float least, range;
};
_Static_assert(sizeof(struct packed) <= 40, "SAID_PACKED_MAX counts it");

void said_pack(const struct said_one *one, struct buf *out)
{
	struct packed p = {one->generated_ms, one->from_ms, one->step_ms, (uint32_t)one->n, 0, 0};
	float most = 0;
	for (size_t i = 0; i < 3 * one->n; i++) {
		float q = one->q[i / 3][i % 3];
		p.least = i && p.least < q ? p.least : q;
		most = i && most > q ? most : q;
	}
	p.range = most - p.least;
	buf_append(out, &p, sizeof(p));
	for (size_t i = 0; i < 3 * one->n; i++) {
		float part = p.range > 0 ? (one->q[i / 3][i % 3] - p.least) / p.range : 0;
		uint16_t v = (uint16_t)(part * UINT16_MAX + .5F);
		buf_append(out, &v, sizeof(v));
	}
}

int said_unpack(const void *data, size_t len, size_t *at, struct said_one *ret)
{
	struct packed p;
	const char *from = (const char *)data + *at;
	if (*at == len)
		return 0;
	if (len - *at < sizeof(p))
		return -EBADMSG;
	memcpy(&p, from, sizeof(p));
	size_t bytes = (size_t)p.n * 3 * sizeof(uint16_t);
	if (p.n == 0 || p.n > SAID_POINTS || len - *at - sizeof(p) < bytes || p.step_ms <= 0 ||
		!isfinite(p.least) || !isfinite(p.range))
		return -EBADMSG;
	float(*q)[3] = malloc(p.n * sizeof(*q));
	if (!q)
		return -ENOMEM;
	for (size_t i = 0; i < 3 * (size_t)p.n; i++) {
		uint16_t v;
		memcpy(&v, from + sizeof(p) + i * sizeof(v), sizeof(v));
		q[i / 3][i % 3] = p.least + p.range * (float)v / UINT16_MAX;
	}
	*ret = (struct said_one){p.generated_ms, p.from_ms, p.step_ms, p.n, q};
	*at += sizeof(p) + bytes;
	return 1;
}
