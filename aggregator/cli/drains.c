// SPDX-License-Identifier: Apache-2.0
// drains: nodes that are emptied, with their countdown. drain, notice: the two things that the CLI
// asks for.
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "aggregator/cli/verbs.h"

static bool ended(const cJSON *d)
{
	return get_number(d, "ended_ms", 0) > 0;
}

static enum style phase_style(const cJSON *d)
{
	const char *phase = get_text(d, "phase", "?");
	if (strcmp(phase, "failed") == 0)
		return STYLE_BAD;
	if (strcmp(phase, "done") == 0)
		return STYLE_GOOD;
	return ended(d) || strcmp(phase, "planned") == 0 ? STYLE_DIM : STYLE_WARN;
}

// "1m 12s", "past" or "-"; ended drains have none.
static const char *left_text(const cJSON *d, double now_ms, char ret[FIGURE_BYTES])
{
	double deadline_ms = get_number(d, "deadline_ms", 0);
	if (deadline_ms <= 0 || ended(d))
		return "-";
	return deadline_ms < now_ms ? "past" : figure_duration((deadline_ms - now_ms) * 1e6, ret);
}

static enum style left_style(const cJSON *d, double now_ms)
{
	double left_ms = get_number(d, "deadline_ms", 0) - now_ms;
	if (get_number(d, "deadline_ms", 0) <= 0 || ended(d))
		return STYLE_DIM;
	return left_ms < 25000 ? STYLE_BAD : STYLE_PLAIN;
}

// "shop/web-pdb", with "+1" for more.
static const char *blocked_text(const cJSON *d, char *ret, size_t size)
{
	const cJSON *all = get(d, "blocking"), *first = cJSON_GetArrayItem(all, 0);
	int more = cJSON_GetArraySize(all) - 1;
	if (!first || ended(d))
		return "-";
	snprintf(ret, size, more > 0 ? "%s/%s +%d" : "%s/%s", get_text(first, "namespace", "?"),
		get_text(first, "budget", "?"), more);
	return ret;
}

// "ready ip-10-0-9-1", "launched i-0123", "none"
static const char *replacement_text(const cJSON *d, char *ret, size_t size)
{
	const cJSON *r = get(d, "replacement");
	const char *node = get_text(r, "node", ""), *instance = get_text(r, "instance", "");
	snprintf(ret, size, "%s %s", get_text(r, "state", "?"), node[0] ? node : instance);
	size_t len = strlen(ret);
	if (len && ret[len - 1] == ' ')
		ret[len - 1] = '\0';
	return ret;
}

static const struct column columns[] = {COLUMN("LEFT", .right = true), COLUMN("PHASE"),
	COLUMN("CLUSTER", .wide = true), COLUMN("NODE", .most = 50), COLUMN("GROUP", .wide = true),
	COLUMN("WHY"), COLUMN("PODS", .right = true), COLUMN("BLOCKED-BY", .most = 60),
	COLUMN("REPLACEMENT", .most = 50), COLUMN("STARTED", .wide = true),
	COLUMN("INSTANCE", .wide = true), COLUMN("TEXT", .wide = true), COLUMN("ID")};

static void row(struct table *t, const cJSON *d, double now_ms)
{
	char text[400], figure[FIGURE_BYTES], short_id[13];
	snprintf(short_id, sizeof(short_id), "%s", get_text(d, "id", "?"));
	bool wide = t->wide;
	table_cell(t, left_style(d, now_ms), "%s", left_text(d, now_ms, figure));
	table_cell(t, phase_style(d), "%s%s", get_text(d, "phase", "?"),
		get_bool(d, "dry_run", false) ? " (dry run)" : "");
	table_cell(t, STYLE_PLAIN, "%s", get_text(d, "cluster", "?"));
	table_cell(t, STYLE_PLAIN, "%s", get_text(d, "node", "?"));
	table_cell(t, STYLE_PLAIN, "%s", get_text(d, "group", "-"));
	table_cell(t, STYLE_PLAIN, "%s", get_text(d, "kind", "?"));
	table_cell(t, STYLE_PLAIN, "%.0f of %.0f", get_number(d, "pods_left", NAN),
		get_number(d, "pods_total", NAN));
	const char *blocked = blocked_text(d, text, sizeof(text));
	table_cell(t, strcmp(blocked, "-") == 0 ? STYLE_PLAIN : STYLE_WARN, "%s", blocked);
	table_cell(t, STYLE_PLAIN, "%s", replacement_text(d, text, sizeof(text)));
	table_cell(t, STYLE_PLAIN, "%s", figure_date(get_number(d, "started_ms", NAN), figure));
	table_cell(t, STYLE_PLAIN, "%s", get_text(d, "instance", "-"));
	table_cell(t, STYLE_PLAIN, "%s", get_text(d, "text", ""));
	table_cell(t, STYLE_DIM, "%s", wide ? get_text(d, "id", "?") : short_id);
}

static int list_once(const struct options *o, bool live)
{
	struct answer a;
	struct table t;
	char limit[24];
	const cJSON *d;
	autobuf path, out;
	buf_init(&path, 2048);
	buf_init(&out, OUTPUT_MAX_BYTES);
	client_path(&path, "/api/v1/drains", "cluster", o->cluster, "node", o->node, "limit",
		limit_text(o->limit, limit), NULL);
	int code = client_get(o, path.data, &a);
	if (code != EXIT_OK)
		return code;
	table_init(&t, columns, COUNT(columns), o->output == OUTPUT_WIDE, o->color);
	cJSON_ArrayForEach (d, get_items(a.json))
		row(&t, d, get_number(a.json, "now_ms", NAN));
	if (live)
		buf_text(&out, "\033[H\033[J");
	if (o->output == OUTPUT_JSON) {
		code = put_json(&a);
	} else if (t.n_cells == 0 && !live) {
		fprintf(stderr, "petrel: no node is or was drained\n");
	} else {
		table_print(&t, &out);
		code = put_out(&out);
	}
	table_done(&t);
	answer_done(&a);
	return code;
}

int drains_verb(int argc, char **argv)
{
	struct options o;
	int code = options_parse(argc, argv, verb_find("drains"), 0, &o);
	if (code)
		return code - 1;
	bool watch = o.watch || o.iterations;
	bool live = watch && o.output != OUTPUT_JSON && isatty(STDOUT_FILENO);
	for (uint64_t i = 0; code == EXIT_OK; i++) {
		code = list_once(&o, live);
		if (!watch || (o.iterations && i + 1 >= o.iterations))
			break;
		usleep((useconds_t)(o.delay_s * 1e6));
	}
	return code;
}

// --- one drain in full ------------------------------------------------------------------------

static void print_head(const cJSON *d, double now_ms, bool color, struct buf *out)
{
	char node[256], group[256], text[512], left[FIGURE_BYTES], when[FIGURE_BYTES];
	enum style style = phase_style(d);
	buf_printf(out, "%s%s%s of %s: %s%s%s%s", style_on(STYLE_BOLD, color),
		printable(get_text(d, "node", "?"), node, sizeof(node)), style_off(color),
		printable(get_text(d, "group", "?"), group, sizeof(group)), style_on(style, color),
		get_text(d, "phase", "?"), style_off(color),
		get_bool(d, "dry_run", false) ? ", dry run: nothing is done" : "");
	const char *rest = left_text(d, now_ms, left);
	if (strcmp(rest, "-") != 0)
		buf_printf(out, strcmp(rest, "past") == 0 ? ", the deadline is %s" : ", %s left",
			rest);
	buf_printf(out, "\n  %s (%s by %s), %s\n", get_text(d, "kind", "?"),
		figure_date(get_number(d, "observed_ms", NAN), when),
		printable(get_text(d, "source", "?"), group, sizeof(group)),
		printable(get_text(d, "text", ""), text, sizeof(text)));
	buf_printf(out, "  replacement  %s\n", replacement_text(d, text, sizeof(text)));
}

static void print_blocking(const cJSON *d, bool color, struct buf *out)
{
	const cJSON *b;
	char name[400], text[300];
	cJSON_ArrayForEach (b, get(d, "blocking")) {
		char both[400];
		snprintf(both, sizeof(both), "%s/%s", get_text(b, "namespace", "?"),
			get_text(b, "budget", "?"));
		buf_printf(out, "  blocked by   %s%s%s: %s\n", style_on(STYLE_WARN, color),
			printable(both, name, sizeof(name)), style_off(color),
			printable(get_text(b, "text", ""), text, sizeof(text)));
	}
}

static void print_pods(const cJSON *d, bool color, struct buf *out)
{
	static const struct column pod_columns[] = {COLUMN("POD", .most = 60), COLUMN("STATE"),
		COLUMN("GRACE", .right = true), COLUMN("NOTE")};
	struct table t;
	const cJSON *p;
	table_init(&t, pod_columns, COUNT(pod_columns), false, color);
	cJSON_ArrayForEach (p, get(d, "pods")) {
		const char *state = get_text(p, "state", "?");
		bool gone = strcmp(state, "gone") == 0, blocked = strcmp(state, "blocked") == 0;
		table_cell(&t, STYLE_PLAIN, "%s/%s", get_text(p, "namespace", "?"),
			get_text(p, "name", "?"));
		table_cell(&t, gone ? STYLE_GOOD : blocked ? STYLE_WARN : STYLE_PLAIN, "%s", state);
		table_cell(&t, STYLE_PLAIN, "%.0f s", get_number(p, "grace_s", NAN));
		table_cell(&t, STYLE_DIM, "%s", get_text(p, "why", ""));
	}
	buf_text(out, "\n");
	table_print(&t, out);
	table_done(&t);
}

static void print_steps(const cJSON *d, bool color, struct buf *out)
{
	static const struct column step_columns[] = {
		COLUMN("AT", .right = true), COLUMN("STEP"), COLUMN("STATE"), COLUMN("WHAT")};
	struct table t;
	const cJSON *s;
	double begin_ms = get_number(d, "started_ms", 0);
	table_init(&t, step_columns, COUNT(step_columns), false, color);
	cJSON_ArrayForEach (s, get(d, "steps")) {
		const char *state = get_text(s, "state", "?");
		bool failed = strcmp(state, "failed") == 0;
		double done_ms = get_number(s, "done_ms", 0), at_ms = get_number(s, "at_ms", 0);
		table_cell(&t, STYLE_PLAIN, "+%.1f s",
			((done_ms > 0 ? done_ms : at_ms) - begin_ms) / 1000);
		table_cell(&t, STYLE_PLAIN, "%s", get_text(s, "kind", "?"));
		table_cell(&t, failed ? STYLE_BAD : STYLE_PLAIN, "%s", state);
		table_cell(&t, STYLE_PLAIN, "%s", get_text(s, "text", ""));
	}
	buf_text(out, "\n");
	table_print(&t, out);
	table_done(&t);
}

static void print_times(const cJSON *d, struct buf *out)
{
	static const char *const keys[][2] = {{"seen_ms", "seen"}, {"receipted_ms", "receipted"},
		{"tainted_ms", "tainted"}, {"first_eviction_ms", "first eviction"},
		{"drained_ms", "drained"}, {"replacement_ready_ms", "replacement ready"},
		{"completed_ms", "completed"}};
	const cJSON *times = get(d, "times");
	double from_ms = get_number(times, "notice_ms", 0);
	const char *before = "\nfrom the notice: ";
	for (size_t i = 0; i < COUNT(keys); i++) {
		char text[FIGURE_BYTES];
		double at_ms = get_number(times, keys[i][0], 0);
		if (at_ms <= 0 || from_ms <= 0)
			continue;
		buf_printf(out, "%s%s %s", before, keys[i][1],
			figure_duration(fmax(at_ms - from_ms, 0) * 1e6, text));
		before = ", ";
	}
	buf_text(out, "\n");
}

void print_drain(const cJSON *d, double now_ms, bool color, struct buf *out)
{
	char id[64];
	print_head(d, now_ms, color, out);
	print_blocking(d, color, out);
	print_pods(d, color, out);
	print_steps(d, color, out);
	if (!get_bool(d, "dry_run", false))
		print_times(d, out);
	buf_printf(out, "drain %s\n", printable(get_text(d, "id", "?"), id, sizeof(id)));
}

static int put_drain(const struct options *o, const struct answer *a)
{
	autobuf out;
	buf_init(&out, OUTPUT_MAX_BYTES);
	if (o->output == OUTPUT_JSON)
		return put_json(a);
	print_drain(a->json, (double)a->wall_ms, o->color, &out);
	return put_out(&out);
}

static const cJSON *find_drain(const struct answer *a, const char *begin, int *ret_found)
{
	const cJSON *d, *found = NULL;
	*ret_found = 0;
	cJSON_ArrayForEach (d, get_items(a->json)) {
		if (strncmp(get_text(d, "id", ""), begin, strlen(begin)) == 0) {
			found = d;
			++*ret_found;
		}
	}
	return found;
}

int explain_drain(const struct options *o, const char *begin)
{
	struct answer all, one;
	autobuf path;
	int n;
	buf_init(&path, 256);
	int code = client_get(o, "/api/v1/drains?limit=10000", &all);
	if (code != EXIT_OK)
		return code;
	const cJSON *d = find_drain(&all, begin, &n);
	buf_text(&path, "/api/v1/drains");
	client_segment(&path, d ? get_text(d, "id", "") : "");
	answer_done(&all);
	if (n == 0)
		return EXIT_NOT_FOUND;
	if (n > 1)
		return usage_error(o->verb, "%d drains begin with '%s'", n, begin);
	code = client_get(o, path.data, &one);
	if (code != EXIT_OK)
		return code;
	code = put_drain(o, &one);
	answer_done(&one);
	return code;
}

// --- asking -----------------------------------------------------------------------------------

// The cluster of --cluster, or the only one that has the node.
static int cluster_of(const struct options *o, const char *node, char ret[64])
{
	struct answer a;
	const cJSON *n;
	int found = 0;
	if (o->cluster) {
		snprintf(ret, 64, "%s", o->cluster);
		return EXIT_OK;
	}
	int code = client_get(o, "/api/v1/nodes", &a);
	if (code != EXIT_OK)
		return code;
	cJSON_ArrayForEach (n, get_items(a.json)) {
		if (strcmp(get_text(n, "node", ""), node) == 0) {
			snprintf(ret, 64, "%s", get_text(n, "cluster", ""));
			found++;
		}
	}
	answer_done(&a);
	if (found == 1)
		return EXIT_OK;
	fprintf(stderr,
		found ? "petrel: %d clusters have a node '%s': --cluster says which\n"
		      : "petrel: %d clusters have a node '%s'; 'petrel nodes' lists them\n",
		found, node);
	return found ? EXIT_USAGE : EXIT_NOT_FOUND;
}

static int ask_for(const struct options *o, const char *path_text, struct answer *ret)
{
	char cluster[64], left[32];
	autobuf path;
	buf_init(&path, 2048);
	int code = cluster_of(o, o->rest[0], cluster);
	if (code != EXIT_OK)
		return code;
	snprintf(left, sizeof(left), "%.0f", o->in_s * 1000);
	client_path(&path, path_text, "cluster", cluster, "node", o->rest[0], "left_ms",
		o->in_s > 0 ? left : NULL, "event", o->event, "dry_run", o->dry_run ? "true" : NULL,
		NULL);
	return client_ask(o, path.data, ret);
}

int drain_verb(int argc, char **argv)
{
	struct options o;
	struct answer a;
	int code = options_parse(argc, argv, verb_find("drain"), 1, &o);
	if (code)
		return code - 1;
	if (o.n_rest == 0)
		return usage_error(o.verb, "the name of a node is needed");
	code = ask_for(&o, "/api/v1/drains", &a);
	if (code != EXIT_OK)
		return code;
	code = put_drain(&o, &a);
	answer_done(&a);
	return code;
}

int notice_verb(int argc, char **argv)
{
	struct options o;
	struct answer a;
	char node[256], event[64], id[64];
	autobuf out;
	buf_init(&out, 4096);
	int code = options_parse(argc, argv, verb_find("notice"), 1, &o);
	if (code)
		return code - 1;
	if (o.n_rest == 0)
		return usage_error(o.verb, "the name of a node is needed");
	code = ask_for(&o, "/api/v1/notice", &a);
	if (code != EXIT_OK)
		return code;
	if (o.output == OUTPUT_JSON) {
		code = put_json(&a);
	} else {
		buf_printf(&out, "%s for %s: %s%s\n'petrel drains --watch' shows what happens\n",
			printable(get_text(a.json, "event", "?"), event, sizeof(event)),
			printable(get_text(a.json, "node", "?"), node, sizeof(node)),
			get(a.json, "drain") ? "drain " : "no drain yet",
			printable(get_text(a.json, "drain", ""), id, sizeof(id)));
		code = put_out(&out);
	}
	answer_done(&a);
	return code;
}
