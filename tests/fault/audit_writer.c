// SPDX-License-Identifier: Apache-2.0
// Appends to an audit file until it is killed, or verifies one. For tests/fault/test_audit.py.
//
//   audit-writer write PATH    prints the number of each line once it is on the disk
//   audit-writer verify PATH   prints first and last number; exits 1 and says why if it is not
//   whole
#include "aggregator/audit/audit.h"
#include "proto/base/clock.h"

#include <stdio.h>
#include <string.h>

static int write_on(const char *path)
{
	struct audit *a;
	struct why why;
	const struct audit_options o = {.path = path, .wall_ms = clock_wall_ms};
	const struct audit_entry e = {
		.kind = "plan", .cluster = "c", .id = "p", .json = "{\"steps\":[1,2,3]}"};
	int r = audit_open(&a, &o, &why);
	while (r == 0 && (r = audit_append(a, &e, &why)) == 0) {
		printf("%llu\n", (unsigned long long)audit_seq(a));
		fflush(stdout);
	}
	fprintf(stderr, "%s\n", why.text);
	return 1;
}

int main(int argc, char **argv)
{
	struct audit_report report;
	if (argc != 3)
		return 2;
	if (strcmp(argv[1], "write") == 0)
		return write_on(argv[2]);
	int r = audit_verify((const char *const *)&argv[2], 1, NULL, &report);
	printf("%llu %llu %s\n", (unsigned long long)report.first_seq,
		(unsigned long long)report.last_seq, r ? report.text : "");
	return r ? 1 : 0;
}
