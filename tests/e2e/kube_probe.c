// SPDX-License-Identifier: Apache-2.0
// The Kubernetes client by hand: orders as JSON lines on standard input, what it hears and what
// came of the orders as JSON lines on standard output. For tests/e2e/test_kube_client.py.
//
//   kube-probe KUBECONFIG [key=value…]    silence_ms watch_s page per_second burst slots
//   {"id":1,"do":"watch"}  change evict delete tell stats lead unlead gate stop
#include <cjson/cJSON.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aggregator/kube/client.h"
#include "aggregator/kube/leader.h"
#include "proto/base/clock.h"
#include "proto/base/json.h"
#include "proto/base/text.h"

struct probe {
	uv_loop_t loop;
	uv_pipe_t in;
	struct kube_client *client;
	struct kube kube;
	struct leader *leader;
	struct buf line, out;
	bool stopping, ask_leader;
};

struct order {
	struct probe *probe;
	int id;
	uint64_t begun_ns;
};

static void say(struct probe *p)
{
	buf_text(&p->out, "\n");
	fwrite(p->out.data, 1, p->out.len, stdout);
	fflush(stdout);
	buf_reset(&p->out);
}

static struct json begin(struct probe *p, const char *type)
{
	struct json j;
	json_init(&j, &p->out);
	json_open(&j, '{');
	json_put_text(&j, "t", type);
	return j;
}

static void end(struct probe *p, struct json *j)
{
	json_close(j, '}');
	say(p);
}

// ---- what it hears

static void on_node(void *arg, const struct kube_node *n)
{
	struct json j = begin(arg, "node");
	json_put_text(&j, "name", n->name);
	json_put_text(&j, "uid", n->uid);
	json_put_text(&j, "group", n->group);
	json_put_text(&j, "instance", n->instance_id);
	json_put_text(&j, "type", n->instance_type);
	json_put_text(&j, "zone", n->zone);
	json_put_text(&j, "zone_id", n->zone_id);
	json_put_text(&j, "capacity", capacity_type_name(n->capacity));
	json_put_i64(&j, "owner", n->owner);
	json_put_bool(&j, "managed", n->managed);
	json_put_bool(&j, "ready", n->ready);
	json_put_bool(&j, "unschedulable", n->unschedulable);
	json_put_bool(&j, "deleting", n->deleting);
	json_put_bool(&j, "interruption_taint", n->interruption_taint);
	json_put_i64(&j, "created_ms", n->created_ms);
	json_put_i64(&j, "lease_ms", n->lease_ms);
	json_put_i64(&j, "millicores", n->allocatable_millicores);
	json_put_i64(&j, "mem", n->allocatable_mem_bytes);
	json_put_text(&j, "drain", n->drain);
	end(arg, &j);
}

static void on_node_gone(void *arg, const char *name)
{
	struct json j = begin(arg, "node_gone");
	json_put_text(&j, "name", name);
	end(arg, &j);
}

static void on_pod(void *arg, const struct kube_pod *p)
{
	struct json j = begin(arg, "pod");
	json_put_text(&j, "uid", p->uid);
	json_put_text(&j, "namespace", p->namespace_);
	json_put_text(&j, "name", p->name);
	json_put_text(&j, "workload", p->workload);
	json_put_text(&j, "node", p->node);
	json_put_i64(&j, "controller", p->controller);
	json_put_i64(&j, "phase", p->phase);
	json_put_bool(&j, "ready", p->ready);
	json_put_bool(&j, "critical", p->critical);
	json_put_bool(&j, "volumes", p->volumes);
	json_put_i64(&j, "grace", p->grace_s);
	json_put_i64(&j, "deleting_ms", p->deleting_ms);
	json_put_i64(&j, "millicores", p->request_millicores);
	json_put_i64(&j, "mem", p->request_mem_bytes);
	json_put_text(&j, "labels", p->labels);
	end(arg, &j);
}

static void on_pod_gone(void *arg, const char *uid)
{
	struct json j = begin(arg, "pod_gone");
	json_put_text(&j, "uid", uid);
	end(arg, &j);
}

static void on_budget(void *arg, const struct kube_budget *b)
{
	struct json j = begin(arg, "budget");
	json_put_text(&j, "name", b->name);
	json_put_text(&j, "selector", b->selector);
	json_put_i64(&j, "allowed", b->allowed);
	json_put_i64(&j, "healthy", b->healthy);
	json_put_i64(&j, "desired", b->desired);
	json_put_i64(&j, "expected", b->expected);
	json_put_bool(&j, "observed", b->observed);
	json_put_bool(&j, "always_allow", b->always_allow);
	end(arg, &j);
}

static void on_budget_gone(void *arg, const char *namespace_, const char *name)
{
	struct json j = begin(arg, "budget_gone");
	json_put_text(&j, "name", name);
	end(arg, &j);
}

static void on_workload(void *arg, const struct kube_workload *w)
{
	struct json j = begin(arg, "workload");
	json_put_text(&j, "name", w->name);
	json_put_i64(&j, "kind", w->kind);
	json_put_i64(&j, "replicas", w->replicas);
	json_put_i64(&j, "ready", w->ready);
	end(arg, &j);
}

static void on_workload_gone(
	void *arg, enum kube_controller kind, const char *namespace_, const char *name)
{
	struct json j = begin(arg, "workload_gone");
	json_put_text(&j, "name", name);
	json_put_i64(&j, "kind", kind);
	end(arg, &j);
}

static void on_volumes(void *arg, const char *node, uint32_t attached)
{
	struct json j = begin(arg, "volumes");
	json_put_text(&j, "node", node);
	json_put_i64(&j, "attached", attached);
	end(arg, &j);
}

static void on_synced(void *arg)
{
	struct json j = begin(arg, "synced");
	end(arg, &j);
}

static void on_change(void *arg, bool is_leader)
{
	struct json j = begin(arg, "leader");
	json_put_bool(&j, "is", is_leader);
	json_put_i64(&j, "at_ms", clock_wall_ms());
	end(arg, &j);
}

// ---- orders

static void on_done(void *arg, int r, const struct why *why, int64_t retry_ms)
{
	struct order *o = arg;
	struct json j = begin(o->probe, "done");
	json_put_i64(&j, "id", o->id);
	json_put_text(&j, "r", r == 0 ? "0" : strerrorname_np(-r));
	json_put_text(&j, "class", r == 0 ? "" : why_class_name(why->class));
	json_put_text(&j, "why", r == 0 ? "" : why->text);
	json_put_i64(&j, "retry_ms", retry_ms);
	json_put_i64(&j, "took_us", (int64_t)((clock_mono_ns() - o->begun_ns) / 1000));
	end(o->probe, &j);
	free(o);
}

static const char *word(const cJSON *o, const char *key)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));
}

static double number(const cJSON *o, const char *key, double otherwise)
{
	const cJSON *n = cJSON_GetObjectItemCaseSensitive(o, key);
	return cJSON_IsNumber(n) ? cJSON_GetNumberValue(n) : otherwise;
}

static struct kube_reply reply_for(struct probe *p, const cJSON *order)
{
	struct order *o = calloc(1, sizeof(*o));
	*o = (struct order){p, (int)number(order, "id", 0), clock_mono_ns()};
	return (struct kube_reply){
		on_done, o, (enum kube_priority)number(order, "priority", KUBE_INTERRUPTION)};
}

static void take_pairs(const cJSON *order, const char *key, struct kube_pair ret[2])
{
	const cJSON *p;
	int n = 0;
	cJSON_ArrayForEach (p, cJSON_GetObjectItemCaseSensitive(order, key)) {
		if (n < 2)
			ret[n++] = (struct kube_pair){p->string, cJSON_GetStringValue(p)};
	}
}

static void do_change(struct probe *p, const cJSON *o)
{
	struct kube_node_change c = {.taint_key = word(o, "taint"),
		.taint_value = word(o, "value"),
		.taint_effect = word(o, "effect"),
		.cordon = (enum kube_cordon)number(o, "cordon", KUBE_CORDON_KEEP)};
	take_pairs(o, "labels", c.labels);
	take_pairs(o, "annotations", c.annotations);
	struct kube_reply r = reply_for(p, o);
	p->kube.ops->change_node(p->kube.self, word(o, "node"), &c, &r);
}

static void do_pod(struct probe *p, const cJSON *o, bool evict)
{
	struct kube_pod_ref ref = {word(o, "namespace"), word(o, "name"), word(o, "uid")};
	struct kube_reply r = reply_for(p, o);
	uint32_t grace_s = (uint32_t)number(o, "grace", 30);
	if (evict)
		p->kube.ops->evict_pod(p->kube.self, &ref, grace_s, number(o, "dry", 0) != 0, &r);
	else
		p->kube.ops->delete_pod(p->kube.self, &ref, grace_s, &r);
}

static void do_tell(struct probe *p, const cJSON *o)
{
	struct kube_event e = {.node = word(o, "node"),
		.node_uid = word(o, "uid"),
		.reason = word(o, "reason"),
		.action = word(o, "action"),
		.note = word(o, "note"),
		.warning = number(o, "warning", 0) != 0};
	struct kube_reply r = reply_for(p, o);
	p->kube.ops->tell(p->kube.self, &e, &r);
}

static void do_watch(struct probe *p)
{
	const struct kube_sink sink = {on_node, on_node_gone, on_pod, on_pod_gone, on_budget,
		on_budget_gone, on_workload, on_workload_gone, on_volumes, on_synced, p};
	p->kube.ops->watch(p->kube.self, &sink);
}

static void put_watches(struct json *j, const struct kube_client_stats *s)
{
	json_key(j, "watches");
	json_open(j, '{');
	for (int k = 0; k < MIRROR_KIND_COUNT; k++) {
		const struct kube_watch_stats *w = &s->watches[k];
		json_key(j, mirror_kind_name((enum mirror_kind)k));
		json_open(j, '{');
		json_put_bool(j, "synced", w->synced);
		json_put_bool(j, "denied", w->denied);
		json_put_i64(j, "objects", (int64_t)w->objects);
		json_put_i64(j, "lists", (int64_t)w->lists);
		json_put_i64(j, "relists", (int64_t)w->relists);
		json_put_i64(j, "watches", (int64_t)w->watches);
		json_put_i64(j, "cut", (int64_t)w->cut);
		json_put_text(j, "trouble", w->trouble);
		json_close(j, '}');
	}
	json_close(j, '}');
}

static void do_stats(struct probe *p, const cJSON *o)
{
	struct kube_client_stats s;
	kube_client_stats(p->client, &s);
	struct json j = begin(p, "stats");
	json_put_i64(&j, "id", (int64_t)number(o, "id", 0));
	for (int v = 0; v < KUBE_VERB_COUNT; v++) {
		json_key(&j, kube_verb_name((enum kube_verb)v));
		json_open(&j, '{');
		for (int r = 0; r < KUBE_RESULT_COUNT; r++)
			json_put_i64(&j, kube_result_name((enum kube_result)r),
				(int64_t)s.requests[v][r]);
		json_close(&j, '}');
	}
	json_put_bool(&j, "synced", s.synced);
	json_put_i64(&j, "gated", (int64_t)s.gated);
	json_put_i64(&j, "pauses", (int64_t)s.pauses);
	json_put_i64(&j, "refused_objects", (int64_t)s.refused_objects);
	json_put_i64(&j, "tokens_read_again", (int64_t)s.tokens_read_again);
	if (p->leader) {
		struct leader_stats l;
		leader_stats(p->leader, &l);
		json_put_bool(&j, "leads", leader_is(p->leader, clock_mono_ns()));
		json_put_text(&j, "holder", leader_holder(p->leader));
		json_put_i64(&j, "renewals", (int64_t)l.renewals);
		json_put_i64(&j, "transitions", l.transitions);
		json_put_text(&j, "trouble", l.trouble);
	}
	put_watches(&j, &s);
	end(p, &j);
}

static bool may_change(void *arg)
{
	struct probe *p = arg;
	return p->leader && leader_is(p->leader, clock_mono_ns());
}

static void do_lead(struct probe *p, const cJSON *o)
{
	const struct leader_options l = {.namespace_ = "default",
		.name = word(o, "name"),
		.identity = word(o, "identity"),
		.lease_ms = (uint32_t)number(o, "lease_ms", LEADER_FAST_LEASE_MS),
		.renew_ms = (uint32_t)number(o, "renew_ms", LEADER_FAST_RENEW_MS),
		.retry_ms = (uint32_t)number(o, "retry_ms", LEADER_FAST_RETRY_MS),
		.on_change = on_change,
		.arg = p};
	leader_start(&p->leader, p->client, &l);
	kube_client_gate(p->client, may_change, p);
}

static void on_closed(uv_handle_t *handle)
{
}

static void on_client_stopped(void *arg)
{
	struct json j = begin(arg, "stopped");
	end(arg, &j);
}

static void on_leader_stopped(void *arg)
{
	struct probe *p = arg;
	p->leader = NULL;
	struct json j = begin(p, "unled");
	end(p, &j);
	if (p->stopping)
		kube_client_stop(p->client, on_client_stopped, p);
}

static void stop(struct probe *p)
{
	if (p->stopping)
		return;
	p->stopping = true;
	uv_close((uv_handle_t *)&p->in, on_closed);
	if (p->leader)
		leader_stop(p->leader, on_leader_stopped, p);
	else
		kube_client_stop(p->client, on_client_stopped, p);
}

static void obey(struct probe *p, const char *line)
{
	cJSON *o = cJSON_Parse(line);
	const char *what = word(o, "do");
	if (!what)
		fprintf(stderr, "no order: %s\n", line);
	else if (strcmp(what, "watch") == 0)
		do_watch(p);
	else if (strcmp(what, "change") == 0)
		do_change(p, o);
	else if (strcmp(what, "evict") == 0 || strcmp(what, "delete") == 0)
		do_pod(p, o, what[0] == 'e');
	else if (strcmp(what, "tell") == 0)
		do_tell(p, o);
	else if (strcmp(what, "stats") == 0)
		do_stats(p, o);
	else if (strcmp(what, "lead") == 0)
		do_lead(p, o);
	else if (strcmp(what, "unlead") == 0)
		leader_stop(p->leader, on_leader_stopped, p);
	else if (strcmp(what, "stop") == 0)
		stop(p);
	cJSON_Delete(o);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *ret)
{
	struct probe *p = handle->data;
	void *room = buf_reserve(&p->line, 65536);
	*ret = uv_buf_init(room, room ? 65536 : 0);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *b)
{
	struct probe *p = stream->data;
	char *end_of_line;
	if (n < 0) {
		stop(p);
		return;
	}
	buf_commit(&p->line, (size_t)n);
	while (!p->stopping && (end_of_line = memchr(p->line.data, '\n', p->line.len))) {
		*end_of_line = '\0';
		obey(p, p->line.data);
		size_t used = (size_t)(end_of_line + 1 - p->line.data);
		memmove(p->line.data, end_of_line + 1, p->line.len - used);
		p->line.len -= used;
	}
}

static void set_option(struct kube_client_options *o, const char *text)
{
	const struct {
		const char *name;
		uint32_t *field;
	} fields[] = {{"silence_ms", &o->silence_ms}, {"watch_s", &o->watch_s}, {"page", &o->page},
		{"per_second", &o->budget.per_second}, {"burst", &o->budget.burst},
		{"slots", &o->budget.slots}, {"queue", &o->budget.queue}};
	for (size_t k = 0; k < sizeof(fields) / sizeof(fields[0]); k++) {
		size_t len = strlen(fields[k].name);
		uint64_t value;
		if (strncmp(text, fields[k].name, len) == 0 && text[len] == '=' &&
			text_to_u64(text + len + 1, &value) == 0)
			*fields[k].field = (uint32_t)value;
	}
}

int main(int argc, char **argv)
{
	struct probe p = {0};
	struct why why;
	struct kube_client_options o = {.cluster = "e2e",
		.kubeconfig = argc > 1 ? argv[1] : NULL,
		.wall_ms = clock_wall_ms,
		.mono_ns = clock_mono_ns,
		.account_folder = getenv("ACCOUNT_FOLDER"),
		.host = getenv("KUBERNETES_SERVICE_HOST"),
		.port = getenv("KUBERNETES_SERVICE_PORT")};
	if (o.kubeconfig && strcmp(o.kubeconfig, "-") == 0)
		o.kubeconfig = NULL;
	for (int k = 2; k < argc; k++)
		set_option(&o, argv[k]);
	rng_init_random(&o.rng);
	signal(SIGPIPE, SIG_IGN);
	buf_init(&p.line, 4 << 20);
	buf_init(&p.out, 4 << 20);
	uv_loop_init(&p.loop);
	if (kube_client_new(&p.client, &p.loop, &o, &why) < 0) {
		fprintf(stderr, "%s\n", why.text);
		return 2;
	}
	p.kube = kube_client_kube(p.client);
	uv_pipe_init(&p.loop, &p.in, 0);
	uv_pipe_open(&p.in, 0);
	p.in.data = &p;
	uv_read_start((uv_stream_t *)&p.in, on_alloc, on_read);
	uv_run(&p.loop, UV_RUN_DEFAULT);
	buf_done(&p.line);
	buf_done(&p.out);
	return uv_loop_close(&p.loop) == 0 ? 0 : 3;
}
