// SPDX-License-Identifier: Apache-2.0
// How many requests the client may put to the API server: one token bucket, lanes of priority,
// and a bounded queue. Pure; the time is an argument.
//
// Why on our side: an API server that is asked too much answers 429 to everybody, and the queue
// it makes us wait in knows nothing of what is urgent. Here an interruption overtakes everything,
// and the cordon and taint of the thousandth node overtake the evictions of the first: evictions
// leave half of the burst and an eighth of the slots (requests under way) to them, everything else
// three quarters and a quarter. The leader's renewals never wait. A 429 stops all lanes but that
// one for as long as the server says, and afterwards the pace is the rate, without a burst.
// Ownership: items are the caller's, linked in place. Thread: the loop.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum budget_lane {
	BUDGET_LEADER,       // leases; watches that take up again where they were
	BUDGET_NODE,         // KUBE_INTERRUPTION: change of a node
	BUDGET_INTERRUPTION, // KUBE_INTERRUPTION: the rest
	BUDGET_LIST,
	BUDGET_VOLUNTARY,
	BUDGET_REPORT,
	BUDGET_LANE_COUNT,
};
const char *budget_lane_name(enum budget_lane lane); // "leader", "node", …

struct budget_item {
	enum budget_lane lane;
	struct budget_item *prev, *next; // the budget's
};

struct budget_options {
	uint32_t per_second, burst; // 0: 200, 400
	uint32_t slots;             // requests under way; 0: 24
	uint32_t queue;             // items waiting; 0: 16,384
};

struct budget {
	struct budget_options o;
	double tokens;
	uint64_t filled_ns, paused_until_ns;
	uint32_t under_way, waiting[BUDGET_LANE_COUNT], waiting_all;
	struct budget_item *lanes[BUDGET_LANE_COUNT];
	uint64_t pauses;
};

void budget_init(struct budget *b, const struct budget_options *o, uint64_t now_ns);
// Queues. When the queue is full the youngest item of the lowest lane makes room and is returned
// (it may be the new one itself): it was refused. Else NULL.
struct budget_item *budget_push(struct budget *b, struct budget_item *item);
void budget_push_front(
	struct budget *b, struct budget_item *item);            // again, out of turn, never full
void budget_remove(struct budget *b, struct budget_item *item); // one that waits
// The next item that may go now: it is under way until budget_done(). NULL: none; *ret_wait_ns is
// then when to ask again (UINT64_MAX: when something changes).
struct budget_item *budget_pop(struct budget *b, uint64_t now_ns, uint64_t *ret_wait_ns);
struct budget_item *budget_any(struct budget *b); // the next one whatever the budget, for the end
void budget_done(struct budget *b);               // one that was under way has ended
void budget_pause(struct budget *b, uint64_t now_ns, uint64_t for_ns); // the server said 429
