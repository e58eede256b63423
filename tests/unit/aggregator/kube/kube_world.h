// SPDX-License-Identifier: Apache-2.0
// A client and, on the same loop, a server that plays the API server's part and misbehaves on
// order. What the real one does is asked of it in tests/e2e/test_kube_client.py.
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/kube/client.h"
#include "proto/base/buf.h"
#include "proto/base/clock.h"
#include "proto/loop/http_server.h"
#include "tests/unit/aggregator/kube/kube_json.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

struct world {
	uv_loop_t loop;
	uv_timer_t limit;
	bool too_late, inside, may;
	struct http_server *server;
	struct kube_client *client;
	struct kube kube;
	char yaml[64];
	struct buf log; // "METHOD path?continue=x version=y\n" of what came in
	struct buf told;
	char body[4096]; // of the last request that had one
	void (*script)(struct world *w, const struct http_request *q, struct http_response *r);
	struct http_stream *watch;                // the last one of the nodes
	int lists, watches, patches, gets, calls; // of nodes
	int done, last_r;
	enum why_class last_class;
	int64_t last_retry_ms;
	char last_why[192];
	bool synced, stopped;
};

// ---- the server's side

static inline void reply_json(struct http_response *r, int status, const char *text)
{
	char *json = unquoted(text);
	http_reply(r, status, "application/json", json, strlen(json));
	free(json);
}

static inline void stream_line(struct world *w, const char *text)
{
	char *json = unquoted(text);
	http_stream_write(w->watch, json, strlen(json));
	http_stream_write(w->watch, "\n", 1);
	free(json);
}

static const char empty[] = "{'metadata':{'resourceVersion':'1'},'items':[]}";
#define NODE(name, version, rest)                                                                  \
	"{'metadata':{'name':'" name "','uid':'u-" name "','resourceVersion':'" version            \
	"'},'spec':{" rest "}}"
#define LIST(version, items) "{'metadata':{'resourceVersion':'" version "'},'items':[" items "]}"
#define STATUS(code, message)                                                                      \
	"{'kind':'Status','status':'Failure','message':'" message "','code':" code "}"

static inline void on_request(void *arg, const struct http_request *q, struct http_response *r)
{
	struct world *w = arg;
	size_t len;
	const char *path = http_request_path(q), *body = http_request_body(q, &len);
	const char *token = http_request_query(q, "continue");
	const char *version = http_request_query(q, "resourceVersion");
	bool watch = http_request_query(q, "watch");
	if (len > 0)
		snprintf(w->body, sizeof(w->body), "%.*s", (int)len, body);
	if (strstr(path, "/nodes") || strstr(path, "/eviction") || strstr(path, "/events") ||
		strstr(path, "/default/leases") || strstr(path, "accessreviews")) {
		buf_printf(&w->log, "%s %s%s%s%s\n", watch ? "WATCH" : http_request_method(q), path,
			token ? " " : "", token ? token : "", version ? version : "");
		w->script(w, q, r);
	} else if (watch) {
		http_reply_stream(r, "application/json", 65536, NULL, NULL);
	} else {
		reply_json(r, strstr(path, "volumeattachments") ? 403 : 200, empty);
	}
}

static inline void open_watch(struct world *w, struct http_response *r)
{
	w->watches++;
	w->watch = http_reply_stream(r, "application/json", 1 << 20, NULL, NULL);
}

static inline bool is_watch(const struct http_request *q)
{
	return http_request_query(q, "watch");
}

static inline bool is(const struct http_request *q, const char *method)
{
	return strcmp(http_request_method(q), method) == 0;
}

// ---- our side

static const char *world_ca;    // certificate-authority of the next world's kubeconfig
static uint64_t world_ahead_ns; // of the client's monotonic clock

static inline uint64_t world_mono_ns(void)
{
	return clock_mono_ns() + world_ahead_ns;
}

static inline void say(struct world *w, const char *text, const char *name)
{
	buf_printf(&w->told, "%s%s ", text, name);
}
static inline void on_node(void *arg, const struct kube_node *n)
{
	say(arg, n->unschedulable ? "x" : "+", n->name);
}
static inline void on_node_gone(void *arg, const char *name)
{
	say(arg, "-", name);
}
static inline void on_volumes(void *arg, const char *node, uint32_t attached)
{
}
static inline void on_synced(void *arg)
{
	struct world *w = arg;
	w->synced = true;
}

static inline void on_done(void *arg, int r, const struct why *why, int64_t retry_ms)
{
	struct world *w = arg;
	assert_false(w->inside);
	w->done++;
	w->last_r = r;
	w->last_class = why->class;
	w->last_retry_ms = retry_ms;
	snprintf(w->last_why, sizeof(w->last_why), "%s", why->text);
}

static inline void on_limit(uv_timer_t *t)
{
	((struct world *)t->data)->too_late = true;
}

static inline void run_until(struct world *w, const int *counter, int value)
{
	w->too_late = false;
	uv_timer_start(&w->limit, on_limit, 10000, 0);
	while (*counter < value && !w->too_late)
		uv_run(&w->loop, UV_RUN_ONCE);
	uv_timer_stop(&w->limit);
	assert_in_range(*counter, value, value + 1000);
}

static inline void run_for(struct world *w, unsigned ms)
{
	w->too_late = false;
	uv_timer_start(&w->limit, on_limit, ms, 0);
	while (!w->too_late)
		uv_run(&w->loop, UV_RUN_ONCE);
}

static inline bool may_change(void *arg)
{
	struct world *w = arg;
	return w->may;
}

typedef void script_fn(struct world *w, const struct http_request *q, struct http_response *r);

static inline void world_init(struct world *w, script_fn *script, struct kube_client_options o)
{
	struct why why;
	memset(w, 0, sizeof(*w));
	w->script = script;
	buf_init(&w->log, 1 << 20);
	buf_init(&w->told, 1 << 20);
	uv_loop_init(&w->loop);
	uv_timer_init(&w->loop, &w->limit);
	w->limit.data = w;
	struct http_server_options s = {.address = "127.0.0.1", .on_request = on_request, .arg = w};
	assert_int_equal(http_server_new(&w->server, &w->loop, &s, &why), 0);
	snprintf(w->yaml, sizeof(w->yaml), "/tmp/petrel-kube-client-%d", getpid());
	FILE *f = fopen(w->yaml, "w");
	fprintf(f,
		"{current-context: x, contexts: [{name: x, context: {cluster: c}}],"
		" clusters: [{name: c, cluster: {server: 'http://127.0.0.1:%u'%s%s}}]}",
		http_server_port(w->server), world_ca ? ", certificate-authority: " : "",
		world_ca ? world_ca : "");
	fclose(f);
	o.cluster = "test";
	o.kubeconfig = w->yaml;
	o.wall_ms = clock_wall_ms;
	o.mono_ns = world_mono_ns;
	rng_init(&o.rng, 7);
	assert_int_equal(kube_client_new(&w->client, &w->loop, &o, &why), 0);
	w->kube = kube_client_kube(w->client);
}

static inline void on_stopped(void *arg)
{
	((struct world *)arg)->stopped = true;
}

static inline void world_done(struct world *w)
{
	unlink(w->yaml);
	kube_client_stop(w->client, on_stopped, w);
	http_server_stop(w->server, NULL, NULL);
	uv_close((uv_handle_t *)&w->limit, NULL);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_true(w->stopped);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	buf_done(&w->log);
	buf_done(&w->told);
}

static inline void watch(struct world *w)
{
	const struct kube_sink sink = {.on_node = on_node,
		.on_node_gone = on_node_gone,
		.on_volumes = on_volumes,
		.on_synced = on_synced,
		.arg = w};
	assert_int_equal(w->kube.ops->watch(w->kube.self, &sink), 0);
	assert_int_equal(w->kube.ops->watch(w->kube.self, &sink), -EALREADY);
}

static inline struct kube_reply reply(struct world *w)
{
	return (struct kube_reply){on_done, w, KUBE_INTERRUPTION};
}

static inline void taint(struct world *w, const char *node)
{
	const struct kube_node_change c = {.cordon = KUBE_CORDON_SET,
		.taint_key = "petrel.dev/interruption",
		.taint_value = "spot",
		.taint_effect = "NoSchedule",
		.labels = {{"l", "v"}},
		.annotations = {{"a", "{\"x\":1}"}, {"b", NULL}}};
	struct kube_reply r = reply(w);
	w->inside = true;
	w->kube.ops->change_node(w->kube.self, node, &c, &r);
	w->inside = false;
}

static inline void evict(struct world *w)
{
	const struct kube_pod_ref p = {"ns", "pod", "uid-1"};
	struct kube_reply r = reply(w);
	w->inside = true;
	w->kube.ops->evict_pod(w->kube.self, &p, 0, false, &r);
	w->inside = false;
}

static inline void heard(struct world *w, const char *text)
{
	assert_string_equal(w->told.data ? w->told.data : "", text);
	buf_reset(&w->told);
}

static inline struct kube_watch_stats nodes_of(struct world *w)
{
	struct kube_client_stats s;
	kube_client_stats(w->client, &s);
	return s.watches[MIRROR_NODES];
}
