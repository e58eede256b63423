// SPDX-License-Identifier: Apache-2.0
#include "aggregator/kube/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "aggregator/kube/client_impl.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"

enum {
	CONNECT_MS = 3000, // with TLS; less than the time in which another may become the leader
	DEADLINE_MS = 10 * 1000,
	MAX_BODY_BYTES = 4 << 20,
	MAX_LINE_BYTES = 4 << 20,
	MAX_RETRY_AFTER_S = 3600,
};

enum request_state { REQUEST_WAITS, REQUEST_REFUSED, REQUEST_SENT };

struct kube_request {
	struct budget_item item; // first: what the budget gives back is the request
	struct kube_client *client;
	struct kube_request *prev, *next;
	struct kube_request_options o;
	char *path, *body;
	enum request_state state;
	bool asked_again, in_budget;
	struct transport *transport;
	struct http_call *call;
	int error; // of a refused one
	const char *error_text;
};

static void request_free(struct kube_request *q)
{
	free(q->path);
	free(q->body);
	free(q);
}

static void finish(struct kube_request *q, const struct kube_answer *a)
{
	struct kube_client *c = q->client;
	if (q->state == REQUEST_REFUSED)
		DL_DELETE(c->refused, q);
	else
		DL_DELETE(c->requests, q);
	q->o.on_done(q->o.arg, a);
	request_free(q);
}

static struct kube_request *request_new(struct kube_client *c, const struct kube_request_options *o)
{
	struct kube_request *q = calloc(1, sizeof(*q));
	if (!q)
		return NULL;
	q->client = c;
	q->o = *o;
	q->item.lane = o->lane;
	q->path = strdup(o->path);
	q->body = o->body ? malloc(o->body_len + 1) : NULL;
	if (!q->path || (o->body && !q->body)) {
		request_free(q);
		return NULL;
	}
	if (o->body)
		memcpy(q->body, o->body, o->body_len);
	return q;
}

int kube_request_start(
	struct kube_request **ret, struct kube_client *c, const struct kube_request_options *o)
{
	if (c->stopping)
		return -ESHUTDOWN;
	struct kube_request *q = request_new(c, o);
	if (!q)
		return -ENOMEM;
	DL_APPEND(c->requests, q);
	struct budget_item *pushed_out = NULL;
	if (o->again)
		budget_push_front(&c->budget, &q->item);
	else
		pushed_out = budget_push(&c->budget, &q->item);
	if (pushed_out) {
		c->stats.dropped++;
		kube_request_refuse(c, pushed_out, -ENOBUFS, "too many requests are waiting");
	}
	if (ret)
		*ret = q;
	kube_client_pump(c);
	return 0;
}

// ---- the answer

static int64_t retry_after_of(const struct http_answer *a)
{
	uint64_t seconds;
	const char *text = a->error < 0 ? NULL : http_answer_header(a, "Retry-After");
	if (!text || text_to_u64(text, &seconds) < 0)
		return -1; // also for a date, which the API server never gives
	return (int64_t)(seconds < MAX_RETRY_AFTER_S ? seconds : MAX_RETRY_AFTER_S) * 1000;
}

static enum kube_result result_of(const struct kube_answer *a, bool overload)
{
	if (a->error < 0)
		return KUBE_RESULT_LOST;
	if (overload)
		return KUBE_RESULT_THROTTLED;
	if (a->status >= 500)
		return KUBE_RESULT_FAILED;
	if (a->status == 401 || a->status == 403)
		return KUBE_RESULT_DENIED;
	return a->status >= 300 ? KUBE_RESULT_REFUSED : KUBE_RESULT_OK;
}

static void leave_budget(struct kube_request *q)
{
	if (q->in_budget)
		budget_done(&q->client->budget);
	q->in_budget = false;
}

// After a 401 the token may simply be an old one: the kubelet has written a new one.
static bool ask_again(struct kube_request *q, const struct http_answer *a)
{
	struct kube_client *c = q->client;
	if (a->error < 0 || a->status != 401 || q->asked_again || c->stopping)
		return false;
	q->asked_again = true;
	c->stats.tokens_read_again++;
	kube_config_authorization(c->config, c->o.mono_ns(), true);
	q->state = REQUEST_WAITS;
	q->call = NULL;
	budget_push_front(&c->budget, &q->item);
	return true;
}

// Of a watch it is the time of its beginning, heard at its end: it proves nothing.
static void tell_date(const struct kube_request *q, const struct http_answer *h)
{
	const struct kube_client *c = q->client;
	const char *date = h->error < 0 || q->o.on_line ? NULL : http_answer_header(h, "Date");
	int64_t date_ms;
	if (c->o.on_date && date && clock_parse_http(date, &date_ms) == 0)
		c->o.on_date(c->o.on_date_arg, date_ms, (int64_t)h->took_ms);
}

static void on_http_done(void *arg, const struct http_answer *h)
{
	struct kube_request *q = arg;
	struct kube_client *c = q->client;
	struct kube_answer a = {.error = h->error,
		.status = h->status,
		.body = h->body,
		.body_len = h->body_len,
		.error_text = h->error_text,
		.retry_after_ms = retry_after_of(h)};
	tell_date(q, h);
	q->transport->users--;
	q->transport = NULL;
	leave_budget(q);
	bool overload = kube_answer_is_overload(&a);
	c->stats.requests[q->o.verb][result_of(&a, overload)]++;
	if (overload)
		budget_pause(&c->budget, c->o.mono_ns(),
			(uint64_t)(a.retry_after_ms > 0 ? a.retry_after_ms : 1000) * 1000000);
	if (!ask_again(q, h))
		finish(q, &a);
	kube_client_pump_soon(c);
}

static bool on_http_line(void *arg, const struct http_answer *so_far, const char *line, size_t len)
{
	struct kube_request *q = arg;
	return q->o.on_line(q->o.arg, line, len);
}

// ---- sending

static size_t headers_of(
	struct kube_request *q, const char *authorization, struct http_header ret[3])
{
	size_t n = 0;
	ret[n++] = (struct http_header){"Accept", "application/json"};
	if (authorization)
		ret[n++] = (struct http_header){"Authorization", authorization};
	if (q->o.content_type)
		ret[n++] = (struct http_header){"Content-Type", q->o.content_type};
	return n;
}

static int start_call(struct kube_request *q)
{
	struct kube_client *c = q->client;
	struct http_header headers[3];
	struct transport *t = kube_client_transport(c);
	char *url;
	if (!t || asprintf(&url, "%s%s", kube_config_server(c->config), q->path) < 0)
		return -ENOMEM;
	const char *authorization = kube_config_authorization(c->config, c->o.mono_ns(), false);
	struct http_call_options o = {
		.method = q->o.method,
		.url = url,
		.headers = headers,
		.n_headers = headers_of(q, authorization, headers),
		.body = q->body,
		.body_len = q->o.body_len,
		.connect_ms = CONNECT_MS,
		.deadline_ms = q->o.deadline_ms ? q->o.deadline_ms
			       : q->o.on_line   ? 0
						: DEADLINE_MS,
		.max_body_bytes = q->o.max_body ? q->o.max_body : MAX_BODY_BYTES,
		.max_line_bytes = MAX_LINE_BYTES,
		.on_line = q->o.on_line ? on_http_line : NULL,
		.on_done = on_http_done,
		.arg = q,
	};
	int r = http_call_start(&q->call, q->o.on_line ? t->watches : t->calls, &o);
	free(url);
	if (r < 0)
		return r;
	q->transport = t;
	t->users++;
	q->state = REQUEST_SENT;
	return 0;
}

void kube_request_send(struct kube_client *c, struct budget_item *item)
{
	struct kube_request *q = (struct kube_request *)item;
	q->in_budget = true;
	if (q->o.gated && c->may_change && !c->may_change(c->may_change_arg)) {
		c->stats.gated++;
		leave_budget(q);
		kube_request_refuse(c, item, -ECANCELED, "not the leader (any more)");
		return;
	}
	int r = start_call(q);
	if (r < 0 || q->o.on_line)
		leave_budget(q); // a watch lasts; it must not hold a slot
	if (r < 0)
		kube_request_refuse(c, item, r, "the request could not be sent");
}

void kube_request_refuse(
	struct kube_client *c, struct budget_item *item, int error, const char *text)
{
	struct kube_request *q = (struct kube_request *)item;
	DL_DELETE(c->requests, q);
	DL_APPEND(c->refused, q);
	q->state = REQUEST_REFUSED;
	q->error = error;
	q->error_text = text;
	kube_client_pump_soon(c);
}

void kube_request_end_refused(struct kube_client *c)
{
	while (c->refused) {
		struct kube_request *q = c->refused;
		struct kube_answer a = {.error = q->error,
			.error_text = q->error_text,
			.body = "",
			.retry_after_ms = -1};
		finish(q, &a);
	}
}

void kube_request_cancel(struct kube_request *q)
{
	struct kube_answer a = {
		.error = -ECANCELED, .error_text = "cancelled", .body = "", .retry_after_ms = -1};
	if (q->state == REQUEST_SENT) {
		http_call_cancel(q->call);
		return;
	}
	if (q->state == REQUEST_WAITS)
		budget_remove(&q->client->budget, &q->item);
	finish(q, &a);
}

void kube_request_end_waiting(struct kube_client *c)
{
	struct budget_item *item;
	while ((item = budget_any(&c->budget)))
		kube_request_refuse(c, item, -ECANCELED, "the client stops");
	kube_request_end_refused(c);
}
