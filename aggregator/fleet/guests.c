// SPDX-License-Identifier: Apache-2.0
// Disruption budgets and workloads: what a pod's eviction has to ask.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "aggregator/fleet/internal.h"
#include "aggregator/kube/selector.h"
#include "proto/base/text.h"

static void free_budget(struct fleet_budget *b)
{
	free(b->selector);
	free(b);
}

void fleet_free_guests(struct fleet *f)
{
	FREE_TABLE(f->budgets, free_budget);
	FREE_TABLE(f->spaces, free);
	FREE_TABLE(f->workloads, free);
}

static int may_add(struct fleet *f, size_t have, size_t max, const struct fleet_thing *t)
{
	bool named = text_is_name(t->cluster, strlen(t->cluster), 63) &&
		     text_is_name(t->namespace_, strlen(t->namespace_), 63) &&
		     text_is_name(t->name, strlen(t->name), NAME_MAX_BYTES - 1);
	if (named && have < max)
		return 0;
	f->refused++;
	return named ? -ENOSPC : -EINVAL;
}

static void budget_key(const struct fleet_thing *t, char *ret, size_t size)
{
	snprintf(ret, size, "%s/%s/%s", t->cluster, t->namespace_, t->name);
}

struct fleet_budget *fleet_find_budget(struct fleet *f, const struct fleet_thing *which)
{
	char key[sizeof(((struct fleet_budget *)0)->key)];
	struct fleet_budget *b;
	budget_key(which, key, sizeof(key));
	HASH_FIND_STR(f->budgets, key, b);
	return b;
}

static struct fleet_space *find_space(
	const struct fleet *f, const char *cluster, const char *namespace_)
{
	char key[sizeof(((struct fleet_space *)0)->key)];
	struct fleet_space *s;
	snprintf(key, sizeof(key), "%s/%s", cluster, namespace_);
	HASH_FIND_STR(f->spaces, key, s);
	return s;
}

static struct fleet_space *space(struct fleet *f, const struct fleet_thing *which)
{
	struct fleet_space *s = find_space(f, which->cluster, which->namespace_);
	if (s)
		return s;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	snprintf(s->key, sizeof(s->key), "%s/%s", which->cluster, which->namespace_);
	HASH_ADD_STR(f->spaces, key, s);
	return s;
}

int fleet_budget(struct fleet *f, const struct fleet_thing *which, struct fleet_budget **ret)
{
	struct fleet_budget *b = fleet_find_budget(f, which);
	if (!b) {
		int r = may_add(f, HASH_COUNT(f->budgets), FLEET_MAX_BUDGETS, which);
		if (r < 0)
			return r;
		struct fleet_space *s = space(f, which);
		b = s ? calloc(1, sizeof(*b)) : NULL;
		if (!b)
			return -ENOMEM; // an empty namespace stays: harmless
		budget_key(which, b->key, sizeof(b->key));
		text_copy(b->cluster, sizeof(b->cluster), which->cluster);
		text_copy(b->namespace_, sizeof(b->namespace_), which->namespace_);
		text_copy(b->name, sizeof(b->name), which->name);
		b->space = s;
		HASH_ADD_STR(f->budgets, key, b);
		DL_APPEND(s->budgets, b);
	}
	*ret = b;
	return 0;
}

void fleet_remove_budget(struct fleet *f, struct fleet_budget *b)
{
	struct fleet_space *s = b->space;
	DL_DELETE(s->budgets, b);
	if (!s->budgets) {
		HASH_DEL(f->spaces, s);
		free(s);
	}
	HASH_DEL(f->budgets, b);
	free_budget(b);
}

size_t fleet_budgets_of(const struct fleet *f, const struct fleet_pod *p,
	const struct fleet_budget **ret, size_t max)
{
	struct fleet_space *s = find_space(f, p->cluster, p->namespace_);
	size_t n = 0;
	for (const struct fleet_budget *b = s ? s->budgets : NULL; b; b = b->next) {
		if (!b->selector || !selector_match(b->selector, p->labels ? p->labels : ""))
			continue;
		if (n < max)
			ret[n] = b;
		n++;
	}
	return n;
}

static void workload_key(
	const struct fleet_thing *t, enum kube_controller kind, char *ret, size_t size)
{
	snprintf(ret, size, "%s/%s/%d/%s", t->cluster, t->namespace_, (int)kind, t->name);
}

struct fleet_workload *fleet_find_workload(
	struct fleet *f, const struct fleet_thing *which, enum kube_controller kind)
{
	char key[sizeof(((struct fleet_workload *)0)->key)];
	struct fleet_workload *w;
	workload_key(which, kind, key, sizeof(key));
	HASH_FIND_STR(f->workloads, key, w);
	return w;
}

int fleet_workload(struct fleet *f, const struct fleet_thing *which, enum kube_controller kind,
	struct fleet_workload **ret)
{
	struct fleet_workload *w = fleet_find_workload(f, which, kind);
	if (!w) {
		int r = may_add(f, HASH_COUNT(f->workloads), FLEET_MAX_WORKLOADS, which);
		if (r < 0)
			return r;
		w = calloc(1, sizeof(*w));
		if (!w)
			return -ENOMEM;
		workload_key(which, kind, w->key, sizeof(w->key));
		w->kind = kind;
		HASH_ADD_STR(f->workloads, key, w);
	}
	*ret = w;
	return 0;
}

void fleet_remove_workload(struct fleet *f, struct fleet_workload *w)
{
	HASH_DEL(f->workloads, w);
	free(w);
}
