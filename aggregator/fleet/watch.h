// SPDX-License-Identifier: Apache-2.0
// Takes what a cluster's watch and its cloud tell into the fleet: one adapter for the API server,
// AWS and the simulator.
//
// A node that has gone is kept as NODE_GONE (its history is shown for an hour). What the fleet has
// no room for is counted there. Ownership: the caller's storage, which outlives the watch; borrows
// the fleet. Thread: the loop. Time: what clock() says, so that the simulator's counts.
#pragma once

#include "aggregator/cloud/cloud.h"
#include "aggregator/fleet/fleet.h"
#include "aggregator/kube/kube.h"

struct fleet_watch {
	struct fleet *fleet;
	char cluster[64];
	bool simulated;
	bool synced; // everything that exists has been told once
	int64_t (*clock)(void *arg);
	// Both may be NULL. After the fleet has taken it.
	void (*on_synced)(void *arg, const char *cluster);
	void (*on_node)(void *arg, const struct fleet_node *n);
	void *arg;
};
struct kube_sink fleet_watch_sink(struct fleet_watch *w);
// describe_groups() into the fleet; on_done is ignored: it comes again.
struct cloud_calls fleet_watch_groups(struct fleet_watch *w);
