// SPDX-License-Identifier: Apache-2.0
// The training as a state machine: every stage does one small piece per step.
#include "aggregator/forecast/train/tune.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/forecast/model/lstm_train.h"
#include "proto/base/rng.h"

const double TUNE_MARGIN = 0.02;

enum { BATCH = 24, STOP_WINDOWS = 8, DECIDE_WINDOWS = 12 };
static const double first_rate = 6e-4, last_rate = 5e-5; // training from scratch begins with 3e-3

enum stage { GATHER, KEEP, START, FRESH, LEARN, JUDGE, DECIDE, DONE };

struct copy {
	float *y;
	size_t n;
	int64_t start_s, step_s;
};

struct tune {
	struct tune_options options;
	struct lstm_weights served, made;
	struct copy *copy;
	size_t copies, bytes;
	struct course *course;
	enum stage stage;
	size_t kept;                   // series judged by
	size_t others;                 // copies from here on take turns
	size_t next;                   // copy to be taken up next
	size_t net, pass, since, done; // done: of the stage
	double sum[2];                 // loss and targets, of the stage
	double before, after, targets;
	struct tune_result result;
};

int tune_new(struct tune **ret, const struct tune_options *o, const struct lstm_weights *served)
{
	struct tune *t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->options = *o;
	t->options.passes = o->passes ? o->passes : TUNE_PASSES;
	t->served = *served;
	int r = lstm_pretrained(&t->made);
	if (r == 0)
		r = course_new(&t->course, o->seed);
	if (r < 0) {
		tune_free(t);
		return r;
	}
	*ret = t;
	return 0;
}

void tune_free(struct tune *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->copies; i++)
		free(t->copy[i].y);
	free(t->copy);
	course_free(t->course);
	free(t);
}

int tune_add(struct tune *t, const struct tune_copy *from)
{
	size_t bytes = from->n * sizeof(float), known = 0;
	for (size_t i = 0; i < from->n; i++)
		known += isfinite(from->y[i]);
	if (known < 4 * NET_STEPS || from->step_s <= 0)
		return -ENODATA;
	if (t->bytes + bytes > t->options.bytes_max)
		return -ENOSPC;
	struct copy *more = realloc(t->copy, (t->copies + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	t->copy = more;
	struct copy c = {malloc(bytes), from->n, from->start_s, from->step_s};
	if (!c.y)
		return -ENOMEM;
	for (size_t i = 0; i < c.n; i++)
		c.y[i] = (float)from->y[i];
	t->copy[t->copies++] = c;
	t->bytes += bytes;
	return 0;
}

size_t tune_bytes(const struct tune *t)
{
	return t->bytes;
}

static size_t index_of(const struct copy *c, int64_t at_s)
{
	int64_t i = (at_s - c->start_s) / c->step_s;
	return i < 0 ? 0 : i > (int64_t)c->n ? c->n : (size_t)i;
}

// Takes a copy up into the course; 1 if it is long enough for that.
static int take_up(struct tune *t, size_t i)
{
	const struct copy *c = &t->copy[i];
	double *y = malloc(c->n * sizeof(*y));
	if (!y)
		return -ENOMEM;
	for (size_t k = 0; k < c->n; k++)
		y[k] = (double)c->y[k];
	const struct course_series s = {y, c->n, c->start_s, c->step_s,
		index_of(c, t->result.learn_until_s), index_of(c, t->result.seen_until_s)};
	int r = course_add_parts(t->course, &s);
	free(y);
	return r == -ENODATA ? 0 : r < 0 ? r : 1;
}

static int enter(struct tune *t, enum stage stage)
{
	t->stage = stage;
	t->done = 0;
	t->sum[0] = t->sum[1] = 0;
	return 1;
}

static void shuffle(struct tune *t)
{
	struct rng r;
	rng_init(&r, t->options.seed ^ 0x6f72646572);
	for (size_t i = t->copies; i > 1; i--) {
		size_t j = rng_below(&r, i);
		struct copy c = t->copy[i - 1];
		t->copy[i - 1] = t->copy[j];
		t->copy[j] = c;
	}
}

static int begin(struct tune *t)
{
	int64_t from_s = t->options.to_s, reach = TUNE_REACH_S;
	for (size_t i = 0; i < t->copies; i++)
		if (t->copy[i].start_s < from_s)
			from_s = t->copy[i].start_s;
	if (t->options.to_s - from_s < TUNE_LEAST_S)
		return -ENODATA;
	if (t->options.to_s - from_s < reach)
		reach = t->options.to_s - from_s;
	t->result = (struct tune_result){.from_s = from_s,
		.to_s = t->options.to_s,
		.learn_until_s = t->options.to_s - 3 * reach / 10,
		.seen_until_s = t->options.to_s - 3 * reach / 20,
		.seed = t->options.seed,
		.series = (uint32_t)t->copies};
	shuffle(t);
	return enter(t, KEEP);
}

static int keep_one(struct tune *t)
{
	if (t->next < t->copies && course_size(t->course) < TUNE_KEPT) {
		int r = take_up(t, t->next++);
		return r < 0 ? r : 1;
	}
	t->kept = course_size(t->course);
	t->others = t->next;
	if (t->kept == 0)
		return -ENODATA;
	course_forget(t->course, t->kept);
	course_start(t->course, &t->made.net[0]);
	return enter(t, START);
}

// One kept series by the weights as they are; false after the last, then with the loss of all.
static bool judge_one(struct tune *t, double *ret_loss)
{
	const struct course_exam exam = {course_now(t->course), 1, STOP_WINDOWS, COURSE_STOP};
	if (t->done < t->kept) {
		course_loss(t->course, t->done++, &exam, t->sum);
		return true;
	}
	*ret_loss = t->sum[1] > 0 ? t->sum[0] / t->sum[1] : INFINITY;
	return false;
}

// How good the weights are that training goes on from.
static int start_net(struct tune *t)
{
	double loss;
	if (judge_one(t, &loss))
		return 1;
	course_keep(t->course, loss);
	t->pass = t->since = 0;
	return enter(t, FRESH);
}

static int freshen(struct tune *t)
{
	size_t others = t->copies - t->others;
	if (t->done >= TUNE_FRESH || t->done >= others)
		return enter(t, LEARN);
	if (t->done++ == 0)
		course_forget(t->course, t->kept);
	if (t->next >= t->copies)
		t->next = t->others;
	int r = take_up(t, t->next++);
	return r < 0 ? r : 1;
}

static int learn_one(struct tune *t)
{
	double part = (double)t->pass / (double)t->options.passes;
	double rate = last_rate + (first_rate - last_rate) * 0.5 * (1 + cos(M_PI * part));
	course_pass(t->course, BATCH, rate);
	t->result.steps++;
	return ++t->done == TUNE_BATCHES ? enter(t, JUDGE) : 1;
}

static int judge_pass(struct tune *t)
{
	double loss;
	if (judge_one(t, &loss))
		return 1;
	t->since = course_keep(t->course, loss) ? 0 : t->since + 1;
	if (++t->pass < t->options.passes && t->since < TUNE_PATIENCE)
		return enter(t, FRESH);
	t->made.net[t->net] = *course_best(t->course);
	if (++t->net == t->made.nets)
		return enter(t, DECIDE);
	course_start(t->course, &t->made.net[t->net]);
	return enter(t, START);
}

static void finish(struct tune *t)
{
	struct tune_result *r = &t->result;
	r->loss_before = t->targets > 0 ? t->before / t->targets : NAN;
	r->loss_after = t->targets > 0 ? t->after / t->targets : NAN;
	r->won = r->loss_after < (1 - TUNE_MARGIN) * r->loss_before && 2 * r->wins > r->copies;
	t->made.version = t->served.version + 1;
	t->made.seen_until_s = r->seen_until_s;
	course_forget(t->course, 0);
	enter(t, DONE);
}

// One series by the weights that serve and by the new ones, on the part that has had no say.
static int decide_one(struct tune *t)
{
	double before[2] = {0}, after[2] = {0};
	const struct course_exam old = {
		t->served.net, t->served.nets, DECIDE_WINDOWS, COURSE_DECIDE};
	const struct course_exam new = {t->made.net, t->made.nets, DECIDE_WINDOWS, COURSE_DECIDE};
	if (t->done == t->copies) {
		finish(t);
		return 0;
	}
	course_forget(t->course, 0);
	int r = take_up(t, t->done++);
	if (r != 1)
		return r < 0 ? r : 1;
	course_loss(t->course, 0, &old, before);
	course_loss(t->course, 0, &new, after);
	if (before[1] > 0) {
		t->before += before[0];
		t->after += after[0];
		t->targets += before[1];
		t->result.copies++;
		t->result.wins += after[0] < before[0];
	}
	return 1;
}

int tune_step(struct tune *t)
{
	static int (*const stages[])(struct tune * t) = {[GATHER] = begin,
		[KEEP] = keep_one,
		[START] = start_net,
		[FRESH] = freshen,
		[LEARN] = learn_one,
		[JUDGE] = judge_pass,
		[DECIDE] = decide_one};
	return t->stage == DONE ? 0 : stages[t->stage](t);
}

void tune_result(const struct tune *t, struct tune_result *ret)
{
	*ret = t->result;
}

const struct lstm_weights *tune_weights(const struct tune *t)
{
	return &t->made;
}

double tune_progress(const struct tune *t)
{
	double nets = (double)t->made.nets, net = fmin((double)t->net, nets);
	return t->stage == DONE ? 1
				: (net + (double)t->pass / (double)t->options.passes) / (nets + 1);
}
