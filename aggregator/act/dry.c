// SPDX-License-Identifier: Apache-2.0
#include "aggregator/act/dry.h"

#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

struct owed { // an answer
	void (*on_kube)(void *arg, int r, const struct why *why, int64_t retry_ms);
	void (*on_cloud)(void *arg, int r, const struct why *why, const char *text);
	void *arg;
	const char *text;
	struct owed *prev, *next;
};

struct dry {
	struct kube kube;
	struct cloud cloud;
	struct owed *owed;
};

int dry_new(struct dry **ret, const struct kube *kube, const struct cloud *cloud)
{
	struct dry *d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->kube = *kube;
	d->cloud = *cloud;
	*ret = d;
	return 0;
}

static void answer(struct dry *d, int r)
{
	struct owed *list = d->owed; // an answer may ask for more: that is of the next turn
	struct why why;
	d->owed = NULL;
	why_set(&why, r < 0 ? r : 0, WHY_NONE, "%s", r < 0 ? "stopping" : "");
	while (list) {
		struct owed *o = list;
		DL_DELETE(list, o);
		if (o->on_kube)
			o->on_kube(o->arg, r, &why, 0);
		else
			o->on_cloud(o->arg, r, &why, o->text);
		free(o);
	}
}

void dry_turn(struct dry *d)
{
	if (d->owed)
		answer(d, 1);
}

void dry_free(struct dry *d)
{
	if (!d)
		return;
	while (d->owed)
		answer(d, -ECANCELED);
	free(d);
}

// Out of memory: the caller's call stays open until the end, as if the server never answered.
static void owe(struct dry *d, const struct owed *o)
{
	struct owed *copy = malloc(sizeof(*copy));
	if (!copy)
		return;
	*copy = *o;
	DL_APPEND(d->owed, copy);
}

static void owe_kube(struct dry *d, const struct kube_reply *reply)
{
	const struct owed o = {.on_kube = reply->on_done, .arg = reply->arg};
	owe(d, &o);
}

static void owe_cloud(struct dry *d, const struct cloud_reply *reply, const char *text)
{
	const struct owed o = {.on_cloud = reply->on_done, .arg = reply->arg, .text = text};
	owe(d, &o);
}

static int watch(void *self, const struct kube_sink *sink)
{
	struct dry *d = self;
	return d->kube.ops->watch(d->kube.self, sink);
}

static void change_node(void *self, const char *node, const struct kube_node_change *c,
	const struct kube_reply *reply)
{
	owe_kube(self, reply);
}

static void evict_pod(void *self, const struct kube_pod_ref *pod, uint32_t grace_s, bool dry_run,
	const struct kube_reply *reply)
{
	owe_kube(self, reply);
}

static void delete_pod(void *self, const struct kube_pod_ref *pod, uint32_t grace_s,
	const struct kube_reply *reply)
{
	owe_kube(self, reply);
}

static void tell(void *self, const struct kube_event *e, const struct kube_reply *reply)
{
	owe_kube(self, reply);
}

static void describe_groups(void *self, const struct cloud_calls *calls)
{
	struct dry *d = self;
	d->cloud.ops->describe_groups(d->cloud.self, calls);
}

static void launch(void *self, const struct cloud_launch *l, const struct cloud_reply *reply)
{
	owe_cloud(self, reply, "");
}

static void set_desired(
	void *self, const char *scaling_group, uint32_t desired, const struct cloud_reply *reply)
{
	owe_cloud(self, reply, "");
}

static void terminate_instance(void *self, const char *instance_id, bool decrement_desired,
	const struct cloud_reply *reply)
{
	owe_cloud(self, reply, "");
}

static void lifecycle(void *self, const struct cloud_hook *h, const struct cloud_reply *reply)
{
	owe_cloud(self, reply, "");
}

static void instance_state(void *self, const char *instance_id, const struct cloud_reply *reply)
{
	struct dry *d = self;
	d->cloud.ops->instance_state(d->cloud.self, instance_id, reply);
}

// Nothing was taken out of a load balancer, so there is nothing to wait for.
static void load_balancers(void *self, const char *instance_id, const struct cloud_reply *reply)
{
	owe_cloud(self, reply, "0");
}

struct kube dry_kube(struct dry *d)
{
	static const struct kube_ops ops = {.name = "dry",
		.watch = watch,
		.change_node = change_node,
		.evict_pod = evict_pod,
		.delete_pod = delete_pod,
		.tell = tell};
	struct kube k = d->kube;
	k.ops = &ops;
	k.self = d;
	return k;
}

struct cloud dry_cloud(struct dry *d)
{
	static const struct cloud_ops ops = {.name = "dry",
		.describe_groups = describe_groups,
		.launch = launch,
		.set_desired = set_desired,
		.terminate = terminate_instance,
		.lifecycle_heartbeat = lifecycle,
		.lifecycle_complete = lifecycle,
		.instance_state = instance_state,
		.load_balancers = load_balancers};
	struct cloud c = d->cloud;
	if (c.ops) {
		c.ops = &ops;
		c.self = d;
	}
	return c;
}
