// SPDX-License-Identifier: Apache-2.0
// Intents to the disk, calls out, answers in.
//
// A call is queued with its intent; drains_flush() writes every waiting line in one append and then
// makes the calls, so a thousand drains that begin in the same turn cost one fsync. A queued call
// that may not be made after all (leadership lost, the file cannot be written and nothing forces
// it) is answered -EPERM here, as if it had been refused, and its state goes back.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/act/drains_inner.h"
#include "aggregator/act/mark.h"
#include "proto/base/events.h"
#include "proto/base/json.h"
#include "proto/base/log.h"
#include "proto/base/text.h"

enum { MAX_ENTRIES = 20000, TOKEN_BYTES = 65 };

static const struct {
	const char *name;
	bool audited;
} kinds[CALL_KIND_COUNT] = {
	[CALL_MARK] = {"mark", true},
	[CALL_UNMARK] = {"unmark", true},
	[CALL_CLOSE] = {"close", true},
	[CALL_ASK] = {"ask", true},
	[CALL_EVICT] = {"evict", true},
	[CALL_DELETE] = {"delete", true},
	[CALL_LAUNCH] = {"launch", true},
	[CALL_DESIRED] = {"desired", true},
	[CALL_TERMINATE] = {"terminate", true},
	[CALL_COMPLETE] = {"complete", true},
	[CALL_HEARTBEAT] = {"heartbeat", true},
	[CALL_OUT_OF_SERVICE] = {"out-of-service", true},
	[CALL_IN_SERVICE] = {"in-service", true},
	[CALL_BALANCERS] = {"balancers", false},
	[CALL_STATE] = {"state", false},
	[CALL_TELL] = {"tell", false},
};

const char *call_kind_name(enum call_kind k)
{
	return (unsigned)k < CALL_KIND_COUNT ? kinds[k].name : "unknown";
}

bool drain_may_act(const struct drains *ds, const struct drain *d)
{
	return d->inner->cluster && ds->o.may_act(ds->o.arg, d->cluster);
}

// An act under way is never forgotten by a new plan (drain_merge.c), so it is there.
struct drain_act *drain_act_of(const struct call *c)
{
	for (size_t i = 0; i < c->drain->n_acts; i++)
		if (c->drain->acts[i].number == c->act)
			return &c->drain->acts[i];
	return NULL;
}

// --- lines for the audit file ---------------------------------------------------------------

void drain_entry(struct drains *ds, const struct drain *d, const char *kind, struct buf *json)
{
	if (ds->n_entries == ds->cap_entries) {
		size_t cap = ds->cap_entries ? ds->cap_entries * 2 : 64;
		struct entry *grown =
			cap > MAX_ENTRIES * 2 ? NULL : realloc(ds->entries, cap * sizeof(*grown));
		if (!grown) {
			ds->stats.unaudited++;
			return;
		}
		ds->entries = grown;
		ds->cap_entries = cap;
	}
	struct entry *e = &ds->entries[ds->n_entries];
	// what does not fit says so: a half of it would be no JSON and cost the whole append
	e->json = strdup(json->data && !buf_failed(json) ? json->data : "{\"too_large\":true}");
	if (!e->json) {
		ds->stats.unaudited++;
		return;
	}
	e->kind = kind;
	text_copy(e->cluster, sizeof(e->cluster), d->cluster);
	text_copy(e->id, sizeof(e->id), d->id);
	ds->n_entries++;
}

static void put_call(struct json *j, const struct call *c)
{
	const struct drain *d = c->drain;
	json_put_text(j, "call", kinds[c->kind].name);
	json_put_text(j, "node", d->node);
	if (c->kind == CALL_EVICT || c->kind == CALL_DELETE) {
		const struct drain_pod *p = &d->pods[c->pod];
		json_put_text(j, "namespace", p->namespace_);
		json_put_text(j, "pod", p->name);
		json_put_text(j, "uid", p->uid);
		json_put_i64(j, "grace_s", c->grace_s);
	} else if (c->kind == CALL_LAUNCH || c->kind == CALL_DESIRED) {
		const struct drain_step *s = &drain_act_of(c)->step;
		json_put_text(j, "scaling_group", s->scaling_group);
		json_put_text(j, "zone", s->zone);
		json_put_i64(j, "desired", s->desired);
	}
}

static void write_intent(struct drains *ds, const struct call *c)
{
	struct json j;
	buf_reset(&ds->text);
	json_init(&j, &ds->text);
	json_open(&j, '{');
	put_call(&j, c);
	json_put_i64(&j, "deadline_ms", c->drain->deadline_ms);
	json_close(&j, '}');
	drain_entry(ds, c->drain, "intent", &ds->text);
	ds->entries_urgent = true;
}

static void write_outcome(struct drains *ds, const struct call *c, const struct answer *a)
{
	struct json j;
	buf_reset(&ds->text);
	json_init(&j, &ds->text);
	json_open(&j, '{');
	put_call(&j, c);
	json_put_i64(&j, "r", a->r);
	json_put_i64(&j, "took_ms", ds->now_ms - c->begun_ms);
	if (a->r < 0 && a->why) {
		json_put_text(&j, "class", why_class_name(a->why->class));
		json_put_text(&j, "why", a->why->text);
	}
	if (a->text && a->text[0])
		json_put_text(&j, "text", a->text);
	json_close(&j, '}');
	drain_entry(ds, c->drain, "outcome", &ds->text);
}

static void take_back_act(struct drains *ds, const struct call *c, int64_t again_ms)
{
	const struct answer not_asked = {.r = -EPERM};
	struct call copy = *c;
	struct drain_act *act = drain_act_of(c);
	if (!act)
		return;
	if (c->kind == CALL_LAUNCH || c->kind == CALL_DESIRED)
		drain_answer_replacement(ds, &copy, &not_asked); // the group is not enlarged
	act->state = DRAIN_STEP_PLANNED;
	act->again_ms = again_ms;
	act->tries -= act->tries > 0;
}

static void take_back_pod(const struct call *c, int64_t again_ms)
{
	struct drain_pod *p = &c->drain->pods[c->pod];
	p->state = c->kind == CALL_DELETE ? DRAIN_POD_BLOCKED : DRAIN_POD_WAITING;
	p->again_ms = again_ms;
}

// No memory for a call: what it was for is as if it had not begun, and begins again a little later.
static void take_back(struct drains *ds, const struct call *c)
{
	const int64_t again_ms = ds->now_ms + 1000;
	struct drain_inner *in = c->drain->inner;
	switch (c->kind) {
	case CALL_EVICT:
	case CALL_DELETE: take_back_pod(c, again_ms); break;
	case CALL_CLOSE: in->marked = true; break;
	case CALL_HEARTBEAT: in->heartbeat_ms = again_ms; break;
	case CALL_IN_SERVICE: in->in_service_ms = again_ms; break;
	case CALL_STATE: in->ask_state_ms = again_ms; break;
	case CALL_ASK: in->pass_on_ms = again_ms; break;
	case CALL_TELL: break;
	default: take_back_act(ds, c, again_ms); break;
	}
}

void drain_call(struct drains *ds, const struct call *c)
{
	struct call *queued = malloc(sizeof(*queued));
	if (!queued) {
		take_back(ds, c);
		return;
	}
	*queued = *c;
	queued->ds = ds;
	queued->begun_ms = ds->now_ms;
	c->drain->inner->in_flight++;
	c->drain->inner->busy += c->kind != CALL_TELL;
	DL_APPEND(ds->queued, queued);
	if (kinds[c->kind].audited)
		write_intent(ds, queued);
}

static void forget_entries(struct drains *ds)
{
	for (size_t i = 0; i < ds->n_entries; i++)
		free(ds->entries[i].json);
	ds->n_entries = 0;
	ds->entries_urgent = false;
}

// All that waits, in one append. Said once when it stops working, and once when it works again.
static bool write_entries(struct drains *ds)
{
	if (ds->n_entries == 0)
		return !ds->unaudited;
	struct drain_entry *entries = calloc(ds->n_entries, sizeof(*entries));
	int r = entries ? 0 : -ENOMEM;
	for (size_t i = 0; entries && i < ds->n_entries; i++) {
		const struct entry *e = &ds->entries[i];
		entries[i] = (struct drain_entry){e->kind, e->cluster, e->id, e->json};
	}
	if (r == 0)
		r = ds->o.audit(ds->o.arg, entries, ds->n_entries);
	free(entries);
	if (r < 0)
		ds->stats.unaudited += ds->n_entries;
	if ((r < 0) != ds->unaudited)
		log_event(r < 0 ? LOG_ERROR : LOG_INFO, EV_AUDIT_FAILED,
			r < 0 ? "drains cannot be audited: interruptions are handled all the same, "
				"nothing voluntary is done"
			      : "drains are audited again",
			LOG_TEXT("error", r < 0 ? strerror(-r) : ""));
	ds->unaudited = r < 0;
	forget_entries(ds);
	return r == 0;
}

// --- out --------------------------------------------------------------------------------------

static void answered(struct call *c, const struct answer *a);

static void on_kube(void *arg, int r, const struct why *why, int64_t retry_ms)
{
	const struct answer a = {r, why, retry_ms, NULL};
	answered(arg, &a);
}

static void on_cloud(void *arg, int r, const struct why *why, const char *text)
{
	const struct answer a = {r, why, 0, text};
	answered(arg, &a);
}

static void print_mark(const struct call *c, const char *phase, bool cordoned, struct buf *out)
{
	const struct drain *d = c->drain;
	struct drain_mark m = {.kind = d->kind,
		.out_of_service = c->kind == CALL_OUT_OF_SERVICE,
		.observed_ms = d->observed_ms,
		.deadline_ms = d->deadline_ms,
		.cordoned = cordoned,
		.replacing = d->replacement.state != DRAIN_REPLACEMENT_NONE};
	text_copy(m.phase, sizeof(m.phase), phase);
	text_copy(m.id, sizeof(m.id), d->id);
	text_copy(m.owner, sizeof(m.owner), c->ds->o.owner);
	drain_mark_print(&m, out);
}

static void call_mark(const struct call *c, const struct kube_reply *reply)
{
	struct drain *d = c->drain;
	const struct fleet_node *n = fleet_find_node(c->ds->o.fleet, d->cluster, d->node);
	bool foreign = n && n->unschedulable && !d->inner->cordoned;
	bool asked = d->kind == DRAIN_OPERATOR;
	autobuf text;
	buf_init(&text, 1024);
	print_mark(c, "evicting", !foreign, &text);
	d->inner->cordoned = !foreign;
	const struct kube_node_change change = {
		.cordon = foreign ? KUBE_CORDON_KEEP : KUBE_CORDON_SET,
		.taint_key = asked ? NULL : DRAIN_TAINT,
		.taint_value = drain_kind_name(d->kind),
		.taint_effect = "NoSchedule",
		.labels = {{DRAIN_LB_LABEL, "petrel"}},
		.annotations = {{DRAIN_ANNOTATION, text.data}}};
	const struct kube *k = &d->inner->cluster->kube;
	k->ops->change_node(k->self, d->node, &change, reply);
}

static void call_ask(const struct call *c, const struct kube_reply *reply)
{
	autobuf text;
	buf_init(&text, 1024);
	print_mark(c, DRAIN_MARK_ASKED, false, &text);
	const struct kube_node_change change = {
		.annotations = {{DRAIN_ANNOTATION, text.data}}, .request = true};
	const struct kube *k = &c->drain->inner->cluster->kube;
	k->ops->change_node(k->self, c->drain->node, &change, reply);
}

// Takes back what MARK did. A drain that a person asked for ends cordoned, as `kubectl drain` does.
static void call_unmark(const struct call *c, const struct kube_reply *reply)
{
	struct drain *d = c->drain;
	bool uncordon = c->kind == CALL_UNMARK && d->inner->cordoned;
	const struct kube_node_change change = {
		.cordon = uncordon ? KUBE_CORDON_UNSET : KUBE_CORDON_KEEP,
		.taint_key = DRAIN_TAINT,
		.labels = {{DRAIN_LB_LABEL, NULL}},
		.annotations = {{DRAIN_ANNOTATION, NULL}}};
	const struct kube *k = &d->inner->cluster->kube;
	k->ops->change_node(k->self, d->node, &change, reply);
}

// The mark says that this taint is ours, in the same patch.
static void call_out_of_service(const struct call *c, const struct kube_reply *reply)
{
	autobuf text;
	buf_init(&text, 1024);
	print_mark(c, "evicting", c->drain->inner->cordoned, &text);
	const struct kube_node_change change = {.taint_key = DRAIN_OOS_TAINT,
		.taint_value = "nodeshutdown",
		.taint_effect = c->kind == CALL_OUT_OF_SERVICE ? "NoExecute" : NULL,
		.annotations = {{DRAIN_ANNOTATION, text.data}}};
	const struct kube *k = &c->drain->inner->cluster->kube;
	k->ops->change_node(k->self, c->drain->node, &change, reply);
}

static void call_pod(const struct call *c, const struct kube_reply *reply)
{
	const struct drain_pod *p = &c->drain->pods[c->pod];
	const struct kube_pod_ref ref = {p->namespace_, p->name, p->uid};
	const struct kube *k = &c->drain->inner->cluster->kube;
	if (c->kind == CALL_EVICT)
		k->ops->evict_pod(k->self, &ref, c->grace_s, false, reply);
	else
		k->ops->delete_pod(k->self, &ref, c->grace_s, reply);
}

static void call_tell(const struct call *c, const struct kube_reply *reply)
{
	const struct kube_event e = {.node = c->drain->node,
		.node_uid = c->drain->node_uid,
		.reason = c->reason,
		.action = "Drain",
		.note = c->note,
		.warning = c->warning};
	const struct kube *k = &c->drain->inner->cluster->kube;
	k->ops->tell(k->self, &e, reply);
}

static void call_kube(struct call *c)
{
	const struct kube_reply reply = {.on_done = on_kube,
		.arg = c,
		.priority = c->kind == CALL_TELL                ? KUBE_REPORT
			    : drain_kind_forced(c->drain->kind) ? KUBE_INTERRUPTION
								: KUBE_VOLUNTARY};
	switch (c->kind) {
	case CALL_MARK: call_mark(c, &reply); break;
	case CALL_UNMARK:
	case CALL_CLOSE: call_unmark(c, &reply); break;
	case CALL_OUT_OF_SERVICE:
	case CALL_IN_SERVICE: call_out_of_service(c, &reply); break;
	case CALL_ASK: call_ask(c, &reply); break;
	case CALL_TELL: call_tell(c, &reply); break;
	default: call_pod(c, &reply); break;
	}
}

static void call_launch(struct call *c, const struct cloud_reply *reply)
{
	const struct cloud *cloud = &c->drain->inner->cluster->cloud;
	const struct drain_step *s = &drain_act_of(c)->step;
	char token[TOKEN_BYTES];
	// the same launch of the same drain is one launch, also after a restart
	snprintf(token, sizeof(token), "%.32s-%.31s", c->drain->id, s->zone);
	const struct cloud_launch l = {s->scaling_group, s->zone, token};
	cloud->ops->launch(cloud->self, &l, reply);
}

static void call_cloud(struct call *c)
{
	const struct drain *d = c->drain;
	const struct cloud *cloud = &d->inner->cluster->cloud;
	const struct cloud_reply reply = {.on_done = on_cloud, .arg = c};
	const struct fleet_group *g = fleet_find_group(c->ds->o.fleet, d->cluster, d->group);
	const struct drain_inner *in = d->inner;
	const struct cloud_hook hook = {.scaling_group = in->hook[0] ? in->hook_group
							 : g         ? g->scaling_group
								     : "",
		.hook = in->hook[0] ? in->hook
			: g         ? g->terminate_hook
				    : "",
		.instance_id = d->instance,
		.token = in->hook_token};
	const struct drain_step *s;
	switch (c->kind) {
	case CALL_LAUNCH: call_launch(c, &reply); break;
	case CALL_DESIRED:
		s = &drain_act_of(c)->step;
		cloud->ops->set_desired(cloud->self, s->scaling_group, s->desired, &reply);
		break;
	case CALL_TERMINATE: cloud->ops->terminate(cloud->self, d->instance, true, &reply); break;
	case CALL_COMPLETE: cloud->ops->lifecycle_complete(cloud->self, &hook, &reply); break;
	case CALL_HEARTBEAT: cloud->ops->lifecycle_heartbeat(cloud->self, &hook, &reply); break;
	case CALL_BALANCERS: cloud->ops->load_balancers(cloud->self, d->instance, &reply); break;
	default: cloud->ops->instance_state(cloud->self, d->instance, &reply); break;
	}
}

static bool is_kube(enum call_kind k)
{
	return k <= CALL_DELETE || k == CALL_OUT_OF_SERVICE || k == CALL_IN_SERVICE ||
	       k == CALL_TELL;
}

static void refuse(struct call *c, const char *text)
{
	struct why why;
	why_set(&why, -EPERM, WHY_RETRY, "%s", text);
	const struct answer a = {-EPERM, &why, 0, NULL};
	answered(c, &a);
}

static void make_call(struct drains *ds, struct call *c, bool audited)
{
	DL_APPEND(ds->in_flight, c);
	bool leads = drain_may_act(ds, c->drain);
	if (leads == (c->kind == CALL_ASK)) { // the leader needs to ask nobody
		refuse(c, "this replica does not lead any more, or leads by now");
	} else if (kinds[c->kind].audited && !audited && !drain_kind_forced(c->drain->kind)) {
		refuse(c, "the audit file cannot be written: nothing voluntary is done");
	} else {
		ds->stats.calls++;
		if (is_kube(c->kind))
			call_kube(c);
		else
			call_cloud(c);
	}
}

void drains_flush(struct drains *ds, int64_t now_ms)
{
	if (!ds->queued && !ds->entries_urgent)
		return;
	ds->now_ms = now_ms;
	bool audited = write_entries(ds);
	struct call *batch = ds->queued; // what an answer queues meanwhile has its own flush
	ds->queued = NULL;
	while (batch) {
		struct call *c = batch;
		DL_DELETE(batch, c);
		make_call(ds, c, audited);
	}
}

void drains_write_rest(struct drains *ds)
{
	write_entries(ds);
}

void drains_drop_calls(struct drains *ds)
{
	struct call *c, *next;
	DL_FOREACH_SAFE(ds->queued, c, next)
	{
		DL_DELETE(ds->queued, c);
		free(c);
	}
	DL_FOREACH_SAFE(ds->in_flight, c, next)
	{
		DL_DELETE(ds->in_flight, c);
		c->ds = NULL; // its answer frees it
	}
	forget_entries(ds);
	free(ds->entries);
}

// --- in ---------------------------------------------------------------------------------------

// RBAC or IAM. For a pod, -ENOTSUP is two budgets and no refusal of that kind.
static void note_refusal(struct drains_stats *s, const struct call *c, const struct answer *a)
{
	const char *name = kinds[c->kind].name;
	bool refused = a->r == -EACCES || (a->r == -ENOTSUP && !is_kube(c->kind));
	if (refused) {
		s->refused_call = name;
		text_copy(s->refused_why, sizeof(s->refused_why), a->why ? a->why->text : "");
	} else if (a->r >= 0 && s->refused_call == name) {
		s->refused_call = NULL;
	}
}

static void answered(struct call *c, const struct answer *a)
{
	struct drains *ds = c->ds;
	if (!ds) {
		free(c);
		return;
	}
	ds->now_ms = ds->o.wall_ms(ds->o.arg);
	DL_DELETE(ds->in_flight, c);
	c->drain->inner->in_flight--;
	c->drain->inner->busy -= c->kind != CALL_TELL;
	ds->stats.calls_failed += a->r < 0 && a->r != -EBUSY;
	note_refusal(&ds->stats, c, a);
	if (kinds[c->kind].audited)
		write_outcome(ds, c, a);
	if (c->kind != CALL_TELL)
		drain_answer(ds, c, a);
	free(c);
}

// --- people -----------------------------------------------------------------------------------

static void tell(struct drains *ds, struct drain *d, const struct call *what)
{
	const struct drain_telling t = {d, what->reason, what->note, what->warning};
	if (!drain_may_act(ds, d))
		return; // the leader tells
	if (ds->o.on_telling)
		ds->o.on_telling(ds->o.arg, &t);
	drain_call(ds, what);
}

void drain_tell(struct drains *ds, struct drain *d, const char *reason, const char *note)
{
	struct call c = {.drain = d, .kind = CALL_TELL, .reason = reason};
	text_copy(c.note, sizeof(c.note), note);
	tell(ds, d, &c);
}

void drain_tell_warning(struct drains *ds, struct drain *d, const char *reason, const char *note)
{
	struct call c = {.drain = d, .kind = CALL_TELL, .reason = reason, .warning = true};
	text_copy(c.note, sizeof(c.note), note);
	tell(ds, d, &c);
}

static const char *telling_reason(enum drain_kind k)
{
	static const char *const reasons[DRAIN_KIND_COUNT] = {"SpotInterruption",
		"RebalanceRecommendation", "ScheduledEvent", "ASGLifecycle", "StateChange",
		"ScheduledEvent", "DrainRequested"};
	return reasons[k];
}

// Tells at the moment of the news, not after the drain.
void drain_tell_news(struct drains *ds, struct drain *d)
{
	if (d->inner->told || !drain_may_act(ds, d))
		return;
	d->inner->told = true;
	drain_tell_warning(ds, d, telling_reason(d->kind), d->text);
}
