// SPDX-License-Identifier: Apache-2.0
// audit: the tail of the aggregator's audit file; audit verify: whether files are whole.
#include "aggregator/cli/verbs.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "aggregator/audit/audit.h"

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

static void print_report(const struct audit_report *r)
{
	printf("whole: %" PRIu64 " lines, %" PRIu64 " to %" PRIu64 "\n", r->entries, r->first_seq,
		r->last_seq);
	if (r->signed_seq)
		printf("signed up to line %" PRIu64 " (%" PRIu64 " checkpoints proven)\n",
			r->signed_seq, r->checkpoints);
	if (r->gaps)
		printf("%" PRIu64 " lines could not be written and are missing, as the file says "
		       "(%" PRIu64 " gaps; the newest: %s)\n",
			r->lost, r->gaps, r->gap);
	if (r->head_checked)
		printf("nothing is missing at the end, as the signed head says\n");
}

static int verify(const struct options *o, const char *const *paths, size_t n)
{
	struct audit_report report;
	if (n == 0)
		return usage_error(o->verb, "verify needs the file, oldest first if several");
	int r = audit_verify(paths, n, o->key, &report);
	if (r == -EBADMSG) {
		printf("BROKEN: %s\n", report.text);
		return EXIT_FAILED;
	}
	if (r < 0) {
		fprintf(stderr, "petrel audit verify: %s\n",
			report.text[0] ? report.text : strerror(-r));
		return EXIT_INPUT;
	}
	print_report(&report);
	if (!o->key)
		fprintf(stderr, "petrel audit verify: signatures were not looked at (--key "
				"audit.key.pub does)\n");
	return EXIT_OK;
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
	int code = options_parse(argc, argv, verb_find("audit"), argc, &o);
	if (code)
		return code - 1;
	if (o.n_rest > 0 && strcmp(o.rest[0], "verify") == 0)
		return verify(&o, (const char *const *)o.rest + 1, (size_t)o.n_rest - 1);
	if (o.n_rest > 0)
		return usage_error(o.verb, "'%s' is not 'verify'", o.rest[0]);
	client_path(&path, "/api/v1/audit", "limit", limit_text(o.limit, limit), NULL);
	return put_list(&o, &list, path.data);
}
