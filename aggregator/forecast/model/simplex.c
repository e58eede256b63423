// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/model/simplex.h"

#include <assert.h>
#include <math.h>
#include <string.h>

struct vertex {
	double x[SIMPLEX_MAX];
	double f;
};

struct walk {
	const struct simplex *s;
	struct vertex v[SIMPLEX_MAX + 1]; // ascending by f
	double centre[SIMPLEX_MAX];
	int left; // evaluations
};

static double value_at(struct walk *w, const double *x)
{
	w->left--;
	double f = w->s->value(x, w->s->arg);
	return isnan(f) ? INFINITY : f;
}

static void insert(struct walk *w, size_t from)
{
	struct vertex moved = w->v[from];
	size_t i = from;
	for (; i > 0 && w->v[i - 1].f > moved.f; i--)
		w->v[i] = w->v[i - 1];
	w->v[i] = moved;
}

static struct vertex along(struct walk *w, double t)
{
	struct vertex p = {0};
	const double *worst = w->v[w->s->n].x;
	for (size_t i = 0; i < w->s->n; i++)
		p.x[i] = w->centre[i] + t * (worst[i] - w->centre[i]);
	p.f = value_at(w, p.x);
	return p;
}

static void shrink(struct walk *w)
{
	for (size_t k = 1; k <= w->s->n; k++) {
		for (size_t i = 0; i < w->s->n; i++)
			w->v[k].x[i] = w->v[0].x[i] + .5 * (w->v[k].x[i] - w->v[0].x[i]);
		w->v[k].f = value_at(w, w->v[k].x);
	}
	for (size_t k = 1; k <= w->s->n; k++)
		insert(w, k);
}

// Reflection 1, expansion 2, contraction 1/2, shrinking 1/2.
static void step(struct walk *w)
{
	size_t n = w->s->n;
	memset(w->centre, 0, sizeof(w->centre));
	for (size_t k = 0; k < n; k++)
		for (size_t i = 0; i < n; i++)
			w->centre[i] += w->v[k].x[i] / (double)n;
	struct vertex p = along(w, -1);
	if (p.f < w->v[0].f) {
		struct vertex further = along(w, -2);
		w->v[n] = further.f < p.f ? further : p;
	} else if (p.f < w->v[n - 1].f) {
		w->v[n] = p;
	} else {
		struct vertex nearer = along(w, p.f < w->v[n].f ? -.5 : .5);
		if (nearer.f >= fmin(p.f, w->v[n].f)) {
			shrink(w);
			return;
		}
		w->v[n] = nearer;
	}
	insert(w, n);
}

double simplex_minimise(const struct simplex *s, double *x)
{
	assert(s->n >= 1 && s->n <= SIMPLEX_MAX);
	struct walk w = {.s = s, .left = s->evaluations};
	for (size_t k = 0; k <= s->n; k++) {
		memcpy(w.v[k].x, x, s->n * sizeof(*x));
		if (k > 0)
			w.v[k].x[k - 1] += s->step;
		w.v[k].f = value_at(&w, w.v[k].x);
		insert(&w, k);
	}
	while (w.left > 0 && w.v[s->n].f - w.v[0].f > s->tolerance * (fabs(w.v[0].f) + 1e-300))
		step(&w);
	memcpy(x, w.v[0].x, s->n * sizeof(*x));
	return w.v[0].f;
}
