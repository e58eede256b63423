// SPDX-License-Identifier: Apache-2.0
// nng's faults by their behaviour: each of these tests fails when its counter-measure is taken out.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/base/clock.h"
#include "proto/loop/nng_fix.h"
#include "tests/unit/proto/loop/certs.h"
#include "tests/unit/proto/loop/lane_rig.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/socket.h>
#include <unistd.h>

// This process believes to run on a host with 64 CPUs, whoever asks.
long sysconf(int name)
{
	static long (*real)(int);
	if (name == _SC_NPROCESSORS_ONLN || name == _SC_NPROCESSORS_CONF)
		return 64;
	if (name == _SC_PAGESIZE) // asked by the sanitizers before anything is linked
		return (long)getauxval(AT_PAGESZ);
	if (!real)
		real = (long (*)(int))dlsym(RTLD_NEXT, "sysconf");
	return real(name);
}

static unsigned threads(void)
{
	unsigned n = 0;
	DIR *d = opendir("/proc/self/task");
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void nngs_threads_are_few_on_a_host_with_64_cpus(void **state)
{
	unsigned before = threads();
	nng_fix_cpus(0);
	nng_fix_init();
	unsigned started = threads() - before;
	print_message("nng started %u threads\n", started);
	assert_true(started > 3);
	assert_true(started <= 7 + 3 * NNG_FIX_CPUS);
}

static int dial_raw(struct rig *rig)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
		.sin_port = htons(lane_server_port(rig->server)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

// FIN, then RST: the peer that wedges a listener of nng 1.5.2 for ever.
static void vanish(int fd)
{
	struct linger reset = {.l_onoff = 1, .l_linger = 0};
	shutdown(fd, SHUT_WR);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
}

// One valid ClientHello, made by OpenSSL into memory.
static size_t client_hello(char *ret, size_t size)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	SSL_set_bio(ssl, in, out);
	SSL_set_connect_state(ssl);
	SSL_do_handshake(ssl);
	int n = BIO_read(out, ret, (int)size);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return n > 0 ? (size_t)n : 0;
}

static void survives(struct rig *rig, const char *greeting, size_t len)
{
	for (int i = 0; i < 300; i++) {
		int fd = dial_raw(rig);
		assert_true(fd >= 0);
		if (len)
			send(fd, greeting, len, MSG_NOSIGNAL);
		if (i % 3 == 0) // at different moments of the server's greeting
			usleep((useconds_t)(i % 50) * 20);
		vanish(fd);
		if (i % 50 == 0)
			uv_run(&rig->loop, UV_RUN_NOWAIT);
	}
}

static void a_listener_survives_peers_that_vanish(void **state)
{
	struct rig rig;
	rig_init(&rig);
	serve(&rig, (struct lane_server_options){0});
	survives(&rig, NULL, 0);
	// a client's own "connected" proves nothing: the server must see it
	dial(&rig, (struct lane_client_options){0});
	assert_int_equal(lane_client_send(rig.client, "hello", 5), 0);
	assert_true(until(&rig, &rig.receipts, 1, 5000));
	rig_done(&rig);
}

static void a_tls_listener_survives_peers_that_vanish(void **state)
{
	struct rig rig;
	struct test_ca ca;
	struct tls *s, *c;
	struct why why;
	char hello[4096];
	test_ca_new(&ca, "CA");
	struct test_cert server = test_issue(&ca, "aggregator", "DNS:localhost", true);
	struct test_cert client = test_issue(&ca, "node-1", NULL, false);
	struct tls_files files = test_files(&ca, &server, NULL);
	assert_int_equal(tls_new(&s, TLS_SERVER, &files, NULL, &why), 0);
	files = test_files(&ca, &client, NULL);
	assert_int_equal(tls_new(&c, TLS_CLIENT, &files, "localhost", &why), 0);
	rig_init(&rig);
	serve(&rig, (struct lane_server_options){.tls = s});
	size_t len = client_hello(hello, sizeof(hello));
	assert_true(len > 100);
	survives(&rig, hello, len);
	survives(&rig, NULL, 0);
	survives(&rig, "GET / HTTP/1.1\r\n\r\n", 18);
	dial(&rig, (struct lane_client_options){.tls = c});
	assert_int_equal(lane_client_send(rig.client, "hello", 5), 0);
	assert_true(until(&rig, &rig.receipts, 1, 10000));
	rig_done(&rig);
	tls_free(s);
	tls_free(c);
	test_ca_done(&ca);
}

static unsigned revived(struct rig *rig)
{
	return (unsigned)lane_server_counters(rig->server)->revived;
}

static bool is_heard(struct rig *rig, unsigned ms)
{
	unsigned before = rig->receipts;
	dial(rig, (struct lane_client_options){.resend_ms = 200});
	assert_int_equal(lane_client_send(rig->client, "hello", 5), 0);
	return until(rig, &rig->receipts, before + 1, ms);
}

// nng's own fault is let happen: the listener greets, and accepts nobody any more.
// Whether it happens is a matter of microseconds: false when it did not.
static bool is_wedged(struct rig *rig)
{
	rig_init(rig);
	serve(rig, (struct lane_server_options){.canary_ms = 1000});
	nng_fix_let_wedge(true);
	for (int k = 0; k < 10; k++)
		survives(rig, NULL, 0);
	nng_fix_let_wedge(false);
	return !is_heard(rig, 700);
}

static void a_dead_listener_is_noticed_and_replaced(void **state)
{
	struct rig rig;
	int tries = 0;
	while (!is_wedged(&rig)) {
		rig_done(&rig);
		assert_in_range(++tries, 1, 9);
	}
	assert_int_equal(revived(&rig), 0);
	assert_true(until(&rig, &rig.receipts, 1, 40000)); // the same client, on the same port
	assert_int_equal(revived(&rig), 1);
	rig_done(&rig);
}

static void a_listener_that_lives_is_left_alone(void **state)
{
	struct rig rig;
	rig_init(&rig);
	serve(&rig, (struct lane_server_options){.canary_ms = 1000});
	assert_true(is_heard(&rig, 5000));
	wait_ms(&rig, 9000);
	assert_int_equal(revived(&rig), 0);
	assert_int_equal(rig.disconnected, 0);
	assert_int_equal(rig.ups, 1); // the canary is no peer
	rig_done(&rig);
}

static bool stats_fail;
int __real_nng_stats_get(nng_stat **ret);
int __wrap_nng_stats_get(nng_stat **ret);
int __wrap_nng_stats_get(nng_stat **ret)
{
	return stats_fail ? NNG_ENOMEM : __real_nng_stats_get(ret);
}

static void a_listener_that_cannot_be_looked_at_is_left_alone(void **state)
{
	struct rig rig;
	rig_init(&rig);
	serve(&rig, (struct lane_server_options){.canary_ms = 500});
	assert_true(is_heard(&rig, 5000));
	stats_fail = true;
	wait_ms(&rig, 16000); // twice the canary's patience, and the turns between
	stats_fail = false;
	assert_int_equal(revived(&rig), 0);
	assert_int_equal(rig.disconnected, 0);
	rig_done(&rig);
}

// Sockets whose every request is refused: they reconnect and repeat it for ever, four messages of
// 100 KB at a time, so that many a connection is closed in the middle of one.
enum { STUBBORN = 10, PER_SOCKET = 4 };

struct stubborn {
	nng_socket socket;
	nng_ctx ctx[PER_SOCKET];
	nng_aio *aio[PER_SOCKET];
};

static void insist(struct stubborn *x, const char *url)
{
	nng_dialer d;
	assert_int_equal(nng_req0_open(&x->socket), 0);
	assert_int_equal(nng_dialer_create(&d, x->socket, url), 0);
	nng_dialer_set_ms(d, NNG_OPT_RECONNMINT, 10);
	assert_int_equal(nng_dialer_start(d, NNG_FLAG_NONBLOCK), 0);
	for (int k = 0; k < PER_SOCKET; k++) {
		nng_msg *m;
		nng_msg_alloc(&m, 100 << 10);
		nng_aio_alloc(&x->aio[k], NULL, NULL);
		nng_ctx_open(&x->ctx[k], x->socket);
		nng_ctx_set_ms(x->ctx[k], NNG_OPT_REQ_RESENDTIME, 20);
		nng_aio_set_msg(x->aio[k], m);
		nng_ctx_send(x->ctx[k], x->aio[k]);
	}
}

static void a_connection_closed_in_the_middle_of_a_message_is_cleaned_up(void **state)
{
	struct rig rig;
	struct stubborn all[STUBBORN];
	char url[64];
	rig_init(&rig);
	serve(&rig, (struct lane_server_options){.contexts = 32});
	rig.answer = -EBADMSG;
	snprintf(url, sizeof(url), "tcp://127.0.0.1:%u", lane_server_port(rig.server));
	for (int i = 0; i < STUBBORN; i++)
		insist(&all[i], url);
	bool cleaned = until(&rig, &rig.downs, 1500, 60000);
	print_message("%u connections came, %u were cleaned up\n", rig.ups, rig.downs);
	assert_true(cleaned);
	for (int i = 0; i < STUBBORN; i++) {
		nng_close(all[i].socket);
		for (int k = 0; k < PER_SOCKET; k++)
			nng_aio_free(all[i].aio[k]);
	}
	rig_done(&rig);
}

// Accepts and closes at once, noting when.
struct rejecter {
	int fd;
	uint64_t at_ms[256];
	unsigned n;
	bool stop;
};

static void *reject(void *arg)
{
	struct rejecter *r = arg;
	struct pollfd p = {.fd = r->fd, .events = POLLIN};
	while (!__atomic_load_n(&r->stop, __ATOMIC_ACQUIRE)) {
		if (poll(&p, 1, 20) <= 0)
			continue;
		int c = accept(r->fd, NULL, NULL);
		if (r->n < 256)
			r->at_ms[r->n++] = clock_mono_ns() / 1000000;
		close(c);
	}
	return NULL;
}

static void redials_back_off(void **state)
{
	struct rig rig;
	struct rejecter r = {0};
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	pthread_t thread;
	char url[64];
	r.fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(r.fd, (struct sockaddr *)&a, sizeof(a)), 0);
	listen(r.fd, 16);
	getsockname(r.fd, (struct sockaddr *)&a, &len);
	snprintf(url, sizeof(url), "tcp://127.0.0.1:%u", ntohs(a.sin_port));
	pthread_create(&thread, NULL, reject, &r);
	rig_init(&rig);
	dial(&rig, (struct lane_client_options){
			   .url = url, .reconnect_min_ms = 50, .reconnect_max_ms = 2000});
	wait_ms(&rig, 6000);
	__atomic_store_n(&r.stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	unsigned early = 0;
	for (unsigned i = 1; i < r.n; i++)
		early += r.at_ms[i] - r.at_ms[i - 1] < 2;
	print_message("%u dials in 6 s, %u of them at once\n", r.n, early);
	// Full jitter below 50, 100, 200 … 2000 ms: about 6 until the bound, then one a second.
	// With the sign error half of the gaps are 0, and there are twice as many.
	assert_true(r.n >= 4 && r.n <= 20);
	assert_true(early <= r.n / 4);
	close(r.fd);
	rig_done(&rig);
}

static void the_backlog_takes_a_thousand_at_once(void **state)
{
	enum { MANY = 1000 };
	static int fds[MANY];
	struct rig rig;
	rig_init(&rig);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 128), 0); // as nng asks
	getsockname(fd, (struct sockaddr *)&a, &len);
	unsigned connected = 0;
	for (int i = 0; i < MANY; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(fds[i], (struct sockaddr *)&a, sizeof(a));
	}
	for (int i = 0; i < MANY; i++) {
		struct pollfd p = {.fd = fds[i], .events = POLLOUT};
		connected += poll(&p, 1, 100) == 1 && !(p.revents & POLLERR);
		if (i % 100 == 99 && connected < (unsigned)i)
			break;
	}
	assert_int_equal(connected, MANY); // nobody accepts: all of them wait in the backlog
	for (int i = 0; i < MANY; i++)
		close(fds[i]);
	close(fd);
	rig_done(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nngs_threads_are_few_on_a_host_with_64_cpus),
		cmocka_unit_test(a_listener_survives_peers_that_vanish),
		cmocka_unit_test(a_tls_listener_survives_peers_that_vanish),
		cmocka_unit_test(a_dead_listener_is_noticed_and_replaced),
		cmocka_unit_test(a_listener_that_lives_is_left_alone),
		cmocka_unit_test(a_listener_that_cannot_be_looked_at_is_left_alone),
		cmocka_unit_test(a_connection_closed_in_the_middle_of_a_message_is_cleaned_up),
		cmocka_unit_test(redials_back_off),
		cmocka_unit_test(the_backlog_takes_a_thousand_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
