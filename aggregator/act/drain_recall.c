// SPDX-License-Identifier: Apache-2.0
// What this replica's own journal still knows of evictions, after a restart: accepted ones are not
// asked for again, and what was asked without an answer is given time to show in the watch.
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

void drains_recall(struct drains *ds, const char *kind, const char *id, const char *json)
{
	bool intent = strcmp(kind, "intent") == 0;
	if (!intent && strcmp(kind, "outcome") != 0)
		return;
	cJSON *tree = cJSON_Parse(json);
	const cJSON *call = cJSON_GetObjectItemCaseSensitive(tree, "call");
	const cJSON *uid = cJSON_GetObjectItemCaseSensitive(tree, "uid");
	const cJSON *r = cJSON_GetObjectItemCaseSensitive(tree, "r");
	bool pod = cJSON_IsString(call) && cJSON_IsString(uid) &&
		   (strcmp(call->valuestring, "evict") == 0 ||
			   strcmp(call->valuestring, "delete") == 0);
	if (pod)
		recall(ds, uid->valuestring, !intent && cJSON_IsNumber(r) && r->valuedouble == 0);
	cJSON_Delete(tree);
}
