// SPDX-License-Identifier: Apache-2.0
// The lines: "= key value" equal, "i key v…" In, "n key v…" NotIn, "e key" Exists, "x key"
// DoesNotExist, "!" nothing matches. A value may be empty, so each blank after the key begins one.
#include "aggregator/kube/selector.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LABELS = 1024, MAX_TEXT = 512 };

static bool is_word(const char *s)
{
	size_t n = 0;
	for (; s[n]; n++) {
		unsigned char c = (unsigned char)s[n];
		if (n >= MAX_TEXT || c <= ' ' || c == '=' || c == 0x7f)
			return false;
	}
	return true;
}

static bool is_key(const char *s)
{
	return s && s[0] && is_word(s);
}

static int compile_labels(const cJSON *labels, struct buf *out)
{
	const cJSON *l;
	if (!labels || cJSON_IsNull(labels))
		return 0;
	if (!cJSON_IsObject(labels))
		return -EINVAL;
	cJSON_ArrayForEach (l, labels) {
		const char *value = cJSON_GetStringValue(l);
		if (!is_key(l->string) || !value || !is_word(value))
			return -EINVAL;
		buf_printf(out, "= %s %s\n", l->string, value);
	}
	return 0;
}

static char op_of(const char *text)
{
	static const struct {
		const char *text;
		char op;
	} ops[] = {{"In", 'i'}, {"NotIn", 'n'}, {"Exists", 'e'}, {"DoesNotExist", 'x'}};
	for (size_t k = 0; text && k < 4; k++) {
		if (strcmp(text, ops[k].text) == 0)
			return ops[k].op;
	}
	return '\0';
}

static int compile_expression(const cJSON *e, struct buf *out)
{
	const char *key = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(e, "key"));
	char op = op_of(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(e, "operator")));
	const cJSON *values = cJSON_GetObjectItemCaseSensitive(e, "values"), *v;
	bool wants_values = op == 'i' || op == 'n';
	if (!is_key(key) || !op || wants_values != (cJSON_GetArraySize(values) > 0))
		return -EINVAL;
	buf_printf(out, "%c %s", op, key);
	cJSON_ArrayForEach (v, values) {
		const char *value = cJSON_GetStringValue(v);
		if (!value || !is_word(value))
			return -EINVAL;
		buf_printf(out, " %s", value);
	}
	buf_text(out, "\n");
	return 0;
}

int selector_compile(const cJSON *selector, struct buf *out)
{
	const cJSON *e, *list;
	if (!selector || cJSON_IsNull(selector))
		return buf_text(out, "!\n");
	if (!cJSON_IsObject(selector))
		return -EINVAL;
	if (compile_labels(cJSON_GetObjectItemCaseSensitive(selector, "matchLabels"), out) < 0)
		return -EINVAL;
	list = cJSON_GetObjectItemCaseSensitive(selector, "matchExpressions");
	cJSON_ArrayForEach (e, list) {
		if (compile_expression(e, out) < 0)
			return -EINVAL;
	}
	buf_text(out, ""); // an empty selector is "", not NULL
	return buf_failed(out) ? -ENOSPC : 0;
}

static int by_key(const void *a, const void *b)
{
	return strcmp((*(cJSON *const *)a)->string, (*(cJSON *const *)b)->string);
}

int labels_print(const cJSON *labels, struct buf *out)
{
	const cJSON *sorted[MAX_LABELS], *l;
	size_t n = 0;
	if (labels && !cJSON_IsNull(labels) && !cJSON_IsObject(labels))
		return -EINVAL;
	cJSON_ArrayForEach (l, labels) {
		if (n == MAX_LABELS)
			return -E2BIG;
		if (!is_key(l->string) || !cJSON_IsString(l) || !is_word(l->valuestring))
			return -EINVAL;
		sorted[n++] = l;
	}
	qsort(sorted, n, sizeof(sorted[0]), by_key);
	for (size_t k = 0; k < n; k++)
		buf_printf(out, "%s=%s\n", sorted[k]->string, sorted[k]->valuestring);
	buf_text(out, "");
	return buf_failed(out) ? -ENOSPC : 0;
}

struct span {
	const char *at;
	size_t len;
};

static bool same(struct span a, struct span b)
{
	return a.len == b.len && memcmp(a.at, b.at, a.len) == 0;
}

static bool find_label(const char *labels, struct span key, struct span *ret)
{
	for (const char *line = labels; *line;) {
		const char *end = strchrnul(line, '\n');
		const char *eq = memchr(line, '=', (size_t)(end - line));
		if (eq && same((struct span){line, (size_t)(eq - line)}, key)) {
			*ret = (struct span){eq + 1, (size_t)(end - eq - 1)};
			return true;
		}
		line = *end ? end + 1 : end;
	}
	return false;
}

// values: " v1 v2", each blank begins one
static bool among(struct span values, struct span value)
{
	const char *at = values.at, *end = at + values.len;
	while (at < end) {
		const char *next = memchr(at + 1, ' ', (size_t)(end - at - 1));
		if (!next)
			next = end;
		if (same((struct span){at + 1, (size_t)(next - at - 1)}, value))
			return true;
		at = next;
	}
	return false;
}

static bool line_matches(struct span line, const char *labels)
{
	char op = line.at[0];
	if (op == '!' || line.len < 3)
		return false;
	const char *end = line.at + line.len;
	struct span key = {line.at + 2, line.len - 2}, value = {"", 0};
	const char *blank = memchr(key.at, ' ', key.len);
	struct span values = {end, 0};
	if (blank) {
		key.len = (size_t)(blank - key.at);
		values = (struct span){blank, (size_t)(end - blank)};
	}
	bool there = find_label(labels, key, &value);
	switch (op) {
	case '=':
	case 'i': return there && among(values, value);
	case 'n': return !there || !among(values, value);
	case 'e': return there;
	default: return !there;
	}
}

bool selector_match(const char *selector, const char *labels)
{
	for (const char *line = selector; *line;) {
		const char *end = strchrnul(line, '\n');
		if (!line_matches((struct span){line, (size_t)(end - line)}, labels))
			return false;
		line = *end ? end + 1 : end;
	}
	return true;
}
