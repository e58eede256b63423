// SPDX-License-Identifier: Apache-2.0
#include "aggregator/act/webhook.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "proto/base/buf.h"
#include "proto/base/hash.h"
#include "proto/base/json.h"
#include "proto/base/rng.h"
#include "proto/base/text.h"
#include "proto/loop/http_client.h"

enum { MAX_TRIES = 5, MAX_IN_FLIGHT = 8, DEADLINE_MS = 5000, MAX_ANSWER_BYTES = 64 << 10 };

struct message {
	struct webhook *w;
	char *body;
	size_t body_len;
	char event[64];
	uint64_t number;
	unsigned tries;
	uint64_t due_ms; // of the loop's clock
	bool in_flight;
	struct message *prev, *next;
};

struct webhook {
	uv_loop_t *loop;
	char *url, *template_, *secret;
	size_t max_pending;
	uint32_t retry_ms;
	int64_t (*wall_ms)(void);
	struct rng rng;
	struct http_client *client;
	uv_timer_t timer; // wakes for the first message that is due
	struct message *messages;
	size_t in_flight;
	uint64_t number;
	struct webhook_stats stats;
	bool stopping;
	void (*on_stopped)(void *arg);
	void *on_stopped_arg;
};

// --- the body ------------------------------------------------------------------------------

static const char *const names[] = {
	"text", "event", "phase", "cluster", "node", "kind", "drain", "at", "deadline", "left_s"};
enum { NAMES = sizeof(names) / sizeof(names[0]) };

static const char *value_of(
	const struct webhook_message *m, const char *name, size_t len, char number[24])
{
	const char *const texts[] = {
		m->text, m->event, m->phase, m->cluster, m->node, m->kind, m->drain};
	int64_t left_ms = m->deadline_ms ? m->deadline_ms - m->at_ms : 0;
	const int64_t numbers[] = {m->at_ms, m->deadline_ms, left_ms / 1000};
	enum { TEXTS = sizeof(texts) / sizeof(texts[0]) };
	for (size_t i = 0; i < NAMES; i++) {
		if (strlen(names[i]) != len || memcmp(names[i], name, len) != 0)
			continue;
		if (i < TEXTS)
			return texts[i] ? texts[i] : "";
		snprintf(number, 24, "%lld", (long long)numbers[i - TEXTS]);
		return number;
	}
	return NULL;
}

// Escapes as within a JSON string: what json_text() writes, without its quotes.
static void put_escaped(struct buf *out, const char *text)
{
	struct json j;
	autobuf quoted;
	buf_init(&quoted, WEBHOOK_MAX_BODY_BYTES);
	json_init(&j, &quoted);
	json_text(&j, text);
	if (buf_failed(&quoted))
		out->failed = true;
	else
		buf_append(out, quoted.data + 1, quoted.len - 2);
}

static int fill(
	const char *template_, const struct webhook_message *m, struct buf *out, struct why *why)
{
	const char *p = template_, *open;
	while ((open = strstr(p, "{{"))) {
		char number[24];
		const char *close = strstr(open, "}}");
		if (!close)
			return why_set(
				why, -EINVAL, WHY_DENIED, "webhook template: \"{{\" without }}");
		buf_append(out, p, (size_t)(open - p));
		const char *value = value_of(m, open + 2, (size_t)(close - open - 2), number);
		if (!value)
			return why_set(why, -EINVAL, WHY_DENIED,
				"webhook template: {{%.*s}} is none of text event phase cluster "
				"node kind drain at deadline left_s",
				(int)(close - open - 2 < 40 ? close - open - 2 : 40), open + 2);
		put_escaped(out, value);
		p = close + 2;
	}
	buf_text(out, p);
	return buf_failed(out) ? -ENOSPC : 0;
}

// --- sending -------------------------------------------------------------------------------

static void send_due(struct webhook *w);

static void forget(struct message *m)
{
	DL_DELETE(m->w->messages, m);
	m->w->stats.pending--;
	free(m->body);
	free(m);
}

static void closed(uv_handle_t *handle)
{
	struct webhook *w = handle->data;
	void (*on_stopped)(void *arg) = w->on_stopped;
	void *arg = w->on_stopped_arg;
	free(w->url);
	free(w->template_);
	if (w->secret)
		explicit_bzero(w->secret, strlen(w->secret));
	free(w->secret);
	free(w);
	if (on_stopped)
		on_stopped(arg);
}

static bool worth_another_try(const struct http_answer *a)
{
	return a->error || a->status == 429 || a->status >= 500;
}

static void on_answer(void *arg, const struct http_answer *a)
{
	struct message *m = arg;
	struct webhook *w = m->w;
	bool ok = !a->error && a->status >= 200 && a->status < 300;
	m->in_flight = false;
	w->in_flight--;
	if (ok) {
		w->stats.sent++;
		w->stats.error[0] = '\0';
	} else if (a->error) {
		snprintf(w->stats.error, sizeof(w->stats.error), "%.150s", a->error_text);
	} else {
		snprintf(w->stats.error, sizeof(w->stats.error), "HTTP status %d", a->status);
	}
	if (!ok && worth_another_try(a) && m->tries < MAX_TRIES && !w->stopping) {
		w->stats.retries++;
		m->due_ms = uv_now(w->loop) +
			    rng_below(&w->rng, (uint64_t)w->retry_ms << (m->tries - 1)) + 1;
	} else {
		w->stats.failed += !ok;
		forget(m);
	}
	if (!w->stopping)
		send_due(w);
}

static int start(struct message *m)
{
	struct webhook *w = m->w;
	char timestamp[24], number[24], signature[80] = "sha256=";
	size_t n = 4;
	snprintf(timestamp, sizeof(timestamp), "%lld", (long long)(w->wall_ms() / 1000));
	snprintf(number, sizeof(number), "%llu", (unsigned long long)m->number);
	struct http_header headers[5] = {{"Content-Type", "application/json"},
		{"X-Petrel-Event", m->event}, {"X-Petrel-Delivery", number},
		{"X-Petrel-Timestamp", timestamp}};
	if (w->secret) {
		uint8_t mac[32];
		autobuf signed_;
		buf_init(&signed_, WEBHOOK_MAX_BODY_BYTES + 64);
		buf_printf(&signed_, "%s.", timestamp);
		buf_append(&signed_, m->body, m->body_len);
		if (buf_failed(&signed_) || !hash_hmac_sha256(w->secret, strlen(w->secret),
						    signed_.data, signed_.len, mac))
			return -ENOMEM;
		text_to_hex(mac, sizeof(mac), signature + 7);
		headers[n++] = (struct http_header){"X-Petrel-Signature", signature};
	}
	const struct http_call_options o = {.method = "POST",
		.url = w->url,
		.headers = headers,
		.n_headers = n,
		.body = m->body,
		.body_len = m->body_len,
		.deadline_ms = DEADLINE_MS,
		.max_body_bytes = MAX_ANSWER_BYTES,
		.on_done = on_answer,
		.arg = m};
	return http_call_start(NULL, w->client, &o);
}

static void on_timer(uv_timer_t *timer)
{
	send_due(timer->data);
}

// Starts what is due, oldest first, and sets the timer for the next.
static void send_due(struct webhook *w)
{
	struct message *m, *next;
	uint64_t now_ms = uv_now(w->loop), wake_ms = UINT64_MAX;
	DL_FOREACH_SAFE(w->messages, m, next)
	{
		if (m->in_flight)
			continue;
		if (m->due_ms > now_ms) {
			wake_ms = m->due_ms < wake_ms ? m->due_ms : wake_ms;
			continue;
		}
		if (w->in_flight >= MAX_IN_FLIGHT)
			break; // the next answer calls again
		m->tries++;
		m->in_flight = true;
		w->in_flight++;
		if (start(m) < 0) {
			w->in_flight--;
			w->stats.failed++;
			forget(m);
		}
	}
	if (wake_ms != UINT64_MAX)
		uv_timer_start(&w->timer, on_timer, wake_ms - now_ms, 0);
}

int webhook_send(struct webhook *w, const struct webhook_message *m)
{
	struct message *fresh = NULL;
	struct buf body;
	int r = 0;
	buf_init(&body, WEBHOOK_MAX_BODY_BYTES);
	if (w->stopping || w->stats.pending >= w->max_pending)
		r = -ENOSPC;
	if (r == 0)
		r = fill(w->template_, m, &body, NULL);
	if (r == 0 && !(fresh = calloc(1, sizeof(*fresh))))
		r = -ENOMEM;
	if (r < 0) {
		w->stats.dropped++;
		buf_done(&body);
		return r;
	}
	fresh->w = w;
	fresh->number = ++w->number;
	text_copy(fresh->event, sizeof(fresh->event), m->event ? m->event : "");
	fresh->body = buf_take(&body, &fresh->body_len);
	DL_APPEND(w->messages, fresh);
	w->stats.pending++;
	send_due(w);
	return 0;
}

// --- opening and closing -------------------------------------------------------------------

static int check(const struct webhook_options *o, const char *template_, struct why *why)
{
	static const struct webhook_message empty = {0};
	autobuf tried;
	buf_init(&tried, WEBHOOK_MAX_BODY_BYTES);
	if (strncmp(o->url, "https://", 8) != 0 && strncmp(o->url, "http://", 7) != 0)
		return why_set(why, -EINVAL, WHY_DENIED, "webhook: the URL is not http(s)");
	if (strlen(template_) > WEBHOOK_MAX_TEMPLATE_BYTES)
		return why_set(why, -EINVAL, WHY_DENIED, "webhook: the template is over %d bytes",
			WEBHOOK_MAX_TEMPLATE_BYTES);
	return fill(template_, &empty, &tried, why);
}

int webhook_new(
	struct webhook **ret, uv_loop_t *loop, const struct webhook_options *o, struct why *why)
{
	const char *template_ = o->template_ ? o->template_ : WEBHOOK_TEMPLATE;
	int r = check(o, template_, why);
	if (r < 0)
		return r;
	struct webhook *w = calloc(1, sizeof(*w));
	if (!w)
		return why_set(why, -ENOMEM, WHY_RETRY, "webhook: no memory");
	const struct http_client_options client = {
		.ca_file = o->ca_file, .max_connections = MAX_IN_FLIGHT};
	w->url = strdup(o->url);
	w->template_ = strdup(template_);
	w->secret = o->secret ? strdup(o->secret) : NULL;
	r = w->url && w->template_ && (w->secret || !o->secret) ? 0 : -ENOMEM;
	if (r == 0)
		r = http_client_new(&w->client, loop, &client);
	if (r < 0) {
		free(w->url);
		free(w->template_);
		free(w->secret);
		free(w);
		return why_set(why, r, WHY_RETRY, "webhook: %s", strerror(-r));
	}
	w->loop = loop;
	w->max_pending = o->max_pending ? o->max_pending : 1024;
	w->retry_ms = o->retry_ms ? o->retry_ms : 1000;
	w->wall_ms = o->wall_ms;
	rng_init(&w->rng, o->seed);
	uv_timer_init(loop, &w->timer);
	w->timer.data = w;
	*ret = w;
	return 0;
}

void webhook_stats(const struct webhook *w, struct webhook_stats *ret)
{
	*ret = w->stats;
}

static void on_client_stopped(void *arg)
{
	struct webhook *w = arg;
	while (w->messages) {
		w->stats.dropped++;
		forget(w->messages);
	}
	uv_close((uv_handle_t *)&w->timer, closed);
}

void webhook_stop(struct webhook *w, void (*on_stopped)(void *arg), void *arg)
{
	w->stopping = true;
	w->on_stopped = on_stopped;
	w->on_stopped_arg = arg;
	http_client_stop(w->client, on_client_stopped, w); // ends what is in flight
}
