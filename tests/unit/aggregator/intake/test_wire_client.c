// SPDX-License-Identifier: Apache-2.0
// tests/flow/wire_client.py, written from WIRE.md alone, against a real lane and intake.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/intake/intake.h"
#include "tests/unit/proto/loop/certs.h"
#include "tests/unit/proto/loop/nng_leak.h"

#include <uv.h>

struct rig {
	uv_loop_t loop;
	struct inbox *inbox;
	struct lane_server *lane;
	struct intake *intake;
	unsigned samples;
	int64_t cpu_ns;
	uv_process_t client;
	bool exited;
};

static int on_sample(void *arg, const struct sample *s, int64_t now_ms)
{
	struct rig *rig = arg;
	rig->samples++;
	rig->cpu_ns = scope_get(&s->node_scope, METRIC_CPU_USAGE, -1);
	return 0;
}

static int on_notice(void *arg, const struct notice *n, int64_t now_ms)
{
	return 0;
}

static int on_message(
	void *arg, struct lane_peer *peer, const uint8_t *data, size_t len, struct buf *reply)
{
	struct rig *rig = arg;
	const struct intake_frame f = {data, len, 1795500000000, uv_hrtime()};
	return intake_message(rig->intake, peer, &f, reply);
}

static void on_client_exit(uv_process_t *process, int64_t status, int signal)
{
	struct rig *rig = process->data;
	rig->exited = true;
	uv_close((uv_handle_t *)process, NULL);
}

static void run_client(struct rig *rig, const char *const files[3], char *ret, size_t size)
{
	char script[512], port[8], out[] = "/tmp/petrel-wire-XXXXXX";
	int fd = mkstemp(out);
	assert_true(fd >= 0);
	snprintf(script, sizeof(script), "%s/tests/flow/wire_client.py", TEST_SOURCE_DIR);
	snprintf(port, sizeof(port), "%u", lane_server_port(rig->lane));
	char *args[] = {(char *)"python3", script, port, (char *)"prod", (char *)"n1",
		(char *)(files ? files[0] : NULL), (char *)(files ? files[1] : NULL),
		(char *)(files ? files[2] : NULL), NULL};
	uv_stdio_container_t stdio[3] = {{.flags = UV_IGNORE},
		{.flags = UV_INHERIT_FD, .data.fd = fd}, {.flags = UV_INHERIT_FD, .data.fd = 2}};
	uv_process_options_t o = {.exit_cb = on_client_exit,
		.file = "python3",
		.args = args,
		.stdio_count = 3,
		.stdio = stdio};
	rig->client.data = rig;
	rig->exited = false;
	assert_int_equal(uv_spawn(&rig->loop, &rig->client, &o), 0);
	while (!rig->exited)
		uv_run(&rig->loop, UV_RUN_ONCE);
	ssize_t n = pread(fd, ret, size - 1, 0);
	ret[n > 0 ? n : 0] = '\0';
	close(fd);
	unlink(out);
}

static void serve(struct rig *rig, struct tls *tls)
{
	static const char *const clusters[] = {"prod"};
	struct why why;
	*rig = (struct rig){0};
	uv_loop_init(&rig->loop);
	assert_int_equal(inbox_new(&rig->inbox, &rig->loop, 1000), 0);
	struct intake_options i = {.clusters = clusters,
		.n_clusters = 1,
		.insecure = !tls,
		.on_sample = on_sample,
		.on_notice = on_notice,
		.arg = rig};
	assert_int_equal(intake_new(&rig->intake, &i), 0);
	struct lane_server_options o = {.url = tls ? "tls+tcp://127.0.0.1:0" : "tcp://127.0.0.1:0",
		.tls = tls,
		.contexts = 4,
		.max_peers = 100,
		.on_message = on_message,
		.arg = rig};
	assert_int_equal(lane_server_start(&rig->lane, rig->inbox, &o, &why), 0);
}

static void stop(struct rig *rig)
{
	lane_server_stop(rig->lane, NULL, NULL);
	inbox_stop(rig->inbox, NULL, NULL);
	uv_run(&rig->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&rig->loop), 0);
	intake_free(rig->intake);
}

static void a_client_written_from_the_document_gets_its_receipt(void **state)
{
	struct rig rig;
	char said[256];
	serve(&rig, NULL);
	run_client(&rig, NULL, said, sizeof(said));
	assert_string_equal(said, "contiguous=1 refused=0 server_ms=1795500000000\n");
	assert_int_equal(rig.samples, 1);
	assert_int_equal(rig.cpu_ns, 123456789);
	stop(&rig);
}

static void and_over_tls_only_as_the_node_of_its_certificate(void **state)
{
	struct rig rig;
	struct test_ca ca;
	struct tls *tls;
	struct why why;
	char said[256];
	test_ca_new(&ca, "CA");
	struct test_cert server = test_issue(&ca, "aggregator", "DNS:localhost", true);
	struct test_cert n1 = test_issue(&ca, "x", "URI:petrel://prod/n1", false);
	struct test_cert n2 = test_issue(&ca, "x", "URI:petrel://prod/n2", false);
	struct tls_files files = test_files(&ca, &server, NULL);
	assert_int_equal(tls_new(&tls, TLS_SERVER, &files, NULL, &why), 0);
	serve(&rig, tls);
	run_client(&rig, (const char *[]){ca.path, n1.cert, n1.key}, said, sizeof(said));
	assert_string_equal(said, "contiguous=1 refused=0 server_ms=1795500000000\n");
	run_client(&rig, (const char *[]){ca.path, n2.cert, n2.key}, said, sizeof(said));
	assert_string_equal(said, "contiguous=0 refused=13 server_ms=1795500000000\n");
	assert_int_equal(rig.samples, 1);
	stop(&rig);
	tls_free(tls);
	test_ca_done(&ca);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_written_from_the_document_gets_its_receipt),
		cmocka_unit_test(and_over_tls_only_as_the_node_of_its_certificate),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
