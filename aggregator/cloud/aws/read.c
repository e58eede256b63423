// SPDX-License-Identifier: Apache-2.0
#include "aggregator/cloud/aws/read.h"

#include <errno.h>
#include <string.h>

#include "aggregator/cloud/aws/xml.h"
#include "proto/base/text.h"

enum { MAX_TOKEN_BYTES = 4096 };

// Calls on_event for every element's begin and end, to the end of the document.
static int walk(const struct body *b, void (*on_event)(void *arg, const struct xml *x, int event),
	void *arg)
{
	struct xml x;
	int e;
	xml_init(&x, b->data, b->len);
	while ((e = xml_next(&x)) > XML_END)
		on_event(arg, &x, e);
	xml_done(&x);
	return e < 0 ? -EBADMSG : 0;
}

static bool fits(char *ret, size_t size, const struct xml *x)
{
	const char *text = xml_text(x);
	if (strlen(text) >= size)
		return false;
	return text_copy(ret, size, text);
}

struct first {
	const char *path;
	char *ret;
	size_t size;
	bool found;
};

static void on_first(void *arg, const struct xml *x, int event)
{
	struct first *f = arg;
	if (event == XML_CLOSE && !f->found && xml_at(x, f->path))
		f->found = fits(f->ret, f->size, x);
}

int read_first(const struct body *b, const char *path, char *ret, size_t size)
{
	struct first f = {path, ret, size, false};
	int r = walk(b, on_first, &f);
	return r < 0 ? r : f.found ? 0 : -ENOENT;
}

struct launched {
	struct buf *ids;
	char *code;
	size_t size;
};

static void on_launched(void *arg, const struct xml *x, int event)
{
	struct launched *l = arg;
	if (event != XML_CLOSE)
		return;
	if (xml_at(x, "InstanceIds/member"))
		buf_printf(l->ids, "%s%s", l->ids->len ? " " : "", xml_text(x));
	else if (xml_at(x, "Errors/member/ErrorCode") && !*l->code)
		fits(l->code, l->size, x);
}

int read_launched(const struct body *b, struct buf *ret_ids, char *ret_code, size_t size)
{
	struct launched l = {ret_ids, ret_code, size};
	*ret_code = '\0';
	int r = walk(b, on_launched, &l);
	if (r < 0 || buf_failed(ret_ids))
		return -EBADMSG;
	return ret_ids->len ? 0 : -ENOENT;
}

struct groups {
	const struct read_groups *r;
	struct buf *next;
	struct read_group g;
	char tag_key[256], tag_value[256];
	uint32_t base, percent;
	bool mixed;
};

static uint32_t number(const struct xml *x)
{
	uint64_t v;
	return text_to_u64(xml_text(x), &v) == 0 && v <= UINT32_MAX ? (uint32_t)v : 0;
}

// Tags that say which node group a self-managed group's nodes carry in their labels.
static bool is_name_tag(const char *key)
{
	static const char *const keys[] = {"eks:nodegroup-name", "alpha.eksctl.io/nodegroup-name",
		"k8s.io/cluster-autoscaler/node-template/label/alpha.eksctl.io/nodegroup-name"};
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (strcmp(keys[i], key) == 0)
			return true;
	return false;
}

static void take_tag(struct groups *s)
{
	if (is_name_tag(s->tag_key) && !s->g.cluster_group[0] &&
		strlen(s->tag_value) < sizeof(s->g.cluster_group))
		text_copy(s->g.cluster_group, sizeof(s->g.cluster_group), s->tag_value);
	s->g.group.managed |= strcmp(s->tag_key, "eks:nodegroup-name") == 0;
	if (s->r->tag_key && strcmp(s->r->tag_key, s->tag_key) == 0) {
		s->g.has_tag = true;
		text_copy(s->g.tag_value, sizeof(s->g.tag_value), s->tag_value);
	}
}

#define GROUP "AutoScalingGroups/member"

static void take_instance_type(struct groups *s, const struct xml *x)
{
	struct cloud_group *g = &s->g.group;
	if (!g->instance_type[0] && (xml_at(x, "Overrides/member/InstanceType") ||
					    xml_at(x, GROUP "/Instances/member/InstanceType")))
		fits(g->instance_type, sizeof(g->instance_type), x);
}

static void take_group_text(struct groups *s, const struct xml *x)
{
	struct cloud_group *g = &s->g.group;
	if (xml_at(x, GROUP "/AutoScalingGroupName"))
		fits(g->scaling_group, sizeof(g->scaling_group), x);
	else if (xml_at(x, GROUP "/MinSize"))
		g->min = number(x);
	else if (xml_at(x, GROUP "/MaxSize"))
		g->max = number(x);
	else if (xml_at(x, GROUP "/DesiredCapacity"))
		g->desired = number(x);
	else if (xml_at(x, GROUP "/AvailabilityZones/member") && g->n_zones < 8)
		g->n_zones += fits(g->zones[g->n_zones], sizeof(g->zones[0]), x);
	else if (xml_at(x, "InstancesDistribution/OnDemandBaseCapacity"))
		s->base = number(x);
	else if (xml_at(x, "InstancesDistribution/OnDemandPercentageAboveBaseCapacity"))
		s->percent = number(x);
	else if (xml_at(x, "Tags/member/Key"))
		fits(s->tag_key, sizeof(s->tag_key), x);
	else if (xml_at(x, "Tags/member/Value"))
		fits(s->tag_value, sizeof(s->tag_value), x);
	else if (xml_at(x, GROUP "/Tags/member"))
		take_tag(s);
	else
		take_instance_type(s, x);
}

#define RESULT "DescribeAutoScalingGroupsResult/"

static void group_open(struct groups *s, const struct xml *x)
{
	if (xml_at(x, RESULT GROUP)) {
		s->g = (struct read_group){.group.capacity = CAPACITY_ON_DEMAND};
		s->base = 0;
		s->percent = 100; // AWS's own when a policy does not say
		s->mixed = false;
	} else if (xml_at(x, "MixedInstancesPolicy/InstancesDistribution")) {
		s->mixed = true;
	} else if (xml_at(x, "Tags/member")) {
		s->tag_key[0] = s->tag_value[0] = '\0';
	}
}

static void group_close(struct groups *s)
{
	enum capacity_type mix = s->base == 0 ? CAPACITY_SPOT : CAPACITY_MIXED;
	if (s->mixed && s->percent < 100)
		s->g.group.capacity = s->percent == 0 ? mix : CAPACITY_MIXED;
	if (s->g.group.scaling_group[0])
		s->r->on_group(s->r->arg, &s->g);
}

static void on_groups(void *arg, const struct xml *x, int event)
{
	struct groups *s = arg;
	if (event == XML_OPEN)
		group_open(s, x);
	else if (xml_at(x, RESULT "NextToken"))
		buf_text(s->next, xml_text(x));
	else if (xml_at(x, RESULT GROUP))
		group_close(s);
	else
		take_group_text(s, x);
}

static int walk_page(const struct body *b,
	void (*on_event)(void *arg, const struct xml *x, int event), void *arg, struct buf *next)
{
	if (buf_text(next, "") < 0)
		return -ENOMEM;
	int r = walk(b, on_event, arg);
	return r < 0 ? r : buf_failed(next) || next->len > MAX_TOKEN_BYTES ? -EBADMSG : 0;
}

int read_scaling_groups(const struct body *b, const struct read_groups *r, struct buf *ret_next)
{
	struct groups s = {.r = r, .next = ret_next};
	return walk_page(b, on_groups, &s, ret_next);
}

struct hook {
	char name[256];
	bool terminating;
	char *ret;
	size_t size;
};

static void on_hook(void *arg, const struct xml *x, int event)
{
	struct hook *h = arg;
	if (event == XML_OPEN && xml_at(x, "LifecycleHooks/member")) {
		h->name[0] = '\0';
		h->terminating = false;
	} else if (event == XML_CLOSE && xml_at(x, "LifecycleHooks/member/LifecycleHookName")) {
		fits(h->name, sizeof(h->name), x);
	} else if (event == XML_CLOSE && xml_at(x, "LifecycleHooks/member/LifecycleTransition")) {
		h->terminating = strcmp(xml_text(x), "autoscaling:EC2_INSTANCE_TERMINATING") == 0;
	} else if (event == XML_CLOSE && xml_at(x, "LifecycleHooks/member")) {
		if (h->terminating && !*h->ret && strlen(h->name) < h->size)
			text_copy(h->ret, h->size, h->name);
	}
}

int read_terminate_hook(const struct body *b, char *ret, size_t size)
{
	struct hook h = {.ret = ret, .size = size};
	*ret = '\0';
	return walk(b, on_hook, &h);
}

struct texts {
	const struct read_texts *r;
	struct buf *next;
	char name[512], value[256];
	bool instances, balancer;
};

static void on_instance(void *arg, const struct xml *x, int event)
{
	struct texts *t = arg;
	if (event == XML_OPEN && xml_at(x, "instancesSet/item"))
		t->name[0] = t->value[0] = '\0';
	else if (event == XML_CLOSE && xml_at(x, "instancesSet/item/instanceId"))
		fits(t->name, sizeof(t->name), x);
	else if (event == XML_CLOSE && xml_at(x, "instancesSet/item/instanceState/name"))
		fits(t->value, sizeof(t->value), x);
	else if (event == XML_CLOSE && xml_at(x, "instancesSet/item") && t->name[0] && t->value[0])
		t->r->on_text(t->r->arg, t->name, t->value);
}

int read_instances(const struct body *b, const struct read_texts *r)
{
	struct texts t = {.r = r};
	return walk(b, on_instance, &t);
}

// One whose "impaired" is the host's or the system's; "insufficient-data" and the like say nothing.
static void on_check(void *arg, const struct xml *x, int event)
{
	struct texts *t = arg;
	if (event == XML_OPEN && xml_at(x, "instanceStatusSet/item"))
		t->name[0] = t->value[0] = '\0';
	else if (event != XML_CLOSE)
		return;
	else if (xml_at(x, "instanceStatusSet/item/instanceId"))
		fits(t->name, sizeof(t->name), x);
	else if ((xml_at(x, "instanceStatusSet/item/instanceStatus/status") ||
			 xml_at(x, "instanceStatusSet/item/systemStatus/status")) &&
		 strcmp(xml_text(x), "impaired") == 0)
		fits(t->value, sizeof(t->value), x);
	else if (xml_at(x, "instanceStatusSet/item") && t->name[0] && t->value[0])
		t->r->on_text(t->r->arg, t->name, t->value);
}

int read_failed_checks(const struct body *b, const struct read_texts *r)
{
	struct texts t = {.r = r};
	return walk(b, on_check, &t);
}

static void on_target_group(void *arg, const struct xml *x, int event)
{
	struct texts *t = arg;
	if (event == XML_OPEN && xml_at(x, "TargetGroups/member")) {
		t->name[0] = '\0';
		t->instances = t->balancer = false;
	}
	if (event != XML_CLOSE)
		return;
	if (xml_at(x, "TargetGroups/member/TargetGroupArn"))
		fits(t->name, sizeof(t->name), x);
	else if (xml_at(x, "TargetGroups/member/TargetType"))
		t->instances = strcmp(xml_text(x), "instance") == 0;
	else if (xml_at(x, "LoadBalancerArns/member"))
		t->balancer = true;
	else if (xml_at(x, "DescribeTargetGroupsResult/NextMarker"))
		buf_text(t->next, xml_text(x));
	else if (xml_at(x, "TargetGroups/member") && t->name[0] && t->instances && t->balancer)
		t->r->on_text(t->r->arg, t->name, "");
}

int read_target_groups(const struct body *b, const struct read_texts *r, struct buf *ret_next)
{
	struct texts t = {.r = r, .next = ret_next};
	return walk_page(b, on_target_group, &t, ret_next);
}

static void on_target_health(void *arg, const struct xml *x, int event)
{
	struct texts *t = arg;
	if (event == XML_OPEN && xml_at(x, "TargetHealthDescriptions/member"))
		t->name[0] = t->value[0] = '\0';
	else if (event == XML_CLOSE && xml_at(x, "member/Target/Id"))
		fits(t->name, sizeof(t->name), x);
	else if (event == XML_CLOSE && xml_at(x, "member/TargetHealth/State"))
		fits(t->value, sizeof(t->value), x);
	else if (event == XML_CLOSE && xml_at(x, "TargetHealthDescriptions/member") && t->name[0])
		t->r->on_text(t->r->arg, t->name, t->value);
}

int read_target_health(const struct body *b, const struct read_texts *r)
{
	struct texts t = {.r = r};
	return walk(b, on_target_health, &t);
}

static void on_classic(void *arg, const struct xml *x, int event)
{
	struct texts *t = arg;
	if (event != XML_CLOSE)
		return;
	if (xml_at(x, "LoadBalancerDescriptions/member/LoadBalancerName"))
		t->r->on_text(t->r->arg, xml_text(x), "");
	else if (xml_at(x, "DescribeLoadBalancersResult/NextMarker"))
		buf_text(t->next, xml_text(x));
}

int read_classic(const struct body *b, const struct read_texts *r, struct buf *ret_next)
{
	struct texts t = {.r = r, .next = ret_next};
	return walk_page(b, on_classic, &t, ret_next);
}

static void on_instance_health(void *arg, const struct xml *x, int event)
{
	struct texts *t = arg;
	if (event == XML_OPEN && xml_at(x, "InstanceStates/member"))
		t->name[0] = t->value[0] = '\0';
	else if (event == XML_CLOSE && xml_at(x, "InstanceStates/member/InstanceId"))
		fits(t->name, sizeof(t->name), x);
	else if (event == XML_CLOSE && xml_at(x, "InstanceStates/member/State"))
		fits(t->value, sizeof(t->value), x);
	else if (event == XML_CLOSE && xml_at(x, "InstanceStates/member") && t->name[0])
		t->r->on_text(t->r->arg, t->name, t->value);
}

int read_instance_health(const struct body *b, const struct read_texts *r)
{
	struct texts t = {.r = r};
	return walk(b, on_instance_health, &t);
}
