// SPDX-License-Identifier: Apache-2.0
// The published Signature Version 4 cases (tests/golden/aws/sigv4) and random requests signed by
// botocore (tests/golden/aws/sign.jsonl, made by make_sign.py).
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/cloud/aws/sign.h"
#include "proto/base/text.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CASE_NOW_S = 1440938160 }; // 20150830T123600Z
#define GOLDEN TEST_SOURCE_DIR "/tests/golden/aws/"

static char *read_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	if (!f)
		fail_msg("cannot read %s", path);
	struct buf b;
	buf_init(&b, 1 << 20);
	char part[4096];
	size_t n;
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		buf_append(&b, part, n);
	fclose(f);
	buf_text(&b, "");
	return buf_take(&b, NULL);
}

struct parsed {
	char *text, *method, *path, *query, *body;
	struct http_header headers[SIGN_MAX_HEADERS];
	size_t n;
};

// A line that begins with a blank continues the header before it.
static void parse_headers(struct parsed *p, char *line)
{
	while (line && *line && *line != '\n') {
		char *end = strchr(line, '\n');
		while (end && (end[1] == ' ' || end[1] == '\t'))
			end = strchr(end + 1, '\n');
		if (end)
			*end = '\0';
		char *colon = strchr(line, ':');
		assert_non_null(colon);
		*colon = '\0';
		p->headers[p->n].name = line;
		p->headers[p->n++].value = colon + 1;
		line = end ? end + 1 : NULL;
	}
	p->body = line && *line == '\n' ? line + 1 : "";
}

static void parse_request(struct parsed *p, char *text)
{
	*p = (struct parsed){.text = text, .method = text};
	char *line = strchr(text, '\n');
	*line = '\0';
	char *space = strchr(text, ' '), *last = strrchr(text, ' ');
	*space = *last = '\0';
	p->path = space + 1;
	char *mark = strchr(p->path, '?');
	p->query = mark ? mark + 1 : "";
	if (mark)
		*mark = '\0';
	parse_headers(p, line + 1);
}

static unsigned cases;

static char *read_beside(const char *req, const char *suffix)
{
	char path[512];
	snprintf(path, sizeof(path), "%.*s%s", (int)(strlen(req) - 4), req, suffix);
	return read_file(path);
}

static void expect(const char *req, const char *suffix, const struct buf *got)
{
	char *want = read_beside(req, suffix);
	if (strcmp(want, got->data) != 0)
		fail_msg("%s: %s:\nwant\n%s\ngot\n%s", req, suffix, want, got->data);
	free(want);
}

static int each_case(const char *path, const struct stat *st, int type, struct FTW *at)
{
	size_t n = strlen(path);
	if (type != FTW_F || n < 4 || strcmp(path + n - 4, ".req") != 0)
		return 0;
	struct parsed p;
	parse_request(&p, read_file(path));
	if (strstr(path, "with-session-token")) // here the signer is to add the header
		p.headers[p.n++] = (struct http_header){"X-Amz-Security-Token",
			"6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"};
	struct sign_who who = {"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", NULL};
	struct sign_scope scope = {"us-east-1", "service", CASE_NOW_S * 1000LL};
	struct sign_request r = {.method = p.method,
		.path = p.path,
		.query = p.query,
		.headers = p.headers,
		.n_headers = p.n,
		.body = p.body,
		.body_len = strlen(p.body)};
	autobuf canonical, string, header;
	buf_init(&canonical, 1 << 20);
	buf_init(&string, 4096);
	buf_init(&header, 4096);
	assert_int_equal(sign_canonical(&r, &canonical), 0);
	expect(path, ".creq", &canonical);
	assert_int_equal(sign_string(&scope, &r, &string), 0);
	expect(path, ".sts", &string);
	struct sign_cache cache = {0};
	assert_int_equal(sign_header(&cache, &who, &scope, &r, &header), 0);
	expect(path, ".authz", &header);
	buf_reset(&header);
	assert_int_equal(sign_header(&cache, &who, &scope, &r, &header), 0);
	expect(path, ".authz", &header);
	sign_cache_done(&cache);
	free(p.text);
	cases++;
	return 0;
}

static void every_published_case_is_signed_as_published(void **state)
{
	assert_int_equal(nftw(GOLDEN "sigv4", each_case, 8, FTW_PHYS), 0);
	assert_int_equal(cases, 34);
}

static const char *get(const cJSON *c, const char *key)
{
	const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(c, key));
	if (!s)
		fail_msg("golden has no %s", key);
	return s;
}

static int64_t number(const cJSON *c, const char *key)
{
	return (int64_t)cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(c, key));
}

struct golden {
	struct sign_who who;
	struct sign_scope scope;
	struct sign_cache *cache;
};

static void check_header(const cJSON *c, struct golden *g)
{
	struct http_header headers[SIGN_MAX_HEADERS];
	size_t n = 0;
	const cJSON *h;
	cJSON_ArrayForEach (h, cJSON_GetObjectItemCaseSensitive(c, "headers"))
		headers[n++] = (struct http_header){h->string, h->valuestring};
	char date[SIGN_DATE_BYTES];
	sign_time(g->scope.now_ms, date);
	headers[n++] = (struct http_header){"X-Amz-Date", date};
	if (*g->who.session_token)
		headers[n++] = (struct http_header){"X-Amz-Security-Token", g->who.session_token};
	char body[1024];
	size_t len = strlen(get(c, "body")) / 2;
	assert_int_equal(text_from_hex(get(c, "body"), body, len), 0);
	struct sign_request r = {.method = get(c, "method"),
		.path = get(c, "path"),
		.query = get(c, "query"),
		.headers = headers,
		.n_headers = n,
		.body = body,
		.body_len = len};
	autobuf out;
	buf_init(&out, 4096);
	assert_int_equal(sign_header(g->cache, &g->who, &g->scope, &r, &out), 0);
	assert_string_equal(out.data, get(c, "authorization"));
}

static void check_presigned(const cJSON *c, struct golden *g)
{
	const cJSON *headers = cJSON_GetObjectItemCaseSensitive(c, "headers");
	struct http_header host = {"Host", get(headers, "Host")};
	struct sign_presign p = {g->scope, (uint32_t)number(c, "expires_s")};
	struct sign_request r = {.method = get(c, "method"),
		.path = get(c, "path"),
		.query = get(c, "presign_query"),
		.headers = &host,
		.n_headers = 1};
	autobuf out;
	buf_init(&out, 16384);
	assert_int_equal(sign_query(g->cache, &g->who, &p, &r, &out), 0);
	const char *want = strstr(get(c, "presigned"), "X-Amz-Algorithm");
	assert_string_equal(strstr(out.data, "X-Amz-Algorithm"), want);
}

static void random_requests_are_signed_like_botocore(void **state)
{
	FILE *f = fopen(GOLDEN "sign.jsonl", "r");
	assert_non_null(f);
	char *line = NULL;
	size_t size = 0, n = 0;
	struct sign_cache cache = {0};
	for (; getline(&line, &size, f) > 0; n++) {
		cJSON *c = cJSON_Parse(line);
		struct golden g = {{get(c, "access_key_id"), get(c, "secret_access_key"),
					   get(c, "session_token")},
			{get(c, "region"), get(c, "service"), number(c, "now_ms")}, &cache};
		check_header(c, &g);
		check_presigned(c, &g);
		struct sign_scope sts = {g.scope.region, "sts", g.scope.now_ms};
		autobuf token;
		buf_init(&token, 4096);
		assert_int_equal(
			sign_eks_token(&g.who, &sts, get(c, "sts_host"), get(c, "cluster"), &token),
			0);
		assert_string_equal(token.data, get(c, "eks_token"));
		cJSON_Delete(c);
	}
	free(line);
	fclose(f);
	assert_int_equal(n, 200);
}

static void what_is_over_the_limits_is_refused_and_not_cut(void **state)
{
	struct http_header many[SIGN_MAX_HEADERS + 1];
	for (size_t i = 0; i <= SIGN_MAX_HEADERS; i++)
		many[i] = (struct http_header){"host", "h"};
	struct sign_who who = {"A", "B", NULL};
	struct sign_scope scope = {"r", "s", 0};
	struct sign_request r = {
		.method = "GET", .path = "/", .headers = many, .n_headers = SIGN_MAX_HEADERS + 1};
	autobuf out, query;
	buf_init(&out, 4096);
	assert_int_equal(sign_header(NULL, &who, &scope, &r, &out), -E2BIG);
	buf_init(&query, 4096);
	for (int i = 0; i <= SIGN_MAX_QUERY; i++)
		buf_text(&query, "a&");
	r.n_headers = 1;
	r.query = query.data;
	assert_int_equal(sign_header(NULL, &who, &scope, &r, &out), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_published_case_is_signed_as_published),
		cmocka_unit_test(random_requests_are_signed_like_botocore),
		cmocka_unit_test(what_is_over_the_limits_is_refused_and_not_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
