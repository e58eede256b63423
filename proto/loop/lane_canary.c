// SPDX-License-Identifier: Apache-2.0
#include "proto/loop/lane_canary.h"

#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

void canary_init(struct canary *c, unsigned period_ms, const struct sockaddr_storage *address)
{
	*c = (struct canary){.period_ms = period_ms ? period_ms : CANARY_PERIOD_MS,
		.address = *address,
		.fd = -1};
	struct sockaddr_in *four = (struct sockaddr_in *)&c->address;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)&c->address;
	if (c->address.ss_family == AF_INET && four->sin_addr.s_addr == htonl(INADDR_ANY))
		four->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else if (c->address.ss_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&six->sin6_addr))
		six->sin6_addr = in6addr_loopback;
}

void canary_done(struct canary *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

// Not waited for: on this machine a connection stands at once or not at all.
static bool knock(struct canary *c)
{
	bool six = c->address.ss_family == AF_INET6;
	socklen_t len = six ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	c->fd = socket(c->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return false; // out of descriptors: says nothing about the listener
	(void)connect(c->fd, (struct sockaddr *)&c->address, len);
	return true;
}

static void wait_for(struct canary *c, uint64_t now_ms, uint64_t life)
{
	c->state = CANARY_WAITS;
	c->life = life;
	// a doubt is cleared up at once
	c->next_ms = now_ms + (c->missed ? 0 : c->period_ms);
}

bool canary_tick(struct canary *c, uint64_t now_ms, uint64_t (*life)(void *arg), void *arg)
{
	uint64_t seen;
	switch (c->state) {
	case CANARY_WAITS:
		if (now_ms < c->next_ms)
			return false;
		seen = life(arg);
		if (seen != c->life || !knock(c))
			wait_for(c, now_ms, seen);
		else
			c->state = CANARY_KNOCKS;
		return false;
	case CANARY_KNOCKS:
		canary_done(c);
		c->state = CANARY_LISTENS;
		c->next_ms = now_ms + CANARY_PATIENCE_MS;
		return false;
	case CANARY_LISTENS:
		seen = life(arg);
		if (seen == c->life && now_ms < c->next_ms)
			return false;
		c->missed = seen == c->life ? c->missed + 1 : 0;
		bool dead = c->missed >= CANARY_MISSES;
		if (dead)
			c->missed = 0;
		wait_for(c, now_ms, seen);
		return dead;
	}
	return false;
}
