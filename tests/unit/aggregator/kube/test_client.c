// SPDX-License-Identifier: Apache-2.0
// The client against a server that plays the API server's part and misbehaves on order. What the
// real one does is asked of it in tests/e2e/test_kube_client.py.
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

static void reply_json(struct http_response *r, int status, const char *text)
{
	char *json = unquoted(text);
	http_reply(r, status, "application/json", json, strlen(json));
	free(json);
}

static void stream_line(struct world *w, const char *text)
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

static void on_request(void *arg, const struct http_request *q, struct http_response *r)
{
	struct world *w = arg;
	size_t len;
	const char *path = http_request_path(q), *body = http_request_body(q, &len);
	const char *token = http_request_query(q, "continue");
	const char *version = http_request_query(q, "resourceVersion");
	bool watch = http_request_query(q, "watch");
	if (len > 0)
		snprintf(w->body, sizeof(w->body), "%.*s", (int)len, body);
	if (strstr(path, "/nodes") || strstr(path, "/eviction") || strstr(path, "/events")) {
		buf_printf(&w->log, "%s %s%s%s%s\n", watch ? "WATCH" : http_request_method(q), path,
			token ? " " : "", token ? token : "", version ? version : "");
		w->script(w, q, r);
	} else if (watch) {
		http_reply_stream(r, "application/json", 65536, NULL, NULL);
	} else {
		reply_json(r, strstr(path, "volumeattachments") ? 403 : 200, empty);
	}
}

static void open_watch(struct world *w, struct http_response *r)
{
	w->watches++;
	w->watch = http_reply_stream(r, "application/json", 1 << 20, NULL, NULL);
}

static bool is_watch(const struct http_request *q)
{
	return http_request_query(q, "watch");
}

static bool is(const struct http_request *q, const char *method)
{
	return strcmp(http_request_method(q), method) == 0;
}

// ---- our side

static void say(struct world *w, const char *text, const char *name)
{
	buf_printf(&w->told, "%s%s ", text, name);
}
static void on_node(void *arg, const struct kube_node *n)
{
	say(arg, n->unschedulable ? "x" : "+", n->name);
}
static void on_node_gone(void *arg, const char *name)
{
	say(arg, "-", name);
}
static void on_volumes(void *arg, const char *node, uint32_t attached)
{
}
static void on_synced(void *arg)
{
	struct world *w = arg;
	w->synced = true;
}

static void on_done(void *arg, int r, const struct why *why, int64_t retry_ms)
{
	struct world *w = arg;
	assert_false(w->inside);
	w->done++;
	w->last_r = r;
	w->last_class = why->class;
	w->last_retry_ms = retry_ms;
	snprintf(w->last_why, sizeof(w->last_why), "%s", why->text);
}

static void on_limit(uv_timer_t *t)
{
	((struct world *)t->data)->too_late = true;
}

static void run_until(struct world *w, const int *counter, int value)
{
	w->too_late = false;
	uv_timer_start(&w->limit, on_limit, 10000, 0);
	while (*counter < value && !w->too_late)
		uv_run(&w->loop, UV_RUN_ONCE);
	uv_timer_stop(&w->limit);
	assert_in_range(*counter, value, value + 1000);
}

static void run_for(struct world *w, unsigned ms)
{
	w->too_late = false;
	uv_timer_start(&w->limit, on_limit, ms, 0);
	while (!w->too_late)
		uv_run(&w->loop, UV_RUN_ONCE);
}

static bool may_change(void *arg)
{
	struct world *w = arg;
	return w->may;
}

typedef void script_fn(struct world *w, const struct http_request *q, struct http_response *r);

static void world_init(struct world *w, script_fn *script, struct kube_client_options o)
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
		" clusters: [{name: c, cluster: {server: 'http://127.0.0.1:%u'}}]}",
		http_server_port(w->server));
	fclose(f);
	o.cluster = "test";
	o.kubeconfig = w->yaml;
	o.wall_ms = clock_wall_ms;
	o.mono_ns = clock_mono_ns;
	rng_init(&o.rng, 7);
	assert_int_equal(kube_client_new(&w->client, &w->loop, &o, &why), 0);
	w->kube = kube_client_kube(w->client);
}

static void on_stopped(void *arg)
{
	((struct world *)arg)->stopped = true;
}

static void world_done(struct world *w)
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

static void watch(struct world *w)
{
	const struct kube_sink sink = {.on_node = on_node,
		.on_node_gone = on_node_gone,
		.on_volumes = on_volumes,
		.on_synced = on_synced,
		.arg = w};
	assert_int_equal(w->kube.ops->watch(w->kube.self, &sink), 0);
	assert_int_equal(w->kube.ops->watch(w->kube.self, &sink), -EALREADY);
}

static struct kube_reply reply(struct world *w)
{
	return (struct kube_reply){on_done, w, KUBE_INTERRUPTION};
}

static void taint(struct world *w, const char *node)
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

static void evict(struct world *w)
{
	const struct kube_pod_ref p = {"ns", "pod", "uid-1"};
	struct kube_reply r = reply(w);
	w->inside = true;
	w->kube.ops->evict_pod(w->kube.self, &p, 0, false, &r);
	w->inside = false;
}

static void heard(struct world *w, const char *text)
{
	assert_string_equal(w->told.data ? w->told.data : "", text);
	buf_reset(&w->told);
}

static struct kube_watch_stats nodes_of(struct world *w)
{
	struct kube_client_stats s;
	kube_client_stats(w->client, &s);
	return s.watches[MIRROR_NODES];
}

// ---- lists and watches

static void pages(struct world *w, const struct http_request *q, struct http_response *r)
{
	const char *token = http_request_query(q, "continue");
	if (is_watch(q)) {
		assert_string_equal(http_request_query(q, "allowWatchBookmarks"), "true");
		assert_non_null(http_request_query(q, "timeoutSeconds"));
		open_watch(w, r);
		return;
	}
	assert_string_equal(http_request_query(q, "limit"), "500");
	w->lists++;
	if (!token)
		reply_json(r, 200,
			"{'metadata':{'resourceVersion':'7','continue':'a/b=='},'items':[" NODE(
				"n1", "3", "") "]}");
	else
		reply_json(r, 200, LIST("7", NODE("n2", "5", "")));
}

static void it_lists_by_pages_and_goes_on_from_the_last_bookmark(void **state)
{
	struct world w;
	world_init(&w, pages, (struct kube_client_options){0});
	watch(&w);
	run_until(&w, &w.watches, 1);
	assert_string_equal(
		w.log.data, "GET /api/v1/nodes\nGET /api/v1/nodes a/b==\nWATCH /api/v1/nodes7\n");
	assert_true(w.synced); // although volumes are forbidden
	stream_line(&w, "{'type':'ADDED','object':" NODE("n3", "8", "") "}");
	stream_line(&w, "{'type':'MODIFIED','object':" NODE("n1", "9", "'unschedulable':true") "}");
	stream_line(&w, "{'type':'DELETED','object':" NODE("n2", "10", "") "}");
	stream_line(&w, "{'type':'BOOKMARK','object':{'metadata':{'resourceVersion':'99'}}}");
	http_stream_close(w.watch);
	buf_reset(&w.log);
	run_until(&w, &w.watches, 2);
	assert_string_equal(w.log.data, "WATCH /api/v1/nodes99\n");
	heard(&w, "+n1 +n2 +n3 xn1 -n2 ");
	assert_int_equal(nodes_of(&w).objects, 2);
	assert_int_equal(nodes_of(&w).relists, 0);
	world_done(&w);
}

static void gone_event(struct world *w, const struct http_request *q, struct http_response *r)
{
	if (!is_watch(q)) {
		reply_json(r, 200,
			w->lists++ == 0 ? LIST("7", NODE("n1", "3", "") "," NODE("n2", "3", ""))
					: LIST("50", NODE("n2", "3", "")));
		return;
	}
	open_watch(w, r);
	if (w->watches == 1) {
		stream_line(w, "{'type':'ERROR','object':" STATUS(
				       "410", "too old resource version: 7 (40)") "}");
		http_stream_close(w->watch);
	}
}

static void a_410_event_leads_to_a_new_list_that_tells_what_has_gone(void **state)
{
	struct world w;
	world_init(&w, gone_event, (struct kube_client_options){0});
	watch(&w);
	run_until(&w, &w.watches, 2);
	assert_string_equal(w.log.data,
		"GET /api/v1/nodes\nWATCH /api/v1/nodes7\nGET /api/v1/nodes\n"
		"WATCH /api/v1/nodes50\n");
	heard(&w, "+n1 +n2 +n2 -n1 ");
	assert_int_equal(nodes_of(&w).relists, 1);
	world_done(&w);
}

static void gone_status(struct world *w, const struct http_request *q, struct http_response *r)
{
	if (is_watch(q) && w->watches++ == 0)
		reply_json(r, 410, STATUS("410", "expired"));
	else if (is_watch(q))
		w->watch = http_reply_stream(r, "application/json", 65536, NULL, NULL);
	else if (http_request_query(q, "continue") && w->calls++ == 0)
		reply_json(r, 410, STATUS("410", "the continue token is too old"));
	else if (w->lists++ == 0)
		reply_json(
			r, 200, "{'metadata':{'resourceVersion':'1','continue':'t'},'items':[]}");
	else
		reply_json(r, 200, empty);
}

static void a_410_status_and_an_expired_page_start_the_list_over(void **state)
{
	struct world w;
	world_init(&w, gone_status, (struct kube_client_options){0});
	watch(&w);
	run_until(&w, &w.watches, 2);
	assert_string_equal(w.log.data,
		"GET /api/v1/nodes\nGET /api/v1/nodes t\nGET /api/v1/nodes\n"
		"WATCH /api/v1/nodes1\nGET /api/v1/nodes\nWATCH /api/v1/nodes1\n");
	world_done(&w);
}

static void silent(struct world *w, const struct http_request *q, struct http_response *r)
{
	if (is_watch(q)) {
		open_watch(w, r);
		stream_line(w, "{'type':'BOOKMARK','object':{'metadata':{'resourceVersion':'5'}}}");
	} else {
		w->lists++;
		reply_json(r, 200, empty);
	}
}

static void a_silent_watch_is_cut_and_taken_up_again(void **state)
{
	struct world w;
	world_init(&w, silent, (struct kube_client_options){.silence_ms = 300});
	watch(&w);
	run_until(&w, &w.watches, 2);
	assert_string_equal(
		w.log.data, "GET /api/v1/nodes\nWATCH /api/v1/nodes1\nWATCH /api/v1/nodes5\n");
	assert_int_equal(nodes_of(&w).cut, 1);
	assert_int_equal(w.lists, 1);
	world_done(&w);
}

static void garbage(struct world *w, const struct http_request *q, struct http_response *r)
{
	if (!is_watch(q)) {
		w->lists++;
		if (w->lists == 1)
			reply_json(r, 200, "{'items':7}");
		else if (w->lists == 2)
			reply_json(r, 500, "<html>");
		else
			reply_json(r, 200, empty);
		return;
	}
	open_watch(w, r);
	if (w->watches == 1)
		stream_line(w, "{'type':'ADDED','obj");
}

static void nonsense_is_survived_and_listed_again(void **state)
{
	struct world w;
	world_init(&w, garbage, (struct kube_client_options){0});
	watch(&w);
	run_until(&w, &w.watches, 2);
	assert_int_equal(w.lists, 4);
	assert_string_equal(nodes_of(&w).trouble, "");
	world_done(&w);
}

static void useless(struct world *w, const struct http_request *q, struct http_response *r)
{
	if (!is_watch(q)) {
		reply_json(r, 200, empty);
		return;
	}
	open_watch(w, r);
	if (w->watches % 2)
		stream_line(w, "{'type':'ERROR','object':" STATUS("500", "storage is down") "}");
	http_stream_close(w->watch);
}

static void a_watch_that_ends_at_once_is_not_asked_for_in_a_circle(void **state)
{
	struct world w;
	world_init(&w, useless, (struct kube_client_options){0});
	watch(&w);
	run_for(&w, 1000);
	assert_in_range(w.watches, 2, 30);
	world_done(&w);
}

static void forbidden(struct world *w, const struct http_request *q, struct http_response *r)
{
	w->lists++;
	reply_json(r, 403, STATUS("403", "nodes is forbidden"));
}

static void nodes_that_may_not_be_seen_are_waited_for(void **state)
{
	struct world w;
	world_init(&w, forbidden, (struct kube_client_options){0});
	watch(&w);
	run_until(&w, &w.lists, 3);
	run_for(&w, 50);
	assert_false(w.synced);
	assert_true(nodes_of(&w).denied);
	assert_string_equal(nodes_of(&w).trouble, "nodes is forbidden");
	world_done(&w);
}

// ---- changes

static void conflicts(struct world *w, const struct http_request *q, struct http_response *r)
{
	if (is_watch(q)) {
		open_watch(w, r);
	} else if (is(q, "PATCH")) {
		assert_string_equal(
			http_request_header(q, "Content-Type"), "application/merge-patch+json");
		w->patches++;
		if (w->patches <= w->calls)
			reply_json(r, 409, STATUS("409", "the object has been modified"));
		else
			reply_json(r, 200, NODE("n1", "20", "'unschedulable':true"));
	} else if (strcmp(http_request_path(q), "/api/v1/nodes") == 0) {
		reply_json(r, 200,
			LIST("7", NODE("n1", "3",
					  "'taints':[{'key':'theirs','effect':"
					  "'NoExecute'},{'key':'petrel.dev/"
					  "interruption','effect':'NoSchedule'}]")));
	} else {
		w->gets++;
		reply_json(
			r, 200, NODE("n1", "9", "'taints':[{'key':'new','effect':'NoSchedule'}]"));
	}
}

static void a_change_is_one_patch_from_what_the_watch_knows(void **state)
{
	struct world w;
	world_init(&w, conflicts, (struct kube_client_options){0});
	watch(&w);
	run_until(&w, &w.watches, 1);
	taint(&w, "n1");
	run_until(&w, &w.done, 1);
	assert_int_equal(w.last_r, 0);
	assert_int_equal(w.patches, 1);
	assert_int_equal(w.gets, 0);
	char *want =
		unquoted("{'metadata':{'resourceVersion':'3','labels':{'l':'v'},'annotations':{"
			 "'a':'{\\'x\\':1}','b':null}},'spec':{'unschedulable':true,'taints':["
			 "{'key':'theirs','effect':'NoExecute'},{'key':'petrel.dev/interruption',"
			 "'value':'spot','effect':'NoSchedule'}]}}");
	assert_string_equal(w.body, want);
	free(want);
	buf_reset(&w.told);
	// the answer is known at once, so the next change is one request too
	const struct kube_node_change back = {
		.cordon = KUBE_CORDON_UNSET, .taint_key = "petrel.dev/interruption"};
	struct kube_reply r = reply(&w);
	w.kube.ops->change_node(w.kube.self, "n1", &back, &r);
	run_until(&w, &w.done, 2);
	want = unquoted(
		"{'metadata':{'resourceVersion':'20'},'spec':{'unschedulable':null,'taints':[]}}");
	assert_string_equal(w.body, want);
	free(want);
	world_done(&w);
}

static void a_conflict_reads_the_node_again(void **state)
{
	struct world w;
	world_init(&w, conflicts, (struct kube_client_options){0});
	watch(&w);
	run_until(&w, &w.watches, 1);
	w.calls = 2;
	taint(&w, "n1");
	run_until(&w, &w.done, 1);
	assert_int_equal(w.last_r, 0);
	assert_int_equal(w.patches, 3);
	assert_int_equal(w.gets, 2);
	assert_non_null(strstr(w.body, "\"resourceVersion\":\"9\""));
	assert_non_null(strstr(w.body, "{\"key\":\"new\",\"effect\":\"NoSchedule\"}"));
	assert_null(strstr(w.body, "theirs"));
	w.calls = 1000; // somebody else always wins
	taint(&w, "n1");
	run_until(&w, &w.done, 2);
	assert_int_equal(w.last_r, -EIO);
	assert_int_equal(w.last_class, WHY_RETRY);
	assert_int_equal(w.patches, 3 + 8);
	world_done(&w);
}

static void a_node_that_is_not_watched_is_read_first(void **state)
{
	struct world w;
	world_init(&w, conflicts, (struct kube_client_options){0});
	taint(&w, "n1");
	run_until(&w, &w.done, 1);
	assert_string_equal(w.log.data, "GET /api/v1/nodes/n1\nPATCH /api/v1/nodes/n1\n");
	const struct kube_node_change label = {.labels = {{"only", "label"}}};
	struct kube_reply r = reply(&w);
	w.kube.ops->change_node(w.kube.self, "n1", &label, &r);
	run_until(&w, &w.done, 2);
	assert_int_equal(w.gets, 1); // a label needs no version
	char *want = unquoted("{'metadata':{'labels':{'only':'label'}},'spec':{}}");
	assert_string_equal(w.body, want);
	free(want);
	world_done(&w);
}

static void another(struct world *w, const struct http_request *q, struct http_response *r)
{
	if (is_watch(q))
		open_watch(w, r);
	else if (is(q, "PATCH"))
		reply_json(r, 409, STATUS("409", "the object has been modified"));
	else if (strcmp(http_request_path(q), "/api/v1/nodes") == 0)
		reply_json(r, 200, LIST("7", NODE("n1", "3", "")));
	else
		reply_json(r, 200,
			"{'metadata':{'name':'n1','uid':'other','resourceVersion':'9'},'spec':{}}");
}

static void a_new_node_of_the_same_name_is_left_alone(void **state)
{
	struct world w;
	world_init(&w, another, (struct kube_client_options){0});
	watch(&w);
	run_until(&w, &w.watches, 1);
	taint(&w, "n1");
	run_until(&w, &w.done, 1);
	assert_int_equal(w.last_r, -ESTALE);
	assert_int_equal(w.last_class, WHY_GONE);
	world_done(&w);
}

// ---- calls

static void throttled(struct world *w, const struct http_request *q, struct http_response *r)
{
	if (w->calls++ == 0) {
		http_response_header(r, "Retry-After", "1");
		http_reply(r, 429, "text/plain", "Too many requests", 17);
	} else {
		reply_json(r, 201, "{}");
	}
}

static void an_overloaded_server_stops_the_budget_for_as_long_as_it_says(void **state)
{
	struct world w;
	struct kube_client_stats s;
	world_init(&w, throttled, (struct kube_client_options){0});
	evict(&w);
	run_until(&w, &w.done, 1);
	assert_int_equal(w.last_r, -EAGAIN);
	assert_int_equal(w.last_class, WHY_THROTTLED);
	assert_int_equal(w.last_retry_ms, 1000);
	evict(&w);
	run_for(&w, 700);
	assert_int_equal(w.calls, 1);
	run_until(&w, &w.done, 2);
	assert_int_equal(w.last_r, 0);
	kube_client_stats(w.client, &s);
	assert_int_equal(s.pauses, 1);
	assert_int_equal(s.requests[KUBE_VERB_EVICT][KUBE_RESULT_THROTTLED], 1);
	assert_int_equal(s.requests[KUBE_VERB_EVICT][KUBE_RESULT_OK], 1);
	world_done(&w);
}

static void unauthorized(struct world *w, const struct http_request *q, struct http_response *r)
{
	reply_json(r, w->calls++ == 0 || w->calls > 2 ? 401 : 201, STATUS("401", "Unauthorized"));
}

static void after_a_401_the_request_is_made_once_more(void **state)
{
	struct world w;
	world_init(&w, unauthorized, (struct kube_client_options){0});
	evict(&w);
	run_until(&w, &w.done, 1);
	assert_int_equal(w.last_r, 0);
	assert_int_equal(w.calls, 2);
	evict(&w);
	run_until(&w, &w.done, 2);
	assert_int_equal(w.last_r, -EACCES);
	assert_int_equal(w.last_class, WHY_DENIED);
	assert_int_equal(w.calls, 4);
	world_done(&w);
}

static void accepted(struct world *w, const struct http_request *q, struct http_response *r)
{
	w->calls++;
	reply_json(r, 201, "{}");
}

static void an_eviction_names_the_uid_and_never_kills_at_once(void **state)
{
	struct world w;
	world_init(&w, accepted, (struct kube_client_options){0});
	evict(&w); // with a grace of 0
	run_until(&w, &w.done, 1);
	assert_string_equal(w.log.data, "POST /api/v1/namespaces/ns/pods/pod/eviction\n");
	char *want =
		unquoted("{'apiVersion':'policy/v1','kind':'Eviction','metadata':{'name':'pod',"
			 "'namespace':'ns'},'deleteOptions':{'gracePeriodSeconds':1,"
			 "'preconditions':{'uid':'uid-1'}}}");
	assert_string_equal(w.body, want);
	free(want);
	world_done(&w);
}

static void behind_a_closed_gate_nothing_goes_out(void **state)
{
	struct world w;
	struct kube_client_stats s;
	world_init(&w, accepted, (struct kube_client_options){0});
	kube_client_gate(w.client, may_change, &w);
	evict(&w);
	taint(&w, "n1"); // its GET may go, its PATCH may not
	w.done = 0;
	run_until(&w, &w.done, 1);
	assert_int_equal(w.last_r, -ECANCELED);
	const struct kube_pod_ref p = {"ns", "pod", "uid-1"};
	struct kube_reply r = reply(&w);
	w.kube.ops->evict_pod(w.kube.self, &p, 5, true, &r); // a dry run changes nothing
	run_until(&w, &w.done, 3);
	kube_client_stats(w.client, &s);
	assert_int_equal(s.requests[KUBE_VERB_EVICT][KUBE_RESULT_OK], 1);
	assert_int_equal(s.requests[KUBE_VERB_PATCH][KUBE_RESULT_OK], 0);
	w.may = true;
	evict(&w);
	run_until(&w, &w.done, 4);
	assert_int_equal(w.last_r, 0);
	world_done(&w);
}

static void what_is_no_name_ends_as_our_bug(void **state)
{
	struct world w;
	static const char *const bad[] = {"", "a/b", "../x", "a b", "a?b", "n\n"};
	world_init(&w, accepted, (struct kube_client_options){0});
	for (int k = 0; k < 6; k++) {
		const struct kube_pod_ref p = {"ns", bad[k], "uid"};
		struct kube_reply r = reply(&w);
		w.inside = true;
		taint(&w, bad[k]);
		w.inside = true;
		w.kube.ops->delete_pod(w.kube.self, &p, 5, &r);
		w.inside = false;
		run_until(&w, &w.done, 2 * (k + 1));
		assert_int_equal(w.last_r, -EINVAL);
		assert_int_equal(w.last_class, WHY_BUG);
	}
	assert_int_equal(w.calls, 0);
	world_done(&w);
}

static void hanging(struct world *w, const struct http_request *q, struct http_response *r)
{
	w->calls++;
	http_reply_stream(r, "application/json", 65536, NULL, NULL);
}

static void the_end_cancels_every_call_once(void **state)
{
	struct world w;
	world_init(&w, hanging, (struct kube_client_options){.budget = {.slots = 2}});
	for (int k = 0; k < 5; k++)
		evict(&w);
	run_until(&w, &w.calls, 2);
	assert_int_equal(w.done, 0);
	world_done(&w);
	assert_int_equal(w.done, 5);
	assert_int_equal(w.last_r, -ECANCELED);
}

static void too_many_waiting_calls_are_refused(void **state)
{
	struct world w;
	struct kube_client_stats s;
	world_init(&w, hanging, (struct kube_client_options){.budget = {.slots = 1, .queue = 2}});
	for (int k = 0; k < 5; k++)
		evict(&w);
	run_until(&w, &w.done, 2);
	assert_int_equal(w.last_r, -ENOBUFS);
	kube_client_stats(w.client, &s);
	assert_int_equal(s.dropped, 2);
	run_until(&w, &w.calls, 1);
	world_done(&w);
	assert_int_equal(w.done, 5);
}

static void an_event_is_about_the_node_and_well_formed(void **state)
{
	struct world w;
	world_init(&w, accepted, (struct kube_client_options){.identity = "petrel-0"});
	const struct kube_event e = {.node = "n1",
		.node_uid = "u1",
		.reason = "SpotInterruption",
		.note = "two minutes",
		.warning = true};
	struct kube_reply r = reply(&w);
	w.kube.ops->tell(w.kube.self, &e, &r);
	run_until(&w, &w.done, 1);
	assert_string_equal(w.log.data, "POST /apis/events.k8s.io/v1/namespaces/default/events\n");
	cJSON *o = cJSON_Parse(w.body);
	const char *time = cJSON_GetStringValue(cJSON_GetObjectItem(o, "eventTime"));
	assert_int_equal(strlen(time), strlen("2026-11-24T06:12:14.123000Z"));
	assert_string_equal(time + strlen(time) - 4, "000Z");
	assert_string_equal(
		cJSON_GetStringValue(cJSON_GetObjectItem(o, "action")), "SpotInterruption");
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(o, "type")), "Warning");
	assert_string_equal(
		cJSON_GetStringValue(cJSON_GetObjectItem(o, "reportingInstance")), "petrel-0");
	cJSON_Delete(o);
	world_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_lists_by_pages_and_goes_on_from_the_last_bookmark),
		cmocka_unit_test(a_410_event_leads_to_a_new_list_that_tells_what_has_gone),
		cmocka_unit_test(a_410_status_and_an_expired_page_start_the_list_over),
		cmocka_unit_test(a_silent_watch_is_cut_and_taken_up_again),
		cmocka_unit_test(nonsense_is_survived_and_listed_again),
		cmocka_unit_test(a_watch_that_ends_at_once_is_not_asked_for_in_a_circle),
		cmocka_unit_test(nodes_that_may_not_be_seen_are_waited_for),
		cmocka_unit_test(a_change_is_one_patch_from_what_the_watch_knows),
		cmocka_unit_test(a_conflict_reads_the_node_again),
		cmocka_unit_test(a_node_that_is_not_watched_is_read_first),
		cmocka_unit_test(a_new_node_of_the_same_name_is_left_alone),
		cmocka_unit_test(an_overloaded_server_stops_the_budget_for_as_long_as_it_says),
		cmocka_unit_test(after_a_401_the_request_is_made_once_more),
		cmocka_unit_test(an_eviction_names_the_uid_and_never_kills_at_once),
		cmocka_unit_test(behind_a_closed_gate_nothing_goes_out),
		cmocka_unit_test(what_is_no_name_ends_as_our_bug),
		cmocka_unit_test(the_end_cancels_every_call_once),
		cmocka_unit_test(too_many_waiting_calls_are_refused),
		cmocka_unit_test(an_event_is_about_the_node_and_well_formed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
