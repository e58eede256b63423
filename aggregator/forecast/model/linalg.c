// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/model/linalg.h"

#include <errno.h>
#include <math.h>
#include <string.h>

// Four doubles at any address; GCC and Clang lower it to what the machine has.
typedef double lanes __attribute__((vector_size(32), aligned(8), may_alias));

static inline void add_four(double *row, size_t width, const double *const x[4], const double a[4])
{
	for (size_t j = 0; j < width; j += GRAM_LANES) {
		lanes *g = (lanes *)(row + j);
		*g += a[0] * *(const lanes *)(x[0] + j) + a[1] * *(const lanes *)(x[1] + j) +
		      a[2] * *(const lanes *)(x[2] + j) + a[3] * *(const lanes *)(x[3] + j);
	}
}

MULTIVERSIONED void gram_add(double *g, size_t p, const double *x, size_t rows, const double *w)
{
	size_t r = 0;
	for (; r + 4 <= rows; r += 4) {
		const double *const row[4] = {
			x + r * p, x + (r + 1) * p, x + (r + 2) * p, x + (r + 3) * p};
		for (size_t i = 0; i < p; i++) {
			double a[4];
			for (int k = 0; k < 4; k++)
				a[k] = w ? w[r + (size_t)k] * row[k][i] : row[k][i];
			add_four(g + i * p, (i / GRAM_LANES + 1) * GRAM_LANES, row, a);
		}
	}
	for (; r < rows; r++) {
		const double *row = x + r * p;
		for (size_t i = 0; i < p; i++) {
			double a = w ? w[r] * row[i] : row[i];
			for (size_t j = 0; j <= i; j++)
				g[i * p + j] += a * row[j];
		}
	}
}

MULTIVERSIONED double dot(const double *a, const double *b, size_t n)
{
	lanes s = {0, 0, 0, 0};
	size_t i = 0;
	for (; i + GRAM_LANES <= n; i += GRAM_LANES)
		s += *(const lanes *)(a + i) * *(const lanes *)(b + i);
	double sum = (s[0] + s[1]) + (s[2] + s[3]);
	for (; i < n; i++)
		sum += a[i] * b[i];
	return sum;
}

MULTIVERSIONED int cholesky(double *a, size_t n, size_t ld)
{
	for (size_t i = 0; i < n; i++) {
		double *row = a + i * ld;
		for (size_t j = 0; j < i; j++) {
			const double *other = a + j * ld;
			double s = row[j];
			for (size_t k = 0; k < j; k++)
				s -= row[k] * other[k];
			row[j] = s / other[j];
		}
		double d = row[i];
		for (size_t k = 0; k < i; k++)
			d -= row[k] * row[k];
		if (!(d > 0) || !isfinite(d))
			return -EDOM;
		row[i] = sqrt(d);
	}
	return 0;
}

void cholesky_solve(const double *l, size_t n, size_t ld, double *b)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < i; k++)
			b[i] -= l[i * ld + k] * b[k];
		b[i] /= l[i * ld + i];
	}
	for (size_t i = n; i-- > 0;) {
		b[i] /= l[i * ld + i];
		for (size_t k = 0; k < i; k++)
			b[k] -= l[i * ld + k] * b[i];
	}
}

int ridge_solve(const struct gram *gram, const double *penalty, double *work, double *b)
{
	const double *g = gram->g;
	size_t p = gram->p, n = gram->n;
	// The jitter grows until the factor exists; an empty column gets the mean diagonal instead.
	double trace = 0;
	for (size_t i = 0; i < n; i++)
		trace += g[i * p + i];
	double typical = trace > 0 ? trace / (double)n : 1;
	for (double jitter = 1e-12; jitter < 1e-3; jitter *= 1e3) {
		for (size_t i = 0; i < n; i++) {
			memcpy(work + i * n, g + i * p, (i + 1) * sizeof(double));
			double d = g[i * p + i];
			work[i * n + i] +=
				(penalty ? penalty[i] : 0) + jitter * (d > 0 ? d : typical);
		}
		if (cholesky(work, n, n) == 0) {
			cholesky_solve(work, n, n, b);
			for (size_t i = 0; i < n; i++)
				if (!isfinite(b[i]))
					return -EDOM;
			return 0;
		}
	}
	return -EDOM;
}
