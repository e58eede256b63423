// SPDX-License-Identifier: Apache-2.0
// The debug feed with nng's own subscriber; the real nngcat is in tests/flow/test_feed.py.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/loop/publish.h"
#include "tests/unit/proto/loop/nng_leak.h"

#include <errno.h>
#include <nng/nng.h>
#include <nng/protocol/pubsub0/sub.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECOND 1000000000ull
enum { WAIT_MS = 5000, SILENCE_MS = 150 };

static struct publish *start(uint64_t bytes_per_s)
{
	struct publish *p;
	struct why why = {0};
	assert_int_equal(publish_start(&p, "tcp://127.0.0.1:0", NULL, bytes_per_s, &why), 0);
	return p;
}

static int put(struct publish *p, const char *topic, const char *json, uint64_t now_ns)
{
	return publish_line(p, topic, json, strlen(json), now_ns);
}

// "" if nothing comes in time.
static void hear(nng_socket s, unsigned wait_ms, char *ret, size_t size)
{
	nng_msg *m;
	nng_socket_set_ms(s, NNG_OPT_RECVTIMEO, (nng_duration)wait_ms);
	ret[0] = '\0';
	if (nng_recvmsg(s, &m, 0) != 0)
		return;
	snprintf(ret, size, "%.*s", (int)nng_msg_len(m), (const char *)nng_msg_body(m));
	nng_msg_free(m);
}

// A subscriber that the publisher has: lines go out until one arrives.
static nng_socket subscribe(struct publish *p, const char *topic)
{
	nng_socket s;
	char url[64], line[256] = "";
	snprintf(url, sizeof(url), "tcp://127.0.0.1:%u", publish_port(p));
	assert_int_equal(nng_sub0_open(&s), 0);
	assert_int_equal(nng_socket_set(s, NNG_OPT_SUB_SUBSCRIBE, topic, strlen(topic)), 0);
	assert_int_equal(nng_dial(s, url, NULL, 0), 0);
	char first[64];
	snprintf(first, sizeof(first), "%sfirst", topic);
	for (int i = 0; i < 200 && !line[0]; i++) {
		put(p, first, "{}", (uint64_t)(i + 1) * SECOND);
		hear(s, 25, line, sizeof(line));
	}
	assert_string_not_equal(line, "");
	do // what else of it is under way
		hear(s, SILENCE_MS, line, sizeof(line));
	while (line[0]);
	return s;
}

static void a_line_is_topic_blank_json_newline(void **state)
{
	struct publish *p = start(0);
	nng_socket s = subscribe(p, "notice.");
	char line[256];
	uint64_t before = publish_sent(p);
	assert_int_equal(put(p, "notice.prod.n1", "{\"a\":1}", 1000 * SECOND), 0);
	hear(s, WAIT_MS, line, sizeof(line));
	assert_string_equal(line, "notice.prod.n1 {\"a\":1}\n");
	assert_int_equal(publish_sent(p), before + 1);
	nng_close(s);
	publish_stop(p);
}

static void a_subscriber_hears_only_its_topics(void **state)
{
	struct publish *p = start(0);
	nng_socket s = subscribe(p, "plan.");
	char line[256];
	assert_int_equal(put(p, "sample.prod.n1", "{}", 1000 * SECOND), 0);
	assert_int_equal(put(p, "plan.prod", "{}", 1000 * SECOND), 0);
	hear(s, WAIT_MS, line, sizeof(line));
	assert_string_equal(line, "plan.prod {}\n");
	hear(s, SILENCE_MS, line, sizeof(line));
	assert_string_equal(line, "");
	nng_close(s);
	publish_stop(p);
}

static void line_ends_inside_cannot_forge_a_line(void **state)
{
	struct publish *p = start(0);
	nng_socket s = subscribe(p, "sample.");
	char line[256];
	assert_int_equal(put(p, "sample.a", "{\n\"x\"\r\nnotice.prod.n1 {}", 1000 * SECOND), 0);
	hear(s, WAIT_MS, line, sizeof(line));
	assert_string_equal(line, "sample.a { \"x\"  notice.prod.n1 {}\n");
	assert_int_equal(put(p, "sample a", "{}", 1000 * SECOND), -EINVAL);
	assert_int_equal(put(p, "sample.a\n", "{}", 1000 * SECOND), -EINVAL);
	assert_int_equal(put(p, "", "{}", 1000 * SECOND), -EINVAL);
	nng_close(s);
	publish_stop(p);
}

static void what_is_over_the_rate_is_dropped_and_counted(void **state)
{
	struct publish *p = start(1000);
	static char json[501];
	memset(json, 'x', sizeof(json) - 1);
	assert_int_equal(put(p, "t", json, 10 * SECOND), 0);
	assert_int_equal(put(p, "t", json, 10 * SECOND), -EAGAIN); // 2 * 503 bytes
	assert_int_equal(put(p, "t", json, 10 * SECOND + SECOND / 100), 0);
	assert_int_equal(put(p, "t", json, 10 * SECOND + SECOND / 2), -EAGAIN);
	assert_int_equal(put(p, "t", json, 3600 * SECOND), 0); // an hour saves up one second
	assert_int_equal(put(p, "t", json, 3600 * SECOND), -EAGAIN);
	assert_int_equal(publish_sent(p), 3);
	assert_int_equal(publish_dropped(p), 3);
	publish_stop(p);
}

static void a_line_that_is_too_long_is_refused(void **state)
{
	struct publish *p = start(0);
	char *json = calloc(1, PUBLISH_MAX_LINE_BYTES);
	assert_non_null(json);
	assert_int_equal(publish_line(p, "t", json, PUBLISH_MAX_LINE_BYTES - 3, SECOND), 0);
	assert_int_equal(publish_line(p, "t", json, PUBLISH_MAX_LINE_BYTES - 2, SECOND), -E2BIG);
	free(json);
	publish_stop(p);
}

// Nobody reads: it never waits, and a reader that comes back gets the newest.
static void a_subscriber_that_does_not_read_holds_nobody_up(void **state)
{
	struct publish *p = start(1ull << 40);
	nng_socket slow = subscribe(p, "s."), other = subscribe(p, "s.");
	static char json[32 << 10];
	char line[64];
	memset(json, 'x', sizeof(json) - 1);
	for (int i = 0; i < 3000; i++)
		assert_int_equal(put(p, "s.x", json, 2000 * SECOND), 0);
	usleep(100000);
	assert_int_equal(put(p, "s.last", "{}", 3000 * SECOND), 0);
	bool heard = false;
	for (int i = 0; i < 3002 && !heard; i++) {
		hear(other, WAIT_MS, line, sizeof(line));
		heard = strncmp(line, "s.last", 6) == 0;
	}
	assert_true(heard);
	nng_close(slow);
	nng_close(other);
	publish_stop(p);
}

static void an_address_in_use_and_a_url_without_tls_are_errors(void **state)
{
	struct publish *p = start(0), *other;
	struct why why = {0};
	char url[64];
	snprintf(url, sizeof(url), "tcp://127.0.0.1:%u", publish_port(p));
	assert_int_equal(publish_start(&other, url, NULL, 0, &why), -EADDRINUSE);
	assert_int_equal(publish_start(&other, "tls+tcp://127.0.0.1:0", NULL, 0, &why), -EINVAL);
	assert_non_null(strstr(why.text, "certificates"));
	publish_stop(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_topic_blank_json_newline),
		cmocka_unit_test(a_subscriber_hears_only_its_topics),
		cmocka_unit_test(line_ends_inside_cannot_forge_a_line),
		cmocka_unit_test(what_is_over_the_rate_is_dropped_and_counted),
		cmocka_unit_test(a_line_that_is_too_long_is_refused),
		cmocka_unit_test(a_subscriber_that_does_not_read_holds_nobody_up),
		cmocka_unit_test(an_address_in_use_and_a_url_without_tls_are_errors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
