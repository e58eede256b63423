// SPDX-License-Identifier: Apache-2.0
// forecast without a file: what the aggregator expects of its groups and workloads. With --input or
// --batch it is the offline forecaster of forecast.c.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/cli/forecast.h"
#include "aggregator/cli/forecast_explain.h"
#include "aggregator/cli/verbs.h"

// Rows of "values" carry nine levels; these four are shown, -o wide shows all.
static const struct column row_columns[] = {COLUMN("TIME"),
	COLUMN("Q1", .right = true, .wide = true), COLUMN("Q5", .right = true),
	COLUMN("Q10", .right = true, .wide = true), COLUMN("Q25", .right = true, .wide = true),
	COLUMN("MEDIAN", .right = true), COLUMN("Q75", .right = true, .wide = true),
	COLUMN("Q90", .right = true, .wide = true), COLUMN("Q95", .right = true),
	COLUMN("Q99", .right = true)};
enum { LEVELS = 9 };

static void print_honesty(const cJSON *f, struct buf *out)
{
	char text[200], history[FIGURE_BYTES], share[FIGURE_BYTES];
	double ratio = get_number(f, "loss_ratio_to_naive", NAN);
	double coverage = get_number(f, "coverage80_permille", NAN);
	const char *why = get_text(f, "why", NULL);
	buf_printf(out, "history  %s",
		figure_duration(get_number(f, "history_ms", NAN) * 1e6, history));
	if (get_text(f, "basis", NULL))
		buf_printf(out, " (%s pattern)",
			printable(get_text(f, "basis", ""), text, sizeof(text)));
	buf_text(out, "\nhonesty  ");
	if (isnan(ratio))
		buf_text(out, "not known yet against the naive forecast");
	else
		buf_printf(out, "its loss is %.2f of the naive forecast's%s", ratio,
			ratio > 1 ? " (worse: it is not used)" : "");
	if (isnan(coverage))
		buf_text(out, "; the 80 % band was not checked yet\n");
	else
		buf_printf(out, "; the 80 %% band held %s of the truth in %.0f checks\n",
			figure_percent(coverage, share), get_number(f, "scored", 0));
	if (why)
		buf_printf(out, "note     %s\n", printable(why, text, sizeof(text)));
}

static void print_members(const cJSON *f, struct buf *out)
{
	char name[64], share[FIGURE_BYTES];
	const cJSON *m;
	const char *before = "members  ";
	cJSON_ArrayForEach (m, get(f, "members")) {
		double weight = get_number(m, "weight", 0);
		if (weight < 0.005)
			continue;
		buf_printf(out, "%s%s %s", before,
			printable(get_text(m, "name", "?"), name, sizeof(name)),
			figure_percent(weight * 1000, share));
		before = ", ";
	}
	if (before[0] == ',')
		buf_text(out, "\n");
}

static void add_row(struct table *t, const cJSON *row, double wall_ms)
{
	char text[FIGURE_BYTES];
	const cJSON *v = cJSON_GetArrayItem(row, 0);
	table_cell(t, STYLE_PLAIN, "%s", figure_date(wall_ms, text));
	for (int q = 0; q < LEVELS; q++) {
		table_cell(t, q == 4 ? STYLE_BOLD : STYLE_PLAIN, "%s",
			figure_cores(cJSON_IsNumber(v) ? v->valuedouble : NAN, text));
		v = v ? v->next : NULL;
	}
}

static void print_forecast(const struct options *o, const cJSON *f, struct buf *out)
{
	char cluster[80], name[256], when[FIGURE_BYTES];
	double from = get_number(f, "from_ms", NAN), step = get_number(f, "step_ms", NAN);
	buf_printf(out, "%s%s/%s%s: CPU demand in cores, next %s, made %s\n",
		style_on(STYLE_BOLD, o->color),
		printable(get_text(f, "cluster", "?"), cluster, sizeof(cluster)),
		printable(get_text(f, "name", "?"), name, sizeof(name)), style_off(o->color),
		o->horizon ? o->horizon : "hour",
		figure_date(get_number(f, "generated_ms", NAN), when));
	print_honesty(f, out);
	print_members(f, out);
	const cJSON *row;
	struct table t;
	int i = 0;
	table_init(&t, row_columns, sizeof(row_columns) / sizeof(row_columns[0]),
		o->output == OUTPUT_WIDE, o->color);
	cJSON_ArrayForEach (row, get(f, "values"))
		add_row(&t, row, from + step * i++);
	if (t.n_cells) {
		buf_text(out, "\n");
		table_print(&t, out);
	}
	table_done(&t);
}

// Finds the cluster of a group that is named without it. EXIT_NOT_FOUND; EXIT_USAGE if several have
// one of that name.
static int cluster_of_group(const struct options *o, const char *group, char ret[64])
{
	struct answer a;
	const cJSON *g;
	int found = 0;
	int code = client_get(o, "/api/v1/groups", &a);
	if (code != EXIT_OK)
		return code;
	cJSON_ArrayForEach (g, get_items(a.json)) {
		if (strcmp(get_text(g, "group", ""), group) != 0)
			continue;
		found++;
		snprintf(ret, 64, "%s", get_text(g, "cluster", ""));
	}
	answer_done(&a);
	if (found > 1)
		return usage_error(o->verb, "%d clusters have a group '%s': --cluster is needed",
			found, group);
	if (found == 0)
		fprintf(stderr, "petrel: there is no node group '%s'; 'petrel groups' lists them\n",
			group);
	return found ? EXIT_OK : EXIT_NOT_FOUND;
}

enum { FOUND_DAYS = 28, FOUND_STEP_S = 3600, FOUND_MAX = FOUND_DAYS * 24 + 1 };

// The history of a forecast series, hourly; in->y is malloc'ed.
static int read_past(const struct options *o, const cJSON *f, struct forecast_input *in)
{
	char from[24], to[24], step[24];
	struct answer a;
	autobuf path;
	const cJSON *v;
	int64_t now_ms = (int64_t)get_number(f, "now_ms", 0);
	buf_init(&path, 2048);
	snprintf(from, sizeof(from), "%lld", (long long)(now_ms - FOUND_DAYS * 86400000LL));
	snprintf(to, sizeof(to), "%lld", (long long)now_ms);
	snprintf(step, sizeof(step), "%d", FOUND_STEP_S * 1000);
	client_path(&path, "/api/v1/series", "cluster", get_text(f, "cluster", ""), "kind",
		get_text(f, "kind", ""), "name", get_text(f, "name", ""), "metric",
		get_text(f, "metric", ""), "from", from, "to", to, "step", step, NULL);
	int code = client_get(o, path.data, &a);
	if (code != EXIT_OK)
		return code;
	double *y = calloc(FOUND_MAX, sizeof(*y));
	*in = (struct forecast_input){.y = y,
		.step_s = FOUND_STEP_S,
		.start_s = (int64_t)(get_number(a.json, "from_ms", 0) / 1000)};
	cJSON_ArrayForEach (v, get(a.json, "mean")) {
		if (y && in->n < FOUND_MAX)
			y[in->n++] = cJSON_IsNumber(v) ? v->valuedouble : NAN;
	}
	answer_done(&a);
	return y ? EXIT_OK : EXIT_FAILED;
}

static int explain(const struct options *o, const struct answer *a, struct buf *out)
{
	struct forecast_input in;
	struct json j;
	int code = read_past(o, a->json, &in);
	if (code != EXIT_OK)
		return code;
	if (o->output == OUTPUT_JSON) {
		json_init(&j, out);
		json_open(&j, '{');
		json_key(&j, "forecast");
		json_raw(&j, a->body.data, a->body.len);
		json_key(&j, "found");
		json_open(&j, '{');
		(void)forecast_found_json(&in, &j);
		json_close(&j, '}');
		json_close(&j, '}');
		buf_text(out, "\n");
	} else {
		print_forecast(o, a->json, out);
		(void)forecast_found_text(&in, out);
		buf_text(out, "  (the last 28 days by the hour; CPU in millicores)\n");
	}
	free((void *)(uintptr_t)in.y);
	return put_out(out);
}

static int one(const struct options *o, const char *name)
{
	char found[64] = "";
	const char *cluster = o->cluster, *kind = o->kind ? o->kind : "group";
	struct answer a;
	autobuf path, out;
	buf_init(&path, 2048);
	buf_init(&out, OUTPUT_MAX_BYTES);
	if (!cluster && strcmp(kind, "group") != 0)
		return usage_error(o->verb, "--kind %s needs --cluster", kind);
	int code = cluster ? EXIT_OK : cluster_of_group(o, name, found);
	if (code != EXIT_OK)
		return code;
	client_path(&path, "/api/v1/forecast", "cluster", cluster ? cluster : found, "kind", kind,
		"name", name, "horizon", o->horizon, NULL);
	code = client_get(o, path.data, &a);
	if (code != EXIT_OK)
		return code;
	if (o->explain) {
		code = explain(o, &a, &out);
	} else if (o->output == OUTPUT_JSON) {
		code = put_json(&a);
	} else {
		print_forecast(o, a.json, &out);
		code = put_out(&out);
	}
	answer_done(&a);
	return code;
}

static void add_summary(struct table *t, const cJSON *g)
{
	char text[FIGURE_BYTES];
	const cJSON *f = get(g, "forecast");
	table_cell(t, STYLE_PLAIN, "%s", get_text(g, "cluster", "?"));
	table_cell(t, STYLE_PLAIN, "%s", get_text(g, "group", "?"));
	table_cell(t, STYLE_PLAIN, "%s",
		figure_cores(get_number(get(g, "demand"), "high_millicores", NAN), text));
	table_cell(t, STYLE_PLAIN, "%s", figure_cores(get_number(f, "q50", NAN), text));
	table_cell(t, STYLE_PLAIN, "%s", figure_cores(get_number(f, "q95", NAN), text));
	table_cell(t, STYLE_PLAIN, "%s",
		figure_cores(get_number(g, "capacity_millicores", NAN), text));
	table_cell(t, STYLE_DIM, "%s", f ? "" : "too little data, or not forecast");
}

static int all(const struct options *o)
{
	static const struct column columns[] = {COLUMN("CLUSTER"), COLUMN("GROUP"),
		COLUMN("NOW", .right = true), COLUMN("PEAK-Q50", .right = true),
		COLUMN("PEAK-Q95", .right = true), COLUMN("CAPACITY", .right = true), COLUMN("")};
	struct answer a;
	struct table t;
	const cJSON *g;
	autobuf path, out;
	buf_init(&path, 2048);
	buf_init(&out, OUTPUT_MAX_BYTES);
	client_path(&path, "/api/v1/groups", "cluster", o->cluster, NULL);
	int code = client_get(o, path.data, &a);
	if (code != EXIT_OK)
		return code;
	table_init(&t, columns, 7, true, o->color);
	cJSON_ArrayForEach (g, get_items(a.json))
		add_summary(&t, g);
	table_print(&t, &out);
	buf_text(&out, "(CPU in cores; PEAK: the highest demand expected within the hour)\n");
	code = o->output == OUTPUT_JSON ? put_json(&a) : put_out(&out);
	table_done(&t);
	answer_done(&a);
	return code;
}

static bool is_offline(int argc, char **argv)
{
	static const char *const files[] = {"--input", "--batch", "--step", "--quantiles", "--most",
		"--seed", "--timezone", "--calendar", "--output=text"};
	for (int i = 1; i < argc; i++)
		for (size_t k = 0; k < sizeof(files) / sizeof(files[0]); k++)
			if (strncmp(argv[i], files[k], strlen(files[k])) == 0)
				return true;
	return false;
}

int forecast_any_verb(int argc, char **argv)
{
	if (is_offline(argc, argv))
		return forecast_verb(argc, argv);
	struct options o;
	int code = options_parse(argc, argv, verb_find("forecast"), 1, &o);
	if (code)
		return code - 1;
	if (o.n_rest == 0)
		return all(&o);
	char *slash = o.cluster ? NULL : strchr(o.rest[0], '/');
	if (!slash)
		return one(&o, o.rest[0]);
	*slash = '\0'; // CLUSTER/GROUP
	o.cluster = o.rest[0];
	return one(&o, slash + 1);
}
