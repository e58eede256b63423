// SPDX-License-Identifier: Apache-2.0
// A cluster's own weights for the LSTM: the pre-trained ones, trained on over all its series.
//
// It is given copies of the series, then tune_step() is called until it says it is done; a step
// takes a few milliseconds, so whoever calls decides how much CPU it gets and may stop at any time
// (tune_free(): nothing but the training is lost). Time is cut in three for all series alike: what
// is learnt from, what stops the training early (no better for TUNE_PATIENCE passes), and the
// newest part, which nothing was learnt from or chosen by: there the new weights must beat those
// that serve by TUNE_MARGIN, and on more than half of the series, or they are thrown away. The same
// copies, seed and served weights give the same bytes, however the steps fall.
// Memory: the copies (options.bytes_max, float32), TUNE_KEPT + TUNE_FRESH series in full (48 bytes
// a value: at most 16 MiB), 1 MiB besides. Thread: any, one at a time. Pure.
#pragma once

#include <stdbool.h>

#include "aggregator/forecast/model/lstm.h"

enum {
	TUNE_KEPT = 40,  // series that stop the training early; a fixed draw
	TUNE_FRESH = 40, // others, fresh ones for every pass, in turn
	TUNE_PASSES = 24,
	TUNE_BATCHES = 40, // per pass, of 24 windows
	TUNE_PATIENCE = 5,
	TUNE_REACH_S = 14 * 86400, // three tenths of so much, or of what there is, are kept back
	TUNE_LEAST_S = 4 * 86400,  // of history
};
extern const double TUNE_MARGIN;

struct tune_options {
	uint64_t seed;
	int64_t to_s;     // end of the data
	size_t bytes_max; // of copies; more are refused
	size_t passes;    // at most so many; 0 = TUNE_PASSES
};

struct tune_copy {       // of one series on one grid
	const double *y; // NAN = missing or not the truth; copied
	size_t n;
	int64_t start_s, step_s;
};

// What a training was and came to; travels with the weights.
struct tune_result {
	int64_t from_s, learn_until_s, seen_until_s, to_s; // span and cuts of the data
	uint64_t seed, steps;                              // of Adam
	uint32_t series, copies,
		wins; // given; judged at the end; on which the new ones were better
	double loss_before, loss_after; // relative to naive rules', on the newest part
	bool won;
};

struct tune;
// Copies served. -ENOMEM, -EDOM if the compiled weights are damaged.
int tune_new(struct tune **ret, const struct tune_options *o, const struct lstm_weights *served);
void tune_free(struct tune *t);                             // NULL is fine
int tune_add(struct tune *t, const struct tune_copy *copy); // -ENODATA, -ENOSPC, -ENOMEM
size_t tune_bytes(const struct tune *t);                    // of the copies
// 1: more to do, 0: done, -ENODATA: too little history for a training, -ENOMEM.
int tune_step(struct tune *t);
void tune_result(const struct tune *t, struct tune_result *ret);
// After a training that is done: its weights, one version on from those served. Borrowed.
const struct lstm_weights *tune_weights(const struct tune *t);
// For metrics: 0..1, rough.
double tune_progress(const struct tune *t);
