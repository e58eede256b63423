// SPDX-License-Identifier: Apache-2.0
// What tests/bench/lstm needs: a training on some files, and forecasts with the weights it made.
//
//	lstm-bench train OUT LIST               one JSON object about the training; weights to OUT
//	lstm-bench forecast none|basic|FILE LIST   per job {"quantiles", "values", "weight", "best"}
//
// LIST has lines FILE STEP HORIZON. none: the ensemble without the LSTM; basic: the pre-trained
// weights. Series of a training are moved by whole days to end on the same one, as those of a
// cluster do; the weights are used at every origin, as nothing of the series asked for was learnt.
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "aggregator/cli/series_csv.h"
#include "aggregator/forecast/forecast.h"
#include "aggregator/forecast/service/train.h"
#include "proto/base/json.h"
#include "proto/base/text.h"

enum { DAY_S = 86400, OUT_MAX_BYTES = 16 << 20 };
static const int64_t to_s = 20000ll * DAY_S;

struct job {
	char path[4096];
	uint64_t step_s, horizon;
};

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

static int each_job(const char *list,
	int (*on_job)(void *arg, const struct job *j, struct series_csv *s), void *arg)
{
	char line[8192];
	struct job job;
	struct why why = {0};
	FILE *f = fopen(list, "re");
	int r = f ? 0 : -errno;
	while (r == 0 && fgets(line, sizeof(line), f)) {
		struct series_csv s;
		r = parse_job(line, &job);
		if (r == 0)
			r = series_csv_read(job.path, (int64_t)job.step_s, &s, &why);
		if (r < 0)
			break;
		r = on_job(arg, &job, &s);
		series_csv_done(&s);
	}
	if (f)
		fclose(f);
	return r;
}

static int add(void *arg, const struct job *j, struct series_csv *s)
{
	int64_t end_s = s->start_s + (int64_t)s->n * s->step_s;
	const struct tune_copy copy = {
		s->y, s->n, s->start_s + (to_s - end_s) / DAY_S * DAY_S, s->step_s};
	int r = tune_add(arg, &copy);
	return r == -ENODATA ? 0 : r;
}

static double cpu_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int save(const char *path, const struct tune *t, const struct tune_result *result)
{
	static unsigned char doc[TUNE_DOCUMENT_MAX];
	const struct tune_record record = {.result = *result};
	size_t len = tune_document_write(&record, tune_weights(t), doc);
	FILE *f = fopen(path, "wbe");
	if (!f)
		return -errno;
	bool written = fwrite(doc, len, 1, f) == 1;
	return fclose(f) == 0 && written ? 0 : -EIO;
}

static int train(const char *out, const char *list, struct lstm_weights *w)
{
	struct tune *t = NULL;
	struct tune_result result;
	const struct tune_options o = {.seed = 1, .to_s = to_s, .bytes_max = 24 << 20};
	int r = lstm_pretrained(w);
	if (r == 0)
		r = tune_new(&t, &o, w);
	if (r == 0)
		r = each_job(list, add, t);
	double begin = cpu_s();
	for (int more = 1; r == 0 && more == 1;) {
		more = tune_step(t);
		r = more < 0 ? more : 0;
	}
	if (r == 0) {
		tune_result(t, &result);
		printf("{\"cpu_s\": %.2f, \"steps\": %llu, \"before\": %.4f, \"after\": %.4f, "
		       "\"series\": %u, \"better_on\": %u, \"won\": %s}\n",
			cpu_s() - begin, (unsigned long long)result.steps, result.loss_before,
			result.loss_after, result.copies, result.wins,
			result.won ? "true" : "false");
		r = save(out, t, &result);
	}
	tune_free(t);
	return r;
}

static void print_answer(const struct outlook *o)
{
	struct train_share share = {0};
	autobuf out;
	struct json j;
	buf_init(&out, OUT_MAX_BYTES);
	json_init(&j, &out);
	json_open(&j, '{');
	json_key(&j, "quantiles");
	json_open(&j, '[');
	for (size_t i = 0; i < QUANTILE_COUNT; i++)
		json_double(&j, quantile_levels[i]);
	json_close(&j, ']');
	json_key(&j, "values");
	json_open(&j, '[');
	for (size_t h = 0; h < o->horizon; h++) {
		json_open(&j, '[');
		for (size_t i = 0; i < QUANTILE_COUNT; i++)
			json_double(&j, o->quantiles[h][i]);
		json_close(&j, ']');
	}
	json_close(&j, ']');
	train_share_add(&share, o);
	json_put_i64(&j, "tried", (int64_t)share.outlooks);
	json_put_i64(&j, "weight", (int64_t)share.weight);
	json_put_i64(&j, "best", (int64_t)share.wins);
	json_close(&j, '}');
	puts(out.data);
}

static int forecast(void *arg, const struct job *j, struct series_csv *s)
{
	const struct forecast_input in = {.y = s->y,
		.n = s->n,
		.start_s = s->start_s,
		.step_s = s->step_s,
		.horizon = (size_t)j->horizon,
		.seed = 1,
		.lstm = arg};
	struct outlook *o;
	int r = forecast_run(&in, NULL, &o);
	if (r < 0)
		return r;
	print_answer(o);
	outlook_free(o);
	return 0;
}

static int load(const char *path, struct lstm_weights *w)
{
	static unsigned char doc[TUNE_DOCUMENT_MAX];
	struct tune_record record;
	struct why why = {0};
	FILE *f = fopen(path, "rbe");
	if (!f)
		return -errno;
	size_t len = fread(doc, 1, sizeof(doc), f);
	fclose(f);
	int r = tune_document_read(doc, len, &record, w, &why);
	if (r < 0)
		fprintf(stderr, "%s: %s\n", path, why.text);
	w->seen_until_s = INT64_MIN; // of other series
	return r;
}

static int forecast_all(const char *with, const char *list, struct lstm_weights *w)
{
	if (strcmp(with, "basic") == 0)
		return each_job(list, forecast, NULL);
	int r = strcmp(with, "none") == 0 ? 0 : load(with, w);
	if (strcmp(with, "none") == 0) { // a member that answers what is not a number is left out
		w->version = 1;
		w->nets = 1;
		w->seen_until_s = INT64_MIN;
		for (size_t i = 0; i < NET_PARAMS; i++)
			w->net[0].all[i] = NAN;
	}
	return r < 0 ? r : each_job(list, forecast, w);
}

int main(int argc, char **argv)
{
	static struct lstm_weights w;
	bool of_training = argc == 4 && strcmp(argv[1], "train") == 0;
	if (!of_training && !(argc == 4 && strcmp(argv[1], "forecast") == 0)) {
		fputs("usage: lstm-bench train OUT LIST | forecast none|basic|FILE LIST\n", stderr);
		return 2;
	}
	int r = of_training ? train(argv[2], argv[3], &w) : forecast_all(argv[2], argv[3], &w);
	if (r < 0)
		fprintf(stderr, "lstm-bench: %s\n", strerror(-r));
	return r < 0;
}
