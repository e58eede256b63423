// SPDX-License-Identifier: Apache-2.0
#include "aggregator/cli/forecast.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/cli/forecast_explain.h"
#include "aggregator/cli/series_options.h"
#include "aggregator/cli/verb.h"
#include "aggregator/forecast/zone.h"
#include "proto/base/clock.h"
#include "proto/base/json.h"
#include "proto/base/text.h"

enum { LEVELS_MAX = 64, ANSWER_MAX_BYTES = 64 << 20, BATCH_LINE_BYTES = 8192 };

static const char help[] =
	"usage: petrel forecast --input load.csv --step 3600 --horizon 24\n"
	"       petrel forecast --input load.csv --step 300 --horizon 12 --quantiles 0.5,0.9 "
	"--output json\n"
	"       petrel forecast --batch LIST --output json      LIST has lines: FILE STEP HORIZON\n"
	"\n"
	"Forecasts the series in a CSV file (timestamp,value; epoch seconds or ISO times; an "
	"empty\n"
	"value is missing) from its end. Prints rows of quantiles, one per step.\n"
	"\n"
	"  --input FILE        the history\n"
	"  --batch LIST        many files; one JSON line each, in the same order\n"
	"  --step SECONDS      distance of the grid (default: what the file has)\n"
	"  --horizon STEPS     how far to look (default 24)\n"
	"  --quantiles LIST    levels in (0,1), ascending (default "
	".01,.05,.1,.25,.5,.75,.9,.95,.99)\n"
	"  --timezone ZONE     the users' clock, such as Europe/Berlin (default UTC)\n"
	"  --calendar COUNTRY  its public holidays are known: DE, US, GB, FR (default none)\n"
	"  --explain           what was found in the series, who speaks with what weight, and what "
	"the\n"
	"                      width rests on; in words, or with --output json under "
	"\"explanation\"\n"
	"  --most VALUE        the series cannot pass this (capacity); default: unknown\n"
	"  --output json|text  default text\n"
	"  --seed N            default 1; the same seed gives the same bytes\n";

struct options {
	struct series_options series;
	const char *batch;
	struct forecast_zone *zone;
	double levels[LEVELS_MAX];
	size_t n_levels;
	bool json, explain;
};

static int parse_levels(const char *text, struct options *o)
{
	char item[32];
	o->n_levels = 0;
	while (*text) {
		size_t len = strcspn(text, ",");
		if (len >= sizeof(item) || o->n_levels == LEVELS_MAX)
			return -EINVAL;
		memcpy(item, text, len);
		item[len] = '\0';
		double level;
		if (text_to_double(item, &level) < 0 || level <= 0 || level >= 1)
			return -EINVAL;
		if (o->n_levels && level <= o->levels[o->n_levels - 1])
			return -EINVAL;
		o->levels[o->n_levels++] = level;
		text += len;
		if (*text == ',' && !*++text)
			return -EINVAL;
	}
	return o->n_levels ? 0 : -EINVAL;
}

static int parse_option(int option, const char *value, struct options *o)
{
	switch (option) {
	case 'b': o->batch = value; return 0;
	case 'e': o->explain = true; return 0;
	case 'q':
		return parse_levels(value, o) < 0
			       ? series_usage(&o->series,
					 "--quantiles needs ascending levels in (0,1)", value)
			       : 0;
	case 'o':
		o->json = strcmp(value, "json") == 0;
		return o->json || strcmp(value, "text") == 0
			       ? 0
			       : series_usage(&o->series, "--output is json or text", value);
	default: return series_option(option, value, &o->series);
	}
}

// 0 to go on, else an exit code + 1 (so that EXIT_OK, for --help, can be told from "go on").
static int parse_options(int argc, char **argv, struct options *o)
{
	static const struct option known[] = {SERIES_OPTIONS, {"batch", 1, NULL, 'b'},
		{"quantiles", 1, NULL, 'q'}, {"explain", 0, NULL, 'e'}, {"output", 1, NULL, 'o'},
		{"help", 0, NULL, '?' + 256}, {NULL, 0, NULL, 0}};
	opterr = 0;
	optind = 1;
	for (int option; (option = getopt_long(argc, argv, "o:", known, NULL)) != -1;) {
		if (option == '?' + 256) {
			fputs(help, stdout);
			return EXIT_OK + 1;
		}
		int code = parse_option(option, optarg, o);
		if (code)
			return code + 1;
	}
	if (optind < argc)
		return series_usage(&o->series, "unexpected argument", argv[optind]) + 1;
	if (!o->series.input == !o->batch)
		return series_usage(&o->series, "give either --input or --batch", NULL) + 1;
	return 0;
}

struct answer { // of one job
	const struct outlook *o;
	const struct forecast_input *in;
	double fit_ms;
};

static void print_json(const struct answer *a, const struct options *opt, struct buf *out)
{
	const struct outlook *o = a->o;
	struct json j;
	json_init(&j, out);
	json_open(&j, '{');
	json_put_i64(&j, "horizon", (int64_t)o->horizon);
	json_put_i64(&j, "step", o->step_s);
	json_put_i64(&j, "start", o->start_s);
	json_key(&j, "quantiles");
	json_open(&j, '[');
	for (size_t i = 0; i < opt->n_levels; i++)
		json_double(&j, opt->levels[i]);
	json_close(&j, ']');
	json_key(&j, "values");
	json_open(&j, '[');
	for (size_t h = 0; h < o->horizon; h++) {
		json_open(&j, '[');
		for (size_t i = 0; i < opt->n_levels; i++) {
			char text[32]; // nine digits are more than a forecast knows, and quick to
				       // print
			int len = snprintf(text, sizeof(text), "%.9g",
				outlook_quantile(o->quantiles[h], opt->levels[i]));
			json_raw(&j, text, (size_t)len);
		}
		json_close(&j, ']');
	}
	json_close(&j, ']');
	json_key(&j, "members");
	json_open(&j, '{');
	for (size_t i = 0; i < o->n_members; i++)
		json_put_double(&j, o->members[i].name, o->members[i].weight);
	json_close(&j, '}');
	json_put_double(&j, "honesty", o->honesty);
	json_put_bool(&j, "gated", o->gated);
	json_put_text(&j, "basis", outlook_basis_name(o->basis));
	json_put_double(&j, "fit_ms", a->fit_ms);
	if (opt->explain) {
		json_key(&j, "explanation");
		forecast_explain_json(a->in, o, &j);
	}
	json_close(&j, '}');
	buf_text(out, "\n");
}

static void print_text(const struct outlook *o, const struct options *opt, struct buf *out)
{
	buf_printf(out, "%-20s", "time (UTC)");
	for (size_t i = 0; i < opt->n_levels; i++)
		buf_printf(out, " %11gq", opt->levels[i]);
	buf_text(out, "\n");
	for (size_t h = 0; h < o->horizon; h++) {
		char time[25];
		clock_format_ms((o->start_s + (int64_t)h * o->step_s) * 1000, time);
		buf_printf(out, "%-20.19s", time);
		for (size_t i = 0; i < opt->n_levels; i++)
			buf_printf(
				out, " %12.6g", outlook_quantile(o->quantiles[h], opt->levels[i]));
		buf_text(out, "\n");
	}
}

static int forecast_file(const struct options *opt, struct buf *out, struct why *why)
{
	struct series_csv csv;
	int r = series_read(&opt->series, &csv, why);
	if (r < 0)
		return r;
	struct forecast_input in = {.y = csv.y,
		.n = csv.n,
		.start_s = csv.start_s,
		.step_s = csv.step_s ? csv.step_s : 3600,
		.horizon = opt->series.horizon,
		.most = opt->series.most,
		.zone = opt->zone,
		.calendar = opt->series.calendar,
		.seed = opt->series.seed};
	struct outlook *o;
	uint64_t begin = clock_mono_ns();
	r = forecast_run(&in, NULL, &o);
	if (r == 0) {
		struct answer a = {o, &in, (double)(clock_mono_ns() - begin) / 1e6};
		if (opt->json)
			print_json(&a, opt, out);
		else if (opt->explain)
			forecast_explain_text(&in, o, out);
		else
			print_text(o, opt, out);
		outlook_free(o);
	}
	series_csv_done(&csv);
	if (r < 0)
		return why_set(why, r, WHY_BUG, "%.120s: %s", opt->series.input, strerror(-r));
	return buf_failed(out) ? -E2BIG : 0;
}

static int run_one(const struct options *opt)
{
	struct why why = {0};
	autobuf out;
	buf_init(&out, ANSWER_MAX_BYTES);
	int error = forecast_file(opt, &out, &why);
	if (error < 0) {
		fprintf(stderr, "petrel forecast: %s\n", why.code ? why.text : strerror(-error));
		return EXIT_INPUT;
	}
	return fwrite(out.data, 1, out.len, stdout) == out.len ? EXIT_OK : EXIT_FAILED;
}

// FILE STEP HORIZON; a file name may hold blanks, so the line is read from its end.
static int parse_job(char *line, struct series_options *job)
{
	line[strcspn(line, "\r\n")] = '\0';
	for (int i = 0; i < 2; i++) {
		char *blank = strrchr(line, ' ');
		uint64_t number;
		if (!blank || text_to_u64(blank + 1, &number) < 0 || number == 0)
			return -EINVAL;
		if (i == 0 && number <= FORECAST_HORIZON_MAX)
			job->horizon = number;
		else if (i == 1 && number <= SERIES_STEP_MAX_S)
			job->step_s = number;
		else
			return -EINVAL;
		*blank = '\0';
	}
	job->input = line;
	return 0;
}

static void print_error(const char *text, struct buf *out)
{
	struct json j;
	json_init(&j, out);
	json_open(&j, '{');
	json_put_text(&j, "error", text);
	json_close(&j, '}');
	buf_text(out, "\n");
}

static int run_batch(const struct options *opt)
{
	FILE *list = fopen(opt->batch, "re");
	if (!list) {
		fprintf(stderr, "petrel forecast: %s: %s\n", opt->batch, strerror(errno));
		return EXIT_INPUT;
	}
	autobuf out;
	buf_init(&out, ANSWER_MAX_BYTES);
	char line[BATCH_LINE_BYTES];
	int code = EXIT_OK;
	for (size_t line_no = 1; fgets(line, sizeof(line), list); line_no++) {
		struct options job = *opt;
		struct why why = {0};
		job.json = true;
		buf_reset(&out);
		int error;
		if (parse_job(line, &job.series) < 0)
			error = why_set(&why, -EINVAL, WHY_DENIED,
				"%.80s, line %zu: FILE STEP HORIZON is needed", opt->batch,
				line_no);
		else
			error = forecast_file(&job, &out, &why);
		if (error < 0) {
			const char *text = why.code ? why.text : strerror(-error);
			fprintf(stderr, "petrel forecast: %s\n", text);
			buf_reset(&out);
			print_error(text, &out);
			code = EXIT_INPUT;
		}
		if (fwrite(out.data, 1, out.len, stdout) != out.len)
			code = EXIT_FAILED;
	}
	fclose(list);
	return code;
}

int forecast_verb(int argc, char **argv)
{
	struct options o = {.series = {.verb = "forecast", .horizon = 24, .seed = 1},
		.n_levels = QUANTILE_COUNT};
	memcpy(o.levels, quantile_levels, sizeof(quantile_levels));
	int code = parse_options(argc, argv, &o);
	if (code)
		return code - 1;
	struct why why = {0};
	if (series_zone(&o.series, &o.zone, &why) < 0)
		return series_usage(&o.series, why.text, NULL);
	code = o.batch ? run_batch(&o) : run_one(&o);
	zone_free(o.zone);
	return code;
}
