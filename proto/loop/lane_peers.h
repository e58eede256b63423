// SPDX-License-Identifier: Apache-2.0
// The connections of a lane's server, by pipe id; inside proto/loop only.
//
// nng's thread enters a peer before its first message can come; the loop forgets it some seconds
// after it has gone, so that the last message of a dying node still finds its sender. Never calls
// nng with the mutex held.
#pragma once

#include <nng/nng.h>
#include <pthread.h>
#include <uthash.h>

#include "proto/loop/lane.h"

struct peers;
struct peer {
	struct lane_peer public;
	struct peers *peers;
	struct inbox_item up, down;
	unsigned pending;  // requests under way; guarded by the mutex
	uint64_t heard_ms; // loop time of the last message
	uint64_t gone_ms;  // 0: still there
	UT_hash_handle hh;
};

struct peers {
	struct inbox *inbox;
	uv_loop_t *loop;
	unsigned max;
	bool secure;
	void (*on_peer)(void *arg, struct lane_peer *peer, bool up);
	void *arg;
	pthread_mutex_t mutex; // guards everything below
	struct peer *table;
	unsigned present; // those that have not gone
	uint64_t connected, disconnected;
};

// On nng's threads.
int peers_add(struct peers *p, nng_pipe pipe); // -ENOSPC: over max
void peers_gone(struct peers *p, nng_pipe pipe);
// The sender of a message, with one more request under way. NULL with *ret_flood: it has too many.
struct peer *peers_admit(struct peers *p, nng_pipe pipe, bool *ret_flood);
void peers_release(struct peer *peer); // any thread

// On the loop.
void peers_init(struct peers *p);
void peers_done(struct peers *p); // after the socket was closed
// Forgets those gone long ago. Ids of those for which `choose` says true: malloc'ed, free() it.
uint32_t *peers_choose(struct peers *p, bool (*choose)(void *arg, const struct peer *peer),
	void *arg, size_t *ret_n);
void peers_sweep(struct peers *p);
