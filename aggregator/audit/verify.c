// SPDX-License-Identifier: Apache-2.0
// Reads files as one chain. What each signature says is checked against the line it speaks of,
// which has just been read: a checkpoint speaks of the line before it, a head of any line.
#include "aggregator/audit/line.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/audit/head.h"
#include "aggregator/audit/key.h"
#include "proto/base/clock.h"

struct walk {
	struct audit_report *report;
	EVP_PKEY *key; // NULL: signatures are not looked at
	const char *path;
	uint64_t line; // within the file
	char prev[AUDIT_HASH_TEXT];
	struct audit_head head; // of the last file; seq 0: none
	bool head_seen;
};

static int bad(struct walk *w, const char *text)
{
	struct audit_report *r = w->report;
	r->bad_line = w->line;
	snprintf(r->text, sizeof(r->text), "%.100s line %llu: %s", w->path,
		(unsigned long long)w->line, text);
	return -EBADMSG;
}

static int check_follows(struct walk *w, const struct audit_entry *e, const char *prev)
{
	struct audit_report *r = w->report;
	if (r->entries > 0 && strcmp(prev, w->prev) != 0)
		return bad(w, "it does not follow the line before it: a line was removed, added or "
			      "moved");
	if (r->entries > 0 && e->seq != r->last_seq + 1)
		return bad(w, "its number does not follow");
	return 0;
}

static int check_checkpoint(struct walk *w, const struct audit_entry *e, const char *prev)
{
	struct audit_head h;
	if (!w->key || strcmp(e->kind, "checkpoint") != 0)
		return 0;
	if (audit_head_parse(e->json, w->key, "checkpoint", &h) < 0)
		return bad(w, "its signature is not of this key");
	if (h.seq + 1 != e->seq || strcmp(h.hash, prev) != 0)
		return bad(w, "its signature is of another line");
	w->report->checkpoints++;
	w->report->signed_seq = h.seq;
	return 0;
}

static int check_head(struct walk *w, const struct audit_entry *e, const char *hash)
{
	if (w->head.seq == 0 || e->seq != w->head.seq)
		return 0;
	if (strcmp(hash, w->head.hash) != 0)
		return bad(w, "the signed head knows this line with another text");
	w->head_seen = true;
	w->report->signed_seq = e->seq;
	return 0;
}

// What the file itself says could not be written.
static void note_gap(struct audit_report *r, const struct audit_entry *e)
{
	cJSON *body = strcmp(e->kind, "gap") == 0 ? cJSON_Parse(e->json) : NULL;
	const cJSON *lost = cJSON_GetObjectItemCaseSensitive(body, "lost");
	const cJSON *since = cJSON_GetObjectItemCaseSensitive(body, "since_ms");
	const char *error = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(body, "error"));
	if (cJSON_IsNumber(lost) && cJSON_IsNumber(since) && error) {
		char from[25], to[25];
		clock_format_ms((int64_t)since->valuedouble, from);
		clock_format_ms(e->ts_ms, to);
		r->gaps++;
		r->lost += (uint64_t)lost->valuedouble;
		snprintf(r->gap, sizeof(r->gap), "%.0f lines from %s to %s: %.60s",
			lost->valuedouble, from, to, error);
	}
	cJSON_Delete(body);
}

// One line with its newline.
static int check(struct walk *w, char *text, size_t len)
{
	struct audit_report *r = w->report;
	struct audit_entry e;
	struct audit_proof proof;
	w->line++;
	if (len == 0 || text[len - 1] != '\n')
		return bad(w, "it is cut");
	text[len - 1] = '\0';
	if (audit_line_parse(text, len - 1, &e, &proof) < 0)
		return bad(w, "its hash is not that of its text: it was edited");
	int result = check_follows(w, &e, proof.prev);
	if (result == 0)
		result = check_checkpoint(w, &e, proof.prev);
	if (result == 0)
		result = check_head(w, &e, proof.hash);
	if (result == 0) {
		r->first_seq = r->entries ? r->first_seq : e.seq;
		r->last_seq = e.seq;
		r->entries++;
		note_gap(r, &e);
		memcpy(w->prev, proof.hash, AUDIT_HASH_TEXT);
	}
	audit_line_done(&proof);
	return result;
}

static int check_file(struct walk *w, const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t room = 0;
	int r = 0;
	w->path = path;
	w->line = 0;
	if (!f) {
		r = -errno;
		snprintf(
			w->report->text, sizeof(w->report->text), "%.120s: %s", path, strerror(-r));
		return r;
	}
	for (ssize_t len; r == 0 && (len = getline(&text, &room, f)) > 0;)
		r = check(w, text, (size_t)len);
	if (r == 0 && ferror(f))
		r = -EIO;
	free(text);
	fclose(f);
	return r;
}

static int read_signatures(struct walk *w, const char *last_path, const char *public_key_path)
{
	struct why why;
	int r = audit_key_read_public(public_key_path, &w->key, &why);
	if (r < 0) {
		snprintf(w->report->text, sizeof(w->report->text), "%.180s", why.text);
		return r;
	}
	w->path = last_path;
	r = audit_head_read(last_path, w->key, &w->head);
	if (r == -EBADMSG)
		return bad(w, "the head beside it is not signed by this key");
	return 0; // without a head there is less to check
}

int audit_verify(const char *const *paths, size_t n_paths, const char *public_key_path,
	struct audit_report *ret)
{
	struct walk w = {.report = ret};
	int r = 0;
	memset(ret, 0, sizeof(*ret));
	if (public_key_path && n_paths > 0)
		r = read_signatures(&w, paths[n_paths - 1], public_key_path);
	for (size_t i = 0; r == 0 && i < n_paths; i++)
		r = check_file(&w, paths[i]);
	if (r == 0 && w.head.seq > 0 && !w.head_seen) {
		w.line++;
		r = bad(&w, "lines are missing at the end: the signed head knows of later ones");
	}
	ret->head_checked = r == 0 && w.head_seen;
	EVP_PKEY_free(w.key);
	return r;
}
