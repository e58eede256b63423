// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/model/arma.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/forecast/model/linalg.h"
#include "aggregator/forecast/model/optimise.h"

enum {
	LONG_AR = 16,
	ORDERS = ARMA_MAX + 1,
	LAGS = 2 * ARMA_MAX + 2, // lags of y, lags of residuals, target, padding
	FITS = 3,                // likelihood fits per search
	SEARCH_ITERATIONS = 12,  // of each; Hannan and Rissanen's start is near
};

// A search that starts on the edge of the unit circle stays there.
static const double start_limit = 0.99;

double kpss_level(const double *y, size_t n, size_t lags)
{
	double mean = 0, partial = 0, squares = 0, known = 0;
	double *e = malloc((n + 1) * sizeof(double));
	size_t k = 0;
	if (!e)
		return 0;
	for (size_t t = 0; t < n; t++)
		if (isfinite(y[t]))
			e[k++] = y[t];
	known = (double)k;
	for (size_t t = 0; t < k; t++)
		mean += e[t] / known;
	double spread = 0;
	for (size_t t = 0; t < k; t++) {
		e[t] -= mean;
		spread += e[t] * e[t];
		partial += e[t];
		squares += partial * partial;
	}
	for (size_t lag = 1; lag <= lags && lag < k; lag++)
		spread += 2 * (1 - (double)lag / ((double)lags + 1)) * dot(e, e + lag, k - lag);
	free(e);
	return spread > 0 ? squares / (known * spread) : 0;
}

size_t arma_differences(const double *y, size_t n, size_t most)
{
	// Lags as in R's forecast::ndiffs.
	size_t lags = (size_t)(3 * sqrt((double)n) / 13);
	double *w = malloc((n + 1) * sizeof(double));
	size_t d = 0;
	if (!w)
		return 0;
	memcpy(w, y, n * sizeof(double));
	while (d < most && n > 3 && kpss_level(w, n, lags) > 0.463) {
		for (size_t t = 0; t + 1 < n; t++)
			w[t] = w[t + 1] - w[t];
		n--;
		d++;
	}
	free(w);
	return d;
}

void arma_from_free(const double *x, size_t p, double *ret_phi)
{
	double before[ARMA_MAX];
	for (size_t k = 0; k < p; k++) {
		double r = tanh(x[k]);
		memcpy(before, ret_phi, k * sizeof(double));
		for (size_t i = 0; i < k; i++)
			ret_phi[i] = before[i] - r * before[k - 1 - i];
		ret_phi[k] = r;
	}
}

// The other way round; false if a partial autocorrelation reaches the limit (1: not stationary).
static bool free_from_phi(const double *phi, size_t p, double limit, double *ret)
{
	double a[ARMA_MAX], before[ARMA_MAX];
	memcpy(a, phi, p * sizeof(double));
	for (size_t k = p; k-- > 0;) {
		double r = a[k];
		if (!(fabs(r) < limit))
			return false;
		ret[k] = atanh(r);
		memcpy(before, a, sizeof(a));
		for (size_t i = 0; i < k; i++)
			a[i] = (before[i] + r * before[k - 1 - i]) / (1 - r * r);
	}
	return true;
}

static void unpack(const double *x, struct arma *m)
{
	arma_from_free(x, m->p, m->phi);
	arma_from_free(x + m->p, m->q, m->theta);
	for (size_t i = 0; i < m->q; i++)
		m->theta[i] = -m->theta[i];
}

struct target {
	const double *y;
	size_t n;
	struct arma model;
};

// Half of the deviance per value, the innovation variance at its best.
static double deviance(const double *x, void *arg)
{
	struct target *g = arg;
	struct likelihood l;
	unpack(x, &g->model);
	if (kalman_likelihood_stretches(&g->model, g->y, g->n, &l) < 0 || l.n == 0)
		return INFINITY;
	double n = (double)l.n;
	return 0.5 * (log(fmax(l.squares / n, 1e-300)) + l.log_det / n);
}

// y less its mean when the model is of levels.
static double *centred(const double *y, size_t n, bool level, double *ret_mean)
{
	double *w = malloc((n + 1) * sizeof(double)), sum = 0;
	size_t known = 0;
	for (size_t t = 0; t < n; t++)
		if (isfinite(y[t])) {
			sum += y[t];
			known++;
		}
	*ret_mean = level && known ? sum / (double)known : 0;
	for (size_t t = 0; w && t < n; t++)
		w[t] = isfinite(y[t]) ? y[t] - *ret_mean : NAN;
	return w;
}

// Fits the orders of g->model to g->y, whose mean is out already.
static int fit_centred(struct target *g, const double *start, bool thorough, struct arma_fit *ret)
{
	double x[2 * ARMA_MAX] = {0};
	size_t free_count = g->model.p + g->model.q;
	struct bfgs o = {deviance, g, free_count, thorough ? 200 : SEARCH_ITERATIONS,
		thorough ? 1e-10 : 1e-6};
	struct likelihood l;
	if (start)
		memcpy(x, start, free_count * sizeof(double));
	if (!isfinite(bfgs_minimise(&o, x)))
		return -EDOM;
	unpack(x, &g->model);
	int rc = kalman_likelihood_stretches(&g->model, g->y, g->n, &l);
	if (rc < 0 || l.n == 0)
		return -EDOM;
	double count = (double)l.n, k = (double)free_count + 1 + (g->model.d == 0);
	ret->model = g->model;
	ret->variance = l.squares / count;
	ret->aicc = l.squares > 0 ? -2 * likelihood_log(&l) + 2 * k : -1e300;
	ret->aicc += count > k + 1 ? 2 * k * (k + 1) / (count - k - 1) : INFINITY;
	return 0;
}

int arma_fit_orders(const double *y, size_t n, const struct arma *orders, const double *start,
	struct arma_fit *ret)
{
	double mean, *w = centred(y, n, orders->d == 0, &mean);
	if (!w)
		return -ENOMEM;
	struct target g = {w, n, *orders};
	int rc = fit_centred(&g, start, true, ret);
	ret->mean = mean;
	free(w);
	return rc;
}

int arma_refit(const double *y, size_t n, struct arma_fit *fit)
{
	const struct arma *m = &fit->model;
	double mean, start[2 * ARMA_MAX] = {0}, ma[ARMA_MAX];
	double *w = centred(y, n, m->d == 0, &mean);
	if (!w)
		return -ENOMEM;
	for (size_t i = 0; i < m->q; i++)
		ma[i] = -m->theta[i];
	if (!free_from_phi(m->phi, m->p, start_limit, start) ||
		!free_from_phi(ma, m->q, start_limit, start + m->p))
		memset(start, 0, sizeof(start));
	struct target g = {w, n, *m};
	int rc = fit_centred(&g, start, false, fit);
	if (rc == 0)
		fit->mean = mean;
	free(w);
	return rc;
}

// What the sixteen candidates are ranked with.
struct ranking {
	double gram[LAGS * LAGS]; // y[t-1..3], e[t-1..3], y[t]
	double count;
	double aicc[ORDERS][ORDERS];
	double start[ORDERS][ORDERS][2 * ARMA_MAX];
};

// Long autoregression by Levinson and Durbin on the autocovariances of v (gaps are zero); e
// receives its residuals.
static void long_residuals(const double *v, size_t n, double *e)
{
	double cov[LONG_AR + 1], a[LONG_AR] = {0}, before[LONG_AR];
	size_t order = n / 8 < LONG_AR ? n / 8 : LONG_AR;
	for (size_t k = 0; k <= order; k++)
		cov[k] = dot(v, v + k, n - k);
	double spread = cov[0];
	for (size_t k = 0; k < order && spread > 0; k++) {
		double r = cov[k + 1];
		for (size_t i = 0; i < k; i++)
			r -= a[i] * cov[k - i];
		r /= spread;
		memcpy(before, a, sizeof(a));
		for (size_t i = 0; i < k; i++)
			a[i] = before[i] - r * before[k - 1 - i];
		a[k] = r;
		spread *= 1 - r * r;
	}
	double reversed[LONG_AR];
	for (size_t i = 0; i < order; i++)
		reversed[i] = a[order - 1 - i];
	for (size_t t = 0; t < n; t++)
		e[t] = t < order ? 0 : v[t] - dot(reversed, v + t - order, order);
}

enum { TARGET = 2 * ARMA_MAX };

// AICc and starting values of one (p, q) out of the Gram matrix of all.
static void rank_one(struct ranking *rank, size_t p, size_t q)
{
	double g[LAGS * LAGS] = {0}, work[LAGS * LAGS], b[LAGS] = {0}, phi[ARMA_MAX];
	double left = rank->gram[TARGET * LAGS + TARGET], *start = rank->start[p][q];
	size_t pick[LAGS], k = 0;
	for (size_t i = 0; i < p; i++)
		pick[k++] = i;
	for (size_t i = 0; i < q; i++)
		pick[k++] = ARMA_MAX + i;
	for (size_t i = 0; i < k; i++) {
		b[i] = rank->gram[TARGET * LAGS + pick[i]];
		for (size_t j = 0; j <= i; j++)
			g[i * LAGS + j] = rank->gram[pick[i] * LAGS + pick[j]];
	}
	if (ridge_solve(&(struct gram){g, LAGS, k}, NULL, work, b) < 0)
		memset(b, 0, sizeof(b));
	for (size_t i = 0; i < k; i++)
		left -= b[i] * rank->gram[TARGET * LAGS + pick[i]];
	double c = rank->count, extra = (double)k + 1;
	rank->aicc[p][q] = c * log(fmax(left / c, 1e-300)) + 2 * extra +
			   2 * extra * (extra + 1) / fmax(1, c - extra - 1);
	for (size_t i = 0; i < q; i++)
		phi[i] = -b[p + i];
	if (!free_from_phi(b, p, start_limit, start) ||
		!free_from_phi(phi, q, start_limit, start + p))
		memset(start, 0, sizeof(rank->start[p][q]));
}

static void rank_orders(const double *v, const double *e, size_t n, struct ranking *rank)
{
	memset(rank->gram, 0, sizeof(rank->gram));
	size_t from = LONG_AR + ARMA_MAX < n / 2 ? LONG_AR + ARMA_MAX : n / 2;
	for (size_t t = from < ARMA_MAX ? ARMA_MAX : from; t < n; t++) {
		double row[LAGS] = {
			v[t - 1], v[t - 2], v[t - 3], e[t - 1], e[t - 2], e[t - 3], v[t]};
		gram_add(rank->gram, LAGS, row, 1, NULL);
		rank->count++;
	}
	for (size_t p = 0; p < ORDERS; p++)
		for (size_t q = 0; q < ORDERS; q++)
			rank_one(rank, p, q);
}

static int rank_series(const double *w, size_t n, size_t d, struct ranking *rank)
{
	double *v = malloc(2 * (n + 1) * sizeof(double));
	if (!v)
		return -ENOMEM;
	for (size_t t = 0; t < n; t++)
		v[t] = w[t];
	for (size_t i = 0; i < d; i++, n--)
		for (size_t t = 0; t + 1 < n; t++)
			v[t] = v[t + 1] - v[t];
	for (size_t t = 0; t < n; t++)
		v[t] = isfinite(v[t]) ? v[t] : 0;
	memset(rank, 0, sizeof(*rank));
	long_residuals(v, n, v + n);
	rank_orders(v, v + n, n, rank);
	free(v);
	return 0;
}

// The unvisited orders with the best rank within one step of (p, q); false if none is worth it.
static bool next_orders(struct ranking *rank, const struct arma *at, size_t *ret_p, size_t *ret_q)
{
	double best = INFINITY;
	for (size_t p = 0; p < ORDERS; p++)
		for (size_t q = 0; q < ORDERS; q++) {
			bool near = p + 1 >= at->p && p <= at->p + 1 && q + 1 >= at->q &&
				    q <= at->q + 1;
			if (!near || rank->aicc[p][q] >= best)
				continue;
			best = rank->aicc[p][q];
			*ret_p = p;
			*ret_q = q;
		}
	return isfinite(best);
}

static void first_orders(const struct ranking *rank, struct arma *ret)
{
	double best = INFINITY;
	for (size_t p = 0; p < ORDERS; p++)
		for (size_t q = 0; q < ORDERS; q++)
			if (rank->aicc[p][q] < best) {
				best = rank->aicc[p][q];
				ret->p = p;
				ret->q = q;
			}
}

static int search(const double *w, size_t n, size_t d, struct arma_fit *ret)
{
	struct ranking *rank = malloc(sizeof(*rank));
	struct arma orders = {.d = d};
	struct arma_fit fit = {0};
	int rc = rank ? rank_series(w, n, d, rank) : -ENOMEM;
	memset(ret, 0, sizeof(*ret));
	ret->aicc = INFINITY;
	if (rc == 0)
		first_orders(rank, &orders);
	for (int k = 0; rc == 0 && k < FITS; k++) {
		size_t p = orders.p, q = orders.q;
		struct target g = {w, n, orders};
		rank->aicc[p][q] = INFINITY; // visited
		if (fit_centred(&g, rank->start[p][q], false, &fit) == 0 && fit.aicc < ret->aicc)
			*ret = fit;
		if (!next_orders(rank, &ret->model, &orders.p, &orders.q))
			break;
	}
	free(rank);
	return rc < 0 ? rc : isfinite(ret->aicc) ? 0 : -EDOM;
}

int arma_fit_auto(const double *y, size_t n, size_t most_differences, struct arma_fit *ret)
{
	size_t known = 0;
	for (size_t t = 0; t < n; t++)
		known += isfinite(y[t]);
	if (known < 12)
		return -ENODATA;
	size_t d = arma_differences(y, n, most_differences);
	double mean, *w = centred(y, n, d == 0, &mean);
	if (!w)
		return -ENOMEM;
	int rc = search(w, n, d, ret);
	ret->mean = mean;
	free(w);
	return rc;
}

size_t arma_save(const struct arma_fit *fit, double ret[ARMA_SAVED])
{
	const struct arma *m = &fit->model;
	memset(ret, 0, ARMA_SAVED * sizeof(*ret));
	ret[0] = (double)m->p;
	ret[1] = (double)m->d;
	ret[2] = (double)m->q;
	memcpy(ret + 3, m->phi, m->p * sizeof(double));
	memcpy(ret + 3 + ARMA_MAX, m->theta, m->q * sizeof(double));
	return ARMA_SAVED;
}

static bool whole_upto(double x, double most)
{
	return x >= 0 && x <= most && x == floor(x);
}

int arma_restore(const double saved[ARMA_SAVED], const double *y, size_t n, struct arma_fit *ret)
{
	double scrap[ARMA_MAX], ma[ARMA_MAX];
	struct likelihood l;
	if (!whole_upto(saved[0], ARMA_MAX) || !whole_upto(saved[1], 2) ||
		!whole_upto(saved[2], ARMA_MAX))
		return -EINVAL;
	struct arma_fit fit = {
		.model = {.p = (size_t)saved[0], .d = (size_t)saved[1], .q = (size_t)saved[2]}};
	struct arma *m = &fit.model;
	memcpy(m->phi, saved + 3, m->p * sizeof(double));
	memcpy(m->theta, saved + 3 + ARMA_MAX, m->q * sizeof(double));
	for (size_t i = 0; i < m->q; i++)
		ma[i] = -m->theta[i];
	if (!free_from_phi(m->phi, m->p, 1, scrap) || !free_from_phi(ma, m->q, 1, scrap))
		return -EINVAL;
	double *w = centred(y, n, m->d == 0, &fit.mean);
	int rc = w ? kalman_likelihood_stretches(m, w, n, &l) : -ENOMEM;
	free(w);
	if (rc == -ENOMEM)
		return rc;
	if (rc < 0 || l.n == 0)
		return -EINVAL;
	fit.variance = l.squares / (double)l.n;
	*ret = fit;
	return 0;
}

void arma_error_variance(const struct arma *model, size_t horizon, double *ret)
{
	// psi weights of the ARMA part, summed d times, squared and added up.
	double psi[ARMA_MAX] = {0}, sum[3] = {0}, total = 0;
	for (size_t h = 0; h < horizon; h++) {
		double w = h == 0 ? 1 : h <= model->q ? model->theta[h - 1] : 0;
		for (size_t i = 0; i < model->p; i++)
			w += model->phi[i] * psi[i];
		for (size_t i = ARMA_MAX - 1; i > 0; i--)
			psi[i] = psi[i - 1];
		psi[0] = w;
		sum[0] = w;
		for (size_t i = 1; i <= model->d; i++)
			sum[i] += sum[i - 1];
		total += sum[model->d] * sum[model->d];
		ret[h] = total;
	}
}
