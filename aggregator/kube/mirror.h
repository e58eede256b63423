// SPDX-License-Identifier: Apache-2.0
// What the client remembers of a cluster between two lists, and how it tells the sink.
//
// It remembers only what it needs: that an object exists (to name it when it has vanished during a
// break), a node's taints and resourceVersion (so that a change is one request), a ReplicaSet's
// Deployment, a lease's last record, a node's count of attached volumes. A pod costs about 150
// bytes. No I/O: objects come as JSON trees, the time as an argument of each call. Thread: the
// loop. A sink's callback may start calls but must not touch the mirror.
#pragma once

#include "aggregator/kube/kube.h"

struct cJSON;

enum mirror_kind { // in the order in which they are best listed
	MIRROR_NODES,
	MIRROR_REPLICASETS, // before the pods: their Deployments
	MIRROR_DEPLOYMENTS,
	MIRROR_STATEFULSETS,
	MIRROR_BUDGETS,
	MIRROR_PODS,
	MIRROR_VOLUMES,
	MIRROR_LEASES,
	MIRROR_KIND_COUNT,
};

struct mirror_node {
	struct kube_node node; // drain points to this object's own copy
	char *version;         // resourceVersion
	char *taints;          // the list as JSON, "[]" if there is none; NULL: not known
};

struct mirror;
int mirror_new(struct mirror **ret, const struct kube_sink *sink); // copies sink
void mirror_free(struct mirror *m);                                // NULL is fine

// A list: begin, take each item, end (which tells what has gone). Between lists take and remove
// follow the watch. take: -EINVAL for an object that cannot be understood (counted), -ENOMEM.
void mirror_begin(struct mirror *m, enum mirror_kind kind);
int mirror_take(
	struct mirror *m, enum mirror_kind kind, const struct cJSON *object, int64_t now_ms);
void mirror_end(struct mirror *m, enum mirror_kind kind);
void mirror_remove(struct mirror *m, enum mirror_kind kind, const struct cJSON *object);

const struct mirror_node *mirror_node(const struct mirror *m, const char *name); // NULL: unknown
// An answer of the API server shows the node after a change that was made to version: taken if that
// is still what we know, so that an answer never overtakes the watch.
void mirror_answer(struct mirror *m, const char *version, const struct cJSON *object);

size_t mirror_count(const struct mirror *m, enum mirror_kind kind);
uint64_t mirror_refused(const struct mirror *m); // objects that could not be understood
