// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/proto/loop/certs.h"
#include "tests/unit/proto/loop/lane_rig.h"

#include <errno.h>
#include <signal.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <arpa/inet.h>

static struct test_ca ca, foreign;
static struct test_cert server_cert, client_cert;

static int setup(void **state)
{
	test_ca_new(&ca, "petrel test CA");
	test_ca_new(&foreign, "foreign CA");
	server_cert = test_issue(&ca, "aggregator", "DNS:localhost,IP:127.0.0.1", true);
	client_cert = test_issue(&ca, "node-1", "URI:petrel://prod/node-1", false);
	return 0;
}

static int teardown(void **state)
{
	usleep(500 * 1000);
	test_ca_done(&ca);
	test_ca_done(&foreign);
	return 0;
}

static struct tls *make(enum tls_role role, const struct test_ca *trust,
	const struct test_cert *cert, const char *crl, const char *peer)
{
	struct tls *t;
	struct why why;
	struct tls_files files = test_files(trust, cert, crl);
	int r = tls_new(&t, role, &files, peer, &why);
	if (r < 0)
		print_message("%s\n", why.text);
	assert_int_equal(r, 0);
	return t;
}

static struct tls *server_tls(const char *crl)
{
	return make(TLS_SERVER, &ca, &server_cert, crl, NULL);
}

static void a_proven_client_is_served_and_named(void **state)
{
	struct rig rig;
	rig_init(&rig);
	struct tls *s = server_tls(NULL),
		   *c = make(TLS_CLIENT, &ca, &client_cert, NULL, "localhost");
	serve(&rig, (struct lane_server_options){.tls = s});
	dial(&rig, (struct lane_client_options){.tls = c});
	assert_int_equal(lane_client_send(rig.client, "hello", 5), 0);
	assert_true(until(&rig, &rig.receipts, 1, 10000));
	assert_true(rig.last_peer.authenticated);
	assert_string_equal(rig.last_peer.id.cn, "node-1");
	assert_string_equal(rig.last_peer.id.uri, "petrel://prod/node-1");
	assert_string_equal(rig.last_peer.id.version, "TLSv1.3");
	char serial[32];
	snprintf(serial, sizeof(serial), "%lX", client_cert.serial);
	assert_non_null(strstr(rig.last_peer.id.serial, serial));
	assert_true(rig.last_peer.id.expires_s > time(NULL));
	assert_true(tls_expires_s(s) > time(NULL));
	rig_done(&rig);
	tls_free(s);
	tls_free(c);
}

// A client that must not get in: returns the server's counter of that kind of failure.
static uint64_t refused(struct tls *s, struct tls *c, enum tls_fail kind)
{
	struct rig rig;
	rig_init(&rig);
	serve(&rig, (struct lane_server_options){.tls = s});
	dial(&rig, (struct lane_client_options){.tls = c});
	assert_int_equal(lane_client_send(rig.client, "let me in", 9), 0);
	wait_ms(&rig, 500);
	assert_int_equal(rig.messages, 0);
	assert_int_equal(rig.receipts, 0);
	assert_int_equal(rig.ups, 0);
	// and the lane still serves the others
	hang_up(&rig);
	struct tls *good = make(TLS_CLIENT, &ca, &client_cert, NULL, "localhost");
	dial(&rig, (struct lane_client_options){.tls = good});
	assert_int_equal(lane_client_send(rig.client, "hello", 5), 0);
	assert_true(until(&rig, &rig.receipts, 1, 10000));
	uint64_t n = tls_failed(s, kind);
	rig_done(&rig);
	tls_free(good);
	tls_free(s);
	tls_free(c);
	return n;
}

static void a_client_of_a_foreign_ca_is_refused(void **state)
{
	struct test_cert cert = test_issue(&foreign, "node-1", "URI:petrel://prod/node-1", false);
	struct tls *c = make(TLS_CLIENT, &ca, &cert, NULL, "localhost");
	assert_true(refused(server_tls(NULL), c, TLS_FAIL_FOREIGN) >= 1);
}

static void an_expired_client_is_refused(void **state)
{
	struct test_cert cert =
		test_issue_at(&ca, "node-1", NULL, false, (const long[2]){-7200, -3600});
	struct tls *c = make(TLS_CLIENT, &ca, &cert, NULL, "localhost");
	assert_true(refused(server_tls(NULL), c, TLS_FAIL_EXPIRED) >= 1);
}

static void a_client_not_yet_valid_is_refused(void **state)
{
	struct test_cert cert =
		test_issue_at(&ca, "node-1", NULL, false, (const long[2]){3600, 7200});
	struct tls *c = make(TLS_CLIENT, &ca, &cert, NULL, "localhost");
	assert_true(refused(server_tls(NULL), c, TLS_FAIL_EXPIRED) >= 1);
}

static void a_revoked_client_is_refused(void **state)
{
	char crl[128];
	struct test_cert cert = test_issue(&ca, "node-1", NULL, false);
	test_revoke(&ca, cert.serial, crl);
	struct tls *c = make(TLS_CLIENT, &ca, &cert, NULL, "localhost");
	assert_true(refused(server_tls(crl), c, TLS_FAIL_REVOKED) >= 1);
}

static void a_client_with_a_wrong_name_is_refused(void **state)
{
	struct test_cert cert = test_issue(&ca, "node-1", "URI:petrel://staging/node-1", false);
	struct tls *c = make(TLS_CLIENT, &ca, &cert, NULL, "localhost");
	struct tls *s = make(TLS_SERVER, &ca, &server_cert, NULL, "petrel://prod/");
	assert_true(refused(s, c, TLS_FAIL_NAME) >= 1);
}

static void a_servers_certificate_is_no_clients(void **state)
{
	struct tls *c = make(TLS_CLIENT, &ca, &server_cert, NULL, "localhost");
	assert_true(refused(server_tls(NULL), c, TLS_FAIL_NAME) >= 1);
}

static void a_server_with_a_wrong_name_is_refused_by_the_client(void **state)
{
	struct tls *c = make(TLS_CLIENT, &ca, &client_cert, NULL, "other.example");
	refused(server_tls(NULL), c, TLS_FAIL_OTHER);
	c = make(TLS_CLIENT, &ca, &client_cert, NULL, "127.0.0.2");
	refused(server_tls(NULL), c, TLS_FAIL_OTHER);
}

static void a_server_of_a_foreign_ca_is_refused_by_the_client(void **state)
{
	struct tls *c = make(TLS_CLIENT, &foreign, &client_cert, NULL, "localhost");
	refused(server_tls(NULL), c, TLS_FAIL_OTHER);
	assert_true(1);
}

// A plain OpenSSL client; returns whether the server answered with SP's greeting.
static bool greets(struct rig *rig, SSL_CTX *ctx)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
		.sin_port = htons(lane_server_port(rig->server)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval patience = {.tv_sec = 5};
	char sp[8] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	SSL *ssl = SSL_new(ctx);
	SSL_set_fd(ssl, fd);
	bool ok = SSL_connect(ssl) == 1 && SSL_write(ssl, sp, 8) == 8 && SSL_read(ssl, sp, 8) == 8;
	SSL_free(ssl);
	close(fd);
	return ok;
}

static void a_client_without_a_certificate_and_one_with_tls_1_2_are_refused(void **state)
{
	struct rig rig;
	rig_init(&rig);
	struct tls *s = server_tls(NULL);
	serve(&rig, (struct lane_server_options){.tls = s});
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	assert_false(greets(&rig, ctx));
	wait_ms(&rig, 200);
	assert_int_equal(tls_failed(s, TLS_FAIL_NO_CERTIFICATE), 1);
	SSL_CTX_use_certificate_file(ctx, client_cert.cert, SSL_FILETYPE_PEM);
	SSL_CTX_use_PrivateKey_file(ctx, client_cert.key, SSL_FILETYPE_PEM);
	assert_true(greets(&rig, ctx));
	SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
	assert_false(greets(&rig, ctx));
	wait_ms(&rig, 200);
	assert_int_equal(tls_failed(s, TLS_FAIL_OTHER), 1);
	SSL_CTX_free(ctx);
	struct tls *c = make(TLS_CLIENT, &ca, &client_cert, NULL, "localhost");
	dial(&rig, (struct lane_client_options){.tls = c});
	assert_int_equal(lane_client_send(rig.client, "hello", 5), 0);
	assert_true(until(&rig, &rig.receipts, 1, 10000));
	tls_free(c);
	rig_done(&rig);
	tls_free(s);
}

static void plain_nng_does_not_get_into_a_secure_lane(void **state)
{
	struct rig rig;
	char url[64];
	rig_init(&rig);
	struct tls *s = server_tls(NULL);
	serve(&rig, (struct lane_server_options){.tls = s});
	snprintf(url, sizeof(url), "tcp://127.0.0.1:%u", lane_server_port(rig.server));
	dial(&rig, (struct lane_client_options){.url = url});
	assert_int_equal(lane_client_send(rig.client, "hello", 5), 0);
	wait_ms(&rig, 400);
	assert_int_equal(rig.messages, 0);
	assert_true(tls_failed(s, TLS_FAIL_OTHER) >= 1);
	rig_done(&rig);
	tls_free(s);
}

static void rotation_keeps_connections_and_new_ones_use_the_new_files(void **state)
{
	struct rig rig;
	struct why why;
	struct test_ca fresh;
	rig_init(&rig);
	struct tls *s = server_tls(NULL),
		   *c = make(TLS_CLIENT, &ca, &client_cert, NULL, "localhost");
	serve(&rig, (struct lane_server_options){.tls = s});
	dial(&rig, (struct lane_client_options){.tls = c});
	assert_int_equal(lane_client_send(rig.client, "one", 3), 0);
	assert_true(until(&rig, &rig.receipts, 1, 10000));
	// a whole new CA on both sides
	test_ca_new(&fresh, "fresh CA");
	struct test_cert server2 = test_issue(&fresh, "aggregator", "DNS:localhost", true);
	struct test_cert client2 = test_issue(&fresh, "node-2", "URI:petrel://prod/node-2", false);
	struct tls_files files = test_files(&fresh, &server2, NULL);
	assert_int_equal(tls_reload(s, &files, &why), 0);
	assert_int_equal(lane_client_send(rig.client, "two", 3), 0);
	assert_true(until(&rig, &rig.receipts, 2, 10000));
	assert_int_equal(rig.disconnected, 0);
	assert_string_equal(rig.last_peer.id.cn, "node-1");
	files = test_files(&fresh, &client2, NULL);
	assert_int_equal(tls_reload(c, &files, &why), 0);
	hang_up(&rig);
	dial(&rig, (struct lane_client_options){.tls = c});
	assert_int_equal(lane_client_send(rig.client, "three", 5), 0);
	assert_true(until(&rig, &rig.receipts, 3, 10000));
	assert_string_equal(rig.last_peer.id.cn, "node-2");
	// broken files change nothing
	files.key = client_cert.key;
	assert_int_equal(tls_reload(c, &files, &why), -EINVAL);
	assert_non_null(strstr(why.text, client_cert.key));
	assert_int_equal(lane_client_send(rig.client, "four", 4), 0);
	assert_true(until(&rig, &rig.receipts, 4, 10000));
	rig_done(&rig);
	tls_free(s);
	tls_free(c);
	test_ca_done(&fresh);
}

static void a_revocation_while_connected_ends_the_connection(void **state)
{
	struct rig rig;
	struct why why;
	char crl[128];
	rig_init(&rig);
	struct test_cert cert = test_issue(&ca, "node-9", NULL, false);
	test_revoke(&ca, 0, crl);
	struct tls *s = server_tls(crl), *c = make(TLS_CLIENT, &ca, &cert, NULL, "localhost");
	serve(&rig, (struct lane_server_options){.tls = s});
	dial(&rig, (struct lane_client_options){.tls = c});
	assert_int_equal(lane_client_send(rig.client, "one", 3), 0);
	assert_true(until(&rig, &rig.receipts, 1, 10000));
	lane_server_drop_revoked(rig.server);
	assert_int_equal(lane_client_send(rig.client, "two", 3), 0);
	assert_true(until(&rig, &rig.receipts, 2, 10000));
	test_revoke(&ca, cert.serial, crl);
	struct tls_files files = test_files(&ca, &server_cert, crl);
	assert_int_equal(tls_reload(s, &files, &why), 0);
	lane_server_drop_revoked(rig.server);
	assert_true(until(&rig, &rig.downs, 1, 5000));
	assert_int_equal(lane_server_counters(rig.server)->refused[LANE_REFUSED_REVOKED], 1);
	assert_int_equal(lane_client_send(rig.client, "three", 5), 0);
	wait_ms(&rig, 500);
	assert_int_equal(rig.receipts, 2);
	assert_true(tls_failed(s, TLS_FAIL_REVOKED) >= 1);
	rig_done(&rig);
	tls_free(s);
	tls_free(c);
}

static void files_that_cannot_be_used_are_named(void **state)
{
	struct tls *t;
	struct why why;
	struct tls_files files = test_files(&ca, &server_cert, NULL);
	files.ca = "/nonexistent/ca.pem";
	assert_int_equal(tls_new(&t, TLS_SERVER, &files, NULL, &why), -EINVAL);
	assert_non_null(strstr(why.text, "/nonexistent/ca.pem"));
	files = test_files(&ca, &server_cert, ca.path); // a certificate is no CRL
	assert_int_equal(tls_new(&t, TLS_SERVER, &files, NULL, &why), -EINVAL);
	assert_non_null(strstr(why.text, "CRL"));
	files = test_files(&ca, &server_cert, NULL);
	files.key = client_cert.key;
	assert_int_equal(tls_new(&t, TLS_SERVER, &files, NULL, &why), -EINVAL);
	assert_non_null(strstr(why.text, "key file"));
	assert_int_equal(tls_new(&t, TLS_CLIENT, &files, NULL, &why), -EINVAL);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN); // the raw peers of these tests write to closed connections
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_proven_client_is_served_and_named),
		cmocka_unit_test(a_client_of_a_foreign_ca_is_refused),
		cmocka_unit_test(an_expired_client_is_refused),
		cmocka_unit_test(a_client_not_yet_valid_is_refused),
		cmocka_unit_test(a_revoked_client_is_refused),
		cmocka_unit_test(a_client_with_a_wrong_name_is_refused),
		cmocka_unit_test(a_servers_certificate_is_no_clients),
		cmocka_unit_test(a_server_with_a_wrong_name_is_refused_by_the_client),
		cmocka_unit_test(a_server_of_a_foreign_ca_is_refused_by_the_client),
		cmocka_unit_test(a_client_without_a_certificate_and_one_with_tls_1_2_are_refused),
		cmocka_unit_test(plain_nng_does_not_get_into_a_secure_lane),
		cmocka_unit_test(rotation_keeps_connections_and_new_ones_use_the_new_files),
		cmocka_unit_test(a_revocation_while_connected_ends_the_connection),
		cmocka_unit_test(files_that_cannot_be_used_are_named),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
