// SPDX-License-Identifier: Apache-2.0
// Read top to bottom: what enters (samples, notices), what follows every ten seconds (roll-ups,
// outlooks), what follows every decide.every (view, plan, audit, act, audit, show), then how all of
// it is opened and closed.
#include "aggregator/line.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/act/act.h"
#include "aggregator/asked.h"
#include "aggregator/audit/audit.h"
#include "aggregator/decide/decide.h"
#include "aggregator/demo.h"
#include "aggregator/fleet/rollup.h"
#include "aggregator/forecast/service/service.h"
#include "aggregator/intake/intake.h"
#include "aggregator/interruption.h"
#include "aggregator/show/feed.h"
#include "aggregator/show/show.h"
#include "aggregator/view.h"
#include "proto/base/clock.h"
#include "proto/base/events.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/loop/publish.h"

enum {
	TICK_MS = 1000,
	CATCH_UP_STEPS = 200,
	INBOX_CAPACITY = 1 << 17,
	LANE_CONTEXTS = 64,
	RELOAD_TICKS = 60
};

struct line {
	uv_loop_t *loop;
	const struct aggregator_config *config;
	uv_timer_t timer;
	uv_idle_t catching_up;
	bool is_catching_up, storing;
	uint64_t ticks;
	int64_t rolled_ms, decided_ms;
	// what is kept
	struct fleet *fleet;
	struct store *store;
	struct rollup *rollup;
	struct service *service;
	struct audit *audit;
	struct show *show;
	struct publish *feed;
	struct demo *demo;
	struct interruption *interruption;
	// how it comes in
	struct inbox *inbox;
	struct tls *tls;
	struct intake *intake;
	struct lane_server *data_lane, *urgent_lane;
	// how it is decided
	struct policy policy;
	struct plan plan;
	struct outcome outcomes[PLAN_MAX_STEPS];
	struct group_view groups[PLAN_MAX_STEPS];
	struct show_status status;
	struct asked asked;
	struct buf text;
	void (*on_stopped)(void *arg);
	void *on_stopped_arg;
};

// --- what enters ----------------------------------------------------------------------------

static void store_pods(struct line *l, const struct sample *s)
{
	for (size_t i = 0; i < s->n_cgroups; i++) {
		const struct cgroup_sample *c = &s->cgroups[i];
		char unit_uid[40];
		const char *uid = c->pod_uid;
		if (c->kind == CGROUP_UNIT) {
			fleet_unit_uid(s->node, c->name, unit_uid);
			uid = unit_uid;
		} else if (c->kind != CGROUP_POD) {
			continue;
		}
		struct store_entity *e;
		if (store_entity(l->store, s->cluster, ENTITY_POD, uid, &e) == 0)
			store_put(l->store, e, s->wall_ms,
				c->window_ms ? c->window_ms : s->window_ms, &c->scope);
	}
}

static int on_sample(void *arg, const struct sample *s, int64_t now_ms)
{
	struct line *l = arg;
	struct store_entity *e;
	if (l->is_catching_up && !s->simulated)
		return -EAGAIN; // the store's clock is still in the past: it comes again
	int r = fleet_on_sample(l->fleet, s, now_ms);
	if (r == 0)
		r = store_entity(l->store, s->cluster, ENTITY_NODE, s->node, &e);
	if (r < 0)
		return r;
	store_put(
		l->store, e, s->wall_ms, s->window_ms, &s->node_scope); // what it refuses it counts
	store_pods(l, s);
	feed_sample(l->feed, s, clock_mono_ns());
	return 0;
}

// The one door for all: of agents, of the queue, of instances that vanished, of the demo.
static int take_notice(void *arg, const struct notice *n, int64_t now_ms)
{
	struct line *l = arg;
	feed_notice(l->feed, n, clock_mono_ns());
	return interruption_notice(l->interruption, n, now_ms); // at once: its deadline runs
}

static int on_notice(void *arg, const struct notice *n, int64_t now_ms)
{
	take_notice(arg, n, now_ms);
	return 0; // receipted: what cannot be placed yet is kept
}

static int on_message(
	void *arg, struct lane_peer *peer, const uint8_t *data, size_t len, struct buf *reply)
{
	struct line *l = arg;
	const struct intake_frame frame = {data, len, clock_wall_ms(), clock_mono_ns()};
	return intake_message(l->intake, peer, &frame, reply);
}

static int on_demo_sample(void *arg, const struct sample *s, int64_t now_ms)
{
	struct line *l = arg;
	return intake_accept_sample(l->intake, s, now_ms);
}

static void on_demo_node(void *arg, const struct fleet_node *n)
{
	struct line *l = arg;
	interruption_node(l->interruption, n);
}

// --- what follows from it -------------------------------------------------------------------

static void take_clock_offsets(void *arg, const struct intake_node *n)
{
	struct line *l = arg;
	struct fleet_node *node = fleet_find_node(l->fleet, n->cluster, n->node);
	if (node && n->clock_offset_known)
		node->clock_offset_ms = -n->clock_offset_ms;
}

static void advance(struct line *l, int64_t now_ms, uint32_t window_ms)
{
	fleet_tick(l->fleet, now_ms);
	store_tick(l->store, now_ms);
	if (now_ms - l->rolled_ms >= ROLLUP_WINDOW_MS || now_ms < l->rolled_ms) {
		rollup_tick(l->rollup, now_ms, window_ms);
		l->rolled_ms = now_ms;
	}
}

static void on_demo_clock(void *arg, int64_t now_ms, uint32_t window_ms)
{
	advance(arg, now_ms, window_ms);
}

// Writes the audit line; what cannot be audited must not be done.
static int write_audit(struct line *l, const char *kind, const struct plan *p)
{
	struct why why;
	const struct audit_entry entry = {
		.kind = kind, .cluster = p->cluster, .id = p->id, .json = l->text.data};
	int r = audit_append(l->audit, &entry, &why);
	if (r < 0 && l->status.audit_ok)
		log_event(LOG_ERROR, EV_AUDIT_FAILED, why.text);
	l->status.audit_ok &= r == 0;
	l->status.audit_entries += r == 0;
	return r;
}

// The drains write too; a file that could not be written is tried until it can.
static void watch_audit(struct line *l)
{
	audit_mend(l->audit);
	bool ok = audit_ok(l->audit);
	if (ok != l->status.audit_ok)
		log_event(ok ? LOG_INFO : LOG_ERROR, EV_AUDIT_FAILED,
			ok ? "the audit file can be written again"
			   : "the audit file cannot be written");
	l->status.audit_ok = ok;
	l->status.audit_lost = audit_lost(l->audit);
}

static void decide_cluster(struct line *l, const struct fleet_cluster *c, int64_t now_ms)
{
	const struct view_sources from = {l->fleet, l->store, l->service, l->status.paused, now_ms};
	struct cluster_view view;
	size_t groups = view_cluster(&from, c, l->groups, PLAN_MAX_STEPS, &view);
	if (groups == 0)
		return;
	uint64_t start_ns = clock_mono_ns();
	decide(&view, &l->policy, now_ms,
		&l->plan); // groups beyond PLAN_MAX_STEPS are left out of view and plan
	l->status.plans++;
	l->status.plan_us += (clock_mono_ns() - start_ns) / 1000;
	buf_reset(&l->text);
	plan_print(&l->plan, &l->text);
	if (write_audit(l, "plan", &l->plan) == 0) {
		act_run(&act_observe, &l->plan, l->outcomes);
		buf_reset(&l->text);
		outcomes_print(&l->plan, l->outcomes, &l->text);
		write_audit(l, "outcome", &l->plan);
	}
	show_add_plan(l->show, &l->plan);
	feed_plan(l->feed, &l->plan, clock_mono_ns());
}

static void decide_all(struct line *l, int64_t now_ms)
{
	for (const struct fleet_cluster *c = fleet_clusters(l->fleet); c; c = c->hh.next)
		decide_cluster(l, c, now_ms);
	l->decided_ms = now_ms;
}

static void watch_store(struct line *l)
{
	struct store_stats s;
	static const char *const texts[] = {
		"history is not stored, everything else goes on", "history is stored again"};
	store_stats(l->store, &s);
	if (s.storing == l->storing)
		return;
	l->storing = s.storing;
	log_event(s.storing ? LOG_INFO : LOG_ERROR, s.storing ? EV_STORE_RESUMED : EV_STORE_FULL,
		texts[s.storing], LOG_TEXT("error", s.error ? strerror(-s.error) : ""));
}

static void on_tick(uv_timer_t *timer)
{
	struct line *l = timer->data;
	int64_t now_ms = clock_wall_ms();
	if (l->is_catching_up)
		return;
	if (l->demo)
		demo_tick(l->demo, now_ms);
	advance(l, now_ms, ROLLUP_WINDOW_MS);
	service_tick(l->service, now_ms, clock_mono_ns());
	if (now_ms - l->decided_ms >= (int64_t)l->config->decide_every_ms || now_ms < l->decided_ms)
		decide_all(l, now_ms);
	if (l->ticks % 10 == 0)
		intake_each_node(l->intake, take_clock_offsets, l);
	if (l->ticks++ % RELOAD_TICKS == RELOAD_TICKS - 1)
		line_reload(l);
	struct service_stats forecasts;
	service_stats(l->service, &forecasts);
	l->status.ticks = l->ticks;
	text_copy(l->status.leader, sizeof(l->status.leader), interruption_leader(l->interruption));
	l->status.forecasts = forecasts.runs;
	l->status.forecasts_failed = forecasts.failures;
	l->status.forecast_us = forecasts.cpu_us;
	l->status.feed_lines = l->feed ? publish_sent(l->feed) : 0;
	l->status.feed_dropped = l->feed ? publish_dropped(l->feed) : 0;
	watch_store(l);
	watch_audit(l);
	show_publish_tick(l->show, now_ms);
}

// --- opening --------------------------------------------------------------------------------

static int open_audit(struct line *l, struct why *why)
{
	const struct aggregator_config *c = l->config;
	const struct audit_options o = {.path = c->audit_path,
		.key_path = c->audit_key[0] ? c->audit_key : NULL,
		.max_bytes = c->audit_max_mb << 20,
		.wall_ms = clock_wall_ms};
	return audit_open(&l->audit, &o, why);
}

static int open_kept(struct line *l, struct why *why)
{
	const struct aggregator_config *c = l->config;
	const struct fleet_options fleet = {.max_clusters = 64,
		.max_groups = 4096,
		.max_nodes = c->max_nodes,
		.max_pods = c->max_pods,
		.silent_after_ms = 15000};
	const struct store_options store = {.path = c->store_path[0] ? c->store_path : NULL,
		.max_entities = c->max_nodes + c->max_pods + 8192,
		.live_seconds = 600,
		.live_bytes = 96u << 20, // 5,000 nodes with room for the rest within 300 MiB
		.retention_10s_ms = 48 * 3600000ll,
		.retention_5min_ms = 35 * 86400000ll,
		.retention_1h_ms = 400 * 86400000ll};
	const struct service_options service = {
		.budget_permille = (uint32_t)c->forecast_budget_permille,
		.max_series = 2000,
		.seed = 1,
		.train_every_ms = (int64_t)c->forecast_train_every_ms};
	int r = fleet_new(&l->fleet, &fleet);
	if (r == 0)
		r = store_new(&l->store, &store, why);
	if (r == 0)
		r = rollup_new(&l->rollup, l->fleet, l->store);
	if (r == 0)
		r = service_new(&l->service, l->loop, l->store, &service);
	if (r == 0)
		r = open_audit(l, why);
	const struct interruption_doors drains = {
		.on_notice = take_notice, .arg = l, .fleet = l->fleet, .audit = l->audit};
	if (r == 0)
		r = interruption_start(&l->interruption, l->loop, &drains, c, why);
	return r;
}

static int open_intake(struct line *l)
{
	const struct aggregator_config *c = l->config;
	const char **clusters = calloc(c->clusters.n + 1, sizeof(*clusters));
	if (!clusters)
		return -ENOMEM;
	for (size_t i = 0; i < c->clusters.n; i++)
		clusters[i] = c->clusters.items[i];
	size_t n = c->clusters.n;
	if (c->demo)
		clusters[n++] = DEMO_CLUSTER;
	const struct intake_options o = {.clusters = clusters,
		.n_clusters = n,
		.max_nodes = (unsigned)c->max_nodes,
		.insecure = c->insecure,
		.on_sample = on_sample,
		.on_notice = on_notice,
		.arg = l};
	int r = intake_new(&l->intake, &o);
	free(clusters);
	return r;
}

static struct tls_files tls_files_of(const struct aggregator_config *c)
{
	return (struct tls_files){.ca = c->tls_ca,
		.cert = c->tls_cert,
		.key = c->tls_key,
		.crl = c->tls_crl[0] ? c->tls_crl : NULL};
}

static int open_lane(struct line *l, const char *url, struct lane_server **ret, struct why *why)
{
	const struct lane_server_options o = {.url = url,
		.tls = l->config->insecure ? NULL : l->tls,
		.contexts = LANE_CONTEXTS,
		.on_message = on_message,
		.arg = l};
	return lane_server_start(ret, l->inbox, &o, why);
}

static int open_lanes(struct line *l, struct why *why)
{
	int r = open_lane(l, l->config->data_url, &l->data_lane, why);
	if (r == 0)
		r = open_lane(l, l->config->urgent_url, &l->urgent_lane, why);
	return r;
}

static void become_ready(struct line *l)
{
	l->status.ready = true;
	log_event(LOG_INFO, EV_READY, "ready", LOG_TEXT("data", l->config->data_url),
		LOG_NUM("http_port", show_port(l->show)));
}

static void on_catch_up(uv_idle_t *idle)
{
	struct line *l = idle->data;
	int64_t now_ms = clock_wall_ms();
	bool done = demo_catch_up(l->demo, now_ms, CATCH_UP_STEPS);
	snprintf(l->status.not_ready, sizeof(l->status.not_ready),
		"the demo fleet's history is being made: %u %%",
		demo_progress_permille(l->demo, now_ms) / 10);
	if (!done)
		return;
	uv_idle_stop(idle);
	l->is_catching_up = false;
	if (interruption_demo(l->interruption, l->demo) < 0)
		log_event(LOG_ERROR, EV_DRAIN, "the demo fleet cannot be drained, ignoring");
	become_ready(l);
}

static int open_demo(struct line *l)
{
	const struct demo_doors doors = {.on_sample = on_demo_sample,
		.on_notice = on_notice, // the same door
		.on_clock = on_demo_clock,
		.on_node = on_demo_node,
		.arg = l,
		.fleet = l->fleet,
		.store = l->store};
	int r = demo_new(&l->demo, &doors, l->config->demo_history_ms, clock_wall_ms());
	l->asked.demo = l->demo;
	if (r == 0) {
		l->is_catching_up = true;
		uv_idle_start(&l->catching_up, on_catch_up);
	}
	return r;
}

static int open_show(struct line *l, struct why *why)
{
	const struct aggregator_config *c = l->config;
	const struct show_options o = {.address = c->http_address,
		.port = (uint16_t)c->http_port,
		.version = PETREL_VERSION,
		.wall_ms = clock_wall_ms,
		.mono_ns = clock_mono_ns};
	l->asked = (struct asked){l->service, l->audit, NULL, l->interruption};
	const struct show_sources sources = {.fleet = l->fleet,
		.store = l->store,
		.status = &l->status,
		.policy = &l->policy,
		.intake = intake_counters(l->intake),
		.data_lane = lane_server_counters(l->data_lane),
		.urgent_lane = lane_server_counters(l->urgent_lane),
		.forecast = asked_forecast,
		.forecast_stats = asked_forecast_stats,
		.forecast_then = asked_forecast_then,
		.each_audit = asked_audit,
		.links = asked_links,
		.drains = asked_drains,
		.notice = asked_notice,
		.drain = asked_drain,
		.metrics = asked_metrics,
		.arg = &l->asked};
	return show_new(&l->show, l->loop, &o, &sources, why);
}

static int open_wire(struct line *l, struct why *why)
{
	const struct aggregator_config *c = l->config;
	const struct tls_files files = tls_files_of(c);
	int r = inbox_new(&l->inbox, l->loop, INBOX_CAPACITY);
	if (r == 0 && !c->insecure)
		r = tls_new(&l->tls, TLS_SERVER, &files, NULL, why);
	if (c->insecure)
		log_event(LOG_WARN, EV_INSECURE,
			"lanes accept plaintext without authentication: never in production");
	if (r == 0)
		r = open_intake(l);
	if (r == 0 && c->feed_url[0])
		r = publish_start(&l->feed, c->feed_url, NULL, 0, why);
	return r;
}

int line_start(
	struct line **ret, uv_loop_t *loop, const struct aggregator_config *config, struct why *why)
{
	struct line *l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->loop = loop;
	l->config = config;
	l->storing = true;
	buf_init(&l->text, AUDIT_MAX_BODY_BYTES);
	policy_default(&l->policy);
	l->status = (struct show_status){.mode = (enum petrel_mode)config->mode,
		.started_ms = clock_wall_ms(),
		.audit_ok = true,
		.not_ready = "starting"};
	text_copy(l->status.leader, sizeof(l->status.leader), config->name);
	uv_timer_init(loop, &l->timer);
	uv_idle_init(loop, &l->catching_up);
	l->timer.data = l->catching_up.data = l;
	why_set(why, 0, WHY_NONE, "out of memory");
	*ret = l; // also on failure: line_stop() closes what was opened
	int r = open_kept(l, why);
	if (r == 0)
		r = open_wire(l, why);
	if (r == 0)
		r = open_lanes(l, why);
	if (r == 0)
		r = open_show(l, why);
	if (r == 0 && config->kube)
		r = interruption_watch(l->interruption, loop, why);
	if (r == 0 && config->demo)
		r = open_demo(l);
	else if (r == 0)
		become_ready(l);
	return r < 0 ? r : uv_timer_start(&l->timer, on_tick, TICK_MS, TICK_MS);
}

void line_reload(struct line *l)
{
	struct why why;
	const struct tls_files files = tls_files_of(l->config);
	if (!l->tls)
		return;
	if (tls_reload(l->tls, &files, &why) < 0) {
		log_event(LOG_WARN, EV_CERTIFICATES, why.text);
		return;
	}
	if (l->data_lane)
		lane_server_drop_revoked(l->data_lane);
	if (l->urgent_lane)
		lane_server_drop_revoked(l->urgent_lane);
}

// --- closing, in the opposite order: each step calls the next when its handles are closed -----

static void free_rest(void *arg)
{
	struct line *l = arg;
	if (l->feed)
		publish_stop(l->feed);
	demo_free(l->demo); // answers what the drains have asked: into nothing
	intake_free(l->intake);
	tls_free(l->tls);
	audit_close(l->audit);
	rollup_free(l->rollup);
	store_free(l->store);
	fleet_free(l->fleet);
	buf_done(&l->text);
	void (*on_stopped)(void *) = l->on_stopped;
	void *on_stopped_arg = l->on_stopped_arg;
	free(l);
	on_stopped(on_stopped_arg);
}

static void stop_inbox(void *arg)
{
	struct line *l = arg;
	if (l->inbox)
		inbox_stop(l->inbox, free_rest, l);
	else
		free_rest(l);
}

static void stop_urgent_lane(void *arg)
{
	struct line *l = arg;
	if (l->urgent_lane)
		lane_server_stop(l->urgent_lane, stop_inbox, l);
	else
		stop_inbox(l);
}

static void stop_data_lane(void *arg)
{
	struct line *l = arg;
	if (l->data_lane)
		lane_server_stop(l->data_lane, stop_urgent_lane, l);
	else
		stop_urgent_lane(l);
}

static void stop_service(void *arg)
{
	struct line *l = arg;
	if (l->service)
		service_stop(l->service, stop_data_lane, l);
	else
		stop_data_lane(l);
}

static void stop_show(void *arg)
{
	struct line *l = arg;
	if (l->show)
		show_stop(l->show, stop_service, l);
	else
		stop_service(l);
}

static void on_idle_closed(uv_handle_t *handle)
{
	struct line *l = handle->data;
	if (l->interruption)
		interruption_stop(l->interruption, stop_show, l);
	else
		stop_show(l);
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct line *l = handle->data;
	uv_close((uv_handle_t *)&l->catching_up, on_idle_closed);
}

void line_stop(struct line *l, void (*on_stopped)(void *arg), void *arg)
{
	l->on_stopped = on_stopped;
	l->on_stopped_arg = arg;
	uv_close((uv_handle_t *)&l->timer, on_timer_closed);
}
