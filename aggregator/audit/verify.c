// SPDX-License-Identifier: Apache-2.0
#include "aggregator/audit/line.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int bad(struct audit_report *r, const char *text)
{
	r->bad_line = r->entries + 1;
	snprintf(r->text, sizeof(r->text), "line %llu: %s", (unsigned long long)r->bad_line, text);
	return -EBADMSG;
}

// One line with its newline; prev is the hash of the line before and becomes that of this one.
static int check(struct audit_report *r, char *text, size_t len, char prev[AUDIT_HASH_TEXT])
{
	struct audit_entry e;
	struct audit_proof proof;
	int result = 0;
	if (len == 0 || text[len - 1] != '\n')
		return bad(r, "it is cut");
	text[len - 1] = '\0';
	if (audit_line_parse(text, len - 1, &e, &proof) < 0)
		return bad(r, "its hash is not that of its text: it was edited");
	if (r->entries > 0 && strcmp(proof.prev, prev) != 0)
		result = bad(r, "it does not follow the line before it: a line was removed, added "
				"or moved");
	else if (r->entries > 0 && e.seq != r->last_seq + 1)
		result = bad(r, "its number does not follow");
	if (result == 0) {
		r->first_seq = r->entries ? r->first_seq : e.seq;
		r->last_seq = e.seq;
		r->entries++;
		memcpy(prev, proof.hash, AUDIT_HASH_TEXT);
	}
	audit_line_done(&proof);
	return result;
}

int audit_verify(const char *path, struct audit_report *ret)
{
	FILE *f = fopen(path, "re");
	char *text = NULL, prev[AUDIT_HASH_TEXT] = "";
	size_t room = 0;
	int r = 0;
	memset(ret, 0, sizeof(*ret));
	if (!f)
		return -errno;
	for (ssize_t len; r == 0 && (len = getline(&text, &room, f)) > 0;)
		r = check(ret, text, (size_t)len, prev);
	if (r == 0 && ferror(f))
		r = -EIO;
	free(text);
	fclose(f);
	return r;
}
