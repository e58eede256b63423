// SPDX-License-Identifier: Apache-2.0
// The table of drains, the roads by which news comes in, and time.
#include "aggregator/act/drains.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/act/drains_inner.h"
#include "aggregator/act/mark.h"
#include "proto/base/hash.h"
#include "proto/base/json.h"
#include "proto/base/text.h"

int drains_new(struct drains **ret, const struct drains_options *o)
{
	struct drains *ds = calloc(1, sizeof(*ds));
	if (!ds)
		return -ENOMEM;
	ds->o = *o;
	buf_init(&ds->text, 1 << 20);
	*ret = ds;
	return 0;
}

static void free_tables(struct drains *ds)
{
	struct drains_cluster *c, *c_next;
	HASH_ITER (hh, ds->clusters, c, c_next) {
		HASH_DEL(ds->clusters, c);
		free(c);
	}
	drains_forget_recalled(ds);
	struct drain_zone_failure *z, *z_next;
	HASH_ITER (hh, ds->failures, z, z_next) {
		HASH_DEL(ds->failures, z);
		free(z);
	}
}

static void forget_dry(struct drains *ds)
{
	if (ds->dry)
		drain_free(ds->dry);
	ds->dry = NULL;
}

void drains_free(struct drains *ds)
{
	if (!ds)
		return;
	drains_write_rest(ds);
	drains_drop_calls(ds);
	forget_dry(ds);
	HASH_CLEAR(hh_id, ds->by_id);
	HASH_CLEAR(hh_node, ds->by_node);
	struct drain *d, *next;
	DL_FOREACH_SAFE(ds->list, d, next)
	drain_free(d);
	struct drain_unplaced *u, *u_next;
	DL_FOREACH_SAFE(ds->unplaced, u, u_next)
	free(u);
	free_tables(ds);
	buf_done(&ds->text);
	free(ds);
}

struct drains_cluster *drains_find_cluster(const struct drains *ds, const char *name)
{
	struct drains_cluster *c;
	HASH_FIND_STR(ds->clusters, name, c);
	return c;
}

int drains_cluster(
	struct drains *ds, const struct kube *kube, const struct cloud *cloud, bool dry_run)
{
	struct drains_cluster *c = drains_find_cluster(ds, kube->cluster);
	if (!c) {
		c = calloc(1, sizeof(*c));
		if (!c)
			return -ENOMEM;
		text_copy(c->name, sizeof(c->name), kube->cluster);
		HASH_ADD_STR(ds->clusters, name, c);
	}
	c->kube = *kube;
	c->cloud = *cloud;
	c->dry_run = dry_run;
	return 0;
}

// --- the table --------------------------------------------------------------------------------

static void count_end(struct drains *ds, struct drain *d)
{
	struct json j;
	HASH_DELETE(hh_node, ds->by_node, d->inner);
	ds->stats.done += d->phase == DRAIN_DONE;
	ds->stats.withdrawn += d->phase == DRAIN_WITHDRAWN;
	ds->stats.failed += d->phase == DRAIN_FAILED;
	buf_reset(&ds->text);
	json_init(&j, &ds->text);
	drain_print(d, &j);
	drain_entry(ds, d, "drain", &ds->text);
}

struct drain *drain_running_on(struct drains *ds, const char *cluster, const char *node)
{
	char key[sizeof(((struct drain_inner *)0)->node_key)];
	struct drain_inner *in;
	snprintf(key, sizeof(key), "%s/%s", cluster, node);
	HASH_FIND(hh_node, ds->by_node, key, strlen(key), in);
	if (in && drain_phase_ended(in->drain->phase)) { // since the last tick
		count_end(ds, in->drain);
		in = NULL;
	}
	return in ? in->drain : NULL;
}

const struct drain *drains_find(const struct drains *ds, const char *id)
{
	struct drain_inner *in;
	HASH_FIND(hh_id, ds->by_id, id, strlen(id), in);
	return in ? in->drain : NULL;
}

const struct drain *drains_of_node(struct drains *ds, const char *cluster, const char *node)
{
	return drain_running_on(ds, cluster, node);
}

const struct drain *drains_first(const struct drains *ds)
{
	return ds->list;
}

static void remove_drain(struct drains *ds, struct drain *d)
{
	HASH_DELETE(hh_id, ds->by_id, d->inner);
	DL_DELETE(ds->list, d);
	drain_free(d); // it has ended, so it is not in by_node: see count_end()
}

// The oldest that has ended makes room.
static int make_room(struct drains *ds)
{
	if (HASH_CNT(hh_id, ds->by_id) < ds->o.max_drains)
		return 0;
	struct drain *last = ds->list ? ds->list->prev : NULL; // utlist: head->prev is the tail
	for (size_t i = HASH_CNT(hh_id, ds->by_id); last && i > 0; i--, last = last->prev)
		if (drain_phase_ended(last->phase) && last->inner->in_flight == 0) {
			drain_running_on(ds, last->cluster, last->node); // counts its end
			remove_drain(ds, last);
			return 0;
		}
	ds->stats.refused++;
	return -ENOSPC;
}

static void copy_node(struct drain *d, const struct fleet_node *n)
{
	text_copy(d->cluster, sizeof(d->cluster), n->cluster);
	text_copy(d->node, sizeof(d->node), n->name);
	text_copy(d->node_uid, sizeof(d->node_uid), n->uid);
	text_copy(d->instance, sizeof(d->instance), n->instance_id);
	text_copy(d->group, sizeof(d->group), n->group);
	text_copy(d->zone, sizeof(d->zone), n->zone);
	snprintf(d->inner->node_key, sizeof(d->inner->node_key), "%s/%s", n->cluster, n->name);
}

struct drain *drain_new(struct drains *ds, const struct fleet_node *n)
{
	struct drain *d = calloc(1, sizeof(*d));
	struct drain_inner *in = calloc(1, sizeof(*in));
	if (!d || !in) {
		free(d);
		free(in);
		return NULL;
	}
	d->inner = in;
	in->drain = d;
	in->ds = ds;
	in->cluster = drains_find_cluster(ds, n->cluster);
	d->dry_run = in->cluster && in->cluster->dry_run;
	d->number = ++ds->numbers;
	copy_node(d, n);
	// the cordon of an earlier drain of ours is no stranger's
	struct drain_mark m;
	in->cordoned = n->drain && drain_mark_parse(n->drain, &m) == 0 && m.cordoned;
	return d;
}

// The same event on the same node has the same id on every replica and after every restart.
static void make_id(struct drain *d, const uint8_t notice_id[32])
{
	char text[64 + 40 + 65 + 3];
	char hex[65];
	uint8_t digest[32];
	text_to_hex(notice_id, 32, hex);
	int len = snprintf(text, sizeof(text), "%s/%s/%s", d->cluster, d->node_uid, hex);
	hash_sha256(text, (size_t)len, digest);
	text_to_hex(digest, 16, d->id);
}

static int add_drain(struct drains *ds, struct drain *d)
{
	struct drain_inner *old;
	HASH_FIND(hh_id, ds->by_id, d->id, strlen(d->id), old);
	drain_running_on(ds, d->cluster, d->node); // counts the end of one that has just ended
	if (old && drain_phase_ended(old->drain->phase) && old->in_flight == 0)
		remove_drain(ds, old->drain); // the same event shows again
	else if (old)
		return -EEXIST;
	int r = make_room(ds);
	if (r < 0)
		return r;
	HASH_ADD_KEYPTR(hh_id, ds->by_id, d->id, strlen(d->id), d->inner);
	HASH_ADD_KEYPTR(
		hh_node, ds->by_node, d->inner->node_key, strlen(d->inner->node_key), d->inner);
	DL_PREPEND(ds->list, d);
	ds->stats.started++;
	return 0;
}

// --- news -------------------------------------------------------------------------------------

// The most urgent of what was heard, and the earliest of the deadlines that were given.
static void sum_up(struct drain *d)
{
	bool first = true;
	d->deadline_ms = 0;
	for (int k = 0; k < DRAIN_KIND_COUNT; k++) {
		if (!(d->kinds & 1u << k))
			continue;
		if (first || drain_kind_urgency((enum drain_kind)k) > drain_kind_urgency(d->kind))
			d->kind = (enum drain_kind)k;
		first = false;
		int64_t deadline_ms = d->inner->deadlines[k];
		if (deadline_ms && (!d->deadline_ms || deadline_ms < d->deadline_ms))
			d->deadline_ms = deadline_ms;
	}
}

// Another, more urgent kind: what was given up for the old one is tried again.
static void take_kind(struct drain *d, enum drain_kind before)
{
	if (d->kind == before)
		return;
	if (d->replacement.state == DRAIN_REPLACEMENT_FAILED)
		d->replacement.state = DRAIN_REPLACEMENT_NONE;
	d->inner->told = false;
}

// True if it changed anything.
static bool take_notice(struct drains *ds, struct drain *d, const struct notice *n)
{
	const enum drain_kind kind = (enum drain_kind)n->kind, before = d->kind;
	uint32_t bit = 1u << kind, kinds = d->kinds;
	int64_t deadline_ms = n->deadline_ms;
	bool guess = n->guessed || (!deadline_ms && n->kind == NOTICE_SPOT_ITN);
	if (guess && !deadline_ms)
		deadline_ms = n->observed_ms + ds->o.policy.interruption_ms;
	if (n->withdrawn) {
		d->kinds &= ~bit;
	} else {
		d->kinds |= bit;
		// a guess never overrules what was given
		if (!guess || !(kinds & bit) || d->guessed) {
			d->inner->deadlines[kind] = deadline_ms;
			d->guessed = guess;
		}
	}
	if (d->kinds) {
		int64_t deadline_before = d->deadline_ms;
		sum_up(d);
		take_kind(d, before);
		return kinds != d->kinds || d->kind != before || d->deadline_ms != deadline_before;
	}
	return kinds != 0;
}

void drain_notice_entry(struct drains *ds, const struct drain *d, const struct notice *n)
{
	buf_reset(&ds->text);
	notice_print(n, &ds->text);
	drain_entry(ds, d, "notice", &ds->text);
	ds->entries_urgent = true; // whoever brought it may forget it when this turn is over
}

struct fleet_node *drain_node_of(const struct drains *ds, const struct notice *n)
{
	struct fleet_node *f;
	if (n->node[0]) {
		f = fleet_find_node(ds->o.fleet, n->cluster, n->node);
	} else { // the queue knows only the instance; never a DNS name
		f = n->instance_id[0] ? fleet_nodes(ds->o.fleet) : NULL;
		while (f && (strcmp(f->cluster, n->cluster) != 0 ||
				    strcmp(f->instance_id, n->instance_id) != 0))
			f = f->hh.next;
	}
	return f && f->state != NODE_GONE ? f : NULL;
}

int drain_start(struct drains *ds, struct drain *d, int64_t now_ms)
{
	d->started_ms = now_ms;
	int r = add_drain(ds, d);
	if (r < 0) {
		drain_free(d);
		return r;
	}
	return 0;
}

static int begin(
	struct drains *ds, const struct fleet_node *f, const struct notice *n, struct drain **ret)
{
	struct drain *d = drain_new(ds, f);
	if (!d)
		return -ENOMEM;
	make_id(d, n->id);
	if (!d->instance[0])
		text_copy(d->instance, sizeof(d->instance), n->instance_id);
	text_copy(d->source, sizeof(d->source), n->source);
	d->observed_ms = d->times.notice_ms = n->observed_ms;
	d->times.seen_ms = d->times.receipted_ms = ds->now_ms;
	drain_inherit_replacement(ds, d);
	int r = drain_start(ds, d, ds->now_ms);
	if (r == 0)
		*ret = d;
	return r;
}

void drain_reopen(struct drains *ds, struct drain *d)
{
	d->phase = DRAIN_FINISHING;
	d->ended_ms = 0;
	HASH_ADD_KEYPTR(
		hh_node, ds->by_node, d->inner->node_key, strlen(d->inner->node_key), d->inner);
}

// A drain that was over before its notice was withdrawn has left its mark on the node.
static struct drain *reopened(struct drains *ds, const struct fleet_node *f)
{
	for (struct drain *d = ds->list; d; d = d->next) {
		if (strcmp(d->node_uid, f->uid) != 0 || strcmp(d->node, f->name) != 0 ||
			strcmp(d->cluster, f->cluster) != 0)
			continue;
		if (!d->inner->marked)
			return NULL;
		drain_reopen(ds, d);
		return d;
	}
	return NULL;
}

// The loss of the instance by another road, after its drain was over: EC2's state change comes two
// minutes after the notice, or when the group ends what was drained. Nothing is done again, and no
// second replacement is asked for.
static bool is_old_news(const struct drains *ds, const struct drain *d, enum notice_kind kind)
{
	const uint32_t loss = 1u << DRAIN_SPOT_ITN | 1u << DRAIN_STATE_CHANGE;
	const int64_t long_ago_ms = 600000; // then it is another loss, of a node that survived
	int64_t over_ms = d->deadline_ms > d->ended_ms ? d->deadline_ms : d->ended_ms;
	bool same = kind == NOTICE_STATE_CHANGE || (kind == NOTICE_SPOT_ITN && (d->kinds & loss));
	return same && d->phase == DRAIN_DONE && d->inner->marked && d->n_left == 0 &&
	       ds->now_ms < over_ms + long_ago_ms;
}

static struct drain *done_already(
	struct drains *ds, const struct fleet_node *f, const struct notice *n)
{
	for (struct drain *d = n->withdrawn ? NULL : ds->list; d; d = d->next)
		if (strcmp(d->node_uid, f->uid) == 0 && strcmp(d->cluster, f->cluster) == 0)
			return is_old_news(ds, d, n->kind) ? d : NULL;
	return NULL;
}

int drain_place(
	struct drains *ds, const struct fleet_node *f, const struct notice *n, struct drain **ret)
{
	struct drain *d = drain_running_on(ds, f->cluster, f->name);
	bool is_new = !d;
	struct drain *over = d ? NULL : done_already(ds, f, n);
	if (over && take_notice(ds, over, n))
		drain_notice_entry(ds, over, n);
	if (over)
		return 0;
	if (!d && n->withdrawn)
		d = reopened(ds, f);
	if (!d && n->withdrawn)
		return 0; // nothing to take back
	int r = d ? 0 : begin(ds, f, n, &d);
	if (r < 0)
		return r == -EEXIST ? 0 : r;
	bool changed = take_notice(ds, d, n);
	if (!changed && !is_new)
		return 0; // the same news again
	drain_notice_entry(ds, d, n);
	r = drain_plan_again(ds, d, ds->now_ms);
	if (r < 0)
		return r;
	drain_observe(ds, d, ds->now_ms);
	drain_tell_news(ds, d);
	drain_advance(ds, d, ds->now_ms);
	*ret = d;
	return 0;
}

int drains_notice(
	struct drains *ds, const struct notice *n, int64_t now_ms, const struct drain **ret)
{
	struct drain *d = NULL;
	ds->now_ms = now_ms;
	const struct fleet_node *f = drain_node_of(ds, n);
	if (!f)
		return drains_keep_unplaced(ds, n, now_ms);
	int r = drain_place(ds, f, n, &d);
	if (r < 0)
		drains_keep_unplaced(ds, n, now_ms);
	if (ret)
		*ret = d ? d : drain_running_on(ds, f->cluster, f->name);
	return r;
}

void drains_hook(struct drains *ds, const struct notice *n, const struct drain_hook *h)
{
	const struct fleet_node *f = drain_node_of(ds, n);
	struct drain *d = f ? drain_running_on(ds, f->cluster, f->name) : NULL;
	struct drain_inner *in = d ? d->inner : NULL;
	if (!in || !h->name[0])
		return;
	if (in->hook_told[0] && !in->hook_token[0])
		text_copy(in->hook_refused, sizeof(in->hook_refused), in->hook_told);
	bool dead = h->token[0] && strcmp(in->hook_refused, h->token) == 0;
	bool same = strcmp(in->hook, h->name) == 0 &&
		    strcmp(in->hook_group, h->scaling_group) == 0 &&
		    strcmp(in->hook_told, h->token) == 0;
	if (dead || same)
		return; // delivered once more
	text_copy(in->hook, sizeof(in->hook), h->name);
	text_copy(in->hook_group, sizeof(in->hook_group), h->scaling_group);
	text_copy(in->hook_token, sizeof(in->hook_token), h->token);
	text_copy(in->hook_told, sizeof(in->hook_told), h->token);
	in->replan = true; // its completion is a step
}

// --- a person's -------------------------------------------------------------------------------

static struct drain *requested(struct drains *ds, const struct drain_request *r,
	const struct fleet_node *f, int64_t now_ms)
{
	uint8_t id[32];
	char event[32];
	struct drain *d = drain_new(ds, f);
	if (!d)
		return NULL;
	int len = snprintf(event, sizeof(event), "operator/%lld", (long long)now_ms);
	hash_sha256(event, (size_t)len, id); // a second request is a second drain
	make_id(d, id);
	text_copy(d->source, sizeof(d->source), "operator");
	d->observed_ms = d->times.notice_ms = d->times.seen_ms = now_ms;
	d->started_ms = now_ms;
	d->kind = DRAIN_OPERATOR;
	d->kinds = 1u << DRAIN_OPERATOR;
	d->deadline_ms = r->deadline_ms ? r->deadline_ms : now_ms + ds->o.policy.operator_ms;
	d->inner->deadlines[DRAIN_OPERATOR] = d->deadline_ms;
	d->inner->pass_on_ms = now_ms;
	return d;
}

int drains_request(
	struct drains *ds, const struct drain_request *r, int64_t now_ms, const struct drain **ret)
{
	const struct fleet_node *f = fleet_find_node(ds->o.fleet, r->cluster, r->node);
	ds->now_ms = now_ms;
	if (!f || f->state == NODE_GONE)
		return -ENOENT;
	struct drain *running = drain_running_on(ds, r->cluster, r->node);
	if (running && !r->dry_run) {
		*ret = running;
		return 0;
	}
	struct drain *d = requested(ds, r, f, now_ms);
	if (!d)
		return -ENOMEM;
	if (r->dry_run) {
		size_t entries = ds->n_entries;
		forget_dry(ds);
		ds->dry = d;
		d->dry_run = true;
		int failed = drain_plan_again(ds, d, now_ms);
		if (ds->n_entries > entries) // a plan that was only looked at is no entry
			free(ds->entries[--ds->n_entries].json);
		*ret = d;
		return failed;
	}
	int failed = drain_start(ds, d, now_ms);
	if (failed < 0)
		return failed;
	failed = drain_plan_again(ds, d, now_ms);
	drain_tell_news(ds, d);
	drain_advance(ds, d, now_ms);
	*ret = d;
	return failed;
}

// --- time -------------------------------------------------------------------------------------

static void tell_unaudited(struct drains *ds, struct drain *d)
{
	bool first = ds->unaudited && !d->inner->told_unaudited;
	if (!first || !drain_kind_forced(d->kind) || d->inner->stands_back || !drain_may_act(ds, d))
		return;
	d->inner->told_unaudited = true;
	drain_tell_warning(ds, d, "AuditFailed",
		"the audit file cannot be written (disk full?): the pods are drained all the same");
}

void drains_tick(struct drains *ds, int64_t now_ms)
{
	ds->now_ms = now_ms;
	if (now_ms - ds->placed_ms >= 1000 || now_ms < ds->placed_ms) {
		ds->placed_ms = now_ms;
		drains_place_late(ds, now_ms);
		drains_give_back_survivors(ds, now_ms);
	}
	drains_watch_replacements(ds, now_ms);
	struct drain_inner *in, *next;
	HASH_ITER (hh_node, ds->by_node, in, next) {
		drain_observe(ds, in->drain, now_ms);
		drain_tell_news(ds, in->drain);
		tell_unaudited(ds, in->drain);
		drain_advance(ds, in->drain, now_ms);
		if (drain_phase_ended(in->drain->phase))
			count_end(ds, in->drain);
	}
	if (!ds->queued)
		drains_write_rest(ds);
	drains_flush(ds, now_ms);
}

void drains_stats(const struct drains *ds, struct drains_stats *ret)
{
	*ret = ds->stats;
	ret->active = HASH_CNT(hh_node, ds->by_node);
	ret->ended = HASH_CNT(hh_id, ds->by_id) - ret->active;
}
