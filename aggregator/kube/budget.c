// SPDX-License-Identifier: Apache-2.0
#include "aggregator/kube/budget.h"

#include <utlist.h>

enum { PER_SECOND = 200, BURST = 400, SLOTS = 24, QUEUE = 16384 };
static const uint64_t MAX_PAUSE_NS = 60ULL * 1000000000;

const char *budget_lane_name(enum budget_lane lane)
{
	static const char *const names[] = {
		"leader", "node", "interruption", "list", "voluntary", "report"};
	return lane < BUDGET_LANE_COUNT ? names[lane] : "?";
}

static uint32_t or_default(uint32_t value, uint32_t otherwise)
{
	return value ? value : otherwise;
}

void budget_init(struct budget *b, const struct budget_options *o, uint64_t now_ns)
{
	*b = (struct budget){.o = *o, .filled_ns = now_ns};
	b->o.per_second = or_default(o->per_second, PER_SECOND);
	b->o.burst = or_default(o->burst, BURST);
	b->o.slots = or_default(o->slots, SLOTS);
	b->o.queue = or_default(o->queue, QUEUE);
	b->tokens = b->o.burst;
}

static void unlink_item(struct budget *b, struct budget_item *item)
{
	DL_DELETE(b->lanes[item->lane], item);
	b->waiting[item->lane]--;
	b->waiting_all--;
}

void budget_remove(struct budget *b, struct budget_item *item)
{
	unlink_item(b, item);
}

struct budget_item *budget_push(struct budget *b, struct budget_item *item)
{
	DL_APPEND(b->lanes[item->lane], item);
	b->waiting[item->lane]++;
	b->waiting_all++;
	if (b->waiting_all <= b->o.queue)
		return NULL;
	for (int lane = BUDGET_LANE_COUNT - 1;; lane--) {
		if (!b->lanes[lane])
			continue;
		struct budget_item *youngest = b->lanes[lane]->prev; // the head's prev is the tail
		unlink_item(b, youngest);
		return youngest;
	}
}

void budget_push_front(struct budget *b, struct budget_item *item)
{
	DL_PREPEND(b->lanes[item->lane], item);
	b->waiting[item->lane]++;
	b->waiting_all++;
}

static void fill(struct budget *b, uint64_t now_ns)
{
	if (now_ns <= b->filled_ns)
		return;
	b->tokens += (double)(now_ns - b->filled_ns) / 1e9 * b->o.per_second;
	if (b->tokens > b->o.burst)
		b->tokens = b->o.burst;
	b->filled_ns = now_ns;
}

// What a lane leaves untouched for those above it, in eighths: of the tokens, of the slots.
static const struct {
	unsigned tokens, slots;
} leaves[BUDGET_LANE_COUNT] = {
	[BUDGET_INTERRUPTION] = {4, 1},
	[BUDGET_LIST] = {6, 2},
	[BUDGET_VOLUNTARY] = {6, 2},
	[BUDGET_REPORT] = {6, 2},
};

static uint32_t eighths(uint32_t of, unsigned n)
{
	return (of * n + 7) / 8;
}

// 0: it may go. UINT64_MAX: not before another has ended. Else the wait.
static uint64_t wait_of(const struct budget *b, enum budget_lane lane, uint64_t now_ns)
{
	if (lane == BUDGET_LEADER)
		return 0;
	if (now_ns < b->paused_until_ns)
		return b->paused_until_ns - now_ns;
	uint32_t kept = b->o.slots > 1 ? eighths(b->o.slots, leaves[lane].slots) : 0;
	if (b->under_way + kept >= b->o.slots)
		return UINT64_MAX;
	double need = 1 + b->o.burst * leaves[lane].tokens / 8;
	if (b->tokens >= need)
		return 0;
	return (uint64_t)((need - b->tokens) / b->o.per_second * 1e9) + 1;
}

struct budget_item *budget_any(struct budget *b)
{
	for (int lane = 0; lane < BUDGET_LANE_COUNT; lane++) {
		struct budget_item *item = b->lanes[lane];
		if (!item)
			continue;
		unlink_item(b, item);
		return item;
	}
	return NULL;
}

struct budget_item *budget_pop(struct budget *b, uint64_t now_ns, uint64_t *ret_wait_ns)
{
	*ret_wait_ns = UINT64_MAX;
	fill(b, now_ns);
	for (int lane = 0; lane < BUDGET_LANE_COUNT; lane++) {
		struct budget_item *item = b->lanes[lane];
		if (!item)
			continue;
		uint64_t wait = wait_of(b, (enum budget_lane)lane, now_ns);
		if (wait > 0) { // and whoever is less urgent waits behind
			*ret_wait_ns = wait;
			return NULL;
		}
		unlink_item(b, item);
		b->under_way++;
		b->tokens -= 1; // the leader may overdraw
		return item;
	}
	return NULL;
}

void budget_done(struct budget *b)
{
	b->under_way--;
}

void budget_pause(struct budget *b, uint64_t now_ns, uint64_t for_ns)
{
	uint64_t until = now_ns + (for_ns < MAX_PAUSE_NS ? for_ns : MAX_PAUSE_NS);
	fill(b, now_ns);
	if (until > b->paused_until_ns) {
		b->paused_until_ns = until;
		b->filled_ns = until; // nothing is saved up meanwhile
	}
	if (b->tokens > 1)
		b->tokens = 1;
	b->pauses++;
}
