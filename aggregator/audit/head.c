// SPDX-License-Identifier: Apache-2.0
#include "aggregator/audit/head.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "aggregator/audit/key.h"
#include "proto/base/json.h"
#include "proto/base/text.h"

enum { HEAD_MAX_BYTES = 512 };

int audit_head_print(
	struct buf *out, EVP_PKEY *key, const char *purpose, const struct audit_head *h)
{
	char signature[AUDIT_SIGNATURE_TEXT], seq[24];
	struct json j;
	int r = audit_key_sign(key, purpose, h->seq, h->hash, signature);
	if (r < 0)
		return r;
	// as text: a JSON number is a double to most readers
	snprintf(seq, sizeof(seq), "%llu", (unsigned long long)h->seq);
	json_init(&j, out);
	json_open(&j, '{');
	json_put_text(&j, "seq", seq);
	json_put_text(&j, "hash", h->hash);
	json_put_text(&j, "signature", signature);
	json_close(&j, '}');
	return buf_failed(out) ? -ENOSPC : 0;
}

int audit_head_parse(const char *json, EVP_PKEY *key, const char *purpose, struct audit_head *ret)
{
	struct audit_head h;
	cJSON *tree = cJSON_Parse(json);
	const char *seq = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tree, "seq"));
	const char *hash = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tree, "hash"));
	const char *signature =
		cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tree, "signature"));
	bool ok = seq && hash && signature && text_to_u64(seq, &h.seq) == 0 &&
		  strlen(hash) == AUDIT_HASH_TEXT - 1 &&
		  audit_key_proves(key, purpose, h.seq, hash, signature);
	if (ok) {
		text_copy(h.hash, sizeof(h.hash), hash);
		*ret = h;
	}
	cJSON_Delete(tree);
	return ok ? 0 : -EBADMSG;
}

int audit_head_write(const char *path, EVP_PKEY *key, const struct audit_head *h)
{
	char head[4096], fresh[4096];
	struct buf b;
	if (snprintf(head, sizeof(head), "%s.head", path) >= (int)sizeof(head) ||
		snprintf(fresh, sizeof(fresh), "%s.head~", path) >= (int)sizeof(fresh))
		return -ENAMETOOLONG;
	buf_init(&b, HEAD_MAX_BYTES);
	int r = audit_head_print(&b, key, "head", h);
	int fd = r == 0 ? open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640) : -1;
	if (r == 0 && fd < 0)
		r = -errno;
	if (r == 0 && write(fd, b.data, b.len) != (ssize_t)b.len)
		r = -EIO;
	if (fd >= 0 && close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && rename(fresh, head) < 0)
		r = -errno;
	buf_done(&b);
	return r;
}

int audit_head_read(const char *path, EVP_PKEY *key, struct audit_head *ret)
{
	char head[4096], text[HEAD_MAX_BYTES + 1];
	if (snprintf(head, sizeof(head), "%s.head", path) >= (int)sizeof(head))
		return -ENAMETOOLONG;
	FILE *f = fopen(head, "re");
	if (!f)
		return -errno;
	size_t n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	return audit_head_parse(text, key, "head", ret);
}
