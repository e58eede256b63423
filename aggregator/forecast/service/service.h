// SPDX-License-Identifier: Apache-2.0
// Keeps an outlook for every node group and workload, at three horizons, inside a CPU budget.
//
// History is read from the store on the loop, the forecast is computed on libuv's pool (one at a
// time, its own copy of everything), and comes back whole. Budget: after a run that took t, the
// next one starts no earlier than t * (1/share - 1) later, so overload lengthens the refit
// intervals and never blocks the loop; the first outlook of a series may use FIRST_SHARE. When the
// truth of an issued forecast has arrived it is scored: how often the truth lay within the 80 %
// band. What they said, and what their scores taught, survives a restart (remember.h). What was
// measured while saturated is given to the forecaster as "at least this", with its upper bound.
// While nothing is due the LSTM is trained on what the clusters have (train.h), for a fifth of the
// budget; its weights go to every run of their cluster. Ownership: the service owns outlooks and
// states; what service_get() lends is good until the next turn of the loop.
#pragma once

#include <uv.h>

#include "aggregator/forecast/forecast.h"
#include "aggregator/forecast/said.h"
#include "aggregator/forecast/service/train.h"
#include "aggregator/store/store.h"

enum service_horizon { SERVICE_HOUR, SERVICE_DAY, SERVICE_MONTH, SERVICE_HORIZON_COUNT };

struct service_options {
	uint32_t budget_permille; // of one core, 50
	size_t max_series;        // 2,000
	uint64_t seed;
	int64_t train_every_ms; // 0: a day
};

struct service_outlook {
	const struct outlook *outlook; // NULL: none, see why
	const struct said *said;       // earlier ones
	char why[96];
	int64_t generated_ms;
	int64_t history_ms;
	int32_t coverage80_permille; // -1: nothing scored yet
	uint64_t scored;             // steps compared with the truth
	struct forecast_score score; // of what was issued, over all levels
};

struct service_stats {
	uint64_t runs, failures, cpu_us, series, series_refused;
	int64_t worst_age_ms; // oldest outlook that is overdue, 0 if none
};

struct service_member {
	char name[16];
	double weight;     // mean over the outlooks
	uint64_t in, idle; // outlooks in which it has weight; in which it fell too far behind
};

// All series of one horizon together, each by its forecast_score; NAN while nothing is scored.
// Counters are since the start.
struct service_horizon_stats {
	uint64_t series, outlooks, gated, scored;
	double mase, loss_ratio; // means over series that have been scored
	double pinball[QUANTILE_COUNT], coverage[QUANTILE_COUNT];
	uint64_t alarms, full, refreshed, carried, rejected, cpu_us;
	struct service_member members[OUTLOOK_MEMBERS_MAX];
	size_t n_members;
};

struct service;
int service_new(struct service **ret, uv_loop_t *loop, struct store *store,
	const struct service_options *o);
// Starts what is due. Call once a second.
void service_tick(struct service *s, int64_t now_ms, uint64_t now_ns);
struct service_series { // which outlook
	const char *cluster, *name;
	enum entity_kind kind;
	enum service_horizon horizon;
};
// -ENOENT: the store does not know it either. What exists but is not forecast has no outlook and a
// why.
int service_get(struct service *s, const struct service_series *which, struct service_outlook *ret);
// What was said at that time, of the last 35 days, also before a restart (remember.h): the last one
// kept then. -ENOENT, -ENOMEM; free(ret->q).
int service_then(struct service *s, const struct service_series *series, int64_t at_ms,
	struct said_one *ret);
void service_horizon_stats(
	const struct service *s, enum service_horizon h, struct service_horizon_stats *ret);
const struct train *service_train(const struct service *s);
void service_lstm_share(const struct service *s, struct train_share *ret); // all outlooks
void service_stats(const struct service *s, struct service_stats *ret);
// Waits for a run under way, then frees; calls on_stopped (may be NULL).
void service_stop(struct service *s, void (*on_stopped)(void *arg), void *arg);
