// SPDX-License-Identifier: Apache-2.0
#include "aggregator/cli/backtest.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "aggregator/cli/series_options.h"
#include "aggregator/cli/verbs.h"
#include "aggregator/forecast/zone.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"

enum { REPORT_MAX_BYTES = 256 << 20, DAY_S = 86400, HISTORY_DEFAULT = 10080 };

const char *const contender_names[CONTENDERS] = {"petrel", "seasonal-naive", "last-value"};

static const char help[] =
	"usage: petrel backtest --input load.csv --step 3600 --horizon 24 --origins 10\n"
	"       petrel backtest --input load.csv --horizon 24 --html report.html\n"
	"       petrel backtest --input load.csv --horizon 24 -o json | jq .loss_ratio_to_naive\n"
	"\n"
	"Forecasts the series in a CSV file from points inside it, each from the history before "
	"it\n"
	"alone, and compares with what came: the error of the median (MASE), the loss of the\n"
	"quantiles (WQL), how often the truth lay inside the bands; beside the seasonal naive "
	"forecast\n"
	"and the last value. Errors are in units of the mean difference between days.\n"
	"\n"
	"  --input FILE        timestamp,value (- is the standard input)\n"
	"  --step SECONDS      distance of the grid (default: what the file has)\n"
	"  --horizon STEPS     how far each forecast looks (default 24)\n"
	"  --origins N         how many forecasts (default 10, at most 500)\n"
	"  --stride STEPS      between origins (default: the horizon, less if the file is short)\n"
	"  --history STEPS     the most that a forecast may see (default 10080)\n"
	"  --timezone ZONE     the users' clock, such as Europe/Berlin (default UTC)\n"
	"  --calendar COUNTRY  its public holidays are known: DE, US, GB, FR (default none)\n"
	"  --most VALUE        the series cannot pass this (capacity); default: unknown\n"
	"  --svg FILE          picture of the newest forecast: bands, what came, the naive one\n"
	"  --html FILE         report with every forecast, one file\n"
	"  -o, --output F      table (default) or json\n"
	"  --seed N            default 1\n";

struct request {
	struct series_options series;
	const char *svg, *html;
	uint64_t origins, stride, history;
	bool json;
};

static int parse_count(
	struct request *q, const char *value, uint64_t most, uint64_t *ret, const char *what)
{
	uint64_t number;
	if (text_to_u64(value, &number) < 0 || number == 0 || number > most)
		return series_usage(&q->series, what, value);
	*ret = number;
	return 0;
}

static int parse_option(int option, const char *value, struct request *q)
{
	switch (option) {
	case 'v': q->svg = value; return 0;
	case 'w': q->html = value; return 0;
	case 'n':
		return parse_count(q, value, BACKTEST_ORIGINS_MAX, &q->origins,
			"--origins needs a number, 1 to 500");
	case 'd':
		return parse_count(q, value, SERIES_CSV_BINS_MAX, &q->stride,
			"--stride needs a number of steps");
	case 'y':
		return parse_count(q, value, SERIES_CSV_BINS_MAX, &q->history,
			"--history needs a number of steps");
	case 'o':
		q->json = strcmp(value, "json") == 0;
		return q->json || strcmp(value, "table") == 0
			       ? 0
			       : series_usage(&q->series, "--output is table or json", value);
	default: return series_option(option, value, &q->series);
	}
}

// 0 to go on, else an exit code + 1.
static int parse_options(int argc, char **argv, struct request *q)
{
	static const struct option known[] = {SERIES_OPTIONS, {"origins", 1, NULL, 'n'},
		{"stride", 1, NULL, 'd'}, {"history", 1, NULL, 'y'}, {"svg", 1, NULL, 'v'},
		{"html", 1, NULL, 'w'}, {"output", 1, NULL, 'o'}, {"help", 0, NULL, '?' + 256},
		{NULL, 0, NULL, 0}};
	opterr = 0;
	optind = 1;
	for (int option; (option = getopt_long(argc, argv, "o:", known, NULL)) != -1;) {
		if (option == '?' + 256) {
			fputs(help, stdout);
			return EXIT_OK + 1;
		}
		int code = parse_option(option, optarg, q);
		if (code)
			return code + 1;
	}
	if (optind < argc)
		return series_usage(&q->series, "unexpected argument", argv[optind]) + 1;
	return q->series.input ? 0 : series_usage(&q->series, "give --input FILE", NULL) + 1;
}

// Origins at equal distances, the newest as late as the horizon lets it.
static int lay_origins(struct backtest *b, const struct request *q, struct why *why)
{
	size_t least = b->season > 1 && b->n > 3 * b->season + b->horizon ? 2 * b->season + 1 : 3;
	if (b->n < least + b->horizon)
		return why_set(why, -EINVAL, WHY_DENIED,
			"%.80s: %zu steps are too few for a horizon of %zu with %zu before it",
			b->name, b->n, b->horizon, least);
	size_t room = b->n - b->horizon - least;
	b->n_origins = q->origins > room + 1 ? room + 1 : (size_t)q->origins;
	b->stride = q->stride ? (size_t)q->stride : b->horizon;
	if (b->n_origins > 1 && b->stride > room / (b->n_origins - 1)) {
		if (q->stride)
			b->n_origins = room / b->stride + 1;
		else
			b->stride = room / (b->n_origins - 1);
	}
	b->origins = calloc(b->n_origins, sizeof(*b->origins));
	if (!b->origins)
		return -ENOMEM;
	for (size_t i = 0; i < b->n_origins; i++)
		b->origins[i].at = b->n - b->horizon - (b->n_origins - 1 - i) * b->stride;
	return 0;
}

static double cpu_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void floor_rows(double (*rows)[QUANTILE_COUNT], size_t n)
{
	for (size_t h = 0; h < n; h++)
		for (int i = 0; i < QUANTILE_COUNT; i++)
			rows[h][i] = fmax(0, rows[h][i]);
}

static void score_all(struct backtest *b, struct backtest_origin *g, enum contender who,
	const double (*rows)[QUANTILE_COUNT], const struct truth *t)
{
	score_add(&g->score[who], t, rows);
	score_add(&b->total[who], t, rows);
}

// A series that is never negative has forecasts that are not: the naive ones too.
static int run_naive(
	struct backtest *b, struct backtest_origin *g, const struct truth *t, bool positive)
{
	size_t from = g->at > b->history ? g->at - b->history : 0, n = g->at - from;
	double(*last)[QUANTILE_COUNT] = calloc(b->horizon, sizeof(*last));
	g->naive = calloc(b->horizon, sizeof(*g->naive));
	if (!g->naive || !last ||
		naive_seasonal(b->y + from, n, b->season, b->horizon, g->naive) < 0 ||
		naive_seasonal(b->y + from, n, 1, b->horizon, last) < 0) {
		free(last);
		return -ENOMEM;
	}
	if (positive) {
		floor_rows(g->naive, b->horizon);
		floor_rows(last, b->horizon);
	}
	score_all(b, g, CONTENDER_NAIVE, (const double(*)[QUANTILE_COUNT])g->naive, t);
	score_all(b, g, CONTENDER_LAST, (const double(*)[QUANTILE_COUNT])last, t);
	free(last);
	return 0;
}

static int run_origin(struct backtest *b, struct backtest_origin *g)
{
	size_t from = g->at > b->history ? g->at - b->history : 0, n = g->at - from;
	struct forecast_input in = {.y = b->y + from,
		.n = n,
		.start_s = b->start_s + (int64_t)from * b->step_s,
		.step_s = b->step_s,
		.horizon = b->horizon,
		.most = b->most,
		.zone = b->zone,
		.calendar = b->calendar,
		.seed = b->seed};
	double begin = cpu_ms();
	int r = forecast_run(&in, NULL, &g->o);
	g->fit_ms = cpu_ms() - begin;
	if (r < 0)
		return r;
	bool positive = true;
	for (size_t i = from; i < g->at; i++)
		positive &= !(b->y[i] < 0);
	struct truth t = {b->y + g->at, b->horizon, score_scale(b->y + from, n, b->season),
		score_level(b->y + from, n)};
	score_all(b, g, CONTENDER_PETREL, (const double(*)[QUANTILE_COUNT])g->o->quantiles, &t);
	b->cpu_ms += g->fit_ms;
	return run_naive(b, g, &t, positive);
}

// Work that takes longer than a moment says how far it is: in place on a terminal, else every ten
// seconds a line.
static void progress(const struct backtest *b, size_t done, uint64_t begin_ns, uint64_t *said_ns)
{
	bool terminal = isatty(STDERR_FILENO);
	uint64_t now = clock_mono_ns(), every = terminal ? 200000000 : UINT64_C(10000000000);
	if (now - begin_ns < 2000000000 || now - *said_ns < every)
		return;
	*said_ns = now;
	double each = (double)(now - begin_ns) / 1e9 / (double)done;
	fprintf(stderr, "%spetrel backtest: %zu of %zu origins, about %.0f s left%s",
		terminal ? "\r" : "", done, b->n_origins, each * (double)(b->n_origins - done),
		terminal ? "\033[K" : "\n");
}

static int run_all(struct backtest *b, struct why *why)
{
	uint64_t begin = clock_mono_ns(), said = 0;
	int r = 0;
	for (size_t i = 0; i < b->n_origins && r == 0; i++) {
		r = run_origin(b, &b->origins[i]);
		if (r < 0)
			why_set(why, r, WHY_BUG, "%.80s: %s", b->name, strerror(-r));
		progress(b, i + 1, begin, &said);
	}
	if (said && isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	if (r == 0 && b->total[CONTENDER_PETREL].forecasts == 0)
		return why_set(why, -ENODATA, WHY_DENIED,
			"%.80s: every value after the origins is missing, so there is nothing to "
			"compare with",
			b->name);
	return r;
}

static void backtest_done(struct backtest *b)
{
	for (size_t i = 0; b->origins && i < b->n_origins; i++) {
		outlook_free(b->origins[i].o);
		free(b->origins[i].naive);
	}
	free(b->origins);
}

static int write_file(const char *path, const struct buf *text)
{
	FILE *f = buf_failed(text) ? NULL : fopen(path, "we");
	bool ok = f && fwrite(text->data, 1, text->len, f) == text->len;
	if (f && fclose(f) != 0)
		ok = false;
	if (ok)
		return EXIT_OK;
	fprintf(stderr, "petrel backtest: %s: %s\n", path,
		buf_failed(text) ? "the picture is too large" : strerror(errno));
	return EXIT_FAILED;
}

static int put_all(const struct backtest *b, const struct request *q)
{
	autobuf out;
	int code = EXIT_OK;
	buf_init(&out, REPORT_MAX_BYTES);
	if (q->svg) {
		backtest_svg(b, b->n_origins - 1, true, &out);
		code = write_file(q->svg, &out);
		buf_reset(&out);
	}
	if (code == EXIT_OK && q->html) {
		backtest_html(b, &out);
		code = write_file(q->html, &out);
		buf_reset(&out);
	}
	if (code != EXIT_OK)
		return code;
	if (q->json)
		backtest_print_json(b, &out);
	else
		backtest_print_table(b, &out);
	return put_out(&out);
}

static int run(const struct request *q, const struct series_csv *csv, struct why *why)
{
	struct backtest b = {.name = q->series.input,
		.y = csv->y,
		.n = csv->n,
		.start_s = csv->start_s,
		.step_s = csv->step_s,
		.horizon = (size_t)q->series.horizon,
		.history = (size_t)q->history,
		.most = q->series.most,
		.seed = q->series.seed,
		.calendar = q->series.calendar};
	if (csv->n == 0)
		return -why_set(why, -ENODATA, WHY_DENIED, "%.80s: no rows", q->series.input);
	int64_t day = (DAY_S + csv->step_s / 2) / csv->step_s;
	b.season = day > 1 ? (size_t)day : 1;
	int code = EXIT_INPUT;
	struct forecast_zone *zone = NULL;
	int r = series_zone(&q->series, &zone, why);
	b.zone = zone;
	if (r == 0)
		r = lay_origins(&b, q, why);
	if (r == 0)
		r = run_all(&b, why);
	if (r == 0)
		code = put_all(&b, q);
	else if (!why->code)
		why_set(why, r, WHY_BUG, "%s", strerror(-r));
	zone_free(zone);
	backtest_done(&b);
	return code;
}

int backtest_verb(int argc, char **argv)
{
	struct request q = {.series = {.verb = "backtest", .horizon = 24, .seed = 1},
		.origins = 10,
		.history = HISTORY_DEFAULT};
	int code = parse_options(argc, argv, &q);
	if (code)
		return code - 1;
	struct series_csv csv = {0};
	struct why why = {0};
	code = EXIT_INPUT;
	if (series_read(&q.series, &csv, &why) == 0) {
		code = run(&q, &csv, &why);
		series_csv_done(&csv);
	}
	if (why.code)
		fprintf(stderr, "petrel backtest: %s\n", why.text);
	return code;
}
