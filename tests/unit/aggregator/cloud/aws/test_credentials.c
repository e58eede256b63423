// SPDX-License-Identifier: Apache-2.0
// Keys: when they are renewed, what is taken from answers, and that no secret reaches a text; then
// the chain against a metadata service of our own making, through renewal and its failure.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/cloud/aws/credentials.h"
#include "proto/base/clock.h"
#include "proto/loop/http_server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void keys_are_renewed_well_before_they_end(void **state)
{
	// 6 h: 15 % of it; 1 h: 15 % is 9 min; 20 min: 5 min; 4 min: half
	assert_int_equal(credential_refresh_in_ms(0, 21600000, 0.5), 21600000 - 3240000);
	assert_int_equal(credential_refresh_in_ms(0, 3600000, 0.5), 3600000 - 540000);
	assert_int_equal(credential_refresh_in_ms(0, 1200000, 0.5), 1200000 - 300000);
	assert_int_equal(credential_refresh_in_ms(0, 240000, 0.5), 120000);
	uint64_t early = credential_refresh_in_ms(0, 3600000, 0.999);
	uint64_t late = credential_refresh_in_ms(0, 3600000, 0);
	assert_true(early < 3600000 - 590000 && late > 3600000 - 490000); // 10 % of jitter
	uint64_t past = credential_refresh_in_ms(5000, 1000, 0);
	assert_true(past >= 30000 && past <= 60000);
}

#define SECRET "wJalrSECRET"

static void no_secret_reaches_a_text(void **state)
{
	static const char *const bodies[] = {
		"{\"Code\":\"Failed\",\"SecretAccessKey\":\"" SECRET "\"}",
		"{\"Code\":\"Failed\",\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"" SECRET
		"\",\"Token\":\"" SECRET "\",\"Expiration\":\"2026-11-24T12:00:00Z\"}",
		"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"" SECRET "\",\"Token\":\"" SECRET
		"\",\"Expiration\":\"" SECRET "\"}",
		"{\"AccessKeyId\":\"\",\"SecretAccessKey\":\"" SECRET "\",\"Token\":\"" SECRET
		"\"}",
		"{\"SecretAccessKey\":\"" SECRET,
		SECRET,
		"<R><Credentials><SecretAccessKey>" SECRET "</SecretAccessKey></Credentials></R>",
		"<R><Credentials><SecretAccessKey>" SECRET,
	};
	for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++) {
		struct credential_body b = {bodies[i], strlen(bodies[i]), "test"};
		struct credentials *set = NULL;
		struct why why;
		assert_true(credentials_from_json(&b, &set, &why) < 0);
		assert_null(strstr(why.text, SECRET));
		assert_true(credentials_from_xml(&b, &set, &why) < 0);
		assert_null(strstr(why.text, SECRET));
		assert_null(set);
	}
}

static const char *env_value;

static const char *env_uri(const char *name)
{
	return strcmp(name, "AWS_CONTAINER_CREDENTIALS_FULL_URI") == 0 ? env_value : NULL;
}

static bool is_allowed(const char *url)
{
	struct environment e = {env_uri};
	struct buf b;
	env_value = url;
	buf_init(&b, 4096);
	int r = credential_container_url(&e, &b, NULL);
	buf_done(&b);
	return r == 0;
}

static void keys_are_asked_for_only_where_they_may_be(void **state)
{
	assert_true(is_allowed("http://169.254.170.23/v1/credentials"));
	assert_true(is_allowed("http://[fd00:ec2::23]/v1/credentials"));
	assert_true(is_allowed("http://127.0.0.1:8080/x"));
	assert_true(is_allowed("http://localhost/x"));
	assert_true(is_allowed("https://anywhere.example/x"));
	assert_false(is_allowed("http://anywhere.example/x"));
	assert_false(is_allowed("http://127.0.0.1.evil.example/x"));
	assert_false(is_allowed("http://127.0.0.1@evil.example/x"));
	assert_false(is_allowed("http://169.254.170.23.evil.example/"));
	assert_false(is_allowed("file:///etc/passwd"));
}

// The rig: a metadata service whose keys end after life_ms, and which may refuse.
struct rig {
	uv_loop_t loop;
	struct http_client *client;
	struct http_server *server;
	struct credential_chain *chain;
	uv_timer_t timer;
	int life_ms, given;
	bool refuse, stopped;
	int changes, last;
	struct why why;
};
static char imds_url[64];

static const char *env_imds(const char *name)
{
	return strcmp(name, "AWS_EC2_METADATA_SERVICE_ENDPOINT") == 0 ? imds_url : NULL;
}

static void on_request(void *arg, const struct http_request *q, struct http_response *r)
{
	struct rig *rig = arg;
	const char *path = http_request_path(q);
	const char *token = http_request_header(q, "X-aws-ec2-metadata-token");
	char body[512], end[25];
	if (strcmp(path, "/latest/api/token") == 0 && strcmp(http_request_method(q), "PUT") == 0) {
		http_reply_static(r, 200, "text/plain", "the-token", 9);
	} else if (!token || strcmp(token, "the-token") != 0) {
		http_reply_static(r, 401, "text/plain", "", 0);
	} else if (rig->refuse) {
		http_reply_static(r, 200, "text/plain", "{\"Code\":\"Failed\"}", 17);
	} else if (strcmp(path, "/latest/meta-data/iam/security-credentials/") == 0) {
		http_reply_static(r, 200, "text/plain", "my-role", 7);
	} else {
		clock_format_ms(clock_wall_ms() + rig->life_ms, end);
		int n = snprintf(body, sizeof(body),
			"{\"Code\":\"Success\",\"AccessKeyId\":\"AKID%d\",\"SecretAccessKey\":"
			"\"s\","
			"\"Token\":\"t\",\"Expiration\":\"%s\"}",
			++rig->given, end);
		http_reply(r, 200, "application/json", body, (size_t)n);
	}
}

static void on_change(void *arg, int r, const struct why *why)
{
	struct rig *rig = arg;
	rig->changes++;
	rig->last = r;
	if (why)
		rig->why = *why;
	uv_stop(&rig->loop);
}

static void on_timeout(uv_timer_t *t)
{
	uv_stop(t->loop);
}

static void run(struct rig *rig, uint64_t ms)
{
	uv_timer_start(&rig->timer, on_timeout, ms, 0);
	uv_run(&rig->loop, UV_RUN_DEFAULT);
}

static void rig_start(struct rig *rig, int life_ms)
{
	*rig = (struct rig){.life_ms = life_ms};
	uv_loop_init(&rig->loop);
	uv_timer_init(&rig->loop, &rig->timer);
	struct http_server_options so = {
		.address = "127.0.0.1", .port = 0, .on_request = on_request, .arg = rig};
	assert_int_equal(http_server_new(&rig->server, &rig->loop, &so, NULL), 0);
	snprintf(imds_url, sizeof(imds_url), "http://127.0.0.1:%u/", http_server_port(rig->server));
	struct http_client_options co = {0};
	assert_int_equal(http_client_new(&rig->client, &rig->loop, &co), 0);
	struct credential_options o = {.http = rig->client,
		.region = "us-east-1",
		.sts_endpoint = "http://127.0.0.1:1",
		.env = {env_imds},
		.wall_ms = clock_wall_ms,
		.seed = 1,
		.on_change = on_change,
		.arg = rig};
	assert_int_equal(credential_chain_new(&rig->chain, &rig->loop, &o), 0);
}

static void rig_stop(struct rig *rig)
{
	credential_chain_stop(rig->chain, NULL, NULL);
	http_client_stop(rig->client, NULL, NULL);
	http_server_stop(rig->server, NULL, NULL);
	uv_close((uv_handle_t *)&rig->timer, NULL);
	uv_run(&rig->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&rig->loop), 0);
}

static void a_set_outlives_its_end_when_renewal_fails(void **state)
{
	struct rig rig;
	rig_start(&rig, 2400);
	assert_null(credential_chain_take(rig.chain));
	run(&rig, 5000);
	assert_int_equal(rig.last, 0);
	struct credentials *first = credential_chain_take(rig.chain);
	assert_non_null(first);
	assert_string_equal(first->access_key_id, "AKID1");
	run(&rig, 5000); // renewed at half of its life
	struct credentials *second = credential_chain_take(rig.chain);
	assert_string_equal(second->access_key_id, "AKID2");
	assert_string_equal(first->access_key_id, "AKID1"); // who holds the old one keeps it
	credentials_unref(first);
	rig.refuse = true;
	int changes = rig.changes;
	struct credential_stats stats = {0};
	while (clock_wall_ms() < second->expires_ms + 200 || stats.failures < 3) {
		run(&rig, 300);
		credential_chain_stats(rig.chain, &stats);
	}
	struct credentials *still = credential_chain_take(rig.chain);
	assert_ptr_equal(still, second);
	assert_int_equal(rig.changes, changes);
	assert_int_equal(stats.refreshes, 2);
	credentials_unref(still);
	credentials_unref(second);
	rig_stop(&rig);
}

static void who_waits_for_a_first_set_is_told_after_three_failures(void **state)
{
	struct rig rig;
	rig_start(&rig, 3600000);
	rig.refuse = true;
	assert_null(credential_chain_take(rig.chain));
	run(&rig, 20000);
	assert_true(rig.last < 0);
	struct credential_stats stats;
	credential_chain_stats(rig.chain, &stats);
	assert_int_equal(stats.failures, 3);
	rig.refuse = false;
	run(&rig, 20000);
	assert_int_equal(rig.last, 0);
	rig_stop(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_renewed_well_before_they_end),
		cmocka_unit_test(no_secret_reaches_a_text),
		cmocka_unit_test(keys_are_asked_for_only_where_they_may_be),
		cmocka_unit_test(a_set_outlives_its_end_when_renewal_fails),
		cmocka_unit_test(who_waits_for_a_first_set_is_told_after_three_failures),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
