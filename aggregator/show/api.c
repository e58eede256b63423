// SPDX-License-Identifier: Apache-2.0
// The table of paths, and what every answer has in common. A path is a line in the table; its
// writer is in api_<subject>.c.
#include "aggregator/show/api.h"

#include "aggregator/show/openapi.h"
#include "proto/base/prom.h"
#include "proto/base/text.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char json_type[] = "application/json; charset=utf-8";

void put_known(struct json *j, const char *key, int64_t value)
{
	json_key(j, key);
	if (value < 0)
		json_null(j);
	else
		json_i64(j, value);
}

// Seven digits are more than anything here is known to, and this is ten times quicker than the
// shortest text that reads back equal.
void element_number(struct json *j, double value)
{
	char text[40];
	if (!isfinite(value)) {
		json_null(j);
		return;
	}
	bool whole = value == floor(value) && fabs(value) < 1e15;
	int len = snprintf(text, sizeof(text), whole ? "%.0f" : "%.7g", value);
	json_raw(j, text, (size_t)len);
}

void put_number(struct json *j, const char *key, double value)
{
	json_key(j, key);
	element_number(j, value);
}

void put_name(struct json *j, const char *key, const char *name)
{
	json_put_text(j, key, name[0] ? name : NULL);
}

void items_open(struct json *j)
{
	json_open(j, '{');
	json_key(j, "items");
	json_open(j, '[');
}

void items_close(struct json *j, int64_t now_ms)
{
	json_close(j, ']');
	json_put_i64(j, "now_ms", now_ms);
	json_close(j, '}');
}

int not_found(struct problem *p, const char *what, const char *name)
{
	return problem_set(p, 404, "not-found", "there is no %s '%.100s'", what, name);
}

int call_cluster(struct api_call *a, const char **ret)
{
	*ret = NULL;
	if (!query_has(&a->query, PARAM_CLUSTER))
		return 0;
	if (!fleet_find_cluster(a->core->sources.fleet, a->query.cluster)) {
		not_found(a->problem, "cluster", a->query.cluster);
		problem_hint(a->problem, "GET /api/v1/clusters lists them");
		return -EINVAL;
	}
	*ret = a->query.cluster;
	return 0;
}

bool call_wants_cluster(const struct api_call *a, const char *cluster)
{
	return !query_has(&a->query, PARAM_CLUSTER) || strcmp(a->query.cluster, cluster) == 0;
}

static const struct route {
	const char *path; // "{c}" and "{n}" stand for one segment each
	uint32_t allowed, needed;
	int (*write)(struct api_call *a);
} routes[] = {
	{"/api/v1/status", PARAM(CLUSTER), 0, api_status},
	{"/api/v1/clusters", 0, 0, api_clusters},
	{"/api/v1/groups", PARAM(CLUSTER), 0, api_groups},
	{"/api/v1/nodes", PARAM(CLUSTER) | PARAM(GROUP), 0, api_nodes},
	{"/api/v1/nodes/{c}/{n}", 0, 0, api_node},
	{"/api/v1/pods", PARAM(CLUSTER) | PARAM(NODE) | PARAM(LIMIT), 0, api_pods},
	{"/api/v1/series",
		PARAM(CLUSTER) | PARAM(KIND) | PARAM(NAME) | PARAM(METRIC) | PARAM(FROM) |
			PARAM(TO) | PARAM(STEP),
		PARAM(CLUSTER) | PARAM(KIND) | PARAM(NAME) | PARAM(METRIC), api_series},
	{"/api/v1/hist",
		PARAM(CLUSTER) | PARAM(KIND) | PARAM(NAME) | PARAM(HIST) | PARAM(FROM) | PARAM(TO) |
			PARAM(STEP),
		PARAM(CLUSTER) | PARAM(KIND) | PARAM(NAME) | PARAM(HIST), api_hist},
	{"/api/v1/forecast",
		PARAM(CLUSTER) | PARAM(KIND) | PARAM(NAME) | PARAM(HORIZON) | PARAM(TO),
		PARAM(CLUSTER) | PARAM(KIND) | PARAM(NAME), api_forecast},
	{"/api/v1/risk", PARAM(CLUSTER), 0, api_risk},
	{"/api/v1/plans", PARAM(CLUSTER) | PARAM(LIMIT), 0, api_plans},
	{"/api/v1/plans/{n}", 0, 0, api_plan},
	{"/api/v1/decisions", PARAM(CLUSTER) | PARAM(GROUP) | PARAM(LIMIT), 0, api_decisions},
	{"/api/v1/audit", PARAM(LIMIT), 0, api_audit},
	{"/api/v1/drains", PARAM(CLUSTER) | PARAM(NODE) | PARAM(LIMIT), 0, api_drains},
	{"/api/v1/drains/{n}", 0, 0, api_drain},
};

// What can be asked for by POST; its arguments stand in the query, as everywhere.
static const struct ask {
	const char *path, *allow;
	uint32_t allowed, needed;
	int (*write)(struct api_call *a);
} asks[] = {
	{"/api/v1/drains", "GET, HEAD, POST",
		PARAM(CLUSTER) | PARAM(NODE) | PARAM(LEFT) | PARAM(DRY_RUN),
		PARAM(CLUSTER) | PARAM(NODE), api_ask_drain},
	{"/api/v1/notice", "POST", PARAM(CLUSTER) | PARAM(NODE) | PARAM(EVENT) | PARAM(LEFT),
		PARAM(CLUSTER) | PARAM(NODE), api_ask_notice},
};

static const struct ask *find_ask(const char *path)
{
	for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++)
		if (strcmp(asks[i].path, path) == 0)
			return &asks[i];
	return NULL;
}

// Takes one segment of the path into ret; false if it is empty or too long.
static bool take_segment(const char **path, char *ret, size_t size)
{
	size_t len = strcspn(*path, "/");
	if (len == 0 || len >= size)
		return false;
	memcpy(ret, *path, len);
	ret[len] = '\0';
	*path += len;
	return true;
}

static bool route_matches(const struct route *r, const char *path, struct api_call *a)
{
	const char *pattern = r->path;
	while (*pattern) {
		if (*pattern == '{') {
			bool cluster = pattern[1] == 'c';
			if (!take_segment(&path, cluster ? a->path_cluster : a->path_name,
				    cluster ? sizeof(a->path_cluster) : sizeof(a->path_name)))
				return false;
			pattern += 3;
		} else if (*pattern++ != *path++) {
			return false;
		}
	}
	return *path == '\0';
}

static const struct route *find_route(const char *path, struct api_call *a)
{
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (route_matches(&routes[i], path, a))
			return &routes[i];
	return NULL;
}

static int refuse_path(const char *path, struct problem *p)
{
	const char *nearest = NULL;
	unsigned least = 8; // farther is no slip of the fingers
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		unsigned d = text_distance(routes[i].path, path);
		if (d < least) {
			least = d;
			nearest = routes[i].path;
		}
	}
	problem_set(p, 404, "not-found", "there is nothing at '%.100s'", path);
	if (nearest)
		problem_hint(p, "did you mean %s?", nearest);
	else
		problem_hint(p, "GET /openapi.json describes what there is");
	return -EINVAL;
}

static int take_query(const struct api_request *q, uint32_t allowed, uint32_t needed,
	struct query *ret, struct problem *p)
{
	if (q->n_pairs > API_MAX_ARGUMENTS)
		return problem_set(
			p, 400, "bad-argument", "more than %d arguments", API_MAX_ARGUMENTS);
	for (size_t i = 0; i < q->n_pairs; i++) {
		int r = query_add(ret, allowed, q->pairs[i].key, q->pairs[i].value, p);
		if (r < 0)
			return r;
	}
	return query_need(ret, needed, p);
}

static int answer_api(
	struct show_core *c, const struct api_request *q, struct api_answer *ret, struct problem *p)
{
	struct json j;
	json_init(&j, &ret->body);
	struct api_call a = {.core = c, .now_ms = c->options.wall_ms(), .j = &j, .problem = p};
	const struct route *r = find_route(q->path, &a);
	if (!r)
		return refuse_path(q->path, p);
	int error = take_query(q, r->allowed, r->needed, &a.query, p);
	return error < 0 ? error : r->write(&a);
}

static bool from_here(const char *remote)
{
	return remote && (strncmp(remote, "127.", 4) == 0 || strcmp(remote, "::1") == 0 ||
				 strncmp(remote, "::ffff:127.", 11) == 0);
}

// A page of a name that its owner points at this machine (DNS rebinding) is of this origin to a
// browser, but carries that name.
static bool to_here(const char *host)
{
	static const char *const names[] = {"localhost", "[::1]"};
	if (!host)
		return false;
	if (strncmp(host, "127.", 4) == 0)
		return !host[strspn(host, "0123456789.:")];
	for (size_t i = 0; i < 2; i++) {
		size_t len = strlen(names[i]);
		if (strncmp(host, names[i], len) == 0 && (!host[len] || host[len] == ':'))
			return true;
	}
	return false;
}

// Only from this machine (which in a cluster means: with kubectl exec or port-forward), and not
// from a web page that someone looks at on it.
static int answer_ask(
	struct show_core *c, const struct api_request *q, struct api_answer *ret, struct problem *p)
{
	const struct ask *ask = find_ask(q->path);
	struct json j;
	json_init(&j, &ret->body);
	struct api_call a = {.core = c, .now_ms = c->options.wall_ms(), .j = &j, .problem = p};
	if (!from_here(q->remote) || !to_here(q->host) || !q->marked) {
		problem_set(p, 403, "not-from-here", "that is asked for from this machine only");
		problem_hint(p, "run petrel beside the aggregator, or through kubectl "
				"port-forward; the header " API_MARK " must be there");
		return -EINVAL;
	}
	int error = take_query(q, ask->allowed, ask->needed, &a.query, p);
	return error < 0 ? error : ask->write(&a);
}

static int answer_events(
	struct show_core *c, const struct api_request *q, struct api_answer *ret, struct problem *p)
{
	struct query query = {0};
	int error = take_query(q, PARAM(CLUSTER), 0, &query, p);
	if (error < 0)
		return error;
	if (query_has(&query, PARAM_CLUSTER) &&
		!fleet_find_cluster(c->sources.fleet, query.cluster))
		return not_found(p, "cluster", query.cluster);
	if (c->http.streams >= SHOW_MAX_STREAMS) {
		c->http.streams_refused++;
		problem_set(p, 503, "too-many-streams", "all %d event streams are taken",
			SHOW_MAX_STREAMS);
		problem_hint(p, "poll /api/v1/nodes instead, or try again later");
		return -EINVAL;
	}
	ret->type = "text/event-stream; charset=utf-8";
	if (strcmp(q->method, "HEAD") == 0)
		return 0;
	ret->kind = API_STREAM;
	memcpy(ret->cluster, query.cluster, sizeof(ret->cluster));
	return 0;
}

static int answer_metrics(
	struct show_core *c, const struct api_request *q, struct api_answer *ret, struct problem *p)
{
	ret->type = PROM_CONTENT_TYPE;
	metrics_write(c, c->options.wall_ms(), &ret->body);
	return 0;
}

// Alive: this answers, and the line's tick ran lately (it calls show_publish_tick() every second).
static int answer_healthz(
	struct show_core *c, const struct api_request *q, struct api_answer *ret, struct problem *p)
{
	static const uint64_t stalled_ns = UINT64_C(15000000000);
	uint64_t now_ns = c->options.mono_ns();
	ret->type = "text/plain; charset=utf-8";
	if (c->last_tick_ns && now_ns - c->last_tick_ns > stalled_ns) {
		ret->status = 503;
		buf_printf(&ret->body, "the line has not ticked for %llu s\n",
			(unsigned long long)((now_ns - c->last_tick_ns) / 1000000000));
		return 0;
	}
	buf_text(&ret->body, "ok\n");
	return 0;
}

static int answer_readyz(
	struct show_core *c, const struct api_request *q, struct api_answer *ret, struct problem *p)
{
	const struct show_status *s = c->sources.status;
	ret->type = "text/plain; charset=utf-8";
	if (s->ready) {
		buf_text(&ret->body, "ok\n");
	} else {
		ret->status = 503;
		buf_printf(&ret->body, "%s\n", s->not_ready[0] ? s->not_ready : "starting");
	}
	return 0;
}

static int answer_openapi(
	struct show_core *c, const struct api_request *q, struct api_answer *ret, struct problem *p)
{
	ret->type = json_type;
	ret->cacheable = true;
	buf_append(&ret->body, openapi_json, (size_t)(openapi_json_end - openapi_json));
	return 0;
}

static int answer_version(
	struct show_core *c, const struct api_request *q, struct api_answer *ret, struct problem *p)
{
	struct json j;
	json_init(&j, &ret->body);
	json_open(&j, '{');
	json_put_text(&j, "version", c->options.version);
	json_close(&j, '}');
	return 0;
}

static const struct {
	const char *path;
	int (*answer)(struct show_core *c, const struct api_request *q, struct api_answer *ret,
		struct problem *p);
} fixed[] = {
	{"/api/v1/events", answer_events},
	{"/metrics", answer_metrics},
	{"/healthz", answer_healthz},
	{"/livez", answer_healthz},
	{"/readyz", answer_readyz},
	{"/openapi.json", answer_openapi},
	{"/version", answer_version},
};

static bool has_etag(const char *if_none_match, const char *etag)
{
	return if_none_match &&
	       (strcmp(if_none_match, "*") == 0 || strstr(if_none_match, etag) != NULL);
}

static int route(
	struct show_core *c, const struct api_request *q, struct api_answer *ret, struct problem *p)
{
	const struct ask *ask = find_ask(q->path);
	bool reads = strcmp(q->method, "GET") == 0 || strcmp(q->method, "HEAD") == 0;
	if (ask && strcmp(q->method, "POST") == 0)
		return answer_ask(c, q, ret, p);
	if (!reads || (ask && ask->allow[0] == 'P')) {
		problem_set(p, 405, "method-not-allowed", "%.16s is not possible here", q->method);
		ret->allow = ask ? ask->allow : "GET, HEAD";
		problem_hint(p, "what is: %s", ret->allow);
		return -EINVAL;
	}
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		if (strcmp(fixed[i].path, q->path) == 0)
			return fixed[i].answer(c, q, ret, p);
	ret->asset = web_find(q->path);
	if (ret->asset) {
		ret->kind = API_ASSET;
		ret->type = ret->asset->content_type;
		ret->cacheable = true;
		if (has_etag(q->if_none_match, ret->asset->etag))
			ret->status = 304;
		return 0;
	}
	return answer_api(c, q, ret, p);
}

static void write_problem(const struct problem *p, struct buf *out)
{
	struct json j;
	json_init(&j, out);
	json_open(&j, '{');
	json_key(&j, "error");
	json_open(&j, '{');
	json_put_text(&j, "code", p->code);
	json_put_text(&j, "message", p->message);
	json_put_text(&j, "hint", p->hint[0] ? p->hint : NULL);
	json_close(&j, '}');
	json_close(&j, '}');
}

void api_answer(struct show_core *c, const struct api_request *q, struct api_answer *ret)
{
	*ret = (struct api_answer){.status = 200, .type = json_type};
	buf_init(&ret->body, SHOW_MAX_ANSWER_BYTES);
	struct problem p = {.status = 500};
	int error = route(c, q, ret, &p);
	if (error >= 0 && buf_failed(&ret->body)) {
		error = problem_set(&p, 500, "too-large", "the answer is larger than %d MiB",
			SHOW_MAX_ANSWER_BYTES >> 20);
		problem_hint(&p, "narrow it, for example with 'cluster' or 'limit'");
	}
	if (error < 0) {
		buf_done(&ret->body);
		buf_init(&ret->body, SHOW_MAX_ANSWER_BYTES);
		ret->kind = API_BODY;
		ret->status = p.status;
		ret->type = json_type;
		ret->cacheable = false;
		write_problem(&p, &ret->body);
	}
	c->http.answers[ret->status / 100]++;
}

void api_answer_done(struct api_answer *a)
{
	buf_done(&a->body);
}
