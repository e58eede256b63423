// SPDX-License-Identifier: Apache-2.0
#include "aggregator/audit/line.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/hash.h"
#include "proto/base/json.h"
#include "proto/base/text.h"

static const char hash_key[] = ",\"hash\":\"";
enum { HASH_TAIL = sizeof(hash_key) - 1 + 64 + 2 }; // ,"hash":"<64>"}

static void hash_text(const void *data, size_t len, char ret[65])
{
	uint8_t hash[32];
	hash_sha256(data, len, hash);
	text_to_hex(hash, sizeof(hash), ret);
}

int audit_line_print(
	struct buf *out, const struct audit_entry *e, const char *prev, char ret_hash[65])
{
	struct json j;
	size_t start = out->len;
	json_init(&j, out);
	json_open(&j, '{');
	json_key(&j, "seq");
	json_u64(&j, e->seq);
	json_put_i64(&j, "ts_ms", e->ts_ms);
	json_put_text(&j, "prev", prev);
	json_put_text(&j, "kind", e->kind);
	json_put_text(&j, "cluster", e->cluster);
	json_put_text(&j, "id", e->id);
	json_key(&j, "body");
	size_t body = out->len;
	json_raw(&j, e->json, strlen(e->json));
	if (buf_failed(out))
		return -ENOSPC;
	// line breaks can only stand between tokens of well-formed JSON
	for (char *p = out->data + body; p < out->data + out->len; p++)
		if ((unsigned char)*p < ' ')
			*p = ' ';
	hash_text(out->data + start, out->len - start, ret_hash);
	json_put_text(&j, "hash", ret_hash);
	json_close(&j, '}');
	return buf_text(out, "\n");
}

static int text_of(const cJSON *tree, const char *key, const char **ret)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(tree, key);
	if (!cJSON_IsString(item))
		return -EBADMSG;
	*ret = item->valuestring;
	return 0;
}

// The two numbers at the front are read from the text: as doubles they would lose digits.
static int front(const char *line, struct audit_entry *ret)
{
	static const char seq_key[] = "{\"seq\":", ts_key[] = ",\"ts_ms\":";
	char seq[24] = "", ts[24] = "";
	const char *p = line + sizeof(seq_key) - 1;
	if (strncmp(line, seq_key, sizeof(seq_key) - 1) != 0)
		return -EBADMSG;
	size_t n = strspn(p, "0123456789");
	if (n >= sizeof(seq) || strncmp(p + n, ts_key, sizeof(ts_key) - 1) != 0)
		return -EBADMSG;
	memcpy(seq, p, n);
	p += n + sizeof(ts_key) - 1;
	n = strspn(p, "-0123456789");
	if (n >= sizeof(ts))
		return -EBADMSG;
	memcpy(ts, p, n);
	return text_to_u64(seq, &ret->seq) < 0 || text_to_i64(ts, &ret->ts_ms) < 0 ? -EBADMSG : 0;
}

static int fields(const cJSON *tree, struct audit_entry *e, struct audit_proof *proof)
{
	const char *prev, *hash;
	if (text_of(tree, "kind", &e->kind) < 0 || text_of(tree, "cluster", &e->cluster) < 0 ||
		text_of(tree, "id", &e->id) < 0 || text_of(tree, "prev", &prev) < 0 ||
		text_of(tree, "hash", &hash) < 0 || strlen(prev) != 64 || strlen(hash) != 64)
		return -EBADMSG;
	memcpy(proof->prev, prev, 65);
	memcpy(proof->hash, hash, 65);
	return 0;
}

// Where the text of the body begins: after the last name, which cJSON has read as equal text.
static char *body_of(const char *line, size_t len)
{
	static const char key[] = ",\"body\":";
	const char *p = strstr(line, key); // within texts the quotes would be escaped
	if (!p || len < HASH_TAIL)
		return NULL;
	p += sizeof(key) - 1;
	return strndup(p, len - HASH_TAIL - (size_t)(p - line));
}

int audit_line_parse(
	const char *line, size_t len, struct audit_entry *ret, struct audit_proof *ret_proof)
{
	char hash[65];
	struct audit_proof proof = {0};
	struct audit_entry e = {0};
	if (len <= HASH_TAIL || len > AUDIT_LINE_MAX_BYTES || line[len - 1] != '}' ||
		memchr(line, 0, len) ||
		memcmp(line + len - HASH_TAIL, hash_key, sizeof(hash_key) - 1) != 0)
		return -EBADMSG;
	hash_text(line, len - HASH_TAIL, hash);
	if (memcmp(hash, line + len - 66, 64) != 0 || front(line, &e) < 0)
		return -EBADMSG;
	cJSON *tree = cJSON_ParseWithLength(line, len);
	proof.tree = tree;
	proof.json = body_of(line, len);
	if (!tree || !proof.json || fields(tree, &e, &proof) < 0) {
		audit_line_done(&proof);
		return -EBADMSG;
	}
	e.json = proof.json;
	*ret = e;
	*ret_proof = proof;
	ret->hash = ret_proof->hash;
	return 0;
}

void audit_line_done(struct audit_proof *p)
{
	cJSON_Delete(p->tree);
	free(p->json);
	*p = (struct audit_proof){0};
}
