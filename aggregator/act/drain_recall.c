// SPDX-License-Identifier: Apache-2.0
// What this replica's own journal still knows after a restart. Evictions: accepted ones are not
// asked for again, and what was asked without an answer is given time to show in the watch.
// Notices: who brought one has its receipt and does not bring it again, and the node need not bear
// the mark yet (who led may have died before); so each that is not over is taken once more.
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/act/drains_inner.h"
#include "proto/base/text.h"

static void recall(struct drains *ds, const char *uid, bool accepted)
{
	struct drain_recalled *r;
	HASH_FIND_STR(ds->recalled, uid, r);
	if (r) {
		r->accepted |= accepted;
		return;
	}
	if (HASH_COUNT(ds->recalled) >= DRAINS_MAX_RECALLED)
		return;
	r = calloc(1, sizeof(*r));
	if (!r)
		return;
	text_copy(r->uid, sizeof(r->uid), uid);
	r->accepted = accepted;
	HASH_ADD_STR(ds->recalled, uid, r);
}

static const char *text_of(const cJSON *tree, const char *key)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(tree, key);
	return cJSON_IsString(value) ? value->valuestring : "";
}

static int64_t number_of(const cJSON *tree, const char *key)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(tree, key);
	return cJSON_IsNumber(value) ? (int64_t)value->valuedouble : 0;
}

// As notice_print() names them.
static enum notice_action action_of(const char *name)
{
	static const char *const names[] = {"terminate", "stop", "hibernate", "reboot"};
	int i = 0;
	while (i < NOTICE_OTHER && strcmp(names[i], name) != 0)
		i++;
	return (enum notice_action)i;
}

static bool read_notice(const cJSON *tree, struct notice *ret)
{
	int kind = 0;
	while (kind < NOTICE_KIND_COUNT &&
		strcmp(notice_kind_name((enum notice_kind)kind), text_of(tree, "kind")) != 0)
		kind++;
	*ret = (struct notice){.kind = (enum notice_kind)kind,
		.action = action_of(text_of(tree, "action")),
		.observed_ms = number_of(tree, "observed_ms"),
		.deadline_ms = number_of(tree, "deadline_ms"),
		.withdrawn = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(tree, "withdrawn")),
		.guessed = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(tree, "guessed"))};
	text_copy(ret->cluster, sizeof(ret->cluster), text_of(tree, "cluster"));
	text_copy(ret->node, sizeof(ret->node), text_of(tree, "node"));
	text_copy(ret->instance_id, sizeof(ret->instance_id), text_of(tree, "instance_id"));
	text_copy(ret->source, sizeof(ret->source), text_of(tree, "source"));
	text_copy(ret->event_id, sizeof(ret->event_id), text_of(tree, "event_id"));
	if (kind == NOTICE_KIND_COUNT)
		return false;
	notice_make_id(ret->instance_id, ret->kind, ret->event_id, ret->id);
	return true;
}

// False: a newer line has told it already, or there is no room.
static bool remember(struct drains *ds, const char *key, struct drain_recalled_notice **ret)
{
	struct drain_recalled_notice *r;
	HASH_FIND_STR(ds->recalled_notices, key, r);
	if (r || HASH_COUNT(ds->recalled_notices) >= DRAINS_MAX_RECALLED)
		return false;
	r = calloc(1, sizeof(*r));
	if (!r)
		return false;
	text_copy(r->key, sizeof(r->key), key);
	r->over = true;
	HASH_ADD_STR(ds->recalled_notices, key, r);
	*ret = r;
	return true;
}

struct key {
	char text[NAME_MAX_BYTES + 128];
};

// The queue's notices know only the instance, a node may be without one. "" if there is no name.
static struct key key_of(const char *cluster, char what, const char *name)
{
	struct key k = {""};
	if (name[0])
		snprintf(k.text, sizeof(k.text), "%.63s/%c/%.253s", cluster, what, name);
	return k;
}

static void recall_end(struct drains *ds, const cJSON *tree)
{
	struct drain_recalled_notice *r;
	const char *cluster = text_of(tree, "cluster");
	const struct key keys[] = {key_of(cluster, 'n', text_of(tree, "node")),
		key_of(cluster, 'i', text_of(tree, "instance"))};
	for (int i = 0; i < 2; i++)
		if (keys[i].text[0])
			remember(ds, keys[i].text, &r);
}

static bool has_ended(const struct drains *ds, const struct key *k)
{
	const struct drain_recalled_notice *r;
	HASH_FIND_STR(ds->recalled_notices, k->text, r);
	return r != NULL;
}

// The newest line of a kind of news says how it stands, unless its drain has ended since.
static void recall_notice(struct drains *ds, const cJSON *tree)
{
	struct notice n;
	struct drain_recalled_notice *r;
	if (!read_notice(tree, &n))
		return;
	const struct key node = key_of(n.cluster, 'n', n.node),
			 instance = key_of(n.cluster, 'i', n.instance_id),
			 *whose = instance.text[0] ? &instance : &node;
	if (!whose->text[0] || has_ended(ds, &node) || has_ended(ds, &instance))
		return;
	char key[sizeof(r->key)];
	snprintf(key, sizeof(key), "%.330s/%s", whose->text, notice_kind_name(n.kind));
	if (remember(ds, key, &r)) {
		r->notice = n;
		r->over = n.withdrawn;
	}
}

static bool is_marked(const struct drains *ds, const struct notice *n)
{
	const struct fleet_node *f = fleet_nodes(ds->o.fleet);
	for (; f; f = f->hh.next)
		if (strcmp(f->cluster, n->cluster) == 0 && f->drain &&
			(n->node[0] ? strcmp(f->name, n->node) == 0
				    : strcmp(f->instance_id, n->instance_id) == 0))
			return true;
	return false;
}

// Until when it may not have been acted upon, whether or not it gives a deadline. What is
// voluntary and has begun stands on the node: a person may have un-cordoned it since.
static bool still_counts(const struct drains *ds, const struct notice *n, int64_t now_ms)
{
	const struct drain_policy *p = &ds->o.policy;
	if (n->deadline_ms > now_ms)
		return true;
	if (drain_kind_forced((enum drain_kind)n->kind))
		return n->observed_ms + p->interruption_ms > now_ms;
	return n->observed_ms + p->keep_marked_ms > now_ms && !is_marked(ds, n);
}

void drains_take_recalled(struct drains *ds, const char *cluster, int64_t now_ms)
{
	struct drain_recalled_notice *r, *next;
	HASH_ITER (hh, ds->recalled_notices, r, next) {
		bool ours = r->over || strcmp(r->notice.cluster, cluster) == 0;
		if (!ours)
			continue;
		HASH_DEL(ds->recalled_notices, r);
		if (!r->over && still_counts(ds, &r->notice, now_ms))
			drains_notice(ds, &r->notice, now_ms, NULL);
		free(r);
	}
}

void drains_forget_recalled(struct drains *ds)
{
	struct drain_recalled *r, *r_next;
	HASH_ITER (hh, ds->recalled, r, r_next) {
		HASH_DEL(ds->recalled, r);
		free(r);
	}
	struct drain_recalled_notice *n, *n_next;
	HASH_ITER (hh, ds->recalled_notices, n, n_next) {
		HASH_DEL(ds->recalled_notices, n);
		free(n);
	}
}

void drains_recall(struct drains *ds, const char *kind, const char *id, const char *json)
{
	bool intent = strcmp(kind, "intent") == 0, notice = strcmp(kind, "notice") == 0,
	     ended = strcmp(kind, "drain") == 0;
	if (!intent && !notice && !ended && strcmp(kind, "outcome") != 0)
		return;
	cJSON *tree = cJSON_Parse(json);
	if (ended)
		recall_end(ds, tree);
	else if (notice)
		recall_notice(ds, tree);
	const cJSON *call = cJSON_GetObjectItemCaseSensitive(tree, "call");
	const cJSON *uid = cJSON_GetObjectItemCaseSensitive(tree, "uid");
	const cJSON *r = cJSON_GetObjectItemCaseSensitive(tree, "r");
	bool pod = !notice && !ended && cJSON_IsString(call) && cJSON_IsString(uid) &&
		   (strcmp(call->valuestring, "evict") == 0 ||
			   strcmp(call->valuestring, "delete") == 0);
	if (pod)
		recall(ds, uid->valuestring, !intent && cJSON_IsNumber(r) && r->valuedouble == 0);
	cJSON_Delete(tree);
}
