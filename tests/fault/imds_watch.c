// SPDX-License-Identifier: Apache-2.0
// Runs agent/imds alone and prints what it tells as JSON lines, for the fault tests.
//
//   imds-watch ADDRESS PORT [SPEED [TOKEN_TTL_S]]     SPEED divides the periods; ends after SIGTERM
//   with a line of its counters
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/imds/watch.h"
#include "proto/base/clock.h"
#include "proto/base/json.h"
#include "proto/base/text.h"

struct test {
	struct watch *watch;
	uv_signal_t signal;
};

static void print_line(struct buf *line)
{
	buf_append(line, "\n", 1);
	fwrite(line->data, 1, line->len, stdout);
	fflush(stdout);
	buf_done(line);
}

static void on_notice(void *arg, const struct notice *n)
{
	struct buf line;
	buf_init(&line, 65536);
	notice_print(n, &line);
	print_line(&line);
}

static void on_identity(void *arg, const struct watch_identity *id)
{
	printf("{\"identity\":\"%s\",\"life_cycle\":\"%s\",\"zone_id\":\"%s\"}\n", id->instance_id,
		id->life_cycle, id->zone_id);
	fflush(stdout);
}

static size_t open_files(void)
{
	size_t n = 0;
	for (int fd = 0; fd < 1024; fd++)
		n += dup2(fd, fd) == fd;
	return n;
}

// Resident now; ru_maxrss would count the parent's memory from before exec.
static int64_t resident_kib(void)
{
	long pages = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");
	if (f && fscanf(f, "%ld %ld", &pages, &resident) != 2)
		resident = 0;
	if (f)
		fclose(f);
	return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static void print_stats(const struct watch *w)
{
	struct watch_stats s;
	struct hook_status hook;
	struct buf line;
	struct json j;
	watch_stats(w, &s);
	watch_hook(w, &hook);
	buf_init(&line, 65536);
	json_init(&j, &line);
	json_open(&j, '{');
	json_put_i64(&j, "polls", (int64_t)s.polls);
	json_put_i64(&j, "answers", (int64_t)s.answers);
	json_put_i64(&j, "notices", (int64_t)s.notices);
	json_put_i64(&j, "tokens", (int64_t)s.tokens);
	json_put_i64(&j, "v1_polls", (int64_t)s.v1_polls);
	json_put_i64(&j, "connections", (int64_t)s.http.connections);
	json_put_i64(&j, "reused", (int64_t)s.http.reused);
	json_put_i64(&j, "files", (int64_t)open_files());
	json_put_i64(&j, "rss_kib", resident_kib());
	json_put_text(&j, "hook", hook.detail);
	for (int e = 0; e < WATCH_ERROR_COUNT; e++)
		json_put_i64(&j, watch_error_name((enum watch_error)e), (int64_t)s.errors[e]);
	json_close(&j, '}');
	print_line(&line);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct test *t = handle->data;
	print_stats(t->watch);
	if (number == SIGTERM) {
		watch_stop(t->watch, NULL, NULL);
		uv_close((uv_handle_t *)&t->signal, NULL);
	}
}

int main(int argc, char **argv)
{
	uint64_t port, speed = 1, ttl_s = 21600;
	uv_loop_t loop;
	struct test t;
	struct watch_options o;
	if (argc < 3 || text_to_u64(argv[2], &port) < 0 ||
		(argc > 3 && text_to_u64(argv[3], &speed) < 0) ||
		(argc > 4 && text_to_u64(argv[4], &ttl_s) < 0) || speed == 0)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	watch_defaults(&o);
	o.http.address = argv[1];
	o.http.port = (uint16_t)port;
	o.token_ttl_s = (uint32_t)ttl_s;
	for (int q = 0; q < WATCH_QUESTION_COUNT; q++)
		o.period_ms[q] = o.period_ms[q] / (uint32_t)speed;
	o.wall_ms = clock_wall_ms;
	o.mono_ns = clock_mono_ns;
	rng_init(&o.rng, 1);
	o.on_notice = on_notice;
	o.on_identity = on_identity;
	snprintf(o.cluster, sizeof(o.cluster), "test");
	snprintf(o.node, sizeof(o.node), "node");
	uv_loop_init(&loop);
	if (watch_start(&t.watch, &loop, &o) < 0)
		return 1;
	t.signal.data = &t;
	uv_signal_init(&loop, &t.signal);
	uv_signal_start(&t.signal, on_signal, SIGTERM);
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop) == 0 ? 0 : 1;
}
