// SPDX-License-Identifier: Apache-2.0
#include "aggregator/store/store_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	MAX_NAME_BYTES = 512,
	FORGET_AFTER_TICKS = 3600, // an hour; ticks, because a clock may jump
	FUTURE_MS = 60000,
	SWEEP_PARTS = 10, // the live window of an entity is cut once in so many ticks
};

static const char *const kind_names[] = {"node", "group", "workload", "pod"};

const char *entity_kind_name(enum entity_kind kind)
{
	return kind < ENTITY_KIND_COUNT ? kind_names[kind] : "unknown";
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

static struct store_entity *in_memory(
	struct store *s, const char *cluster, enum entity_kind kind, const char *name)
{
	char key[MAX_NAME_BYTES];
	struct store_entity *e = NULL;
	size_t len = make_key(cluster, name, key);
	if (len && kind < ENTITY_KIND_COUNT)
		HASH_FIND(hh, s->kinds[kind], key, len, e);
	if (e)
		e->touched = s->ticks;
	return e;
}

static bool on_disk(struct store *s, const char *cluster, enum entity_kind kind, const char *name)
{
	uint32_t id;
	if (kind >= ENTITY_POD)
		return false;
	bool found = store_read_begin(s) == 0 &&
		     store_reader_entity(s->reader, kind, cluster, name, &id) == 0;
	store_reader_end(s->reader);
	return found;
}

struct store_entity *store_find(
	struct store *s, const char *cluster, enum entity_kind kind, const char *name)
{
	struct store_entity *e = in_memory(s, cluster, kind, name);
	if (!e && on_disk(s, cluster, kind, name) && store_entity(s, cluster, kind, name, &e) < 0)
		e = NULL;
	return e;
}

int store_entity(struct store *s, const char *cluster, enum entity_kind kind, const char *name,
	struct store_entity **ret)
{
	struct store_entity *e = in_memory(s, cluster, kind, name);
	if (e) {
		*ret = e;
		return 0;
	}
	if (kind >= ENTITY_KIND_COUNT || strlen(cluster) + strlen(name) + 2 > MAX_NAME_BYTES)
		return -EINVAL;
	if (s->stats.entities >= s->o.max_entities) {
		s->stats.entities_refused++;
		return -ENOSPC;
	}
	struct store_cluster *c = cluster_of(s, cluster);
	e = c ? calloc(1, sizeof(*e)) : NULL;
	if (!e || store_ref_new(&e->ref, kind, cluster, name) < 0) {
		free(e);
		return -ENOMEM;
	}
	e->cluster = c;
	e->touched = s->ticks;
	HASH_ADD_KEYPTR(hh, s->kinds[kind], e->ref->key, e->ref->len, e);
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
	return e->ref->key + e->ref->cluster_len + 1;
}

enum entity_kind store_entity_kind(const struct store_entity *e)
{
	return (enum entity_kind)e->ref->kind;
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

static void forget(struct store *s, struct store_entity *e)
{
	unsigned kind = e->ref->kind;
	if (s->cursor[kind] == e)
		s->cursor[kind] = e->hh.next;
	HASH_DEL(s->kinds[kind], e);
	s->live_bytes -= e->live.bytes;
	s->stats.entities--;
	store_live_done(&e->live);
	store_bins_done(&e->bins);
	store_ref_drop(e->ref);
	free(e);
}

void store_entities_done(struct store *s)
{
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
}

// --- the sweep ------------------------------------------------------------------------------

// How far back the live window has its full detail, and how far at least 10 s, by pressure; in
// permille of the window. The rest is at 60 s.
static const struct {
	int fine, middle;
} thinning[] = {{1000, 1000}, {500, 1000}, {250, 1000}, {125, 1000}, {60, 1000}, {60, 500},
	{60, 250}, {60, 125}};
enum { MAX_PRESSURE = sizeof(thinning) / sizeof(thinning[0]) - 1 };

static void cut(struct store *s, struct store_entity *e)
{
	uint32_t before = e->live.bytes;
	// of a future that a clock set back has undone
	if (e->live.tail && e->live.tail_wall_ms > s->now_ms + FUTURE_MS)
		store_live_done(&e->live);
	store_live_drop(&e->live, s->now_ms - s->live_ms);
	if (s->pressure) {
		int64_t fine = s->live_ms * thinning[s->pressure].fine / 1000;
		int64_t middle = s->live_ms * thinning[s->pressure].middle / 1000;
		store_live_thin(&e->live, s->now_ms - middle, 60000);
		store_live_thin(&e->live, s->now_ms - fine, 10000);
	}
	s->live_bytes += (size_t)e->live.bytes - before;
	if (!e->live.tail && !e->open && s->ticks - e->touched > FORGET_AFTER_TICKS)
		forget(s, e);
}

void store_sweep(struct store *s, bool all)
{
	for (int kind = 0; kind < ENTITY_KIND_COUNT; kind++) {
		size_t n = HASH_COUNT(s->kinds[kind]);
		size_t part = all ? n : n / SWEEP_PARTS + 1;
		for (size_t i = 0; i < part; i++) {
			struct store_entity *e = s->cursor[kind];
			if (!e)
				e = s->kinds[kind];
			if (!e)
				break;
			s->cursor[kind] = e->hh.next;
			cut(s, e);
		}
	}
	if (!s->o.live_bytes || s->ticks % SWEEP_PARTS)
		return;
	if (s->live_bytes > s->o.live_bytes && s->pressure < MAX_PRESSURE)
		s->pressure++;
	else if (s->live_bytes < s->o.live_bytes / 2 && s->pressure > 0)
		s->pressure--;
}
