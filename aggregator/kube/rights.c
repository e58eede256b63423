// SPDX-License-Identifier: Apache-2.0
#include "aggregator/kube/rights.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/kube/client_impl.h"
#include "aggregator/kube/objects.h"
#include "proto/base/json.h"
#include "proto/base/text.h"

enum { MAX_BODY_BYTES = 2048 };

static const char cluster_role[] = "ClusterRole petrel-aggregator";
static const char lease_role[] = "Role petrel-aggregator in the aggregator's namespace";

static const struct right {
	const char *verb, *group, *resource, *subresource;
	const char *namespace_; // NULL: of every namespace; "": the Lease's
	const char *without, *where;
} rights[] = {
	{"patch", "", "nodes", NULL, NULL, "no node can be cordoned or tainted", cluster_role},
	{"get", "", "nodes", NULL, NULL, "a conflict over a node's taints cannot be resolved",
		cluster_role},
	{"list", "", "nodes", NULL, NULL, "no node is known", cluster_role},
	{"watch", "", "nodes", NULL, NULL, "changes of nodes are not seen", cluster_role},
	{"create", "", "pods", "eviction", NULL, "no pod can be evicted", cluster_role},
	{"delete", "", "pods", NULL, NULL,
		"what a budget blocks to the end is killed without its grace", cluster_role},
	{"list", "", "pods", NULL, NULL, "no pod is known", cluster_role},
	{"watch", "", "pods", NULL, NULL, "changes of pods are not seen", cluster_role},
	{"list", "policy", "poddisruptionbudgets", NULL, NULL, "budgets are not foreseen",
		cluster_role},
	{"watch", "policy", "poddisruptionbudgets", NULL, NULL, "budgets are not foreseen",
		cluster_role},
	{"list", "apps", "deployments", NULL, NULL, "single replicas are not told apart",
		cluster_role},
	{"list", "apps", "replicasets", NULL, NULL, "the Deployments of pods are guessed",
		cluster_role},
	{"list", "apps", "statefulsets", NULL, NULL, "single replicas are not told apart",
		cluster_role},
	{"list", "storage.k8s.io", "volumeattachments", NULL, NULL,
		"volumes that hang are not freed", cluster_role},
	{"list", "coordination.k8s.io", "leases", NULL, "kube-node-lease",
		"instances that vanish without a notice are seen late",
		"Role petrel-aggregator in kube-node-lease"},
	{"create", "events.k8s.io", "events", NULL, "default",
		"nothing is told as a Kubernetes Event", "Role petrel-aggregator in default"},
	{"create", "coordination.k8s.io", "leases", NULL, "", "nobody can become the leader",
		lease_role},
	{"get", "coordination.k8s.io", "leases", NULL, "", "nobody can become the leader",
		lease_role},
	{"update", "coordination.k8s.io", "leases", NULL, "", "nobody can stay the leader",
		lease_role},
};
enum { RIGHTS = sizeof(rights) / sizeof(*rights) };

struct kube_rights {
	struct kube_client *client;
	char lease_namespace[64], lease_name[NAME_MAX_BYTES];
	size_t next; // of the round under way
	bool asking;
	struct kube_rights_stats round, last;
};

int kube_rights_new(struct kube_rights **ret, struct kube_client *c, const char *lease_namespace,
	const char *lease_name)
{
	struct kube_rights *r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->client = c;
	text_copy(r->lease_namespace, sizeof(r->lease_namespace), lease_namespace);
	text_copy(r->lease_name, sizeof(r->lease_name), lease_name);
	*ret = r;
	return 0;
}

void kube_rights_free(struct kube_rights *r)
{
	free(r);
}

void kube_rights_stats(const struct kube_rights *r, struct kube_rights_stats *ret)
{
	*ret = r->last;
}

static void put_review(const struct kube_rights *k, const struct right *r, struct buf *out)
{
	struct json j;
	bool own = r->namespace_ && !r->namespace_[0];
	json_init(&j, out);
	json_open(&j, '{');
	json_put_text(&j, "apiVersion", "authorization.k8s.io/v1");
	json_put_text(&j, "kind", "SelfSubjectAccessReview");
	json_key(&j, "spec");
	json_open(&j, '{');
	json_key(&j, "resourceAttributes");
	json_open(&j, '{');
	json_put_text(&j, "verb", r->verb);
	json_put_text(&j, "group", r->group);
	json_put_text(&j, "resource", r->resource);
	if (r->subresource)
		json_put_text(&j, "subresource", r->subresource);
	if (r->namespace_)
		json_put_text(&j, "namespace", own ? k->lease_namespace : r->namespace_);
	if (own && strcmp(r->verb, "create") != 0)
		json_put_text(&j, "name", k->lease_name);
	json_close(&j, '}');
	json_close(&j, '}');
	json_close(&j, '}');
}

static void note_missing(struct kube_rights_stats *s, const struct right *r)
{
	char text[96];
	size_t len = strlen(s->all);
	snprintf(text, sizeof(text), "%s %s%s%s", r->verb, r->resource, r->subresource ? "/" : "",
		r->subresource ? r->subresource : "");
	if (s->missing++ == 0) {
		text_copy(s->first, sizeof(s->first), text);
		text_copy(s->without, sizeof(s->without), r->without);
		text_copy(s->where, sizeof(s->where), r->where);
	}
	snprintf(s->all + len, sizeof(s->all) - len, "%s%s", len ? ", " : "", text);
}

static void ask_next(struct kube_rights *r);

// A round without an answer says nothing: what the last one said stands.
static void on_review(void *arg, const struct kube_answer *a)
{
	struct kube_rights *r = arg;
	bool ok = a->error == 0 && a->status >= 200 && a->status < 300;
	cJSON *o = ok ? cJSON_ParseWithLength(a->body, a->body_len) : NULL;
	const cJSON *allowed = object_at(o, "status.allowed");
	if (!cJSON_IsBool(allowed)) {
		r->asking = false;
	} else {
		if (!cJSON_IsTrue(allowed))
			note_missing(&r->round, &rights[r->next]);
		r->round.asked++;
		r->next++;
		ask_next(r);
	}
	cJSON_Delete(o);
}

static void ask_next(struct kube_rights *r)
{
	if (r->next == RIGHTS) {
		r->round.rounds = r->last.rounds + 1;
		r->last = r->round;
		r->asking = false;
		return;
	}
	autobuf body;
	buf_init(&body, MAX_BODY_BYTES);
	put_review(r, &rights[r->next], &body);
	struct kube_request_options o = {.verb = KUBE_VERB_REVIEW,
		.lane = BUDGET_REPORT,
		.method = "POST",
		.path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
		.content_type = "application/json",
		.body = body.data,
		.body_len = body.len,
		.on_done = on_review,
		.arg = r};
	r->asking = kube_request_start(NULL, r->client, &o) == 0;
}

void kube_rights_ask(struct kube_rights *r)
{
	if (r->asking)
		return;
	r->next = 0;
	r->round = (struct kube_rights_stats){0};
	ask_next(r);
}
