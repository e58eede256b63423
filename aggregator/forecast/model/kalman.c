// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/model/kalman.h"

#include <errno.h>
#include <math.h>
#include <string.h>

enum { PAIRS = (ARMA_MAX + 1) * (ARMA_MAX + 2) / 2 };

static double shock(const struct arma *m, size_t i) // how an innovation enters ARMA state i
{
	return i == 0 ? 1 : i <= m->q ? m->theta[i - 1] : 0;
}

static size_t pair(size_t i, size_t j)
{
	return i >= j ? i * (i + 1) / 2 + j : j * (j + 1) / 2 + i;
}

// Gauss with partial pivoting on [n][n + 1]; false if singular.
static bool eliminate(double a[PAIRS][PAIRS + 1], size_t n)
{
	for (size_t c = 0; c < n; c++) {
		size_t best = c;
		for (size_t i = c + 1; i < n; i++)
			if (fabs(a[i][c]) > fabs(a[best][c]))
				best = i;
		if (!(fabs(a[best][c]) > 1e-300))
			return false;
		for (size_t j = 0; j <= n; j++) {
			double t = a[c][j];
			a[c][j] = a[best][j];
			a[best][j] = t;
		}
		for (size_t i = 0; i < n; i++) {
			double f = a[i][c] / a[c][c];
			for (size_t j = c; i != c && f != 0 && j <= n; j++)
				a[i][j] -= f * a[c][j];
		}
	}
	for (size_t i = 0; i < n; i++)
		a[i][n] /= a[i][i];
	return true;
}

// One equation of the stationary covariance, P = T P T' + R R' at (i, j): T moves state i + 1 to i
// and adds phi[i] * state 0.
static void put_equation(const struct kalman *k, size_t i, size_t j, double row[PAIRS + 1])
{
	const struct arma *m = &k->model;
	double fi = i < m->p ? m->phi[i] : 0, fj = j < m->p ? m->phi[j] : 0;
	bool more_i = i + 1 < k->r, more_j = j + 1 < k->r;
	row[pair(i, j)] += 1;
	row[pair(0, 0)] -= fi * fj;
	if (more_j)
		row[pair(0, j + 1)] -= fi;
	if (more_i)
		row[pair(i + 1, 0)] -= fj;
	if (more_i && more_j)
		row[pair(i + 1, j + 1)] -= 1;
	row[k->r * (k->r + 1) / 2] = shock(m, i) * shock(m, j);
}

// Linear equations in the lower triangle (at most 10), exact also near the unit circle.
static int start_covariance(struct kalman *k)
{
	size_t r = k->r, n = r * (r + 1) / 2;
	double eq[PAIRS][PAIRS + 1] = {{0}};
	for (size_t i = 0; i < r; i++)
		for (size_t j = 0; j <= i; j++)
			put_equation(k, i, j, eq[pair(i, j)]);
	if (!eliminate(eq, n))
		return -EDOM;
	for (size_t i = 0; i < r; i++)
		for (size_t j = 0; j < r; j++)
			k->cov[i][j] = eq[pair(i, j)][n];
	for (size_t i = 0; i < r; i++)
		if (!(k->cov[i][i] >= 0) || !isfinite(k->cov[i][i]))
			return -EDOM;
	return k->cov[0][0] > 0 ? 0 : -EDOM;
}

int kalman_start(struct kalman *k, const struct arma *model)
{
	if (model->p > ARMA_MAX || model->q > ARMA_MAX || model->d > 2)
		return -EDOM;
	memset(k, 0, sizeof(*k));
	k->model = *model;
	k->r = model->p > model->q + 1 ? model->p : model->q + 1;
	k->m = k->r + model->d;
	k->z[0] = 1;
	if (model->d >= 1)
		k->z[k->r] = model->d == 1 ? 1 : 2;
	if (model->d == 2)
		k->z[k->r + 1] = -1;
	return start_covariance(k);
}

// state := T state
static void advance(const struct kalman *k, double *a)
{
	const struct arma *m = &k->model;
	double level = 0, first = a[0];
	for (size_t i = 0; m->d > 0 && i < k->m; i++)
		level += k->z[i] * a[i];
	for (size_t i = 0; i < k->r; i++)
		a[i] = (i < m->p ? m->phi[i] * first : 0) + (i + 1 < k->r ? a[i + 1] : 0);
	if (m->d == 2)
		a[k->r + 1] = a[k->r];
	if (m->d > 0)
		a[k->r] = level;
}

// cov := T cov T' + R R'. Both products advance columns, since cov is symmetric.
static void advance_covariance(struct kalman *k)
{
	double half[KALMAN_STATES][KALMAN_STATES];
	for (size_t j = 0; j < k->m; j++) {
		advance(k, k->cov[j]);
		for (size_t i = 0; i < k->m; i++)
			half[i][j] = k->cov[j][i];
	}
	for (size_t i = 0; i < k->m; i++) {
		advance(k, half[i]);
		for (size_t j = 0; j < k->m; j++)
			k->cov[i][j] =
				half[i][j] +
				(i < k->r && j < k->r ? shock(&k->model, i) * shock(&k->model, j)
						      : 0);
	}
}

// Gain (times f) and f from cov.
static void prepare_gain(struct kalman *k)
{
	k->f = 0;
	for (size_t i = 0; i < k->m; i++) {
		k->gain[i] = 0;
		for (size_t j = 0; j < k->m; j++)
			k->gain[i] += k->cov[i][j] * k->z[j];
	}
	for (size_t i = 0; i < k->m; i++)
		k->f += k->z[i] * k->gain[i];
}

// Takes the value out of cov, predicts the next one, and notes whether that changed anything.
static void next_covariance(struct kalman *k)
{
	double before[KALMAN_STATES][KALMAN_STATES], change = 0;
	memcpy(before, k->cov, sizeof(before));
	for (size_t i = 0; i < k->m; i++)
		for (size_t j = 0; j < k->m; j++)
			k->cov[i][j] -= k->gain[i] * k->gain[j] / k->f;
	advance_covariance(k);
	for (size_t i = 0; i < k->m; i++)
		for (size_t j = 0; j < k->m; j++)
			change = fmax(change, fabs(k->cov[i][j] - before[i][j]));
	k->steady = change < 1e-10 * fmax(1, k->f);
}

static double swallow(struct kalman *k, double y) // the first d values
{
	if (isnan(y)) {
		k->seen = 0;
		return NAN;
	}
	if (k->model.d == 2)
		k->a[k->r + 1] = k->a[k->r];
	k->a[k->r] = y;
	k->seen++;
	return NAN;
}

double kalman_step(struct kalman *k, double y)
{
	if (k->seen < k->model.d)
		return swallow(k, y);
	if (isnan(y)) {
		advance(k, k->a);
		advance_covariance(k);
		k->steady = false;
		return NAN;
	}
	if (!k->steady)
		prepare_gain(k);
	double error = y;
	for (size_t i = 0; i < k->m; i++)
		error -= k->z[i] * k->a[i];
	for (size_t i = 0; i < k->m; i++)
		k->a[i] += k->gain[i] * (error / k->f);
	advance(k, k->a);
	if (!k->steady)
		next_covariance(k);
	return error;
}

void kalman_forecast(const struct kalman *k, size_t horizon, double *ret)
{
	double a[KALMAN_STATES];
	memcpy(a, k->a, sizeof(a));
	for (size_t h = 0; h < horizon; h++) {
		ret[h] = 0;
		for (size_t i = 0; i < k->m; i++)
			ret[h] += k->z[i] * a[i];
		advance(k, a);
	}
}

static void count_error(struct likelihood *l, double error, double f, double *product)
{
	l->squares += error * error / f;
	l->n++;
	*product *= f; // its logarithm is taken only when it runs away
	if (!(*product > 1e-200 && *product < 1e200)) {
		l->log_det += log(*product);
		*product = 1;
	}
}

// Without gaps the covariance changes by a matrix of rank one, size * change change', so that only
// a vector has to be carried (Morf, Sidhu and Kailath, IEEE Trans. Automatic Control 19, 1974). It
// sees the differenced series, so there are no level states; vectors are padded with zeros to a
// fixed length, because this is where all the time of a search goes.
enum { LEAN = ARMA_MAX + 1 };

struct lean {
	double phi[LEAN], a[LEAN + 1], gain[LEAN], change[LEAN + 1];
	double f, inverse_f, size;
	bool steady;
};

static void lean_start(struct lean *s, const struct kalman *k)
{
	memset(s, 0, sizeof(*s));
	memcpy(s->phi, k->model.phi, k->model.p * sizeof(double));
	s->f = k->cov[0][0];
	s->inverse_f = 1 / s->f;
	s->size = -1 / s->f;
	for (size_t i = 0; i < LEAN; i++)
		s->gain[i] = s->phi[i] * s->f + (i + 1 < k->r ? k->cov[i + 1][0] : 0);
	memcpy(s->change, s->gain, sizeof(s->gain));
}

static void lean_covariance(struct lean *s)
{
	double seen = s->change[0], before = s->f, most = 0;
	s->f += seen * seen * s->size;
	s->inverse_f = 1 / s->f;
	for (size_t i = 0; i < LEAN; i++) {
		double moved = s->phi[i] * seen + s->change[i + 1];
		s->gain[i] += moved * (s->size * seen);
		s->change[i] = moved - s->gain[i] * (seen * s->inverse_f);
		most += s->change[i] * s->change[i];
	}
	s->size += s->size * s->size * seen * seen / before;
	s->steady = most * fabs(s->size) < 1e-13 * s->f;
}

static double lean_step(struct lean *s, double w)
{
	double error = w - s->a[0], share = error * s->inverse_f, first = s->a[0];
	for (size_t i = 0; i < LEAN; i++)
		s->a[i] = s->phi[i] * first + s->a[i + 1] + s->gain[i] * share;
	return error;
}

static double difference(const double *y, size_t d)
{
	return d == 0 ? y[0] : d == 1 ? y[0] - y[-1] : y[0] - 2 * y[-1] + y[-2];
}

int kalman_likelihood_stretches(
	const struct arma *model, const double *y, size_t n, struct likelihood *ret)
{
	struct kalman k;
	struct lean s;
	struct likelihood l = {0};
	double product = 1;
	int rc = kalman_start(&k, model);
	if (rc < 0)
		return rc;
	size_t run = 0; // known values in a row
	for (size_t t = 0; t < n; t++) {
		if (isnan(y[t])) {
			run = 0;
			continue;
		}
		if (run++ < model->d)
			continue;
		if (run == model->d + 1)
			lean_start(&s, &k);
		else if (!s.steady)
			lean_covariance(&s);
		double error = lean_step(&s, difference(y + t, model->d));
		count_error(&l, error, s.f, &product);
	}
	l.log_det += log(product);
	*ret = l;
	return isfinite(l.squares) && isfinite(l.log_det) ? 0 : -EDOM;
}

void kalman_whiten(
	const struct kalman *start, const double *known, const double *x, size_t n, double *ret)
{
	struct lean s;
	size_t run = 0, d = start->model.d;
	for (size_t t = 0; t < n; t++) {
		ret[t] = NAN;
		run = isnan(known[t]) ? 0 : run + 1;
		if (run <= d)
			continue;
		if (run == d + 1)
			lean_start(&s, start);
		else if (!s.steady)
			lean_covariance(&s);
		ret[t] = lean_step(&s, difference(x + t, d)) / sqrt(s.f);
	}
}

int kalman_likelihood(const struct arma *model, const double *y, size_t n, struct likelihood *ret)
{
	struct kalman k;
	struct likelihood l = {0};
	double product = 1;
	int rc = kalman_start(&k, model);
	if (rc < 0)
		return rc;
	for (size_t t = 0; t < n; t++) {
		double error = kalman_step(&k, y[t]);
		if (!isnan(error))
			count_error(&l, error, k.f, &product);
	}
	l.log_det += log(product);
	*ret = l;
	return isfinite(l.squares) && isfinite(l.log_det) ? 0 : -EDOM;
}

double likelihood_log(const struct likelihood *l)
{
	double n = (double)l->n;
	return -0.5 * (n * (log(2 * M_PI * l->squares / n) + 1) + l->log_det);
}
