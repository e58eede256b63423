// SPDX-License-Identifier: Apache-2.0
// A call is either due at some time (now, after a retry's pause, when the rate allows), parked
// until there are credentials, or sent. One timer serves all that is due.
#include "aggregator/cloud/aws/client.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "aggregator/cloud/aws/client_impl.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"

// Sent at once per service: few enough that none waits for a connection with its deadline running,
// and that a service which hangs keeps no other waiting.
enum { SKEW_MS = 240000, MAX_BODY_BYTES = 1 << 20, MAX_SENT = 24 };

static void pending_free(struct pending *p)
{
	free(p->operation);
	free(p->path);
	free(p->query);
	free(p->endpoint);
	buf_done(&p->body);
	credentials_unref(p->used);
	free(p);
}

static void finish(struct pending *p, int r, const struct why *why, const struct aws_answer *a)
{
	static const struct aws_answer none = {.body = "", .code = "", .message = ""};
	struct aws_client *c = p->client;
	DL_DELETE(c->calls, p);
	c->n_calls--;
	c->stats.failed += r < 0;
	p->on_done(p->arg, r, why, a ? a : &none);
	pending_free(p);
}

static void fail(struct pending *p, int r)
{
	struct why why;
	why_set(&why, r, WHY_RETRY, "%s: %s", p->operation, strerror(-r));
	finish(p, r, &why, NULL);
}

static void on_timer(uv_timer_t *t);

static bool may_send(const struct pending *p)
{
	return p->state == CALL_DUE && p->client->n_sent[p->service] < MAX_SENT;
}

static void wake(struct aws_client *c)
{
	uint64_t due = UINT64_MAX, now = c->mono_ns();
	struct pending *p;
	DL_FOREACH (c->calls, p)
		if (may_send(p) && p->due_ns < due)
			due = p->due_ns;
	if (due != UINT64_MAX && !c->stopping)
		uv_timer_start(
			&c->timer, on_timer, due > now ? (due - now + 999999) / 1000000 : 0, 0);
}

static void send_later(struct pending *p, uint64_t ms)
{
	p->state = CALL_DUE;
	p->due_ns = p->client->mono_ns() + ms * 1000000;
}

static void on_http(void *arg, const struct http_answer *a);

static void send_now(struct pending *p)
{
	struct aws_client *c = p->client;
	struct credentials *set = NULL;
	if (!p->is_unsigned) {
		set = credential_chain_take(c->chain);
		if (!set) {
			p->state = CALL_PARKED;
			return;
		}
	}
	double wait = retry_rate_wait_s(&c->rate[p->service], (double)c->mono_ns() / 1e9);
	if (wait > 0) {
		credentials_unref(set);
		send_later(p, (uint64_t)(wait * 1000) + 1);
		return;
	}
	credentials_unref(p->used);
	p->used = set;
	p->state = CALL_SENT;
	p->retry.attempts++;
	c->stats.attempts++;
	int r = pending_start(p, on_http);
	c->n_sent[p->service] += r == 0;
	if (r < 0)
		fail(p, r);
}

static struct pending *next_due(struct aws_client *c, uint64_t now)
{
	struct pending *p;
	DL_FOREACH (c->calls, p)
		if (may_send(p) && p->due_ns <= now)
			return p;
	return NULL;
}

static void on_timer(uv_timer_t *t)
{
	struct aws_client *c = t->data;
	uint64_t now = c->mono_ns();
	struct pending *p;
	while (!c->stopping && (p = next_due(c, now))) {
		if (p->refused)
			fail(p, -EBUSY);
		else
			send_now(p);
	}
	wake(c);
}

static void on_credentials(void *arg, int r, const struct why *why)
{
	struct aws_client *c = arg;
	struct pending *p, *next;
	DL_FOREACH_SAFE(c->calls, p, next)
	{
		if (p->state != CALL_PARKED)
			continue;
		if (r == 0) {
			send_later(p, 0);
			continue;
		}
		finish(p, r, why, NULL);
		next = c->calls; // on_done may have changed the list
	}
	wake(c);
}

// True if AWS's clock is far from what we signed with: it is taken over, and the call is sent
// again.
static bool mend_clock(struct pending *p, const struct http_answer *a, const char *code)
{
	struct aws_client *c = p->client;
	int64_t theirs, ours = c->wall_ms();
	const char *date = http_answer_header(a, "Date");
	if (p->skew_tried || !protocol_is_skew(code) || !date ||
		clock_parse_http(date, &theirs) < 0)
		return false;
	int64_t off = theirs - (ours + c->stats.clock_skew_ms);
	if (off > -SKEW_MS && off < SKEW_MS)
		return false;
	p->skew_tried = true;
	c->stats.clock_skew_ms = theirs - ours;
	credential_chain_skew(c->chain, theirs - ours);
	return true;
}

struct verdict {
	int r;
	struct why why;
	enum retry_kind kind;
	bool maybe_done;
	struct protocol_error error;
};

static void judge_transport(const struct pending *p, const struct http_answer *a, struct verdict *v)
{
	bool unsent = a->error == -ECONNREFUSED || a->error == -EHOSTUNREACH;
	v->kind = a->error == -ETIMEDOUT ? RETRY_TIMEOUT : RETRY_TRANSIENT;
	if (a->error == -EMSGSIZE || a->error == -ECANCELED)
		v->kind = RETRY_NO;
	v->maybe_done = !unsent;
	v->r = why_set(&v->why, a->error, WHY_RETRY, "%s %s: %s after %llu ms",
		service_of(p->service)->name, p->operation, a->error_text,
		(unsigned long long)a->took_ms);
}

static void judge_status(const struct pending *p, const struct http_answer *a, struct verdict *v)
{
	const struct service *s = service_of(p->service);
	struct protocol_answer answer = {.status = a->status,
		.body = a->body,
		.body_len = a->body_len,
		.error_type = http_answer_header(a, "x-amzn-errortype"),
		.query_error = http_answer_header(a, "x-amzn-query-error")};
	enum why_class class;
	if (a->status < 200 || a->status > 299)
		protocol_error_read(s->protocol, &answer, &v->error);
	v->r = protocol_classify(a->status, v->error.code, &class);
	if (v->r == 0)
		return;
	why_set(&v->why, v->r, class, "%s %s: %d %s %.100s", s->name, p->operation, a->status,
		v->error.code, v->error.message);
	if (class == WHY_THROTTLED)
		v->kind = RETRY_THROTTLED;
	else if (v->r == -EIO || (v->r == -EBUSY && a->status >= 500))
		v->kind = RETRY_TRANSIENT;
	else if (protocol_is_expired(v->error.code))
		v->kind = RETRY_TRANSIENT;
	v->maybe_done = a->status >= 500 && v->kind == RETRY_TRANSIENT;
}

static bool send_again(struct pending *p, const struct http_answer *a, struct verdict *v)
{
	struct aws_client *c = p->client;
	if (c->stopping)
		return false;
	if (mend_clock(p, a, v->error.code)) {
		send_later(p, 0);
		return true;
	}
	bool expired = protocol_is_expired(v->error.code);
	if (expired && p->used)
		credential_chain_expired(c->chain, p->used);
	uint32_t delay_ms;
	p->retry.kind = p->once && v->maybe_done ? RETRY_NO : v->kind;
	if (!retry_again(&c->quota[p->service], &p->retry, &c->rng, &delay_ms))
		return false;
	send_later(p, expired && delay_ms < 500 ? 500 : delay_ms);
	return true;
}

static void on_http(void *arg, const struct http_answer *a)
{
	struct pending *p = arg;
	struct aws_client *c = p->client;
	struct verdict v = {0};
	p->http = NULL;
	c->n_sent[p->service]--;
	if (a->error < 0)
		judge_transport(p, a, &v);
	else
		judge_status(p, a, &v);
	c->stats.throttled += v.kind == RETRY_THROTTLED;
	if (!c->stopping)
		retry_rate_answer(&c->rate[p->service], v.kind == RETRY_THROTTLED,
			(double)c->mono_ns() / 1e9);
	if (v.r == 0)
		retry_success(&c->quota[p->service], p->retry.paid);
	if (v.r < 0 && send_again(p, a, &v)) {
		wake(c);
		return;
	}
	struct aws_answer answer = {.status = a->status,
		.body = a->body,
		.body_len = a->body_len,
		.code = v.error.code,
		.message = v.error.message,
		.maybe_done = v.maybe_done};
	finish(p, v.r, v.r < 0 ? &v.why : NULL, &answer);
	wake(c);
}

static char *copy(const char *text, const char *otherwise)
{
	return strdup(text && *text ? text : otherwise);
}

static void copy_body(struct pending *p, const struct aws_call *call)
{
	enum protocol protocol = service_of(call->service)->protocol;
	buf_init(&p->body, MAX_BODY_BYTES);
	if (protocol == PROTOCOL_QUERY || protocol == PROTOCOL_EC2)
		protocol_form(call, &p->body);
	else if (call->json)
		buf_text(&p->body, call->json);
}

// There must be an on_done, so the little that it takes must be there: the one place that aborts.
void aws_call(struct aws_client *c, const struct aws_call *call)
{
	struct pending *p = calloc(1, sizeof(*p));
	assert(p);
	p->client = c;
	p->service = call->service;
	p->operation = copy(call->operation, "");
	p->path = copy(call->path, "/");
	p->query = copy(call->query, "");
	p->endpoint = call->endpoint ? strdup(call->endpoint) : NULL;
	assert(p->operation && p->path && p->query);
	copy_body(p, call);
	p->once = call->once;
	p->is_unsigned = call->unsigned_call;
	p->hold_ms = call->hold_ms;
	p->on_done = call->on_done;
	p->arg = call->arg;
	p->refused = c->n_calls >= AWS_MAX_CALLS || buf_failed(&p->body) || c->stopping;
	p->due_ns = 0;
	c->n_calls++;
	c->stats.calls++;
	DL_APPEND(c->calls, p);
	if (!c->stopping)
		uv_timer_start(&c->timer, on_timer, 0, 0);
}

const char *aws_client_region(const struct aws_client *c)
{
	return c->region;
}

void aws_client_stats(const struct aws_client *c, struct aws_stats *ret)
{
	struct credential_stats s;
	credential_chain_stats(c->chain, &s);
	*ret = c->stats;
	ret->credential_refreshes = s.refreshes;
	ret->credential_failures = s.failures;
	ret->credentials_expire_ms = credential_chain_expires_ms(c->chain);
}

static int find_endpoints(struct aws_client *c, const struct aws_client_options *o, struct why *why)
{
	for (int i = 0; i < AWS_SERVICE_COUNT; i++) {
		struct endpoint_ask ask = {(enum aws_service)i, c->region, o->endpoint_url, o->env};
		autobuf url;
		buf_init(&url, 1024);
		if (endpoint_find(&ask, &url) < 0)
			return why_set(why, -EINVAL, WHY_DENIED,
				"the endpoint of %s is not http(s)://host[:port]",
				service_of(ask.service)->name);
		struct endpoint_ask own = {(enum aws_service)i, c->region, NULL, NULL};
		autobuf usual;
		buf_init(&usual, 1024);
		endpoint_find(&own, &usual);
		c->given[i] = strcmp(url.data, usual.data ? usual.data : "") != 0;
		c->endpoints[i] = buf_take(&url, NULL);
	}
	return 0;
}

static int make_parts(struct aws_client *c, uv_loop_t *loop, const struct aws_client_options *o)
{
	struct http_client_options http = {.ca_file = environment_get(&c->env, "AWS_CA_BUNDLE"),
		.max_connections = MAX_SENT * AWS_SERVICE_COUNT + 4};
	int r = http_client_new(&c->http, loop, &http);
	if (r < 0)
		return r;
	struct credential_options chain = {.http = c->http,
		.region = c->region,
		.sts_endpoint = c->endpoints[AWS_STS],
		.role_arn = o->role_arn,
		.external_id = o->external_id,
		.env = c->env,
		.wall_ms = o->wall_ms,
		.seed = o->seed,
		.on_change = on_credentials,
		.arg = c};
	return credential_chain_new(&c->chain, loop, &chain);
}

static void client_free(struct aws_client *c)
{
	for (int i = 0; i < AWS_SERVICE_COUNT; i++) {
		free(c->endpoints[i]);
		sign_cache_done(&c->keys[i]);
	}
	free(c->region);
	free(c);
}

static bool is_region(const char *text)
{
	size_t n = text ? strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") : 0;
	return n > 0 && n < 32 && text[n] == '\0';
}

static struct aws_client *client_alloc(const struct aws_client_options *o)
{
	struct aws_client *c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->env.get = o->env;
	c->wall_ms = o->wall_ms;
	c->mono_ns = o->mono_ns;
	rng_init(&c->rng, o->seed);
	for (int i = 0; i < AWS_SERVICE_COUNT; i++) {
		retry_quota_init(&c->quota[i]);
		retry_rate_init(&c->rate[i], (double)o->mono_ns() / 1e9);
	}
	return c;
}

static void on_part_stopped(void *arg)
{
	struct aws_client *c = arg;
	if (--c->closing > 0)
		return;
	void (*on_stopped)(void *) = c->on_stopped;
	void *stopped_arg = c->stopped_arg;
	client_free(c);
	if (on_stopped)
		on_stopped(stopped_arg);
}

static void on_timer_closed(uv_handle_t *h)
{
	on_part_stopped(h->data);
}

int aws_client_new(struct aws_client **ret, uv_loop_t *loop, const struct aws_client_options *o,
	struct why *why)
{
	struct aws_client *c = client_alloc(o);
	if (!c)
		return why_set(why, -ENOMEM, WHY_RETRY, "out of memory");
	const char *region = o->region ? o->region : environment_get(&c->env, "AWS_REGION");
	if (!region)
		region = environment_get(&c->env, "AWS_DEFAULT_REGION");
	int r = is_region(region) ? 0 : why_set(why, -EINVAL, WHY_DENIED, "no AWS region is set");
	c->region = r == 0 ? strdup(region) : NULL;
	if (r == 0)
		r = find_endpoints(c, o, why);
	if (r < 0) {
		client_free(c);
		return r;
	}
	uv_timer_init(loop, &c->timer);
	c->timer.data = c;
	r = make_parts(c, loop, o);
	if (r < 0) {
		aws_client_stop(c, NULL, NULL);
		return why_set(why, r, WHY_RETRY, "AWS client: %s", strerror(-r));
	}
	*ret = c;
	return 0;
}

void aws_client_stop(struct aws_client *c, void (*on_stopped)(void *arg), void *arg)
{
	c->stopping = true;
	c->on_stopped = on_stopped;
	c->stopped_arg = arg;
	while (c->calls) {
		if (c->calls->http)
			http_call_cancel(c->calls->http);
		else
			fail(c->calls, -ECANCELED);
	}
	c->closing = 1 + (c->chain != NULL) + (c->http != NULL);
	struct http_client *http = c->http;
	if (c->chain)
		credential_chain_stop(c->chain, on_part_stopped, c);
	if (http)
		http_client_stop(http, on_part_stopped, c);
	uv_close((uv_handle_t *)&c->timer, on_timer_closed);
}
