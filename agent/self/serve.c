// SPDX-License-Identifier: Apache-2.0
#include "agent/self/serve.h"

#include "proto/base/prom.h"
#include "proto/loop/http_server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CONNECTIONS = 16, MAX_PAGE_BYTES = 64 << 10 };

struct serve {
	struct http_server *server;
	void (*fill)(void *arg, struct report *ret);
	void *arg;
	struct buf page; // kept, so that a scrape allocates nothing new
};

static void reply(struct http_response *r, int status, const char *text)
{
	http_reply(r, status, "text/plain; charset=utf-8", text, strlen(text));
}

static void reply_metrics(struct serve *s, const struct report *report, struct http_response *r)
{
	buf_reset(&s->page);
	report_metrics(report, &s->page);
	if (buf_failed(&s->page))
		reply(r, 500, "too many metrics\n");
	else
		http_reply(r, 200, PROM_CONTENT_TYPE, s->page.data, s->page.len);
}

static void on_request(void *arg, const struct http_request *q, struct http_response *r)
{
	struct serve *s = arg;
	const char *path = http_request_path(q), *method = http_request_method(q);
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
		reply(r, 405, "GET only\n");
		return;
	}
	if (strcmp(path, "/version") == 0) {
		reply(r, 200, "petrel-agent " PETREL_VERSION "\n");
		return;
	}
	struct report report = {0};
	char text[128];
	s->fill(s->arg, &report);
	if (strcmp(path, "/metrics") == 0)
		reply_metrics(s, &report, r);
	else if (strcmp(path, "/healthz") == 0)
		reply(r, report_healthy(&report, text) ? 200 : 503, text);
	else if (strcmp(path, "/readyz") == 0)
		reply(r, report_ready(&report, text) ? 200 : 503, text);
	else
		reply(r, 404, "/metrics, /healthz, /readyz, /version\n");
}

int serve_start(
	struct serve **ret, uv_loop_t *loop, const char *address, uint16_t port, struct why *why)
{
	struct serve *s = calloc(1, sizeof(*s));
	if (!s)
		return why_set(why, -ENOMEM, WHY_RETRY, "out of memory");
	buf_init(&s->page, MAX_PAGE_BYTES);
	const struct http_server_options o = {.address = address,
		.port = port,
		.max_connections = MAX_CONNECTIONS,
		.max_body_bytes = 1024,
		.on_request = on_request,
		.arg = s};
	int r = http_server_new(&s->server, loop, &o, why);
	if (r < 0) {
		free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void serve_set_source(struct serve *s, void (*fill)(void *arg, struct report *ret), void *arg)
{
	s->fill = fill;
	s->arg = arg;
}

uint16_t serve_port(const struct serve *s)
{
	return http_server_port(s->server);
}

static void on_stopped(void *arg)
{
	struct serve *s = arg;
	buf_done(&s->page);
	free(s);
}

void serve_stop(struct serve *s)
{
	if (s)
		http_server_stop(s->server, on_stopped, s);
}
