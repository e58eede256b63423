// SPDX-License-Identifier: Apache-2.0
// The queue reader against a small SQS on the loop: what is deleted, when, and what is not; and the
// client beneath it: what it does when it is stopped, refused, or given keys that have ended.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/cloud/queue.h"
#include "proto/base/clock.h"
#include "proto/loop/http_server.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_MESSAGES = 32 };
#define SPOT(id)                                                                                   \
	"{\"detail-type\":\"EC2 Spot Instance Interruption Warning\",\"source\":\"aws.ec2\","      \
	"\"time\":\"2026-11-24T11:00:00Z\",\"detail\":{\"instance-id\":\"" id                      \
	"\",\"instance-action\":\"terminate\"}}"

struct rig {
	uv_loop_t loop;
	struct http_server *server;
	struct aws_client *client;
	struct queue *queue;
	uv_timer_t timer;
	const char *bodies[MAX_MESSAGES]; // given once each
	int n_bodies, given;
	bool deleted[MAX_MESSAGES];
	int n_deleted, receives;
	bool hang;
	int refuse; // so many receives with this answer
	const char *refusal;
	struct queue_ack *acks[MAX_MESSAGES];
	int n_acks;
	bool hold; // the verdict comes later
	enum queue_verdict verdict;
	bool stopped;
};

static void give(struct rig *rig, struct http_response *r)
{
	cJSON *o = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(o, "Messages");
	for (int i = 0; i < 10 && rig->given < rig->n_bodies; i++, rig->given++) {
		cJSON *m = cJSON_CreateObject();
		char handle[16];
		snprintf(handle, sizeof(handle), "handle-%d", rig->given);
		cJSON_AddStringToObject(m, "ReceiptHandle", handle);
		cJSON_AddStringToObject(m, "Body", rig->bodies[rig->given]);
		cJSON_AddItemToArray(list, m);
	}
	char *text = cJSON_PrintUnformatted(o);
	http_reply(r, 200, "application/x-amz-json-1.0", text, strlen(text));
	free(text);
	cJSON_Delete(o);
}

static void take_deletes(struct rig *rig, const char *body, size_t len)
{
	cJSON *o = cJSON_ParseWithLength(body, len);
	const cJSON *e;
	cJSON_ArrayForEach (e, cJSON_GetObjectItemCaseSensitive(o, "Entries")) {
		const char *handle =
			cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(e, "ReceiptHandle"));
		int n = handle[7] - '0';
		if (handle[8])
			n = 10 * n + handle[8] - '0';
		rig->deleted[n] = true;
		rig->n_deleted++;
	}
	cJSON_Delete(o);
}

static void on_request(void *arg, const struct http_request *q, struct http_response *r)
{
	struct rig *rig = arg;
	const char *target = http_request_header(q, "X-Amz-Target");
	size_t len;
	const char *body = http_request_body(q, &len);
	if (target && strcmp(target, "AmazonSQS.DeleteMessageBatch") == 0) {
		take_deletes(rig, body, len);
		http_reply_static(r, 200, "application/x-amz-json-1.0", "{}", 2);
		return;
	}
	rig->receives++;
	if (rig->refuse > 0) {
		rig->refuse--;
		http_reply(
			r, 400, "application/x-amz-json-1.0", rig->refusal, strlen(rig->refusal));
	} else if (rig->given < rig->n_bodies) {
		give(rig, r);
	} else { // a long poll: nothing comes
		http_reply_stream(r, "application/x-amz-json-1.0", 1024, NULL, NULL);
	}
}

static void on_notice(
	void *arg, const struct notice *n, const struct queue_extra *extra, struct queue_ack *ack)
{
	struct rig *rig = arg;
	if (rig->hold)
		rig->acks[rig->n_acks++] = ack;
	else
		queue_verdict(rig->queue, ack, rig->verdict);
}

static const char *env(const char *name)
{
	return strcmp(name, "AWS_ACCESS_KEY_ID") == 0       ? "AKID"
	       : strcmp(name, "AWS_SECRET_ACCESS_KEY") == 0 ? "SECRET"
							    : NULL;
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

static void rig_start(struct rig *rig)
{
	char url[64], queue_url[96];
	uv_loop_init(&rig->loop);
	uv_timer_init(&rig->loop, &rig->timer);
	struct http_server_options so = {
		.address = "127.0.0.1", .on_request = on_request, .arg = rig};
	assert_int_equal(http_server_new(&rig->server, &rig->loop, &so, NULL), 0);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", http_server_port(rig->server));
	snprintf(queue_url, sizeof(queue_url), "%s/123456789012/q", url);
	struct aws_client_options co = {.region = "us-east-1",
		.endpoint_url = url,
		.env = env,
		.wall_ms = clock_wall_ms,
		.mono_ns = clock_mono_ns,
		.seed = 1};
	assert_int_equal(aws_client_new(&rig->client, &rig->loop, &co, NULL), 0);
	struct queue_options qo = {.client = rig->client,
		.url = queue_url,
		.cluster = "demo",
		.receivers = 2,
		.wait_s = 20,
		.wall_ms = clock_wall_ms,
		.seed = 1,
		.on_notice = on_notice,
		.arg = rig};
	assert_int_equal(queue_start(&rig->queue, &rig->loop, &qo, NULL), 0);
}

static void on_stopped(void *arg)
{
	struct rig *rig = arg;
	rig->stopped = true;
}

// With polls open: they end at once, and the loop is empty then.
static void rig_stop(struct rig *rig)
{
	uint64_t begun = clock_mono_ns();
	queue_stop(rig->queue, on_stopped, rig);
	aws_client_stop(rig->client, NULL, NULL);
	http_server_stop(rig->server, NULL, NULL);
	uv_close((uv_handle_t *)&rig->timer, NULL);
	uv_run(&rig->loop, UV_RUN_DEFAULT);
	assert_true(rig->stopped);
	assert_int_equal(uv_loop_close(&rig->loop), 0);
	assert_true(clock_mono_ns() - begun < 5000000000ull);
}

static void a_message_is_deleted_only_after_its_verdict(void **state)
{
	struct rig rig = {.bodies = {SPOT("i-1"), SPOT("i-2")}, .n_bodies = 2, .hold = true};
	rig_start(&rig);
	run(&rig, 400);
	assert_int_equal(rig.n_acks, 2);
	assert_int_equal(rig.n_deleted, 0);
	queue_verdict(rig.queue, rig.acks[1], QUEUE_ACCEPTED);
	run(&rig, 400);
	assert_true(rig.n_deleted == 1 && rig.deleted[1]);
	queue_verdict(rig.queue, rig.acks[0], QUEUE_LATER); // SQS shows it again
	run(&rig, 400);
	assert_int_equal(rig.n_deleted, 1);
	struct queue_stats s;
	queue_stats(rig.queue, &s);
	assert_true(s.accepted == 1 && s.later == 1 && s.held == 0 && s.deleted == 1);
	rig_stop(&rig);
}

static void a_message_of_several_notices_waits_for_all_of_them(void **state)
{
	struct rig rig = {.bodies = {"{\"detail-type\":\"AWS Health Event\",\"source\":\"aws."
				     "health\",\"detail\":{\"service\":\"EC2\","
				     "\"eventTypeCategory\":\"scheduledChange\","
				     "\"affectedEntities\":[{\"entityValue\":\"i-1\"},{"
				     "\"entityValue\":\"i-2\"}]}}"},
		.n_bodies = 1,
		.hold = true};
	rig_start(&rig);
	run(&rig, 300);
	assert_int_equal(rig.n_acks, 2);
	queue_verdict(rig.queue, rig.acks[0], QUEUE_ACCEPTED);
	run(&rig, 300);
	assert_int_equal(rig.n_deleted, 0);
	queue_verdict(rig.queue, rig.acks[1], QUEUE_FOREIGN);
	run(&rig, 300);
	assert_int_equal(rig.n_deleted, 1);
	rig_stop(&rig);
}

static void what_cannot_be_understood_is_set_aside_and_deleted(void **state)
{
	struct rig rig = {.bodies = {"no\x01JSON", "{}", SPOT("i-1"),
				  "{\"Event\":\"autoscaling:TEST_NOTIFICATION\"}"},
		.n_bodies = 4};
	rig_start(&rig);
	run(&rig, 500);
	struct queue_stats s;
	queue_stats(rig.queue, &s);
	assert_true(s.malformed == 2 && s.ignored == 1 && s.accepted == 1 && s.deleted == 4);
	assert_string_equal(queue_aside(rig.queue, 0), "{}");
	assert_string_equal(queue_aside(rig.queue, 1), "no.JSON");
	assert_null(queue_aside(rig.queue, 2));
	rig_stop(&rig);
}

static void a_refused_receive_is_said_without_secrets_and_asked_again(void **state)
{
	struct rig rig = {.bodies = {SPOT("i-1")},
		.n_bodies = 1,
		.refuse = 1,
		.refusal = "{\"__type\":\"SignatureDoesNotMatch\",\"message\":\"SECRET token\"}"};
	rig_start(&rig);
	struct queue_stats s = {0};
	for (int i = 0; i < 40 && s.receive_failures == 0; i++) {
		run(&rig, 20);
		queue_stats(rig.queue, &s);
	}
	assert_int_equal(s.receive_failures, 1);
	assert_int_equal(s.last_error.class, WHY_DENIED);
	assert_non_null(strstr(s.last_error.text, "SignatureDoesNotMatch"));
	assert_null(strstr(s.last_error.text, "SECRET"));
	for (int i = 0; i < 60 && s.accepted == 0; i++) {
		run(&rig, 50);
		queue_stats(rig.queue, &s);
	}
	assert_true(s.accepted == 1 && s.last_error.class == WHY_NONE);
	rig_stop(&rig);
}

static void a_queue_address_must_be_one(void **state)
{
	static const char *const bad[] = {"", "sqs", "https://sqs", "ftp://a/b", "https:///x",
		"https://a@b/1/q", "https://a/1/q?x"};
	struct queue *q;
	struct why why;
	uv_loop_t loop;
	uv_loop_init(&loop);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct queue_options o = {.url = bad[i]};
		assert_int_equal(queue_start(&q, &loop, &o, &why), -EINVAL);
	}
	uv_loop_close(&loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_is_deleted_only_after_its_verdict),
		cmocka_unit_test(a_message_of_several_notices_waits_for_all_of_them),
		cmocka_unit_test(what_cannot_be_understood_is_set_aside_and_deleted),
		cmocka_unit_test(a_refused_receive_is_said_without_secrets_and_asked_again),
		cmocka_unit_test(a_queue_address_must_be_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
