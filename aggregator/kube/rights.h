// SPDX-License-Identifier: Apache-2.0
// Which of the rights that the aggregator needs its account has, asked before they are needed.
//
// A right that is missing shows by itself only when a node has to be cordoned or a pod evicted,
// which is the worst moment. SelfSubjectAccessReview, which every authenticated account may create,
// answers beforehand; one review at a time, at the lowest priority, about twenty in a round. The
// table is deploy/manifests/20-rbac.yaml. Ownership: borrows the client; free it after the client
// has stopped. Thread: the loop.
#pragma once

#include "aggregator/kube/client.h"

struct kube_rights;
// lease: the namespace and name of the leader's Lease; copied.
int kube_rights_new(struct kube_rights **ret, struct kube_client *c, const char *lease_namespace,
	const char *lease_name);
void kube_rights_ask(struct kube_rights *r); // begins a round, if none is under way
void kube_rights_free(struct kube_rights *r);

struct kube_rights_stats {
	size_t rounds, asked, missing; // of the last whole round
	char first[96];                // the first missing one: "patch nodes"
	char without[96];              // what does not work without it
	char where[64];                // "ClusterRole petrel-aggregator"
	char all[160];                 // every missing one, as far as there is room
};
void kube_rights_stats(const struct kube_rights *r, struct kube_rights_stats *ret);
