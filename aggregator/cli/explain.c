// SPDX-License-Identifier: Apache-2.0
// explain: one plan, one drain, or the newest decision about a group, in full sentences.
#include "aggregator/cli/verbs.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct page {
	struct buf *out;
	bool color;
};

static void line(const struct page *p, const char *label, const char *text)
{
	char clean[512];
	buf_printf(p->out, "  %-12s %s\n", label, printable(text, clean, sizeof(clean)));
}

static void print_reasons(const struct page *p, const cJSON *step)
{
	const cJSON *r;
	const char *label = "because";
	cJSON_ArrayForEach (r, get(step, "reasons")) {
		char text[400];
		snprintf(text, sizeof(text), "%.200s (%.60s)", get_text(r, "text", "?"),
			get_text(r, "code", "?"));
		line(p, label, text);
		label = "and";
	}
}

static void print_inputs(const struct page *p, const cJSON *step)
{
	const cJSON *v;
	const char *label = "figures";
	cJSON_ArrayForEach (v, get(step, "inputs")) {
		char text[200], number[FIGURE_BYTES];
		snprintf(text, sizeof(text), "%-36.60s %s", v->string,
			figure_count(cJSON_IsNumber(v) ? v->valuedouble : NAN, number));
		line(p, label, text);
		label = "";
	}
}

static void print_guards(const struct page *p, const cJSON *step)
{
	const cJSON *g;
	const char *label = "guards";
	cJSON_ArrayForEach (g, get(step, "guards")) {
		bool passed = get_bool(g, "passed", false);
		char name[64], detail[160];
		buf_printf(p->out, "  %-12s %s%-7s%s %-14s %s\n", label,
			style_on(passed ? STYLE_GOOD : STYLE_BAD, p->color),
			passed ? "passes" : "REFUSES", style_off(p->color),
			printable(get_text(g, "name", "?"), name, sizeof(name)),
			printable(get_text(g, "detail", ""), detail, sizeof(detail)));
		label = "";
	}
}

static void print_alternatives(const struct page *p, const cJSON *step)
{
	const cJSON *a;
	const char *label = "instead of";
	cJSON_ArrayForEach (a, get(step, "alternatives")) {
		char text[400], cost[FIGURE_BYTES];
		snprintf(text, sizeof(text), "%.80s (%s): %.120s", get_text(a, "what", "?"),
			figure_usd(get_number(a, "cost_usd_micro_hour", NAN), cost),
			get_text(a, "why_not", ""));
		line(p, label, text);
		label = "";
	}
}

static void print_step(const struct page *p, const cJSON *s)
{
	char group[256], kind[32], text[512], cost[FIGURE_BYTES];
	double micro = get_number(s, "cost_usd_micro_hour", 0);
	bool hold = strcmp(get_text(s, "kind", "hold"), "hold") == 0;
	buf_printf(p->out, "\n%s%s%s: %s%s%s, %.0f -> %.0f nodes", style_on(STYLE_BOLD, p->color),
		printable(get_text(s, "group", "?"), group, sizeof(group)), style_off(p->color),
		style_on(hold ? STYLE_PLAIN : STYLE_WARN, p->color),
		printable(get_text(s, "kind", "?"), kind, sizeof(kind)), style_off(p->color),
		get_number(s, "from", 0), get_number(s, "to", 0));
	if (!hold)
		buf_printf(p->out, get_bool(s, "would_act", false) ? ", is done" : ", is not done");
	if (micro != 0)
		buf_printf(p->out, ", %s", figure_usd(micro, cost));
	buf_printf(p->out, "\n  %s\n", printable(get_text(s, "text", ""), text, sizeof(text)));
	print_reasons(p, s);
	print_inputs(p, s);
	print_guards(p, s);
	print_alternatives(p, s);
}

static void print_plan(const struct page *p, const cJSON *plan)
{
	char id[64], cluster[80], mode[32], when[FIGURE_BYTES];
	const cJSON *s;
	buf_printf(p->out, "plan %s of cluster %s, %s, mode %s%s\n",
		printable(get_text(plan, "id", "?"), id, sizeof(id)),
		printable(get_text(plan, "cluster", "?"), cluster, sizeof(cluster)),
		figure_date(get_number(plan, "now_ms", NAN), when),
		printable(get_text(plan, "mode", "?"), mode, sizeof(mode)),
		strcmp(get_text(plan, "mode", ""), "observe") == 0 ? ": nothing is done" : "");
	cJSON_ArrayForEach (s, get(plan, "steps"))
		print_step(p, s);
}

static bool is_id(const char *text)
{
	size_t len = strlen(text);
	return len >= 6 && len <= 32 && strspn(text, "0123456789abcdef") == len;
}

// The only kept plan whose id begins so; EXIT_NOT_FOUND, or EXIT_USAGE if there are several.
static int full_id(const struct options *o, const char *begin, char ret[33])
{
	struct answer a;
	const cJSON *p;
	int found = 0;
	int code = client_get(o, "/api/v1/plans?limit=10000", &a);
	if (code != EXIT_OK)
		return code;
	cJSON_ArrayForEach (p, get_items(a.json)) {
		const char *id = get_text(p, "id", "");
		if (strncmp(id, begin, strlen(begin)) == 0) {
			found++;
			snprintf(ret, 33, "%s", id);
		}
	}
	answer_done(&a);
	if (found > 1)
		return usage_error(o->verb, "%d plans begin with '%s'", found, begin);
	if (!found)
		fprintf(stderr,
			"petrel: no kept plan or drain begins with '%s'; 'petrel plans' and "
			"'petrel "
			"drains' list them\n",
			begin);
	return found ? EXIT_OK : EXIT_NOT_FOUND;
}

static int explain_id(const struct options *o, const char *begin)
{
	char id[33];
	struct answer a;
	autobuf path, out;
	buf_init(&path, 256);
	buf_init(&out, OUTPUT_MAX_BYTES);
	snprintf(id, sizeof(id), "%s", begin);
	int code = strlen(begin) < 32 ? full_id(o, begin, id) : EXIT_OK;
	if (code != EXIT_OK)
		return code;
	buf_text(&path, "/api/v1/plans");
	client_segment(&path, id);
	code = client_get(o, path.data, &a);
	if (code != EXIT_OK)
		return code;
	const struct page p = {&out, o->color};
	print_plan(&p, a.json);
	code = o->output == OUTPUT_JSON ? put_json(&a) : put_out(&out);
	answer_done(&a);
	return code;
}

static int explain_group(const struct options *o, const char *group)
{
	struct answer a;
	autobuf path, out;
	buf_init(&path, 2048);
	buf_init(&out, OUTPUT_MAX_BYTES);
	client_path(&path, "/api/v1/decisions", "cluster", o->cluster, "group", group, "limit", "1",
		NULL);
	int code = client_get(o, path.data, &a);
	if (code != EXIT_OK)
		return code;
	const cJSON *d = cJSON_GetArrayItem(get_items(a.json), 0);
	if (o->output == OUTPUT_JSON) {
		code = put_json(&a);
	} else if (!d) {
		fprintf(stderr, "petrel: nothing was decided about a node group '%s'\n", group);
		code = EXIT_NOT_FOUND;
	} else {
		char when[FIGURE_BYTES], id[64];
		const struct page p = {&out, o->color};
		buf_printf(&out, "newest decision, %s, plan %s\n",
			figure_date(get_number(d, "now_ms", NAN), when),
			printable(get_text(d, "plan_id", "?"), id, sizeof(id)));
		print_step(&p, d);
		code = put_out(&out);
	}
	answer_done(&a);
	return code;
}

int explain_verb(int argc, char **argv)
{
	struct options o;
	int code = options_parse(argc, argv, verb_find("explain"), 1, &o);
	if (code)
		return code - 1;
	if (o.n_rest == 0)
		return usage_error(o.verb,
			"the id of a plan or a drain, or the name of a node group is needed");
	if (is_id(o.rest[0])) {
		code = explain_drain(&o, o.rest[0]);
		if (code != EXIT_NOT_FOUND)
			return code;
	}
	return is_id(o.rest[0]) ? explain_id(&o, o.rest[0]) : explain_group(&o, o.rest[0]);
}
