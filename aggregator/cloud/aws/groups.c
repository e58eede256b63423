// SPDX-License-Identifier: Apache-2.0
// describe_groups: the node groups that EKS manages, then the Auto Scaling groups with the
// cluster's tag (they give the live sizes of the managed ones too), then each group's hook at
// termination.
//
// A cluster that EKS does not know has self-managed groups only. Managed groups' hooks are EKS's
// own, which completes them: they are not told. What EKS and the hooks say changes rarely and their
// APIs allow few calls: it is kept for five minutes, in which only the sizes are asked for.
#include "aggregator/cloud/aws/aws_impl.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/cloud/aws/read.h"
#include "aggregator/cloud/aws/sign.h"
#include "proto/base/text.h"

enum { MAX_GROUPS = 1000, MAX_PAGES = 100, KNOWN_FOR_S = 300 };

struct scan {
	struct aws_cloud *cloud;
	struct cloud_calls calls;
	struct cloud_group *groups; // grows to MAX_GROUPS
	bool *live;                 // its scaling group has been seen
	size_t n, room, next;
	unsigned waiting, pages;
	bool from_known; // EKS was not asked
	int r;           // the first failure that stands
	struct why why;
};

struct ask { // one call of a scan about one group
	struct scan *scan;
	size_t index;
	char name[NAME_MAX_BYTES];
};

static const struct cloud_group *find_known(const struct aws_cloud *a, const char *scaling_group)
{
	for (size_t i = 0; i < a->n_known; i++)
		if (strcmp(a->known[i].scaling_group, scaling_group) == 0)
			return &a->known[i];
	return NULL;
}

static void keep(struct scan *s)
{
	struct aws_cloud *a = s->cloud;
	if (s->r < 0 || s->from_known)
		return;
	free(a->known);
	a->known = s->groups;
	a->n_known = s->n;
	a->known_ns = a->mono_ns();
	s->groups = NULL;
}

static void end(struct scan *s)
{
	bool must_live = s->cloud->tag_key || s->from_known;
	for (size_t i = 0; s->r == 0 && i < s->n; i++)
		if (s->groups[i].scaling_group[0] && (s->live[i] || !must_live))
			s->calls.on_group(s->calls.arg, &s->groups[i]);
	keep(s);
	s->calls.on_done(s->calls.arg, s->r, s->r < 0 ? &s->why : NULL);
	free(s->groups);
	free(s->live);
	free(s);
}

static void fail(struct scan *s, int r, const struct why *why)
{
	if (s->r == 0) {
		s->r = r;
		s->why = *why;
	}
}

static void fail_malformed(struct scan *s, const char *operation)
{
	struct why why;
	fail(s, why_set(&why, -EBADMSG, WHY_BUG, "%s: the answer cannot be read", operation), &why);
}

static struct cloud_group *add_group(struct scan *s)
{
	if (s->n == s->room && s->room < MAX_GROUPS) {
		size_t room = s->room ? 2 * s->room : 16;
		struct cloud_group *g = realloc(s->groups, room * sizeof(*g));
		bool *live = realloc(s->live, room * sizeof(*live));
		s->groups = g ? g : s->groups;
		s->live = live ? live : s->live;
		s->room = g && live ? room : s->room;
	}
	if (s->n == s->room)
		return NULL;
	s->live[s->n] = false;
	s->groups[s->n] = (struct cloud_group){0};
	return &s->groups[s->n++];
}

static void hooks_begin(struct scan *s);

static void on_hooks(void *arg, int r, const struct why *why, const struct aws_answer *a)
{
	struct ask *ask = arg;
	struct scan *s = ask->scan;
	struct body b = {a->body, a->body_len};
	struct cloud_group *g = &s->groups[ask->index];
	if (r == 0) // what cannot be asked for has no hook that we could finish
		read_terminate_hook(&b, g->terminate_hook, sizeof(g->terminate_hook));
	else if (r == -ECANCELED)
		fail(s, r, why);
	free(ask);
	s->waiting--;
	hooks_begin(s);
}

// A few at a time; ends the scan when all groups have been asked.
static void hooks_begin(struct scan *s)
{
	for (; s->r == 0 && s->next < s->n && s->waiting < 8; s->next++) {
		struct cloud_group *g = &s->groups[s->next];
		const struct cloud_group *known = find_known(s->cloud, g->scaling_group);
		if (known && s->from_known) {
			text_copy(g->terminate_hook, sizeof(g->terminate_hook),
				known->terminate_hook);
			continue;
		}
		struct ask *ask =
			g->managed || !g->scaling_group[0] ? NULL : calloc(1, sizeof(*ask));
		if (!ask)
			continue;
		ask->scan = s;
		ask->index = s->next;
		s->waiting++;
		struct aws_param p = {"AutoScalingGroupName", g->scaling_group};
		struct aws_call call = {.service = AWS_AUTOSCALING,
			.operation = "DescribeLifecycleHooks",
			.params = &p,
			.n_params = 1,
			.on_done = on_hooks,
			.arg = ask};
		aws_call(s->cloud->client, &call);
	}
	if (s->waiting == 0)
		end(s);
}

// Live sizes go over what EKS said.
static void on_scaling_group(void *arg, const struct read_group *found)
{
	struct scan *s = arg;
	const char *want = s->cloud->tag_value;
	struct cloud_group *g = NULL;
	for (size_t i = 0; i < s->n && !g; i++)
		if (strcmp(s->groups[i].scaling_group, found->group.scaling_group) == 0)
			g = &s->groups[i];
	if (s->cloud->tag_key && (!found->has_tag || (want && strcmp(want, found->tag_value) != 0)))
		return;
	bool known = g != NULL;
	if (!known && !(g = add_group(s)))
		return;
	struct cloud_group was = *g;
	*g = found->group;
	text_copy(g->name, sizeof(g->name),
		known                   ? was.name
		: *found->cluster_group ? found->cluster_group
					: found->group.scaling_group);
	if (known) {
		g->managed = was.managed;
		g->capacity = was.capacity;
		if (was.instance_type[0])
			text_copy(g->instance_type, sizeof(g->instance_type), was.instance_type);
	}
	s->live[g - s->groups] = true;
}

static void ask_scaling_groups(struct scan *s, const char *next);

static void on_scaling_groups(void *arg, int r, const struct why *why, const struct aws_answer *a)
{
	struct scan *s = arg;
	struct body b = {a->body, a->body_len};
	struct read_groups read = {s->cloud->tag_key, on_scaling_group, s};
	autobuf next;
	buf_init(&next, 8192);
	if (r < 0)
		fail(s, r, why);
	else if (read_scaling_groups(&b, &read, &next) < 0)
		fail_malformed(s, "DescribeAutoScalingGroups");
	if (s->r == 0 && next.len > 0 && ++s->pages < MAX_PAGES)
		ask_scaling_groups(s, next.data);
	else
		hooks_begin(s);
}

static void ask_scaling_groups(struct scan *s, const char *next)
{
	char key[128];
	snprintf(key, sizeof(key), "kubernetes.io/cluster/%s", s->cloud->cluster);
	struct aws_param p[] = {{"MaxRecords", "100"}, {"Filters.member.1.Name", "tag-key"},
		{"Filters.member.1.Values.member.1", key}, {"NextToken", next}};
	struct aws_call call = {.service = AWS_AUTOSCALING,
		.operation = "DescribeAutoScalingGroups",
		.params = p,
		.n_params = next ? 4 : 3,
		.on_done = on_scaling_groups,
		.arg = s};
	aws_call(s->cloud->client, &call);
}

static void on_nodegroup(void *arg, int r, const struct why *why, const struct aws_answer *a)
{
	struct scan *s = arg;
	struct body b = {a->body, a->body_len};
	struct cloud_group found, *g;
	if (r < 0 && r != -ENOENT) // deleted since it was listed
		fail(s, r, why);
	else if (r == 0 && read_nodegroup(&b, &found) < 0)
		fail_malformed(s, "DescribeNodegroup");
	else if (r == 0 && (g = add_group(s)))
		*g = found;
	if (--s->waiting == 0) {
		if (s->r == 0)
			ask_scaling_groups(s, NULL);
		else
			end(s);
	}
}

static void ask_nodegroup(struct scan *s, const char *name)
{
	autobuf path;
	buf_init(&path, 2048);
	buf_text(&path, "/clusters/");
	sign_encode(&path, s->cloud->cluster, strlen(s->cloud->cluster));
	buf_text(&path, "/node-groups/");
	sign_encode(&path, name, strlen(name));
	struct aws_call call = {.service = AWS_EKS,
		.operation = "DescribeNodegroup",
		.path = path.data,
		.on_done = on_nodegroup,
		.arg = s};
	if (buf_failed(&path))
		return;
	s->waiting++;
	aws_call(s->cloud->client, &call);
}

static void ask_nodegroups(struct scan *s, const char *next);

static void on_nodegroups(void *arg, int r, const struct why *why, const struct aws_answer *a)
{
	struct scan *s = arg;
	struct body b = {a->body, a->body_len};
	autobuf names, next;
	buf_init(&names, 256 << 10);
	buf_init(&next, 8192);
	s->waiting--;
	if (r < 0 && r != -ENOENT)
		fail(s, r, why);
	else if (r == 0 && read_nodegroup_names(&b, &names, &next) < 0)
		fail_malformed(s, "ListNodegroups");
	for (size_t at = 0; s->r == 0 && at < names.len; at += strlen(names.data + at) + 1)
		ask_nodegroup(s, names.data + at);
	if (s->r == 0 && next.len > 0 && ++s->pages < MAX_PAGES)
		ask_nodegroups(s, next.data);
	if (s->waiting > 0)
		return;
	if (s->r == 0)
		ask_scaling_groups(s, NULL);
	else
		end(s);
}

static void ask_nodegroups(struct scan *s, const char *next)
{
	autobuf path, query;
	buf_init(&path, 1024);
	buf_init(&query, 32 << 10);
	buf_text(&path, "/clusters/");
	sign_encode(&path, s->cloud->cluster, strlen(s->cloud->cluster));
	buf_text(&path, "/node-groups");
	buf_text(&query, "maxResults=100");
	if (next) {
		buf_text(&query, "&nextToken=");
		sign_encode(&query, next, strlen(next));
	}
	struct aws_call call = {.service = AWS_EKS,
		.operation = "ListNodegroups",
		.path = path.data,
		.query = query.data,
		.on_done = on_nodegroups,
		.arg = s};
	s->waiting++;
	aws_call(s->cloud->client, &call);
}

static bool is_known(const struct aws_cloud *a)
{
	return a->known_ns && a->mono_ns() - a->known_ns < KNOWN_FOR_S * 1000000000ull;
}

void aws_describe_groups(void *self, const struct cloud_calls *calls)
{
	struct scan *s = calloc(1, sizeof(*s));
	struct cloud_group *g;
	assert(s); // there must be an on_done
	s->cloud = self;
	s->calls = *calls;
	s->from_known = is_known(s->cloud);
	for (size_t i = 0; s->from_known && i < s->cloud->n_known; i++)
		if (s->cloud->known[i].managed && (g = add_group(s)))
			*g = s->cloud->known[i];
	if (s->from_known)
		ask_scaling_groups(s, NULL);
	else
		ask_nodegroups(s, NULL);
}
