// SPDX-License-Identifier: Apache-2.0
// A sample from outside. protobuf-c parses it into an arena with a cap, then every field is checked
// before it is copied. What a newer agent may add (metric and histogram ids, kinds, states) is
// skipped or becomes the neutral value; what breaks the contract refuses the whole sample.
#include "proto/wire/sample.h"

#include <errno.h>
#include <string.h>

#include "proto/base/text.h"
#include "proto/wire/arena.h"
#include "proto/wire/check.h"
#include "proto/wire/frame.h"
#include "proto/wire/petrel.pb-c.h"

// 1,024 cgroups with everything present need 7 MB of protobuf-c's structs.
enum { PARSE_MAX_BYTES = 12 << 20 };

static int get_hist(const Petrel__V1__Hist *m, struct scope *ret)
{
	if (m->n_counts > HIST_BUCKETS)
		return -EINVAL;
	if (m->id >= HIST_COUNT)
		return 0;
	struct hist *h = &ret->hists[m->id];
	memset(h, 0, sizeof(*h));
	for (size_t b = 0; b < m->n_counts; b++)
		h->buckets[b] = m->counts[b];
	ret->hists_present |= 1u << m->id;
	return 0;
}

static int get_scope(const Petrel__V1__Scope *m, struct scope *ret)
{
	if (!m)
		return 0;
	if (m->n_ids != m->n_values)
		return -EBADMSG;
	for (size_t i = 0; i < m->n_ids; i++) {
		if (m->ids[i] >= METRIC_COUNT)
			continue;
		enum metric id = (enum metric)m->ids[i];
		if (m->values[i] < 0 && metric_kind(id) == DELTA)
			return -EINVAL;
		scope_set(ret, id, m->values[i]);
	}
	for (size_t i = 0; i < m->n_hists; i++) {
		int r = get_hist(m->hists[i], ret);
		if (r < 0)
			return r;
	}
	return 0;
}

static int get_hook(const Petrel__V1__Hook *m, struct hook_status *ret)
{
	ret->state = m->state <= HOOK_REFUSED ? (enum hook_state)m->state : HOOK_OFF;
	ret->error = m->error;
	int r = check_name(ret->name, sizeof(ret->name), m->name, CHECK_NEEDED);
	return r < 0 ? r : check_text(ret->detail, sizeof(ret->detail), m->detail);
}

static int get_cgroup(const Petrel__V1__Cgroup *m, struct cgroup_sample *ret)
{
	ret->kind = m->kind <= CGROUP_OTHER ? (enum cgroup_kind)m->kind : CGROUP_OTHER;
	ret->window_ms = m->window_ms;
	int r = check_text(ret->name, sizeof(ret->name), m->name);
	if (r == 0)
		r = check_name(ret->pod_uid, sizeof(ret->pod_uid), m->pod_uid, 0);
	if (r == 0)
		r = check_name(ret->container_id, sizeof(ret->container_id), m->container_id, 0);
	return r < 0 ? r : get_scope(m->scope, &ret->scope);
}

static int get_names(const Petrel__V1__Sample *m, struct sample *s)
{
	struct {
		char *to;
		size_t size;
		const char *from;
		unsigned flags;
	} names[] = {
		{s->cluster, sizeof(s->cluster), m->cluster, CHECK_NEEDED},
		{s->node, sizeof(s->node), m->node, CHECK_NEEDED},
		{s->group, sizeof(s->group), m->group, 0},
		{s->instance_id, sizeof(s->instance_id), m->instance_id, 0},
		{s->instance_type, sizeof(s->instance_type), m->instance_type, 0},
		{s->zone_id, sizeof(s->zone_id), m->zone_id, 0},
		{s->version, sizeof(s->version), m->version, 0},
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int r = check_name(names[i].to, names[i].size, names[i].from, names[i].flags);
		if (r < 0)
			return r;
	}
	return 0;
}

static void get_numbers(const Petrel__V1__Sample *m, struct sample *s)
{
	s->wall_ms = m->wall_ms;
	s->mono_ns = m->mono_ns;
	s->window_ms = m->window_ms;
	s->simulated = m->simulated;
	s->duty = m->duty <= DUTY_FULL ? (enum duty_mode)m->duty : DUTY_OFF;
	s->duty_on_ms = m->duty_on_ms;
	s->self_cpu_ns = m->self_cpu_ns;
	s->self_rss_bytes = m->self_rss_bytes;
	s->self_wakeups = m->self_wakeups;
	s->self_lost_events = m->self_lost_events;
	s->self_bpf_ns = m->self_bpf_ns;
	s->cgroups_left_out = m->cgroups_left_out;
	s->spool_dropped = m->spool_dropped;
}

static int fill(const Petrel__V1__Sample *m, struct sample *s)
{
	get_numbers(m, s);
	int r = get_names(m, s);
	if (r == 0)
		r = get_scope(m->node_scope, &s->node_scope);
	for (; r == 0 && s->n_hooks < m->n_hooks; s->n_hooks++)
		r = get_hook(m->hooks[s->n_hooks], &s->hooks[s->n_hooks]);
	for (; r == 0 && s->n_cgroups < m->n_cgroups; s->n_cgroups++)
		r = get_cgroup(m->cgroups[s->n_cgroups], &s->cgroups[s->n_cgroups]);
	return r;
}

int sample_decode(const void *data, size_t len, struct sample **ret)
{
	autoarena a;
	arena_init(&a, PARSE_MAX_BYTES);
	if (len > FRAME_MAX_BODY_BYTES)
		return -E2BIG;
	Petrel__V1__Sample *m = petrel__v1__sample__unpack(&a.allocator, len, data);
	if (!m)
		return a.exhausted ? -E2BIG : -EBADMSG;
	if (m->n_cgroups > SAMPLE_MAX_CGROUPS || m->n_hooks > SAMPLE_MAX_HOOKS)
		return -E2BIG;
	// Windows beyond an hour are nonsense, and downstream divides by them.
	if (m->window_ms == 0 || m->window_ms > 3600 * 1000)
		return -EINVAL;
	struct sample *s;
	int r = sample_new(&s, m->n_cgroups);
	if (r < 0)
		return r;
	r = fill(m, s);
	if (r < 0) {
		sample_free(s);
		return r;
	}
	*ret = s;
	return 0;
}
