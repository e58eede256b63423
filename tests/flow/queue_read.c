// SPDX-License-Identifier: Apache-2.0
// Reads an interruption queue until COUNT notices have come or SECONDS have passed: each notice as
// a JSON line, then the counters. Instances that begin with i-f0 are taken as foreign.
//
//     queue-read URL COUNT SECONDS [RECEIVERS]
#include "aggregator/cloud/queue.h"
#include "proto/base/clock.h"
#include "proto/base/json.h"
#include "proto/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct aws_client *client;
static struct queue *queue;
static uv_timer_t timer;
static uint64_t wanted, seen, started_ns, took_ns;
static bool quiet;

static void print_stats(void)
{
	struct queue_stats s;
	struct aws_stats a;
	struct buf out;
	struct json j;
	queue_stats(queue, &s);
	aws_client_stats(client, &a);
	buf_init(&out, 64 << 10);
	json_init(&j, &out);
	json_open(&j, '{');
	json_put_i64(&j, "messages", (int64_t)s.messages);
	json_put_i64(&j, "notices", (int64_t)s.notices);
	json_put_i64(&j, "accepted", (int64_t)s.accepted);
	json_put_i64(&j, "foreign", (int64_t)s.foreign);
	json_put_i64(&j, "ignored", (int64_t)s.ignored);
	json_put_i64(&j, "malformed", (int64_t)s.malformed);
	json_put_i64(&j, "deleted", (int64_t)s.deleted);
	json_put_i64(&j, "receives", (int64_t)s.receives);
	json_put_i64(&j, "receive_failures", (int64_t)s.receive_failures);
	json_put_i64(&j, "attempts", (int64_t)a.attempts);
	json_put_i64(&j, "refreshes", (int64_t)a.credential_refreshes);
	json_put_i64(&j, "took_ms", (int64_t)(took_ns / 1000000));
	json_put_text(&j, "last_error", s.last_error.text);
	json_put_text(&j, "aside", queue_aside(queue, 0));
	json_close(&j, '}');
	puts(out.data);
	buf_done(&out);
}

static void on_timer(uv_timer_t *t)
{
	print_stats();
	uv_close((uv_handle_t *)t, NULL);
	queue_stop(queue, NULL, NULL);
	aws_client_stop(client, NULL, NULL);
}

static void on_notice(
	void *arg, const struct notice *n, const struct queue_extra *extra, struct queue_ack *ack)
{
	struct buf out;
	buf_init(&out, 8192);
	notice_print(n, &out);
	if (!quiet)
		printf("%s\t%s\t%s\t%s\n", out.data, extra->hook, extra->scaling_group,
			extra->token);
	buf_done(&out);
	bool foreign = strncmp(n->instance_id, "i-f0", 4) == 0;
	queue_verdict(queue, ack, foreign ? QUEUE_FOREIGN : QUEUE_ACCEPTED);
	if (++seen == wanted) {
		took_ns = clock_mono_ns() - started_ns;
		uv_timer_start(&timer, on_timer, 1000, 0); // the deletes
	}
}

static const char *env(const char *name)
{
	return getenv(name);
}

int main(int argc, char **argv)
{
	uv_loop_t loop;
	struct why why = {0};
	uint64_t seconds, receivers = 0;
	struct aws_client_options o = {.env = env,
		.wall_ms = clock_wall_ms,
		.mono_ns = clock_mono_ns,
		.seed = clock_mono_ns()};
	if (argc < 4 || text_to_u64(argv[2], &wanted) < 0 || text_to_u64(argv[3], &seconds) < 0 ||
		(argc > 4 && text_to_u64(argv[4], &receivers) < 0))
		return 2;
	uv_loop_init(&loop);
	quiet = wanted > 100;
	struct queue_options q = {.url = argv[1],
		.cluster = "demo",
		.receivers = (unsigned)receivers,
		.wait_s = 2,
		.wall_ms = clock_wall_ms,
		.seed = 1,
		.on_notice = on_notice};
	int r = aws_client_new(&client, &loop, &o, &why);
	q.client = client;
	started_ns = clock_mono_ns();
	if (r == 0)
		r = queue_start(&queue, &loop, &q, &why);
	if (r < 0) {
		fprintf(stderr, "queue-read: %s\n", why.text);
		return 2;
	}
	uv_timer_init(&loop, &timer);
	uv_timer_start(&timer, on_timer, seconds * 1000, 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop) < 0 ? 3 : 0;
}
