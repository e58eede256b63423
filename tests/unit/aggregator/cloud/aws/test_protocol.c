// SPDX-License-Identifier: Apache-2.0
// The protocol cases of botocore (tests/golden/aws/protocols): every error gives its code, every
// XML answer is read to its end; and what the XML reader refuses.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/cloud/aws/protocol.h"
#include "aggregator/cloud/aws/read.h"
#include "aggregator/cloud/aws/xml.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static cJSON *read_json(const char *name)
{
	char path[512], part[4096];
	struct buf b;
	size_t n;
	snprintf(path, sizeof(path), TEST_SOURCE_DIR "/tests/golden/aws/protocols/output/%s", name);
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	buf_init(&b, 4 << 20);
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		buf_append(&b, part, n);
	fclose(f);
	cJSON *o = cJSON_ParseWithLength(b.data, b.len);
	buf_done(&b);
	assert_non_null(o);
	return o;
}

static const cJSON *get(const cJSON *o, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(o, key);
}

static const char *header(const cJSON *response, const char *name)
{
	const cJSON *h;
	cJSON_ArrayForEach (h, get(response, "headers"))
		if (strcasecmp(h->string, name) == 0)
			return h->valuestring;
	return NULL;
}

static int walk(const char *body, size_t len)
{
	struct xml x;
	int e;
	xml_init(&x, body, len);
	do {
		e = xml_next(&x);
	} while (e > XML_END);
	xml_done(&x);
	return e;
}

static int errors, bodies;

static void check_case(enum protocol p, const cJSON *c)
{
	const cJSON *response = get(c, "response");
	const char *body = cJSON_GetStringValue(get(response, "body"));
	const char *code = cJSON_GetStringValue(get(c, "errorCode"));
	const char *message = cJSON_GetStringValue(get(c, "errorMessage"));
	body = body ? body : "";
	if ((p == PROTOCOL_QUERY || p == PROTOCOL_EC2) && *body) {
		if (walk(body, strlen(body)) != XML_END)
			fail_msg("%s: not read", get(c, "id")->valuestring);
		bodies++;
	}
	if (!code)
		return;
	struct protocol_answer a = {.status = 400,
		.body = body,
		.body_len = strlen(body),
		.error_type = header(response, "x-amzn-errortype"),
		.query_error = header(response, "x-amzn-query-error")};
	struct protocol_error e;
	protocol_error_read(p, &a, &e);
	if (strcmp(e.code, code) != 0)
		fail_msg("%s: %s, not %s", get(c, "id")->valuestring, e.code, code);
	if (message)
		assert_string_equal(e.message, message);
	errors++;
}

static void check_file(const char *name, enum protocol p)
{
	cJSON *suites = read_json(name);
	const cJSON *suite, *c;
	cJSON_ArrayForEach (suite, suites)
		cJSON_ArrayForEach (c, get(suite, "cases"))
			check_case(p, c);
	cJSON_Delete(suites);
}

static void every_published_answer_is_understood(void **state)
{
	check_file("ec2.json", PROTOCOL_EC2);
	check_file("query.json", PROTOCOL_QUERY);
	check_file("json.json", PROTOCOL_JSON_1_1);
	check_file("json_1_0.json", PROTOCOL_JSON_1_0);
	check_file("rest-json.json", PROTOCOL_REST_JSON);
	assert_true(errors >= 35 && bodies >= 60);
}

static void expect_class(int status, const char *code, int r, enum why_class class)
{
	enum why_class got;
	if (protocol_classify(status, code, &got) != r || got != class)
		fail_msg("%d %s", status, code);
}

static void the_code_decides_what_the_caller_does(void **state)
{
	expect_class(200, "", 0, WHY_NONE);
	expect_class(400, "Throttling", -EAGAIN, WHY_THROTTLED);
	expect_class(503, "RequestLimitExceeded", -EAGAIN, WHY_THROTTLED);
	expect_class(429, "", -EAGAIN, WHY_THROTTLED);
	expect_class(500, "InsufficientInstanceCapacity", -ENOSPC, WHY_RETRY);
	expect_class(400, "UnknownAction", -ENOTSUP, WHY_DENIED);
	expect_class(403, "AccessDenied", -EACCES, WHY_DENIED);
	expect_class(403, "UnauthorizedOperation", -EACCES, WHY_DENIED);
	expect_class(400, "InvalidInstanceID.NotFound", -ENOENT, WHY_GONE);
	expect_class(400, "AWS.SimpleQueueService.NonExistentQueue", -ENOENT, WHY_GONE);
	expect_class(400, "ScalingActivityInProgress", -EBUSY, WHY_RETRY);
	expect_class(500, "ResourceContention", -EBUSY, WHY_RETRY);
	expect_class(400, "IDPCommunicationError", -EIO, WHY_RETRY);
	expect_class(503, "", -EIO, WHY_RETRY);
	expect_class(400, "ValidationError", -EINVAL, WHY_BUG);
}

static void a_signature_error_never_quotes_what_was_signed(void **state)
{
	const char *body =
		"<E><Error><Code>SignatureDoesNotMatch</Code><Message>The Canonical "
		"String should have been x-amz-security-token:SECRET</Message></Error></E>";
	struct protocol_answer a = {.status = 403, .body = body, .body_len = strlen(body)};
	struct protocol_error e;
	protocol_error_read(PROTOCOL_QUERY, &a, &e);
	assert_string_equal(e.code, "SignatureDoesNotMatch");
	assert_null(strstr(e.message, "SECRET"));
}

static int walk_text(const char *body)
{
	return walk(body, strlen(body));
}

static void what_is_not_whole_or_not_xml_is_refused(void **state)
{
	static const char *const bad[] = {"", "  ", "x", "<a>", "<a></b>", "</a>", "<a/><b/>",
		"<a>&nope;</a>", "<a>&#0;</a>", "<a>&#xd800;</a>", "<a>&#x110000;</a>",
		"<a>&amp</a>", "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>", "<a b=\"></a>",
		"<a><![CDATA[</a>", "<a></a>x", "<a <b/>", "< a/>", "<a><!-- </a>", "<?xml", "<a/",
		"<a"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (walk_text(bad[i]) != -EBADMSG)
			fail_msg("%s", bad[i]);
	assert_int_equal(walk("<a>\0</a>", 8), -EBADMSG);
	assert_int_equal(
		walk_text("<?xml version='1.0'?>\n<a x='>'><b/><!-- c --></a>\n"), XML_END);
}

static void depth_and_text_are_bounded(void **state)
{
	struct buf b;
	buf_init(&b, 1 << 20);
	for (int i = 0; i <= XML_MAX_DEPTH; i++)
		buf_text(&b, "<a>");
	assert_int_equal(walk(b.data, b.len), -E2BIG);
	buf_reset(&b);
	buf_text(&b, "<a>");
	for (int i = 0; i <= XML_MAX_TEXT_BYTES / 8; i++)
		buf_text(&b, "01234567");
	buf_text(&b, "</a>");
	assert_int_equal(walk(b.data, b.len), -E2BIG);
	buf_done(&b);
}

static void entities_and_prefixes_are_resolved(void **state)
{
	const char *body = "<n:r><n:a>&lt;&#65;&#x1F426;<![CDATA[&lt;]]>&gt;</n:a></n:r>";
	char text[64];
	struct body b = {body, strlen(body)};
	assert_int_equal(read_first(&b, "r/a", text, sizeof(text)), 0);
	assert_string_equal(text, "<A\xf0\x9f\x90\xa6&lt;>");
	assert_int_equal(read_first(&b, "x/a", text, sizeof(text)), -ENOENT);
	assert_int_equal(read_first(&b, "r/a", text, 4), -ENOENT); // left out, never cut
}

static const char *env(const char *name)
{
	return strcmp(name, "AWS_ENDPOINT_URL") == 0       ? "http://127.0.0.1:4599/"
	       : strcmp(name, "AWS_ENDPOINT_URL_SQS") == 0 ? "https://queue.example:443"
							   : NULL;
}

static void expect_endpoint(const struct endpoint_ask *ask, const char *url, const char *host)
{
	struct buf b, h;
	buf_init(&b, 1024);
	buf_init(&h, 1024);
	assert_int_equal(endpoint_find(ask, &b), 0);
	assert_string_equal(b.data, url);
	endpoint_host(b.data, &h);
	assert_string_equal(h.data, host);
	buf_done(&b);
	buf_done(&h);
}

static void endpoints_come_from_options_then_environment_then_aws(void **state)
{
	struct endpoint_ask ask = {AWS_AUTOSCALING, "eu-central-1", NULL, NULL};
	expect_endpoint(&ask, "https://autoscaling.eu-central-1.amazonaws.com",
		"autoscaling.eu-central-1.amazonaws.com");
	ask.region = "cn-north-1";
	expect_endpoint(&ask, "https://autoscaling.cn-north-1.amazonaws.com.cn",
		"autoscaling.cn-north-1.amazonaws.com.cn");
	ask.env = env;
	expect_endpoint(&ask, "http://127.0.0.1:4599", "127.0.0.1:4599");
	ask.service = AWS_SQS;
	expect_endpoint(&ask, "https://queue.example:443", "queue.example");
	ask.given = "http://[::1]:80";
	expect_endpoint(&ask, "http://[::1]:80", "[::1]");
	struct buf b;
	buf_init(&b, 1024);
	ask.given = "ftp://x";
	assert_int_equal(endpoint_find(&ask, &b), -EINVAL);
	ask.given = "https://a/b";
	assert_int_equal(endpoint_find(&ask, &b), -EINVAL);
	buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_published_answer_is_understood),
		cmocka_unit_test(the_code_decides_what_the_caller_does),
		cmocka_unit_test(a_signature_error_never_quotes_what_was_signed),
		cmocka_unit_test(what_is_not_whole_or_not_xml_is_refused),
		cmocka_unit_test(depth_and_text_are_bounded),
		cmocka_unit_test(entities_and_prefixes_are_resolved),
		cmocka_unit_test(endpoints_come_from_options_then_environment_then_aws),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
