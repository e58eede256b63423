// SPDX-License-Identifier: Apache-2.0
#include "aggregator/show/links.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/text.h"

enum { QUEUE_SILENT_MS = 90000 };

struct list {
	struct show_link *items;
	size_t n;
	const char *cluster;
};

static struct show_link *add(struct list *l, const char *name, enum show_link_state state,
	const char *format, ...) __attribute__((format(printf, 4, 5)));

static struct show_link *add(
	struct list *l, const char *name, enum show_link_state state, const char *format, ...)
{
	struct show_link *link = &l->items[l->n++];
	va_list args;
	*link = (struct show_link){.state = state};
	text_copy(link->name, sizeof(link->name), name);
	text_copy(link->cluster, sizeof(link->cluster), l->cluster);
	va_start(args, format);
	vsnprintf(link->text, sizeof(link->text), format, args);
	va_end(args);
	return link;
}

static void advise(struct show_link *link, const char *advice)
{
	text_copy(link->advice, sizeof(link->advice), advice);
}

static uint64_t sum_results(const struct kube_client_stats *k, enum kube_result r)
{
	uint64_t sum = 0;
	for (int v = 0; v < KUBE_VERB_COUNT; v++)
		sum += k->requests[v][r];
	return sum;
}

// The first watch that is in trouble, or that RBAC forbids.
static bool add_watch_trouble(struct list *l, const struct kube_client_stats *k)
{
	for (int m = 0; m < MIRROR_KIND_COUNT; m++) {
		const struct kube_watch_stats *w = &k->watches[m];
		if (w->denied) {
			advise(add(l, "kubernetes", SHOW_LINK_BROKEN,
				       "the API server forbids to list and watch %s",
				       mirror_kind_name((enum mirror_kind)m)),
				"give the aggregator's ServiceAccount the rights of "
				"deploy/manifests (ClusterRole petrel-aggregator)");
			return true;
		}
		if (w->wanted && w->trouble[0]) {
			advise(add(l, "kubernetes", SHOW_LINK_BROKEN, "watching %s: %s",
				       mirror_kind_name((enum mirror_kind)m), w->trouble),
				"it is tried again by itself; check kube.config or the "
				"ServiceAccount's token and the network policy");
			return true;
		}
	}
	return false;
}

static void add_kube(struct list *l, const struct link_sources *s)
{
	const struct kube_client_stats *k = s->kube;
	if (!k) {
		add(l, "kubernetes", SHOW_LINK_OFF,
			"no cluster is watched (kube.enabled): nothing can be "
			"drained");
		return;
	}
	if (add_watch_trouble(l, k))
		return;
	if (!k->synced)
		add(l, "kubernetes", SHOW_LINK_BROKEN, "the first lists are not complete yet");
	else if (sum_results(k, KUBE_RESULT_DENIED) > 0)
		advise(add(l, "kubernetes", SHOW_LINK_BROKEN,
			       "watching, but %llu requests were forbidden",
			       (unsigned long long)sum_results(k, KUBE_RESULT_DENIED)),
			"the audit file's outcomes name the verb: compare with deploy/manifests");
	else
		add(l, "kubernetes", SHOW_LINK_OK,
			"the API server answers; %llu requests waited for its limits",
			(unsigned long long)k->pauses);
}

static void add_leader(struct list *l, const struct link_sources *s)
{
	if (!s->kube)
		return;
	if (s->leads)
		add(l, "leader", SHOW_LINK_OK, "this replica leads%s",
			s->acts ? " and acts" : ", and only says what it would do (mode)");
	else if (s->leader[0])
		add(l, "leader", SHOW_LINK_OK, "%.100s leads; this replica stands by", s->leader);
	else
		advise(add(l, "leader", SHOW_LINK_BROKEN, "nobody holds the Lease: nobody acts"),
			"the ServiceAccount needs get, create and update of its Lease "
			"(kube.namespace, kube.lease)");
}

static void add_aws(struct list *l, const struct link_sources *s)
{
	if (!s->aws_identity)
		add(l, "aws", SHOW_LINK_OFF,
			"AWS is not asked (aws.enabled): nodes are drained, but not replaced, and "
			"lifecycle hooks are not completed");
	else if (s->aws_trouble && s->aws_trouble[0])
		advise(add(l, "aws", SHOW_LINK_BROKEN, "%.180s", s->aws_trouble),
			"check the role of the ServiceAccount (IRSA or Pod Identity) and its "
			"policy; draining goes on without AWS");
	else if (!s->aws_identity[0])
		add(l, "aws", SHOW_LINK_BROKEN, "AWS has not answered yet");
	else
		add(l, "aws", SHOW_LINK_OK, "answers to %.150s", s->aws_identity);
}

static void add_queue(struct list *l, const struct link_sources *s)
{
	const struct queue_stats *q = s->queue;
	if (!q) {
		add(l, "queue", SHOW_LINK_OFF,
			"no event queue (aws.queue): notices come from the agents alone");
		return;
	}
	if (!s->queue_read) {
		add(l, "queue", SHOW_LINK_OK, "the leader reads it; this replica does not");
		return;
	}
	if (q->last_good_ms == 0 || s->now_ms - q->last_good_ms > QUEUE_SILENT_MS)
		advise(add(l, "queue", SHOW_LINK_BROKEN, "the queue does not answer: %.140s",
			       q->last_error.text[0] ? q->last_error.text : "not yet"),
			"check aws.queue and the policy: sqs:ReceiveMessage, sqs:DeleteMessage");
	else
		add(l, "queue", SHOW_LINK_OK,
			"read; %llu messages, %llu notices, %llu of other clusters, %llu malformed",
			(unsigned long long)q->messages, (unsigned long long)q->notices,
			(unsigned long long)q->foreign, (unsigned long long)q->malformed);
}

static void add_webhook(struct list *l, const struct link_sources *s)
{
	const struct webhook_stats *w = s->webhook;
	if (!w)
		add(l, "webhook", SHOW_LINK_OFF,
			"nobody is told by webhook (webhook.url); Kubernetes events are written");
	else if (w->error[0])
		advise(add(l, "webhook", SHOW_LINK_BROKEN, "the last one failed: %.150s", w->error),
			"check webhook.url; others are not held up by it");
	else
		add(l, "webhook", SHOW_LINK_OK, "%llu sent, %llu failed, %llu dropped",
			(unsigned long long)w->sent, (unsigned long long)w->failed,
			(unsigned long long)w->dropped);
}

static void add_audit(struct list *l, const struct link_sources *s)
{
	if (s->audit_broken)
		advise(add(l, "audit", SHOW_LINK_BROKEN,
			       "the audit file cannot be written, %llu lines are lost: "
			       "interruptions are handled, nothing voluntary is done",
			       (unsigned long long)s->audit_lost),
			"make room where audit.path is; it goes on by itself");
	else if (s->audit_lost)
		add(l, "audit", SHOW_LINK_OK,
			"written again; %llu lines were lost, as the file itself says",
			(unsigned long long)s->audit_lost);
	else
		add(l, "audit", SHOW_LINK_OK, "every line is on the disk");
}

static void add_clock(struct list *l, const struct link_sources *s)
{
	if (s->clock_ahead_ms)
		advise(add(l, "clock", SHOW_LINK_BROKEN,
			       "this machine's clock is %+lld s from the API server's, whose time "
			       "is used",
			       (long long)s->clock_ahead_ms / 1000),
			"set the clock of the aggregator's node by NTP");
}

size_t links_print(const struct link_sources *s, struct show_link ret[SHOW_MAX_LINKS])
{
	struct list l = {.items = ret, .cluster = s->cluster};
	add_kube(&l, s);
	add_leader(&l, s);
	add_aws(&l, s);
	add_queue(&l, s);
	l.cluster = "";
	add_webhook(&l, s);
	add_audit(&l, s);
	add_clock(&l, s);
	return l.n;
}
