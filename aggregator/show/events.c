// SPDX-License-Identifier: Apache-2.0
#include "aggregator/show/events.h"

#include "aggregator/act/drains.h"
#include "aggregator/show/api.h"
#include "proto/base/hash.h"
#include "proto/base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct said_group {
	char key[64 + NAME_MAX_BYTES];
	uint32_t hash;
	bool changed; // in the tick under way
	UT_hash_handle hh;
};

void events_done(struct events *e)
{
	struct said_group *g, *next;
	HASH_ITER (hh, e->groups, g, next) {
		HASH_DEL(e->groups, g);
		free(g);
	}
	free(e->changed);
	*e = (struct events){0};
}

static bool moved(int64_t a, int64_t b, int64_t least)
{
	return (a < 0) != (b < 0) || llabs(a - b) >= least;
}

static bool visible(const struct node_said *a, const struct node_said *b)
{
	int64_t quarter = (a->runq_p99_us > 0 ? a->runq_p99_us : 0) / 4;
	return moved(a->cpu_permille, b->cpu_permille, 20) ||
	       moved(a->demand_high_permille, b->demand_high_permille, 20) ||
	       moved(a->psi_io_permille, b->psi_io_permille, 20) ||
	       moved(a->runq_p99_us, b->runq_p99_us, quarter > 50 ? quarter : 50);
}

struct collecting {
	struct events *e;
	struct show_core *core;
	int64_t now_ms;
	bool states; // this pass is for states only
	size_t room;
};

static void look_at(struct collecting *k, const struct fleet_node *n)
{
	struct node_memory *m = node_memory_find(k->core->nodes, n->key);
	if (!m || k->room == 0)
		return;
	struct node_view v;
	struct node_said now;
	node_view_get(k->core->sources.store, n, m, k->now_ms, &v);
	node_say(n, &v, &now);
	bool state = !m->said || now.state != m->last.state || now.saturated != m->last.saturated;
	if (k->states ? !state : state || !visible(&m->last, &now))
		return;
	m->last = now;
	m->said = true;
	k->e->changed[k->e->n_changed++] = n;
	k->room--;
}

// Values in turn: from where the last tick stopped, once around.
static void collect_values(struct collecting *k, size_t n_nodes)
{
	size_t begin = k->e->turn < n_nodes ? k->e->turn : 0, at = 0, last = begin;
	for (int lap = 0; lap < 2; lap++) {
		at = 0;
		for (const struct fleet_node *n = fleet_nodes(k->core->sources.fleet); n;
			n = n->hh.next, at++) {
			if (k->room == 0)
				break;
			if ((lap == 0) != (at >= begin))
				continue;
			look_at(k, n);
			last = at + 1;
		}
	}
	k->e->turn = last;
}

static void count_group(void *arg, const struct fleet_group *g, const struct group_sum *sum)
{
	struct collecting *k = arg;
	autobuf text;
	struct json j;
	buf_init(&text, 64 << 10);
	json_init(&j, &text);
	put_group(k->core, &j, g, sum);
	struct said_group *s;
	HASH_FIND_STR(k->e->groups, g->key, s);
	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s)
			return;
		memcpy(s->key, g->key, sizeof(s->key));
		HASH_ADD_STR(k->e->groups, key, s);
	}
	uint32_t hash = hash_crc32c(text.data, text.len);
	s->changed = hash != s->hash;
	s->hash = hash;
}

int events_collect(struct events *e, struct show_core *c, int64_t now_ms)
{
	if (!e->changed)
		e->changed = calloc(EVENTS_MAX_CHANGED, sizeof(*e->changed));
	if (!e->changed)
		return -ENOMEM;
	e->n_changed = 0;
	e->ticks++;
	e->n_drains =
		drain_tally_changed(&c->drains, core_drains(c), e->drains, EVENTS_DRAINS_PER_TICK);
	struct collecting k = {
		.e = e, .core = c, .now_ms = now_ms, .states = true, .room = EVENTS_MAX_CHANGED};
	for (const struct fleet_node *n = fleet_nodes(c->sources.fleet); n; n = n->hh.next)
		look_at(&k, n);
	k.states = false;
	k.room = e->n_changed < EVENTS_NODES_PER_TICK ? EVENTS_NODES_PER_TICK - e->n_changed : 0;
	collect_values(&k, HASH_COUNT(fleet_nodes(c->sources.fleet)));
	if (e->ticks % EVENTS_GROUPS_EVERY == 0)
		return each_group(c, NULL, now_ms, count_group, &k);
	return 0;
}

static void event_open(struct buf *out, const char *name)
{
	buf_printf(out, "event: %s\ndata: ", name);
}

static bool in(const char *cluster, const char *name)
{
	return !cluster[0] || strcmp(cluster, name) == 0;
}

static void say_nodes(
	const struct events *e, struct show_core *c, const char *cluster, struct buf *out)
{
	size_t begin = out->len, n = 0;
	struct json j;
	json_init(&j, out);
	event_open(out, "nodes");
	json_open(&j, '[');
	for (size_t i = 0; i < e->n_changed; i++) {
		const struct fleet_node *node = e->changed[i];
		const struct node_memory *m = node_memory_find(c->nodes, node->key);
		if (!m || !in(cluster, node->cluster))
			continue;
		compact_node(&j, node, &m->last);
		n++;
	}
	json_close(&j, ']');
	buf_text(out, "\n\n");
	if (n == 0 && !buf_failed(out))
		out->len = begin;
}

struct saying {
	const struct events *e;
	struct show_core *core;
	struct json *j;
	size_t n;
};

static void say_group(void *arg, const struct fleet_group *g, const struct group_sum *sum)
{
	struct saying *s = arg;
	struct said_group *said;
	HASH_FIND_STR(s->e->groups, g->key, said);
	if (!said || !said->changed)
		return;
	put_group(s->core, s->j, g, sum);
	s->n++;
}

static void say_groups(const struct events *e, struct show_core *c, const char *cluster,
	int64_t now_ms, struct buf *out)
{
	size_t begin = out->len;
	struct json j;
	json_init(&j, out);
	struct saying s = {e, c, &j, 0};
	event_open(out, "groups");
	json_open(&j, '[');
	int r = each_group(c, cluster[0] ? cluster : NULL, now_ms, say_group, &s);
	json_close(&j, ']');
	buf_text(out, "\n\n");
	if ((r < 0 || s.n == 0) && !buf_failed(out))
		out->len = begin;
}

static void say_status(struct show_core *c, const char *cluster, int64_t now_ms, struct buf *out)
{
	struct json j;
	json_init(&j, out);
	event_open(out, "status");
	put_status(c, &j, cluster[0] ? cluster : NULL, now_ms);
	buf_text(out, "\n\n");
}

static void say_drains(const struct events *e, const char *cluster, struct buf *out)
{
	for (size_t i = 0; i < e->n_drains; i++) {
		if (!in(cluster, e->drains[i]->cluster))
			continue;
		struct json j;
		json_init(&j, out);
		event_open(out, "drain");
		drain_print(e->drains[i], &j);
		buf_text(out, "\n\n");
	}
}

void events_tick(
	struct events *e, struct show_core *c, const char *cluster, int64_t now_ms, struct buf *out)
{
	if (e->ticks % EVENTS_HEARTBEAT_TICKS == 0)
		buf_text(out, ": heartbeat\n\n");
	say_status(c, cluster, now_ms, out);
	say_drains(e, cluster, out);
	say_nodes(e, c, cluster, out);
	if (e->ticks % EVENTS_GROUPS_EVERY == 0)
		say_groups(e, c, cluster, now_ms, out);
}

void events_hello(struct show_core *c, const char *cluster, int64_t now_ms, struct buf *out)
{
	struct json j;
	json_init(&j, out);
	buf_text(out, "retry: 3000\n");
	event_open(out, "hello");
	json_open(&j, '{');
	json_put_text(&j, "version", c->options.version);
	put_name(&j, "cluster", cluster);
	json_put_i64(&j, "heartbeat_ms", EVENTS_HEARTBEAT_TICKS * 1000);
	json_put_i64(&j, "now_ms", now_ms);
	json_close(&j, '}');
	buf_text(out, "\n\n");
	say_status(c, cluster, now_ms, out);
}

void events_plan(const struct kept_plan *k, struct buf *out)
{
	struct json j;
	json_init(&j, out);
	event_open(out, "plan");
	if (k->plan_len <= EVENTS_MAX_PLAN_BYTES) {
		buf_append(out, k->plan, k->plan_len);
	} else { // GET /api/v1/plans/ID has the whole
		json_open(&j, '{');
		json_put_text(&j, "id", k->id);
		json_put_text(&j, "cluster", k->cluster);
		json_put_i64(&j, "now_ms", k->now_ms);
		json_put_bool(&j, "truncated", true);
		json_key(&j, "steps");
		json_open(&j, '[');
		json_close(&j, ']');
		json_close(&j, '}');
	}
	buf_text(out, "\n\n");
}
