// SPDX-License-Identifier: Apache-2.0
#include "aggregator/kube/watch.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/kube/client_impl.h"
#include "aggregator/kube/objects.h"
#include "proto/base/text.h"

enum {
	PAGE = 500,
	PAGE_BYTES = 16 << 20, // as a tree seven times that
	PAGE_MS = 60 * 1000,
	WATCH_S = 300,
	SILENCE_MS = 90 * 1000, // bookmarks come about each 60 s
	LOOK_MS = 1000,         // how often silence is looked for
	BACKOFF_MS = 200,
	BACKOFF_MAX_MS = 30 * 1000,
	SHORT_LIVED_MS = 1000, // a watch that ends sooner and unheard counts as a failure
	MAX_TOKEN = 16 << 10,
};

static const struct {
	const char *name, *path;
	bool essential; // the first list is waited for even if we may not see it
} kinds[MIRROR_KIND_COUNT] = {
	[MIRROR_NODES] = {"nodes", "/api/v1/nodes", true},
	[MIRROR_REPLICASETS] = {"replicasets", "/apis/apps/v1/replicasets", false},
	[MIRROR_DEPLOYMENTS] = {"deployments", "/apis/apps/v1/deployments", false},
	[MIRROR_STATEFULSETS] = {"statefulsets", "/apis/apps/v1/statefulsets", false},
	[MIRROR_BUDGETS] = {"poddisruptionbudgets", "/apis/policy/v1/poddisruptionbudgets", true},
	[MIRROR_PODS] = {"pods", "/api/v1/pods", true},
	[MIRROR_VOLUMES] = {"volumeattachments", "/apis/storage.k8s.io/v1/volumeattachments",
		false},
	[MIRROR_LEASES] = {"leases",
		"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases", false},
};

struct kube_watch {
	struct kube_client *client;
	enum mirror_kind kind;
	uv_timer_t timer;
	struct kube_request *request;
	bool stopping, relist, failed; // failed: an ERROR event ended this watch
	char *token;                   // of the next page, NULL: the first
	char version[64];              // resourceVersion to watch from, "" none
	uint32_t page;
	unsigned failures;
	uint64_t heard_ns, begun_ns;
	uint64_t lines; // of this watch
	struct kube_watch_stats *stats;
};

const char *mirror_kind_name(enum mirror_kind k)
{
	return k < MIRROR_KIND_COUNT ? kinds[k].name : "?";
}

static void begin(struct kube_watch *w);

static uint64_t now_ns(const struct kube_watch *w)
{
	return w->client->o.mono_ns();
}

static void heard(struct kube_watch *w)
{
	w->heard_ns = now_ns(w);
	w->stats->heard_ns = w->heard_ns;
	w->stats->trouble[0] = '\0';
	w->stats->denied = false;
	w->failures = 0;
}

static void on_begin(uv_timer_t *timer)
{
	begin(timer->data);
}

static void begin_after(struct kube_watch *w, uint64_t ms)
{
	if (!w->stopping)
		uv_timer_start(&w->timer, on_begin, ms, 0);
}

// Full jitter: anything between nothing and the doubled time, so that clients that failed together
// do not come back together.
static void begin_later(struct kube_watch *w, int64_t at_least_ms)
{
	uint64_t cap = (uint64_t)BACKOFF_MS << (w->failures < 8 ? w->failures : 8);
	if (cap > BACKOFF_MAX_MS)
		cap = BACKOFF_MAX_MS;
	w->failures++;
	uint64_t ms = rng_below(&w->client->o.rng, cap) + 1;
	begin_after(w, (at_least_ms > 0 ? (uint64_t)at_least_ms : 0) + ms);
}

static void start_over(struct kube_watch *w)
{
	free(w->token);
	w->token = NULL;
	w->version[0] = '\0';
}

static void trouble(struct kube_watch *w, const struct kube_answer *a)
{
	struct why why;
	int64_t retry_ms;
	int r = kube_answer_judge(a, &why, &retry_ms);
	if (r == 0) // a good status, but not what it should be
		why_set(&why, -EBADMSG, WHY_RETRY, "no list");
	text_copy(w->stats->trouble, sizeof(w->stats->trouble), why.text);
	w->stats->denied = a->error == 0 && (a->status == 403 || a->status == 404);
	if (w->stats->denied)
		kube_client_heard(w->client);
	begin_later(w, retry_ms);
}

// ---- the list

static int keep_token(struct kube_watch *w, const cJSON *list)
{
	const char *token = object_text(list, "metadata.continue");
	free(w->token);
	w->token = NULL;
	if (!token || !token[0])
		return 0;
	w->token = strlen(token) < MAX_TOKEN ? strdup(token) : NULL;
	return w->token ? 1 : -EBADMSG;
}

static void listed(struct kube_watch *w)
{
	mirror_end(w->client->mirror, w->kind);
	w->stats->lists++;
	w->stats->relists += w->stats->synced;
	w->stats->synced = true;
	kube_client_heard(w->client);
	begin_after(w, 0);
}

static int take_page(struct kube_watch *w, const struct kube_answer *a)
{
	struct kube_client *c = w->client;
	cJSON *list = cJSON_ParseWithLength(a->body, a->body_len), *item;
	const cJSON *items = object_at(list, "items");
	const char *version = object_text(list, "metadata.resourceVersion");
	int r = -EBADMSG;
	if (cJSON_IsArray(items) && version && version[0] &&
		text_copy(w->version, sizeof(w->version), version)) {
		int64_t now_ms = c->o.wall_ms();
		cJSON_ArrayForEach (item, items) {
			mirror_take(c->mirror, w->kind, item, now_ms);
		}
		r = keep_token(w, list);
	}
	cJSON_Delete(list);
	return r;
}

static void on_page(void *arg, const struct kube_answer *a)
{
	struct kube_watch *w = arg;
	w->request = NULL;
	if (w->stopping)
		return;
	if (a->error == -EMSGSIZE && w->page > 1) {
		w->page /= 2;
		begin_after(w, 0);
		return;
	}
	int r = a->error < 0 || a->status != 200 ? -EIO : take_page(w, a);
	if (r < 0) {
		// also an expired token: from the beginning, and later, or it would expire again
		start_over(w);
		trouble(w, a);
		return;
	}
	heard(w);
	if (r > 0)
		begin_after(w, 0);
	else
		listed(w);
}

static int escape(const char *text, struct buf *out)
{
	for (const unsigned char *s = (const unsigned char *)text; *s; s++) {
		bool plain = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
			     (*s >= '0' && *s <= '9') || strchr("-._~", *s);
		buf_printf(out, plain ? "%c" : "%%%02X", *s);
	}
	return buf_failed(out) ? -ENOSPC : 0;
}

static int ask_page(struct kube_watch *w, struct buf *path)
{
	buf_printf(path, "%s?limit=%u", kinds[w->kind].path, w->page);
	if (w->token) {
		buf_text(path, "&continue=");
		escape(w->token, path);
	} else {
		mirror_begin(w->client->mirror, w->kind);
	}
	struct kube_request_options o = {.verb = KUBE_VERB_LIST,
		.lane = BUDGET_LIST,
		.path = path->data,
		.max_body = PAGE_BYTES,
		.deadline_ms = PAGE_MS,
		.on_done = on_page,
		.arg = w};
	return buf_failed(path) ? -ENOMEM : kube_request_start(&w->request, w->client, &o);
}

// ---- the watch

static void take_error(struct kube_watch *w, const cJSON *status)
{
	const cJSON *code = object_at(status, "code");
	const char *message = object_text(status, "message");
	if (cJSON_IsNumber(code) && cJSON_GetNumberValue(code) == 410)
		w->relist = true;
	w->failed = true;
	text_copy(w->stats->trouble, sizeof(w->stats->trouble), message ? message : "ERROR event");
}

static bool take_event(struct kube_watch *w, const char *type, const cJSON *object)
{
	struct kube_client *c = w->client;
	const char *version = object_text(object, "metadata.resourceVersion");
	if (strcmp(type, "ERROR") == 0) {
		take_error(w, object);
		return false;
	}
	heard(w);
	if (strcmp(type, "ADDED") == 0 || strcmp(type, "MODIFIED") == 0)
		mirror_take(c->mirror, w->kind, object, c->o.wall_ms());
	else if (strcmp(type, "DELETED") == 0)
		mirror_remove(c->mirror, w->kind, object);
	if (version && strlen(version) < sizeof(w->version))
		text_copy(w->version, sizeof(w->version), version);
	return true;
}

static bool on_event(void *arg, const char *line, size_t len)
{
	struct kube_watch *w = arg;
	cJSON *event = len > 0 ? cJSON_ParseWithLength(line, len) : NULL;
	const char *type = object_text(event, "type");
	const cJSON *object = object_at(event, "object");
	bool go_on = true;
	w->lines++;
	if (type && object)
		go_on = take_event(w, type, object);
	else if (len > 0) // not what was agreed: what was in it is lost, so list again
		go_on = !(w->relist = true);
	cJSON_Delete(event);
	return go_on && !w->stopping;
}

static void on_watch_end(void *arg, const struct kube_answer *a)
{
	struct kube_watch *w = arg;
	w->request = NULL;
	uv_timer_stop(&w->timer);
	if (w->stopping)
		return;
	if (w->relist || a->status == 410 || a->error == -EMSGSIZE) {
		w->relist = false;
		start_over(w);
		begin_later(w, 0);
		return;
	}
	bool answered = a->status == 200; // else the body says what is wrong
	bool lived = now_ns(w) - w->begun_ns >= SHORT_LIVED_MS * 1000000ULL;
	if (answered && !w->failed && (w->lines > 0 || lived))
		begin_after(w, 0);
	else if (answered)
		begin_later(w, 0);
	else
		trouble(w, a);
}

static void on_look(uv_timer_t *timer)
{
	struct kube_watch *w = timer->data;
	uint32_t limit = w->client->o.silence_ms ? w->client->o.silence_ms : SILENCE_MS;
	uint64_t since = w->heard_ns > w->begun_ns ? w->heard_ns : w->begun_ns;
	if (now_ns(w) - since < limit * 1000000ULL)
		return;
	w->stats->cut++;
	text_copy(w->stats->trouble, sizeof(w->stats->trouble), "the watch fell silent");
	kube_request_cancel(w->request);
}

static int ask_watch(struct kube_watch *w, struct buf *path)
{
	uint32_t least = w->client->o.watch_s ? w->client->o.watch_s : WATCH_S;
	unsigned seconds = least + (unsigned)rng_below(&w->client->o.rng, least);
	buf_printf(path, "%s?watch=1&allowWatchBookmarks=true&timeoutSeconds=%u&resourceVersion=",
		kinds[w->kind].path, seconds);
	escape(w->version, path);
	struct kube_request_options o = {.verb = KUBE_VERB_WATCH,
		.lane = BUDGET_LEADER, // one request that costs the server little
		.path = path->data,
		.on_line = on_event,
		.on_done = on_watch_end,
		.arg = w};
	w->begun_ns = now_ns(w);
	w->lines = 0;
	w->failed = false;
	int r = buf_failed(path) ? -ENOMEM : kube_request_start(&w->request, w->client, &o);
	if (r == 0) {
		w->stats->watches++;
		uv_timer_start(&w->timer, on_look, LOOK_MS, LOOK_MS);
	}
	return r;
}

static void begin(struct kube_watch *w)
{
	autobuf path;
	buf_init(&path, 4 * MAX_TOKEN);
	bool watch = w->version[0] && !w->token;
	int r = watch ? ask_watch(w, &path) : ask_page(w, &path);
	if (r < 0 && r != -ESHUTDOWN)
		begin_later(w, 0);
}

// ---- its life

int kube_watch_start(struct kube_watch **ret, struct kube_client *c, enum mirror_kind kind)
{
	struct kube_watch *w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->client = c;
	w->kind = kind;
	w->page = c->o.page ? c->o.page : PAGE;
	w->stats = &c->stats.watches[kind];
	w->stats->wanted = true;
	uv_timer_init(c->loop, &w->timer);
	w->timer.data = w;
	begin_after(w, 0);
	*ret = w;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct kube_watch *w = handle->data;
	struct kube_client *c = w->client;
	free(w->token);
	free(w);
	kube_client_watch_closed(c);
}

void kube_watch_stop(struct kube_watch *w)
{
	w->stopping = true;
	if (w->request)
		kube_request_cancel(w->request);
	uv_close((uv_handle_t *)&w->timer, on_closed);
}

bool kube_watch_ready(const struct kube_watch *w)
{
	return w->stats->synced || (w->stats->denied && !kinds[w->kind].essential);
}
