// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/said.h"

#include <errno.h>
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

int said_add(struct said *s, const struct outlook *o, int64_t generated_ms)
{
	size_t every = (o->horizon + SAID_POINTS - 1) / SAID_POINTS;
	struct said_one new = {generated_ms, o->start_s * 1000, (int64_t)every * o->step_s * 1000,
		(o->horizon + every - 1) / every, NULL};
	new.q = malloc(new.n * sizeof(*new.q));
	if (!new.q)
		return -ENOMEM;
	for (size_t i = 0; i < new.n; i++) {
		const double *row = o->quantiles[i * every];
		new.q[i][0] = (float)row[Q10];
		new.q[i][1] = (float)row[Q50];
		new.q[i][2] = (float)row[Q90];
	}
	while (s->n && s->one[0].generated_ms < generated_ms - SAID_DAYS * day_ms)
		drop(s, 0);
	if (s->n && s->one[s->n - 1].from_ms == new.from_ms)
		drop(s, s->n - 1); // the same forecast made again
	if (s->n == SAID_MAX)
		drop(s, least_missed(s, generated_ms));
	s->one[s->n++] = new;
	return 0;
}
