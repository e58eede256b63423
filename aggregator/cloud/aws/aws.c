// SPDX-License-Identifier: Apache-2.0
#include "aggregator/cloud/aws/aws.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/cloud/aws/aws_impl.h"
#include "aggregator/cloud/aws/read.h"
#include "proto/base/text.h"

static const struct cloud_ops ops = {
	.name = "aws",
	.describe_groups = aws_describe_groups,
	.launch = aws_launch,
	.set_desired = aws_set_desired,
	.terminate = aws_terminate,
	.lifecycle_heartbeat = aws_lifecycle_heartbeat,
	.lifecycle_complete = aws_lifecycle_complete,
	.instance_state = aws_instance_state,
	.load_balancers = aws_load_balancers,
};

static void cloud_free(struct aws_cloud *a)
{
	free(a->known);
	free(a->tag_key);
	free(a->tag_value);
	free(a);
}

static struct aws_cloud *cloud_alloc(uv_loop_t *loop, const struct aws_options *o)
{
	struct aws_cloud *a = calloc(1, sizeof(*a));
	if (!a)
		return NULL;
	a->loop = loop;
	a->mono_ns = o->mono_ns;
	text_copy(a->cluster, sizeof(a->cluster), o->cluster);
	a->tag_key = o->tag_key ? strdup(o->tag_key) : NULL;
	a->tag_value = o->tag_key && o->tag_value ? strdup(o->tag_value) : NULL;
	return a;
}

int aws_cloud_new(
	struct aws_cloud **ret, uv_loop_t *loop, const struct aws_options *o, struct why *why)
{
	size_t n = o->cluster ? strlen(o->cluster) : 0;
	if (n == 0 || n >= sizeof((*ret)->cluster) || !text_is_name(o->cluster, n, n))
		return why_set(why, -EINVAL, WHY_DENIED, "the cluster's name is missing or none");
	struct aws_cloud *a = cloud_alloc(loop, o);
	if (!a)
		return why_set(why, -ENOMEM, WHY_RETRY, "out of memory");
	struct aws_client_options client = {.region = o->region,
		.endpoint_url = o->endpoint_url,
		.role_arn = o->role_arn,
		.external_id = o->external_id,
		.env = o->env,
		.wall_ms = o->wall_ms,
		.mono_ns = o->mono_ns,
		.seed = o->seed};
	int r = aws_client_new(&a->client, loop, &client, why);
	if (r < 0) {
		cloud_free(a);
		return r;
	}
	a->balancers = balancers_new(a);
	a->states = states_new(a);
	if (!a->balancers || !a->states) {
		aws_cloud_stop(a, NULL, NULL);
		return why_set(why, -ENOMEM, WHY_RETRY, "out of memory");
	}
	*ret = a;
	return 0;
}

void aws_cloud_get(struct aws_cloud *a, struct cloud *ret)
{
	*ret = (struct cloud){.ops = &ops, .self = a};
	text_copy(ret->cluster, sizeof(ret->cluster), a->cluster);
}

struct aws_client *aws_cloud_client(struct aws_cloud *a)
{
	return a->client;
}

struct identity {
	struct cloud_reply reply;
};

static void on_identity(void *arg, int r, const struct why *why, const struct aws_answer *a)
{
	struct identity *i = arg;
	struct cloud_reply reply = i->reply;
	struct body b = {a->body, a->body_len};
	char arn[256] = "";
	struct why w = why ? *why : (struct why){0};
	free(i);
	if (r == 0 && read_first(&b, "GetCallerIdentityResult/Arn", arn, sizeof(arn)) < 0)
		r = why_set(&w, -EBADMSG, WHY_BUG, "GetCallerIdentity: the answer cannot be read");
	reply.on_done(reply.arg, r, r < 0 ? &w : NULL, arn);
}

bool aws_cloud_checks_denied(const struct aws_cloud *a)
{
	return a->checks_denied;
}

void aws_cloud_identity(struct aws_cloud *a, const struct cloud_reply *reply)
{
	struct identity *i = malloc(sizeof(*i));
	assert(i); // there must be an on_done
	i->reply = *reply;
	struct aws_call call = {.service = AWS_STS,
		.operation = "GetCallerIdentity",
		.on_done = on_identity,
		.arg = i};
	aws_call(a->client, &call);
}

static void on_client_stopped(void *arg)
{
	struct aws_cloud *a = arg;
	void (*on_stopped)(void *) = a->on_stopped;
	void *stopped_arg = a->stopped_arg;
	cloud_free(a);
	if (on_stopped)
		on_stopped(stopped_arg);
}

void aws_cloud_stop(struct aws_cloud *a, void (*on_stopped)(void *arg), void *arg)
{
	a->on_stopped = on_stopped;
	a->stopped_arg = arg;
	aws_client_stop(a->client, on_client_stopped, a);
	terminates_stop(a);
	if (a->balancers)
		balancers_stop(a->balancers);
	if (a->states)
		states_stop(a->states);
}
