// SPDX-License-Identifier: Apache-2.0
#include "proto/loop/lane_peers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/loop/tls_impl.h"

enum { LINGER_MS = 2000 };

static void name_address(nng_pipe pipe, char *ret, size_t size)
{
	nng_sockaddr a;
	char ip[INET6_ADDRSTRLEN] = "";
	if (nng_pipe_get_addr(pipe, NNG_OPT_REMADDR, &a) != 0)
		return;
	if (a.s_family == NNG_AF_INET) {
		inet_ntop(AF_INET, &a.s_in.sa_addr, ip, sizeof(ip));
		snprintf(ret, size, "%s:%u", ip, ntohs(a.s_in.sa_port));
	} else if (a.s_family == NNG_AF_INET6) {
		inet_ntop(AF_INET6, &a.s_in6.sa_addr, ip, sizeof(ip));
		snprintf(ret, size, "[%s]:%u", ip, ntohs(a.s_in6.sa_port));
	}
}

static void on_up(struct inbox_item *item)
{
	struct peer *peer = (struct peer *)((char *)item - offsetof(struct peer, up));
	struct peers *p = peer->peers;
	peer->heard_ms = uv_now(p->loop);
	if (p->on_peer)
		p->on_peer(p->arg, &peer->public, true);
}

static void on_down(struct inbox_item *item)
{
	struct peer *peer = (struct peer *)((char *)item - offsetof(struct peer, down));
	struct peers *p = peer->peers;
	peer->gone_ms = uv_now(p->loop) + 1; // never 0
	if (p->on_peer)
		p->on_peer(p->arg, &peer->public, false);
	peer->public.user = NULL;
}

int peers_add(struct peers *p, nng_pipe pipe)
{
	struct peer *peer = calloc(1, sizeof(*peer));
	if (!peer)
		return -ENOMEM;
	peer->public.pipe = (uint32_t)nng_pipe_id(pipe);
	peer->peers = p;
	peer->up.on_loop = on_up;
	peer->down.on_loop = on_down;
	name_address(pipe, peer->public.address, sizeof(peer->public.address));
	if (p->secure)
		tls_engine_identity(pipe, &peer->public.id);
	peer->public.authenticated = peer->public.id.verified;
	pthread_mutex_lock(&p->mutex);
	bool ok = p->present < p->max && (peer->public.authenticated || !p->secure);
	if (ok) {
		p->present++;
		p->connected++;
		HASH_ADD(hh, p->table, public.pipe, sizeof(peer->public.pipe), peer);
	}
	pthread_mutex_unlock(&p->mutex);
	if (!ok) {
		free(peer);
		return -ENOSPC;
	}
	inbox_push(p->inbox, &peer->up);
	return 0;
}

static struct peer *find(struct peers *p, nng_pipe pipe)
{
	struct peer *peer;
	uint32_t id = (uint32_t)nng_pipe_id(pipe);
	HASH_FIND(hh, p->table, &id, sizeof(id), peer);
	return peer;
}

void peers_gone(struct peers *p, nng_pipe pipe)
{
	pthread_mutex_lock(&p->mutex);
	struct peer *peer = find(p, pipe);
	if (peer) {
		p->present--;
		p->disconnected++;
	}
	pthread_mutex_unlock(&p->mutex);
	if (peer)
		inbox_push(p->inbox, &peer->down);
}

struct peer *peers_admit(struct peers *p, nng_pipe pipe, bool *ret_flood)
{
	*ret_flood = false;
	pthread_mutex_lock(&p->mutex);
	struct peer *peer = find(p, pipe);
	if (peer && peer->pending == LANE_MAX_PENDING) {
		*ret_flood = true;
		peer = NULL;
	} else if (peer) {
		peer->pending++;
	}
	pthread_mutex_unlock(&p->mutex);
	return peer;
}

void peers_release(struct peer *peer)
{
	pthread_mutex_lock(&peer->peers->mutex);
	peer->pending--;
	pthread_mutex_unlock(&peer->peers->mutex);
}

void peers_init(struct peers *p)
{
	pthread_mutex_init(&p->mutex, NULL);
}

void peers_done(struct peers *p)
{
	struct peer *peer, *next;
	HASH_ITER (hh, p->table, peer, next) {
		HASH_DEL(p->table, peer);
		inbox_remove(p->inbox, &peer->up);
		inbox_remove(p->inbox, &peer->down);
		free(peer);
	}
	pthread_mutex_destroy(&p->mutex);
}

uint32_t *peers_choose(struct peers *p, bool (*choose)(void *arg, const struct peer *peer),
	void *arg, size_t *ret_n)
{
	struct peer *peer, *next;
	size_t n = 0;
	pthread_mutex_lock(&p->mutex);
	uint32_t *ids = calloc(HASH_COUNT(p->table) + 1, sizeof(*ids));
	HASH_ITER (hh, p->table, peer, next) {
		if (ids && !peer->gone_ms && choose(arg, peer))
			ids[n++] = peer->public.pipe;
	}
	pthread_mutex_unlock(&p->mutex);
	*ret_n = n;
	return ids;
}

void peers_sweep(struct peers *p)
{
	struct peer *peer, *next;
	uint64_t now = uv_now(p->loop);
	pthread_mutex_lock(&p->mutex);
	HASH_ITER (hh, p->table, peer, next) {
		if (!peer->gone_ms || peer->gone_ms + LINGER_MS > now || peer->pending)
			continue;
		HASH_DEL(p->table, peer);
		free(peer);
	}
	pthread_mutex_unlock(&p->mutex);
}
