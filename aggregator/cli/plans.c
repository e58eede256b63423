// SPDX-License-Identifier: Apache-2.0
// decisions, plans, explain: what Petrel would do, and why.
#include "aggregator/cli/verbs.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *verdict(const cJSON *step)
{
	if (strcmp(get_text(step, "kind", "hold"), "hold") == 0)
		return "-";
	return get_bool(step, "would_act", false) ? "yes" : "no";
}

// The codes of the reasons, with commas.
static void reason_codes(const cJSON *step, char *ret, size_t size)
{
	const cJSON *r;
	size_t n = 0;
	ret[0] = '\0';
	cJSON_ArrayForEach (r, get(step, "reasons")) {
		int len = snprintf(
			ret + n, size - n, "%s%s", n ? ", " : "", get_text(r, "code", "?"));
		if (len < 0 || (size_t)len >= size - n)
			return;
		n += (size_t)len;
	}
}

static enum style step_style(const cJSON *step)
{
	return strcmp(get_text(step, "kind", "hold"), "hold") == 0 ? STYLE_PLAIN : STYLE_WARN;
}

static void decision_row(struct table *t, const cJSON *d)
{
	char when[FIGURE_BYTES], reasons[256];
	reason_codes(d, reasons, sizeof(reasons));
	table_cell(t, STYLE_PLAIN, "%s", figure_date(get_number(d, "now_ms", NAN), when));
	table_cell(t, STYLE_PLAIN, "%s", get_text(d, "cluster", "?"));
	table_cell(t, STYLE_PLAIN, "%s", get_text(d, "group", "?"));
	table_cell(t, step_style(d), "%s", get_text(d, "kind", "?"));
	table_cell(
		t, STYLE_PLAIN, "%.0f -> %.0f", get_number(d, "from", 0), get_number(d, "to", 0));
	table_cell(t, STYLE_PLAIN, "%s", verdict(d));
	table_cell(t, STYLE_PLAIN, "%s", reasons);
	table_cell(t, STYLE_PLAIN, "%s", get_text(d, "text", ""));
	table_cell(t, STYLE_DIM, "%s", get_text(d, "plan_id", "?"));
}

int decisions_verb(int argc, char **argv)
{
	static const struct column columns[] = {COLUMN("TIME"), COLUMN("CLUSTER"), COLUMN("GROUP"),
		COLUMN("KIND"), COLUMN("NODES"), COLUMN("ACTS"), COLUMN("REASONS"),
		COLUMN("TEXT", .wide = true), COLUMN("PLAN")};
	static const struct list list = {
		columns, COUNT(columns), decision_row, "nothing was decided yet"};
	struct options o;
	char limit[24];
	autobuf path;
	buf_init(&path, 2048);
	int code = options_parse(argc, argv, verb_find("decisions"), 0, &o);
	if (code)
		return code - 1;
	client_path(&path, "/api/v1/decisions", "cluster", o.cluster, "group", o.group, "limit",
		limit_text(o.limit, limit), NULL);
	return put_list(&o, &list, path.data);
}

// "1 scale-out, 2 hold"
static void summary(const cJSON *plan, char *ret, size_t size)
{
	static const char *const kinds[] = {"scale-out", "scale-in", "hold"};
	size_t n = 0;
	ret[0] = '\0';
	for (size_t k = 0; k < 3; k++) {
		int count = 0;
		const cJSON *s;
		cJSON_ArrayForEach (s, get(plan, "steps"))
			count += strcmp(get_text(s, "kind", ""), kinds[k]) == 0;
		if (count)
			n += (size_t)snprintf(
				ret + n, size - n, "%s%d %s", n ? ", " : "", count, kinds[k]);
	}
}

static void plan_row(struct table *t, const cJSON *p)
{
	char when[FIGURE_BYTES], text[96];
	summary(p, text, sizeof(text));
	table_cell(t, STYLE_PLAIN, "%s", figure_date(get_number(p, "now_ms", NAN), when));
	table_cell(t, STYLE_PLAIN, "%s", get_text(p, "cluster", "?"));
	table_cell(t, STYLE_PLAIN, "%s", get_text(p, "mode", "?"));
	table_cell(t, STYLE_PLAIN, "%s", text);
	table_cell(t, STYLE_PLAIN, "%s", get_text(p, "id", "?"));
}

int plans_verb(int argc, char **argv)
{
	static const struct column columns[] = {
		COLUMN("TIME"), COLUMN("CLUSTER"), COLUMN("MODE"), COLUMN("STEPS"), COLUMN("ID")};
	static const struct list list = {
		columns, COUNT(columns), plan_row, "nothing was decided yet"};
	struct options o;
	char limit[24];
	autobuf path;
	buf_init(&path, 2048);
	int code = options_parse(argc, argv, verb_find("plans"), 0, &o);
	if (code)
		return code - 1;
	client_path(&path, "/api/v1/plans", "cluster", o.cluster, "limit",
		limit_text(o.limit, limit), NULL);
	return put_list(&o, &list, path.data);
}
