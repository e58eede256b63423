// SPDX-License-Identifier: Apache-2.0
#include "agent/agent.h"

#include "agent/collect.h"
#include "agent/deliver.h"
#include "agent/imds/watch.h"
#include "agent/probe/privilege.h"
#include "agent/probe/probe.h"
#include "agent/probe/psi.h"
#include "agent/self/cost.h"
#include "agent/self/report.h"
#include "agent/self/serve.h"
#include "agent/self/trim.h"
#include "proto/base/clock.h"
#include "proto/base/events.h"
#include "proto/base/files.h"
#include "proto/base/log.h"
#include "proto/base/rng.h"
#include "proto/base/text.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

enum {
	PSI_RESOURCES = 3,
	PRINT_MAX_BYTES = 16 << 20,
	SPARE_FDS = 256,
	BPF_COST_TICKS = 10,
	RELOAD_TICKS = 60,
	TRIM_TICK = 20,
	TICK_NICE = -10
};
#define LANE_DOWN_NS 15000000000ull

struct trigger {
	uv_poll_t poll;
	int fd; // -1: none
	struct agent *agent;
};

struct agent {
	const struct agent_config *config;
	uv_loop_t loop;
	uv_timer_t tick, duty;
	uv_signal_t term, interrupt;
	struct trigger triggers[PSI_RESOURCES];
	struct probe *probe;
	struct collect *collect;
	struct sample *sample;
	struct serve *serve;
	struct deliver *deliver; // NULL: nobody to send to
	struct watch *watch;     // of the metadata service; NULL: not asked
	bool connected;          // somebody gives receipts, as last logged
	struct buf line;         // --print
	int statm;
	struct cost cost; // at the last tick
	struct budget budget;
	struct report report;
	uint64_t lost_events; // as of the last tick
	bool stopping;
};

// --- the tick ----------------------------------------------------------------------------------

static void print_sample(struct agent *a)
{
	buf_reset(&a->line);
	sample_print(a->sample, &a->line);
	buf_text(&a->line, "\n");
	if (buf_failed(&a->line))
		return;
	// whole lines only: a reader that is slow slows down printing, not the kernel's counters
	for (size_t done = 0; done < a->line.len;) {
		ssize_t n = write(STDOUT_FILENO, a->line.data + done, a->line.len - done);
		if (n < 0 && errno != EINTR)
			return;
		if (n > 0)
			done += (size_t)n;
	}
}

static void keep_budget(struct agent *a, uint64_t cpu_ns, uint64_t elapsed_ns)
{
	int change = budget_add(&a->budget, cpu_ns, elapsed_ns);
	if (change == 0)
		return;
	log_event(LOG_WARN, EV_AGENT_OVER_BUDGET,
		change > 0 ? "over the CPU budget for a minute, lowering detail"
			   : "well below the CPU budget, raising detail again",
		LOG_TEXT("detail", collect_detail_name((enum collect_detail)a->budget.step)),
		LOG_NUM("budget_permille", (int64_t)a->budget.permille));
	if (a->budget.step > 0 && a->probe)
		probe_set_duty(a->probe, DUTY_OFF, clock_mono_ns());
	else if (a->probe)
		probe_set_duty(
			a->probe, a->config->duty == 2 ? DUTY_FULL : DUTY_CYCLE, clock_mono_ns());
}

// What the agent cost since the last tick goes into the sample.
static void account(struct agent *a, uint64_t now_ns)
{
	struct cost cost;
	struct sample *s = a->sample;
	struct report *r = &a->report;
	if (cost_read(a->statm, &cost) < 0)
		return;
	uint64_t cpu_ns = cost.cpu_ns - a->cost.cpu_ns;
	s->self_cpu_ns = cpu_ns;
	s->self_rss_bytes = cost.rss_bytes;
	s->self_wakeups = cost.wakeups - a->cost.wakeups;
	struct collect_counts counts;
	collect_counts(a->collect, &counts);
	uint64_t lost = counts.losses.events + counts.losses.overflow;
	s->self_lost_events = lost - a->lost_events;
	a->lost_events = lost;
	s->self_bpf_ns = 0;
	if (a->probe && r->ticks % BPF_COST_TICKS == 0) {
		uint64_t before = r->bpf_ns;
		if (probe_cost(a->probe, &r->bpf_ns, &r->bpf_runs) == 0 && before > 0)
			s->self_bpf_ns = r->bpf_ns - before;
	}
	if (r->tick_ns)
		keep_budget(a, cpu_ns, now_ns - r->tick_ns);
	a->cost = cost;
}

// Says when receipts stop and when they come again: a connection alone says nothing about the
// aggregator behind it.
static void watch_receipts(struct agent *a, uint64_t now_ns)
{
	struct send_status s;
	bool connected = false;
	if (!deliver_status(a->deliver, &s))
		return;
	for (unsigned i = 0; i < s.n_replicas; i++)
		connected =
			connected || (s.replicas[i].last_receipt_ns &&
					     now_ns - s.replicas[i].last_receipt_ns < LANE_DOWN_NS);
	if (connected != a->connected)
		log_event(connected ? LOG_INFO : LOG_WARN, connected ? EV_LANE_UP : EV_LANE_DOWN,
			connected ? "receipts arrive"
				  : "no receipts, samples are spooled, retrying",
			LOG_NUM("spooled", (int64_t)s.spooled));
	a->connected = connected;
}

static void reload_certificates(struct agent *a)
{
	struct why why = {0};
	if (deliver_reload(a->deliver, &why) < 0)
		log_event(LOG_WARN, EV_CERTIFICATES,
			"certificates cannot be read again, the old ones stay",
			LOG_TEXT("reason", why.text));
}

// What only the agent as a whole knows joins what was measured.
static void deliver(struct agent *a, uint64_t now_ns)
{
	struct sample *s = a->sample;
	if (a->watch && s->n_hooks < SAMPLE_MAX_HOOKS)
		watch_hook(a->watch, &s->hooks[s->n_hooks++]);
	int r = deliver_sample(a->deliver, s, now_ns);
	a->report.sample_errors += r < 0;
	if (r == -E2BIG) // the next ones are smaller; the busiest stay
		s->max_cgroups = s->max_cgroups / 2 + 1;
	watch_receipts(a, now_ns);
	if (a->report.ticks % RELOAD_TICKS == 0)
		reload_certificates(a);
}

static void on_tick(uv_timer_t *timer)
{
	struct agent *a = timer->data;
	struct report *r = &a->report;
	const struct collect_now now = {.mono_ns = clock_mono_ns(),
		.wall_ms = clock_wall_ms(),
		.detail = (enum collect_detail)a->budget.step};
	int result = collect_tick(a->collect, &now, a->sample);
	account(a, now.mono_ns);
	r->late_ticks += r->tick_ns && now.mono_ns - r->tick_ns > r->interval_ns * 3 / 2;
	if (r->ticks++ == TRIM_TICK)
		trim_memory();
	r->tick_ns = now.mono_ns;
	if (result == 0)
		deliver(a, now.mono_ns);
	if (result == 0 && a->config->print)
		print_sample(a);
}

static void on_duty(uv_timer_t *timer)
{
	struct agent *a = timer->data;
	uint64_t next_ns = probe_tick(a->probe, clock_mono_ns());
	uv_timer_start(timer, on_duty, next_ns / 1000000 + 1, 0);
}

static void fill_report(void *arg, struct report *ret)
{
	struct agent *a = arg;
	struct collect_counts c;
	collect_counts(a->collect, &c);
	struct report *r = &a->report;
	r->now_ns = clock_mono_ns();
	r->cpu_ns = a->cost.cpu_ns;
	r->rss_bytes = a->cost.rss_bytes;
	r->wakeups = a->cost.wakeups;
	r->lost_events = c.losses.events;
	r->overflow = c.losses.overflow;
	r->missed = c.losses.missed;
	r->reused = c.losses.reused;
	r->cgroups = c.cgroups;
	r->cgroups_left_out = c.left_out;
	r->kept_files = c.fds;
	r->walks = c.walks;
	r->rows_left_out = c.rows_left_out;
	r->counter_resets = c.faults.resets;
	r->counter_absurd = c.faults.absurd;
	r->detail = collect_detail_name((enum collect_detail)a->budget.step);
	r->detail_step = a->budget.step;
	r->duty = a->sample->duty;
	r->hooks = a->sample->hooks;
	r->n_hooks = a->sample->n_hooks;
	r->sending = deliver_status(a->deliver, &r->send);
	*ret = *r;
}

// --- pressure ----------------------------------------------------------------------------------

static void on_pressure(uv_poll_t *poll_handle, int status, int events)
{
	struct trigger *t = poll_handle->data;
	// libuv does not pass POLLERR on beside POLLPRI, and a dead trigger polls it without end
	struct pollfd p = {.fd = t->fd, .events = POLLPRI};
	int dead = status < 0 || (poll(&p, 1, 0) > 0 && psi_event(p.revents) < 0);
	if (dead) {
		uv_poll_stop(poll_handle);
		psi_close(&t->fd);
		return;
	}
	// a new trigger first reports all the pressure since boot
	uint64_t now = clock_mono_ns(), window_ns = t->agent->config->psi_window_ms * 1000000;
	if (now - t->agent->report.started_ns < 2 * window_ns)
		return;
	probe_arm(t->agent->probe, now);
	uv_timer_start(&t->agent->duty, on_duty, 0, 0);
}

static void arm_by_pressure(struct agent *a)
{
	static const char *const resources[PSI_RESOURCES] = {"cpu", "memory", "io"};
	const struct agent_config *c = a->config;
	for (int i = 0; i < PSI_RESOURCES; i++) {
		struct trigger *t = &a->triggers[i];
		t->agent = a;
		t->fd = -1;
		if (!a->probe || c->duty != 1)
			continue;
		char path[4096];
		snprintf(path, sizeof(path), "%s/pressure/%s", c->proc, resources[i]);
		int fd = psi_open(
			path, false, (uint32_t)c->psi_stall_ms, (uint32_t)c->psi_window_ms);
		if (fd < 0) {
			log_event(LOG_INFO, EV_AGENT_DEGRADED,
				"no pressure trigger, the duty cycle goes on without, ignoring",
				LOG_TEXT("path", path), LOG_NUM("error", fd));
			continue;
		}
		t->fd = fd;
		uv_poll_init(&a->loop, &t->poll, fd);
		t->poll.data = t;
		uv_poll_start(&t->poll, UV_PRIORITIZED, on_pressure);
	}
}

// --- interruption --------------------------------------------------------------------------------

static void on_notice(void *arg, const struct notice *n)
{
	struct agent *a = arg;
	int r = deliver_notice(a->deliver, n, clock_mono_ns());
	log_event(LOG_WARN, EV_NOTICE,
		n->withdrawn ? "a notice was withdrawn" : "this node is going to be interrupted",
		LOG_TEXT("kind", notice_kind_name(n->kind)),
		LOG_NUM("left_ms", n->deadline_ms ? n->deadline_ms - clock_wall_ms() : -1),
		LOG_NUM("guessed", n->guessed), LOG_NUM("error", r));
}

static void on_identity(void *arg, const struct watch_identity *id)
{
	struct sample *s = ((struct agent *)arg)->sample;
	text_copy(s->instance_id, sizeof(s->instance_id), id->instance_id);
	text_copy(s->instance_type, sizeof(s->instance_type), id->instance_type);
	text_copy(s->zone_id, sizeof(s->zone_id), id->zone_id);
}

static void start_watch(struct agent *a)
{
	const struct agent_config *c = a->config;
	struct watch_options o;
	if (!c->imds)
		return;
	watch_defaults(&o);
	o.http.address = c->imds_address;
	o.http.port = (uint16_t)c->imds_port;
	o.allow_v1 = c->imds_allow_v1;
	o.period_ms[WATCH_SPOT_ACTION] = (uint32_t)c->imds_spot_ms;
	o.period_ms[WATCH_LIFECYCLE] = (uint32_t)c->imds_lifecycle_ms;
	o.period_ms[WATCH_REBALANCE] = (uint32_t)c->imds_rebalance_ms;
	o.period_ms[WATCH_MAINTENANCE] = (uint32_t)c->imds_maintenance_ms;
	o.period_ms[WATCH_TERMINATION_TIME] = (uint32_t)c->imds_termination_ms;
	o.wall_ms = clock_wall_ms;
	o.mono_ns = clock_mono_ns;
	o.on_notice = on_notice;
	o.on_identity = on_identity;
	o.arg = a;
	text_copy(o.cluster, sizeof(o.cluster), a->sample->cluster);
	text_copy(o.node, sizeof(o.node), a->sample->node);
	if (rng_init_random(&o.rng) < 0 || watch_start(&a->watch, &a->loop, &o) < 0) {
		a->watch = NULL;
		log_event(LOG_WARN, EV_AGENT_DEGRADED,
			"the metadata service is not watched: imds.address is no address",
			LOG_TEXT("address", c->imds_address));
	}
}

// --- start and stop ----------------------------------------------------------------------------

static void log_hooks(const struct agent *a)
{
	struct hook_status hooks[SAMPLE_MAX_HOOKS];
	size_t n = probe_hooks(a->probe, hooks, SAMPLE_MAX_HOOKS);
	for (size_t i = 0; i < n; i++) {
		if (hooks[i].state == HOOK_ATTACHED || hooks[i].error == 0)
			continue;
		log_event(LOG_WARN, EV_HOOK_REFUSED, hooks[i].detail,
			LOG_TEXT("hook", hooks[i].name), LOG_NUM("error", hooks[i].error));
	}
}

static void start_probe(struct agent *a)
{
	static const enum duty_mode modes[] = {DUTY_OFF, DUTY_CYCLE, DUTY_FULL};
	const struct agent_config *c = a->config;
	struct probe_options o;
	struct why why = {0};
	probe_options_init(&o);
	o.duty = modes[c->duty];
	o.cycle_ms = (uint32_t)c->cycle_ms;
	o.cycle_on_ms = (uint32_t)c->cycle_on_ms;
	o.armed_ms = (uint32_t)c->armed_ms;
	if (probe_new(&a->probe, &o, &why) < 0) {
		a->probe = NULL;
		log_event(LOG_WARN, EV_AGENT_DEGRADED, "no eBPF at all, ignoring",
			LOG_TEXT("reason", why.text));
		return;
	}
	log_hooks(a);
	uv_timer_start(&a->duty, on_duty, 0, 0);
}

// As many descriptors as the process may have; cgroup files take what the rest does not need.
static uint32_t raise_files(void)
{
	uint64_t limit = files_raise(), spare = limit > SPARE_FDS ? limit - SPARE_FDS : 0;
	return spare > 1 << 16 ? 1 << 16 : (uint32_t)spare;
}

static int start_collect(struct agent *a, struct why *why)
{
	const struct agent_config *c = a->config;
	long cpus = sysconf(_SC_NPROCESSORS_CONF), ticks = sysconf(_SC_CLK_TCK);
	const struct collect_options o = {.proc = c->proc,
		.sys = c->sys,
		.cgroup = c->cgroup,
		.root = c->root,
		.interval_ms = (uint32_t)c->interval_ms,
		.slow_interval_ms = (uint32_t)c->slow_interval_ms,
		.n_cpus = cpus > 0 ? (unsigned)cpus : 1,
		.max_fds = raise_files(),
		.ticks_per_s = ticks > 0 ? (uint64_t)ticks : 100,
		.probe = a->probe};
	return collect_new(&a->collect, &o, why);
}

static int new_sample(struct agent *a, struct why *why)
{
	const struct agent_config *c = a->config;
	if (sample_new(&a->sample, (size_t)c->max_cgroups) < 0)
		return why_set(why, -ENOMEM, WHY_RETRY, "out of memory");
	struct sample *s = a->sample;
	text_copy(s->cluster, sizeof(s->cluster), c->cluster);
	text_copy(s->node, sizeof(s->node), c->node);
	if (!s->node[0] && gethostname(s->node, sizeof(s->node) - 1) < 0)
		return why_set(why, -errno, WHY_DENIED, "no host name; set node.name");
	text_copy(s->group, sizeof(s->group), c->group);
	text_copy(s->instance_id, sizeof(s->instance_id), c->instance_id);
	text_copy(s->instance_type, sizeof(s->instance_type), c->instance_type);
	text_copy(s->zone_id, sizeof(s->zone_id), c->zone_id);
	text_copy(s->version, sizeof(s->version), PETREL_VERSION);
	if (!text_is_name(s->node, strlen(s->node), sizeof(s->node) - 1))
		return why_set(why, -EINVAL, WHY_DENIED, "node.name \"%.64s\" is no name", s->node);
	if (!text_is_name(s->cluster, strlen(s->cluster), sizeof(s->cluster) - 1))
		return why_set(
			why, -EINVAL, WHY_DENIED, "cluster.name \"%.64s\" is no name", s->cluster);
	return 0;
}

// A node without CPU to spare is what there is to be seen: the few ms that a tick needs come first,
// also when everybody is waiting. Only root may; in a container its CPU request has the same
// effect.
static void take_priority(void)
{
	if (setpriority(PRIO_PROCESS, 0, TICK_NICE) < 0)
		errno = 0;
}

static void drop_rights(struct agent *a)
{
	const struct agent_config *c = a->config;
	struct privileges p;
	struct why why = {0};
	char held[128] = "";
	if (c->drop_privileges && privilege_drop((uid_t)c->uid, (gid_t)c->uid, &why) < 0)
		log_event(LOG_WARN, EV_AGENT_DEGRADED, "rights could not be given up, ignoring",
			LOG_TEXT("reason", why.text));
	if (privilege_read(&p) == 0)
		privilege_text(&p, held, sizeof(held));
	log_event(LOG_INFO, EV_READY, "sampling", LOG_TEXT("node", a->sample->node),
		LOG_TEXT("capabilities", held), LOG_NUM("uid", (int64_t)p.uid));
}

static void serve(struct agent *a)
{
	const struct agent_config *c = a->config;
	struct why why = {0};
	if (c->http_port == 0)
		return;
	if (serve_start(&a->serve, &a->loop, c->http_address, (uint16_t)c->http_port, &why) < 0) {
		a->serve = NULL;
		log_event(LOG_WARN, EV_AGENT_DEGRADED, "no /metrics and /healthz, ignoring",
			LOG_TEXT("reason", why.text));
		return;
	}
	serve_set_source(a->serve, fill_report, a);
}

static void stop(struct agent *a)
{
	if (a->stopping)
		return;
	a->stopping = true;
	uv_close((uv_handle_t *)&a->tick, NULL);
	uv_close((uv_handle_t *)&a->duty, NULL);
	uv_close((uv_handle_t *)&a->term, NULL);
	uv_close((uv_handle_t *)&a->interrupt, NULL);
	for (int i = 0; i < PSI_RESOURCES; i++)
		if (a->triggers[i].poll.data)
			uv_close((uv_handle_t *)&a->triggers[i].poll, NULL);
	serve_stop(a->serve);
	deliver_stop(a->deliver);
	if (a->watch)
		watch_stop(a->watch, NULL, NULL);
}

static void on_signal(uv_signal_t *handle, int number)
{
	log_event(LOG_INFO, EV_STOP, "stopping", LOG_NUM("signal", number));
	stop(handle->data);
}

static void init_handles(struct agent *a)
{
	int r = uv_loop_init(&a->loop);
	assert(r == 0);
	uv_timer_init(&a->loop, &a->tick);
	uv_timer_init(&a->loop, &a->duty);
	uv_signal_init(&a->loop, &a->term);
	uv_signal_init(&a->loop, &a->interrupt);
	a->tick.data = a->duty.data = a->term.data = a->interrupt.data = a;
}

static void init_report(struct agent *a)
{
	a->report = (struct report){.version = PETREL_VERSION,
		.cluster = a->sample->cluster,
		.node = a->sample->node,
		.started_ns = clock_mono_ns(),
		.interval_ns = a->config->interval_ms * 1000000};
	a->statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	cost_read(a->statm, &a->cost);
	budget_init(&a->budget, a->config->cpu_budget_permille, COLLECT_DETAILS - 1);
}

static void free_agent(struct agent *a)
{
	collect_free(a->collect);
	probe_free(a->probe);
	sample_free(a->sample);
	buf_done(&a->line);
	for (int i = 0; i < PSI_RESOURCES; i++)
		psi_close(&a->triggers[i].fd);
	if (a->statm >= 0)
		close(a->statm);
	free(a);
}

int agent_run(const struct agent_config *config, struct why *why)
{
	struct agent *a = calloc(1, sizeof(*a));
	if (!a)
		return why_set(why, -ENOMEM, WHY_RETRY, "out of memory");
	a->config = config;
	a->statm = -1;
	for (int i = 0; i < PSI_RESOURCES; i++)
		a->triggers[i].fd = -1;
	buf_init(&a->line, PRINT_MAX_BYTES);
	init_handles(a);
	int r = new_sample(a, why);
	if (r == 0) {
		init_report(a);
		start_probe(a);
		r = start_collect(a, why);
	}
	if (r == 0)
		r = deliver_open(&a->deliver, config, why);
	if (r == 0) {
		arm_by_pressure(a);
		take_priority();
		drop_rights(a); // before nng's threads are there
		if (a->deliver && config->insecure)
			log_event(LOG_WARN, EV_INSECURE,
				"send.insecure is on: plaintext, anybody may read and forge");
		if (a->deliver)
			r = deliver_start(a->deliver, &a->loop, why);
	}
	if (r == 0) {
		start_watch(a);
		serve(a);
		uv_signal_start(&a->term, on_signal, SIGTERM);
		uv_signal_start(&a->interrupt, on_signal, SIGINT);
		uv_timer_start(&a->tick, on_tick, 0, config->interval_ms);
	} else {
		stop(a);
	}
	uv_run(&a->loop, UV_RUN_DEFAULT);
	int closed = uv_loop_close(&a->loop);
	if (r == 0 && closed < 0)
		r = why_set(why, -EBUSY, WHY_BUG, "the loop did not close");
	free_agent(a);
	return r;
}
