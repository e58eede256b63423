// SPDX-License-Identifier: Apache-2.0
// audit: the tail of the aggregator's audit file.
#include "aggregator/cli/verbs.h"

#include <math.h>
#include <stdio.h>

static void add_row(struct table *t, const cJSON *e)
{
	char when[FIGURE_BYTES];
	table_cell(t, STYLE_PLAIN, "%.0f", get_number(e, "seq", 0));
	table_cell(t, STYLE_PLAIN, "%s", figure_date(get_number(e, "ts_ms", NAN), when));
	table_cell(t, STYLE_PLAIN, "%s", get_text(e, "kind", "?"));
	table_cell(t, STYLE_PLAIN, "%s", get_text(e, "cluster", "-"));
	table_cell(t, STYLE_DIM, "%s", get_text(e, "id", "-"));
	table_cell(t, STYLE_PLAIN, "%s", get_text(e, "text", ""));
	table_cell(t, STYLE_DIM, "%s", get_text(e, "hash", "?"));
}

int audit_verb(int argc, char **argv)
{
	static const struct column columns[] = {COLUMN("SEQ", .right = true), COLUMN("TIME"),
		COLUMN("KIND"), COLUMN("CLUSTER"), COLUMN("ID"), COLUMN("TEXT", .most = 100),
		COLUMN("HASH", .wide = true)};
	static const struct list list = {
		columns, COUNT(columns), add_row, "the audit file has no line yet"};
	struct options o;
	char limit[24];
	autobuf path;
	buf_init(&path, 256);
	int code = options_parse(argc, argv, verb_find("audit"), 0, &o);
	if (code)
		return code - 1;
	client_path(&path, "/api/v1/audit", "limit", limit_text(o.limit, limit), NULL);
	return put_list(&o, &list, path.data);
}
