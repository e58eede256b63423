// SPDX-License-Identifier: Apache-2.0
// What can be asked of the cluster, as requests.
//
// A change of a node is a merge patch that names the resourceVersion it was thought out for, since
// the list of taints can only be written whole: strategic merge and server-side apply would wipe
// other people's taints, a bare merge patch would lose what came in between. The watch knows the
// version and the taints, so the common case is one request; after a conflict, if the watch has not
// seen the other's change yet, the node is read again, and its turn in the budget is kept. Labels,
// annotations and the cordon are merged by key on the server and need no version. The taint that
// the node lifecycle controller would add for the cordon goes in the same patch (and off with it):
// else it reads and patches each cordoned node after us, which in a storm is half of all the work
// of the API server (doNoScheduleTaintingPass leaves a node alone that has what it should).
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/kube/client_impl.h"
#include "aggregator/kube/objects.h"
#include "proto/base/clock.h"
#include "proto/base/json.h"
#include "proto/base/text.h"

enum {
	MAX_BODY_BYTES = 512 << 10,
	MAX_TRIES = 8,         // of one change against other writers
	EVICT_MS = 20 * 1000,  // the server itself tries for 10 s to write the budget
	MAX_NOTE_BYTES = 1000, // 1024 to the server; a cut character grows
	MAX_REASON_BYTES = 128,
};

#define CORDON_TAINT "node.kubernetes.io/unschedulable"
#define NO_SCHEDULE  "NoSchedule"

struct pair {
	char *key, *value;
};

struct call {
	struct kube_client *client;
	struct kube_reply reply;
	// of a change
	char *node;
	char uid[40]; // of the node as it was first seen; "" not yet
	enum kube_cordon cordon;
	struct pair taint, labels[2], annotations[2];
	char *effect;
	char *version; // what the patch was made for, NULL: any
	char *stale;   // the version that met a conflict
	unsigned tries;
	bool request;
	bool read; // asked the server for the node: newer than what the watch may say
};

static void pair_done(struct pair *p)
{
	free(p->key);
	free(p->value);
}

static void call_free(struct call *k)
{
	if (!k)
		return;
	pair_done(&k->taint);
	for (int i = 0; i < 2; i++) {
		pair_done(&k->labels[i]);
		pair_done(&k->annotations[i]);
	}
	free(k->effect);
	free(k->node);
	free(k->version);
	free(k->stale);
	free(k);
}

static void reply(struct call *k, int r, const struct why *why, int64_t retry_ms)
{
	if (k->reply.on_done)
		k->reply.on_done(k->reply.arg, r, why, retry_ms);
	call_free(k);
}

static void on_answer(void *arg, const struct kube_answer *a)
{
	struct call *k = arg;
	struct why why = {0};
	int64_t retry_ms;
	int r = kube_answer_judge(a, &why, &retry_ms);
	if (r == -EDEADLK) // a conflict that only this call could have: it may simply be made again
		r = why_set(&why, -EIO, WHY_RETRY, "%s", why.text);
	reply(k, r, &why, retry_ms);
}

static enum budget_lane lane_of(enum kube_priority p, bool node)
{
	switch (p) {
	case KUBE_INTERRUPTION: return node ? BUDGET_NODE : BUDGET_INTERRUPTION;
	case KUBE_VOLUNTARY: return BUDGET_VOLUNTARY;
	default: return BUDGET_REPORT;
	}
}

// ---- ends that must not come inside the call

struct early {
	uv_timer_t timer;
	struct call *call;
	struct why why;
};

static void on_early_closed(uv_handle_t *handle)
{
	struct early *e = handle->data;
	free(e);
}

static void on_early(uv_timer_t *timer)
{
	struct early *e = timer->data;
	reply(e->call, e->why.code, &e->why, 0);
	uv_close((uv_handle_t *)timer, on_early_closed);
}

// The call cannot be made: says so from the loop.
static void fail_soon(struct call *k, int r, enum why_class class, const char *text)
{
	struct early *e = calloc(1, sizeof(*e));
	if (!e) { // nothing better is left
		struct why why;
		why_set(&why, r, class, "%s", text);
		reply(k, r, &why, 0);
		return;
	}
	why_set(&e->why, r, class, "%s", text);
	e->call = k;
	uv_timer_init(k->client->loop, &e->timer);
	e->timer.data = e;
	uv_timer_start(&e->timer, on_early, 0, 0);
}

static void start(struct call *k, struct kube_request_options *o)
{
	o->arg = k;
	int r = kube_request_start(NULL, k->client, o);
	if (r == -ESHUTDOWN)
		fail_soon(k, -ECANCELED, WHY_RETRY, "the client stops");
	else if (r < 0)
		fail_soon(k, r, WHY_RETRY, "no memory");
}

static struct call *call_new(struct kube_client *c, const struct kube_reply *r)
{
	struct call *k = calloc(1, sizeof(*k));
	if (!k)
		return NULL;
	k->client = c;
	k->reply = *r;
	return k;
}

// ---- change of a node

static void change(struct call *k);

static void put_pairs(struct json *j, const char *key, const struct pair pairs[2])
{
	if (!pairs[0].key && !pairs[1].key)
		return;
	json_key(j, key);
	json_open(j, '{');
	for (int i = 0; i < 2; i++) {
		if (pairs[i].key)
			json_put_text(j, pairs[i].key, pairs[i].value); // NULL takes it off
	}
	json_close(j, '}');
}

static bool is_ours(const struct call *k, const cJSON *taint)
{
	const char *key = object_text(taint, "key"), *effect = object_text(taint, "effect");
	return key && strcmp(key, k->taint.key) == 0 &&
	       (!k->effect || (effect && strcmp(effect, k->effect) == 0));
}

static bool is_cordons(const cJSON *taint)
{
	const char *key = object_text(taint, "key"), *effect = object_text(taint, "effect");
	return key && effect && strcmp(key, CORDON_TAINT) == 0 && strcmp(effect, NO_SCHEDULE) == 0;
}

static void put_taint(struct json *j, const struct pair *taint, const char *effect)
{
	json_open(j, '{');
	json_put_text(j, "key", taint->key);
	if (taint->value)
		json_put_text(j, "value", taint->value);
	json_put_text(j, "effect", effect);
	json_close(j, '}');
}

static int put_taints(struct json *j, const struct call *k, const char *taints)
{
	cJSON *list = cJSON_Parse(taints), *t;
	bool cordoned = false;
	if (!cJSON_IsArray(list)) {
		cJSON_Delete(list);
		return -EINVAL;
	}
	json_key(j, "taints");
	json_open(j, '[');
	cJSON_ArrayForEach (t, list) {
		bool cordons = is_cordons(t);
		bool off = is_ours(k, t) || (cordons && k->cordon == KUBE_CORDON_UNSET);
		char *text = off ? NULL : cJSON_PrintUnformatted(t);
		if (text)
			json_raw(j, text, strlen(text));
		cJSON_free(text);
		cordoned |= cordons;
	}
	cJSON_Delete(list);
	const struct pair cordon = {.key = CORDON_TAINT};
	if (k->cordon == KUBE_CORDON_SET && !cordoned)
		put_taint(j, &cordon, NO_SCHEDULE);
	if (k->effect)
		put_taint(j, &k->taint, k->effect);
	json_close(j, ']');
	return 0;
}

static int put_patch(const struct call *k, const struct mirror_node *n, struct buf *out)
{
	struct json j;
	int r = 0;
	json_init(&j, out);
	json_open(&j, '{');
	json_key(&j, "metadata");
	json_open(&j, '{');
	if (k->version)
		json_put_text(&j, "resourceVersion", k->version);
	put_pairs(&j, "labels", k->labels);
	put_pairs(&j, "annotations", k->annotations);
	json_close(&j, '}');
	json_key(&j, "spec");
	json_open(&j, '{');
	if (k->cordon == KUBE_CORDON_SET)
		json_put_bool(&j, "unschedulable", true);
	else if (k->cordon == KUBE_CORDON_UNSET)
		json_put_text(&j, "unschedulable", NULL);
	if (k->taint.key)
		r = put_taints(&j, k, n->taints);
	json_close(&j, '}');
	json_close(&j, '}');
	return r < 0 ? r : buf_failed(out) ? -ENOSPC : 0;
}

static void on_patched(void *arg, const struct kube_answer *a)
{
	struct call *k = arg;
	struct kube_client *c = k->client;
	struct why why = {0};
	int64_t retry_ms;
	int r = kube_answer_judge(a, &why, &retry_ms);
	if (r == -EDEADLK && k->tries < MAX_TRIES && !k->request) {
		free(k->stale);
		k->stale = k->version;
		k->version = NULL;
		change(k);
		return;
	}
	if (r == -EDEADLK)
		r = why_set(&why, -EIO, WHY_RETRY, "another writer won %u times: %s", k->tries,
			why.text);
	cJSON *node = r == 0 && c->mirror && k->version
			      ? cJSON_ParseWithLength(a->body, a->body_len)
			      : NULL;
	if (node)
		mirror_answer(c->mirror, k->version, node);
	cJSON_Delete(node);
	reply(k, r, &why, retry_ms);
}

static void patch(struct call *k, const struct mirror_node *n)
{
	autobuf body, path;
	buf_init(&body, MAX_BODY_BYTES);
	buf_init(&path, 2 * NAME_MAX_BYTES);
	buf_printf(&path, "/api/v1/nodes/%s?fieldManager=petrel", k->node);
	bool versioned = k->taint.key || k->request;
	if (versioned && !k->version)
		k->version = strdup(n->version);
	if ((versioned && !k->version) || put_patch(k, n, &body) < 0 || buf_failed(&path)) {
		fail_soon(k, -EINVAL, WHY_BUG, "the node's taints cannot be written");
		return;
	}
	k->tries++;
	struct kube_request_options o = {.verb = KUBE_VERB_PATCH,
		.lane = lane_of(k->reply.priority, true),
		.method = "PATCH",
		.path = path.data,
		.content_type = "application/merge-patch+json",
		.body = body.data,
		.body_len = body.len,
		.gated = !k->request,
		.again = k->stale != NULL,
		.on_done = on_patched};
	start(k, &o);
}

static int node_of_answer(struct mirror_node *n, cJSON **tree, const struct kube_answer *a)
{
	*tree = cJSON_ParseWithLength(a->body, a->body_len);
	const char *version = object_text(*tree, "metadata.resourceVersion");
	const cJSON *taints = object_at(*tree, "spec.taints");
	*n = (struct mirror_node){.version = (char *)version};
	if (!version || object_node(*tree, &n->node) < 0)
		return -EBADMSG;
	n->taints = taints && !cJSON_IsNull(taints) ? cJSON_PrintUnformatted(taints) : strdup("[]");
	return n->taints ? 0 : -ENOMEM;
}

static void on_read(void *arg, const struct kube_answer *a)
{
	struct call *k = arg;
	k->read = true;
	struct why why = {0};
	struct mirror_node n = {0};
	cJSON *tree = NULL;
	int64_t retry_ms;
	int r = kube_answer_judge(a, &why, &retry_ms);
	if (r == 0 && node_of_answer(&n, &tree, a) < 0)
		r = why_set(&why, -EBADMSG, WHY_RETRY, "no node came back");
	if (r == 0 && k->uid[0] && strcmp(k->uid, n.node.uid) != 0)
		r = why_set(&why, -ESTALE, WHY_GONE, "another node has this name now");
	if (r < 0) {
		reply(k, r, &why, retry_ms);
	} else {
		text_copy(k->uid, sizeof(k->uid), n.node.uid);
		patch(k, &n);
	}
	free(n.taints);
	cJSON_Delete(tree);
}

static void read_node(struct call *k)
{
	autobuf path;
	buf_init(&path, 2 * NAME_MAX_BYTES);
	buf_printf(&path, "/api/v1/nodes/%s", k->node);
	struct kube_request_options o = {.verb = KUBE_VERB_GET,
		.lane = lane_of(k->reply.priority, true),
		.path = path.data,
		.again = k->stale != NULL,
		.on_done = on_read};
	start(k, &o);
}

// What the watch knows, if that can be more than what met a conflict.
static const struct mirror_node *watched(const struct call *k)
{
	const struct mirror *m = k->client->mirror;
	const struct mirror_node *n = m ? mirror_node(m, k->node) : NULL;
	if (k->read || !n || !n->version || !n->taints ||
		(k->uid[0] && strcmp(k->uid, n->node.uid) != 0))
		return NULL;
	return k->stale && strcmp(k->stale, n->version) == 0 ? NULL : n;
}

static void change(struct call *k)
{
	bool versioned = k->taint.key || k->request;
	const struct mirror_node *n = versioned ? watched(k) : NULL;
	if (!versioned || n) {
		if (n)
			text_copy(k->uid, sizeof(k->uid), n->node.uid);
		patch(k, n);
	} else {
		read_node(k);
	}
}

static bool copy_text(char **ret, const char *text)
{
	*ret = text ? strdup(text) : NULL;
	return !text || *ret;
}

static bool copy_pairs(struct pair ret[2], const struct kube_pair from[2])
{
	bool ok = true;
	for (int i = 0; i < 2; i++) {
		ok &= copy_text(&ret[i].key, from[i].key);
		ok &= copy_text(&ret[i].value, from[i].key ? from[i].value : NULL);
	}
	return ok;
}

static void change_node(
	void *self, const char *node, const struct kube_node_change *n, const struct kube_reply *r)
{
	struct call *k = call_new(self, r);
	if (!k)
		return; // without memory for a call there is none for its end
	k->cordon = n->cordon;
	k->request = n->request;
	bool ok = copy_text(&k->node, node) && copy_text(&k->taint.key, n->taint_key) &&
		  copy_text(&k->taint.value, n->taint_value) &&
		  copy_text(&k->effect, n->taint_key ? n->taint_effect : NULL) &&
		  copy_pairs(k->labels, n->labels) && copy_pairs(k->annotations, n->annotations);
	if (!ok)
		fail_soon(k, -ENOMEM, WHY_RETRY, "no memory");
	else if (!object_is_name(node))
		fail_soon(k, -EINVAL, WHY_BUG, "no name of a node");
	else
		change(k);
}

// ---- pods

static void put_preconditions(struct json *j, const struct kube_pod_ref *p, uint32_t grace_s)
{
	json_put_i64(j, "gracePeriodSeconds", grace_s > 0 ? grace_s : 1); // 0 would kill at once
	json_key(j, "preconditions");
	json_open(j, '{');
	json_put_text(j, "uid", p->uid);
	json_close(j, '}');
}

static bool pod_ok(struct call *k, const struct kube_pod_ref *p)
{
	if (object_is_name(p->namespace_) && object_is_name(p->name) && p->uid && p->uid[0])
		return true;
	fail_soon(k, -EINVAL, WHY_BUG, "no pod: namespace, name and uid must be given");
	return false;
}

static void put_eviction(struct buf *out, const struct kube_pod_ref *p, uint32_t grace_s)
{
	struct json j;
	json_init(&j, out);
	json_open(&j, '{');
	json_put_text(&j, "apiVersion", "policy/v1");
	json_put_text(&j, "kind", "Eviction");
	json_key(&j, "metadata");
	json_open(&j, '{');
	json_put_text(&j, "name", p->name);
	json_put_text(&j, "namespace", p->namespace_);
	json_close(&j, '}');
	json_key(&j, "deleteOptions");
	json_open(&j, '{');
	put_preconditions(&j, p, grace_s);
	json_close(&j, '}');
	json_close(&j, '}');
}

static void evict_pod(void *self, const struct kube_pod_ref *p, uint32_t grace_s, bool dry_run,
	const struct kube_reply *r)
{
	autobuf body, path;
	struct call *k = call_new(self, r);
	buf_init(&body, MAX_BODY_BYTES);
	buf_init(&path, 4 * NAME_MAX_BYTES);
	if (!k || !pod_ok(k, p))
		return;
	buf_printf(&path, "/api/v1/namespaces/%s/pods/%s/eviction%s", p->namespace_, p->name,
		dry_run ? "?dryRun=All" : "");
	put_eviction(&body, p, grace_s);
	struct kube_request_options o = {.verb = KUBE_VERB_EVICT,
		.lane = lane_of(r->priority, false),
		.method = "POST",
		.path = path.data,
		.content_type = "application/json",
		.body = body.data,
		.body_len = body.len,
		.deadline_ms = EVICT_MS,
		.gated = !dry_run,
		.on_done = on_answer};
	start(k, &o);
}

static void delete_pod(
	void *self, const struct kube_pod_ref *p, uint32_t grace_s, const struct kube_reply *r)
{
	autobuf body, path;
	struct call *k = call_new(self, r);
	struct json j;
	buf_init(&body, MAX_BODY_BYTES);
	buf_init(&path, 4 * NAME_MAX_BYTES);
	if (!k || !pod_ok(k, p))
		return;
	buf_printf(&path, "/api/v1/namespaces/%s/pods/%s", p->namespace_, p->name);
	json_init(&j, &body);
	json_open(&j, '{');
	json_put_text(&j, "apiVersion", "v1");
	json_put_text(&j, "kind", "DeleteOptions");
	put_preconditions(&j, p, grace_s);
	json_close(&j, '}');
	struct kube_request_options o = {.verb = KUBE_VERB_DELETE,
		.lane = lane_of(r->priority, false),
		.method = "DELETE",
		.path = path.data,
		.content_type = "application/json",
		.body = body.data,
		.body_len = body.len,
		.gated = true,
		.on_done = on_answer};
	start(k, &o);
}

// ---- events

static void put_event(struct kube_client *c, const struct kube_event *e, struct buf *out)
{
	const char *note = e->note ? e->note : "";
	char time[KUBE_MICRO_TIME], name[NAME_MAX_BYTES + 40];
	struct json j;
	kube_micro_time(c->o.wall_ms(), time);
	snprintf(name, sizeof(name), "%.200s.%016llx", e->node,
		(unsigned long long)rng_next(&c->o.rng));
	json_init(&j, out);
	json_open(&j, '{');
	json_put_text(&j, "apiVersion", "events.k8s.io/v1");
	json_put_text(&j, "kind", "Event");
	json_key(&j, "metadata");
	json_open(&j, '{');
	json_put_text(&j, "name", name);
	json_put_text(&j, "namespace", "default"); // where events about nodes must live
	json_close(&j, '}');
	json_put_text(&j, "eventTime", time);
	json_put_text(&j, "reportingController", "petrel.dev/aggregator");
	json_put_text(&j, "reportingInstance", c->identity);
	json_put_text(&j, "action", e->action && e->action[0] ? e->action : e->reason);
	json_put_text(&j, "type", e->warning ? "Warning" : "Normal");
	json_key(&j, "reason");
	json_text_n(&j, e->reason, strnlen(e->reason, MAX_REASON_BYTES));
	json_key(&j, "note");
	json_text_n(&j, note, strnlen(note, MAX_NOTE_BYTES));
	json_key(&j, "regarding");
	json_open(&j, '{');
	json_put_text(&j, "apiVersion", "v1");
	json_put_text(&j, "kind", "Node");
	json_put_text(&j, "name", e->node);
	if (e->node_uid && e->node_uid[0])
		json_put_text(&j, "uid", e->node_uid);
	json_close(&j, '}');
	json_close(&j, '}');
}

static void tell(void *self, const struct kube_event *e, const struct kube_reply *r)
{
	struct kube_client *c = self;
	autobuf body;
	struct call *k = call_new(c, r);
	buf_init(&body, MAX_BODY_BYTES);
	if (!k)
		return;
	if (!object_is_name(e->node) || !e->reason || !e->reason[0]) {
		fail_soon(k, -EINVAL, WHY_BUG, "an event needs a node and a reason");
		return;
	}
	put_event(c, e, &body);
	struct kube_request_options o = {.verb = KUBE_VERB_EVENT,
		.lane = lane_of(r->priority, false),
		.method = "POST",
		.path = "/apis/events.k8s.io/v1/namespaces/default/events",
		.content_type = "application/json",
		.body = body.data,
		.body_len = body.len,
		.gated = true,
		.on_done = on_answer};
	start(k, &o);
}

const struct kube_ops kube_client_ops = {
	.name = "apiserver",
	.watch = kube_client_watch,
	.change_node = change_node,
	.evict_pod = evict_pod,
	.delete_pod = delete_pod,
	.tell = tell,
};
