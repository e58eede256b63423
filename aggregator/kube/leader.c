// SPDX-License-Identifier: Apache-2.0
#include "aggregator/kube/leader.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/kube/client_impl.h"
#include "aggregator/kube/objects.h"
#include "proto/base/json.h"
#include "proto/base/text.h"

enum {
	LEASE_MS = 15 * 1000,
	RENEW_MS = 10 * 1000,
	RETRY_MS = 2 * 1000,
	LEAST_DEADLINE_MS = 1000,
	MAX_BODY_BYTES = 4096,
	MAX_DURATION_S = 3600, // of somebody else's record
};

struct record { // as last read or written
	char version[64], holder[NAME_MAX_BYTES], acquired[48];
	uint64_t duration_ms, seen_ns; // seen_ns: when we saw it change
	int64_t transitions;
};

enum leader_ask { ASK_NOTHING, ASK_READ, ASK_WRITE, ASK_RELEASE };

struct leader {
	struct kube_client *client;
	struct leader_options o;
	char namespace_[64], name[NAME_MAX_BYTES], identity[NAME_MAX_BYTES];
	uv_timer_t tick, expiry;
	struct kube_request *request;
	enum leader_ask asking;
	struct record record;
	uint64_t sent_ns; // of the write under way
	bool leads, stopping;
	int open_handles;
	struct leader_stats stats;
	void (*on_stopped)(void *arg);
	void *on_stopped_arg;
};

static void read_record(struct leader *l);

static uint64_t now_ns(const struct leader *l)
{
	return l->client->o.mono_ns();
}

bool leader_is(const struct leader *l, uint64_t now_mono_ns)
{
	return l->leads && !l->stopping && now_mono_ns < l->stats.valid_until_ns;
}

const char *leader_holder(const struct leader *l)
{
	return l->record.holder;
}

void leader_stats(const struct leader *l, struct leader_stats *ret)
{
	*ret = l->stats;
	ret->transitions = l->record.transitions;
}

static void set_leads(struct leader *l, bool leads)
{
	if (l->leads == leads)
		return;
	l->leads = leads;
	l->stats.changes++;
	if (!leads)
		l->stats.valid_until_ns = 0;
	if (l->o.on_change)
		l->o.on_change(l->o.arg, leads);
}

// ---- the clock

static void on_expiry(uv_timer_t *timer)
{
	struct leader *l = timer->data;
	if (l->leads && now_ns(l) >= l->stats.valid_until_ns)
		set_leads(l, false);
}

static void valid_until(struct leader *l, uint64_t until_ns)
{
	uint64_t now = now_ns(l);
	l->stats.valid_until_ns = until_ns;
	if (until_ns <= now) { // the answer came too late to be worth anything
		set_leads(l, false);
		return;
	}
	set_leads(l, true);
	uv_timer_start(&l->expiry, on_expiry, (until_ns - now) / 1000000 + 1, 0);
}

static void on_tick(uv_timer_t *timer);

static void tick_later(struct leader *l)
{
	uint64_t retry = l->o.retry_ms;
	if (!l->leads) // followers that wait for the same lease should not all come at once
		retry += rng_below(&l->client->o.rng, retry / 5 + 1);
	if (!l->stopping)
		uv_timer_start(&l->tick, on_tick, retry, 0);
}

// ---- writing

static void put_lease(struct leader *l, struct buf *out, bool release)
{
	struct json j;
	char now[KUBE_MICRO_TIME];
	bool ours = strcmp(l->record.holder, l->identity) == 0;
	kube_micro_time(l->client->o.wall_ms(), now);
	json_init(&j, out);
	json_open(&j, '{');
	json_put_text(&j, "apiVersion", "coordination.k8s.io/v1");
	json_put_text(&j, "kind", "Lease");
	json_key(&j, "metadata");
	json_open(&j, '{');
	json_put_text(&j, "name", l->name);
	json_put_text(&j, "namespace", l->namespace_);
	if (l->record.version[0])
		json_put_text(&j, "resourceVersion", l->record.version);
	json_close(&j, '}');
	json_key(&j, "spec");
	json_open(&j, '{');
	json_put_text(&j, "holderIdentity", release ? "" : l->identity);
	json_put_i64(&j, "leaseDurationSeconds", release ? 1 : l->o.lease_ms / 1000);
	json_put_text(&j, "acquireTime", ours && l->record.acquired[0] ? l->record.acquired : now);
	json_put_text(&j, "renewTime", now);
	json_put_i64(&j, "leaseTransitions",
		l->record.transitions + (!ours && !release && l->record.version[0]));
	json_close(&j, '}');
	json_close(&j, '}');
}

static void on_written(void *arg, const struct kube_answer *a);
static void on_released(void *arg, const struct kube_answer *a);
static void release(struct leader *l);

static uint32_t deadline_ms(const struct leader *l)
{
	uint32_t ms = l->o.renew_ms / 3;
	return ms > LEAST_DEADLINE_MS ? ms : LEAST_DEADLINE_MS;
}

static int ask(struct leader *l, enum leader_ask what)
{
	autobuf path, body;
	bool create = what == ASK_WRITE && !l->record.version[0];
	buf_init(&path, 1024);
	buf_init(&body, MAX_BODY_BYTES);
	buf_printf(&path, "/apis/coordination.k8s.io/v1/namespaces/%s/leases%s%s", l->namespace_,
		create ? "" : "/", create ? "" : l->name);
	if (what != ASK_READ)
		put_lease(l, &body, what == ASK_RELEASE);
	if (buf_failed(&path) || buf_failed(&body))
		return -ENOSPC;
	struct kube_request_options o = {.verb = KUBE_VERB_LEASE,
		.lane = BUDGET_LEADER,
		.method = create             ? "POST"
			  : what == ASK_READ ? "GET"
					     : "PUT",
		.path = path.data,
		.content_type = what == ASK_READ ? NULL : "application/json",
		.body = what == ASK_READ ? NULL : body.data,
		.body_len = body.len,
		.deadline_ms = deadline_ms(l),
		.on_done = what == ASK_RELEASE ? on_released : on_written,
		.arg = l};
	l->asking = what;
	l->sent_ns = now_ns(l);
	return kube_request_start(&l->request, l->client, &o);
}

static void begin(struct leader *l, enum leader_ask what)
{
	if (ask(l, what) < 0)
		tick_later(l);
}

// ---- reading

static void copy_text(char *ret, size_t size, const char *text)
{
	if (!text || !text_copy(ret, size, text))
		ret[0] = '\0';
}

static int take_record(struct leader *l, const struct kube_answer *a)
{
	struct record *r = &l->record;
	cJSON *o = cJSON_ParseWithLength(a->body, a->body_len);
	const char *version = object_text(o, "metadata.resourceVersion");
	const cJSON *seconds = object_at(o, "spec.leaseDurationSeconds");
	const cJSON *transitions = object_at(o, "spec.leaseTransitions");
	bool ok = version && version[0] && strlen(version) < sizeof(r->version);
	if (ok && strcmp(version, r->version) != 0)
		r->seen_ns = now_ns(l);
	if (ok) {
		double s = cJSON_IsNumber(seconds) ? cJSON_GetNumberValue(seconds) : 1;
		s = s < 1 ? 1 : s > MAX_DURATION_S ? MAX_DURATION_S : s;
		r->duration_ms = (uint64_t)(s * 1000);
		double n = cJSON_IsNumber(transitions) ? cJSON_GetNumberValue(transitions) : 0;
		r->transitions = n > 0 && n < INT32_MAX ? (int64_t)n : 0;
		text_copy(r->version, sizeof(r->version), version);
		copy_text(r->holder, sizeof(r->holder), object_text(o, "spec.holderIdentity"));
		copy_text(r->acquired, sizeof(r->acquired), object_text(o, "spec.acquireTime"));
	}
	cJSON_Delete(o);
	return ok ? 0 : -EBADMSG;
}

static bool may_take(const struct leader *l)
{
	const struct record *r = &l->record;
	if (!r->holder[0] || strcmp(r->holder, l->identity) == 0)
		return true;
	return now_ns(l) - r->seen_ns >= r->duration_ms * 1000000;
}

static void on_read(struct leader *l)
{
	bool ours = strcmp(l->record.holder, l->identity) == 0;
	if (!ours)
		set_leads(l, false);
	if (may_take(l))
		begin(l, ASK_WRITE);
	else
		tick_later(l);
}

static void on_accepted(struct leader *l)
{
	l->stats.renewals++;
	valid_until(l, l->sent_ns + l->o.renew_ms * 1000000ULL);
	tick_later(l);
}

static void on_failure(struct leader *l, int r, const struct why *why)
{
	l->stats.failures++;
	text_copy(l->stats.trouble, sizeof(l->stats.trouble), why->text);
	bool wrote = l->asking == ASK_WRITE;
	if (wrote && (r == -EDEADLK || r == -EEXIST)) // somebody, perhaps we, whose answer was lost
		read_record(l);
	else
		tick_later(l);
}

static void on_written(void *arg, const struct kube_answer *a)
{
	struct leader *l = arg;
	struct why why = {0};
	int64_t retry_ms;
	l->request = NULL;
	int r = kube_answer_judge(a, &why, &retry_ms);
	if (l->stopping) { // the end waited for this write, else the record would be newer than
			   // ours
		if (r == 0)
			take_record(l, a);
		release(l);
		return;
	}
	if (r == -ENOENT && l->asking == ASK_READ) {
		l->record = (struct record){.seen_ns = now_ns(l)};
		begin(l, ASK_WRITE);
		return;
	}
	if (r == -ENOENT) // deleted under us
		l->record.version[0] = '\0';
	if (r == 0 && take_record(l, a) < 0)
		r = why_set(&why, -EBADMSG, WHY_RETRY, "no lease came back");
	if (r < 0) {
		on_failure(l, r, &why);
		return;
	}
	l->stats.trouble[0] = '\0';
	if (l->asking == ASK_READ)
		on_read(l);
	else
		on_accepted(l);
}

static void read_record(struct leader *l)
{
	begin(l, ASK_READ);
}

static void on_tick(uv_timer_t *timer)
{
	struct leader *l = timer->data;
	on_expiry(&l->expiry); // first, in case this process was frozen
	begin(l, l->leads && l->record.version[0] ? ASK_WRITE : ASK_READ);
}

// ---- its life

static bool options_ok(const struct leader_options *o)
{
	return o->lease_ms > o->renew_ms && o->renew_ms > o->retry_ms && o->retry_ms > 0 &&
	       o->lease_ms >= 1000 && object_is_name(o->namespace_) && strlen(o->namespace_) < 64 &&
	       object_is_name(o->name) && o->identity && o->identity[0] &&
	       strlen(o->identity) < NAME_MAX_BYTES;
}

int leader_start(struct leader **ret, struct kube_client *c, const struct leader_options *o)
{
	struct leader_options with = *o;
	with.lease_ms = o->lease_ms ? o->lease_ms : LEASE_MS;
	with.renew_ms = o->renew_ms ? o->renew_ms : RENEW_MS;
	with.retry_ms = o->retry_ms ? o->retry_ms : RETRY_MS;
	if (!options_ok(&with))
		return -EINVAL;
	struct leader *l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->client = c;
	l->o = with;
	text_copy(l->namespace_, sizeof(l->namespace_), o->namespace_);
	text_copy(l->name, sizeof(l->name), o->name);
	text_copy(l->identity, sizeof(l->identity), o->identity);
	uv_timer_init(c->loop, &l->tick);
	uv_timer_init(c->loop, &l->expiry);
	l->tick.data = l->expiry.data = l;
	l->open_handles = 2;
	uv_timer_start(&l->tick, on_tick, 0, 0);
	*ret = l;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct leader *l = handle->data;
	if (--l->open_handles > 0)
		return;
	if (l->on_stopped)
		l->on_stopped(l->on_stopped_arg);
	free(l);
}

static void close_all(struct leader *l)
{
	uv_close((uv_handle_t *)&l->tick, on_closed);
	uv_close((uv_handle_t *)&l->expiry, on_closed);
}

static void on_released(void *arg, const struct kube_answer *a)
{
	struct leader *l = arg;
	l->request = NULL;
	close_all(l);
}

// Only what is ours is given back.
static void release(struct leader *l)
{
	bool ours = l->record.version[0] && strcmp(l->record.holder, l->identity) == 0;
	if (!ours || ask(l, ASK_RELEASE) < 0)
		close_all(l);
}

void leader_stop(struct leader *l, void (*on_stopped)(void *arg), void *arg)
{
	l->on_stopped = on_stopped;
	l->on_stopped_arg = arg;
	l->stopping = true;
	uv_timer_stop(&l->tick);
	uv_timer_stop(&l->expiry);
	set_leads(l, false);
	if (!l->request)
		release(l);
	else if (l->asking == ASK_READ)
		kube_request_cancel(l->request); // releases inside
}
