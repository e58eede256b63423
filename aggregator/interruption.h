// SPDX-License-Identifier: Apache-2.0
// The part of the line that drains: which clusters can be acted upon and by whose hands, and what
// reaches the drains.
//
// A notice goes to the drains at once, not at the next tick. A cluster in mode act is driven by its
// kube and cloud themselves, in any other mode by the drivers that only say what they would do
// (act/dry.h). Thread: the loop. Ownership: borrows fleet, audit and config; owns the drains and
// the real cluster.
#pragma once

#include <uv.h>

#include "aggregator/act/drains.h"
#include "aggregator/audit/audit.h"
#include "aggregator/config.h"
#include "aggregator/show/show.h"

struct demo;
struct interruption;
struct interruption_doors {
	void (*on_drain)(void *arg, const struct drain *d, int64_t now_ms); // has changed
	// A notice that has come by way of AWS goes the way of the agents': the line calls
	// interruption_notice() with it and gives back what that says.
	int (*on_notice)(void *arg, const struct notice *n, int64_t now_ms);
	void *arg;
	struct fleet *fleet;
	struct audit *audit;
};
int interruption_start(struct interruption **ret, uv_loop_t *loop,
	const struct interruption_doors *doors, const struct aggregator_config *config,
	struct why *why);
void interruption_stop(struct interruption *i, void (*on_stopped)(void *arg), void *arg);
// Watches the real cluster of the configuration and drains its nodes from when all is known.
int interruption_watch(struct interruption *i, uv_loop_t *loop, struct why *why);
// The demo's cluster can be drained from now on; the demo outlives the interruption.
int interruption_demo(struct interruption *i, struct demo *demo);

// 0: taken. -ENOENT: its node is not known (yet). Else it could not be taken, and was logged.
int interruption_notice(struct interruption *i, const struct notice *n, int64_t now_ms);
void interruption_node(struct interruption *i, const struct fleet_node *n); // of a watch
struct drains *interruption_drains(struct interruption *i);
size_t interruption_links(const struct interruption *i, struct show_link ret[SHOW_MAX_LINKS]);
const char *interruption_leader(const struct interruption *i); // who acts; "" nobody, not known
