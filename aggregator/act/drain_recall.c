// SPDX-License-Identifier: Apache-2.0
// What this replica's own journal still knows after a restart. Evictions: accepted ones are not
// asked for again, and what was asked without an answer is given time to show in the watch.
// Notices: who brought one has its receipt and does not bring it again, and the node need not bear
// the mark yet (who led may have died before); so each that is not over is taken once more.
#include <cjson/cJSON.h>
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

static bool read_notice(const cJSON *tree, struct notice *ret)
{
	int kind = 0;
	while (kind < NOTICE_KIND_COUNT &&
		strcmp(notice_kind_name((enum notice_kind)kind), text_of(tree, "kind")) != 0)
		kind++;
	*ret = (struct notice){.kind = (enum notice_kind)kind,
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

// The newest line of a node says how it stands: a notice, or the end of its drain.
static void recall_node(struct drains *ds, const cJSON *tree, bool ended)
{
	struct drain_recalled_notice *r;
	const char *node = text_of(tree, "node");
	HASH_FIND_STR(ds->recalled_notices, node, r);
	if (r || !node[0] || HASH_COUNT(ds->recalled_notices) >= DRAINS_MAX_RECALLED)
		return;
	r = calloc(1, sizeof(*r));
	if (!r)
		return;
	text_copy(r->node, sizeof(r->node), node);
	r->over = ended || !read_notice(tree, &r->notice) || r->notice.withdrawn;
	HASH_ADD_STR(ds->recalled_notices, node, r);
}

void drains_take_recalled(struct drains *ds, const char *cluster, int64_t now_ms)
{
	struct drain_recalled_notice *r, *next;
	HASH_ITER (hh, ds->recalled_notices, r, next) {
		bool ours = r->over || strcmp(r->notice.cluster, cluster) == 0;
		if (!ours)
			continue;
		HASH_DEL(ds->recalled_notices, r);
		// only what is still to come; what is past or open is read off the node
		if (!r->over && r->notice.deadline_ms > now_ms)
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
	if (notice || ended)
		recall_node(ds, tree, ended);
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
