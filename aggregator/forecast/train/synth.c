// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/train/synth.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { HARMONICS = 4, DAYS_MAX = 80 };

static bool chance(struct rng *r, double p)
{
	return rng_unit(r) < p;
}

static double between(struct rng *r, double lo, double hi)
{
	return lo + (hi - lo) * rng_unit(r);
}

static double spread_log(struct rng *r, double lo, double hi) // log-uniform
{
	return exp(between(r, log(lo), log(hi)));
}

struct shape {
	double size[HARMONICS], phase[HARMONICS];
	double open, close, edge, office; // hours; office 0 = none
	double weekend, weekday[7];
};

static void draw_shape(struct rng *r, struct shape *s)
{
	memset(s, 0, sizeof(*s));
	if (chance(r, 0.8)) {
		double amplitude = between(r, 0.05, 0.8);
		for (int k = 0; k < HARMONICS; k++) {
			s->size[k] = amplitude * fabs(rng_normal(r)) / (1 + k * between(r, 0.5, 2));
			s->phase[k] = between(r, 0, 2 * M_PI);
		}
	}
	if (chance(r, 0.35)) {
		s->open = between(r, 0, 20);
		s->close = s->open + between(r, 1, 12);
		s->edge = spread_log(r, 0.05, 2);
		s->office = between(r, 0.1, 2);
	}
	s->weekend = chance(r, 0.5) ? between(r, 0.1, 1.2) : 1;
	double uneven = chance(r, 0.5) ? between(r, 0, 0.15) : 0;
	for (int d = 0; d < 7; d++)
		s->weekday[d] = 1 + uneven * rng_normal(r);
}

// Relative load at `day` (days since the epoch, with its fraction).
static double shape_at(const struct shape *s, double day)
{
	double hour = 24 * (day - floor(day)), v = 1;
	int weekday = (int)fmod(floor(day), 7);
	for (int k = 0; k < HARMONICS; k++)
		v += s->size[k] * sin(2 * M_PI * (k + 1) * hour / 24 + s->phase[k]);
	for (int wrap = 0; wrap <= 24; wrap += 24) {
		double up = 1 / (1 + exp(-(hour + wrap - s->open) / fmax(s->edge, 0.01)));
		double down = 1 / (1 + exp(-(hour + wrap - s->close) / fmax(s->edge, 0.01)));
		v += s->office * (up - down);
	}
	// day 0 of the epoch was a Thursday
	return fmax(0, v) * s->weekday[weekday] * (weekday == 2 || weekday == 3 ? s->weekend : 1);
}

struct noise {
	double keep, size, white, walk, tail;
	double state, level;
};

static void draw_noise(struct rng *r, struct noise *n)
{
	memset(n, 0, sizeof(*n));
	n->size = spread_log(r, 0.005, 0.4);
	n->keep = chance(r, 0.7) ? 1 - spread_log(r, 0.01, 1) : 0;
	n->white = chance(r, 0.6) ? spread_log(r, 0.003, 0.2) : 0;
	n->walk = chance(r, 0.25) ? spread_log(r, 0.0005, 0.05) : 0;
	n->tail = chance(r, 0.3) ? between(r, 0.005, 0.05) : 0;
}

static double next_noise(struct rng *r, struct noise *n)
{
	double fresh = rng_normal(r) * (chance(r, n->tail) ? 5 : 1);
	n->state = n->keep * n->state + sqrt(1 - n->keep * n->keep) * fresh;
	n->level += n->walk * rng_normal(r);
	n->level *= 0.9995;
	return n->size * n->state + n->white * rng_normal(r) + n->level;
}

static void add_jobs(struct rng *r, struct synth *s) // work at fixed minutes
{
	static const int64_t every[] = {600, 900, 1800, 3600, 3 * 3600, 6 * 3600, 86400};
	int64_t period = every[rng_below(r, 7)], phase = (int64_t)rng_below(r, (uint64_t)period);
	int64_t length = (int64_t)spread_log(r, 60, 0.3 * (double)period + 61);
	double size = spread_log(r, 0.05, 3), jitter = between(r, 0, 0.3);
	for (size_t t = 0; t < s->n; t++) {
		int64_t from = s->start_s + (int64_t)t * s->step_s;
		int64_t into = ((from - phase) % period + period) % period;
		// share of the bin that the job runs in
		double share = 0;
		if (period <= s->step_s)
			share = (double)length / (double)period;
		else if (into < length)
			share = fmin(1, (double)(length - into) / (double)s->step_s);
		else if (into + s->step_s > period)
			share = fmin(length, into + s->step_s - period) / (double)s->step_s;
		s->y[t] += size * share * (1 + jitter * rng_normal(r));
	}
}

static void add_bursts(struct rng *r, struct synth *s)
{
	double days = (double)s->n * (double)s->step_s / 86400, heat = 0;
	double rate = spread_log(r, 0.3, 60) * days / (double)s->n; // per step
	double size = spread_log(r, 0.1, 6), fade = exp(-1 / spread_log(r, 1, 60));
	for (size_t t = 0; t < s->n; t++) {
		if (chance(r, rate))
			heat += size * -log(1 - rng_unit(r));
		s->y[t] += heat;
		heat *= fade;
	}
}

static void add_shifts(struct rng *r, struct synth *s)
{
	for (uint64_t k = 1 + rng_below(r, 3); k > 0; k--) {
		size_t at = rng_below(r, s->n), ramp = 1 + rng_below(r, s->n / 20 + 1);
		double factor = spread_log(r, 0.5, 2),
		       add = chance(r, 0.5) ? between(r, -0.4, 0.6) : 0;
		for (size_t t = at; t < s->n; t++) {
			double share = fmin(1, (double)(t - at + 1) / (double)ramp);
			s->y[t] = s->y[t] * (1 + share * (factor - 1)) + share * add;
		}
	}
}

static void switch_off(struct rng *r, struct synth *s) // scale to zero and back
{
	double off = spread_log(r, 0.002, 0.05), on = spread_log(r, 0.005, 0.2);
	bool running = true;
	for (size_t t = 0; t < s->n; t++) {
		running = running ? !chance(r, off) : chance(r, on);
		s->y[t] *= running;
	}
}

static void finish(struct rng *r, struct synth *s)
{
	double ceiling = chance(r, 0.1) ? between(r, 0.8, 2) : INFINITY;
	bool whole = chance(r, 0.1), gaps = chance(r, 0.2);
	double unit = whole ? between(r, 3, 60) : spread_log(r, 1e-3, 1e6);
	for (size_t t = 0; t < s->n; t++) {
		double v = unit * fmin(ceiling, fmax(0, s->y[t]));
		s->y[t] = whole ? rint(v) : v;
	}
	for (uint64_t k = gaps ? 1 + rng_below(r, 6) : 0; k > 0; k--) {
		size_t at = rng_below(r, s->n), length = (size_t)spread_log(r, 1, 30);
		for (size_t t = at; t < at + length && t < s->n; t++)
			s->y[t] = NAN;
	}
}

int synth_make(struct rng *r, struct synth *ret)
{
	static const int64_t steps[] = {60, 300, 3600};
	struct shape shape;
	struct noise noise;
	struct synth s = {.step_s = steps[rng_below(r, 3)]};
	double days = s.step_s == 60    ? between(r, 3, 6)
		      : s.step_s == 300 ? between(r, 6, 18)
					: between(r, 8, 50);
	s.n = (size_t)(days * 86400 / (double)s.step_s);
	s.start_s = (int64_t)(1700000000 + rng_below(r, 20000000)) / s.step_s * s.step_s;
	s.y = malloc(s.n * sizeof(double));
	if (!s.y)
		return -ENOMEM;
	draw_shape(r, &shape);
	draw_noise(r, &noise);
	double day_keep = between(r, 0, 0.9), day_size = chance(r, 0.6) ? between(r, 0, 0.2) : 0;
	double slope = chance(r, 0.3) ? between(r, -0.5, 0.8) / (double)s.n : 0, day_state = 0;
	bool multiplied = chance(r, 0.6);
	double today = -1;
	for (size_t t = 0; t < s.n; t++) {
		double day = (double)(s.start_s + (int64_t)t * s.step_s) / 86400;
		if (floor(day) != today) {
			today = floor(day);
			day_state = day_keep * day_state + day_size * rng_normal(r);
		}
		double base = shape_at(&shape, day) * exp(day_state) * (1 + slope * (double)t);
		double e = next_noise(r, &noise);
		s.y[t] = multiplied ? base * fmax(0, 1 + e) : base + e;
	}
	if (chance(r, 0.3))
		add_jobs(r, &s);
	if (chance(r, 0.3))
		add_bursts(r, &s);
	if (chance(r, 0.25))
		add_shifts(r, &s);
	if (chance(r, 0.08))
		switch_off(r, &s);
	finish(r, &s);
	*ret = s;
	return 0;
}
