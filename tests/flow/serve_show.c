// SPDX-License-Identifier: Apache-2.0
// aggregator/show over a synthetic fleet, without agents: for the tests of the API, the event
// streams and the dashboard at any number of nodes.
//
//   serve_show [NODES [PORT]]      prints "ready PORT" on stdout, ends on SIGTERM or when stdin
//   ends
//
// Each node gets a sample a second (a slow wave plus noise; every 16th node is saturated); there
// are three groups in one simulated cluster "demo" and one real node "here/host"; one plan every
// five seconds; a day's forecast of each group; three drains. Names include one with everything
// that a hostile agent may send through the checks of fleet.
#include "aggregator/act/drains.h"
#include "aggregator/forecast/said.h"
#include "aggregator/show/show.h"
#include "proto/base/clock.h"
#include "proto/base/files.h"
#include "proto/base/hash.h"
#include "proto/base/rng.h"
#include "proto/base/text.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

static struct world {
	struct fleet *fleet;
	struct store *store;
	struct show *show;
	struct show_status status;
	struct outlook *outlook;
	struct said said; // of the last three hours
	struct rng rng;
	uv_loop_t loop;
	uv_timer_t tick;
	uv_signal_t term;
	uv_pipe_t input;
	uint64_t n_nodes, ticks;
	struct plan plan; // large: not on the stack
	struct drain drains[3];
	struct drain_pod pods[4];
} w;

static const char *const group_names[] = {"steady", "spot", "mixed"};

static void fill_scope(struct scope *v, uint64_t i, uint64_t t)
{
	double load = 0.45 + 0.35 * sin((double)t / 60 + (double)i) + 0.05 * rng_normal(&w.rng);
	bool saturated = i % 16 == 15;
	load = saturated ? 1 : load < 0.02 ? 0.02 : load > 0.95 ? 0.95 : load;
	memset(v, 0, sizeof(*v));
	scope_set(v, METRIC_CPU_CAPACITY, 4000);
	scope_set(v, METRIC_CPU_USAGE, (int64_t)(load * 4e9));
	scope_set(v, METRIC_CPU_IDLE, (int64_t)((1 - load) * 4e9));
	scope_set(v, METRIC_DEMAND_LOW, (int64_t)(load * 4000));
	scope_set(v, METRIC_DEMAND_HIGH, (int64_t)(load * (saturated ? 6000 : 4100)));
	scope_set(v, METRIC_SATURATED, saturated);
	scope_set(v, METRIC_MEM_TOTAL, INT64_C(16) << 30);
	scope_set(v, METRIC_MEM_AVAILABLE, INT64_C(9) << 30);
	scope_set(v, METRIC_PSI_CPU_SOME, (int64_t)(load * load * 300000));
	scope_set(v, METRIC_PSI_IO_SOME, (int64_t)rng_below(&w.rng, 30000));
	scope_set(v, METRIC_TCP_RETRANSMITS, (int64_t)rng_below(&w.rng, 3));
	if (t % 10 != i % 10)
		return; // the scheduler programs are on for one second in ten
	v->hists_present = 1u << HIST_RUNQ_LATENCY | 1u << HIST_BLOCK_LATENCY;
	for (int k = 0; k < 200; k++) {
		uint64_t ns = (uint64_t)exp(9 + 2 * load + rng_normal(&w.rng));
		v->hists[HIST_RUNQ_LATENCY].buckets[hist_bucket(HIST_RUNQ_LATENCY, ns)]++;
		v->hists[HIST_BLOCK_LATENCY].buckets[hist_bucket(HIST_BLOCK_LATENCY, ns * 8)]++;
	}
}

static void fill_sample(struct sample *s, uint64_t i, int64_t now_ms)
{
	bool real = i == 0;
	text_copy(s->cluster, sizeof(s->cluster), real ? "here" : "demo");
	snprintf(s->node, sizeof(s->node),
		real ? "host" : "ip-10-%llu-%llu-%llu.eu-central-1.compute.internal",
		(unsigned long long)(i >> 16), (unsigned long long)(i >> 8 & 255),
		(unsigned long long)(i & 255));
	text_copy(s->group, sizeof(s->group), real ? "local" : group_names[i % 3]);
	text_copy(s->version, sizeof(s->version), PETREL_VERSION);
	s->simulated = !real;
	s->sequence = w.ticks + 1;
	s->wall_ms = now_ms;
	s->window_ms = 1000;
	s->duty = DUTY_CYCLE;
	s->duty_on_ms = w.ticks % 10 == i % 10 ? 1000 : 0;
	s->self_cpu_ns = 1200000;
	s->self_rss_bytes = 7 << 20;
	s->n_hooks = 2;
	s->hooks[0] = (struct hook_status){"sched", HOOK_ATTACHED, 0, ""};
	s->hooks[1] = (struct hook_status){
		"block", HOOK_REFUSED, -1, "the kernel refused the program: CAP_BPF is missing"};
	fill_scope(&s->node_scope, i, w.ticks);
}

static void add_units(struct sample *s)
{
	static const char *const units[] = {
		"nginx.service", "a<script>alert(1)</script>.service", "cron.service"};
	s->n_cgroups = s->max_cgroups < 3 ? s->max_cgroups : 3;
	for (size_t k = 0; k < s->n_cgroups; k++) {
		struct cgroup_sample *c = &s->cgroups[k];
		memset(c, 0, sizeof(*c));
		c->kind = CGROUP_UNIT;
		c->window_ms = 1000;
		text_copy(c->name, sizeof(c->name), units[k]);
		scope_set(&c->scope, METRIC_CPU_USAGE, (int64_t)(k + 1) * 250000000);
		scope_set(&c->scope, METRIC_DEMAND_LOW, (int64_t)(k + 1) * 250);
		scope_set(&c->scope, METRIC_DEMAND_HIGH, (int64_t)(k + 1) * 300);
		scope_set(&c->scope, METRIC_MEM_USED, (int64_t)(k + 1) << 20);
		scope_set(&c->scope, METRIC_CPU_PERIODS, 10);
		scope_set(&c->scope, METRIC_CPU_THROTTLED_PERIODS, (int64_t)k);
	}
}

static void put(const char *cluster, enum entity_kind kind, const char *name, int64_t now_ms,
	const struct scope *v)
{
	struct store_entity *e;
	if (store_entity(w.store, cluster, kind, name, &e) == 0)
		store_put(w.store, e, now_ms, 1000, v);
}

static void feed_node(struct sample *s, uint64_t i, int64_t now_ms)
{
	fill_sample(s, i, now_ms);
	s->n_cgroups = 0;
	if (i == 0)
		add_units(s);
	fleet_on_sample(w.fleet, s, now_ms);
	put(s->cluster, ENTITY_NODE, s->node, now_ms, &s->node_scope);
	put(s->cluster, ENTITY_GROUP, s->group, now_ms, &s->node_scope);
	for (size_t k = 0; k < s->n_cgroups; k++) {
		char uid[40];
		fleet_unit_uid(s->node, s->cgroups[k].name, uid);
		put(s->cluster, ENTITY_POD, uid, now_ms, &s->cgroups[k].scope);
	}
}

static void add_plan(int64_t now_ms)
{
	struct plan *p = &w.plan;
	memset(p, 0, sizeof(*p));
	text_copy(p->cluster, sizeof(p->cluster), "demo");
	text_copy(p->mode, sizeof(p->mode), "observe");
	p->now_ms = now_ms;
	p->n_steps = 3;
	for (size_t i = 0; i < 3; i++) {
		struct plan_step *s = &p->steps[i];
		s->kind = i == 0 ? STEP_SCALE_OUT : STEP_HOLD;
		text_copy(s->group, sizeof(s->group), group_names[i]);
		s->from = 8;
		s->nodes = i == 0 ? 2 : 0;
		s->to = s->from + (uint32_t)s->nodes;
		s->reasons[s->n_reasons++] =
			i == 0 ? REASON_DEMAND_ABOVE_CAPACITY : REASON_CAPACITY_FITS;
		s->guards[s->n_guards++] = (struct plan_guard){"pause", true, "not paused"};
		s->guards[s->n_guards++] = (struct plan_guard){"limits", i != 2, "8 within 1..12"};
		s->inputs[s->n_inputs++] = (struct plan_input){"demand_q95_millicores", 31000};
		snprintf(s->text, sizeof(s->text), "%s: %s", group_names[i],
			i == 0 ? "2 nodes more would carry the expected peak" : "fits");
	}
	uint8_t digest[32];
	hash_sha256(&p->now_ms, sizeof(p->now_ms), digest);
	text_to_hex(digest, 16, p->id);
	show_add_plan(w.show, p);
}

// Three drains that never move: one runs and is blocked, one went well, one is only shown.

static void fill_drain(struct drain *d, size_t i, enum drain_phase phase, int64_t now_ms)
{
	static const enum drain_kind kinds[] = {
		DRAIN_SPOT_ITN, DRAIN_REBALANCE_RECOMMENDATION, DRAIN_OPERATOR};
	static const char *const texts[] = {
		"3 of 4 pods are to go, gone in about 95 s; budget web-pdb will block",
		"all 2 pods had moved 41 s before the deadline",
		"2 of 2 pods would go, gone in about 30 s"};
	snprintf(d->id, sizeof(d->id), "%032zx", i + 0xd0);
	text_copy(d->cluster, sizeof(d->cluster), "demo");
	snprintf(d->node, sizeof(d->node), "ip-10-0-0-%zu.eu-central-1.compute.internal", i + 1);
	snprintf(d->instance, sizeof(d->instance), "i-0123456789abcde%zu", i);
	text_copy(d->group, sizeof(d->group), group_names[i]);
	text_copy(d->source, sizeof(d->source), i == 2 ? "operator" : "imds");
	text_copy(d->text, sizeof(d->text), texts[i]);
	d->kind = kinds[i];
	d->phase = phase;
	d->dry_run = i == 2;
	d->observed_ms = d->started_ms = now_ms - 20000;
	d->deadline_ms = i == 2 ? 0 : now_ms + 100000;
	d->predicted_ms = now_ms + 75000;
	d->times = (struct drain_times){.notice_ms = d->started_ms,
		.seen_ms = d->started_ms + 400,
		.receipted_ms = d->started_ms + 402,
		.tainted_ms = d->started_ms + 600};
	d->change = 1;
}

static void fill_pods(struct drain *d)
{
	static char *const names[] = {
		"web-7d9f8-x2x1q", "web-7d9f8-<b>bold</b>", "queue-0", "agent-x"};
	static const enum drain_pod_state states[] = {
		DRAIN_POD_BLOCKED, DRAIN_POD_TERMINATING, DRAIN_POD_GONE, DRAIN_POD_LEFT};
	static const char *const whys[] = {
		"The disruption budget web-pdb needs 4 healthy pods and has 4 currently", "", "",
		"its DaemonSet would bring it back"};
	for (size_t i = 0; i < 4; i++) {
		w.pods[i] = (struct drain_pod){.namespace_ = "shop",
			.name = names[i],
			.uid = names[i],
			.workload = i < 2 ? "web" : "queue",
			.state = states[i],
			.planned_ms = d->started_ms,
			.grace_s = 30};
		text_copy(w.pods[i].why, sizeof(w.pods[i].why), whys[i]);
	}
	d->pods = w.pods;
	d->n_pods = 4;
	d->n_left = 2;
}

static void make_drains(void)
{
	int64_t now_ms = clock_wall_ms();
	struct drain *d = &w.drains[0];
	fill_drain(d, 0, DRAIN_EVICTING, now_ms);
	fill_drain(&w.drains[1], 1, DRAIN_DONE, now_ms);
	fill_drain(&w.drains[2], 2, DRAIN_PLANNED, now_ms);
	fill_pods(d);
	w.drains[1].ended_ms = w.drains[1].times.drained_ms = now_ms - 5000;
	d->times.first_eviction_ms = d->started_ms + 650;
	d->n_blocking = 1;
	text_copy(d->blocking[0].namespace_, sizeof(d->blocking[0].namespace_), "shop");
	text_copy(d->blocking[0].name, sizeof(d->blocking[0].name), "web-pdb");
	text_copy(d->blocking[0].text, sizeof(d->blocking[0].text), w.pods[0].why);
	d->replacement.state = DRAIN_REPLACEMENT_LAUNCHED;
	text_copy(d->replacement.instance, sizeof(d->replacement.instance), "i-0aaaaaaaaaaaaaaaa");
	text_copy(d->replacement.zone, sizeof(d->replacement.zone), "eu-central-1b");
	d->n_acts = 2;
	d->acts[0] = (struct drain_act){.step = {.kind = DRAIN_STEP_MARK, .at_ms = d->started_ms},
		.state = DRAIN_STEP_DONE,
		.done_ms = d->times.tainted_ms,
		.text = "cordon, taint and take out of load balancers"};
	d->acts[1] = (struct drain_act){
		.step = {.kind = DRAIN_STEP_DELETE, .at_ms = d->deadline_ms - 25000},
		.text = "delete what a disruption budget still blocks"};
	d->next = &w.drains[1];
	w.drains[1].next = &w.drains[2];
}

static const struct drain *on_drains(void *arg)
{
	return &w.drains[0];
}

static int on_ask_drain(void *arg, const struct show_drain *d, const struct drain **ret)
{
	if (!fleet_find_node(w.fleet, d->cluster, d->node))
		return -ENOENT;
	*ret = &w.drains[d->dry_run ? 2 : 0];
	return 0;
}

static int on_ask_notice(void *arg, const struct show_notice *n, char ret_id[33])
{
	if (strcmp(n->cluster, "demo") != 0)
		return -EPERM;
	if (!fleet_find_node(w.fleet, n->cluster, n->node))
		return -ENOENT;
	text_copy(ret_id, 33, w.drains[0].id);
	return 0;
}

static void on_tick(uv_timer_t *t)
{
	int64_t now_ms = clock_wall_ms();
	struct sample *s;
	if (sample_new(&s, 4) < 0)
		return;
	for (uint64_t i = 0; i < w.n_nodes; i++)
		feed_node(s, i, now_ms);
	sample_free(s);
	fleet_tick(w.fleet, now_ms);
	store_tick(w.store, now_ms);
	if (w.ticks++ % 5 == 0)
		add_plan(now_ms);
	w.status.ready = true;
	w.status.ticks = w.ticks;
	show_publish_tick(w.show, now_ms);
}

static int make_outlook(void)
{
	int r = outlook_new(&w.outlook, 12);
	if (r < 0)
		return r;
	struct outlook *o = w.outlook;
	o->generation = 7;
	o->step_s = 300;
	o->start_s = clock_wall_ms() / 1000 / 300 * 300;
	o->data_from_s = o->start_s - 86400;
	o->data_to_s = o->start_s;
	o->basis = OUTLOOK_DAILY;
	o->honesty = 0.83;
	o->n_members = 2;
	text_copy(o->members[0].name, sizeof(o->members[0].name), "daily");
	text_copy(o->members[1].name, sizeof(o->members[1].name), "last");
	o->members[0].weight = 0.75;
	o->members[1].weight = 0.25;
	for (size_t h = 0; h < o->horizon; h++)
		for (int q = 0; q < QUANTILE_COUNT; q++) {
			o->quantiles[h][q] = 20000 + 1000.0 * q + 50.0 * (double)h;
			o->peak[h][q] = o->quantiles[h][q] + 500;
		}
	for (int k = 6; k > 0 && r == 0; k--) {
		o->start_s -= 1800 * k;
		r = said_add(&w.said, o, o->start_s * 1000);
		o->start_s += 1800 * k;
	}
	return r;
}

static int on_forecast(void *arg, const struct show_series *series, struct show_forecast *ret)
{
	if (series->kind != ENTITY_GROUP ||
		!fleet_find_group(w.fleet, series->cluster, series->name))
		return -ENOENT;
	ret->metric = METRIC_DEMAND_HIGH;
	if (series->horizon != SHOW_HOUR) {
		text_copy(ret->why, sizeof(ret->why), "needs two days of history, has one");
		return 0;
	}
	ret->outlook = w.outlook;
	ret->said = &w.said;
	ret->generated_ms = w.outlook->start_s * 1000;
	ret->coverage80_permille = 790;
	ret->scored = 42;
	return 0;
}

static void on_forecast_stats(void *arg, enum show_horizon h, struct show_forecast_stats *ret)
{
	*ret = (struct show_forecast_stats){.outlooks = 3,
		.gated = 1,
		.scored = h == SHOW_HOUR ? 2 : 0,
		.mase = h == SHOW_HOUR ? .8 : NAN,
		.loss_ratio = h == SHOW_HOUR ? .7 : NAN,
		.alarms = 4,
		.rejected = 5,
		.full = 6,
		.fit_seconds = 1.5,
		.n_members = 1};
	for (int i = 0; i < SHOW_LEVELS; i++) {
		ret->pinball[i] = h == SHOW_HOUR ? .1 : NAN;
		ret->coverage[i] = h == SHOW_HOUR ? .1 * i : NAN;
	}
	text_copy(ret->members[0].name, sizeof(ret->members[0].name), "ets@log");
	ret->members[0].weight = .25;
	ret->members[0].idle = 1;
}

static int on_forecast_then(
	void *arg, const struct show_series *series, int64_t at_ms, struct said_one *ret)
{
	if (at_ms < w.outlook->start_s * 1000 || series->horizon != SHOW_HOUR)
		return -ENOENT;
	return said_of(w.outlook, at_ms - 1000, ret);
}

static int on_audit(void *arg, size_t limit,
	int (*on_entry)(void *on_arg, const struct show_audit_entry *e), void *on_arg)
{
	for (uint64_t seq = 5; seq > 0 && limit > 0; seq--, limit--) {
		const struct show_audit_entry e = {.seq = seq,
			.ts_ms = clock_wall_ms(),
			.kind = "plan",
			.cluster = "demo",
			.id = "00000000000000000000000000000000",
			.text = "observe: nothing done",
			.hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"};
		if (on_entry(on_arg, &e))
			break;
	}
	return 0;
}

static void on_show_stopped(void *arg)
{
	uv_close((uv_handle_t *)&w.tick, NULL);
	uv_close((uv_handle_t *)&w.term, NULL);
	uv_close((uv_handle_t *)&w.input, NULL);
}

static void stop(void)
{
	if (uv_is_closing((uv_handle_t *)&w.tick) || !w.show)
		return;
	struct show *show = w.show;
	w.show = NULL;
	uv_timer_stop(&w.tick);
	show_stop(show, on_show_stopped, NULL);
}

static void on_signal(uv_signal_t *s, int number)
{
	stop();
}

static void on_alloc(uv_handle_t *h, size_t want, uv_buf_t *ret)
{
	static char bytes[64];
	*ret = uv_buf_init(bytes, sizeof(bytes));
}

static void on_input(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	if (n < 0)
		stop();
}

static size_t on_links(void *arg, struct show_link *ret)
{
	ret[0] = (struct show_link){.name = "kubernetes",
		.cluster = "demo",
		.state = SHOW_LINK_OK,
		.text = "the API server answers"};
	ret[1] = (struct show_link){
		.name = "webhook", .state = SHOW_LINK_OFF, .text = "nobody is told by webhook"};
	return 2;
}

static int start(uint64_t port, struct why *why)
{
	const struct fleet_options fo = {8, 64, 20000, 20000, 15000};
	const struct store_options so = {.path = NULL, .max_entities = 40000, .live_seconds = 60};
	rng_init(&w.rng, 1);
	w.status = (struct show_status){
		.leader = "petrel-0", .audit_ok = true, .started_ms = clock_wall_ms()};
	int r = fleet_new(&w.fleet, &fo);
	if (r == 0)
		r = store_new(&w.store, &so, why);
	if (r == 0)
		r = make_outlook();
	if (r < 0)
		return r;
	const struct show_options o = {.address = "127.0.0.1",
		.port = (uint16_t)port,
		.version = PETREL_VERSION,
		.wall_ms = clock_wall_ms,
		.mono_ns = clock_mono_ns};
	const struct show_sources sources = {.fleet = w.fleet,
		.store = w.store,
		.status = &w.status,
		.forecast = on_forecast,
		.forecast_stats = on_forecast_stats,
		.forecast_then = on_forecast_then,
		.each_audit = on_audit,
		.links = on_links,
		.drains = on_drains,
		.notice = on_ask_notice,
		.drain = on_ask_drain};
	make_drains();
	return show_new(&w.show, &w.loop, &o, &sources, why);
}

int main(int argc, char **argv)
{
	struct why why = {0};
	uint64_t port = 0;
	w.n_nodes = 24;
	if ((argc > 1 && text_to_u64(argv[1], &w.n_nodes) < 0) ||
		(argc > 2 && text_to_u64(argv[2], &port) < 0)) {
		fputs("usage: serve_show [NODES [PORT]]\n", stderr);
		return 2;
	}
	files_raise(); // as the aggregator does
	uv_loop_init(&w.loop);
	if (start(port, &why) < 0) {
		fprintf(stderr, "serve_show: %s\n", why.text);
		return 1;
	}
	uv_timer_init(&w.loop, &w.tick);
	uv_timer_start(&w.tick, on_tick, 0, 1000);
	uv_signal_init(&w.loop, &w.term);
	uv_signal_start(&w.term, on_signal, SIGTERM);
	uv_pipe_init(&w.loop, &w.input, 0);
	if (uv_pipe_open(&w.input, 0) == 0)
		uv_read_start((uv_stream_t *)&w.input, on_alloc, on_input);
	printf("ready %u\n", show_port(w.show));
	fflush(stdout);
	uv_run(&w.loop, UV_RUN_DEFAULT);
	int closed = uv_loop_close(&w.loop);
	outlook_free(w.outlook);
	said_done(&w.said);
	fleet_free(w.fleet);
	store_free(w.store);
	return closed ? 1 : 0;
}
