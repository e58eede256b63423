// SPDX-License-Identifier: Apache-2.0
#include "aggregator/cloud/aws/client_impl.h"

#include <errno.h>
#include <string.h>

// AWS answers within a second or not at all soon; a drain cannot wait for the SDKs' 60 s.
enum { CONNECT_MS = 3000, ATTEMPT_MS = 10000 };

struct headers {
	struct http_header list[8];
	size_t n;
};

static void add(struct headers *h, const char *name, const char *value)
{
	h->list[h->n++] = (struct http_header){name, value};
}

static void add_protocol(struct headers *h, const struct pending *p, struct buf *target)
{
	const struct service *s = service_of(p->service);
	switch (s->protocol) {
	case PROTOCOL_QUERY:
	case PROTOCOL_EC2:
		add(h, "Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
		break;
	case PROTOCOL_JSON_1_0:
	case PROTOCOL_JSON_1_1:
		buf_printf(target, "%s.%s", s->target, p->operation);
		add(h, "Content-Type",
			s->protocol == PROTOCOL_JSON_1_0 ? "application/x-amz-json-1.0"
							 : "application/x-amz-json-1.1");
		add(h, "X-Amz-Target", target->data ? target->data : "");
		break;
	default: break;
	}
}

struct wire { // one attempt as it is sent
	struct buf url, host, target, authorization;
	char date[SIGN_DATE_BYTES];
	struct headers headers;
};

static void wire_init(struct wire *w)
{
	w->headers.n = 0;
	buf_init(&w->url, 16 << 10);
	buf_init(&w->host, 1024);
	buf_init(&w->target, 256);
	buf_init(&w->authorization, 4096);
}

static void wire_done(struct wire *w)
{
	buf_done(&w->url);
	buf_done(&w->host);
	buf_done(&w->target);
	buf_done(&w->authorization);
}

static const char *endpoint_of(const struct pending *p)
{
	const struct aws_client *c = p->client;
	return p->endpoint && !c->given[p->service] ? p->endpoint : c->endpoints[p->service];
}

static const char *method_of(const struct pending *p)
{
	return service_of(p->service)->protocol == PROTOCOL_REST_JSON && p->body.len == 0 ? "GET"
											  : "POST";
}

static int sign(struct wire *w, struct pending *p)
{
	struct aws_client *c = p->client;
	struct sign_scope scope = {
		c->region, service_of(p->service)->name, c->wall_ms() + c->stats.clock_skew_ms};
	sign_time(scope.now_ms, w->date);
	add(&w->headers, "X-Amz-Date", w->date);
	if (*p->used->session_token)
		add(&w->headers, "X-Amz-Security-Token", p->used->session_token);
	struct sign_who who = {p->used->access_key_id, p->used->secret_access_key, NULL};
	struct sign_request r = {.method = method_of(p),
		.path = p->path,
		.query = p->query,
		.headers = w->headers.list,
		.n_headers = w->headers.n,
		.body = p->body.data,
		.body_len = p->body.len};
	int e = sign_header(&c->keys[p->service], &who, &scope, &r, &w->authorization);
	add(&w->headers, "Authorization", w->authorization.data);
	return e;
}

static int start(
	struct pending *p, struct wire *w, void (*on_http)(void *arg, const struct http_answer *a))
{
	const char *endpoint = endpoint_of(p);
	buf_printf(&w->url, "%s%s%s%s", endpoint, p->path, *p->query ? "?" : "", p->query);
	endpoint_host(endpoint, &w->host);
	if (buf_failed(&w->url) || buf_failed(&w->host))
		return -E2BIG;
	add(&w->headers, "Host", w->host.data);
	add_protocol(&w->headers, p, &w->target);
	int r = p->used ? sign(w, p) : 0;
	if (r < 0)
		return r;
	struct http_call_options o = {.method = method_of(p),
		.url = w->url.data,
		.headers = w->headers.list,
		.n_headers = w->headers.n,
		.body = p->body.data,
		.body_len = p->body.len,
		.connect_ms = CONNECT_MS,
		.deadline_ms = ATTEMPT_MS + p->hold_ms,
		.max_body_bytes = AWS_MAX_ANSWER_BYTES,
		.on_done = on_http,
		.arg = p};
	return http_call_start(&p->http, p->client->http, &o);
}

int pending_start(struct pending *p, void (*on_http)(void *arg, const struct http_answer *a))
{
	struct wire w;
	wire_init(&w);
	int r = start(p, &w, on_http);
	wire_done(&w);
	return r;
}
