// SPDX-License-Identifier: Apache-2.0
// Connects to one's own listener now and then and asks whether it noticed.
//
// Why: a listener of nng can stop accepting while its socket goes on greeting clients (#1518; the
// known cause is mended in nng_fix.h, but others of the kind are known). Such an aggregator looks
// well to every agent that is connected, and to none that comes. A connection that says nothing and
// goes is enough: a listener that lives counts it, with TLS or without. Two in a row that nobody
// counted for CANARY_PATIENCE_MS, and the listener is taken for dead. A turn is left out when
// somebody else was counted since the last one. Limits: one descriptor. Inside proto/loop only.
// Thread: the loop.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum { CANARY_PERIOD_MS = 30 * 1000, CANARY_PATIENCE_MS = 5000, CANARY_MISSES = 2 };

struct canary {
	unsigned period_ms;
	struct sockaddr_storage address; // of the listener, as a client on this machine dials it
	enum { CANARY_WAITS, CANARY_KNOCKS, CANARY_LISTENS } state;
	int fd;
	uint64_t next_ms; // of a turn; while listening: the end of patience
	uint64_t life;    // as of the last turn
	unsigned missed;  // in a row
};

// period_ms 0: CANARY_PERIOD_MS. address: where the listener listens, perhaps on all of them.
void canary_init(struct canary *c, unsigned period_ms, const struct sockaddr_storage *address);
void canary_done(struct canary *c);
// To be called every second. life(arg): a number that changes with everything that the listener
// accepts or refuses; it is asked for only when it matters. True: the listener is dead.
bool canary_tick(struct canary *c, uint64_t now_ms, uint64_t (*life)(void *arg), void *arg);
