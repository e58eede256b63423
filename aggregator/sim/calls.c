// SPDX-License-Identifier: Apache-2.0
#include "aggregator/sim/calls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "proto/base/text.h"

static const char taint_key[] = "petrel.dev/interruption", drain_key[] = "petrel.dev/drain",
		  lb_label[] = "node.kubernetes.io/exclude-from-external-load-balancers";

struct owed {
	struct kube_reply kube;
	struct cloud_reply cloud; // on_done NULL: it is a kube_reply
	int r;
	struct why why;
	char text[64];
	struct owed *prev, *next;
};

static struct owed *owe(struct sim_calls *c, int r)
{
	static struct owed lost; // out of memory: nobody is answered, as by a server that hangs
	struct owed *o = calloc(1, sizeof(*o));
	if (!o)
		return &lost;
	o->r = r;
	DL_APPEND(c->owed, o);
	return o;
}

static void answer_all(struct sim_calls *c, int canceled)
{
	struct owed *list = c->owed;
	c->owed = NULL;
	while (list) {
		struct owed *o = list;
		DL_DELETE(list, o);
		if (canceled)
			o->r = why_set(&o->why, canceled, WHY_RETRY, "stopping");
		if (o->cloud.on_done)
			o->cloud.on_done(o->cloud.arg, o->r, &o->why, o->text);
		else if (o->kube.on_done)
			o->kube.on_done(o->kube.arg, o->r, &o->why, 0);
		free(o);
	}
}

void calls_answer(struct sim_calls *c)
{
	answer_all(c, 0);
}

void calls_done(struct sim_calls *c)
{
	while (c->owed)
		answer_all(c, -ECANCELED);
}

// --- kube -------------------------------------------------------------------------------------

static struct owed *owe_kube(struct sim_calls *c, const struct kube_reply *reply)
{
	struct owed *o = owe(c, 0);
	o->kube = *reply;
	return o;
}

static int watch(void *self, const struct kube_sink *sink)
{
	struct sim_calls *c = self;
	c->world->sink = *sink;
	world_tell_all(c->world);
	if (sink->on_synced)
		sink->on_synced(sink->arg);
	return 0;
}

static void change_node(void *self, const char *node, const struct kube_node_change *change,
	const struct kube_reply *reply)
{
	struct sim_calls *c = self;
	struct owed *o = owe_kube(c, reply);
	struct sim_node *n = world_find_node(c->world, node);
	if (!n) {
		o->r = why_set(&o->why, -ENOENT, WHY_GONE, "node %.60s not found", node);
		return;
	}
	if (change->cordon != KUBE_CORDON_KEEP)
		n->cordoned = change->cordon == KUBE_CORDON_SET;
	if (change->taint_key && strcmp(change->taint_key, taint_key) == 0)
		n->tainted = change->taint_effect != NULL;
	for (int i = 0; i < 2; i++) {
		const struct kube_pair *l = &change->labels[i], *a = &change->annotations[i];
		if (l->key && strcmp(l->key, lb_label) == 0)
			n->excluded = l->value != NULL;
		if (a->key && strcmp(a->key, drain_key) == 0)
			text_copy(n->drain, sizeof(n->drain), a->value ? a->value : "");
	}
	world_tell_node(c->world, n);
}

// As the API server answers: see the eviction table of the test cluster's reference page.
static void evict_pod(void *self, const struct kube_pod_ref *pod, uint32_t grace_s, bool dry_run,
	const struct kube_reply *reply)
{
	struct sim_calls *c = self;
	struct owed *o = owe_kube(c, reply);
	struct sim_pod *p = world_find_pod(c->world, pod->uid);
	if (!p) {
		o->r = why_set(&o->why, -ENOENT, WHY_GONE, "pod %.60s not found", pod->name);
		return;
	}
	const struct sim_group *g = &c->world->groups[p->group];
	int32_t healthy, budget = g->budget[p->workload];
	if (budget && p->ready && !p->deleting_ms &&
		world_allowed(c->world, p->group, p->workload, &healthy) <= 0) {
		o->r = why_set(&o->why, -EBUSY, WHY_THROTTLED,
			"The disruption budget %s-pdb needs %d healthy pods and has %d currently",
			g->workloads[p->workload],
			world_replicas(c->world, p->group, p->workload) - budget, healthy);
		return;
	}
	if (!dry_run)
		world_end_pod(c->world, p, grace_s);
}

static void delete_pod(void *self, const struct kube_pod_ref *pod, uint32_t grace_s,
	const struct kube_reply *reply)
{
	struct sim_calls *c = self;
	struct owed *o = owe_kube(c, reply);
	struct sim_pod *p = world_find_pod(c->world, pod->uid);
	if (p)
		world_end_pod(c->world, p, grace_s);
	else
		o->r = why_set(&o->why, -ENOENT, WHY_GONE, "pod %.60s not found", pod->name);
}

static void tell(void *self, const struct kube_event *e, const struct kube_reply *reply)
{
	owe_kube(self, reply); // nobody reads the events of a simulated cluster
}

struct kube calls_kube(struct sim_calls *c)
{
	static const struct kube_ops ops = {.name = "sim",
		.watch = watch,
		.change_node = change_node,
		.evict_pod = evict_pod,
		.delete_pod = delete_pod,
		.tell = tell};
	struct kube k = {.ops = &ops, .self = c};
	text_copy(k.cluster, sizeof(k.cluster), c->cluster);
	return k;
}

// --- cloud ------------------------------------------------------------------------------------

static struct owed *owe_cloud(struct sim_calls *c, const struct cloud_reply *reply)
{
	struct owed *o = owe(c, 0);
	o->cloud = *reply;
	return o;
}

static int find_group(const struct sim_calls *c, const char *scaling_group)
{
	for (int g = 0; g < SIM_GROUPS; g++)
		if (strcmp(c->world->groups[g].name, scaling_group) == 0)
			return g;
	return -1;
}

static int find_zone(const char *zone)
{
	for (int z = 0; z < 3; z++)
		if (strcmp(sim_zones[z], zone) == 0)
			return z;
	return -1;
}

static void describe_groups(void *self, const struct cloud_calls *calls)
{
	struct sim_calls *c = self;
	for (unsigned g = 0; g < SIM_GROUPS; g++) {
		const struct sim_group *from = &c->world->groups[g];
		struct cloud_group group = {.capacity = from->capacity,
			.managed = true,
			.min = 2,
			.max = SIM_MAX_NODES_PER_GROUP,
			.desired = c->world->desired[g],
			.node_usd_micro_hour = from->usd_micro_hour,
			.n_zones = 3};
		text_copy(group.name, sizeof(group.name), from->name);
		text_copy(group.scaling_group, sizeof(group.scaling_group), from->name);
		text_copy(group.instance_type, sizeof(group.instance_type), from->instance_type);
		for (int z = 0; z < 3; z++)
			text_copy(group.zones[z], sizeof(group.zones[z]), sim_zones[z]);
		calls->on_group(calls->arg, &group);
	}
	calls->on_done(calls->arg, 0, NULL);
}

static void launch(void *self, const struct cloud_launch *l, const struct cloud_reply *reply)
{
	struct sim_calls *c = self;
	struct owed *o = owe_cloud(c, reply);
	int g = find_group(c, l->scaling_group), z = find_zone(l->zone);
	if (g < 0 || z < 0) {
		o->r = why_set(&o->why, -EINVAL, WHY_BUG, "no such group or zone");
		return;
	}
	bool none = c->world->no_capacity_until_ms[z] > c->world->now_ms;
	struct sim_node *n = none ? NULL : world_launch(c->world, (unsigned)g, z);
	if (!n) {
		o->r = why_set(&o->why, -ENOSPC, WHY_RETRY, "no capacity in %s", l->zone);
		return;
	}
	c->world->desired[g]++;
	text_copy(o->text, sizeof(o->text), n->instance_id);
}

static void set_desired(
	void *self, const char *scaling_group, uint32_t desired, const struct cloud_reply *reply)
{
	struct sim_calls *c = self;
	struct owed *o = owe_cloud(c, reply);
	int g = find_group(c, scaling_group);
	if (g < 0 || desired > SIM_MAX_NODES_PER_GROUP)
		o->r = why_set(&o->why, -EINVAL, WHY_BUG, "no such group, or beyond its maximum");
	else
		c->world->desired[g] = desired;
}

static void terminate_instance(void *self, const char *instance_id, bool decrement_desired,
	const struct cloud_reply *reply)
{
	struct sim_calls *c = self;
	struct owed *o = owe_cloud(c, reply);
	struct sim_node *n = world_find_instance(c->world, instance_id);
	const int64_t shutdown_ms = 5000;
	if (!n) {
		o->r = why_set(&o->why, -ENOENT, WHY_GONE, "no instance %.40s", instance_id);
		return;
	}
	if (decrement_desired && c->world->desired[n->group] > 0)
		c->world->desired[n->group]--;
	if (!n->ends_ms || n->ends_ms > c->world->now_ms + shutdown_ms)
		n->ends_ms = c->world->now_ms + shutdown_ms;
}

static void lifecycle(void *self, const struct cloud_hook *h, const struct cloud_reply *reply)
{
	owe_cloud(self, reply); // its groups have no hooks
}

static void instance_state(void *self, const char *instance_id, const struct cloud_reply *reply)
{
	struct sim_calls *c = self;
	const struct sim_node *n = world_find_instance(c->world, instance_id);
	struct owed *o = owe_cloud(c, reply);
	text_copy(o->text, sizeof(o->text), !n ? "terminated" : n->up ? "running" : "pending");
}

static void load_balancers(void *self, const char *instance_id, const struct cloud_reply *reply)
{
	struct sim_calls *c = self;
	const struct sim_node *n = world_find_instance(c->world, instance_id);
	struct owed *o = owe_cloud(c, reply);
	text_copy(o->text, sizeof(o->text), n && n->up && !n->excluded ? "1" : "0");
}

struct cloud calls_cloud(struct sim_calls *c)
{
	static const struct cloud_ops ops = {.name = "sim",
		.describe_groups = describe_groups,
		.launch = launch,
		.set_desired = set_desired,
		.terminate = terminate_instance,
		.lifecycle_heartbeat = lifecycle,
		.lifecycle_complete = lifecycle,
		.instance_state = instance_state,
		.load_balancers = load_balancers};
	struct cloud cloud = {.ops = &ops, .self = c};
	text_copy(cloud.cluster, sizeof(cloud.cluster), c->cluster);
	return cloud;
}
