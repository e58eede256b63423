// SPDX-License-Identifier: Apache-2.0
// The dense linear algebra the members need, and nothing more.
//
// All designs here are tall and thin (thousands of rows, at most some 80 columns), so every fit is:
// accumulate the Gram matrix of the rows, then a Cholesky of it. Matrices are row-major doubles
// with stride `p`; for gram_add() p must be a multiple of GRAM_LANES (pad with zero columns). Only
// the lower triangle is kept. Hot loops are compiled for several instruction sets and chosen at
// load time; sums keep one fixed order, so that results do not depend on the choice (no fused
// multiply-add). No allocation.
#pragma once

#include <stddef.h>

enum { GRAM_LANES = 4 };

// The choice is made before the thread sanitizer is ready for it.
#if defined(__x86_64__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__)
#define MULTIVERSIONED __attribute__((target_clones("avx2", "default")))
#else
#define MULTIVERSIONED
#endif

// g += sum over rows of w[r] * x[r] x[r]' (lower triangle); w NULL = all ones.
void gram_add(double *g, size_t p, const double *x, size_t rows, const double *w);
double dot(const double *a, const double *b, size_t n);
// a (lower triangle, stride ld) := its Cholesky factor. -EDOM if it is not positive definite.
int cholesky(double *a, size_t n, size_t ld);
// b := (L L')^-1 b
void cholesky_solve(const double *l, size_t n, size_t ld, double *b);
// A Gram matrix of stride p of which the leading n columns count.
struct gram {
	const double *g;
	size_t p, n;
};

// Solves (G + diag(penalty)) b = rhs; b holds rhs on the way in, penalty NULL = none, work holds
// n*n. A tiny multiple of G's diagonal is added when needed. -EDOM if it still is not solvable.
int ridge_solve(const struct gram *gram, const double *penalty, double *work, double *b);
