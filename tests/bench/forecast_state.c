// SPDX-License-Identifier: Apache-2.0
// What a forecast costs in the service, where a state is kept between the runs of a series.
//
//   forecast-state FILE STEP HORIZON HISTORY RUNS
//
// Plays the last RUNS steps of FILE (CSV timestamp,value) to one kept state, one value at a time,
// with HISTORY values before each, and every EVERY-th of them also to a run from scratch. Prints
// one JSON line: CPU per run over all and by kind, bytes of the state, and the mean pinball loss of
// the kept against that from scratch at the same origins.
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "aggregator/cli/series_csv.h"
#include "aggregator/forecast/blend.h"
#include "aggregator/forecast/forecast.h"
#include "proto/base/text.h"

enum { EVERY = 7 };

struct play {
	struct series_csv csv;
	uint64_t step, horizon, history, runs;
	double cpu_ms[4], runs_of[4]; // by kind; 3 = from scratch
	double loss[2], distance, compared, scale;
	size_t bytes;
};

static double cpu_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int forecast_at(
	struct play *p, size_t end, struct forecast_state *state, struct outlook **ret)
{
	size_t from = end > p->history ? end - p->history : 0;
	struct forecast_input in = {.y = p->csv.y + from,
		.n = end - from,
		.start_s = p->csv.start_s + (int64_t)from * p->csv.step_s,
		.step_s = p->csv.step_s,
		.horizon = p->horizon,
		.seed = 1};
	double begin = cpu_ms();
	int r = forecast_run(&in, state, ret);
	int kind = !state ? 3 : r == 0 ? (int)(*ret)->made : 0;
	p->cpu_ms[kind] += cpu_ms() - begin;
	p->runs_of[kind]++;
	return r;
}

static void compare(struct play *p, size_t end, const struct outlook *const both[2])
{
	for (size_t h = 0; h < p->horizon && end + h < p->csv.n; h++) {
		double truth = p->csv.y[end + h];
		if (isnan(truth))
			continue;
		for (int i = 0; i < 2; i++)
			p->loss[i] += row_loss(truth, both[i]->quantiles[h]);
		p->distance += fabs(both[0]->quantiles[h][QUANTILE_COUNT / 2] -
				    both[1]->quantiles[h][QUANTILE_COUNT / 2]);
		p->scale += fabs(truth - both[1]->quantiles[h][QUANTILE_COUNT / 2]);
		p->compared++;
	}
}

static int play(struct play *p)
{
	struct forecast_state *state;
	int r = forecast_state_new(&state);
	size_t first = p->csv.n > p->runs + p->horizon ? p->csv.n - p->runs - p->horizon : 1;
	for (size_t end = first; r == 0 && end + p->horizon <= p->csv.n; end++) {
		struct outlook *kept, *scratch;
		r = forecast_at(p, end, state, &kept);
		if (r < 0)
			break;
		if ((end - first) % EVERY == 0) {
			r = forecast_at(p, end, NULL, &scratch);
			if (r == 0) {
				compare(p, end, (const struct outlook *[]){kept, scratch});
				outlook_free(scratch);
			}
		}
		outlook_free(kept);
		if (forecast_state_bytes(state) > p->bytes)
			p->bytes = forecast_state_bytes(state);
	}
	forecast_state_free(state);
	return r;
}

static void print(const struct play *p)
{
	double all = p->cpu_ms[0] + p->cpu_ms[1] + p->cpu_ms[2];
	double runs = p->runs_of[0] + p->runs_of[1] + p->runs_of[2];
	printf("{\"runs\":%.0f,\"cpu_ms\":%.3f,\"full\":%.0f,\"full_ms\":%.2f,\"refreshed\":%.0f,"
	       "\"refreshed_ms\":%.2f,\"carried\":%.0f,\"carried_ms\":%.3f,\"scratch_ms\":%.2f,"
	       "\"state_bytes\":%zu,\"loss_to_scratch\":%.4f,\"distance\":%.4f}\n",
		runs, all / runs, p->runs_of[0], p->cpu_ms[0] / fmax(1, p->runs_of[0]),
		p->runs_of[1], p->cpu_ms[1] / fmax(1, p->runs_of[1]), p->runs_of[2],
		p->cpu_ms[2] / fmax(1, p->runs_of[2]), p->cpu_ms[3] / fmax(1, p->runs_of[3]),
		p->bytes, p->loss[0] / p->loss[1], p->distance / p->scale);
}

int main(int argc, char **argv)
{
	struct play p = {0};
	struct why why = {0};
	uint64_t *numbers[] = {&p.step, &p.horizon, &p.history, &p.runs};
	int r = argc == 6 ? 0 : -EINVAL;
	for (int i = 0; r == 0 && i < 4; i++)
		r = text_to_u64(argv[2 + i], numbers[i]);
	if (r == 0)
		r = series_csv_read(argv[1], (int64_t)p.step, &p.csv, &why);
	if (r == 0) {
		r = play(&p);
		if (r == 0)
			print(&p);
		series_csv_done(&p.csv);
	}
	if (r < 0)
		fprintf(stderr, "forecast-state: %s %s (usage: FILE STEP HORIZON HISTORY RUNS)\n",
			strerror(-r), why.text);
	return r < 0;
}
