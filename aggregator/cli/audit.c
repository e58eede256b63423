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
	struct options o;
	struct answer a;
	struct table t;
	const cJSON *e;
	char limit[24];
	autobuf path, out;
	buf_init(&path, 256);
	buf_init(&out, OUTPUT_MAX_BYTES);
	int code = options_parse(argc, argv, verb_find("audit"), 0, &o);
	if (code)
		return code - 1;
	client_path(&path, "/api/v1/audit", "limit", limit_text(o.limit, limit), NULL);
	code = client_get(&o, path.data, &a);
	if (code != EXIT_OK)
		return code;
	table_init(&t, columns, 7, o.output == OUTPUT_WIDE, o.color);
	cJSON_ArrayForEach (e, get_items(a.json))
		add_row(&t, e);
	if (o.output == OUTPUT_JSON) {
		code = put_json(&a);
	} else if (t.n_cells == 0) {
		fprintf(stderr, "petrel: the audit file has no line yet\n");
	} else {
		table_print(&t, &out);
		code = put_out(&out);
	}
	table_done(&t);
	answer_done(&a);
	return code;
}
