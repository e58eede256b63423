// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/model/lstm_input.h"

#include <math.h>
#include <string.h>

enum { DAY_S = 86400, WEEK_DAYS = 7 };

static real compressed(double x)
{
	return (real)copysign(log1p(fabs(x)), x);
}

static void put_turn(double part, real *ret) // a cycle as sine and cosine
{
	ret[0] = (real)sin(2 * M_PI * part);
	ret[1] = (real)cos(2 * M_PI * part);
}

static double days_at(const struct window *w, size_t t)
{
	return ((double)w->in->start_s + (double)t * (double)w->in->step_s) / DAY_S;
}

void lstm_put_steps(const struct window *w, size_t origin, real ret[NET_STEPS][NET_IN])
{
	double scale = w->in->scale, last = w->z[origin - 1];
	memset(ret, 0, NET_STEPS * sizeof(ret[0]));
	for (size_t k = 0; k < NET_STEPS; k++) {
		real *x = ret[k];
		if (origin + k < NET_STEPS)
			continue; // before the start: zeros
		size_t t = origin + k - NET_STEPS;
		double v = w->z[t], before = t > 0 ? w->z[t - 1] : v;
		x[0] = compressed((v - last) / scale);
		x[1] = compressed(10 * (v - before) / scale);
		if (w->season && t >= w->season) {
			x[2] = compressed((v - w->z[t - w->season]) / scale);
			x[3] = compressed((v - window_profile(w, t - w->season)) / scale);
		}
		put_turn(days_at(w, t), x + 4);
		x[6] = !isfinite(w->in->y[t]);
		x[7] = w->season && t >= w->season;
	}
}

// The simple rules for one target; 0 is the last value itself.
static void put_anchors(const struct window *w, size_t origin, size_t target, struct net_pair *p)
{
	double scale = w->in->scale, last = w->z[origin - 1];
	memset(p->has, 0, sizeof(p->has));
	memset(p->anchor, 0, sizeof(p->anchor));
	p->has[0] = true;
	if (!w->season || origin <= w->season)
		return;
	size_t at = window_back(target, w->season, origin), now = origin - 1;
	double same = w->z[at], profile = window_profile(w, at);
	double shift = last - window_around(w, now - w->season, origin);
	const double rules[] = {same, same + shift, profile,
		profile + last - window_profile(w, now), window_around(w, at, origin)};
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		p->has[1 + i] = true;
		p->anchor[1 + i] = (real)((rules[i] - last) / scale);
	}
	if (!w->week || origin <= w->week)
		return;
	double week = window_around(w, window_back(target, w->week, origin), origin);
	p->has[6] = p->has[7] = true;
	p->anchor[6] = (real)((week - last) / scale);
	p->anchor[7] = (real)((week - window_around(w, now - w->week, origin)) / scale);
}

static void put_spreads(const struct window *w, size_t origin, size_t target, struct net_pair *p)
{
	double terms[SPREAD_TERMS], mean = 0, far = 0, n = 0;
	spread_terms(&w->spread, origin, target, w->z[origin - 1], terms);
	for (size_t i = 0; i < NET_ANCHORS; i++)
		if (p->has[i]) {
			mean += (double)p->anchor[i];
			n++;
		}
	for (size_t i = 0; i < NET_ANCHORS; i++)
		if (p->has[i])
			far += fabs((double)p->anchor[i] - mean / n) / n;
	p->spread[0] = (real)0.1; // of the series' own scale
	p->spread[1] = (real)(terms[1] / w->in->scale);
	p->spread[2] = (real)(terms[2] / w->in->scale);
	p->spread[3] = (real)far;
}

void lstm_put_pair(const struct window *w, size_t origin, size_t target, struct net_pair *p)
{
	double scale = w->in->scale, last = w->z[origin - 1], ahead = (double)(target - origin + 1);
	double row[WINDOW_COLUMNS], days = days_at(w, target);
	real *x = p->known;
	put_anchors(w, origin, target, p);
	put_spreads(w, origin, target, p);
	memset(x, 0, NET_PAIR * sizeof(*x));
	*x++ = (real)(log(ahead) / 5);
	*x++ = w->season ? compressed(ahead / (double)w->season) : 0;
	put_turn(days, x);
	put_turn(days / WEEK_DAYS, x + 2);
	x += 4;
	*x++ = w->season > 0;
	*x++ = p->has[6];
	for (size_t i = 1; i < NET_ANCHORS; i++)
		*x++ = compressed((double)p->anchor[i]);
	window_row(w, origin, target, row);
	for (size_t i = 0; i < 6; i++)
		*x++ = i < w->at.blocks ? compressed(row[1 + i] / scale) : 0;
	for (size_t i = 1; i < NET_SPREADS; i++)
		*x++ = compressed(10 * (double)p->spread[i]);
	*x++ = compressed(last / scale) / 3;
	*x++ = (real)(log((double)w->in->step_s / 300) / 3);
	*x++ = w->season ? (real)(log((double)origin / (double)w->season) / 3) : 0;
	if (w->season && origin > w->season)
		*x++ = compressed((last - w->z[origin - 1 - w->season]) / scale);
}
