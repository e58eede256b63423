// SPDX-License-Identifier: Apache-2.0
// Trains the LSTM on each cluster's own series, in the background, and keeps the weights.
//
// One training at a time: copies of the demand of all groups and workloads of a cluster are read
// from the store on the loop, a few per tick; then the training (train/tune.h) runs on libuv's
// pool in slices of some 40 ms, so no pool thread is held for longer. train_tick() is to be called
// only while no refit waits: refits come first, and training gets budget_permille of one core at
// most. A cluster is trained once it has four days of history, then every every_ms, sooner while
// its history still grows by a tenth. Stopping drops a training under way: it begins anew at the
// next start, and what serves is not touched by it.
// Weights that won are kept in the store as the document "lstm/CLUSTER" (train/document.h) and
// loaded when they are first asked for; one that cannot be read is refused, said in the status, and
// the pre-trained weights serve.
// Memory while training: at most 24 MiB of copies (some 1,100 series on two grids; which ones is a
// draw that changes with every training) and 17 MiB besides; between trainings 140 KB per cluster
// with weights of its own. Thread: the loop.
#pragma once

#include <uv.h>

#include "aggregator/forecast/outlook.h"
#include "aggregator/forecast/train/document.h"
#include "aggregator/store/store.h"
#include "proto/base/prom.h"

enum { TRAIN_CLUSTERS_MAX = 64 };

struct train_options {
	uint32_t budget_permille; // of one core, 10
	int64_t every_ms;         // 0: a day
	size_t passes;            // 0: as tune.h says
	uint64_t seed;
};

enum train_stage { TRAIN_IDLE, TRAIN_GATHERING, TRAIN_TRAINING };

struct train_status { // of one cluster
	const char *cluster;
	uint32_t version; // serving; 0 = pre-trained
	struct tune_record record;
	struct tune_result last; // of the last training since the start; all 0 = none
	uint64_t trainings, won, failed;
	enum train_stage stage;
	double progress; // of the training under way, 0..1
	char text[256];  // for people: how the last one ended, or why there is none
};

struct train_stats {
	uint64_t trainings, won, failed, refused; // refused: documents that could not be read
	uint64_t slices, steps, cpu_us;
	size_t clusters, bytes; // bytes: of copies, now
};

struct train;
int train_new(
	struct train **ret, uv_loop_t *loop, struct store *store, const struct train_options *o);
// Call once a second, while no refit waits.
void train_tick(struct train *t, int64_t now_ms, uint64_t now_ns);
// The cluster's own weights, NULL if it has none. They stay good, for other threads too, until they
// are given back (NULL is fine).
const struct lstm_weights *train_take(struct train *t, const char *cluster);
void train_give(struct train *t, const struct lstm_weights *w);
void train_stats(const struct train *t, struct train_stats *ret);
bool train_status(const struct train *t, size_t i, struct train_status *ret); // false: no more
// Waits for a slice under way, then frees; calls on_stopped (may be NULL).
void train_stop(struct train *t, void (*on_stopped)(void *arg), void *arg);

// How the LSTM fares among the members of outlooks.
struct train_share {
	uint64_t outlooks; // in which it was tried
	uint64_t weight;   // it has a share in what is served
	uint64_t wins;     // its loss in trials is the least of all members
};
void train_share_add(struct train_share *s, const struct outlook *o);

// petrel_lstm_*: one sample per cluster where it differs. Borrows.
void train_metrics(const struct train *t, const struct train_share *share, struct prom *p);
