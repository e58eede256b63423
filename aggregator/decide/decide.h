// SPDX-License-Identifier: Apache-2.0
// From what is known to what should be done. Pure: no clock, no I/O, no randomness, no allocation.
//
// The rule, per node group: provision for a quantile of the highest demand within the horizon in
// which a node can be added (from the outlook; the present demand alone where the outlook is not to
// be trusted), at a target utilisation; scale out at once, scale in only when a whole node would
// still be spare after hysteresis. Every step that is taken and every one that is not carries its
// reasons, its inputs and the answers of all guards. The same view, policy and now give a
// byte-equal plan: recorded views are replayed by the simulator, the back-tests and `petrel
// explain`. What the demand means: DESIGN 6. A saturated sample is "at least this": for scale-in
// its upper bound is taken.
#pragma once

#include <stddef.h>

#include "aggregator/decide/plan.h"

struct group_view { // one node group at one instant; a value
	char name[254];
	bool limits_known; // min, max, desired come from the cloud or the simulator
	uint32_t min, max, desired;
	uint32_t nodes, nodes_ready;
	int64_t node_millicores;     // allocatable of one node; 0 if not known
	int64_t node_usd_micro_hour; // 0 if not known
	bool demand_known;
	double demand_low_millicores, demand_high_millicores; // now, summed over its nodes
	uint32_t saturated_nodes;
	// outlook over the horizon; forecast_ok false leaves the present demand as the only guide
	bool forecast_ok;
	char forecast_why[96]; // why not, when not
	int64_t horizon_ms, history_ms;
	double peak_q50_millicores; // quantiles of the maximum within the horizon
	double peak_q95_millicores;
	double loss_ratio_to_naive; // > 1: worse than seasonal naive; 0 if not scored yet
	int64_t oldest_sample_ms;   // age of the oldest among its reporting nodes; -1: none
	uint32_t agents_expected, agents_reporting;
};

struct cluster_view {
	char cluster[64];
	char mode[16];
	bool paused;
	const struct group_view *groups; // borrowed for the call
	size_t n_groups;
};

struct policy {                                // all in one place; defaults by policy_default()
	uint32_t target_utilisation_permille;  // 700: the demand to provision for fills a node to
					       // this
	uint32_t scale_in_hysteresis_permille; // 150: spare on top before a node is given up
	uint32_t max_out_permille;             // 500: most nodes added at once, of the group
	uint32_t max_in_permille;              // 100: most given up at once
	uint32_t coverage_scale_in_permille;   // 900: fewer agents than this: no scale-in
	uint32_t coverage_reactive_permille;   // 800: fewer than this: no forecast either
	int64_t freshness_ms;                  // 60,000: older samples: no scale-in
};
void policy_default(struct policy *ret);

// -E2BIG when there are more groups than PLAN_MAX_STEPS; the rest of the groups is then not
// decided.
int decide(const struct cluster_view *view, const struct policy *policy, int64_t now_ms,
	struct plan *ret);

// guards.c: asks every guard about the step and writes down the answers; true if none objects.
bool guards_ask(const struct cluster_view *view, const struct group_view *g,
	const struct policy *policy, struct plan_step *step);
