// SPDX-License-Identifier: Apache-2.0
#include "aggregator/show/core.h"

#include "proto/base/json.h"
#include "proto/base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int core_init(struct show_core *c, const struct show_options *o, const struct show_sources *s)
{
	if (!s->fleet || !s->store || !s->status || !o->wall_ms || !o->mono_ns)
		return -EINVAL;
	*c = (struct show_core){.options = *o, .sources = *s};
	return 0;
}

static void kept_free(struct kept_plan *k)
{
	if (!k)
		return;
	free(k->plan);
	free(k->steps);
	free(k->ends);
	free(k);
}

void core_done(struct show_core *c)
{
	for (size_t i = 0; i < c->n_kept; i++)
		kept_free(c->kept[(c->first + i) % SHOW_MAX_PLANS]);
	struct cluster_plan *n, *next;
	HASH_ITER (hh, c->newest, n, next) {
		HASH_DEL(c->newest, n);
		free(n->steps);
		free(n);
	}
	node_memory_free(&c->nodes);
	drain_tally_done(&c->drains);
	*c = (struct show_core){0};
}

static size_t kept_size(const struct kept_plan *k)
{
	size_t steps = k->n_steps ? k->ends[k->n_steps - 1].end : 0;
	return sizeof(*k) + k->plan_len + steps + k->n_steps * sizeof(*k->ends);
}

static int print_steps(const struct plan *p, struct kept_plan *k)
{
	autobuf out;
	buf_init(&out, SHOW_MAX_PLAN_BYTES);
	for (size_t i = 0; i < p->n_steps; i++) {
		struct json j;
		json_init(&j, &out);
		json_open(&j, '{');
		json_put_text(&j, "plan_id", p->id);
		json_put_i64(&j, "now_ms", p->now_ms);
		json_put_text(&j, "cluster", p->cluster);
		json_put_text(&j, "mode", p->mode);
		plan_step_print(&p->steps[i], &j);
		json_close(&j, '}');
		k->ends[i].end = out.len;
		text_copy(k->ends[i].group, sizeof(k->ends[i].group), p->steps[i].group);
	}
	k->steps = buf_take(&out, NULL);
	return k->steps ? 0 : -E2BIG;
}

static int print_plan(const struct plan *p, struct kept_plan *k)
{
	k->n_steps = p->n_steps;
	k->now_ms = p->now_ms;
	text_copy(k->id, sizeof(k->id), p->id);
	text_copy(k->cluster, sizeof(k->cluster), p->cluster);
	k->ends = calloc(p->n_steps + 1, sizeof(*k->ends));
	if (!k->ends)
		return -ENOMEM;
	autobuf out;
	buf_init(&out, SHOW_MAX_PLAN_BYTES);
	plan_print(p, &out);
	k->plan = buf_take(&out, &k->plan_len);
	return k->plan ? print_steps(p, k) : -E2BIG;
}

static void drop_oldest(struct show_core *c)
{
	struct kept_plan *k = c->kept[c->first];
	c->kept_bytes -= kept_size(k);
	kept_free(k);
	c->kept[c->first] = NULL;
	c->first = (c->first + 1) % SHOW_MAX_PLANS;
	c->n_kept--;
}

static int keep(struct show_core *c, const struct plan *p)
{
	struct kept_plan *k = calloc(1, sizeof(*k));
	int r = k ? print_plan(p, k) : -ENOMEM;
	if (r < 0) {
		kept_free(k);
		return r;
	}
	size_t size = kept_size(k);
	while (c->n_kept &&
		(c->n_kept == SHOW_MAX_PLANS || c->kept_bytes + size > SHOW_MAX_PLAN_BYTES))
		drop_oldest(c);
	c->kept[(c->first + c->n_kept++) % SHOW_MAX_PLANS] = k;
	c->kept_bytes += size;
	return 0;
}

static const char *refusing_guard(const struct plan *p)
{
	for (size_t i = 0; i < p->n_steps; i++)
		for (size_t g = 0; g < p->steps[i].n_guards; g++)
			if (!p->steps[i].guards[g].passed)
				return p->steps[i].guards[g].name;
	return "";
}

static int keep_newest(struct show_core *c, const struct plan *p)
{
	struct plan_step *steps = malloc((p->n_steps + 1) * sizeof(*steps));
	struct cluster_plan *n;
	HASH_FIND_STR(c->newest, p->cluster, n);
	if (steps && !n) {
		n = calloc(1, sizeof(*n));
		if (n) {
			text_copy(n->cluster, sizeof(n->cluster), p->cluster);
			HASH_ADD_STR(c->newest, cluster, n);
		}
	}
	if (!steps || !n) {
		free(steps);
		return -ENOMEM;
	}
	memcpy(steps, p->steps, p->n_steps * sizeof(*steps));
	free(n->steps);
	n->steps = steps;
	n->n_steps = p->n_steps;
	text_copy(n->guard, sizeof(n->guard), refusing_guard(p));
	return 0;
}

int core_add_plan(struct show_core *c, const struct plan *p)
{
	int r = keep_newest(c, p), k = keep(c, p);
	return r < 0 ? r : k;
}

const struct kept_plan *core_plan(const struct show_core *c, size_t index)
{
	if (index >= c->n_kept)
		return NULL;
	return c->kept[(c->first + c->n_kept - 1 - index) % SHOW_MAX_PLANS];
}

const struct kept_plan *core_plan_by_id(const struct show_core *c, const char *id)
{
	const struct kept_plan *k;
	for (size_t i = 0; (k = core_plan(c, i)); i++)
		if (strcmp(k->id, id) == 0)
			return k;
	return NULL;
}

const struct cluster_plan *core_newest(const struct show_core *c, const char *cluster)
{
	struct cluster_plan *n;
	HASH_FIND_STR(c->newest, cluster, n);
	return n;
}

const struct plan_step *core_newest_step(
	const struct show_core *c, const char *cluster, const char *group)
{
	const struct cluster_plan *n = core_newest(c, cluster);
	for (size_t i = 0; n && i < n->n_steps; i++)
		if (strcmp(n->steps[i].group, group) == 0)
			return &n->steps[i];
	return NULL;
}

const struct drain *core_drains(const struct show_core *c)
{
	return c->sources.drains ? c->sources.drains(c->sources.arg) : NULL;
}
