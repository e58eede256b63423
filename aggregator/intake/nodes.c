// SPDX-License-Identifier: Apache-2.0
#include "aggregator/intake/nodes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *make_key(const char *cluster, const char *name)
{
	char *key;
	return asprintf(&key, "%s/%s", cluster, name) < 0 ? NULL : key;
}

struct node *nodes_find(const struct nodes *n, const char *cluster, const char *name)
{
	struct node *found;
	char *key = make_key(cluster, name);
	if (!key)
		return NULL;
	HASH_FIND_STR(n->table, key, found);
	free(key);
	return found;
}

static void forget(struct nodes *n, struct node *node)
{
	HASH_DEL(n->table, node);
	free(node->key);
	free(node->cluster);
	free(node);
}

static bool make_room(struct nodes *n, int64_t now_ms)
{
	struct node *oldest = NULL;
	if (HASH_COUNT(n->table) < n->max)
		return true;
	for (struct node *x = n->table; x; x = x->hh.next)
		if (!oldest || x->heard_ms < oldest->heard_ms)
			oldest = x;
	if (!oldest || now_ms - oldest->heard_ms < NODE_FORGET_MS)
		return false;
	forget(n, oldest);
	return true;
}

struct node *nodes_get(struct nodes *n, const char *cluster, const char *name, int64_t now_ms)
{
	struct node *node = nodes_find(n, cluster, name);
	if (node)
		return node;
	if (!make_room(n, now_ms))
		return NULL;
	node = calloc(1, sizeof(*node));
	if (!node)
		return NULL;
	node->key = make_key(cluster, name);
	node->cluster = strdup(cluster);
	if (!node->key || !node->cluster) {
		free(node->key);
		free(node->cluster);
		free(node);
		return NULL;
	}
	node->name = node->key + strlen(cluster) + 1;
	node->heard_ms = now_ms;
	HASH_ADD_KEYPTR(hh, n->table, node->key, strlen(node->key), node);
	return node;
}

void nodes_done(struct nodes *n)
{
	struct node *node, *next;
	HASH_ITER (hh, n->table, node, next)
		forget(n, node);
}

struct boot *node_boot(struct node *n, const uint8_t id[16], int64_t now_ms)
{
	struct boot *victim = &n->boots[0];
	for (struct boot *b = n->boots; b < n->boots + NODE_BOOTS; b++) {
		if (b->used && memcmp(b->id, id, sizeof(b->id)) == 0) {
			b->last_ms = now_ms;
			return b;
		}
		if (victim->used && (!b->used || b->last_ms < victim->last_ms))
			victim = b;
	}
	*victim = (struct boot){.used = true, .last_ms = now_ms};
	memcpy(victim->id, id, sizeof(victim->id));
	return victim;
}

bool node_allows(struct node *n, enum stream s, double rate_per_s, double burst, uint64_t now_ns)
{
	struct bucket *b = &n->buckets[s];
	if (b->filled_ns == 0) {
		b->tokens = burst;
	} else if (now_ns > b->filled_ns) {
		b->tokens += (double)(now_ns - b->filled_ns) / 1e9 * rate_per_s;
		if (b->tokens > burst)
			b->tokens = burst;
	}
	b->filled_ns = now_ns;
	if (b->tokens < 1)
		return false;
	b->tokens--;
	return true;
}

void node_learn_clock(struct node *n, int64_t wall_ms, int64_t arrival_ms)
{
	int64_t delay = arrival_ms - wall_ms;
	// Only a clock that was set can make a frame this much later than all before it.
	if (n->n_delays > 0 && delay > n->offset_ms + NODE_CLOCK_JUMP_MS)
		n->n_delays = 0;
	if (n->n_delays == 0)
		n->next_delay = 0;
	n->delays_ms[n->next_delay] = delay;
	n->next_delay = (n->next_delay + 1) % NODE_CLOCK_SAMPLES;
	if (n->n_delays < NODE_CLOCK_SAMPLES)
		n->n_delays++;
	n->offset_ms = n->delays_ms[0];
	for (unsigned k = 1; k < n->n_delays; k++)
		if (n->delays_ms[k] < n->offset_ms)
			n->offset_ms = n->delays_ms[k];
}
