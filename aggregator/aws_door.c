// SPDX-License-Identifier: Apache-2.0
#include "aggregator/aws_door.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/cloud/aws/aws.h"
#include "aggregator/cloud/queue.h"
#include "aggregator/fleet/vanished.h"
#include "aggregator/fleet/watch.h"
#include "proto/base/clock.h"
#include "proto/base/events.h"
#include "proto/base/log.h"
#include "proto/base/text.h"

enum { DESCRIBE_MS = 30000, IDENTITY_MS = 600000 };

struct taken { // a message whose notice is on its way to the disk
	struct queue_ack *ack;
	struct taken *next;
};

struct aws_door {
	struct aws_door_doors doors;
	struct fleet_watch watch; // only its groups
	struct aws_cloud *cloud;
	struct cloud calls;  // of cloud
	struct queue *queue; // NULL: this replica follows, or none is configured
	bool queue_stopping;
	bool queue_refused; // it cannot be opened: said once
	const struct aggregator_config *config;
	uv_loop_t *loop;
	uv_timer_t timer;
	struct taken *taken;
	bool describing, stopping, timer_closed;
	bool failing; // the last description failed: said once
	struct vanished *vanished;
	int64_t identity_ms;     // when AWS was asked whom it takes us for
	char identity[192];      // its answer, "" before the first
	char trouble[192];       // why it refused, "" if it did not
	struct queue_stats read; // of the queue, for links
	void (*on_stopped)(void *arg);
	void *on_stopped_arg;
};

static void on_group(void *arg, const struct cloud_group *g)
{
	struct aws_door *a = arg;
	const struct cloud_calls calls = fleet_watch_groups(&a->watch);
	calls.on_group(calls.arg, g);
}

static void on_described(void *arg, int r, const struct why *why)
{
	struct aws_door *a = arg;
	a->describing = false;
	if (r == -ECANCELED || (r < 0) == a->failing)
		return;
	a->failing = r < 0;
	log_event(r < 0 ? LOG_WARN : LOG_INFO, EV_CLOUD,
		r < 0 ? why->text : "the cloud describes its groups again",
		LOG_TEXT("cluster", a->watch.cluster));
}

static void describe(uv_timer_t *timer)
{
	struct aws_door *a = timer->data;
	const struct cloud_calls calls = {on_group, on_described, a};
	if (a->describing || a->stopping)
		return;
	a->describing = true;
	a->calls.ops->describe_groups(a->calls.self, &calls);
}

static void on_notice(
	void *arg, const struct notice *n, const struct queue_extra *extra, struct queue_ack *ack)
{
	struct aws_door *a = arg;
	const struct drain_hook hook = {extra->scaling_group, extra->hook, extra->token};
	int r = a->doors.on_notice(a->doors.arg, n, extra->hook[0] ? &hook : NULL);
	struct taken *t = r == 0 ? malloc(sizeof(*t)) : NULL;
	if (!t) {
		queue_verdict(a->queue, ack, r == -ENOENT ? QUEUE_FOREIGN : QUEUE_LATER);
		return;
	}
	*t = (struct taken){ack, a->taken};
	a->taken = t;
}

static void on_vanished(void *arg, const struct notice *n)
{
	struct aws_door *a = arg;
	a->doors.on_notice(a->doors.arg, n, NULL);
}

static const struct cloud *cloud_of(void *arg, const char *cluster)
{
	struct aws_door *a = arg;
	return strcmp(cluster, a->watch.cluster) == 0 && !a->stopping ? &a->calls : NULL;
}

static void on_identity(void *arg, int r, const struct why *why, const char *text)
{
	struct aws_door *a = arg;
	if (r == 0)
		text_copy(a->identity, sizeof(a->identity), text);
	if (r != -ECANCELED)
		text_copy(a->trouble, sizeof(a->trouble), r == 0 ? "" : why->text);
}

void aws_door_tick(struct aws_door *a, int64_t now_ms)
{
	int64_t every_ms = a->trouble[0] ? DESCRIBE_MS : IDENTITY_MS;
	if (a->stopping)
		return;
	vanished_tick(a->vanished, now_ms);
	if (now_ms - a->identity_ms >= every_ms || now_ms < a->identity_ms) {
		const struct cloud_reply reply = {on_identity, a};
		a->identity_ms = now_ms;
		aws_cloud_identity(a->cloud, &reply);
	}
}

void aws_door_links(struct aws_door *a, struct link_sources *ret)
{
	ret->aws_identity = a->identity;
	ret->aws_trouble = a->trouble;
	ret->checks_denied = aws_cloud_checks_denied(a->cloud);
	if (!a->config->aws_queue[0])
		return;
	if (a->queue)
		queue_stats(a->queue, &a->read);
	ret->queue = &a->read;
	ret->queue_read = a->queue || a->queue_refused;
}

static void settle(struct aws_door *a, enum queue_verdict v)
{
	while (a->taken) {
		struct taken *t = a->taken;
		a->taken = t->next;
		queue_verdict(a->queue, t->ack, v);
		free(t);
	}
}

static const char *environment(const char *name)
{
	return getenv(name);
}

static const char *or_null(const char *text)
{
	return text[0] ? text : NULL;
}

static void open_queue(struct aws_door *a)
{
	struct why why;
	const struct queue_options o = {.client = aws_cloud_client(a->cloud),
		.url = a->config->aws_queue,
		.cluster = a->watch.cluster,
		.wait_s = UINT32_MAX,
		.wall_ms = clock_wall_ms,
		.seed = clock_mono_ns(),
		.on_notice = on_notice,
		.arg = a};
	int r = queue_start(&a->queue, a->loop, &o, &why);
	if (r < 0 && !a->queue_refused)
		log_event(LOG_ERROR, EV_CLOUD, why.text, LOG_TEXT("queue", a->config->aws_queue));
	a->queue_refused = r < 0;
}

static void on_queue_stopped(void *arg);

static void close_queue(struct aws_door *a)
{
	settle(a, QUEUE_LATER);
	a->queue_stopping = true;
	queue_stop(a->queue, on_queue_stopped, a);
}

// Only the leader reads: what a follower took from the queue the leader would never hear of. What
// the audit file could not take stays in the queue, and comes again.
void aws_door_turn(struct aws_door *a, bool leads, bool audited)
{
	settle(a, audited ? QUEUE_ACCEPTED : QUEUE_LATER);
	if (!a->config->aws_queue[0] || a->stopping || a->queue_stopping)
		return;
	if (leads && !a->queue && !a->queue_refused)
		open_queue(a);
	else if (!leads && a->queue)
		close_queue(a);
}

static int open_vanished(struct aws_door *a)
{
	const struct vanished_options o = {.fleet = a->doors.fleet,
		.wall_ms = clock_wall_ms,
		.cloud_of = cloud_of,
		.on_notice = on_vanished,
		.arg = a};
	return vanished_new(&a->vanished, &o);
}

int aws_door_start(struct aws_door **ret, uv_loop_t *loop, const struct aws_door_doors *doors,
	const struct aggregator_config *config, struct why *why)
{
	const struct aws_options o = {.region = or_null(config->aws_region),
		.cluster = config->clusters.n ? config->clusters.items[0] : "",
		.endpoint_url = or_null(config->aws_endpoint),
		.role_arn = or_null(config->aws_role),
		.external_id = or_null(config->aws_external_id),
		.env = environment,
		.wall_ms = clock_wall_ms,
		.mono_ns = clock_mono_ns,
		.seed = clock_mono_ns()};
	struct aws_door *a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->doors = *doors;
	a->config = config;
	a->loop = loop;
	a->watch.fleet = doors->fleet;
	text_copy(a->watch.cluster, sizeof(a->watch.cluster), o.cluster);
	int r = open_vanished(a);
	if (r == 0)
		r = aws_cloud_new(&a->cloud, loop, &o, why);
	if (r < 0) {
		vanished_free(a->vanished);
		free(a);
		return r;
	}
	aws_cloud_get(a->cloud, &a->calls);
	uv_timer_init(loop, &a->timer);
	a->timer.data = a;
	*ret = a;
	return uv_timer_start(&a->timer, describe, 0, DESCRIBE_MS);
}

struct cloud aws_door_cloud(struct aws_door *a)
{
	return a->calls;
}

// --- closing: timer, queue, cloud ---------------------------------------------------------------

static void on_cloud_stopped(void *arg)
{
	struct aws_door *a = arg;
	void (*on_stopped)(void *) = a->on_stopped;
	void *on_stopped_arg = a->on_stopped_arg;
	vanished_free(a->vanished);
	free(a);
	on_stopped(on_stopped_arg);
}

static void stop_cloud(struct aws_door *a)
{
	aws_cloud_stop(a->cloud, on_cloud_stopped, a);
}

static void on_queue_stopped(void *arg)
{
	struct aws_door *a = arg;
	a->queue = NULL;
	a->queue_stopping = false;
	if (a->timer_closed)
		stop_cloud(a);
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct aws_door *a = handle->data;
	a->timer_closed = true;
	if (!a->queue)
		stop_cloud(a);
	else if (!a->queue_stopping)
		close_queue(a);
}

void aws_door_stop(struct aws_door *a, void (*on_stopped)(void *arg), void *arg)
{
	a->on_stopped = on_stopped;
	a->on_stopped_arg = arg;
	a->stopping = true;
	uv_close((uv_handle_t *)&a->timer, on_timer_closed);
}
