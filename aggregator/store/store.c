// SPDX-License-Identifier: Apache-2.0
#include "aggregator/store/store.h"
#include "aggregator/store/store_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	FUTURE_MS = 60000,
	FORGET_AFTER_MS = 3600000,
	MAX_WINDOW_MS = 3600000,
	MAX_NAME_BYTES = 512,
	SWEEP_EVERY_S = 10, // the live window of an entity is cut once in so many ticks
};

static const char *const kind_names[] = {"node", "group", "workload", "pod"};
static const uint32_t least_window_ms[] = {1000, 1000, 1000, 10000};

const char *entity_kind_name(enum entity_kind kind)
{
	return kind < ENTITY_KIND_COUNT ? kind_names[kind] : "unknown";
}

int store_new(struct store **ret, const struct store_options *o, struct why *why)
{
	if (!o->max_entities || !o->live_seconds || o->live_seconds > 86400)
		return why_set(why, -EINVAL, WHY_BUG, "store: bounds must be given");
	struct store *s = calloc(1, sizeof(*s));
	if (!s)
		return why_set(why, -ENOMEM, WHY_RETRY, "store: no memory");
	s->o = *o;
	s->fine_ms = (int64_t)o->live_seconds * 1000;
	s->stats.storing = true;
	*ret = s;
	return 0;
}

static void forget(struct store *s, struct store_entity *e)
{
	HASH_DEL(s->kinds[e->kind], e);
	s->live_bytes -= e->live.bytes;
	s->stats.entities--;
	store_live_done(&e->live);
	free(e);
}

void store_free(struct store *s)
{
	if (!s)
		return;
	for (int kind = 0; kind < ENTITY_KIND_COUNT; kind++) {
		struct store_entity *e, *next;
		HASH_ITER (hh, s->kinds[kind], e, next)
			forget(s, e);
	}
	struct store_cluster *c, *next;
	HASH_ITER (hh, s->clusters, c, next) {
		HASH_DEL(s->clusters, c);
		free(c);
	}
	store_documents_done(s);
	free(s);
}

static struct store_cluster *cluster_of(struct store *s, const char *name)
{
	struct store_cluster *c;
	HASH_FIND_STR(s->clusters, name, c);
	if (c)
		return c;
	size_t len = strlen(name);
	c = calloc(1, sizeof(*c) + len + 1);
	if (!c)
		return NULL;
	c->store = s;
	memcpy(c->name, name, len + 1);
	HASH_ADD_KEYPTR(hh, s->clusters, c->name, len, c);
	return c;
}

// The key of an entity, "cluster/name"; 0 if too long.
static size_t make_key(const char *cluster, const char *name, char ret[MAX_NAME_BYTES])
{
	size_t c = strlen(cluster), n = strlen(name);
	if (c + n + 2 > MAX_NAME_BYTES)
		return 0;
	memcpy(ret, cluster, c);
	ret[c] = '/';
	memcpy(ret + c + 1, name, n + 1);
	return c + 1 + n;
}

struct store_entity *store_find(
	struct store *s, const char *cluster, enum entity_kind kind, const char *name)
{
	char key[MAX_NAME_BYTES];
	struct store_entity *e = NULL;
	size_t len = make_key(cluster, name, key);
	if (len && kind < ENTITY_KIND_COUNT)
		HASH_FIND(hh, s->kinds[kind], key, len, e);
	if (e)
		e->touched_ms = s->now_ms;
	return e;
}

int store_entity(struct store *s, const char *cluster, enum entity_kind kind, const char *name,
	struct store_entity **ret)
{
	struct store_entity *e = store_find(s, cluster, kind, name);
	if (e) {
		*ret = e;
		return 0;
	}
	char key[MAX_NAME_BYTES];
	size_t len = make_key(cluster, name, key);
	if (!len || kind >= ENTITY_KIND_COUNT)
		return -EINVAL;
	if (s->stats.entities >= s->o.max_entities) {
		s->stats.entities_refused++;
		return -ENOSPC;
	}
	struct store_cluster *c = cluster_of(s, cluster);
	e = c ? calloc(1, sizeof(*e) + len + 1) : NULL;
	if (!e)
		return -ENOMEM;
	e->cluster = c;
	e->kind = kind;
	e->touched_ms = s->now_ms;
	e->name_at = (uint16_t)(strlen(cluster) + 1);
	memcpy(e->key, key, len + 1);
	HASH_ADD_KEYPTR(hh, s->kinds[kind], e->key, len, e);
	s->stats.entities++;
	*ret = e;
	return 0;
}

const char *store_entity_cluster(const struct store_entity *e)
{
	return e->cluster->name;
}

const char *store_entity_name(const struct store_entity *e)
{
	return e->key + e->name_at;
}

enum entity_kind store_entity_kind(const struct store_entity *e)
{
	return e->kind;
}

int store_each(struct store *s, const char *cluster, enum entity_kind kind,
	int (*on_entity)(void *arg, struct store_entity *e), void *arg)
{
	struct store_entity *e, *next;
	if (kind >= ENTITY_KIND_COUNT)
		return -EINVAL;
	HASH_ITER (hh, s->kinds[kind], e, next) {
		if (cluster && strcmp(e->cluster->name, cluster) != 0)
			continue;
		int stop = on_entity(arg, e);
		if (stop)
			return stop;
	}
	return 0;
}

int store_put(struct store *s, struct store_entity *e, int64_t wall_ms, uint32_t window_ms,
	const struct scope *values)
{
	if (!window_ms || window_ms > MAX_WINDOW_MS)
		return -EINVAL;
	if (s->now_ms && wall_ms > s->now_ms + FUTURE_MS) {
		s->stats.puts_future++;
		return -ERANGE;
	}
	if (wall_ms <= s->now_ms - (int64_t)s->o.live_seconds * 1000) {
		s->stats.puts_stale++;
		return -ESTALE;
	}
	struct store_record *r = &s->scratch;
	r->wall_ms = wall_ms;
	r->window_ms = window_ms;
	r->scope = *values;
	uint32_t before = e->live.bytes;
	int failed = store_live_put(&e->live, r, least_window_ms[e->kind]);
	s->live_bytes += (size_t)e->live.bytes - before;
	if (failed)
		return failed;
	e->touched_ms = s->now_ms;
	s->stats.puts++;
	return 0;
}

// Cuts what is older than the live window, or from a future that a clock set back has undone.
static void cut_live(struct store *s, struct store_entity *e)
{
	uint32_t before = e->live.bytes;
	if (e->live.tail && e->live.tail_wall_ms > s->now_ms + FUTURE_MS)
		store_live_done(&e->live);
	store_live_drop(&e->live, s->now_ms - (int64_t)s->o.live_seconds * 1000);
	s->live_bytes += (size_t)e->live.bytes - before;
}

void store_tick(struct store *s, int64_t now_ms)
{
	bool stepped = now_ms < s->now_ms;
	if (!s->started_ms)
		s->started_ms = now_ms;
	s->now_ms = now_ms;
	for (int kind = 0; kind < ENTITY_KIND_COUNT; kind++) {
		struct store_entity *e, *next;
		HASH_ITER (hh, s->kinds[kind], e, next) {
			if (stepped || ((uintptr_t)e >> 6) % SWEEP_EVERY_S ==
					       (uint64_t)(now_ms / 1000) % SWEEP_EVERY_S)
				cut_live(s, e);
			if (e->touched_ms > now_ms)
				e->touched_ms = now_ms;
			if (!e->live.tail && now_ms - e->touched_ms > FORGET_AFTER_MS)
				forget(s, e);
		}
	}
}

const struct scope *store_latest(
	const struct store_entity *e, int64_t *ret_wall_ms, uint32_t *ret_window_ms)
{
	struct store *s = e->cluster->store;
	if (e->live.tail_wall_ms <= s->now_ms - (int64_t)s->o.live_seconds * 1000 ||
		store_live_tail(&e->live, &s->scratch) < 0)
		return NULL;
	if (ret_wall_ms)
		*ret_wall_ms = s->scratch.wall_ms;
	if (ret_window_ms)
		*ret_window_ms = s->scratch.window_ms;
	return &s->scratch.scope;
}

void store_stats(const struct store *s, struct store_stats *ret)
{
	*ret = s->stats;
	ret->live_bytes = s->live_bytes;
}
