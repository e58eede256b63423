// SPDX-License-Identifier: Apache-2.0
// N real senders (agent/send over TLS, a certificate each), one sample a second each, against
// bench_aggregator in another process: steady, restarted, with a client without manners, notices
// from many at once.
//
// The senders live in workers of AGENTS_EACH: nng's timers stand in one sorted list for each
// process, so that a process of 5,000 spends its time walking it (its CPU grew with the square, and
// no receipt came in time). Workers and parent share one page of orders and one part each for what
// they saw; the parent itself never calls nng, which must not be forked.
// usage: bench_agents N SECONDS AGGREGATOR-PROGRAM
#include "agent/send/send.h"
#include "proto/base/clock.h"
#include "proto/base/rng.h"
#include "proto/base/text.h"
#include "proto/loop/lane.h"
#include "proto/loop/nng_fix.h"
#include "proto/loop/tls_impl.h"
#include "tests/unit/proto/loop/certs.h"

#include <nng/protocol/reqrep0/req.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum {
	PODS = 30,
	FLOOD_CONTEXTS = 64,
	NOTICES = 1000,
	AGENTS_EACH = 250,
	MAX_WORKERS = 64,
	MAX_LATENCIES = 60000, // of a worker: four minutes
	TICK_MS = 5,
	BEAT_MS = 20,
};

struct agent {
	struct send *send;
	struct tls *tls;
	uint64_t sent_ns;
	uint64_t sequence;
	bool receipted; // its notice
};

struct orders {                     // the parent's
	_Atomic uint64_t since_ns;  // count those with a receipt after this
	_Atomic unsigned measuring; // a new number: forget the latencies seen so far
	_Atomic uint64_t notice_ns; // not 0: each agent has a notice, since then
};

struct seen {                      // a worker's
	_Atomic uint64_t since_ns; // as of which order
	_Atomic unsigned back, measuring, n_latencies, n_notices;
	_Atomic uint64_t lost;
	_Atomic uint64_t receipted; // samples, of all its agents since the start
	uint32_t latencies_us[MAX_LATENCIES];
	uint32_t notices_us[AGENTS_EACH];
};

static uv_loop_t loop;
static struct inbox *inbox;
static struct agent *agents; // a worker's own
static unsigned n_all, n_agents, first_agent, next_agent, n_notices;
static struct orders *orders;
static struct seen *workers, *own; // own: a worker's
static pid_t pids[MAX_WORKERS];
static unsigned n_workers;
static uint64_t tick_start_ns, ticked;
static struct sample *sample;
static struct rng rng;
static struct test_ca ca;
static struct test_cert server_cert;
static struct test_cert flood_cert; // says it is node 0
static const char *program, *own_program;
static pid_t aggregator, flooder;
static const char *const data_port = "27450", *const urgent_port = "27451";
extern char **environ;

static void fill_scope(struct scope *s, unsigned scope)
{
	for (unsigned m = 0; m < METRIC_COUNT; m++)
		if (metric_scopes(m) & scope && (scope == SCOPE_N || m % 3 == 0))
			scope_set(s, m, (int64_t)rng_below(&rng, 4000000));
	s->hists_present = scope == SCOPE_N ? 15 : 1;
	for (unsigned h = 0; h < HIST_COUNT; h++)
		if (s->hists_present >> h & 1)
			for (int b = 3; b < 18; b++)
				s->hists[h].buckets[b] = (uint32_t)rng_below(&rng, 300);
}

static void make_sample(void)
{
	sample_new(&sample, PODS);
	text_copy(sample->cluster, sizeof(sample->cluster), "bench");
	text_copy(sample->instance_type, sizeof(sample->instance_type), "m7g.2xlarge");
	sample->window_ms = 1000;
	fill_scope(&sample->node_scope, SCOPE_N);
	for (sample->n_cgroups = 0; sample->n_cgroups < PODS; sample->n_cgroups++) {
		struct cgroup_sample *c = &sample->cgroups[sample->n_cgroups];
		c->window_ms = 1000;
		snprintf(c->pod_uid, sizeof(c->pod_uid), "%08x-9dad-11d1-80b4-%012x",
			(unsigned)rng_next(&rng), (unsigned)rng_next(&rng));
		fill_scope(&c->scope, SCOPE_C);
	}
}

static void start_aggregator(void)
{
	char *args[] = {(char *)program, ca.path, server_cert.cert, server_cert.key,
		(char *)data_port, (char *)urgent_port, NULL};
	if (posix_spawn(&aggregator, program, NULL, NULL, args, environ) != 0) {
		perror(program);
		exit(1);
	}
}

static void stop_aggregator(void)
{
	kill(aggregator, SIGKILL);
	waitpid(aggregator, NULL, 0);
}

static uint64_t proc_number(const char *file, const char *key)
{
	char path[64], line[1024];
	uint64_t value = 0;
	snprintf(path, sizeof(path), "/proc/%d/%s", aggregator, file);
	FILE *f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f)) {
		size_t at = strlen(key);
		if (strncmp(line, key, at) != 0)
			continue;
		for (const char *c = line + at; *c; c++)
			if (*c >= '0' && *c <= '9')
				value = value * 10 + (uint64_t)(*c - '0');
	}
	if (f)
		fclose(f);
	return value;
}

static uint64_t cpu_ns(pid_t pid)
{
	clockid_t id;
	struct timespec t = {0};
	if (clock_getcpuclockid(pid, &id) == 0)
		clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

// How the last one fared, and the next.
static void step(struct agent *a, unsigned index, uint64_t now_ns)
{
	struct send_status st;
	send_status(a->send, &st);
	const struct send_replica_status *r = &st.replicas[0];
	if (a->sequence > 0 && r->contiguous == a->sequence && own->n_latencies < MAX_LATENCIES)
		own->latencies_us[own->n_latencies++] =
			(uint32_t)((r->last_receipt_ns - a->sent_ns) / 1000);
	snprintf(sample->node, sizeof(sample->node), "node-%u", index);
	sample->wall_ms = clock_wall_ms();
	scope_set(&sample->node_scope, METRIC_CPU_USAGE, (int64_t)rng_below(&rng, 8000000000u));
	if (send_sample(a->send, sample, now_ns) == 0)
		a->sequence = sample->sequence;
	a->sent_ns = now_ns;
}

// Agents take their turns evenly over the second.
static void on_tick(uv_timer_t *timer)
{
	uint64_t now_ns = clock_mono_ns();
	uint64_t due = (now_ns - tick_start_ns) * n_agents / 1000000000;
	for (; ticked < due; ticked++) {
		step(&agents[next_agent], first_agent + next_agent, clock_mono_ns());
		next_agent = (next_agent + 1) % n_agents;
	}
}

static void see_notices(uint64_t start_ns)
{
	for (unsigned i = 0; i < n_notices; i++) {
		struct send_status st;
		if (agents[i].receipted)
			continue;
		send_status(agents[i].send, &st);
		if (st.notices > 0)
			continue;
		agents[i].receipted = true;
		own->notices_us[own->n_notices++] = (uint32_t)((clock_mono_ns() - start_ns) / 1000);
	}
}

static void see_status(uint64_t since_ns)
{
	struct send_status st;
	unsigned back = 0;
	uint64_t lost = 0, receipted = 0;
	for (unsigned i = 0; i < n_agents; i++) {
		send_status(agents[i].send, &st);
		back += st.replicas[0].last_receipt_ns > since_ns;
		lost += st.dropped + st.replicas[0].refused;
		receipted += st.replicas[0].contiguous;
	}
	own->back = back;
	own->lost = lost;
	own->receipted = receipted;
	own->since_ns = since_ns; // last: the others are of this order
}

static void send_notices(void);

// What the parent has ordered, and what is to be told to it.
static void on_beat(uv_timer_t *timer)
{
	static unsigned beats;
	static bool sent;
	unsigned measuring = orders->measuring;
	uint64_t notice_ns = orders->notice_ns;
	if (own->measuring != measuring) {
		own->n_latencies = 0;
		own->measuring = measuring;
	}
	if (notice_ns && !sent)
		send_notices();
	sent = notice_ns;
	if (notice_ns && own->n_notices < n_notices)
		see_notices(notice_ns);
	if (own->since_ns != orders->since_ns || beats++ % 10 == 0)
		see_status(orders->since_ns);
}

static unsigned count_back(void)
{
	unsigned n = 0;
	for (unsigned w = 0; w < n_workers; w++)
		n += workers[w].since_ns == orders->since_ns ? workers[w].back : 0;
	return n;
}

// Seconds until every agent has had a receipt; negative if not within the limit.
static double until_all(uint64_t since_ns, unsigned limit_s)
{
	orders->since_ns = since_ns;
	for (unsigned k = 0; k < limit_s * 20; k++) {
		usleep(50000);
		if (count_back() == n_all)
			return (double)(clock_mono_ns() - since_ns) / 1e9;
	}
	fprintf(stderr, "%u of %u are back\n", count_back(), n_all);
	return -1;
}

static void figure(const char *name, double value, const char *unit, double budget)
{
	printf("{\"name\":\"agents %u: %s\",\"value\":%.6g,\"unit\":\"%s\",\"baseline\":null,"
	       "\"ratio\":null,",
		n_all, name, value, unit);
	if (budget >= 0)
		printf("\"budget\":%g,\"ok\":%s}\n", budget,
			value >= 0 && value <= budget ? "true" : "false");
	else
		printf("\"budget\":null,\"ok\":null}\n");
	fflush(stdout);
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

// The latencies of all workers, sorted; free() it.
static uint32_t *gather(bool notices, size_t *ret_n)
{
	size_t n = 0;
	uint32_t *all = malloc(n_workers * sizeof(workers->latencies_us));
	for (unsigned w = 0; w < n_workers; w++) {
		const struct seen *s = &workers[w];
		size_t here = notices ? s->n_notices : s->n_latencies;
		memcpy(all + n, notices ? s->notices_us : s->latencies_us, here * sizeof(*all));
		n += here;
	}
	qsort(all, n, sizeof(*all), by_value);
	*ret_n = n;
	return all;
}

static uint64_t workers_cpu_ns(void)
{
	uint64_t sum = 0;
	for (unsigned w = 0; w < n_workers; w++)
		sum += cpu_ns(pids[w]);
	return sum;
}

static uint64_t all_receipted(void)
{
	uint64_t sum = 0;
	for (unsigned w = 0; w < n_workers; w++)
		sum += workers[w].receipted;
	return sum;
}

static void measure(const char *what, unsigned seconds, double cpu_budget)
{
	char name[96];
	size_t n;
	orders->measuring++;
	usleep(4 * BEAT_MS * 1000);
	uint64_t cpu = cpu_ns(aggregator), theirs = workers_cpu_ns(), start = clock_mono_ns();
	uint64_t receipted = all_receipted();
	sleep(seconds);
	double elapsed = (double)(clock_mono_ns() - start);
	double core = (double)(cpu_ns(aggregator) - cpu) / elapsed;
	snprintf(name, sizeof(name), "%s, the agents' CPU", what);
	figure(name, (double)(workers_cpu_ns() - theirs) / elapsed, "cores", -1);
	double in_time, per_s = (double)(all_receipted() - receipted) / (elapsed / 1e9);
	uint32_t *us = gather(false, &n);
	in_time = (double)n / (elapsed / 1e9);
	snprintf(name, sizeof(name), "%s, aggregator CPU", what);
	figure(name, core, "cores", cpu_budget);
	snprintf(name, sizeof(name), "%s, receipts", what);
	figure(name, per_s, "1/s", -1);
	snprintf(name, sizeof(name), "%s, receipts before the next sample", what);
	figure(name, in_time, "1/s", -1);
	snprintf(name, sizeof(name), "%s, send to receipt p50", what);
	figure(name, n ? (double)us[n / 2] / 1000 : -1, "ms", -1);
	snprintf(name, sizeof(name), "%s, send to receipt p99", what);
	figure(name, n ? (double)us[n * 99 / 100] / 1000 : -1, "ms", -1);
	free(us);
}

// A client with agent 0's certificate and without manners: 64 requests under way, all the time.
static void on_flood(void *arg)
{
	nng_aio **aio = arg;
	if (nng_aio_result(aio[0]) == NNG_ECLOSED)
		return;
	nng_msg *m = nng_aio_get_msg(aio[0]);
	if (!m)
		nng_msg_alloc(&m, 3000);
	nng_aio_set_msg(aio[0], m);
	nng_ctx_send(*(nng_ctx *)aio[1], aio[0]);
}

// Its whole process: agents and aggregator each have their own, so that it is seen who starves.
static int flood(char **files)
{
	static nng_aio *aio[FLOOD_CONTEXTS][2];
	static nng_ctx ctx[FLOOD_CONTEXTS];
	const struct tls_files from = {.ca = files[0], .cert = files[1], .key = files[2]};
	struct why why;
	struct tls *tls;
	nng_socket s;
	nng_dialer d;
	nng_tls_config *config;
	char url[64];
	if (tls_new(&tls, TLS_CLIENT, &from, "localhost", &why) < 0)
		return 1;
	snprintf(url, sizeof(url), "tls+tcp://127.0.0.1:%s", data_port);
	nng_req0_open(&s);
	nng_dialer_create(&d, s, url);
	tls_engine_config(tls, &config);
	nng_dialer_set_ptr(d, NNG_OPT_TLS_CONFIG, config);
	nng_dialer_set_ms(d, NNG_OPT_RECONNMINT, 10);
	nng_dialer_start(d, NNG_FLAG_NONBLOCK);
	for (int k = 0; k < FLOOD_CONTEXTS; k++) {
		nng_msg *m;
		nng_aio_alloc(&aio[k][0], on_flood, aio[k]);
		nng_ctx_open(&ctx[k], s);
		aio[k][1] = (nng_aio *)&ctx[k];
		nng_msg_alloc(&m, 3000);
		nng_aio_set_msg(aio[k][0], m);
		nng_ctx_send(ctx[k], aio[k][0]);
	}
	pause();
	return 0;
}

static void start_flood(void)
{
	char *args[] = {
		(char *)own_program, "flood", ca.path, flood_cert.cert, flood_cert.key, NULL};
	if (posix_spawn(&flooder, own_program, NULL, NULL, args, environ) != 0) {
		perror(own_program);
		exit(1);
	}
}

static void stop_flood(void)
{
	double core = (double)cpu_ns(flooder) / 1e9;
	fprintf(stderr, "the flooder used %.2f s of CPU\n", core);
	kill(flooder, SIGKILL);
	waitpid(flooder, NULL, 0);
}

static struct notice some_notice(unsigned index)
{
	struct notice x = {.kind = NOTICE_SPOT_ITN,
		.cluster = "bench",
		.instance_id = "i-1",
		.source = "imds",
		.observed_ms = clock_wall_ms(),
		.deadline_ms = clock_wall_ms() + 120000};
	snprintf(x.node, sizeof(x.node), "node-%u", index);
	snprintf(x.event_id, sizeof(x.event_id), "event-%u", index);
	notice_make_id(x.instance_id, x.kind, x.event_id, x.id);
	return x;
}

static void send_notices(void)
{
	for (unsigned i = 0; i < n_notices; i++) {
		struct notice x = some_notice(first_agent + i);
		send_notice(agents[i].send, &x, clock_mono_ns());
	}
}

// Many nodes have a notice at once, while all go on sending samples.
static void notices(void)
{
	unsigned want = n_all < NOTICES ? n_all : NOTICES;
	size_t n = 0;
	uint32_t *us = NULL;
	orders->notice_ns = clock_mono_ns();
	for (int k = 0; k < 300 && n < want; k++) {
		usleep(100000);
		free(us);
		us = gather(true, &n);
	}
	char name[96];
	snprintf(name, sizeof(name), "%u notices at once, until half are receipted", want);
	figure(name, n ? (double)us[n / 2] / 1000 : -1, "ms", -1);
	snprintf(name, sizeof(name), "%u notices at once, until all are receipted", want);
	figure(name, n < want ? -1 : (double)us[want - 1] / 1000, "ms", 5000);
	free(us);
}

static void start_agents(void)
{
	agents = calloc(n_agents, sizeof(*agents));
	for (unsigned i = 0; i < n_agents; i++) {
		struct why why;
		char san[64], data[64], urgent[64];
		snprintf(san, sizeof(san), "URI:petrel://bench/node-%u", first_agent + i);
		struct test_cert cert = test_issue(&ca, "node", san, false);
		struct tls_files files = test_files(&ca, &cert, NULL);
		if (tls_new(&agents[i].tls, TLS_CLIENT, &files, "localhost", &why) < 0) {
			fprintf(stderr, "%s\n", why.text);
			exit(1);
		}
		snprintf(data, sizeof(data), "tls+tcp://127.0.0.1:%s", data_port);
		snprintf(urgent, sizeof(urgent), "tls+tcp://127.0.0.1:%s", urgent_port);
		struct send_options o = {.n_replicas = 1, .spool_bytes = 256 << 10};
		o.replicas[0] = (struct send_replica){data, urgent, agents[i].tls};
		for (int b = 0; b < 16; b++)
			o.boot_id[b] = (uint8_t)rng_next(&rng);
		if (send_start(&agents[i].send, inbox, &o, &why) < 0) {
			fprintf(stderr, "%s\n", why.text);
			exit(1);
		}
	}
}

static int work(unsigned index)
{
	uv_timer_t tick, beat;
	unsigned noticed = n_all < NOTICES ? n_all : NOTICES;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	own = &workers[index];
	first_agent = index * AGENTS_EACH;
	n_agents = n_all - first_agent < AGENTS_EACH ? n_all - first_agent : AGENTS_EACH;
	n_notices = noticed <= first_agent                ? 0
		    : noticed - first_agent < AGENTS_EACH ? noticed - first_agent
							  : AGENTS_EACH;
	ca.serial += (long)(index + 1) * AGENTS_EACH * 2;
	rng_init(&rng, index + 1);
	make_sample();
	uv_loop_init(&loop);
	inbox_new(&inbox, &loop, 8 * (size_t)n_agents + 64);
	start_agents();
	uv_timer_init(&loop, &tick);
	uv_timer_init(&loop, &beat);
	tick_start_ns = clock_mono_ns();
	uv_timer_start(&tick, on_tick, 1 + index % TICK_MS, TICK_MS);
	uv_timer_start(&beat, on_beat, BEAT_MS, BEAT_MS);
	return uv_run(&loop, UV_RUN_DEFAULT);
}

static void start_workers(void)
{
	n_workers = (n_all + AGENTS_EACH - 1) / AGENTS_EACH;
	size_t bytes = sizeof(*orders) + 64 + n_workers * sizeof(*workers);
	char *shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	orders = (struct orders *)shared;
	workers = (struct seen *)(shared + 64);
	for (unsigned w = 0; w < n_workers; w++) {
		pids[w] = fork();
		if (pids[w] == 0)
			_exit(work(w));
	}
}

static void stop_workers(void)
{
	for (unsigned w = 0; w < n_workers; w++)
		kill(pids[w], SIGKILL);
	for (unsigned w = 0; w < n_workers; w++)
		waitpid(pids[w], NULL, 0);
}

static void restart(void)
{
	uint64_t start = clock_mono_ns();
	stop_aggregator();
	sleep(1);
	uint64_t up = clock_mono_ns();
	start_aggregator();
	double all = until_all(up, 120);
	figure("restart, until all have a receipt again", all, "s", 30);
	figure("restart, handshakes", all > 0 ? n_all / all : 0, "1/s", -1);
	figure("restart, aggregator peak RSS", (double)proc_number("status", "VmHWM:") / 1024,
		"MiB", 300);
	fprintf(stderr, "down for %.1f s\n", (double)(up - start) / 1e9);
}

static void run(unsigned seconds)
{
	uint64_t lost = 0;
	start_aggregator();
	usleep(300000);
	uint64_t empty = proc_number("status", "VmRSS:");
	uint64_t start = clock_mono_ns();
	start_workers();
	figure("start, until all have a receipt", until_all(start, 300), "s", -1);
	sleep(3);
	measure("steady", seconds, 1);
	double rss = (double)proc_number("status", "VmRSS:");
	figure("aggregator RSS", rss / 1024, "MiB", 300);
	figure("aggregator RSS per agent", (rss - (double)empty) / n_all, "KiB", -1);
	restart();
	sleep(3);
	start_flood();
	measure("one floods", seconds / 2 + 1, -1);
	stop_flood();
	notices();
	usleep(500000);
	for (unsigned w = 0; w < n_workers; w++)
		lost += workers[w].lost;
	figure("samples lost", (double)lost, "", 0);
	stop_workers();
	stop_aggregator();
}

int main(int argc, char **argv)
{
	uint64_t n, seconds;
	struct rlimit files = {65536, 65536};
	if (argc == 5 && strcmp(argv[1], "flood") == 0)
		return flood(argv + 2);
	if (argc != 4 || text_to_u64(argv[1], &n) < 0 || text_to_u64(argv[2], &seconds) < 0 || !n ||
		n > MAX_WORKERS * AGENTS_EACH)
		return 2;
	setrlimit(RLIMIT_NOFILE, &files);
	n_all = (unsigned)n;
	program = argv[3];
	own_program = argv[0];
	test_ca_new(&ca, "bench CA");
	server_cert = test_issue(&ca, "aggregator", "DNS:localhost", true);
	flood_cert = test_issue(&ca, "node", "URI:petrel://bench/node-0", false);
	run((unsigned)seconds);
	test_ca_done(&ca);
	return 0;
}
