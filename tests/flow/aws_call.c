// SPDX-License-Identifier: Apache-2.0
// Asks one thing of AWS (or of what AWS_ENDPOINT_URL points at) through aggregator/cloud/aws, and
// prints what came back as JSON lines. For the flow tests and for people with a question.
//
//     aws-call CLUSTER OPERATION [ARGUMENT…]
//     groups [TIMES] | identity | launch GROUP ZONE TOKEN | desired GROUP N | terminate ID
//     [decrement] heartbeat GROUP HOOK ID [TOKEN] | complete GROUP HOOK ID [TOKEN] | state ID… |
//     balancers ID
#include "aggregator/cloud/aws/aws.h"
#include "proto/base/clock.h"
#include "proto/base/json.h"
#include "proto/base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct aws_cloud *cloud;
static int status;
static uint64_t times = 1;
static int pending = 1; // answers until the end

static void print(struct buf *out)
{
	puts(out->data);
	buf_done(out);
}

static void on_group(void *arg, const struct cloud_group *g)
{
	struct buf out;
	struct json j;
	buf_init(&out, 8192);
	json_init(&j, &out);
	json_open(&j, '{');
	json_put_text(&j, "name", g->name);
	json_put_text(&j, "scaling_group", g->scaling_group);
	json_put_text(&j, "capacity", capacity_type_name(g->capacity));
	json_put_bool(&j, "managed", g->managed);
	json_put_i64(&j, "min", g->min);
	json_put_i64(&j, "max", g->max);
	json_put_i64(&j, "desired", g->desired);
	json_put_text(&j, "instance_type", g->instance_type);
	json_put_text(&j, "terminate_hook", g->terminate_hook);
	json_key(&j, "zones");
	json_open(&j, '[');
	for (size_t i = 0; i < g->n_zones; i++)
		json_text(&j, g->zones[i]);
	json_close(&j, ']');
	json_close(&j, '}');
	print(&out);
}

static void on_reply(void *arg, int r, const struct why *why, const char *text)
{
	struct buf out;
	struct json j;
	buf_init(&out, 8192);
	json_init(&j, &out);
	json_open(&j, '{');
	json_put_text(&j, "result", r < 0 ? strerrorname_np(-r) : "OK");
	json_put_text(&j, "class", why ? why_class_name(why->class) : "");
	json_put_text(&j, "why", why ? why->text : "");
	json_put_text(&j, "text", text);
	json_close(&j, '}');
	print(&out);
	status |= r < 0;
	if (--pending == 0)
		aws_cloud_stop(cloud, NULL, NULL);
}

static void ask_groups(void);

static void on_done(void *arg, int r, const struct why *why)
{
	if (r == 0 && --times > 0)
		ask_groups();
	else
		on_reply(arg, r, why, "");
}

static void ask_groups(void)
{
	static const struct cloud_calls calls = {on_group, on_done, NULL};
	struct cloud c;
	aws_cloud_get(cloud, &c);
	c.ops->describe_groups(c.self, &calls);
}

static const struct cloud_reply reply = {on_reply, NULL};

static void ask_states(const struct cloud *c, int n, char **ids)
{
	pending = n;
	for (int i = 0; i < n; i++)
		c->ops->instance_state(c->self, ids[i], &reply);
}

static bool ask_instance(const struct cloud *c, int argc, char **argv)
{
	const char *op = argv[2];
	if (!strcmp(op, "terminate"))
		c->ops->terminate(c->self, argv[3], argc > 4, &reply);
	else if (!strcmp(op, "state"))
		ask_states(c, argc - 3, argv + 3);
	else if (!strcmp(op, "balancers"))
		c->ops->load_balancers(c->self, argv[3], &reply);
	else
		return false;
	return true;
}

static bool ask_group(const struct cloud *c, int argc, char **argv)
{
	const char *op = argv[2];
	uint64_t n;
	const struct cloud_hook hook = {.scaling_group = argv[3],
		.hook = argc > 4 ? argv[4] : "",
		.instance_id = argc > 5 ? argv[5] : "",
		.token = argc > 6 ? argv[6] : ""};
	if (!strcmp(op, "desired") && argc == 5 && text_to_u64(argv[4], &n) == 0)
		c->ops->set_desired(c->self, argv[3], (uint32_t)n, &reply);
	else if (!strcmp(op, "launch") && argc == 6)
		c->ops->launch(c->self, &(struct cloud_launch){argv[3], argv[4], argv[5]}, &reply);
	else if (!strcmp(op, "heartbeat") && argc >= 6)
		c->ops->lifecycle_heartbeat(c->self, &hook, &reply);
	else if (!strcmp(op, "complete") && argc >= 6)
		c->ops->lifecycle_complete(c->self, &hook, &reply);
	else
		return false;
	return true;
}

static void ask(int argc, char **argv)
{
	struct cloud c;
	aws_cloud_get(cloud, &c);
	if (!strcmp(argv[2], "identity"))
		aws_cloud_identity(cloud, &reply);
	else if (!strcmp(argv[2], "groups") && (argc < 4 || text_to_u64(argv[3], &times) == 0))
		ask_groups();
	else if (argc < 4 || (!ask_instance(&c, argc, argv) && !ask_group(&c, argc, argv)))
		on_reply(NULL, -EINVAL, NULL, "usage: aws-call CLUSTER OPERATION [ARGUMENT…]");
}

static const char *env(const char *name)
{
	return getenv(name);
}

int main(int argc, char **argv)
{
	uv_loop_t loop;
	struct why why = {0};
	struct aws_options o = {.cluster = argc > 1 ? argv[1] : "",
		.role_arn = getenv("PETREL_ROLE_ARN"),
		.external_id = getenv("PETREL_EXTERNAL_ID"),
		.env = env,
		.wall_ms = clock_wall_ms,
		.mono_ns = clock_mono_ns,
		.seed = clock_mono_ns()};
	uv_loop_init(&loop);
	if (argc < 3 || aws_cloud_new(&cloud, &loop, &o, &why) < 0) {
		fprintf(stderr, "aws-call: %s\n", argc < 3 ? "no operation" : why.text);
		uv_loop_close(&loop);
		return 2;
	}
	ask(argc, argv);
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop) < 0 ? 3 : status;
}
