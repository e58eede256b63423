// SPDX-License-Identifier: Apache-2.0
// Training of the one network over many series, and its weights as bytes.
//
// Windows are drawn at random from all series alike; the last fifth of every series is kept for
// early stopping, so what is judged lies later than what is learnt. A loss counts relative to what
// the better of two naive rules misses by on that series and horizon: calm and wild series weigh
// the same. The same seed and series give the same weights on the same machine type. Long: run it
// at low priority, or pass by pass (course_pass()) from a pool. Single thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "aggregator/forecast/model/lstm_net.h"

struct course;
struct course_series {
	const double *y; // NAN = missing; copied
	size_t n;
	int64_t start_s, step_s;
	size_t learn_end, stop_end; // see enum course_part
};
// A series in time: learnt from [0, learn_end), stopped early by [learn_end, stop_end), and the
// rest decides: it has had no say before.
enum course_part { COURSE_STOP, COURSE_DECIDE };

int course_new(struct course **ret, uint64_t seed);
void course_free(struct course *c);
// Copies y (NAN = missing). -ENODATA if there is too little to learn from.
int course_add(struct course *c, const double *y, size_t n, int64_t start_s, int64_t step_s);
// As course_add(), with the parts given; course_add() keeps a fifth for stopping and nothing to
// decide.
int course_add_parts(struct course *c, const struct course_series *s);
// Goes on from these weights instead of random ones, with the optimiser fresh.
void course_start(struct course *c, const struct net *from);
const struct net *course_now(const struct course *c);
// The loss is that of the weights as they are now: keeps them if it is the best since the start.
bool course_keep(struct course *c, double loss);
// Relative loss of networks (their quantiles averaged) on fixed windows of one part of series i:
// adds to ret its sum and how many targets it is of.
struct course_exam {
	const struct net *nets;
	size_t n_nets, windows;
	enum course_part part;
};
void course_loss(struct course *c, size_t i, const struct course_exam *e, double ret[2]);
// The first `keep` series stay and are the ones judged; later ones are dropped. For series that are
// made fresh for every pass.
void course_forget(struct course *c, size_t keep);
size_t course_size(const struct course *c);
// One pass of `windows` training windows at this learning rate; returns the mean relative loss
// seen.
double course_pass(struct course *c, size_t windows, double rate);
// Mean relative loss on the later part. Keeps the weights if it is the best so far.
double course_judge(struct course *c);
const struct net *course_best(const struct course *c);

// Weights as bytes: a head with magic, version, sizes and seed, then float32 little-endian, then a
// CRC. A reader refuses what it does not know.
enum { LSTM_FILE_BYTES = 40 + 4 * NET_PARAMS };
void lstm_save(const struct net *n, uint64_t seed, uint8_t ret[LSTM_FILE_BYTES]);
int lstm_load(const void *bytes, size_t size, struct net *ret); // -EBADMSG
