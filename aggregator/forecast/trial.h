// SPDX-License-Identifier: Apache-2.0
// Trials: what every member of the pool would have said at many origins inside the history.
//
// Members are fitted once on an early prefix and rolled over the origins after it, so all that is
// scored lies outside of what they were fitted on. An entry of the pool is a member and the lens it
// looks through. The truth after an origin is known only up to the end of the history: the last
// origins are scored on what has already come true. Memory: one block of floats, freed by
// trial_done().
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "aggregator/forecast/front.h"
#include "aggregator/forecast/model/member.h"

enum { ENTRIES_MAX = 32, ORIGINS_MAX = 64, POOL_SAVED_MAX = 32 };

struct entry {
	const struct member_ops *ops;
	enum lens_kind lens;
	bool always; // false: only for series without a logarithm
	bool gated;  // serves only where it has beaten all others in trials
};

extern const struct entry pool[]; // all members that exist, each lens that suits them
extern const size_t pool_size;

struct trial {
	size_t n_entries, n_origins, horizon;
	size_t origin[ORIGINS_MAX]; // ascending
	size_t from, to;            // origins [from, to) are the ones to learn from: all
	bool ok[ENTRIES_MAX];       // gave a usable answer at every origin
	float *rows;                // [entry][origin][horizon][QUANTILE_COUNT], unit of the series
};

// Chooses the prefix and the origins; n_origins is 0 when the history is too short for any.
int trial_run(struct trial *t, const struct front *f, size_t horizon, uint64_t seed); // -ENOMEM
void trial_done(struct trial *t);
static inline const float *trial_row(const struct trial *t, size_t entry, size_t origin, size_t h)
{
	return t->rows + ((entry * t->n_origins + origin) * t->horizon + h) * QUANTILE_COUNT;
}

// What is kept of the entries' fits for a later run of the same series.
struct pool_kept {
	bool wanted[ENTRIES_MAX];    // has weight; the others need not be asked
	size_t n_saved[ENTRIES_MAX]; // 0 = this member keeps nothing and fits anew
	double saved[ENTRIES_MAX][POOL_SAVED_MAX];
};

struct pool_ask {
	size_t horizon;
	uint64_t seed;
	const struct pool_kept *from; // take parameters from there and ask only the wanted; or NULL
	struct pool_kept *to;         // keep parameters there; or NULL
};

// The forecasts proper: every entry fitted on the whole history, from its end. rows:
// [entry][horizon][QUANTILE_COUNT], unit of the series; ok[entry] false where there is none. An
// answer that is not finite, or over 10 times beyond anything seen, is rejected. Returns how many
// were, or -ENOMEM.
int pool_forecast(
	const struct front *f, const struct pool_ask *ask, double *rows, bool ret_ok[ENTRIES_MAX]);
