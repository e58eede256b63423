// SPDX-License-Identifier: Apache-2.0
// Webhooks against our own HTTP server, which refuses as it is told.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/act/webhook.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/hash.h"
#include "proto/base/text.h"
#include "proto/loop/http_server.h"

struct rig {
	uv_loop_t loop;
	struct http_server *server;
	struct webhook *hook;
	char url[64];
	int refuse_with; // status of the answers
	unsigned refuse; // how many times
	unsigned received;
	char body[4096], signature[128], timestamp[32], event[64];
};

static void on_request(void *arg, const struct http_request *q, struct http_response *r)
{
	struct rig *rig = arg;
	size_t len;
	const char *body = http_request_body(q, &len);
	const char *signature = http_request_header(q, "X-Petrel-Signature");
	rig->received++;
	assert_string_equal(http_request_method(q), "POST");
	assert_true(len < sizeof(rig->body));
	memcpy(rig->body, body, len);
	rig->body[len] = '\0';
	text_copy(rig->signature, sizeof(rig->signature), signature ? signature : "");
	text_copy(rig->timestamp, sizeof(rig->timestamp),
		http_request_header(q, "X-Petrel-Timestamp"));
	text_copy(rig->event, sizeof(rig->event), http_request_header(q, "X-Petrel-Event"));
	http_reply_static(r, rig->refuse ? rig->refuse_with : 200, "text/plain", "", 0);
	rig->refuse -= rig->refuse > 0;
}

static int64_t wall_ms(void)
{
	return 1700000000123;
}

static void start(struct rig *rig, const char *template_, const char *secret)
{
	struct why why;
	memset(rig, 0, sizeof(*rig));
	uv_loop_init(&rig->loop);
	const struct http_server_options server = {
		.address = "127.0.0.1", .on_request = on_request, .arg = rig};
	assert_int_equal(http_server_new(&rig->server, &rig->loop, &server, &why), 0);
	snprintf(rig->url, sizeof(rig->url), "http://127.0.0.1:%d/hook",
		http_server_port(rig->server));
	const struct webhook_options o = {.url = rig->url,
		.template_ = template_,
		.secret = secret,
		.max_pending = 3,
		.retry_ms = 10,
		.wall_ms = wall_ms};
	if (webhook_new(&rig->hook, &rig->loop, &o, &why))
		fail_msg("%s", why.text);
}

static struct webhook_stats settle(struct rig *rig)
{
	struct webhook_stats stats;
	do {
		uv_run(&rig->loop, UV_RUN_ONCE);
		webhook_stats(rig->hook, &stats);
	} while (stats.pending > 0);
	return stats;
}

static void stop(struct rig *rig)
{
	webhook_stop(rig->hook, NULL, NULL);
	http_server_stop(rig->server, NULL, NULL);
	uv_run(&rig->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&rig->loop), 0);
}

static const struct webhook_message notice = {.event = "SpotInterruption",
	.cluster = "prod",
	.node = "ip-10-0-3-7",
	.text = "a \"quoted\" line\nand another",
	.at_ms = 1700000000000,
	.deadline_ms = 1700000118000};

static void the_default_body_is_one_text(void **state)
{
	struct rig rig;
	start(&rig, NULL, NULL);
	assert_int_equal(webhook_send(rig.hook, &notice), 0);
	assert_int_equal(settle(&rig).sent, 1);
	assert_string_equal(rig.body, "{\"text\":\"a \\\"quoted\\\" line\\nand another\"}");
	assert_string_equal(rig.event, "SpotInterruption");
	assert_string_equal(rig.signature, "");
	stop(&rig);
}

static void a_template_gets_its_values_and_a_signature(void **state)
{
	struct rig rig;
	uint8_t mac[32];
	char expected[80] = "sha256=", text[512];
	start(&rig, "{\"n\":\"{{node}}\",\"left\":{{left_s}},\"k\":\"{{kind}}\"}", "s3cret");
	assert_int_equal(webhook_send(rig.hook, &notice), 0);
	settle(&rig);
	assert_string_equal(rig.body, "{\"n\":\"ip-10-0-3-7\",\"left\":118,\"k\":\"\"}");
	int n = snprintf(text, sizeof(text), "1700000000.%s", rig.body);
	hash_hmac_sha256("s3cret", 6, text, (size_t)n, mac);
	text_to_hex(mac, 32, expected + 7);
	assert_string_equal(rig.signature, expected);
	stop(&rig);
}

static void a_server_that_fails_is_asked_again(void **state)
{
	struct rig rig;
	start(&rig, NULL, NULL);
	rig.refuse = 3;
	rig.refuse_with = 503;
	webhook_send(rig.hook, &notice);
	struct webhook_stats stats = settle(&rig);
	assert_int_equal(rig.received, 4);
	assert_int_equal(stats.retries, 3);
	assert_int_equal(stats.sent, 1);
	assert_string_equal(stats.error, "");
	rig.refuse = 100;
	webhook_send(rig.hook, &notice);
	stats = settle(&rig);
	assert_int_equal(rig.received, 9); // five tries and no more
	assert_int_equal(stats.failed, 1);
	assert_string_equal(stats.error, "HTTP status 503");
	stop(&rig);
}

static void a_refusal_is_final(void **state)
{
	struct rig rig;
	start(&rig, NULL, NULL);
	rig.refuse = 1;
	rig.refuse_with = 404;
	webhook_send(rig.hook, &notice);
	assert_int_equal(settle(&rig).failed, 1);
	assert_int_equal(rig.received, 1);
	stop(&rig);
}

static void what_passes_the_bound_is_dropped_and_counted(void **state)
{
	struct rig rig;
	struct webhook_stats stats;
	start(&rig, NULL, NULL);
	for (int i = 0; i < 3; i++)
		assert_int_equal(webhook_send(rig.hook, &notice), 0);
	assert_int_equal(webhook_send(rig.hook, &notice), -ENOSPC);
	webhook_stats(rig.hook, &stats);
	assert_int_equal(stats.dropped, 1);
	assert_int_equal(settle(&rig).sent, 3);
	webhook_send(rig.hook, &notice);
	stop(&rig); // with one on its way
}

static void a_template_with_an_unknown_name_is_refused(void **state)
{
	uv_loop_t loop;
	struct webhook *hook;
	struct why why;
	struct webhook_options o = {
		.url = "http://127.0.0.1:1/", .template_ = "{{nod}}", .wall_ms = wall_ms};
	uv_loop_init(&loop);
	assert_int_equal(webhook_new(&hook, &loop, &o, &why), -EINVAL);
	assert_non_null(strstr(why.text, "{{nod}} is none of"));
	o.template_ = "{{node";
	assert_int_equal(webhook_new(&hook, &loop, &o, &why), -EINVAL);
	o.template_ = NULL;
	o.url = "ftp://127.0.0.1/";
	assert_int_equal(webhook_new(&hook, &loop, &o, &why), -EINVAL);
	assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_default_body_is_one_text),
		cmocka_unit_test(a_template_gets_its_values_and_a_signature),
		cmocka_unit_test(a_server_that_fails_is_asked_again),
		cmocka_unit_test(a_refusal_is_final),
		cmocka_unit_test(what_passes_the_bound_is_dropped_and_counted),
		cmocka_unit_test(a_template_with_an_unknown_name_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
