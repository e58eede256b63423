// SPDX-License-Identifier: Apache-2.0
// What tests/bench/forecast cannot ask the command line: every member alone, and the cost of a
// series whose state is kept.
//
//	forecast-bench members LIST     per job one JSON object {member: [[nine quantiles] x H]}
//	forecast-bench service LIST     per job {"cold_ms", "warm_ms", "state_bytes"}
//
// LIST has lines FILE STEP HORIZON. Warm: the history grows by a step, the state of the run before
// is given; the mean of WARM_RUNS, so that each kind of run (carried, refreshed, full) has its
// share.
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "aggregator/cli/series_csv.h"
#include "aggregator/forecast/forecast.h"
#include "aggregator/forecast/front.h"
#include "aggregator/forecast/trial.h"
#include "proto/base/json.h"
#include "proto/base/text.h"

enum { WARM_RUNS = 288, OUT_MAX_BYTES = 64 << 20 };

struct job {
	char path[4096];
	uint64_t step_s, horizon;
};

static int members(const struct forecast_input *in, struct buf *out)
{
	struct front f;
	bool ok[ENTRIES_MAX];
	double *rows = calloc(pool_size * in->horizon * QUANTILE_COUNT, sizeof(*rows));
	int r = rows ? front_init(&f, in) : -ENOMEM;
	if (r == 0) {
		const struct pool_ask ask = {.horizon = in->horizon, .seed = in->seed};
		r = pool_forecast(&f, &ask, rows, ok);
		struct json j;
		json_init(&j, out);
		json_open(&j, '{');
		for (size_t e = 0; r >= 0 && e < pool_size; e++) {
			char name[32];
			if (!ok[e])
				continue;
			snprintf(name, sizeof(name), "%s%s", pool[e].ops->name,
				pool[e].lens == LENS_LOG ? "@log" : "");
			json_key(&j, name);
			json_open(&j, '[');
			for (size_t h = 0; h < in->horizon; h++) {
				json_open(&j, '[');
				for (size_t i = 0; i < QUANTILE_COUNT; i++)
					json_double(&j,
						rows[(e * in->horizon + h) * QUANTILE_COUNT + i]);
				json_close(&j, ']');
			}
			json_close(&j, ']');
		}
		json_close(&j, '}');
		front_done(&f);
	}
	free(rows);
	return r < 0 ? r : 0;
}

static double cpu_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int service(const struct forecast_input *whole, struct buf *out)
{
	struct forecast_input in = *whole;
	struct forecast_state *state;
	double cold = 0, warm = 0;
	size_t runs = in.n / 3 < WARM_RUNS ? in.n / 3 : WARM_RUNS;
	int r = forecast_state_new(&state);
	for (size_t k = 0; r == 0 && k <= runs; k++) {
		struct outlook *o;
		in.n = whole->n - runs + k;
		double begin = cpu_ms();
		r = forecast_run(&in, state, &o);
		*(k ? &warm : &cold) += cpu_ms() - begin;
		if (r == 0)
			outlook_free(o);
	}
	if (r < 0)
		return r;
	struct json j;
	json_init(&j, out);
	json_open(&j, '{');
	json_put_double(&j, "cold_ms", cold);
	json_put_double(&j, "warm_ms", runs ? warm / (double)runs : cold);
	json_put_i64(&j, "state_bytes", (int64_t)forecast_state_bytes(state));
	json_close(&j, '}');
	forecast_state_free(state);
	return 0;
}

static int parse_job(char *line, struct job *ret)
{
	line[strcspn(line, "\n")] = '\0';
	char *horizon = strrchr(line, ' ');
	if (!horizon)
		return -EINVAL;
	*horizon++ = '\0';
	char *step = strrchr(line, ' ');
	if (!step || text_to_u64(horizon, &ret->horizon) < 0)
		return -EINVAL;
	*step++ = '\0';
	return text_to_u64(step, &ret->step_s) < 0 || !text_copy(ret->path, sizeof(ret->path), line)
		       ? -EINVAL
		       : 0;
}

static int run_job(const struct job *job, bool of_members)
{
	struct series_csv csv;
	struct why why = {0};
	int r = series_csv_read(job->path, (int64_t)job->step_s, &csv, &why);
	if (r < 0)
		return r;
	struct forecast_input in = {.y = csv.y,
		.n = csv.n,
		.start_s = csv.start_s,
		.step_s = csv.step_s,
		.horizon = (size_t)job->horizon,
		.seed = 1};
	autobuf out;
	buf_init(&out, OUT_MAX_BYTES);
	r = of_members ? members(&in, &out) : service(&in, &out);
	series_csv_done(&csv);
	if (r == 0)
		puts(out.data);
	return r;
}

int main(int argc, char **argv)
{
	bool of_members = argc == 3 && strcmp(argv[1], "members") == 0;
	if (!of_members && !(argc == 3 && strcmp(argv[1], "service") == 0)) {
		fputs("usage: forecast-bench members|service LIST\n", stderr);
		return 2;
	}
	FILE *list = fopen(argv[2], "re");
	char line[8192];
	struct job job;
	int r = list ? 0 : -errno;
	while (r == 0 && fgets(line, sizeof(line), list)) {
		r = parse_job(line, &job);
		if (r == 0)
			r = run_job(&job, of_members);
	}
	if (list)
		fclose(list);
	if (r < 0)
		fprintf(stderr, "forecast-bench: %s\n", strerror(-r));
	return r < 0;
}
