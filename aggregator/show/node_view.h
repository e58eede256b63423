// SPDX-License-Identifier: Apache-2.0
// A node as people see it: the figures of its newest sample in comparable units.
//
// -1 means unknown everywhere. Scheduler and block histograms come only from windows in which their
// programs were on (1 s in 10 by default); what was seen there stays valid for
// NODE_VIEW_HOLD_MS, so that a duty-cycled figure does not flicker. The memory that this needs is
// kept per node by node_memory_update(), once a second for every node of the fleet, and forgotten
// with the node. Thread: the loop.
#pragma once

#include "aggregator/fleet/fleet.h"
#include "aggregator/store/store.h"

#include <stdbool.h>
#include <stdint.h>

enum { NODE_VIEW_HOLD_MS = 30000 };

struct node_view {
	bool known; // there is a sample within the store's live window
	int64_t age_ms;
	int64_t capacity_millicores, usage_millicores, demand_low_millicores,
		demand_high_millicores, requested_millicores;
	int64_t cpu_permille, demand_high_permille, mem_permille;
	int64_t psi_cpu_permille, psi_io_permille, psi_mem_permille;
	int64_t runq_p99_ns, block_p99_ns;
	double retransmits_per_s; // NAN unknown
	bool saturated;
};

extern const struct node_view node_view_unknown;

// What the streams last said about a node, and the held figures.
struct node_memory {
	char key[64 + NAME_MAX_BYTES];
	int64_t hists_ms, block_ms; // when the held figures were seen, 0 never
	int64_t runq_p99_ns, block_p99_ns;
	bool said;       // the streams know this node
	int64_t seen_ms; // by the last node_memory_update()
	struct node_said {
		enum node_state state;
		bool saturated;
		int32_t cpu_permille, demand_high_permille, psi_io_permille;
		int64_t runq_p99_us;
	} last;
	UT_hash_handle hh;
};

// memory may be NULL (then there are no held figures).
void node_view_get(struct store *s, const struct fleet_node *n, const struct node_memory *memory,
	int64_t now_ms, struct node_view *ret);
// Figures of any scope (a pod's too) over node_view_unknown.
void node_view_scope(const struct scope *v, uint32_t window_ms, struct node_view *ret);

// Refreshes the held figures of all nodes and forgets nodes that the fleet has forgotten.
// -ENOMEM: some nodes are not remembered, nothing is lost but their held figures.
int node_memory_update(struct node_memory **all, struct fleet *f, struct store *s, int64_t now_ms);
struct node_memory *node_memory_find(struct node_memory *all, const char *key);
void node_memory_free(struct node_memory **all);
