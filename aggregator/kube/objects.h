// SPDX-License-Identifier: Apache-2.0
// From the JSON of one Kubernetes object to what kube.h tells. Pure.
//
// Objects come from other people: a name or uid that cannot be one makes the whole object
// -EINVAL; anything else that makes no sense (a quantity, a time, a label of no known value) is
// taken as absent. Texts that ret borrows live in the object's tree or in scratch, whichever was
// given. Sources: the published API types of core/v1, apps/v1, policy/v1, storage/v1,
// coordination.k8s.io/v1; labels of EKS, eksctl and Karpenter.
#pragma once

#include "aggregator/kube/kube.h"
#include "proto/base/buf.h"

struct cJSON;

enum { OBJECT_MAX_LABELS_BYTES = 64 << 10, OBJECT_MAX_DRAIN_BYTES = 8 << 10 };

// "metadata.name" of an object; NULL if the path leads nowhere. No key in it may hold a point.
const struct cJSON *object_at(const struct cJSON *o, const char *path);
const char *object_text(const struct cJSON *o, const char *path); // NULL if it is no text

// Whether text may be a name or a label's value: what may also stand in a path as it is.
bool object_is_name(const char *text); // NULL: no

struct object_id {
	const char *namespace_, *name, *uid; // borrowed; namespace_ "" for cluster objects
};
int object_id(const struct cJSON *o, struct object_id *ret);

int object_node(const struct cJSON *o, struct kube_node *ret); // without lease_ms
// The pod's controller as its owner reference says it: a ReplicaSet stays a ReplicaSet, but see
// object_deployment_of().
int object_pod(const struct cJSON *o, struct buf *scratch, struct kube_pod *ret);
int object_budget(const struct cJSON *o, struct buf *scratch, struct kube_budget *ret);
// kind is what the list is of. For a ReplicaSet *ret_owner is its Deployment's name, else NULL.
int object_workload(const struct cJSON *o, enum kube_controller kind, struct kube_workload *ret,
	const char **ret_owner);

// The Deployment of a ReplicaSet that has not been seen: the Deployment controller names them
// DEPLOYMENT-HASH and puts the label pod-template-hash=HASH on the pods. False if it is not so.
bool object_deployment_of(const char *replicaset, const char *labels, char ret[NAME_MAX_BYTES]);

struct object_attachment { // VolumeAttachment
	char name[NAME_MAX_BYTES], node[NAME_MAX_BYTES];
	bool attached;
};
int object_attachment(const struct cJSON *o, struct object_attachment *ret);
