// SPDX-License-Identifier: Apache-2.0
// One real cluster: its API server, what its watch tells the fleet, and who leads there.
//
// The kube client, the Lease and the adapter to the fleet belong together: only the leader's calls
// leave this process, and only what a full watch has told is a reason for one. Thread: the loop.
// Ownership: borrows fleet and config, which outlive cluster_stop()'s on_stopped.
#pragma once

#include <uv.h>

#include "aggregator/config.h"
#include "aggregator/fleet/fleet.h"
#include "aggregator/kube/client.h"
#include "aggregator/kube/leader.h"
#include "aggregator/kube/rights.h"
#include "proto/base/why.h"

struct cluster;
struct cluster_doors {
	struct fleet *fleet;
	void (*on_synced)(void *arg, const char *cluster); // the watch is complete
	void (*on_node)(void *arg, const struct fleet_node *n);
	void *arg;
};
// The first of config->clusters; nothing is heard before cluster_watch(). -EINVAL, -ENOENT…:
// credentials or settings, see why.
int cluster_start(struct cluster **ret, uv_loop_t *loop, const struct cluster_doors *doors,
	const struct aggregator_config *config, struct why *why);
int cluster_watch(struct cluster *c);
struct kube cluster_kube(struct cluster *c);
void cluster_stop(struct cluster *c, void (*on_stopped)(void *arg), void *arg);
void cluster_stats(const struct cluster *c, struct kube_client_stats *ret);
// What the account may not do, asked when the watch is complete and every ten minutes after.
void cluster_rights(const struct cluster *c, struct kube_rights_stats *ret);
void cluster_tick(struct cluster *c, int64_t now_ms); // call now and then
bool cluster_leads(const struct cluster *c);
// How far this machine's clock is ahead of the API server's; 0: they agree.
int64_t cluster_clock_ahead_ms(const struct cluster *c);
// Who leads by the Lease: "" nobody, or not known.
const char *cluster_leader(const struct cluster *c);
