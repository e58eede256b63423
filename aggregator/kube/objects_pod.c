// SPDX-License-Identifier: Apache-2.0
// Pods.
#include "aggregator/kube/objects.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "aggregator/kube/quantity.h"
#include "aggregator/kube/selector.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"

struct request {
	int64_t millicores, mem_bytes;
};

static int64_t add(int64_t a, int64_t b)
{
	int64_t sum;
	return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static struct request plus(struct request a, struct request b)
{
	return (struct request){add(a.millicores, b.millicores), add(a.mem_bytes, b.mem_bytes)};
}

static struct request larger(struct request a, struct request b)
{
	return (struct request){a.millicores > b.millicores ? a.millicores : b.millicores,
		a.mem_bytes > b.mem_bytes ? a.mem_bytes : b.mem_bytes};
}

static int64_t amount(const cJSON *list, const char *key, int (*parse)(const char *, int64_t *))
{
	int64_t n;
	const char *text = object_text(list, key);
	return text && parse(text, &n) == 0 ? n : 0;
}

static struct request request_of(const cJSON *list)
{
	return (struct request){
		amount(list, "cpu", quantity_millis), amount(list, "memory", quantity_whole)};
}

// What the scheduler counts (k8s.io/component-helpers resource.PodRequests): containers and
// sidecars together, or the largest moment of the start, whichever is more; plus the overhead. A
// request of the whole pod replaces the sum.
static struct request requests_of(const cJSON *spec)
{
	struct request run = {0}, sidecars = {0}, start = {0};
	const cJSON *c;
	cJSON_ArrayForEach (c, object_at(spec, "containers")) {
		run = plus(run, request_of(object_at(c, "resources.requests")));
	}
	cJSON_ArrayForEach (c, object_at(spec, "initContainers")) {
		const char *restart = object_text(c, "restartPolicy");
		struct request one = request_of(object_at(c, "resources.requests"));
		struct request moment = plus(sidecars, one);
		if (restart && strcmp(restart, "Always") == 0)
			sidecars = moment;
		start = larger(start, moment);
	}
	struct request all = larger(plus(run, sidecars), start);
	const cJSON *whole = object_at(spec, "resources.requests");
	if (object_at(whole, "cpu") && object_text(whole, "cpu"))
		all.millicores = request_of(whole).millicores;
	if (object_at(whole, "memory") && object_text(whole, "memory"))
		all.mem_bytes = request_of(whole).mem_bytes;
	return plus(all, request_of(object_at(spec, "overhead")));
}

static bool has_claim(const cJSON *spec)
{
	const cJSON *v;
	cJSON_ArrayForEach (v, object_at(spec, "volumes")) {
		if (object_at(v, "persistentVolumeClaim") ||
			object_at(v, "ephemeral.volumeClaimTemplate"))
			return true;
	}
	return false;
}

static enum kube_controller controller_of(const char *api, const char *kind)
{
	static const struct {
		const char *group, *kind;
		enum kube_controller is;
	} kinds[] = {
		{"apps/", "ReplicaSet", KUBE_BY_REPLICASET},
		{"apps/", "StatefulSet", KUBE_BY_STATEFULSET},
		{"apps/", "DaemonSet", KUBE_BY_DAEMONSET},
		{"batch/", "Job", KUBE_BY_JOB},
		{"v1", "Node", KUBE_BY_NODE},
	};
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		if (strcmp(kind, kinds[k].kind) == 0 &&
			strncmp(api, kinds[k].group, strlen(kinds[k].group)) == 0)
			return kinds[k].is;
	}
	return KUBE_BY_OTHER;
}

static void take_owner(const cJSON *meta, struct kube_pod *p)
{
	const cJSON *owner;
	text_copy(p->workload, sizeof(p->workload), p->name);
	cJSON_ArrayForEach (owner, object_at(meta, "ownerReferences")) {
		const char *api = object_text(owner, "apiVersion");
		const char *kind = object_text(owner, "kind"), *name = object_text(owner, "name");
		if (!cJSON_IsTrue(object_at(owner, "controller")) || !api || !kind ||
			!object_is_name(name))
			continue;
		p->controller = controller_of(api, kind);
		if (p->controller != KUBE_BY_NODE)
			text_copy(p->workload, sizeof(p->workload), name);
	}
	if (cJSON_GetObjectItemCaseSensitive(
		    object_at(meta, "annotations"), "kubernetes.io/config.mirror"))
		p->controller = KUBE_BY_NODE;
}

static void take_status(const cJSON *status, struct kube_pod *p)
{
	static const char *const phases[] = {"Pending", "Running", "Succeeded", "Failed"};
	const char *phase = object_text(status, "phase");
	const cJSON *c;
	p->phase = phase ? KUBE_RUNNING : KUBE_PENDING; // "Unknown" was running when last seen
	for (int k = 0; phase && k < 4; k++) {
		if (strcmp(phase, phases[k]) == 0)
			p->phase = (enum kube_phase)k;
	}
	cJSON_ArrayForEach (c, object_at(status, "conditions")) {
		const char *type = object_text(c, "type"), *is = object_text(c, "status");
		if (type && is && strcmp(type, "Ready") == 0)
			p->ready = strcmp(is, "True") == 0;
	}
}

static double number_at(const cJSON *o, const char *path, double otherwise)
{
	const cJSON *n = object_at(o, path);
	return cJSON_IsNumber(n) ? cJSON_GetNumberValue(n) : otherwise;
}

static void take_spec(const cJSON *spec, struct kube_pod *p)
{
	const char *node = object_text(spec, "nodeName");
	const char *class = object_text(spec, "priorityClassName");
	if (object_is_name(node))
		text_copy(p->node, sizeof(p->node), node);
	p->critical = class && (strcmp(class, "system-cluster-critical") == 0 ||
				       strcmp(class, "system-node-critical") == 0);
	double priority = number_at(spec, "priority", 0);
	p->priority = priority > INT32_MAX   ? INT32_MAX
		      : priority < INT32_MIN ? INT32_MIN
					     : (int32_t)priority;
	double grace = number_at(spec, "terminationGracePeriodSeconds", 30);
	p->grace_s = grace > UINT32_MAX ? UINT32_MAX : grace < 0 ? 0 : (uint32_t)grace;
	p->volumes = has_claim(spec);
	struct request r = requests_of(spec);
	p->request_millicores = r.millicores;
	p->request_mem_bytes = r.mem_bytes;
}

int object_pod(const cJSON *o, struct buf *scratch, struct kube_pod *ret)
{
	struct object_id id;
	const cJSON *meta = object_at(o, "metadata");
	int r = object_id(o, &id);
	if (r < 0 || !id.namespace_[0])
		return -EINVAL;
	*ret = (struct kube_pod){0};
	text_copy(ret->uid, sizeof(ret->uid), id.uid);
	text_copy(ret->namespace_, sizeof(ret->namespace_), id.namespace_);
	text_copy(ret->name, sizeof(ret->name), id.name);
	take_owner(meta, ret);
	take_spec(object_at(o, "spec"), ret);
	take_status(object_at(o, "status"), ret);
	const char *deleting = object_text(meta, "deletionTimestamp");
	if (deleting && clock_parse(deleting, &ret->deleting_ms) < 0)
		ret->deleting_ms = 0;
	buf_reset(scratch);
	if (labels_print(object_at(meta, "labels"), scratch) < 0)
		return -EINVAL;
	ret->labels = scratch->data;
	return 0;
}

bool object_deployment_of(const char *replicaset, const char *labels, char ret[NAME_MAX_BYTES])
{
	static const char key[] = "pod-template-hash=";
	const char *at = strncmp(labels, key, sizeof(key) - 1) == 0 ? labels : NULL;
	for (const char *line = labels; !at && (line = strchr(line, '\n'));) {
		line++;
		if (strncmp(line, key, sizeof(key) - 1) == 0)
			at = line;
	}
	if (!at)
		return false;
	at += sizeof(key) - 1;
	size_t hash = strcspn(at, "\n"), len = strlen(replicaset);
	if (hash == 0 || len < hash + 2 || len >= NAME_MAX_BYTES ||
		memcmp(replicaset + len - hash, at, hash) != 0 || replicaset[len - hash - 1] != '-')
		return false;
	memcpy(ret, replicaset, len - hash - 1);
	ret[len - hash - 1] = '\0';
	return true;
}
