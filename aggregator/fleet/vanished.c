// SPDX-License-Identifier: Apache-2.0
#include "aggregator/fleet/vanished.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/text.h"

struct silent { // a node that nobody hears; kept while it is, and while the cloud is asked
	char key[64 + NAME_MAX_BYTES];
	char cluster[64], node[NAME_MAX_BYTES], instance_id[32];
	int64_t asked_ms; // 0: never
	bool in_flight, told, heard_again;
	struct vanished *v;
	UT_hash_handle hh;
};

struct vanished {
	struct vanished_options o;
	struct silent *nodes;
	size_t in_flight;
	struct vanished_stats stats;
};

int vanished_new(struct vanished **ret, const struct vanished_options *o)
{
	struct vanished *v = calloc(1, sizeof(*v));
	if (!v)
		return -ENOMEM;
	v->o = *o;
	v->o.silent_after_ms = o->silent_after_ms ? o->silent_after_ms : 20000;
	v->o.ask_every_ms = o->ask_every_ms ? o->ask_every_ms : 10000;
	v->o.max_in_flight = o->max_in_flight ? o->max_in_flight : 16;
	*ret = v;
	return 0;
}

static void forget(struct silent *s)
{
	HASH_DEL(s->v->nodes, s);
	free(s);
}

void vanished_free(struct vanished *v)
{
	struct silent *s, *next;
	if (!v)
		return;
	HASH_ITER (hh, v->nodes, s, next)
		forget(s);
	free(v);
}

void vanished_stats(const struct vanished *v, struct vanished_stats *ret)
{
	*ret = v->stats;
	ret->silent = HASH_COUNT(v->nodes);
}

static void tell(struct silent *s, enum cloud_instance_state state)
{
	struct vanished *v = s->v;
	struct notice n = {.kind = NOTICE_STATE_CHANGE,
		.action = state == CLOUD_INSTANCE_IMPAIRED ? NOTICE_OTHER : NOTICE_TERMINATE,
		.observed_ms = v->o.wall_ms(),
		.source = "watch"};
	n.deadline_ms = state == CLOUD_INSTANCE_GONE ? n.observed_ms : 0; // stopping: soon
	text_copy(n.cluster, sizeof(n.cluster), s->cluster);
	text_copy(n.node, sizeof(n.node), s->node);
	text_copy(n.instance_id, sizeof(n.instance_id), s->instance_id);
	notice_make_id(n.instance_id, n.kind, n.event_id, n.id);
	s->told = true;
	v->stats.found++;
	v->o.on_notice(v->o.arg, &n);
}

static void on_state(void *arg, int r, const struct why *why, const char *text)
{
	struct silent *s = arg;
	struct vanished *v = s->v;
	s->in_flight = false;
	v->in_flight--;
	// the cloud forgets a terminated instance after about an hour
	enum cloud_instance_state state = r == 0         ? cloud_instance_state_parse(text)
					  : r == -ENOENT ? CLOUD_INSTANCE_GONE
							 : CLOUD_INSTANCE_UNKNOWN;
	if (state == CLOUD_INSTANCE_UNKNOWN)
		v->stats.unanswered++;
	else if (state >= CLOUD_INSTANCE_IMPAIRED && !s->told && !s->heard_again)
		tell(s, state);
	if (s->heard_again)
		forget(s);
}

static void ask(struct silent *s, int64_t now_ms)
{
	struct vanished *v = s->v;
	const struct cloud *c = v->o.cloud_of(v->o.arg, s->cluster);
	if (!c || s->in_flight || s->told || v->in_flight >= v->o.max_in_flight ||
		(s->asked_ms && now_ms - s->asked_ms < v->o.ask_every_ms))
		return;
	const struct cloud_reply reply = {on_state, s};
	s->asked_ms = now_ms;
	s->in_flight = true;
	v->in_flight++;
	v->stats.asked++;
	c->ops->instance_state(c->self, s->instance_id, &reply);
}

static bool is_silent(const struct vanished *v, const struct fleet_node *n, int64_t now_ms)
{
	int64_t since_ms = now_ms - v->o.silent_after_ms;
	if (!n->watched || !n->instance_id[0] || n->created_ms > since_ms)
		return false;
	if (n->has_agent && n->last_sample_ms > since_ms)
		return false; // whoever sends samples is alive, whatever the API server thinks
	return n->lease_ms ? n->lease_ms < since_ms : !n->ready;
}

static struct silent *find_or_make(struct vanished *v, const struct fleet_node *n)
{
	struct silent *s;
	HASH_FIND_STR(v->nodes, n->key, s);
	if (s && strcmp(s->instance_id, n->instance_id) == 0)
		return s;
	if (s && s->in_flight)
		return NULL; // asked about the instance that had this name before
	if (s)
		forget(s);
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->v = v;
	text_copy(s->key, sizeof(s->key), n->key);
	text_copy(s->cluster, sizeof(s->cluster), n->cluster);
	text_copy(s->node, sizeof(s->node), n->name);
	text_copy(s->instance_id, sizeof(s->instance_id), n->instance_id);
	HASH_ADD_STR(v->nodes, key, s);
	return s;
}

static void forget_who_is_heard(struct vanished *v, int64_t now_ms)
{
	struct silent *s, *next;
	HASH_ITER (hh, v->nodes, s, next) {
		const struct fleet_node *n = fleet_find_node(v->o.fleet, s->cluster, s->node);
		s->heard_again = !n || !is_silent(v, n, now_ms);
		if (s->heard_again && !s->in_flight)
			forget(s);
	}
}

void vanished_tick(struct vanished *v, int64_t now_ms)
{
	forget_who_is_heard(v, now_ms);
	for (const struct fleet_node *n = fleet_nodes(v->o.fleet); n; n = n->hh.next) {
		struct silent *s = is_silent(v, n, now_ms) ? find_or_make(v, n) : NULL;
		if (s)
			ask(s, now_ms);
	}
}
