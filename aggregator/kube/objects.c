// SPDX-License-Identifier: Apache-2.0
// Nodes, and what all objects have in common.
#include "aggregator/kube/objects.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "aggregator/kube/quantity.h"
#include "aggregator/kube/selector.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"

const cJSON *object_at(const cJSON *o, const char *path)
{
	while (o && *path) {
		size_t len = strcspn(path, ".");
		const cJSON *child = cJSON_IsObject(o) ? o->child : NULL;
		while (child && (strncmp(child->string, path, len) != 0 || child->string[len]))
			child = child->next;
		o = child;
		path += len + (path[len] == '.');
	}
	return o;
}

const char *object_text(const cJSON *o, const char *path)
{
	return cJSON_GetStringValue(object_at(o, path));
}

bool object_is_name(const char *text)
{
	return text && !strchr(text, '/') && text_is_name(text, strlen(text), NAME_MAX_BYTES - 1);
}

int object_id(const cJSON *o, struct object_id *ret)
{
	const cJSON *meta = object_at(o, "metadata");
	const char *namespace_ = object_text(meta, "namespace");
	*ret = (struct object_id){.namespace_ = namespace_ ? namespace_ : "",
		.name = object_text(meta, "name"),
		.uid = object_text(meta, "uid")};
	bool ok = object_is_name(ret->name) && object_is_name(ret->uid) && strlen(ret->uid) < 40 &&
		  (!ret->namespace_[0] ||
			  (object_is_name(ret->namespace_) && strlen(ret->namespace_) < 64));
	return ok ? 0 : -EINVAL;
}

static int64_t time_at(const cJSON *o, const char *path)
{
	int64_t ms;
	const char *text = object_text(o, path);
	return text && clock_parse(text, &ms) == 0 && ms > 0 ? ms : 0;
}

static const char *label(const cJSON *o, const char *key)
{
	const cJSON *labels = object_at(o, "metadata.labels");
	const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(labels, key));
	return object_is_name(value) ? value : NULL;
}

// Copies the label, "" if it is absent or too long to be what it should be.
static bool take_label(const cJSON *o, const char *key, char *ret, size_t size)
{
	const char *value = label(o, key);
	if (!value || !text_copy(ret, size, value))
		ret[0] = '\0';
	return ret[0] != '\0';
}

static void take_group(const cJSON *o, struct kube_node *n)
{
	char text[NAME_MAX_BYTES];
	n->managed = take_label(o, "eks.amazonaws.com/nodegroup", n->group, sizeof(n->group));
	if (take_label(o, "karpenter.sh/nodepool", text, sizeof(text)))
		n->owner = KUBE_OWNER_KARPENTER;
	if (!n->group[0])
		take_label(o, "alpha.eksctl.io/nodegroup-name", n->group, sizeof(n->group));
	if (!n->group[0])
		text_copy(n->group, sizeof(n->group), text);
}

static enum capacity_type capacity_of(const char *word)
{
	static const struct {
		const char *word;
		enum capacity_type type;
	} words[] = {
		{"SPOT", CAPACITY_SPOT}, // eks.amazonaws.com/capacityType
		{"ON_DEMAND", CAPACITY_ON_DEMAND},
		{"spot", CAPACITY_SPOT}, // karpenter.sh/capacity-type, lifecycle
		{"on-demand", CAPACITY_ON_DEMAND},
		{"reserved", CAPACITY_ON_DEMAND}, // paid for and not interrupted
		{"normal", CAPACITY_ON_DEMAND},
		{"Ec2Spot", CAPACITY_SPOT}, // bootstrap scripts of old
		{"OnDemand", CAPACITY_ON_DEMAND},
	};
	for (size_t k = 0; word && k < sizeof(words) / sizeof(words[0]); k++) {
		if (strcmp(word, words[k].word) == 0)
			return words[k].type;
	}
	return CAPACITY_UNKNOWN;
}

static void take_capacity(const cJSON *o, struct kube_node *n)
{
	static const char *const keys[] = {"eks.amazonaws.com/capacityType",
		"karpenter.sh/capacity-type", "node.kubernetes.io/lifecycle"};
	for (size_t k = 0; k < 3 && n->capacity == CAPACITY_UNKNOWN; k++)
		n->capacity = capacity_of(label(o, keys[k]));
}

static void take_instance(const cJSON *o, struct kube_node *n)
{
	const char *id = object_text(o, "spec.providerID");
	const char *last = id ? strrchr(id, '/') : NULL;
	last = last ? last + 1 : id;
	if (!object_is_name(last) || !text_copy(n->instance_id, sizeof(n->instance_id), last))
		n->instance_id[0] = '\0';
	take_label(
		o, "node.kubernetes.io/instance-type", n->instance_type, sizeof(n->instance_type));
	take_label(o, "topology.k8s.aws/zone-id", n->zone_id, sizeof(n->zone_id));
	take_label(o, "topology.kubernetes.io/zone", n->zone, sizeof(n->zone));
}

static void take_taints(const cJSON *o, struct kube_node *n)
{
	const cJSON *t;
	cJSON_ArrayForEach (t, object_at(o, "spec.taints")) {
		const char *key = object_text(t, "key");
		if (!key)
			continue;
		if (strcmp(key, "petrel.dev/interruption") == 0)
			n->interruption_taint = true;
		else if (strcmp(key, "node.kubernetes.io/out-of-service") == 0)
			n->out_of_service = true;
		else if (strcmp(key, "ToBeDeletedByClusterAutoscaler") == 0)
			n->owner = KUBE_OWNER_CLUSTER_AUTOSCALER;
	}
}

static void take_conditions(const cJSON *o, struct kube_node *n)
{
	const cJSON *c;
	cJSON_ArrayForEach (c, object_at(o, "status.conditions")) {
		const char *type = object_text(c, "type"), *status = object_text(c, "status");
		if (!type || !status || strcmp(type, "Ready") != 0)
			continue;
		n->ready = strcmp(status, "True") == 0;
		n->ready_changed_ms = time_at(c, "lastTransitionTime");
	}
}

static int64_t amount_at(const cJSON *o, const char *path, int (*parse)(const char *, int64_t *))
{
	int64_t amount;
	const cJSON *item = object_at(o, path);
	char text[32];
	const char *from = cJSON_GetStringValue(item);
	if (cJSON_IsNumber(item)) { // a quantity may be written as a bare number
		snprintf(text, sizeof(text), "%.0f", cJSON_GetNumberValue(item));
		from = text;
	}
	return from && parse(from, &amount) == 0 ? amount : 0;
}

int object_node(const cJSON *o, struct kube_node *ret)
{
	struct object_id id;
	int r = object_id(o, &id);
	if (r < 0)
		return r;
	*ret = (struct kube_node){.drain = ""};
	text_copy(ret->name, sizeof(ret->name), id.name);
	text_copy(ret->uid, sizeof(ret->uid), id.uid);
	take_group(o, ret);
	take_capacity(o, ret);
	take_instance(o, ret);
	take_taints(o, ret);
	take_conditions(o, ret);
	ret->unschedulable = cJSON_IsTrue(object_at(o, "spec.unschedulable"));
	ret->deleting = time_at(o, "metadata.deletionTimestamp") > 0;
	ret->created_ms = time_at(o, "metadata.creationTimestamp");
	ret->allocatable_millicores = amount_at(o, "status.allocatable.cpu", quantity_millis);
	ret->allocatable_mem_bytes = amount_at(o, "status.allocatable.memory", quantity_whole);
	const char *drain = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(
		object_at(o, "metadata.annotations"), "petrel.dev/drain"));
	if (drain && strlen(drain) <= OBJECT_MAX_DRAIN_BYTES)
		ret->drain = drain;
	return 0;
}

int object_attachment(const cJSON *o, struct object_attachment *ret)
{
	struct object_id id;
	const char *node = object_text(o, "spec.nodeName");
	int r = object_id(o, &id);
	if (r < 0 || !object_is_name(node))
		return -EINVAL;
	*ret = (struct object_attachment){
		.attached = cJSON_IsTrue(object_at(o, "status.attached"))};
	text_copy(ret->name, sizeof(ret->name), id.name);
	text_copy(ret->node, sizeof(ret->node), node);
	return 0;
}

static int32_t count_at(const cJSON *o, const char *path, int32_t otherwise)
{
	const cJSON *n = object_at(o, path);
	double value = cJSON_IsNumber(n) ? cJSON_GetNumberValue(n) : otherwise;
	return value < 0 ? 0 : value > INT32_MAX ? INT32_MAX : (int32_t)value;
}

int object_budget(const cJSON *o, struct buf *scratch, struct kube_budget *ret)
{
	struct object_id id;
	int r = object_id(o, &id);
	if (r < 0)
		return r;
	*ret = (struct kube_budget){
		.allowed = count_at(o, "status.disruptionsAllowed", 0),
		.healthy = count_at(o, "status.currentHealthy", 0),
		.desired = count_at(o, "status.desiredHealthy", 0),
		.expected = count_at(o, "status.expectedPods", 0),
	};
	text_copy(ret->namespace_, sizeof(ret->namespace_), id.namespace_);
	text_copy(ret->name, sizeof(ret->name), id.name);
	ret->observed = count_at(o, "status.observedGeneration", 0) ==
			count_at(o, "metadata.generation", 0);
	const char *policy = object_text(o, "spec.unhealthyPodEvictionPolicy");
	ret->always_allow = policy && strcmp(policy, "AlwaysAllow") == 0;
	buf_reset(scratch);
	r = selector_compile(object_at(o, "spec.selector"), scratch);
	ret->selector = scratch->data;
	return r < 0 ? -EINVAL : 0;
}

int object_workload(const cJSON *o, enum kube_controller kind, struct kube_workload *ret,
	const char **ret_owner)
{
	struct object_id id;
	const cJSON *owner;
	int r = object_id(o, &id);
	if (r < 0)
		return r;
	*ret = (struct kube_workload){
		.kind = kind,
		.replicas = count_at(o, "spec.replicas", 1), // the API's default
		.ready = count_at(o, "status.readyReplicas", 0),
	};
	text_copy(ret->namespace_, sizeof(ret->namespace_), id.namespace_);
	text_copy(ret->name, sizeof(ret->name), id.name);
	*ret_owner = NULL;
	cJSON_ArrayForEach (owner, object_at(o, "metadata.ownerReferences")) {
		const char *name = object_text(owner, "name"), *what = object_text(owner, "kind");
		if (cJSON_IsTrue(object_at(owner, "controller")) && object_is_name(name) && what &&
			strcmp(what, "Deployment") == 0)
			*ret_owner = name;
	}
	return 0;
}
