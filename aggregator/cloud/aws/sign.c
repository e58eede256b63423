// SPDX-License-Identifier: Apache-2.0
#include "aggregator/cloud/aws/sign.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "proto/base/hash.h"
#include "proto/base/text.h"

enum { CANONICAL_MAX_BYTES = 1 << 20 };
static const char ALGORITHM[] = "AWS4-HMAC-SHA256";

static bool is_unreserved(unsigned char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_' || c == '.' || c == '~';
}

static void encode(struct buf *out, const char *text, size_t len, bool keep_slash)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		if (is_unreserved(c) || (keep_slash && c == '/'))
			buf_append(out, &c, 1);
		else
			buf_printf(out, "%%%02X", c);
	}
}

void sign_encode(struct buf *out, const char *text, size_t len)
{
	encode(out, text, len, false);
}

void sign_time(int64_t now_ms, char ret[SIGN_DATE_BYTES])
{
	time_t s = (time_t)(now_ms / 1000);
	struct tm tm;
	if (!gmtime_r(&s, &tm) || strftime(ret, SIGN_DATE_BYTES, "%Y%m%dT%H%M%SZ", &tm) != 16)
		text_copy(ret, SIGN_DATE_BYTES, "19700101T000000Z");
}

// Dot segments and doubled slashes go (RFC 3986 5.2.4); what remains is encoded once more.
static void canonical_path(struct buf *out, const char *path)
{
	autobuf kept;
	buf_init(&kept, CANONICAL_MAX_BYTES);
	size_t n = strlen(path);
	for (const char *p = path; *p; p += *p == '/') {
		size_t len = strcspn(p, "/");
		if (len == 2 && p[0] == '.' && p[1] == '.') {
			while (kept.len > 0 && kept.data[--kept.len] != '/')
				;
		} else if (len > 0 && !(len == 1 && p[0] == '.')) {
			buf_text(&kept, "/");
			buf_append(&kept, p, len);
		}
		p += len;
	}
	if (kept.len > 0)
		encode(out, kept.data, kept.len, true);
	if (kept.len == 0 || path[n - 1] == '/')
		buf_text(out, "/");
	out->failed |= kept.failed;
}

struct pair {
	struct buf name, value;
	size_t order; // qsort() is not stable
};

static int by_name_and_value(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	int r = strcmp(x->name.data, y->name.data);
	return r ? r : strcmp(x->value.data, y->value.data);
}

static int by_name_and_order(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	int r = strcmp(x->name.data, y->name.data);
	return r ? r : (x->order > y->order) - (x->order < y->order);
}

static void pairs_done(struct pair *pairs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		buf_done(&pairs[i].name);
		buf_done(&pairs[i].value);
	}
	free(pairs);
}

static struct pair *pairs_new(size_t n, bool *ret_failed)
{
	struct pair *pairs = calloc(n ? n : 1, sizeof(*pairs));
	*ret_failed = !pairs;
	for (size_t i = 0; pairs && i < n; i++) {
		pairs[i].order = i;
		buf_init(&pairs[i].name, CANONICAL_MAX_BYTES);
		buf_init(&pairs[i].value, CANONICAL_MAX_BYTES);
		*ret_failed |= buf_text(&pairs[i].name, "") < 0;
		*ret_failed |= buf_text(&pairs[i].value, "") < 0;
	}
	return pairs;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Decoded and encoded again, so that every spelling of the same query has one form.
static void recode(struct buf *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = text[i];
		if (c == '%' && i + 2 < len && hex_digit(text[i + 1]) >= 0 &&
			hex_digit(text[i + 2]) >= 0) {
			c = (char)(hex_digit(text[i + 1]) << 4 | hex_digit(text[i + 2]));
			i += 2;
		}
		sign_encode(out, &c, 1);
	}
}

static int canonical_query(struct buf *out, const char *query)
{
	size_t n = *query ? 1 : 0;
	for (const char *p = query; *p; p++)
		n += *p == '&';
	if (n > SIGN_MAX_QUERY)
		return -E2BIG;
	bool failed;
	struct pair *pairs = pairs_new(n, &failed);
	const char *p = query;
	for (size_t i = 0; !failed && i < n; i++) {
		size_t len = strcspn(p, "&");
		const char *eq = memchr(p, '=', len);
		size_t name_len = eq ? (size_t)(eq - p) : len;
		recode(&pairs[i].name, p, name_len);
		if (eq)
			recode(&pairs[i].value, eq + 1, len - name_len - 1);
		failed |= pairs[i].name.failed || pairs[i].value.failed;
		p += len + (p[len] == '&');
	}
	if (!failed) {
		qsort(pairs, n, sizeof(*pairs), by_name_and_value);
		for (size_t i = 0; i < n; i++)
			buf_printf(out, "%s%s=%s", i ? "&" : "", pairs[i].name.data,
				pairs[i].value.data);
	}
	if (pairs)
		pairs_done(pairs, n);
	return failed ? -ENOMEM : 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

// Trimmed, and every run of blanks is one space.
static void fold(struct buf *out, const char *value)
{
	bool space = false, any = false;
	for (const char *p = value; *p; p++) {
		if (is_blank(*p)) {
			space = any;
			continue;
		}
		if (space)
			buf_text(out, " ");
		buf_append(out, p, 1);
		space = false;
		any = true;
	}
}

static struct pair *sorted_headers(const struct sign_request *r)
{
	bool failed;
	struct pair *pairs = pairs_new(r->n_headers, &failed);
	for (size_t i = 0; !failed && i < r->n_headers; i++) {
		for (const char *p = r->headers[i].name; *p; p++) {
			char c = (char)(*p >= 'A' && *p <= 'Z' ? *p | 0x20 : *p);
			buf_append(&pairs[i].name, &c, 1);
		}
		fold(&pairs[i].value, r->headers[i].value);
		failed |= pairs[i].name.failed || pairs[i].value.failed;
	}
	if (failed && pairs)
		pairs_done(pairs, r->n_headers);
	else if (pairs)
		qsort(pairs, r->n_headers, sizeof(*pairs), by_name_and_order);
	return failed ? NULL : pairs;
}

// Appends "name:value\n…" to lines and "name;name" to names; either may be NULL.
static int canonical_headers(const struct sign_request *r, struct buf *lines, struct buf *names)
{
	if (r->n_headers > SIGN_MAX_HEADERS)
		return -E2BIG;
	struct pair *pairs = sorted_headers(r);
	if (!pairs)
		return -ENOMEM;
	for (size_t i = 0; i < r->n_headers; i++) {
		const char *name = pairs[i].name.data, *value = pairs[i].value.data;
		bool again = i > 0 && strcmp(pairs[i - 1].name.data, name) == 0;
		if (lines && again)
			buf_printf(lines, ",%s", value);
		else if (lines)
			buf_printf(lines, "%s%s:%s", i ? "\n" : "", name, value);
		if (names && !again)
			buf_printf(names, "%s%s", i ? ";" : "", name);
	}
	pairs_done(pairs, r->n_headers);
	return 0;
}

static void sha256_hex(const void *data, size_t len, char ret[65])
{
	uint8_t hash[32];
	hash_sha256(data ? data : "", len, hash);
	text_to_hex(hash, sizeof(hash), ret);
}

int sign_canonical(const struct sign_request *r, struct buf *ret)
{
	char payload[65];
	sha256_hex(r->body, r->body_len, payload);
	buf_printf(ret, "%s\n", r->method);
	canonical_path(ret, r->path);
	buf_text(ret, "\n");
	int e = canonical_query(ret, r->query ? r->query : "");
	buf_text(ret, "\n");
	if (e == 0)
		e = canonical_headers(r, ret, NULL);
	buf_text(ret, "\n\n");
	if (e == 0)
		e = canonical_headers(r, NULL, ret);
	buf_printf(ret, "\n%s", payload);
	return e < 0 ? e : buf_failed(ret) ? -E2BIG : 0;
}

static void scope_text(const struct sign_scope *s, struct buf *out)
{
	char date[SIGN_DATE_BYTES];
	sign_time(s->now_ms, date);
	buf_printf(out, "%.8s/%s/%s/aws4_request", date, s->region, s->service);
}

int sign_string(const struct sign_scope *s, const struct sign_request *r, struct buf *ret)
{
	autobuf canonical;
	buf_init(&canonical, CANONICAL_MAX_BYTES);
	int e = sign_canonical(r, &canonical);
	if (e < 0)
		return e;
	char hash[65], date[SIGN_DATE_BYTES];
	sha256_hex(canonical.data, canonical.len, hash);
	sign_time(s->now_ms, date);
	buf_printf(ret, "%s\n%s\n", ALGORITHM, date);
	scope_text(s, ret);
	buf_printf(ret, "\n%s", hash);
	return buf_failed(ret) ? -E2BIG : 0;
}

static bool hmac(const void *key, size_t key_len, const char *text, uint8_t ret[32])
{
	return hash_hmac_sha256(key, key_len, text, strlen(text), ret);
}

static int derive(const struct sign_who *who, const struct sign_scope *s, uint8_t ret[32])
{
	char date[SIGN_DATE_BYTES];
	sign_time(s->now_ms, date);
	date[8] = '\0';
	autobuf secret;
	buf_init(&secret, 4096);
	buf_printf(&secret, "AWS4%s", who->secret_access_key);
	if (buf_failed(&secret))
		return -E2BIG;
	uint8_t a[32], b[32];
	bool ok = hmac(secret.data, secret.len, date, a) && hmac(a, 32, s->region, b) &&
		  hmac(b, 32, s->service, a) && hmac(a, 32, "aws4_request", ret);
	OPENSSL_cleanse(secret.data, secret.len);
	OPENSSL_cleanse(a, sizeof(a));
	OPENSSL_cleanse(b, sizeof(b));
	return ok ? 0 : -EIO;
}

static int signing_key(struct sign_cache *cache, const struct sign_who *who,
	const struct sign_scope *s, uint8_t ret[32])
{
	if (!cache)
		return derive(who, s, ret);
	autobuf of;
	buf_init(&of, 8192);
	scope_text(s, &of);
	buf_printf(&of, "\n%s", who->secret_access_key);
	uint8_t id[32];
	if (buf_failed(&of))
		return -E2BIG;
	hash_sha256(of.data, of.len, id);
	OPENSSL_cleanse(of.data, of.len);
	if (!cache->filled || CRYPTO_memcmp(id, cache->of, sizeof(id)) != 0) {
		int e = derive(who, s, cache->key);
		cache->filled = e == 0;
		if (e < 0)
			return e;
		memcpy(cache->of, id, sizeof(id));
	}
	memcpy(ret, cache->key, 32);
	return 0;
}

void sign_cache_done(struct sign_cache *c)
{
	OPENSSL_cleanse(c, sizeof(*c));
}

struct signing {
	struct sign_cache *cache;
	const struct sign_who *who;
	const struct sign_scope *scope;
};

static int signature(const struct signing *g, const struct sign_request *r, char ret[65])
{
	autobuf text;
	buf_init(&text, 4096);
	uint8_t key[32], mac[32];
	int e = sign_string(g->scope, r, &text);
	if (e == 0)
		e = signing_key(g->cache, g->who, g->scope, key);
	if (e < 0)
		return e;
	if (!hmac(key, sizeof(key), text.data, mac))
		e = -EIO;
	OPENSSL_cleanse(key, sizeof(key));
	text_to_hex(mac, sizeof(mac), ret);
	return e;
}

int sign_header(struct sign_cache *cache, const struct sign_who *who, const struct sign_scope *s,
	const struct sign_request *r, struct buf *ret)
{
	struct signing g = {cache, who, s};
	char hex[65];
	int e = signature(&g, r, hex);
	if (e < 0)
		return e;
	buf_printf(ret, "%s Credential=%s/", ALGORITHM, who->access_key_id);
	scope_text(s, ret);
	buf_text(ret, ", SignedHeaders=");
	e = canonical_headers(r, NULL, ret);
	buf_printf(ret, ", Signature=%s", hex);
	return e < 0 ? e : buf_failed(ret) ? -E2BIG : 0;
}

static void add_encoded(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, "%s%s=", out->len ? "&" : "", name);
	sign_encode(out, value, strlen(value));
}

// Everything of the query but the signature.
static int unsigned_query(const struct sign_who *who, const struct sign_presign *p,
	const struct sign_request *r, struct buf *query)
{
	char date[SIGN_DATE_BYTES], expires[16];
	autobuf credential, names;
	buf_init(&credential, 1024);
	buf_init(&names, 4096);
	sign_time(p->scope.now_ms, date);
	snprintf(expires, sizeof(expires), "%u", p->expires_s);
	buf_printf(&credential, "%s/", who->access_key_id);
	scope_text(&p->scope, &credential);
	int e = canonical_headers(r, NULL, &names);
	if (e < 0 || buf_failed(&credential) || buf_failed(&names) || !names.data)
		return e < 0 ? e : -E2BIG;
	buf_text(query, r->query ? r->query : "");
	add_encoded(query, "X-Amz-Algorithm", ALGORITHM);
	add_encoded(query, "X-Amz-Credential", credential.data);
	add_encoded(query, "X-Amz-Date", date);
	add_encoded(query, "X-Amz-Expires", expires);
	add_encoded(query, "X-Amz-SignedHeaders", names.data);
	if (who->session_token && *who->session_token)
		add_encoded(query, "X-Amz-Security-Token", who->session_token);
	return buf_failed(query) ? -E2BIG : 0;
}

int sign_query(struct sign_cache *cache, const struct sign_who *who, const struct sign_presign *p,
	const struct sign_request *r, struct buf *ret)
{
	autobuf query;
	buf_init(&query, CANONICAL_MAX_BYTES);
	int e = unsigned_query(who, p, r, &query);
	if (e < 0)
		return e;
	struct sign_request q = *r;
	struct signing g = {cache, who, &p->scope};
	char hex[65];
	q.query = query.data;
	e = signature(&g, &q, hex);
	if (e < 0)
		return e;
	buf_printf(ret, "%s&X-Amz-Signature=%s", query.data, hex);
	return buf_failed(ret) ? -E2BIG : 0;
}

static int base64url(const struct buf *text, struct buf *out)
{
	char *to = malloc(4 * (text->len + 2) / 3 + 4);
	if (!to)
		return -ENOMEM;
	int n = EVP_EncodeBlock((uint8_t *)to, (const uint8_t *)text->data, (int)text->len);
	while (n > 0 && to[n - 1] == '=')
		n--;
	for (int i = 0; i < n; i++)
		to[i] = (char)(to[i] == '+' ? '-' : to[i] == '/' ? '_' : to[i]);
	buf_append(out, to, (size_t)n);
	OPENSSL_cleanse(to, (size_t)n);
	free(to);
	return buf_failed(out) ? -E2BIG : 0;
}

int sign_eks_token(const struct sign_who *who, const struct sign_scope *s, const char *host,
	const char *cluster, struct buf *ret)
{
	struct http_header headers[] = {{"host", host}, {"x-k8s-aws-id", cluster}};
	struct sign_request r = {.method = "GET",
		.path = "/",
		.query = "Action=GetCallerIdentity&Version=2011-06-15",
		.headers = headers,
		.n_headers = 2};
	struct sign_presign p = {.scope = *s, .expires_s = 60};
	autobuf url;
	buf_init(&url, 16384);
	buf_printf(&url, "https://%s/?", host);
	int e = sign_query(NULL, who, &p, &r, &url);
	if (e < 0)
		return e;
	buf_text(ret, "k8s-aws-v1.");
	e = base64url(&url, ret);
	OPENSSL_cleanse(url.data, url.len);
	return e;
}
