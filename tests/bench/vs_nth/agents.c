// SPDX-License-Identifier: Apache-2.0
// Many of our agents in one process: for each its own watch of a metadata service and its own
// sender, with the periods, tokens, connections and a sample a second as petrel-agent has them.
// What is left out: the sampling of the node, which a thousand agents on one machine would do a
// thousand times over the same files. usage: vs-nth-agents IMDS-PORT DATA-PORT URGENT-PORT CLUSTER,
// and on stdin a line "NODE ADDRESS" for each. Prints "ready" when each has asked its metadata
// service and has had a receipt, and ends with SIGTERM.
#include "agent/imds/watch.h"
#include "agent/send/send.h"
#include "proto/base/clock.h"
#include "proto/base/files.h"
#include "proto/base/rng.h"
#include "proto/base/text.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_AGENTS = 4096, PODS = 10, TICK_MS = 5, SPOOL_BYTES = 256 << 10 };

struct agent {
	struct watch *watch;
	struct send *send;
	char node[64], address[32];
	bool ready;
};

static uv_loop_t loop;
static struct inbox *inbox;
static struct agent *agents;
static unsigned n_agents, n_ready, next_agent;
static uint64_t first_tick_ns, ticked;
static struct sample *sample;
static struct rng rng;
static char data_url[64], urgent_url[64];
static uint64_t imds_port;
static const char *cluster;

static void fill_scope(struct scope *s, unsigned scope)
{
	for (unsigned m = 0; m < METRIC_COUNT; m++)
		if (metric_scopes(m) & scope && (scope == SCOPE_N || m % 3 == 0))
			scope_set(s, m, (int64_t)rng_below(&rng, 4000000));
}

static int make_sample(void)
{
	if (sample_new(&sample, PODS) < 0)
		return -1;
	text_copy(sample->cluster, sizeof(sample->cluster), cluster);
	sample->window_ms = 1000;
	fill_scope(&sample->node_scope, SCOPE_N);
	for (sample->n_cgroups = 0; sample->n_cgroups < PODS; sample->n_cgroups++) {
		struct cgroup_sample *c = &sample->cgroups[sample->n_cgroups];
		c->window_ms = 1000;
		snprintf(c->pod_uid, sizeof(c->pod_uid), "%08x-9dad-11d1-80b4-%012x",
			(unsigned)rng_next(&rng), (unsigned)rng_next(&rng));
		fill_scope(&c->scope, SCOPE_C);
	}
	return 0;
}

static void on_notice(void *arg, const struct notice *n)
{
	const struct agent *a = arg;
	int r = send_notice(a->send, n, clock_mono_ns());
	if (r < 0)
		fprintf(stderr, "%s: notice refused: %d\n", a->node, r);
}

static int start_watch(struct agent *a)
{
	struct watch_options o;
	watch_defaults(&o);
	o.http.address = a->address;
	o.http.port = (uint16_t)imds_port;
	o.wall_ms = clock_wall_ms;
	o.mono_ns = clock_mono_ns;
	o.on_notice = on_notice;
	o.arg = a;
	text_copy(o.cluster, sizeof(o.cluster), cluster);
	text_copy(o.node, sizeof(o.node), a->node);
	if (rng_init_random(&o.rng) < 0)
		return -1;
	return watch_start(&a->watch, &loop, &o);
}

static int start_agent(struct agent *a)
{
	struct why why = {0};
	struct send_options o = {.n_replicas = 1, .spool_bytes = SPOOL_BYTES};
	o.replicas[0] = (struct send_replica){data_url, urgent_url, NULL};
	for (int b = 0; b < 16; b++)
		o.boot_id[b] = (uint8_t)rng_next(&rng);
	if (send_start(&a->send, inbox, &o, &why) < 0) {
		fprintf(stderr, "%s: %s\n", a->node, why.text);
		return -1;
	}
	return start_watch(a);
}

static void send_one(struct agent *a)
{
	text_copy(sample->node, sizeof(sample->node), a->node);
	sample->wall_ms = clock_wall_ms();
	send_sample(a->send, sample, clock_mono_ns());
	if (a->ready)
		return;
	struct send_status send;
	struct watch_stats watch;
	send_status(a->send, &send);
	watch_stats(a->watch, &watch);
	a->ready = send.replicas[0].last_receipt_ns > 0 && watch.answers > 0;
	n_ready += a->ready;
	if (n_ready == n_agents && a->ready) {
		printf("ready\n");
		fflush(stdout);
	}
}

// Agents take their turns evenly over the second.
static void on_tick(uv_timer_t *timer)
{
	uint64_t due = (clock_mono_ns() - first_tick_ns) * n_agents / 1000000000;
	for (; ticked < due; ticked++) {
		send_one(&agents[next_agent]);
		next_agent = (next_agent + 1) % n_agents;
	}
}

static void on_signal(uv_signal_t *handle, int number)
{
	_exit(0); // a thousand agents whose end nobody waits for
}

static int read_agents(void)
{
	char line[128];
	agents = calloc(MAX_AGENTS, sizeof(*agents));
	if (!agents)
		return -1;
	while (n_agents < MAX_AGENTS && fgets(line, sizeof(line), stdin)) {
		struct agent *a = &agents[n_agents];
		if (sscanf(line, "%63s %31s", a->node, a->address) != 2)
			return -1;
		n_agents++;
	}
	return n_agents > 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
	uint64_t data_port, urgent_port;
	uv_timer_t tick;
	uv_signal_t term;
	if (argc != 5 || text_to_u64(argv[1], &imds_port) < 0 ||
		text_to_u64(argv[2], &data_port) < 0 || text_to_u64(argv[3], &urgent_port) < 0)
		return 2;
	cluster = argv[4];
	signal(SIGPIPE, SIG_IGN);
	files_raise();
	snprintf(data_url, sizeof(data_url), "tcp://127.0.0.1:%u", (unsigned)data_port);
	snprintf(urgent_url, sizeof(urgent_url), "tcp://127.0.0.1:%u", (unsigned)urgent_port);
	uv_loop_init(&loop);
	if (rng_init_random(&rng) < 0 || read_agents() < 0 || make_sample() < 0 ||
		inbox_new(&inbox, &loop, 16 * (size_t)n_agents + 64) < 0)
		return 1;
	for (unsigned i = 0; i < n_agents; i++)
		if (start_agent(&agents[i]) < 0)
			return 1;
	uv_signal_init(&loop, &term);
	uv_signal_start(&term, on_signal, SIGTERM);
	uv_timer_init(&loop, &tick);
	first_tick_ns = clock_mono_ns();
	uv_timer_start(&tick, on_tick, TICK_MS, TICK_MS);
	return uv_run(&loop, UV_RUN_DEFAULT);
}
