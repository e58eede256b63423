// SPDX-License-Identifier: Apache-2.0
// What the files of store share; not for others.
//
// store.c entities, put, tick · query.c ranges · document.c documents · live.c the last minutes in
// memory · record.c one record · grid.c averaging.
#pragma once

#include "aggregator/store/live.h"
#include "aggregator/store/store.h"

#include <uthash.h>

struct store_cluster {
	struct store *store;
	UT_hash_handle hh;
	char name[];
};

struct store_entity {
	struct store_cluster *cluster;
	struct store_live live;
	int64_t touched_ms; // last put or lookup
	enum entity_kind kind;
	UT_hash_handle hh; // by "cluster/name" in store->kinds[kind]
	uint16_t name_at;  // where the name begins in key
	char key[];
};

struct store_document {
	void *data;
	size_t len;
	UT_hash_handle hh;
	char key[];
};

struct store {
	struct store_options o;
	struct store_cluster *clusters;
	struct store_entity *kinds[ENTITY_KIND_COUNT];
	int64_t now_ms, started_ms; // of the newest and the first tick, 0 before it
	size_t live_bytes;
	int64_t fine_ms; // how far back the live window is unthinned
	struct store_record scratch;
	struct store_document *documents;
	struct store_stats stats;
};

void store_documents_done(struct store *s);
