// SPDX-License-Identifier: Apache-2.0
// Who acts: leadership by a Lease (coordination.k8s.io/v1).
//
// Remote clocks are never compared. Whoever does not lead reads the record each retry_ms and may
// take it when it names nobody, or has not changed for its duration since this process saw it
// change (monotonic). The leader writes it each retry_ms, always with the resourceVersion it read
// (a conflict means that another has it), and counts itself leader only until renew_ms after the
// moment at which its last successful write was *sent*: it steps down before anybody may follow,
// also when it was frozen meanwhile. leader_is() answers by the clock alone: ask it right before
// each act (kube_client_gate()). The states:
//
//   follower --record free or silent for lease_ms, write accepted--> leader
//   leader --conflict, another's name, or renew_ms without a write--> follower
//
// Ownership: options are copied; the client must outlive the leader. Thread: the loop.
#pragma once

#include "aggregator/kube/client.h"

struct leader;
struct leader_options {
	const char *namespace_, *name;         // of the Lease
	const char *identity;                  // of this process; unique, and new after a restart
	uint32_t lease_ms, renew_ms, retry_ms; // 0: 15,000, 10,000, 2,000; lease_ms whole seconds
	void (*on_change)(void *arg, bool is_leader);
	void *arg;
};
enum { LEADER_FAST_LEASE_MS = 4000, LEADER_FAST_RENEW_MS = 3000, LEADER_FAST_RETRY_MS = 1000 };

// -EINVAL: no name or identity, or not lease > renew > retry.
int leader_start(struct leader **ret, struct kube_client *c, const struct leader_options *o);
bool leader_is(const struct leader *l, uint64_t now_mono_ns);
const char *leader_holder(const struct leader *l); // as the record says; "" nobody or not known
struct leader_stats {
	uint64_t renewals, failures, changes; // changes: of our own state
	uint64_t valid_until_ns;              // leader_is() ends here; 0: no leader
	int64_t transitions;                  // leaseTransitions of the record
	char trouble[128];
};
void leader_stats(const struct leader *l, struct leader_stats *ret);
// on_change(false) inside if it led, gives the lease back if it is ours (two short requests at
// most), then frees and calls on_stopped (may be NULL) from the loop, before kube_client_stop().
void leader_stop(struct leader *l, void (*on_stopped)(void *arg), void *arg);
