// SPDX-License-Identifier: Apache-2.0
// agent/imds through any number of rounds of random faults, on a clock that jumps.
//
//   imds-rounds ROUNDS SEED      one JSON line of figures; 1 if a round failed, with a line that
//   says how
//
// A round: an event appears, its time may change, it goes away. Each of these steps happens at a
// random moment among up to three random faults, and must be told at most so long after both have
// passed (events[] below); what is told must be shown at that moment, or have been within the two
// seconds that an answer may take. Each RESTART_ROUNDS the watch is stopped and started anew, and
// must have left no file open. The watch is the real one with its own periods and deadlines.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/imds/watch.h"
#include "proto/base/clock.h"
#include "proto/base/json.h"
#include "proto/base/text.h"
#include "tests/fault/imds_rounds/service.h"
#include "tests/fault/imds_rounds/virtual_clock.h"

enum { RESTART_ROUNDS = 1000, FAULTS_PER_STEP = 3, FAULT_MS = 3000, STEP_MS = 1500 };
enum { STALE_MS = 2200, LATE_MS = 1500 }; // an answer may be two seconds old
enum step { STEP_APPEARS, STEP_CHANGES, STEP_GOES, STEP_COUNT };
enum event { SPOT, SPOT_TWICE, LEGACY, LIFECYCLE, REBALANCE, MAINTENANCE, EVENT_COUNT };

// bound_ms: the longest period with its jitter, and 0.4 s for the answer. Spot: a
// second one, for the few that meet the end of an outage at the worst moment ("late"). goes_ms: a
// late answer of the legacy path may keep an event a period of that path longer.
static const struct {
	const char *name;
	enum notice_kind kind;
	unsigned weight;
	uint32_t bound_ms, goes_ms;
} events[EVENT_COUNT] = {
	{"spot", NOTICE_SPOT_ITN, 600, 2600, 5900},
	{"spot_twice", NOTICE_SPOT_ITN, 150, 2600, 5900}, // also at the legacy path
	{"legacy", NOTICE_SPOT_ITN, 50, 5900, 5900},
	{"lifecycle", NOTICE_ASG_LIFECYCLE, 100, 2600, 2600},
	{"rebalance", NOTICE_REBALANCE_RECOMMENDATION, 90, 5900, 5900},
	{"maintenance", NOTICE_SCHEDULED_EVENT, 10, 66400, 66400},
};

struct run {
	uv_loop_t loop;
	struct watch *watch;
	struct service *service;
	struct rng rng;
	uv_timer_t act, limit, next;
	uint64_t seed, rounds, round, restarts, steps[EVENT_COUNT];
	uint64_t worst_ms[EVENT_COUNT], late; // late: spot notices told after more than LATE_MS
	struct watch_stats past;              // of the watches that were stopped
	enum event event;
	enum step step;
	bool done; // nothing more of this step is awaited
	bool failed;
	uint64_t acted_ns, well_ns; // 0: not yet; the end of the last fault
	bool present;
	uint64_t shown_ns;                     // when present became true
	uint64_t hidden_ns[NOTICE_KIND_COUNT]; // when the last event of the kind went
	int64_t deadline_ms[NOTICE_KIND_COUNT], former_ms[NOTICE_KIND_COUNT];
	unsigned files_idle, files_most;
	int64_t rss_warm_kib;
};

static void begin_step(struct run *r);
static void start_watch(struct run *r);

static uint64_t ms_since(uint64_t ns)
{
	uint64_t now = virtual_mono_ns();
	return now > ns ? (now - ns) / 1000000 : 0;
}

static void fail(struct run *r, const char *why, const struct notice *n)
{
	if (r->failed)
		return;
	printf("{\"failed\":\"%s\",\"seed\":%llu,\"round\":%llu,\"event\":\"%s\",\"step\":%d,"
	       "\"since_act_ms\":%llu,\"since_well_ms\":%llu,\"told_ms\":%lld}\n",
		why, (unsigned long long)r->seed, (unsigned long long)r->round,
		events[r->event].name, r->step, (unsigned long long)ms_since(r->acted_ns),
		(unsigned long long)ms_since(r->well_ns), n ? (long long)n->deadline_ms : 0);
	r->failed = true;
	uv_stop(&r->loop);
}

// ---- what the machine says of this process

static unsigned open_files(void)
{
	unsigned n = 0;
	for (int fd = 0; fd < 1024; fd++)
		n += dup2(fd, fd) == fd;
	return n;
}

static int64_t resident_kib(void)
{
	long pages = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");
	if (f && fscanf(f, "%ld %ld", &pages, &resident) != 2)
		resident = 0;
	if (f)
		fclose(f);
	return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

// ---- what is shown

static void show_maintenance(struct run *r, bool present, struct tm *tm)
{
	char body[512], when[64];
	strftime(when, sizeof(when), "%d %b %Y %H:%M:%S GMT", tm);
	snprintf(body, sizeof(body),
		"[{\"NotBefore\":\"%s\",\"Code\":\"system-reboot\",\"Description\":\"a round\","
		"\"EventId\":\"instance-event-%llu\",\"NotAfter\":\"%s\",\"State\":\"active\"}]",
		when, (unsigned long long)r->round, when);
	service_show(r->service, PLACE_MAINTENANCE, present ? body : "[]");
}

static void show(struct run *r, bool present)
{
	char time[64], action[128];
	struct tm tm;
	enum notice_kind kind = events[r->event].kind;
	time_t at = (time_t)(r->deadline_ms[kind] / 1000);
	gmtime_r(&at, &tm);
	strftime(time, sizeof(time), "%Y-%m-%dT%H:%M:%SZ", &tm);
	snprintf(action, sizeof(action), "{\"action\":\"terminate\",\"time\":\"%s\"}", time);
	if (r->event == SPOT || r->event == SPOT_TWICE)
		service_show(r->service, PLACE_SPOT_ACTION, present ? action : NULL);
	if (r->event == LEGACY || r->event == SPOT_TWICE)
		service_show(r->service, PLACE_TERMINATION_TIME, present ? time : NULL);
	if (r->event == LIFECYCLE)
		service_show(r->service, PLACE_LIFECYCLE, present ? "Terminated" : "InService");
	if (r->event == REBALANCE) {
		snprintf(action, sizeof(action), "{\"noticeTime\":\"%s\"}", time);
		service_show(r->service, PLACE_REBALANCE, present ? action : NULL);
	}
	if (r->event == MAINTENANCE)
		show_maintenance(r, present, &tm);
	if (present && !r->present)
		r->shown_ns = virtual_mono_ns();
	if (!present)
		r->hidden_ns[kind] = virtual_mono_ns();
	r->present = present;
}

// ---- the steps of a round

static void on_limit(uv_timer_t *timer)
{
	fail(timer->data, "missed", NULL);
}

static void choose_time(struct run *r, enum notice_kind kind)
{
	int64_t ahead_ms = 1000 * (60 + (int64_t)rng_below(&r->rng, 60));
	r->former_ms[kind] = r->deadline_ms[kind];
	r->deadline_ms[kind] = (virtual_wall_ms() + ahead_ms) / 1000 * 1000;
	if (r->deadline_ms[kind] == r->former_ms[kind])
		r->deadline_ms[kind] += 1000;
}

static void on_act(uv_timer_t *timer)
{
	struct run *r = timer->data;
	uint64_t now = virtual_mono_ns(), from = now > r->well_ns ? now : r->well_ns;
	if (r->step != STEP_GOES)
		choose_time(r, events[r->event].kind);
	show(r, r->step != STEP_GOES);
	uint32_t bound_ms =
		r->step == STEP_GOES ? events[r->event].goes_ms : events[r->event].bound_ms;
	r->acted_ns = now;
	uv_timer_start(&r->limit, on_limit, (from - now) / 1000000 + bound_ms, 0);
}

static void add_faults(struct run *r)
{
	uint64_t now = virtual_mono_ns(), n = rng_below(&r->rng, FAULTS_PER_STEP + 1);
	for (uint64_t i = 0; i < n; i++) {
		struct fault f = {
			.kind = (enum fault_kind)rng_below(&r->rng, FAULT_KIND_COUNT),
			.place = (int)rng_below(&r->rng, PLACE_COUNT + 3),
			.share_percent = rng_below(&r->rng, 2) ? 100 : 30,
		};
		f.place = f.place > PLACE_ANY ? PLACE_ANY : f.place;
		f.from_ns = now + rng_below(&r->rng, STEP_MS) * 1000000;
		f.until_ns = f.from_ns + (50 + rng_below(&r->rng, FAULT_MS)) * 1000000;
		r->well_ns = f.until_ns > r->well_ns ? f.until_ns : r->well_ns;
		service_fault(r->service, &f);
	}
}

static void begin_step(struct run *r)
{
	r->done = false;
	r->acted_ns = 0;
	add_faults(r);
	uv_timer_start(&r->act, on_act, rng_below(&r->rng, STEP_MS), 0);
}

static void begin_round(struct run *r)
{
	unsigned at = (unsigned)rng_below(&r->rng, 1000);
	int e = 0;
	while (at >= events[e].weight)
		at -= events[e++].weight;
	r->event = (enum event)e;
	r->step = STEP_APPEARS;
	begin_step(r);
}

// ---- between rounds

static void add_stats(struct run *r)
{
	struct watch_stats s;
	watch_stats(r->watch, &s);
	r->past.polls += s.polls;
	r->past.answers += s.answers;
	r->past.notices += s.notices;
	r->past.tokens += s.tokens;
	r->past.http.connections += s.http.connections;
	r->past.http.reused += s.http.reused;
	r->past.http.timeouts += s.http.timeouts;
	for (int e = 0; e < WATCH_ERROR_COUNT; e++)
		r->past.errors[e] += s.errors[e];
}

// The watch is gone, and its connections with it.
static void on_quiet(uv_timer_t *timer)
{
	struct run *r = timer->data;
	unsigned files = open_files();
	if (service_stats(r->service)->open > 0 || files != r->files_idle)
		fail(r, "files are left open", NULL);
	else if (r->round < r->rounds)
		start_watch(r);
	else
		uv_stop(&r->loop);
}

static void on_watch_stopped(void *arg)
{
	struct run *r = arg;
	r->watch = NULL;
	uint64_t now = virtual_mono_ns(), well = r->well_ns > now ? r->well_ns - now : 0;
	uv_timer_start(&r->next, on_quiet, well / 1000000 + 5000, 0);
}

static void on_next(uv_timer_t *timer)
{
	struct run *r = timer->data;
	unsigned files = r->round % 64 == 0 ? open_files() : 0;
	r->files_most = files > r->files_most ? files : r->files_most;
	if (r->round == RESTART_ROUNDS)
		r->rss_warm_kib = resident_kib();
	if (r->round % RESTART_ROUNDS == 0 || r->round == r->rounds) {
		add_stats(r);
		r->restarts++;
		watch_stop(r->watch, on_watch_stopped, r);
	} else {
		begin_round(r);
	}
}

static bool is_timed(enum notice_kind kind)
{
	return kind == NOTICE_SPOT_ITN || kind == NOTICE_SCHEDULED_EVENT;
}

static void told(struct run *r)
{
	uint64_t from = r->acted_ns > r->well_ns ? r->acted_ns : r->well_ns, ms = ms_since(from);
	if (r->step != STEP_GOES && ms > r->worst_ms[r->event])
		r->worst_ms[r->event] = ms;
	r->late += r->step == STEP_APPEARS && r->event <= SPOT_TWICE && ms > LATE_MS;
	r->steps[r->event]++;
	uv_timer_stop(&r->limit);
	r->done = true;
	if (r->step == STEP_GOES) {
		r->round++;
		uv_timer_start(&r->next, on_next, 0, 0);
		return;
	}
	bool changes = r->step == STEP_APPEARS && is_timed(events[r->event].kind) &&
		       rng_below(&r->rng, 3) == 0;
	r->step = changes ? STEP_CHANGES : STEP_GOES;
	begin_step(r);
}

// ---- what the watch tells

static bool is_current(const struct run *r, const struct notice *n)
{
	return n->deadline_ms == (is_timed(n->kind) ? r->deadline_ms[n->kind] : 0);
}

// A good notice: it must be shown, or have been a moment ago.
static void on_good_notice(struct run *r, const struct notice *n, bool awaited)
{
	bool shown = r->present && n->kind == events[r->event].kind;
	bool current = is_current(r, n);
	if (!shown && ms_since(r->hidden_ns[n->kind]) > STALE_MS)
		fail(r, "told though it is not shown", n);
	else if (!current && n->deadline_ms != r->former_ms[n->kind])
		fail(r, "told with a time that was never shown", n);
	else if (awaited && current && r->step != STEP_GOES)
		told(r);
}

static void on_notice(void *arg, const struct notice *n)
{
	struct run *r = arg;
	bool ours = n->kind == events[r->event].kind, awaited = ours && !r->done && r->acted_ns;
	if (n->guessed) {
		if (!n->withdrawn && ms_since(service_stats(r->service)->garbage_ns) > STALE_MS)
			fail(r, "a guess at nothing", n);
	} else if (!n->withdrawn) {
		on_good_notice(r, n, awaited);
	} else if (ours && r->present && is_current(r, n) && ms_since(r->shown_ns) > STALE_MS) {
		fail(r, "withdrawn though it is shown", n);
	} else if (awaited && r->step == STEP_GOES) {
		told(r);
	}
}

static void on_identity(void *arg, const struct watch_identity *id)
{
	begin_round(arg);
}

static void start_watch(struct run *r)
{
	struct watch_options o;
	watch_defaults(&o);
	o.http.address = "127.0.0.1";
	o.http.port = service_port(r->service);
	o.wall_ms = virtual_wall_ms;
	o.mono_ns = virtual_mono_ns;
	rng_init(&o.rng, rng_next(&r->rng));
	o.on_notice = on_notice;
	o.on_identity = on_identity;
	o.arg = r;
	snprintf(o.cluster, sizeof(o.cluster), "test");
	snprintf(o.node, sizeof(o.node), "node");
	if (watch_start(&r->watch, &r->loop, &o) < 0)
		abort();
}

// ---- the report

static void put_errors(const struct run *r, struct json *j)
{
	const struct service_stats *s = service_stats(r->service);
	json_key(j, "met");
	json_open(j, '{');
	for (int k = 0; k < FAULT_KIND_COUNT; k++)
		json_put_i64(j, fault_name((enum fault_kind)k), (int64_t)s->met[k]);
	json_close(j, '}');
	json_key(j, "errors");
	json_open(j, '{');
	for (int e = 0; e < WATCH_ERROR_COUNT; e++)
		json_put_i64(j, watch_error_name((enum watch_error)e), (int64_t)r->past.errors[e]);
	json_close(j, '}');
}

static void print_figures(const struct run *r)
{
	struct buf line;
	struct json j;
	buf_init(&line, 65536);
	json_init(&j, &line);
	json_open(&j, '{');
	json_put_i64(&j, "seed", (int64_t)r->seed);
	json_put_i64(&j, "rounds", (int64_t)r->round);
	json_put_i64(&j, "virtual_hours", (int64_t)(ms_since(1000000000000) / 3600000));
	json_put_i64(&j, "jumps", (int64_t)virtual_jumps());
	json_put_i64(&j, "restarts", (int64_t)r->restarts);
	json_put_i64(&j, "polls", (int64_t)r->past.polls);
	json_put_i64(&j, "notices", (int64_t)r->past.notices);
	json_put_i64(&j, "tokens", (int64_t)r->past.tokens);
	json_put_i64(&j, "connections", (int64_t)r->past.http.connections);
	json_put_i64(&j, "reused", (int64_t)r->past.http.reused);
	json_put_i64(&j, "late", (int64_t)r->late);
	json_put_i64(&j, "files_idle", r->files_idle);
	json_put_i64(&j, "files_most", r->files_most);
	json_put_i64(&j, "rss_warm_kib", r->rss_warm_kib);
	json_put_i64(&j, "rss_kib", resident_kib());
	json_key(&j, "steps");
	json_open(&j, '{');
	for (int e = 0; e < EVENT_COUNT; e++)
		json_put_i64(&j, events[e].name, (int64_t)r->steps[e]);
	json_close(&j, '}');
	json_key(&j, "worst_ms");
	json_open(&j, '{');
	for (int e = 0; e < EVENT_COUNT; e++)
		json_put_i64(&j, events[e].name, (int64_t)r->worst_ms[e]);
	json_close(&j, '}');
	put_errors(r, &j);
	json_close(&j, '}');
	printf("%.*s\n", (int)line.len, (const char *)line.data);
	buf_done(&line);
}

int main(int argc, char **argv)
{
	static struct run r;
	if (argc != 3 || text_to_u64(argv[1], &r.rounds) < 0 || text_to_u64(argv[2], &r.seed) < 0)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	rng_init(&r.rng, r.seed);
	uv_loop_init(&r.loop);
	r.act.data = r.limit.data = r.next.data = &r;
	uv_timer_init(&r.loop, &r.act);
	uv_timer_init(&r.loop, &r.limit);
	uv_timer_init(&r.loop, &r.next);
	if (service_start(&r.service, &r.loop, rng_next(&r.rng)) < 0)
		return 1;
	service_show(r.service, PLACE_LIFECYCLE, "InService");
	service_show(r.service, PLACE_MAINTENANCE, "[]");
	r.files_idle = open_files();
	start_watch(&r);
	uv_run(&r.loop, UV_RUN_DEFAULT);
	if (!r.failed)
		print_figures(&r);
	return r.failed;
}
