// SPDX-License-Identifier: Apache-2.0
#include "aggregator/cli/verbs.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum style state_style(const char *state)
{
	if (strcmp(state, "ready") == 0)
		return STYLE_GOOD;
	return strcmp(state, "gone") == 0
		       ? STYLE_DIM
		       : (strcmp(state, "draining") == 0 ? STYLE_WARN : STYLE_BAD);
}

enum style load_style(double permille)
{
	if (isnan(permille))
		return STYLE_DIM;
	return permille >= 900 ? STYLE_BAD : permille >= 700 ? STYLE_WARN : STYLE_PLAIN;
}

static const char *age_text(double ms, char *ret)
{
	return figure_duration(ms < 0 ? NAN : ms * 1e6, ret);
}

static void print_head(const cJSON *s, bool color, struct buf *out)
{
	char up[FIGURE_BYTES], name[160], version[64], mode[32];
	bool paused = get_bool(s, "paused", false);
	buf_printf(out, "%sPetrel %s%s, mode %s%s, leader %s, up %s%s\n",
		style_on(STYLE_BOLD, color),
		printable(get_text(s, "version", "?"), version, sizeof(version)), style_off(color),
		printable(get_text(s, "mode", "?"), mode, sizeof(mode)), paused ? " (PAUSED)" : "",
		printable(get_text(s, "leader", "none"), name, sizeof(name)),
		age_text(get_number(s, "uptime_ms", NAN), up),
		get_bool(s, "ready", true) ? "" : ", not ready yet");
}

static void print_agents(const cJSON *s, bool color, struct buf *out)
{
	char age[FIGURE_BYTES], share[FIGURE_BYTES];
	double coverage = get_number(s, "coverage_permille", NAN);
	const cJSON *agents = get(s, "agents");
	enum style style = coverage >= 900 ? STYLE_GOOD : STYLE_BAD;
	buf_printf(out, "agents  %s%.0f of %.0f report (%s)%s, oldest sample %s old\n",
		style_on(style, color), get_number(agents, "reporting", 0),
		get_number(agents, "expected", 0), figure_percent(coverage, share),
		style_off(color), age_text(get_number(s, "oldest_sample_ms", -1), age));
}

static void print_safety(const cJSON *s, bool color, struct buf *out)
{
	char guard[64];
	if (get_bool(s, "safe_to_scale", false))
		buf_printf(out, "safe    %syes%s: no guard refuses\n", style_on(STYLE_GOOD, color),
			style_off(color));
	else
		buf_printf(out, "safe    %sno%s: guard '%s' refuses to scale\n",
			style_on(STYLE_WARN, color), style_off(color),
			printable(get_text(s, "guard", "?"), guard, sizeof(guard)));
}

static void print_store(const cJSON *s, bool color, struct buf *out)
{
	char size[FIGURE_BYTES], error[160];
	const cJSON *store = get(s, "store");
	figure_bytes(get_number(store, "file_bytes", NAN), size);
	if (get_bool(store, "storing", false))
		buf_printf(out, "store   %sstoring%s, %s on disk\n", style_on(STYLE_GOOD, color),
			style_off(color), size);
	else
		buf_printf(out, "store   %sNOT storing%s: %s\n", style_on(STYLE_BAD, color),
			style_off(color),
			printable(get_text(store, "error", "no file"), error, sizeof(error)));
}

void print_status(const cJSON *s, bool color, struct buf *out)
{
	print_head(s, color, out);
	print_agents(s, color, out);
	print_safety(s, color, out);
	print_store(s, color, out);
}

static void print_clusters(const cJSON *status, const struct options *o, struct buf *out)
{
	static const struct column columns[] = {COLUMN("CLUSTER"), COLUMN("MODE"),
		COLUMN("NODES", .right = true), COLUMN("GROUPS", .right = true),
		COLUMN("PODS", .right = true), COLUMN("REPORTING", .right = true),
		COLUMN("OLDEST", .right = true), COLUMN("")};
	struct table t;
	const cJSON *c;
	char age[FIGURE_BYTES];
	table_init(&t, columns, 8, o->output == OUTPUT_WIDE, o->color);
	cJSON_ArrayForEach (c, get(status, "clusters")) {
		const cJSON *agents = get(c, "agents");
		table_cell(&t, STYLE_PLAIN, "%s", get_text(c, "cluster", "?"));
		table_cell(&t, STYLE_PLAIN, "%s", get_text(c, "mode", "?"));
		table_cell(&t, STYLE_PLAIN, "%.0f", get_number(c, "nodes", 0));
		table_cell(&t, STYLE_PLAIN, "%.0f", get_number(c, "groups", 0));
		table_cell(&t, STYLE_PLAIN, "%.0f", get_number(c, "pods", 0));
		table_cell(&t, STYLE_PLAIN, "%.0f/%.0f", get_number(agents, "reporting", 0),
			get_number(agents, "expected", 0));
		table_cell(&t, STYLE_PLAIN, "%s",
			age_text(get_number(c, "oldest_sample_ms", -1), age));
		table_cell(&t, STYLE_DIM, "%s", get_bool(c, "simulated", false) ? "simulated" : "");
	}
	buf_text(out, "\n");
	table_print(&t, out);
	table_done(&t);
}

static void print_group(const cJSON *g, struct table *t)
{
	char capacity[FIGURE_BYTES], demand[FIGURE_BYTES], peak[FIGURE_BYTES];
	const cJSON *r = get(g, "recommendation");
	const char *kind = get_text(r, "kind", "");
	bool hold = strcmp(kind, "hold") == 0;
	figure_cores(get_number(g, "capacity_millicores", NAN), capacity);
	figure_cores(get_number(get(g, "demand"), "high_millicores", NAN), demand);
	figure_cores(get_number(get(g, "forecast"), "q95", NAN), peak);
	table_cell(t, STYLE_PLAIN, "%s", get_text(g, "cluster", "?"));
	table_cell(t, STYLE_PLAIN, "%s", get_text(g, "group", "?"));
	table_cell(t, STYLE_PLAIN, "%.0f", get_number(g, "nodes", 0));
	table_cell(t, STYLE_PLAIN, "%s", demand);
	table_cell(t, STYLE_PLAIN, "%s", peak);
	table_cell(t, STYLE_PLAIN, "%s", capacity);
	table_cell(t, hold ? STYLE_PLAIN : STYLE_WARN, "%s%s%s", kind, kind[0] ? ": " : "",
		get_text(r, "text", "no plan yet"));
}

static int print_groups(const struct options *o, struct buf *out)
{
	static const struct column columns[] = {COLUMN("CLUSTER"), COLUMN("GROUP"),
		COLUMN("NODES", .right = true), COLUMN("DEMAND", .right = true),
		COLUMN("PEAK-Q95", .right = true), COLUMN("CAPACITY", .right = true),
		COLUMN("RECOMMENDATION", .most = 100)};
	autobuf path;
	struct answer a;
	buf_init(&path, 1024);
	client_path(&path, "/api/v1/groups", "cluster", o->cluster, NULL);
	int code = client_get(o, path.data, &a);
	if (code != EXIT_OK)
		return code;
	struct table t;
	const cJSON *g;
	table_init(&t, columns, 7, o->output == OUTPUT_WIDE, o->color);
	cJSON_ArrayForEach (g, get_items(a.json))
		print_group(g, &t);
	buf_text(out, "\n");
	table_print(&t, out);
	buf_text(out, "(CPU in cores; PEAK-Q95: the highest demand expected within the hour, "
		      "passed once in twenty times)\n");
	table_done(&t);
	answer_done(&a);
	return EXIT_OK;
}

int status_verb(int argc, char **argv)
{
	struct options o;
	struct answer a;
	autobuf path, out;
	buf_init(&path, 1024);
	buf_init(&out, OUTPUT_MAX_BYTES);
	int code = options_parse(argc, argv, verb_find("status"), 0, &o);
	if (code)
		return code - 1;
	client_path(&path, "/api/v1/status", "cluster", o.cluster, NULL);
	code = client_get(&o, path.data, &a);
	if (code != EXIT_OK)
		return code;
	if (o.output == OUTPUT_JSON) {
		code = put_json(&a);
	} else {
		print_status(a.json, o.color, &out);
		print_clusters(a.json, &o, &out);
		code = print_groups(&o, &out);
	}
	answer_done(&a);
	return code == EXIT_OK && o.output != OUTPUT_JSON ? put_out(&out) : code;
}
