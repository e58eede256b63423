// SPDX-License-Identifier: Apache-2.0
#include "agent/self/serve.h"

#include "agent/self/answer.h"
#include "proto/base/prom.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct serve {
	struct answer *server;
	void (*fill)(void *arg, struct report *ret);
	void *arg;
};

static void on_get(void *arg, const char *path, struct answer_reply *r)
{
	struct serve *s = arg;
	struct report report = {0};
	char text[128];
	if (strcmp(path, "/version") == 0) {
		buf_text(&r->body, "petrel-agent " PETREL_VERSION "\n");
		return;
	}
	s->fill(s->arg, &report);
	if (strcmp(path, "/metrics") == 0) {
		r->type = PROM_CONTENT_TYPE;
		report_metrics(&report, &r->body);
	} else if (strcmp(path, "/healthz") == 0) {
		r->status = report_healthy(&report, text) ? 200 : 503;
		buf_text(&r->body, text);
	} else if (strcmp(path, "/readyz") == 0) {
		r->status = report_ready(&report, text) ? 200 : 503;
		buf_text(&r->body, text);
	} else {
		r->status = 404;
		buf_text(&r->body, "/metrics, /healthz, /readyz, /version\n");
	}
}

int serve_start(
	struct serve **ret, uv_loop_t *loop, const char *address, uint16_t port, struct why *why)
{
	struct serve *s = calloc(1, sizeof(*s));
	if (!s)
		return why_set(why, -ENOMEM, WHY_RETRY, "out of memory");
	const struct answer_options o = {
		.address = address, .port = port, .on_get = on_get, .arg = s};
	int r = answer_start(&s->server, loop, &o, why);
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
	return answer_port(s->server);
}

void serve_stop(struct serve *s)
{
	if (s)
		answer_stop(s->server, free, s);
}
