// SPDX-License-Identifier: Apache-2.0
// One hash table per kind from a key (a pod's uid, else namespace/name) to a small record. A list
// stamps what it sees; at its end whatever has an older stamp is gone.
#include "aggregator/kube/mirror.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "aggregator/kube/objects.h"
#include "proto/base/text.h"

enum { MAX_KEY = 64 + NAME_MAX_BYTES, MAX_SCRATCH = OBJECT_MAX_LABELS_BYTES };
enum { MAX_TAINTS_BYTES = 256 << 10 };

struct known {
	UT_hash_handle hh;
	uint32_t stamp;
	bool attached; // of a volume
	union {
		struct mirror_node *node;
		char *owner;             // of a ReplicaSet: its Deployment, NULL if none
		char *volume_on;         // the volume's node
		struct {                 // of a lease
			uint64_t record; // hash of what it said
			int64_t changed_ms;
		} lease;
	};
	char key[];
};

struct volumes { // of one node
	UT_hash_handle hh;
	uint32_t attached;
	char node[];
};

struct mirror {
	struct kube_sink sink;
	struct known *known[MIRROR_KIND_COUNT];
	struct volumes *volumes;
	uint32_t stamps[MIRROR_KIND_COUNT];
	uint64_t refused;
	struct buf scratch;
};

int mirror_new(struct mirror **ret, const struct kube_sink *sink)
{
	struct mirror *m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->sink = *sink;
	buf_init(&m->scratch, MAX_SCRATCH);
	*ret = m;
	return 0;
}

static struct known *find(const struct mirror *m, enum mirror_kind kind, const char *key)
{
	struct known *k;
	HASH_FIND(hh, m->known[kind], key, strlen(key), k);
	return k;
}

static void node_free(struct mirror_node *n)
{
	if (!n)
		return;
	free((char *)n->node.drain);
	free(n->version);
	free(n->taints);
	free(n);
}

static void forget(struct mirror *m, enum mirror_kind kind, struct known *k)
{
	HASH_DEL(m->known[kind], k);
	if (kind == MIRROR_NODES)
		node_free(k->node);
	else if (kind == MIRROR_REPLICASETS)
		free(k->owner);
	else if (kind == MIRROR_VOLUMES)
		free(k->volume_on);
	free(k);
}

void mirror_free(struct mirror *m)
{
	struct volumes *v, *next_v;
	if (!m)
		return;
	for (int kind = 0; kind < MIRROR_KIND_COUNT; kind++) {
		struct known *k, *next;
		HASH_ITER (hh, m->known[kind], k, next) {
			forget(m, (enum mirror_kind)kind, k);
		}
	}
	HASH_ITER (hh, m->volumes, v, next_v) {
		HASH_DEL(m->volumes, v);
		free(v);
	}
	buf_done(&m->scratch);
	free(m);
}

static int key_of(enum mirror_kind kind, const struct object_id *id, char ret[MAX_KEY])
{
	int n = kind == MIRROR_PODS ? snprintf(ret, MAX_KEY, "%s", id->uid)
		: id->namespace_[0] && kind != MIRROR_LEASES
			? snprintf(ret, MAX_KEY, "%s/%s", id->namespace_, id->name)
			: snprintf(ret, MAX_KEY, "%s", id->name);
	return n > 0 && n < MAX_KEY ? 0 : -EINVAL;
}

static struct known *know(struct mirror *m, enum mirror_kind kind, const char *key)
{
	struct known *k = find(m, kind, key);
	size_t len = strlen(key);
	if (!k) {
		k = calloc(1, sizeof(*k) + len + 1);
		if (!k)
			return NULL;
		memcpy(k->key, key, len + 1);
		HASH_ADD(hh, m->known[kind], key, len, k);
	}
	k->stamp = m->stamps[kind];
	return k;
}

// ---- nodes and their leases

static void tell_node(struct mirror *m, struct mirror_node *n)
{
	const struct known *lease = find(m, MIRROR_LEASES, n->node.name);
	n->node.lease_ms = lease ? lease->lease.changed_ms : 0;
	if (m->sink.on_node)
		m->sink.on_node(m->sink.arg, &n->node);
}

// The list as it is, so that it can be sent back with nothing lost.
static char *taints_text(const cJSON *o)
{
	const cJSON *taints = object_at(o, "spec.taints");
	if (!taints || cJSON_IsNull(taints))
		return strdup("[]");
	char *text = cJSON_IsArray(taints) ? cJSON_PrintUnformatted(taints) : NULL;
	if (text && strlen(text) > MAX_TAINTS_BYTES) {
		cJSON_free(text);
		return NULL;
	}
	return text;
}

static struct mirror_node *node_of(const cJSON *o)
{
	struct mirror_node *n = calloc(1, sizeof(*n));
	const char *version = object_text(o, "metadata.resourceVersion");
	if (!n || object_node(o, &n->node) < 0) {
		free(n);
		return NULL;
	}
	n->node.drain = strdup(n->node.drain);
	n->version = version ? strdup(version) : NULL;
	n->taints = taints_text(o);
	if (n->node.drain)
		return n;
	node_free(n);
	return NULL;
}

static int take_node(struct mirror *m, struct known *k, const cJSON *o)
{
	struct mirror_node *n = node_of(o);
	if (!n)
		return -EINVAL;
	node_free(k->node);
	k->node = n;
	tell_node(m, n);
	return 0;
}

static uint64_t hash_text(const char *text)
{
	uint64_t h = 14695981039346656037ULL; // FNV-1a
	for (; text && *text; text++)
		h = (h ^ (unsigned char)*text) * 1099511628211ULL;
	return h;
}

static int take_lease(struct mirror *m, struct known *k, const cJSON *o, int64_t now_ms)
{
	uint64_t record = hash_text(object_text(o, "spec.renewTime"));
	if (k->lease.changed_ms != 0 && k->lease.record == record)
		return 0;
	k->lease.record = record;
	k->lease.changed_ms = now_ms;
	struct known *node = find(m, MIRROR_NODES, k->key);
	if (node && node->node)
		tell_node(m, node->node);
	return 0;
}

const struct mirror_node *mirror_node(const struct mirror *m, const char *name)
{
	const struct known *k = find(m, MIRROR_NODES, name);
	return k ? k->node : NULL;
}

void mirror_answer(struct mirror *m, const char *version, const cJSON *object)
{
	const char *name = object_text(object, "metadata.name");
	struct known *k = name ? find(m, MIRROR_NODES, name) : NULL;
	if (!k || !k->node || !k->node->version || strcmp(k->node->version, version) != 0)
		return;
	take_node(m, k, object);
}

// ---- pods

static int take_pod(struct mirror *m, const cJSON *o)
{
	struct kube_pod p;
	char key[MAX_KEY];
	int r = object_pod(o, &m->scratch, &p);
	if (r < 0)
		return r;
	if (p.controller == KUBE_BY_REPLICASET) {
		snprintf(key, sizeof(key), "%s/%s", p.namespace_, p.workload);
		const struct known *set = find(m, MIRROR_REPLICASETS, key);
		char deployment[NAME_MAX_BYTES];
		const char *owner = set ? set->owner : NULL;
		if (!set && object_deployment_of(p.workload, p.labels, deployment))
			owner = deployment;
		if (owner) {
			p.controller = KUBE_BY_DEPLOYMENT;
			text_copy(p.workload, sizeof(p.workload), owner);
		}
	}
	if (m->sink.on_pod)
		m->sink.on_pod(m->sink.arg, &p);
	return 0;
}

// ---- workloads and budgets

static enum kube_controller controller(enum mirror_kind kind)
{
	return kind == MIRROR_DEPLOYMENTS    ? KUBE_BY_DEPLOYMENT
	       : kind == MIRROR_STATEFULSETS ? KUBE_BY_STATEFULSET
					     : KUBE_BY_REPLICASET;
}

static int take_workload(struct mirror *m, enum mirror_kind kind, struct known *k, const cJSON *o)
{
	struct kube_workload w;
	const char *owner;
	int r = object_workload(o, controller(kind), &w, &owner);
	if (r < 0)
		return r;
	if (kind == MIRROR_REPLICASETS) {
		free(k->owner);
		k->owner = owner ? strdup(owner) : NULL;
		if (owner)
			return k->owner ? 0 : -ENOMEM;
	}
	if (m->sink.on_workload)
		m->sink.on_workload(m->sink.arg, &w);
	return 0;
}

static int take_budget(struct mirror *m, const cJSON *o)
{
	struct kube_budget b;
	int r = object_budget(o, &m->scratch, &b);
	if (r == 0 && m->sink.on_budget)
		m->sink.on_budget(m->sink.arg, &b);
	return r;
}

// ---- volumes

static void count_volume(struct mirror *m, const char *node, int change)
{
	struct volumes *v;
	size_t len = strlen(node);
	HASH_FIND(hh, m->volumes, node, len, v);
	if (!v) {
		v = calloc(1, sizeof(*v) + len + 1);
		if (!v)
			return;
		memcpy(v->node, node, len + 1);
		HASH_ADD(hh, m->volumes, node, len, v);
	}
	v->attached += (uint32_t)change;
	if (m->sink.on_volumes)
		m->sink.on_volumes(m->sink.arg, v->node, v->attached);
	if (v->attached == 0) {
		HASH_DEL(m->volumes, v);
		free(v);
	}
}

static void volume_off(struct mirror *m, struct known *k)
{
	if (k->attached)
		count_volume(m, k->volume_on, -1);
	k->attached = false;
}

static int take_volume(struct mirror *m, struct known *k, const cJSON *o)
{
	struct object_attachment a;
	int r = object_attachment(o, &a);
	if (r < 0)
		return r;
	if (k->attached && a.attached && strcmp(k->volume_on, a.node) == 0)
		return 0;
	volume_off(m, k);
	free(k->volume_on);
	k->volume_on = strdup(a.node);
	k->attached = a.attached && k->volume_on;
	if (k->attached)
		count_volume(m, k->volume_on, 1);
	return k->volume_on ? 0 : -ENOMEM;
}

// ---- all kinds

static int take(struct mirror *m, enum mirror_kind kind, struct known *k, const cJSON *o)
{
	switch (kind) {
	case MIRROR_NODES: return take_node(m, k, o);
	case MIRROR_PODS: return take_pod(m, o);
	case MIRROR_BUDGETS: return take_budget(m, o);
	case MIRROR_VOLUMES: return take_volume(m, k, o);
	default: return take_workload(m, kind, k, o);
	}
}

int mirror_take(struct mirror *m, enum mirror_kind kind, const cJSON *object, int64_t now_ms)
{
	struct object_id id;
	char key[MAX_KEY];
	int r = object_id(object, &id);
	if (r == 0)
		r = key_of(kind, &id, key);
	bool known_before = r == 0 && find(m, kind, key);
	struct known *k = r == 0 ? know(m, kind, key) : NULL;
	if (r == 0 && !k)
		return -ENOMEM;
	if (r == 0)
		r = kind == MIRROR_LEASES ? take_lease(m, k, object, now_ms)
					  : take(m, kind, k, object);
	m->refused += r == -EINVAL;
	if (r < 0 && k && !known_before)
		forget(m, kind, k); // never told, so it cannot go
	return r;
}

static void tell_name_gone(struct mirror *m, enum mirror_kind kind, const char *key)
{
	char namespace_[64];
	const char *slash = strchr(key, '/');
	size_t len = slash ? (size_t)(slash - key) : 0;
	if (!slash || len >= sizeof(namespace_))
		return;
	memcpy(namespace_, key, len);
	namespace_[len] = '\0';
	if (kind == MIRROR_BUDGETS && m->sink.on_budget_gone)
		m->sink.on_budget_gone(m->sink.arg, namespace_, slash + 1);
	if (kind != MIRROR_BUDGETS && m->sink.on_workload_gone)
		m->sink.on_workload_gone(m->sink.arg, controller(kind), namespace_, slash + 1);
}

static void tell_gone(struct mirror *m, enum mirror_kind kind, struct known *k)
{
	switch (kind) {
	case MIRROR_NODES:
		if (m->sink.on_node_gone)
			m->sink.on_node_gone(m->sink.arg, k->key);
		break;
	case MIRROR_PODS:
		if (m->sink.on_pod_gone)
			m->sink.on_pod_gone(m->sink.arg, k->key);
		break;
	case MIRROR_VOLUMES: volume_off(m, k); break;
	case MIRROR_LEASES: break;
	case MIRROR_REPLICASETS:
		if (!k->owner)
			tell_name_gone(m, kind, k->key);
		break;
	default: tell_name_gone(m, kind, k->key);
	}
}

void mirror_begin(struct mirror *m, enum mirror_kind kind)
{
	m->stamps[kind]++;
}

void mirror_end(struct mirror *m, enum mirror_kind kind)
{
	struct known *k, *next;
	HASH_ITER (hh, m->known[kind], k, next) {
		if (k->stamp == m->stamps[kind])
			continue;
		tell_gone(m, kind, k);
		forget(m, kind, k);
	}
}

void mirror_remove(struct mirror *m, enum mirror_kind kind, const cJSON *object)
{
	struct object_id id;
	char key[MAX_KEY];
	if (object_id(object, &id) < 0 || key_of(kind, &id, key) < 0)
		return;
	struct known *k = find(m, kind, key);
	if (!k)
		return;
	tell_gone(m, kind, k);
	forget(m, kind, k);
}

size_t mirror_count(const struct mirror *m, enum mirror_kind kind)
{
	return HASH_COUNT(m->known[kind]);
}

uint64_t mirror_refused(const struct mirror *m)
{
	return m->refused;
}
