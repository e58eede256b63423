// SPDX-License-Identifier: Apache-2.0
#include "proto/wire/sample.h"

#include <errno.h>

#include "proto/wire/frame.h"
#include "proto/wire/pb.h"

static void put_hist(struct buf *out, unsigned field, unsigned id, const struct hist *h)
{
	int n = HIST_BUCKETS;
	while (n > 0 && h->buckets[n - 1] == 0)
		n--;
	size_t hist = pb_open(out, field);
	pb_uint(out, 1, id);
	if (n > 0) {
		size_t counts = pb_open(out, 2);
		for (int b = 0; b < n; b++)
			pb_varint(out, h->buckets[b]);
		pb_close(out, counts);
	}
	pb_close(out, hist);
}

static void put_scope(struct buf *out, unsigned field, const struct scope *s)
{
	size_t scope = pb_open(out, field);
	if (s->present) {
		size_t ids = pb_open(out, 1);
		for (unsigned m = 0; m < METRIC_COUNT; m++)
			if (scope_has(s, m))
				pb_varint(out, m);
		pb_close(out, ids);
		size_t values = pb_open(out, 2);
		for (unsigned m = 0; m < METRIC_COUNT; m++)
			if (scope_has(s, m))
				pb_varint(out, pb_zigzag(s->values[m]));
		pb_close(out, values);
	}
	for (unsigned h = 0; h < HIST_COUNT; h++)
		if (s->hists_present >> h & 1)
			put_hist(out, 3, h, &s->hists[h]);
	pb_close(out, scope);
}

static void put_hook(struct buf *out, unsigned field, const struct hook_status *h)
{
	size_t hook = pb_open(out, field);
	pb_text(out, 1, h->name);
	pb_uint(out, 2, h->state);
	pb_sint(out, 3, h->error);
	pb_text(out, 4, h->detail);
	pb_close(out, hook);
}

static void put_cgroup(struct buf *out, unsigned field, const struct cgroup_sample *c)
{
	size_t cgroup = pb_open(out, field);
	pb_uint(out, 1, c->kind);
	pb_text(out, 2, c->name);
	pb_text(out, 3, c->pod_uid);
	pb_text(out, 4, c->container_id);
	pb_uint(out, 5, c->window_ms);
	put_scope(out, 6, &c->scope);
	pb_close(out, cgroup);
}

static void put_head(struct buf *out, const struct sample *s)
{
	pb_text(out, 1, s->cluster);
	pb_text(out, 2, s->node);
	pb_text(out, 3, s->group);
	pb_text(out, 4, s->instance_id);
	pb_text(out, 5, s->instance_type);
	pb_text(out, 6, s->zone_id);
	pb_text(out, 7, s->version);
	pb_uint(out, 8, (uint64_t)s->wall_ms);
	pb_uint(out, 9, s->mono_ns);
	pb_uint(out, 10, s->window_ms);
	pb_uint(out, 11, s->duty);
	pb_uint(out, 12, s->duty_on_ms);
	pb_uint(out, 13, s->self_cpu_ns);
	pb_uint(out, 14, s->self_rss_bytes);
	pb_uint(out, 15, s->self_wakeups);
	pb_uint(out, 16, s->self_lost_events);
	pb_uint(out, 17, s->self_bpf_ns);
	pb_uint(out, 18, s->cgroups_left_out);
	pb_uint(out, 19, s->spool_dropped);
}

int sample_encode(const struct sample *s, struct buf *out)
{
	size_t before = out->len;
	if (s->n_cgroups > SAMPLE_MAX_CGROUPS || s->n_hooks > SAMPLE_MAX_HOOKS)
		return -E2BIG;
	put_head(out, s);
	put_scope(out, 20, &s->node_scope);
	for (size_t i = 0; i < s->n_hooks; i++)
		put_hook(out, 21, &s->hooks[i]);
	for (size_t i = 0; i < s->n_cgroups; i++)
		put_cgroup(out, 22, &s->cgroups[i]);
	pb_uint(out, 23, s->simulated);
	return buf_failed(out) || out->len - before > FRAME_MAX_BODY_BYTES ? -E2BIG : 0;
}
