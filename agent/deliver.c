// SPDX-License-Identifier: Apache-2.0
#include "agent/deliver.h"

#include "proto/base/rng.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { INBOX_ITEMS = 64, URL_BYTES = 320 };

struct deliver {
	const struct agent_config *config;
	struct tls *tls[SEND_MAX_REPLICAS];
	char data_urls[SEND_MAX_REPLICAS][URL_BYTES], urgent_urls[SEND_MAX_REPLICAS][URL_BYTES];
	unsigned n;
	struct inbox *inbox;
	struct send *send;
	struct timespec changed; // newest change of the certificate files
};

static struct tls_files files_of(const struct agent_config *c)
{
	return (struct tls_files){
		.ca = c->ca, .cert = c->cert, .key = c->key, .crl = c->crl[0] ? c->crl : NULL};
}

static struct timespec newest_change(const struct agent_config *c)
{
	const char *const paths[] = {c->ca, c->cert, c->key, c->crl};
	struct timespec newest = {0};
	for (int i = 0; i < 4; i++) {
		struct stat st;
		if (!paths[i][0] || stat(paths[i], &st) < 0)
			continue;
		bool newer = st.st_mtim.tv_sec != newest.tv_sec
				     ? st.st_mtim.tv_sec > newest.tv_sec
				     : st.st_mtim.tv_nsec > newest.tv_nsec;
		if (newer)
			newest = st.st_mtim;
	}
	return newest;
}

static void make_url(
	char ret[URL_BYTES], const struct agent_config *c, const char *host, uint64_t port)
{
	bool v6 = strchr(host, ':') != NULL;
	snprintf(ret, URL_BYTES, v6 ? "%s://[%s]:%u" : "%s://%s:%u",
		c->insecure ? "tcp" : "tls+tcp", host, (unsigned)port);
}

int deliver_open(struct deliver **ret, const struct agent_config *c, struct why *why)
{
	*ret = NULL;
	if (c->aggregators.n == 0)
		return 0;
	struct deliver *d = calloc(1, sizeof(*d));
	if (!d)
		return why_set(why, -ENOMEM, WHY_RETRY, "out of memory");
	d->config = c;
	d->changed = newest_change(c);
	const struct tls_files files = files_of(c);
	for (; d->n < c->aggregators.n && d->n < SEND_MAX_REPLICAS; d->n++) {
		const char *host = c->aggregators.items[d->n];
		make_url(d->data_urls[d->n], c, host, c->data_port);
		make_url(d->urgent_urls[d->n], c, host, c->urgent_port);
		int r = c->insecure ? 0 : tls_new(&d->tls[d->n], TLS_CLIENT, &files, host, why);
		if (r < 0) {
			deliver_stop(d);
			return r;
		}
	}
	*ret = d;
	return 0;
}

static void random_boot_id(uint8_t ret[16])
{
	struct rng rng;
	rng_init_random(&rng);
	for (int i = 0; i < 16; i++)
		ret[i] = (uint8_t)rng_next(&rng);
}

int deliver_start(struct deliver *d, uv_loop_t *loop, struct why *why)
{
	struct send_options o = {.n_replicas = d->n,
		.spool_bytes = d->config->spool_bytes,
		.spool_ms = d->config->spool_ms};
	for (unsigned i = 0; i < d->n; i++)
		o.replicas[i] =
			(struct send_replica){d->data_urls[i], d->urgent_urls[i], d->tls[i]};
	random_boot_id(o.boot_id);
	int r = inbox_new(&d->inbox, loop, INBOX_ITEMS);
	return r < 0 ? why_set(why, r, WHY_RETRY, "out of memory")
		     : send_start(&d->send, d->inbox, &o, why);
}

int deliver_sample(struct deliver *d, struct sample *s, uint64_t now_ns)
{
	return d && d->send ? send_sample(d->send, s, now_ns) : 0;
}

int deliver_notice(struct deliver *d, const struct notice *n, uint64_t now_ns)
{
	return d && d->send ? send_notice(d->send, n, now_ns) : 0;
}

bool deliver_status(const struct deliver *d, struct send_status *ret)
{
	if (!d || !d->send)
		return false;
	send_status(d->send, ret);
	return true;
}

int deliver_reload(struct deliver *d, struct why *why)
{
	int r = 0;
	if (!d || d->config->insecure)
		return 0;
	struct timespec changed = newest_change(d->config);
	if (changed.tv_sec == d->changed.tv_sec && changed.tv_nsec == d->changed.tv_nsec)
		return 0;
	d->changed = changed;
	const struct tls_files files = files_of(d->config);
	for (unsigned i = 0; r == 0 && i < d->n; i++)
		r = tls_reload(d->tls[i], &files, why);
	return r;
}

static void free_deliver(void *arg)
{
	struct deliver *d = arg;
	for (unsigned i = 0; i < SEND_MAX_REPLICAS; i++)
		tls_free(d->tls[i]);
	free(d);
}

static void stop_inbox(void *arg)
{
	struct deliver *d = arg;
	if (d->inbox)
		inbox_stop(d->inbox, free_deliver, d);
	else
		free_deliver(d);
}

void deliver_stop(struct deliver *d)
{
	if (!d)
		return;
	if (d->send)
		send_stop(d->send, stop_inbox, d);
	else
		stop_inbox(d);
}
