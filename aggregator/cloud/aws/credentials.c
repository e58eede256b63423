// SPDX-License-Identifier: Apache-2.0
// A fetch walks through steps, each one request: the source's, then AssumeRole. Only the last
// step's set becomes the current one.
#include "aggregator/cloud/aws/credentials.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/cloud/aws/protocol.h"
#include "aggregator/cloud/aws/sign.h"
#include "proto/base/rng.h"
#include "proto/base/text.h"

enum step {
	STEP_IDLE,
	STEP_WEB,
	STEP_CONTAINER,
	STEP_IMDS_TOKEN,
	STEP_IMDS_ROLE,
	STEP_IMDS_KEYS,
	STEP_ASSUME
};
enum {
	TRIES_BEFORE_TOLD = 3,
	STEP_DEADLINE_MS = 5000,
	IMDS_DEADLINE_MS = 2000,
	BODY_MAX_BYTES = 64 << 10
};

struct credential_chain {
	uv_timer_t timer;
	struct http_client *http;
	struct http_call *call;
	char *region, *sts_endpoint, *role_arn, *external_id;
	struct environment env;
	int64_t (*wall_ms)(void);
	int64_t skew_ms;
	struct rng rng;
	enum step step;
	struct credentials *current, *base; // base: before the AssumeRole hop
	struct buf imds_token;
	char imds_role[128];
	unsigned failures; // in a row
	struct credential_stats stats;
	void (*on_change)(void *arg, int r, const struct why *why);
	void *arg;
	bool stopping;
	void (*on_stopped)(void *arg);
	void *stopped_arg;
};

uint64_t credential_refresh_in_ms(int64_t now_ms, int64_t expires_ms, double unit)
{
	int64_t life = expires_ms - now_ms;
	if (life <= 0)
		return 30000 + (uint64_t)(30000 * unit);
	int64_t margin = life * 15 / 100 > 300000 ? life * 15 / 100 : 300000;
	margin = (int64_t)((double)margin * (0.9 + 0.2 * unit));
	if (margin > life / 2)
		margin = life / 2;
	return life - margin < 1000 ? 1000 : (uint64_t)(life - margin);
}

static void on_timer(uv_timer_t *t);

static void wake_in(struct credential_chain *c, uint64_t ms)
{
	uv_timer_start(&c->timer, on_timer, ms, 0);
}

static void fetch_done(struct credential_chain *c, struct credentials *set)
{
	credentials_unref(c->base);
	credentials_unref(c->current);
	c->base = NULL;
	c->current = set;
	c->step = STEP_IDLE;
	c->failures = 0;
	c->stats.refreshes++;
	if (set->expires_ms)
		wake_in(c,
			credential_refresh_in_ms(c->wall_ms(), set->expires_ms, rng_unit(&c->rng)));
	c->on_change(c->arg, 0, NULL);
}

// Full jitter, at most 5 s while somebody waits for a first set, at most 60 s while an old one
// serves.
static void fetch_failed(struct credential_chain *c, int r, const struct why *why)
{
	credentials_unref(c->base);
	c->base = NULL;
	c->step = STEP_IDLE;
	c->stats.failures++;
	unsigned shift = c->failures < 6 ? c->failures : 6;
	double ceiling = 1000.0 * (1u << shift), most = c->current ? 60000 : 5000;
	c->failures++;
	wake_in(c, 100 + (uint64_t)(rng_unit(&c->rng) * (ceiling < most ? ceiling : most)));
	bool hopeless = why->class == WHY_DENIED || why->class == WHY_BUG;
	if (!c->current && (hopeless || c->failures >= TRIES_BEFORE_TOLD))
		c->on_change(c->arg, r, why);
}

static void on_answer(void *arg, const struct http_answer *a);

static int send_request(struct credential_chain *c, enum step step, struct http_call_options *o)
{
	o->connect_ms = 1000;
	o->deadline_ms = step >= STEP_IMDS_TOKEN && step <= STEP_IMDS_KEYS ? IMDS_DEADLINE_MS
									   : STEP_DEADLINE_MS;
	o->max_body_bytes = BODY_MAX_BYTES;
	o->on_done = on_answer;
	o->arg = c;
	c->step = step;
	return http_call_start(&c->call, c->http, o);
}

static int send_form(struct credential_chain *c, enum step step, const struct buf *form,
	const struct http_header *headers, size_t n_headers)
{
	autobuf url;
	buf_init(&url, 1024);
	buf_printf(&url, "%s/", c->sts_endpoint);
	if (buf_failed(&url) || buf_failed(form))
		return -E2BIG;
	struct http_call_options o = {.method = "POST",
		.url = url.data,
		.headers = headers,
		.n_headers = n_headers,
		.body = form->data,
		.body_len = form->len};
	return send_request(c, step, &o);
}

static const char *session_name(const struct credential_chain *c)
{
	const char *name = environment_get(&c->env, "AWS_ROLE_SESSION_NAME");
	return name ? name : "petrel";
}

static void make_form(struct buf *form, const char *operation, const struct aws_param *p, size_t n)
{
	struct aws_call call = {
		.service = AWS_STS, .operation = operation, .params = p, .n_params = n};
	protocol_form(&call, form);
}

static const char FORM_TYPE[] = "application/x-www-form-urlencoded; charset=utf-8";

static int start_web(struct credential_chain *c, struct why *why)
{
	autobuf token, form;
	buf_init(&token, 64 << 10);
	buf_init(&form, 256 << 10);
	int r = credential_read_file(
		environment_get(&c->env, "AWS_WEB_IDENTITY_TOKEN_FILE"), &token, why);
	if (r < 0)
		return r;
	struct aws_param p[] = {{"RoleArn", environment_get(&c->env, "AWS_ROLE_ARN")},
		{"RoleSessionName", session_name(c)}, {"WebIdentityToken", token.data}};
	make_form(&form, "AssumeRoleWithWebIdentity", p, 3);
	struct http_header type = {"Content-Type", FORM_TYPE};
	r = send_form(c, STEP_WEB, &form, &type, 1);
	return r < 0 ? why_set(why, r, WHY_RETRY, "web identity: %s", strerror(-r)) : 0;
}

static int start_container(struct credential_chain *c, struct why *why)
{
	autobuf url, token;
	buf_init(&url, 2048);
	buf_init(&token, 64 << 10);
	int r = credential_container_url(&c->env, &url, why);
	const char *file = environment_get(&c->env, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	const char *text = environment_get(&c->env, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
	if (r == 0 && file)
		r = credential_read_file(file, &token, why);
	else if (r == 0 && text)
		r = buf_text(&token, text);
	if (r < 0)
		return r;
	struct http_header header = {"Authorization", token.data};
	struct http_call_options o = {
		.url = url.data, .headers = &header, .n_headers = token.len > 0};
	r = send_request(c, STEP_CONTAINER, &o);
	return r < 0 ? why_set(why, r, WHY_RETRY, "container credentials: %s", strerror(-r)) : 0;
}

static int send_imds(struct credential_chain *c, enum step step, const char *path)
{
	const char *endpoint = environment_get(&c->env, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
	const char *mode = environment_get(&c->env, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
	if (!endpoint)
		endpoint = mode && strcasecmp(mode, "ipv6") == 0 ? "http://[fd00:ec2::254]"
								 : "http://169.254.169.254";
	autobuf url;
	buf_init(&url, 2048);
	size_t n = strlen(endpoint);
	buf_append(&url, endpoint, n - (n > 0 && endpoint[n - 1] == '/'));
	buf_printf(&url, "/latest/%s", path);
	struct http_header header = {"X-aws-ec2-metadata-token-ttl-seconds", "21600"};
	if (step != STEP_IMDS_TOKEN)
		header = (struct http_header){"X-aws-ec2-metadata-token", c->imds_token.data};
	struct http_call_options o = {.method = step == STEP_IMDS_TOKEN ? "PUT" : "GET",
		.url = url.data,
		.headers = &header,
		.n_headers = 1};
	return buf_failed(&url) ? -E2BIG : send_request(c, step, &o);
}

static int send_assume(struct credential_chain *c)
{
	struct aws_param p[3] = {{"RoleArn", c->role_arn}, {"RoleSessionName", session_name(c)},
		{"ExternalId", c->external_id}};
	autobuf form, host, authorization;
	buf_init(&form, 64 << 10);
	buf_init(&host, 512);
	buf_init(&authorization, 4096);
	make_form(&form, "AssumeRole", p, c->external_id ? 3 : 2);
	endpoint_host(c->sts_endpoint, &host);
	struct sign_scope scope = {c->region, "sts", c->wall_ms() + c->skew_ms};
	char date[SIGN_DATE_BYTES];
	sign_time(scope.now_ms, date);
	struct http_header headers[5] = {{"Host", host.data}, {"Content-Type", FORM_TYPE},
		{"X-Amz-Date", date}, {"X-Amz-Security-Token", c->base->session_token}};
	size_t n = *c->base->session_token ? 4 : 3;
	struct sign_who who = {c->base->access_key_id, c->base->secret_access_key, NULL};
	struct sign_request r = {.method = "POST",
		.path = "/",
		.query = "",
		.headers = headers,
		.n_headers = n,
		.body = form.data,
		.body_len = form.len};
	int e = sign_header(NULL, &who, &scope, &r, &authorization);
	if (e < 0)
		return e;
	headers[n++] = (struct http_header){"Authorization", authorization.data};
	return send_form(c, STEP_ASSUME, &form, headers, n);
}

// Takes set.
static void base_found(struct credential_chain *c, struct credentials *set)
{
	if (!c->role_arn) {
		fetch_done(c, set);
		return;
	}
	struct why why;
	credentials_unref(c->base);
	c->base = set;
	int r = send_assume(c);
	if (r < 0) {
		why_set(&why, r, WHY_RETRY, "AssumeRole: %s", strerror(-r));
		fetch_failed(c, r, &why);
	}
}

static int start_source(struct credential_chain *c, struct why *why)
{
	struct credentials *set;
	int r;
	switch (credential_source_pick(&c->env)) {
	case CREDENTIAL_ENV:
		r = credentials_from_env(&c->env, &set, why);
		if (r == 0)
			base_found(c, set);
		return r;
	case CREDENTIAL_WEB: return start_web(c, why);
	case CREDENTIAL_CONTAINER: return start_container(c, why);
	case CREDENTIAL_IMDS:
		r = send_imds(c, STEP_IMDS_TOKEN, "api/token");
		return r < 0 ? why_set(why, r, WHY_RETRY, "imds: %s", strerror(-r)) : 0;
	default:
		return why_set(why, -EACCES, WHY_DENIED,
			"no AWS credentials: no keys, no token file, and the metadata service is "
			"switched off");
	}
}

static void on_timer(uv_timer_t *t)
{
	struct credential_chain *c = t->data;
	struct why why = {0};
	if (c->step != STEP_IDLE || c->stopping)
		return;
	int r = start_source(c, &why);
	if (r < 0)
		fetch_failed(c, r, &why);
}

static const char *step_name(enum step s)
{
	static const char *const names[] = {"", "AssumeRoleWithWebIdentity",
		"container credentials", "imds token", "imds role", "imds keys", "AssumeRole"};
	return names[s];
}

// What STS, the container's agent or IMDS says instead of keys.
static int refused(struct credential_chain *c, const struct http_answer *a, struct why *why)
{
	const char *what = step_name(c->step);
	if (a->error < 0)
		return why_set(why, a->error, WHY_RETRY, "%s: %s", what, a->error_text);
	struct protocol_answer answer = {
		.status = a->status, .body = a->body, .body_len = a->body_len};
	struct protocol_error e = {0};
	enum why_class class;
	bool sts = c->step == STEP_WEB || c->step == STEP_ASSUME;
	if (sts)
		protocol_error_read(PROTOCOL_QUERY, &answer, &e);
	int r = protocol_classify(a->status, e.code, &class);
	// A token that the kubelet is about to renew, keys that IMDS is about to have: asked again.
	if (class == WHY_GONE || class == WHY_BUG || protocol_is_expired(e.code))
		class = WHY_RETRY;
	if (!sts)
		return why_set(why, r, class, "%s: %d", what, a->status);
	// AccessDenied does not say which side refuses, so both are named: "User: ARN is not …".
	bool named = strncmp(e.message, "User: ", 6) == 0;
	return why_set(why, r, class, "%s of %.70s%s%.*s: %d %s %.60s", what,
		c->step == STEP_ASSUME ? c->role_arn : environment_get(&c->env, "AWS_ROLE_ARN"),
		named ? " by " : "", named ? (int)strcspn(e.message + 6, " ") : 0, e.message + 6,
		a->status, e.code, named ? "" : e.message);
}

static int read_role(struct credential_chain *c, const struct http_answer *a, struct why *why)
{
	size_t n = strcspn(a->body, "\r\n");
	if (n == 0 || n >= sizeof(c->imds_role) || !text_is_name(a->body, n, n))
		return why_set(why, -EBADMSG, WHY_RETRY, "imds: the instance has no role");
	memcpy(c->imds_role, a->body, n);
	c->imds_role[n] = '\0';
	char path[256];
	snprintf(path, sizeof(path), "meta-data/iam/security-credentials/%s", c->imds_role);
	return send_imds(c, STEP_IMDS_KEYS, path);
}

static int read_token(struct credential_chain *c, const struct http_answer *a, struct why *why)
{
	buf_reset(&c->imds_token);
	buf_append(&c->imds_token, a->body, a->body_len);
	if (a->body_len == 0 || buf_failed(&c->imds_token) || !text_is_utf8(a->body, a->body_len) ||
		strpbrk(a->body, "\r\n"))
		return why_set(why, -EBADMSG, WHY_RETRY, "imds: the token is none");
	return send_imds(c, STEP_IMDS_ROLE, "meta-data/iam/security-credentials/");
}

static int read_keys(struct credential_chain *c, const struct http_answer *a, struct why *why)
{
	struct credential_body b = {.data = a->body, .len = a->body_len};
	struct credentials *set = NULL;
	bool xml = c->step == STEP_WEB || c->step == STEP_ASSUME;
	b.source = c->step == STEP_WEB         ? "web-identity"
		   : c->step == STEP_ASSUME    ? "assumed-role"
		   : c->step == STEP_CONTAINER ? "container"
					       : "imds";
	int r = xml ? credentials_from_xml(&b, &set, why) : credentials_from_json(&b, &set, why);
	if (r < 0)
		return r;
	if (c->step == STEP_ASSUME)
		fetch_done(c, set);
	else
		base_found(c, set);
	return 0;
}

static void on_answer(void *arg, const struct http_answer *a)
{
	struct credential_chain *c = arg;
	struct why why = {.class = WHY_RETRY};
	int r;
	c->call = NULL;
	if (c->stopping)
		return;
	if (a->error < 0 || a->status != 200)
		r = refused(c, a, &why);
	else if (c->step == STEP_IMDS_TOKEN)
		r = read_token(c, a, &why);
	else if (c->step == STEP_IMDS_ROLE)
		r = read_role(c, a, &why);
	else
		r = read_keys(c, a, &why);
	if (r < 0)
		fetch_failed(c, r, &why);
}

static char *copy(const char *text)
{
	return text && *text ? strdup(text) : NULL;
}

static void chain_free(struct credential_chain *c)
{
	credentials_unref(c->current);
	credentials_unref(c->base);
	if (c->imds_token.data)
		OPENSSL_cleanse(c->imds_token.data, c->imds_token.cap);
	buf_done(&c->imds_token);
	free(c->region);
	free(c->sts_endpoint);
	free(c->role_arn);
	free(c->external_id);
	free(c);
}

int credential_chain_new(
	struct credential_chain **ret, uv_loop_t *loop, const struct credential_options *o)
{
	struct credential_chain *c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->http = o->http;
	c->env = o->env;
	c->wall_ms = o->wall_ms;
	c->on_change = o->on_change;
	c->arg = o->arg;
	rng_init(&c->rng, o->seed);
	buf_init(&c->imds_token, 4096);
	c->region = copy(o->region);
	c->sts_endpoint = copy(o->sts_endpoint);
	c->role_arn = copy(o->role_arn);
	c->external_id = copy(o->external_id);
	if (!c->region || !c->sts_endpoint) {
		chain_free(c);
		return -ENOMEM;
	}
	uv_timer_init(loop, &c->timer);
	c->timer.data = c;
	*ret = c;
	return 0;
}

struct credentials *credential_chain_take(struct credential_chain *c)
{
	if (c->current)
		return credentials_ref(c->current);
	if (c->step == STEP_IDLE && !uv_is_active((uv_handle_t *)&c->timer) && !c->stopping)
		wake_in(c, 0);
	return NULL;
}

void credential_chain_expired(struct credential_chain *c, const struct credentials *set)
{
	bool soon =
		uv_is_active((uv_handle_t *)&c->timer) && uv_timer_get_due_in(&c->timer) <= 1000;
	if (set == c->current && c->step == STEP_IDLE && !soon && !c->stopping)
		wake_in(c, c->failures ? 1000 : 0);
}

void credential_chain_skew(struct credential_chain *c, int64_t skew_ms)
{
	c->skew_ms = skew_ms;
}

void credential_chain_stats(const struct credential_chain *c, struct credential_stats *ret)
{
	*ret = c->stats;
}

int64_t credential_chain_expires_ms(const struct credential_chain *c)
{
	return c->current ? c->current->expires_ms : 0;
}

static void on_closed(uv_handle_t *h)
{
	struct credential_chain *c = h->data;
	void (*on_stopped)(void *) = c->on_stopped;
	void *arg = c->stopped_arg;
	chain_free(c);
	if (on_stopped)
		on_stopped(arg);
}

void credential_chain_stop(struct credential_chain *c, void (*on_stopped)(void *arg), void *arg)
{
	c->stopping = true;
	c->on_stopped = on_stopped;
	c->stopped_arg = arg;
	if (c->call)
		http_call_cancel(c->call);
	uv_close((uv_handle_t *)&c->timer, on_closed);
}
