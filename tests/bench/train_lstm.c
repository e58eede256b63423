// SPDX-License-Identifier: Apache-2.0
// Trains the LSTM member's weights: made-up series by a seed, and series from files if any are
// given.
//
//   train-lstm --out FILE [--seed N] [--synthetic N] [--passes N] [--windows N] [--series
//   FILE:STEP]…
//
// --synthetic series are made once and judged on their later part, and as many are made afresh for
// every pass, so nothing is learnt by heart. aggregator/forecast/model/lstm_weights.bin is the
// output of the defaults for the seeds 1, 2 and 3, one after the other: synthetic series only, so
// whatever the forecaster is judged on, it was not trained on it.
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/cli/series_csv.h"
#include "aggregator/forecast/model/lstm_train.h"
#include "aggregator/forecast/train/synth.h"
#include "proto/base/text.h"

enum { PATIENCE = 25 };

static const double first_rate = 3e-3, last_rate = 1e-4;

struct options {
	const char *out;
	uint64_t seed, synthetic, passes, windows;
};

static int add_file(struct course *c, char *spec)
{
	struct series_csv s;
	struct why why = {0};
	uint64_t step;
	char *colon = strrchr(spec, ':');
	if (!colon || text_to_u64(colon + 1, &step) < 0)
		return -EINVAL;
	*colon = '\0';
	int rc = series_csv_read(spec, (int64_t)step, &s, &why);
	if (rc < 0) {
		fprintf(stderr, "%s: %s\n", spec, why.text);
		return rc;
	}
	rc = course_add(c, s.y, s.n, s.start_s, s.step_s);
	series_csv_done(&s);
	if (rc == -ENODATA)
		fprintf(stderr, "%s at %llu s: too short, ignoring\n", spec,
			(unsigned long long)step);
	return rc == -ENODATA ? 0 : rc;
}

static int add_synthetic(struct course *c, struct rng *r, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		struct synth s;
		int rc = synth_make(r, &s);
		if (rc < 0)
			return rc;
		rc = course_add(c, s.y, s.n, s.start_s, s.step_s);
		free(s.y);
		if (rc < 0 && rc != -ENODATA)
			return rc;
	}
	return 0;
}

static int train(struct course *c, struct rng *r, const struct options *o)
{
	size_t kept = course_size(c);
	double best = INFINITY;
	uint64_t since = 0;
	for (uint64_t pass = 0; pass < o->passes && since < PATIENCE; pass++) {
		double part = (double)pass / (double)o->passes;
		double rate = last_rate + (first_rate - last_rate) * 0.5 * (1 + cos(M_PI * part));
		course_forget(c, kept);
		int rc = add_synthetic(c, r, o->synthetic);
		if (rc < 0)
			return rc;
		double seen = course_pass(c, o->windows, rate), judged = course_judge(c);
		since = judged < best ? 0 : since + 1;
		best = fmin(best, judged);
		printf("pass %llu rate %.5f seen %.4f judged %.4f\n", (unsigned long long)pass,
			rate, seen, judged);
		fflush(stdout);
	}
	return 0;
}

static int store(const struct course *c, const struct options *o)
{
	static uint8_t bytes[LSTM_FILE_BYTES];
	lstm_save(course_best(c), o->seed, bytes);
	FILE *f = fopen(o->out, "wb");
	if (!f)
		return -errno;
	bool written = fwrite(bytes, sizeof(bytes), 1, f) == 1;
	return fclose(f) == 0 && written ? 0 : -EIO;
}

// One "--name value" pair but --series.
static int take(struct options *o, const char *name, const char *value)
{
	uint64_t *number = strcmp(name, "--seed") == 0        ? &o->seed
			   : strcmp(name, "--synthetic") == 0 ? &o->synthetic
			   : strcmp(name, "--passes") == 0    ? &o->passes
			   : strcmp(name, "--windows") == 0   ? &o->windows
							      : NULL;
	if (number)
		return text_to_u64(value, number);
	if (strcmp(name, "--out") == 0)
		o->out = value;
	return strcmp(name, "--out") == 0 || strcmp(name, "--series") == 0 ? 0 : -EINVAL;
}

static int run(struct options *o, char **argv, int argc)
{
	struct course *c = NULL;
	struct rng r;
	int rc = course_new(&c, o->seed);
	rng_init(&r, o->seed + 1);
	for (int i = 1; rc == 0 && i + 1 < argc; i += 2)
		if (strcmp(argv[i], "--series") == 0)
			rc = add_file(c, argv[i + 1]);
	if (rc == 0)
		rc = add_synthetic(c, &r, o->synthetic);
	if (rc == 0)
		rc = train(c, &r, o);
	if (rc == 0)
		rc = store(c, o);
	course_free(c);
	return rc;
}

int main(int argc, char **argv)
{
	struct options o = {.seed = 1, .synthetic = 300, .passes = 40, .windows = 20000};
	int rc = argc % 2 ? 0 : -EINVAL;
	for (int i = 1; rc == 0 && i < argc; i += 2)
		rc = take(&o, argv[i], argv[i + 1]);
	if (rc == 0)
		rc = o.out ? run(&o, argv, argc) : -EINVAL;
	if (rc < 0)
		fprintf(stderr,
			"train-lstm: %s (usage: train-lstm --out FILE [--seed N] [--synthetic N] "
			"[--passes N] [--windows N] [--series FILE:STEP]…)\n",
			strerror(-rc));
	return rc < 0 ? 1 : 0;
}
