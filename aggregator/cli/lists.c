// SPDX-License-Identifier: Apache-2.0
// nodes, groups, pods: one question, one table.
#include "aggregator/cli/verbs.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct column node_columns[] = {COLUMN("CLUSTER"), COLUMN("NODE", .most = 60),
	COLUMN("GROUP"), COLUMN("STATE"), COLUMN("CAPACITY"), COLUMN("PODS", .right = true),
	COLUMN("CPU", .right = true), COLUMN("DEMAND", .right = true), COLUMN("MEM", .right = true),
	COLUMN("PSI-CPU", .right = true, .wide = true),
	COLUMN("PSI-IO", .right = true, .wide = true),
	COLUMN("PSI-MEM", .right = true, .wide = true), COLUMN("RUNQ-P99", .right = true),
	COLUMN("BLOCK-P99", .right = true, .wide = true),
	COLUMN("RETR/S", .right = true, .wide = true), COLUMN("TYPE", .wide = true),
	COLUMN("ZONE", .wide = true), COLUMN("CLOCK", .right = true, .wide = true),
	COLUMN("AGENT", .wide = true), COLUMN("AGE", .right = true)};

static void percent_cell(struct table *t, const cJSON *o, const char *key, bool load)
{
	char text[FIGURE_BYTES];
	double v = get_number(o, key, NAN);
	table_cell(t, load ? load_style(v) : STYLE_PLAIN, "%s", figure_percent(v, text));
}

static void duration_cell(struct table *t, double ns)
{
	char text[FIGURE_BYTES];
	table_cell(t, STYLE_PLAIN, "%s", figure_duration(ns, text));
}

static void node_row(struct table *t, const cJSON *n)
{
	char text[FIGURE_BYTES];
	const char *state = get_text(n, "state", "?");
	bool saturated = get_bool(n, "saturated", false);
	table_cell(t, STYLE_PLAIN, "%s", get_text(n, "cluster", "?"));
	table_cell(t, STYLE_PLAIN, "%s", get_text(n, "node", "?"));
	table_cell(t, STYLE_PLAIN, "%s", get_text(n, "group", "-"));
	table_cell(t, state_style(state), "%s", state);
	table_cell(t, STYLE_PLAIN, "%s", get_text(n, "capacity", "-"));
	table_cell(t, STYLE_PLAIN, "%.0f", get_number(n, "pods", 0));
	percent_cell(t, n, "cpu_permille", true);
	table_cell(t, saturated ? STYLE_BAD : STYLE_PLAIN, "%s%s",
		figure_percent(get_number(n, "demand_high_permille", NAN), text),
		saturated ? "!" : "");
	percent_cell(t, n, "mem_permille", true);
	percent_cell(t, n, "psi_cpu_permille", false);
	percent_cell(t, n, "psi_io_permille", false);
	percent_cell(t, n, "psi_mem_permille", false);
	duration_cell(t, get_number(n, "runq_p99_ns", NAN));
	duration_cell(t, get_number(n, "block_p99_ns", NAN));
	table_cell(
		t, STYLE_PLAIN, "%s", figure_count(get_number(n, "retransmits_per_s", NAN), text));
	table_cell(t, STYLE_PLAIN, "%s", get_text(n, "instance_type", "-"));
	table_cell(t, STYLE_PLAIN, "%s", get_text(n, "zone_id", "-"));
	double offset = get_number(n, "clock_offset_ms", NAN);
	table_cell(t, fabs(offset) > 2000 ? STYLE_BAD : STYLE_PLAIN, "%s%s",
		figure_count(offset, text), isnan(offset) ? "" : " ms");
	table_cell(t, STYLE_PLAIN, "%s", get_text(n, "version", "-"));
	duration_cell(t, get_number(n, "age_ms", NAN) * 1e6);
}

static const struct column group_columns[] = {COLUMN("CLUSTER"), COLUMN("GROUP"),
	COLUMN("CAPACITY"), COLUMN("NODES", .right = true), COLUMN("READY", .right = true),
	COLUMN("MIN", .right = true), COLUMN("MAX", .right = true),
	COLUMN("DESIRED", .right = true, .wide = true), COLUMN("PODS", .right = true),
	COLUMN("USAGE", .right = true), COLUMN("DEMAND-LOW", .right = true, .wide = true),
	COLUMN("DEMAND", .right = true), COLUMN("SATURATED", .right = true, .wide = true),
	COLUMN("CORES", .right = true), COLUMN("PEAK-Q50", .right = true, .wide = true),
	COLUMN("PEAK-Q95", .right = true), COLUMN("TYPE", .wide = true),
	COLUMN("PRICE", .right = true, .wide = true), COLUMN("RECOMMENDATION", .most = 80)};

static void number_cell(struct table *t, const cJSON *o, const char *key)
{
	char text[FIGURE_BYTES];
	table_cell(t, STYLE_PLAIN, "%s", figure_count(get_number(o, key, NAN), text));
}

static void cores_cell(struct table *t, const cJSON *o, const char *key)
{
	char text[FIGURE_BYTES];
	table_cell(t, STYLE_PLAIN, "%s", figure_cores(get_number(o, key, NAN), text));
}

static void group_row(struct table *t, const cJSON *g)
{
	char text[FIGURE_BYTES];
	const cJSON *demand = get(g, "demand"), *forecast = get(g, "forecast"),
		    *r = get(g, "recommendation");
	bool hold = strcmp(get_text(r, "kind", "hold"), "hold") == 0;
	table_cell(t, STYLE_PLAIN, "%s", get_text(g, "cluster", "?"));
	table_cell(t, STYLE_PLAIN, "%s", get_text(g, "group", "?"));
	table_cell(t, STYLE_PLAIN, "%s", get_text(g, "capacity", "-"));
	number_cell(t, g, "nodes");
	number_cell(t, g, "nodes_ready");
	number_cell(t, g, "min");
	number_cell(t, g, "max");
	number_cell(t, g, "desired");
	number_cell(t, g, "pods");
	cores_cell(t, demand, "usage_millicores");
	cores_cell(t, demand, "low_millicores");
	cores_cell(t, demand, "high_millicores");
	number_cell(t, demand, "saturated_nodes");
	cores_cell(t, g, "capacity_millicores");
	cores_cell(t, forecast, "q50");
	cores_cell(t, forecast, "q95");
	table_cell(t, STYLE_PLAIN, "%s", get_text(g, "instance_type", "-"));
	table_cell(
		t, STYLE_PLAIN, "%s", figure_usd(get_number(g, "node_usd_micro_hour", NAN), text));
	table_cell(t, hold ? STYLE_PLAIN : STYLE_WARN, "%s", get_text(r, "text", "-"));
}

static const struct column pod_columns[] = {COLUMN("CLUSTER"), COLUMN("NODE", .most = 50),
	COLUMN("NAMESPACE"), COLUMN("NAME", .most = 60),
	COLUMN("WORKLOAD", .wide = true, .most = 60), COLUMN("KIND", .wide = true),
	COLUMN("CPU", .right = true), COLUMN("DEMAND", .right = true),
	COLUMN("REQUEST", .right = true), COLUMN("THROTTLED", .right = true, .wide = true),
	COLUMN("MEM", .right = true), COLUMN("PSI-CPU", .right = true, .wide = true),
	COLUMN("RUNQ-P99", .right = true), COLUMN("UID", .wide = true)};

static void pod_row(struct table *t, const cJSON *p)
{
	char text[FIGURE_BYTES];
	bool saturated = get_bool(p, "saturated", false);
	table_cell(t, STYLE_PLAIN, "%s", get_text(p, "cluster", "?"));
	table_cell(t, STYLE_PLAIN, "%s", get_text(p, "node", "?"));
	table_cell(t, STYLE_PLAIN, "%s", get_text(p, "namespace", "-"));
	table_cell(t, STYLE_PLAIN, "%s", get_text(p, "name", get_text(p, "uid", "?")));
	table_cell(t, STYLE_PLAIN, "%s", get_text(p, "workload", "-"));
	table_cell(t, STYLE_PLAIN, "%s", get_text(p, "kind", "?"));
	cores_cell(t, p, "cpu_millicores");
	table_cell(t, saturated ? STYLE_BAD : STYLE_PLAIN, "%s%s",
		figure_cores(get_number(p, "demand_high_millicores", NAN), text),
		saturated ? "!" : "");
	cores_cell(t, p, "request_millicores");
	percent_cell(t, p, "throttled_permille", false);
	table_cell(t, STYLE_PLAIN, "%s", figure_bytes(get_number(p, "mem_bytes", NAN), text));
	percent_cell(t, p, "psi_cpu_permille", false);
	duration_cell(t, get_number(p, "runq_p99_ns", NAN));
	table_cell(t, STYLE_PLAIN, "%s", get_text(p, "uid", "?"));
}

int nodes_verb(int argc, char **argv)
{
	static const struct list list = {
		node_columns, COUNT(node_columns), node_row, "no node has reported yet"};
	struct options o;
	autobuf path;
	buf_init(&path, 2048);
	int code = options_parse(argc, argv, verb_find("nodes"), 0, &o);
	if (code)
		return code - 1;
	client_path(&path, "/api/v1/nodes", "cluster", o.cluster, "group", o.group, NULL);
	return put_list(&o, &list, path.data);
}

int groups_verb(int argc, char **argv)
{
	static const struct list list = {
		group_columns, COUNT(group_columns), group_row, "no node group is known yet"};
	struct options o;
	autobuf path;
	buf_init(&path, 2048);
	int code = options_parse(argc, argv, verb_find("groups"), 0, &o);
	if (code)
		return code - 1;
	client_path(&path, "/api/v1/groups", "cluster", o.cluster, NULL);
	return put_list(&o, &list, path.data);
}

int pods_verb(int argc, char **argv)
{
	static const struct list list = {
		pod_columns, COUNT(pod_columns), pod_row, "no pod has reported yet"};
	struct options o;
	char limit[24];
	autobuf path;
	buf_init(&path, 2048);
	int code = options_parse(argc, argv, verb_find("pods"), 0, &o);
	if (code)
		return code - 1;
	client_path(&path, "/api/v1/pods", "cluster", o.cluster, "node", o.node, "limit",
		limit_text(o.limit, limit), NULL);
	return put_list(&o, &list, path.data);
}
