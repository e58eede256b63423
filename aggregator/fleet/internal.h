// SPDX-License-Identifier: Apache-2.0
// The fleet's tables, for the files of this folder.
#pragma once

#include <stdlib.h>
#include <utlist.h>

#include "aggregator/fleet/fleet.h"

struct fleet_host {                    // the pods of one node
	char key[64 + NAME_MAX_BYTES]; // cluster "/" node
	struct fleet_pod *pods;
	uint64_t change; // of fleet.changes, when something about them changed last
	UT_hash_handle hh;
};

struct fleet_space {       // the budgets of one namespace
	char key[64 + 64]; // cluster "/" namespace
	struct fleet_budget *budgets;
	UT_hash_handle hh;
};

struct fleet {
	struct fleet_options options;
	struct fleet_cluster *clusters;
	struct fleet_group *groups;
	struct fleet_node *nodes;
	struct fleet_pod *pods;
	struct fleet_host *hosts;
	struct fleet_space *spaces;
	struct fleet_budget *budgets;
	struct fleet_workload *workloads;
	size_t refused;
	uint64_t changes;
};

#define FREE_TABLE(head, free_item)                                                                \
	do {                                                                                       \
		__typeof__(head) item, next;                                                       \
		HASH_ITER (hh, head, item, next) {                                                 \
			HASH_DEL(head, item);                                                      \
			free_item(item);                                                           \
		}                                                                                  \
	} while (0)

void fleet_free_guests(struct fleet *f);
