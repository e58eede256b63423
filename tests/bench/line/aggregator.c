// SPDX-License-Identifier: Apache-2.0
// The smallest aggregator for tests/bench/agents: two lanes, intake, a sink that counts.
// usage: bench_aggregator CA CERT KEY DATA_PORT URGENT_PORT
#include "aggregator/intake/intake.h"
#include "proto/base/clock.h"
#include "proto/loop/lane.h"

#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

static struct intake *intake;

static int on_sample(void *arg, const struct sample *s, int64_t now_ms)
{
	return 0;
}

static int on_notice(void *arg, const struct notice *n, int64_t now_ms)
{
	return 0;
}

static int on_message(
	void *arg, struct lane_peer *peer, const uint8_t *data, size_t len, struct buf *reply)
{
	const struct intake_frame f = {data, len, clock_wall_ms(), clock_mono_ns()};
	return intake_message(intake, peer, &f, reply);
}

static void listen_on(struct inbox *inbox, struct tls *tls, const char *port)
{
	struct lane_server *lane;
	struct why why;
	char url[64];
	snprintf(url, sizeof(url), "tls+tcp://127.0.0.1:%s", port);
	const struct lane_server_options o = {
		.url = url, .tls = tls, .contexts = 64, .on_message = on_message};
	if (lane_server_start(&lane, inbox, &o, &why) < 0) {
		fprintf(stderr, "%s\n", why.text);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	static const char *const clusters[] = {"bench"};
	uv_loop_t loop;
	struct inbox *inbox;
	struct tls *tls;
	struct why why;
	if (argc != 6)
		return 2;
	uv_loop_init(&loop);
	inbox_new(&inbox, &loop, 100000);
	const struct tls_files files = {.ca = argv[1], .cert = argv[2], .key = argv[3]};
	if (tls_new(&tls, TLS_SERVER, &files, "petrel://bench/", &why) < 0) {
		fprintf(stderr, "%s\n", why.text);
		return 1;
	}
	const struct intake_options i = {.clusters = clusters,
		.n_clusters = 1,
		.on_sample = on_sample,
		.on_notice = on_notice};
	intake_new(&intake, &i);
	listen_on(inbox, tls, argv[4]);
	listen_on(inbox, tls, argv[5]);
	uv_run(&loop, UV_RUN_DEFAULT);
	return 0;
}
