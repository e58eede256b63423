// SPDX-License-Identifier: Apache-2.0
#include "proto/loop/publish.h"

#include <arpa/inet.h>
#include <errno.h>
#include <nng/nng.h>
#include <nng/protocol/pubsub0/pub.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "proto/loop/nng_fix.h"
#include "proto/loop/tls_impl.h"

enum {
	BYTES_PER_S = 4 << 20,
	SEND_BUFFER = 256,   // lines for a subscriber that is slow for a moment
	RECV_MAX_BYTES = 64, // a subscriber says nothing
	TOPIC_MAX_BYTES = 512,
};

struct publish {
	nng_socket socket;
	uint16_t port;
	uint64_t bytes_per_s, credit, credit_ns;
	uint64_t sent, dropped;
};

static int listen_on(struct publish *p, const char *url, struct tls *tls)
{
	nng_listener listener;
	nng_tls_config *config = NULL;
	nng_sockaddr a;
	int e;
	if ((e = nng_socket_set_int(p->socket, NNG_OPT_SENDBUF, SEND_BUFFER)) ||
		(e = nng_socket_set_size(p->socket, NNG_OPT_RECVMAXSZ, RECV_MAX_BYTES)) ||
		(e = nng_listener_create(&listener, p->socket, url)))
		return e;
	if (tls) {
		e = tls_engine_config(tls, &config);
		if (e == 0)
			e = nng_listener_set_ptr(listener, NNG_OPT_TLS_CONFIG, config);
		if (config)
			nng_tls_config_free(config);
		if (e != 0)
			return e;
	}
	if ((e = nng_listener_start(listener, 0)) ||
		(e = nng_listener_get_addr(listener, NNG_OPT_LOCADDR, &a)))
		return e;
	p->port = ntohs(a.s_family == NNG_AF_INET6 ? a.s_in6.sa_port : a.s_in.sa_port);
	return 0;
}

int publish_start(struct publish **ret, const char *url, struct tls *tls, uint64_t bytes_per_s,
	struct why *why)
{
	if (!tls != (strncmp(url, "tcp://", 6) == 0))
		return why_set(why, -EINVAL, WHY_DENIED,
			"feed %s: tls+tcp needs certificates, tcp must not have any", url);
	struct publish *p = calloc(1, sizeof(*p));
	if (!p)
		return why_set(why, -ENOMEM, WHY_RETRY, "out of memory");
	nng_fix_init();
	p->bytes_per_s = bytes_per_s ? bytes_per_s : BYTES_PER_S;
	p->credit = p->bytes_per_s;
	int e = nng_pub0_open(&p->socket);
	if (e == 0) {
		e = listen_on(p, url, tls);
		if (e != 0)
			nng_close(p->socket);
	}
	if (e != 0) {
		free(p);
		return why_set(why, nng_fix_errno(e), WHY_DENIED, "cannot publish on %s: %s", url,
			nng_strerror(e));
	}
	*ret = p;
	return 0;
}

static bool is_topic(const char *topic)
{
	size_t n = strnlen(topic, TOPIC_MAX_BYTES + 1);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)topic[i] <= ' ' || topic[i] == 0x7f)
			return false;
	return n > 0 && n <= TOPIC_MAX_BYTES;
}

static bool afford(struct publish *p, size_t bytes, uint64_t now_ns)
{
	if (now_ns > p->credit_ns) {
		uint64_t passed_us = (now_ns - p->credit_ns) / 1000;
		if (p->credit_ns == 0 || passed_us > 1000000)
			passed_us = 1000000;
		p->credit += p->bytes_per_s * passed_us / 1000000;
		if (p->credit > p->bytes_per_s)
			p->credit = p->bytes_per_s;
		p->credit_ns = now_ns;
	}
	if (p->credit < bytes)
		return false;
	p->credit -= bytes;
	return true;
}

static nng_msg *make_line(const char *topic, const char *json, size_t len)
{
	nng_msg *m;
	size_t topic_len = strlen(topic);
	if (nng_msg_alloc(&m, topic_len + len + 2) != 0)
		return NULL;
	char *line = nng_msg_body(m);
	memcpy(line, topic, topic_len);
	line[topic_len] = ' ';
	char *text = line + topic_len + 1;
	for (size_t i = 0; i < len; i++)
		text[i] = json[i] == '\n' || json[i] == '\r' ? ' ' : json[i];
	text[len] = '\n';
	return m;
}

int publish_line(
	struct publish *p, const char *topic, const char *json, size_t len, uint64_t now_ns)
{
	if (!is_topic(topic))
		return -EINVAL;
	if (strlen(topic) + len + 2 > PUBLISH_MAX_LINE_BYTES)
		return -E2BIG;
	nng_msg *m =
		afford(p, strlen(topic) + len + 2, now_ns) ? make_line(topic, json, len) : NULL;
	if (m && nng_sendmsg(p->socket, m, NNG_FLAG_NONBLOCK) == 0) {
		p->sent++;
		return 0;
	}
	nng_msg_free(m);
	p->dropped++;
	return -EAGAIN;
}

uint16_t publish_port(const struct publish *p)
{
	return p->port;
}

uint64_t publish_sent(const struct publish *p)
{
	return p->sent;
}

uint64_t publish_dropped(const struct publish *p)
{
	return p->dropped;
}

void publish_stop(struct publish *p)
{
	nng_close(p->socket);
	free(p);
}
