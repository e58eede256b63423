// SPDX-License-Identifier: Apache-2.0
// The view that a decision is made from: what fleet, store and outlooks say about one cluster at
// one instant, as plain values.
#pragma once

#include "aggregator/decide/decide.h"
#include "aggregator/fleet/fleet.h"
#include "aggregator/forecast/service/service.h"
#include "aggregator/store/store.h"

struct view_sources { // borrowed
	struct fleet *fleet;
	struct store *store;
	struct service *service;
	bool paused;
	int64_t now_ms;
};

// Fills groups[0..max) and the view that borrows them; returns the number of groups of the cluster
// (which may be more than max: the rest is left out).
size_t view_cluster(const struct view_sources *from, const struct fleet_cluster *c,
	struct group_view *groups, size_t max, struct cluster_view *ret);
