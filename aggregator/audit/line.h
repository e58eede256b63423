// SPDX-License-Identifier: Apache-2.0
// One line of the audit file: made here, and read back here with its proof.
#pragma once

#include "aggregator/audit/audit.h"

enum {
	AUDIT_LINE_MAX_BYTES = AUDIT_MAX_BODY_BYTES + 6 * 3 * AUDIT_MAX_NAME_BYTES + 512,
};

// Appends the line with its newline; ret_hash is its own hash. -ENOSPC past the cap of out.
int audit_line_print(
	struct buf *out, const struct audit_entry *e, const char *prev, char ret_hash[65]);

struct audit_proof {
	char prev[65], hash[65];
	void *tree; // what the entry borrows from
	char *json;
};
// Parses a line without its newline and checks that its hash is that of its bytes. -EBADMSG. The
// entry is good until audit_line_done().
int audit_line_parse(
	const char *line, size_t len, struct audit_entry *ret, struct audit_proof *ret_proof);
void audit_line_done(struct audit_proof *p);
