// SPDX-License-Identifier: Apache-2.0
#include "proto/wire/sample.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/json.h"
#include "proto/base/text.h"

int sample_new(struct sample **ret, size_t max_cgroups)
{
	if (max_cgroups > SAMPLE_MAX_CGROUPS)
		return -EINVAL;
	struct sample *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->max_cgroups = max_cgroups;
	s->cgroups = max_cgroups ? calloc(max_cgroups, sizeof(*s->cgroups)) : NULL;
	if (max_cgroups && !s->cgroups) {
		free(s);
		return -ENOMEM;
	}
	*ret = s;
	return 0;
}

void sample_free(struct sample *s)
{
	if (!s)
		return;
	free(s->cgroups);
	free(s);
}

static bool scope_equal(const struct scope *a, const struct scope *b)
{
	if (a->present != b->present || a->hists_present != b->hists_present)
		return false;
	for (unsigned m = 0; m < METRIC_COUNT; m++)
		if (scope_has(a, m) && a->values[m] != b->values[m])
			return false;
	for (unsigned h = 0; h < HIST_COUNT; h++)
		if (a->hists_present >> h & 1 &&
			memcmp(&a->hists[h], &b->hists[h], sizeof(a->hists[h])) != 0)
			return false;
	return true;
}

static bool cgroup_equal(const struct cgroup_sample *a, const struct cgroup_sample *b)
{
	return a->kind == b->kind && a->window_ms == b->window_ms && !strcmp(a->name, b->name) &&
	       !strcmp(a->pod_uid, b->pod_uid) && !strcmp(a->container_id, b->container_id) &&
	       scope_equal(&a->scope, &b->scope);
}

static bool hook_equal(const struct hook_status *a, const struct hook_status *b)
{
	return a->state == b->state && a->error == b->error && !strcmp(a->name, b->name) &&
	       !strcmp(a->detail, b->detail);
}

static bool identity_equal(const struct sample *a, const struct sample *b)
{
	return !strcmp(a->cluster, b->cluster) && !strcmp(a->node, b->node) &&
	       !strcmp(a->group, b->group) && !strcmp(a->instance_id, b->instance_id) &&
	       !strcmp(a->instance_type, b->instance_type) && !strcmp(a->zone_id, b->zone_id) &&
	       !strcmp(a->version, b->version) &&
	       memcmp(a->boot_id, b->boot_id, sizeof(a->boot_id)) == 0 &&
	       a->sequence == b->sequence;
}

static bool window_equal(const struct sample *a, const struct sample *b)
{
	return a->wall_ms == b->wall_ms && a->mono_ns == b->mono_ns &&
	       a->window_ms == b->window_ms && a->simulated == b->simulated && a->duty == b->duty &&
	       a->duty_on_ms == b->duty_on_ms && a->self_cpu_ns == b->self_cpu_ns &&
	       a->self_rss_bytes == b->self_rss_bytes && a->self_wakeups == b->self_wakeups &&
	       a->self_lost_events == b->self_lost_events && a->self_bpf_ns == b->self_bpf_ns &&
	       a->cgroups_left_out == b->cgroups_left_out && a->spool_dropped == b->spool_dropped;
}

bool sample_equal(const struct sample *a, const struct sample *b)
{
	if (!identity_equal(a, b) || !window_equal(a, b) || a->n_hooks != b->n_hooks ||
		a->n_cgroups != b->n_cgroups || !scope_equal(&a->node_scope, &b->node_scope))
		return false;
	for (size_t i = 0; i < a->n_hooks; i++)
		if (!hook_equal(&a->hooks[i], &b->hooks[i]))
			return false;
	for (size_t i = 0; i < a->n_cgroups; i++)
		if (!cgroup_equal(&a->cgroups[i], &b->cgroups[i]))
			return false;
	return true;
}

static void print_hist(struct json *j, enum hist_id id, const struct hist *h)
{
	int last = HIST_BUCKETS - 1;
	while (last >= 0 && h->buckets[last] == 0)
		last--;
	json_key(j, hist_name(id));
	json_open(j, '[');
	for (int b = 0; b <= last; b++)
		json_u64(j, h->buckets[b]);
	json_close(j, ']');
}

static void print_scope(struct json *j, const struct scope *s)
{
	json_key(j, "values");
	json_open(j, '{');
	for (unsigned m = 0; m < METRIC_COUNT; m++)
		if (scope_has(s, m))
			json_put_i64(j, metric_name(m), s->values[m]);
	json_close(j, '}');
	json_key(j, "hists");
	json_open(j, '{');
	for (unsigned h = 0; h < HIST_COUNT; h++)
		if (s->hists_present >> h & 1)
			print_hist(j, h, &s->hists[h]);
	json_close(j, '}');
}

static void print_hook(struct json *j, const struct hook_status *h)
{
	static const char *const states[] = {"off", "attached", "fallback", "refused"};
	json_open(j, '{');
	json_put_text(j, "name", h->name);
	json_put_text(j, "state", states[h->state & 3]);
	json_put_i64(j, "error", h->error);
	json_put_text(j, "detail", h->detail);
	json_close(j, '}');
}

static void print_cgroup(struct json *j, const struct cgroup_sample *c)
{
	static const char *const kinds[] = {"pod", "container", "unit", "other"};
	json_open(j, '{');
	json_put_text(j, "kind", kinds[c->kind & 3]);
	json_put_text(j, "name", c->name);
	json_put_text(j, "pod_uid", c->pod_uid);
	json_put_text(j, "container_id", c->container_id);
	json_put_i64(j, "window_ms", c->window_ms);
	print_scope(j, &c->scope);
	json_close(j, '}');
}

static void print_identity(struct json *j, const struct sample *s)
{
	char boot[2 * sizeof(s->boot_id) + 1];
	text_to_hex(s->boot_id, sizeof(s->boot_id), boot);
	json_put_text(j, "cluster", s->cluster);
	json_put_text(j, "node", s->node);
	json_put_text(j, "group", s->group);
	json_put_text(j, "instance_id", s->instance_id);
	json_put_text(j, "instance_type", s->instance_type);
	json_put_text(j, "zone_id", s->zone_id);
	json_put_text(j, "version", s->version);
	json_put_text(j, "boot_id", boot);
	json_key(j, "sequence");
	json_u64(j, s->sequence);
	json_put_bool(j, "simulated", s->simulated);
}

static void print_self(struct json *j, const struct sample *s)
{
	static const char *const duties[] = {"off", "cycle", "armed", "full"};
	json_put_text(j, "duty", duties[s->duty & 3]);
	json_put_i64(j, "duty_on_ms", s->duty_on_ms);
	json_put_i64(j, "self_cpu_ns", (int64_t)s->self_cpu_ns);
	json_put_i64(j, "self_rss_bytes", (int64_t)s->self_rss_bytes);
	json_put_i64(j, "self_wakeups", (int64_t)s->self_wakeups);
	json_put_i64(j, "self_lost_events", (int64_t)s->self_lost_events);
	json_put_i64(j, "self_bpf_ns", (int64_t)s->self_bpf_ns);
	json_put_i64(j, "cgroups_left_out", s->cgroups_left_out);
	json_put_i64(j, "spool_dropped", s->spool_dropped);
}

void sample_print(const struct sample *s, struct buf *out)
{
	struct json j;
	json_init(&j, out);
	json_open(&j, '{');
	print_identity(&j, s);
	json_put_i64(&j, "wall_ms", s->wall_ms);
	json_put_i64(&j, "mono_ns", (int64_t)s->mono_ns);
	json_put_i64(&j, "window_ms", s->window_ms);
	print_self(&j, s);
	print_scope(&j, &s->node_scope);
	json_key(&j, "hooks");
	json_open(&j, '[');
	for (size_t i = 0; i < s->n_hooks; i++)
		print_hook(&j, &s->hooks[i]);
	json_close(&j, ']');
	json_key(&j, "cgroups");
	json_open(&j, '[');
	for (size_t i = 0; i < s->n_cgroups; i++)
		print_cgroup(&j, &s->cgroups[i]);
	json_close(&j, ']');
	json_close(&j, '}');
}
