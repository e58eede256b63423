// SPDX-License-Identifier: Apache-2.0
#include "aggregator/show/links.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "aggregator/show/links_list.h"
#include "proto/base/text.h"

enum { QUEUE_SILENT_MS = 90000 };

struct show_link *link_add(
	struct link_list *l, const char *name, enum show_link_state state, const char *format, ...)
{
	static struct show_link dropped; // past the bound: written to, never shown
	struct show_link *link = l->n < SHOW_MAX_LINKS ? &l->items[l->n++] : &dropped;
	va_list args;
	*link = (struct show_link){.state = state};
	text_copy(link->name, sizeof(link->name), name);
	text_copy(link->cluster, sizeof(link->cluster), l->cluster);
	va_start(args, format);
	vsnprintf(link->text, sizeof(link->text), format, args);
	va_end(args);
	return link;
}

void link_advise(struct show_link *link, const char *advice)
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

static const char *first_verb(const struct kube_client_stats *k, enum kube_result r)
{
	int v = 0;
	while (v < KUBE_VERB_COUNT - 1 && k->requests[v][r] == 0)
		v++;
	return kube_verb_name((enum kube_verb)v);
}

// What usually stands behind the words in which a failure reaches us.
static const char *advice_for(const char *trouble)
{
	static const struct {
		const char *word, *advice;
	} known[] = {
		{"ertificate", "the authority that is trusted is not the one of this API server: "
			       "check certificate-authority of kube.config, or ca.crt of the "
			       "ServiceAccount"},
		{"SSL", "the connection is not the API server's, or its authority is not trusted: "
			"check kube.config"},
		{"nauthorized", "the token is refused, most likely it has expired: a projected "
				"ServiceAccount token is renewed by itself, one in a kubeconfig is "
				"not"},
		{"refused", "nothing listens there: is the server in kube.config right, does the "
			    "API server run?"},
		{"imed out", "no way there: check the network policy and the security group for "
			     "port 443 of the API server"},
		{"resolve", "the name of the API server is not known here: check kube.config and "
			    "DNS"},
	};
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strstr(trouble, known[i].word))
			return known[i].advice;
	return "it is tried again by itself; check kube.config or the ServiceAccount's token and "
	       "the network policy";
}

static const char *aws_advice_for(const char *trouble)
{
	static const struct {
		const char *word, *advice;
	} known[] = {
		{"AssumeRole", "the trust policy of the role must allow this caller, with the "
			       "ExternalId of aws.external_id if it asks for one"},
		{"xpired", "the credentials have ended and were not renewed: check the token file "
			   "of the ServiceAccount and this machine's clock"},
		{"redential", "none were found: give the ServiceAccount a role (IRSA or Pod "
			      "Identity), or the instance a profile"},
		{"ignature", "the clock is off, or the keys are not of this account"},
		{"resolve", "aws.region or aws.endpoint is wrong, or there is no way out"},
	};
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strstr(trouble, known[i].word))
			return known[i].advice;
	return "check the role of the ServiceAccount (IRSA or Pod Identity) and its policy; "
	       "draining goes on without AWS";
}

// The first watch that is in trouble, or that RBAC forbids.
static bool add_watch_trouble(struct link_list *l, const struct kube_client_stats *k)
{
	for (int m = 0; m < MIRROR_KIND_COUNT; m++) {
		const struct kube_watch_stats *w = &k->watches[m];
		if (w->denied) {
			link_advise(link_add(l, "kubernetes", SHOW_LINK_BROKEN,
					    "the API server forbids to list and watch %s",
					    mirror_kind_name((enum mirror_kind)m)),
				"give the aggregator's ServiceAccount the rights of "
				"deploy/manifests (ClusterRole petrel-aggregator)");
			return true;
		}
		if (w->wanted && w->trouble[0]) {
			link_advise(link_add(l, "kubernetes", SHOW_LINK_BROKEN, "watching %s: %s",
					    mirror_kind_name((enum mirror_kind)m), w->trouble),
				advice_for(w->trouble));
			return true;
		}
	}
	return false;
}

static void add_kube(struct link_list *l, const struct link_sources *s)
{
	const struct kube_client_stats *k = s->kube;
	if (!k) {
		link_add(l, "kubernetes", SHOW_LINK_OFF,
			"no cluster is watched (kube.enabled): nothing can be "
			"drained");
		return;
	}
	if (add_watch_trouble(l, k))
		return;
	if (!k->synced)
		link_add(l, "kubernetes", SHOW_LINK_BROKEN, "the first lists are not complete yet");
	else if (sum_results(k, KUBE_RESULT_DENIED) > 0)
		link_advise(link_add(l, "kubernetes", SHOW_LINK_BROKEN,
				    "watching, but %llu requests were forbidden, the first to %s",
				    (unsigned long long)sum_results(k, KUBE_RESULT_DENIED),
				    first_verb(k, KUBE_RESULT_DENIED)),
			"compare the ServiceAccount's rights with deploy/manifests/20-rbac.yaml");
	else
		link_add(l, "kubernetes", SHOW_LINK_OK,
			"the API server answers; %llu requests waited for its limits",
			(unsigned long long)k->pauses);
}

static void add_leader(struct link_list *l, const struct link_sources *s)
{
	if (!s->kube)
		return;
	if (s->leads)
		link_add(l, "leader", SHOW_LINK_OK, "this replica leads%s",
			s->acts ? " and acts" : ", and only says what it would do (mode)");
	else if (s->leader[0])
		link_add(l, "leader", SHOW_LINK_OK, "%.100s leads; this replica stands by",
			s->leader);
	else
		link_advise(link_add(l, "leader", SHOW_LINK_BROKEN,
				    "nobody holds the Lease: nobody acts"),
			"the ServiceAccount needs get, create and update of its Lease "
			"(kube.namespace, kube.lease)");
}

static void add_aws(struct link_list *l, const struct link_sources *s)
{
	if (!s->aws_identity)
		link_add(l, "aws", SHOW_LINK_OFF,
			"AWS is not asked (aws.enabled): nodes are drained, but not replaced, and "
			"lifecycle hooks are not completed");
	else if (s->aws_trouble && s->aws_trouble[0])
		link_advise(link_add(l, "aws", SHOW_LINK_BROKEN, "%.180s", s->aws_trouble),
			aws_advice_for(s->aws_trouble));
	else if (!s->aws_identity[0])
		link_add(l, "aws", SHOW_LINK_BROKEN, "AWS has not answered yet");
	else
		link_add(l, "aws", SHOW_LINK_OK, "answers to %.150s", s->aws_identity);
}

static void add_queue(struct link_list *l, const struct link_sources *s)
{
	const struct queue_stats *q = s->queue;
	if (!q) {
		link_add(l, "queue", SHOW_LINK_OFF,
			"no event queue (aws.queue): notices come from the agents alone");
		return;
	}
	if (!s->queue_read) {
		link_add(l, "queue", SHOW_LINK_OK, "the leader reads it; this replica does not");
		return;
	}
	if (q->last_good_ms == 0 || s->now_ms - q->last_good_ms > QUEUE_SILENT_MS)
		link_advise(
			link_add(l, "queue", SHOW_LINK_BROKEN, "the queue does not answer: %.140s",
				q->last_error.text[0] ? q->last_error.text : "not yet"),
			strstr(q->last_error.text, "NonExistent") ||
					strstr(q->last_error.text, "does not exist")
				? "aws.queue names a queue that is not there: account, name and "
				  "region are in its URL"
				: "check aws.queue, its region and the policy: sqs:ReceiveMessage, "
				  "sqs:DeleteMessage");
	else if (q->malformed > 0)
		link_advise(link_add(l, "queue", SHOW_LINK_WARN,
				    "read, but %llu messages could not be understood",
				    (unsigned long long)q->malformed),
			"something else sends to this queue: its first bytes are in the log");
	else if (q->messages == 0)
		link_advise(link_add(l, "queue", SHOW_LINK_OK, "read; no event has come yet"),
			"EventBridge rules for spot interruption, rebalance, state change, health "
			"and the lifecycle hook must all have it as their target");
	else
		link_add(l, "queue", SHOW_LINK_OK,
			"read; %llu messages, %llu notices, %llu of other clusters, %llu malformed",
			(unsigned long long)q->messages, (unsigned long long)q->notices,
			(unsigned long long)q->foreign, (unsigned long long)q->malformed);
}

static void add_webhook(struct link_list *l, const struct link_sources *s)
{
	const struct webhook_stats *w = s->webhook;
	if (!w)
		link_add(l, "webhook", SHOW_LINK_OFF,
			"nobody is told by webhook (webhook.url); Kubernetes events are written");
	else if (w->error[0])
		link_advise(link_add(l, "webhook", SHOW_LINK_BROKEN, "the last one failed: %.150s",
				    w->error),
			"check webhook.url; others are not held up by it");
	else
		link_add(l, "webhook", SHOW_LINK_OK, "%llu sent, %llu failed, %llu dropped",
			(unsigned long long)w->sent, (unsigned long long)w->failed,
			(unsigned long long)w->dropped);
}

static void add_audit(struct link_list *l, const struct link_sources *s)
{
	if (s->audit_broken)
		link_advise(link_add(l, "audit", SHOW_LINK_BROKEN,
				    "the audit file cannot be written, %llu lines are lost: "
				    "interruptions are handled, nothing voluntary is done",
				    (unsigned long long)s->audit_lost),
			"make room where audit.path is; it goes on by itself");
	else if (s->audit_lost)
		link_add(l, "audit", SHOW_LINK_OK,
			"written again; %llu lines were lost, as the file itself says",
			(unsigned long long)s->audit_lost);
	else
		link_add(l, "audit", SHOW_LINK_OK, "every line is on the disk");
}

static void add_clock(struct link_list *l, const struct link_sources *s)
{
	if (s->clock_ahead_ms)
		link_advise(
			link_add(l, "clock", SHOW_LINK_BROKEN,
				"this machine's clock is %+lld s from the API server's, whose time "
				"is used",
				(long long)s->clock_ahead_ms / 1000),
			"set the clock of the aggregator's node by NTP");
}

size_t links_print(const struct link_sources *s, struct show_link ret[SHOW_MAX_LINKS])
{
	struct link_list l = {.items = ret, .cluster = s->cluster};
	add_kube(&l, s);
	add_leader(&l, s);
	add_aws(&l, s);
	add_queue(&l, s);
	links_add_fleet(&l, s);
	l.cluster = "";
	add_webhook(&l, s);
	add_audit(&l, s);
	add_clock(&l, s);
	return l.n;
}
