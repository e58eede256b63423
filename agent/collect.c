// SPDX-License-Identifier: Apache-2.0
#include "agent/collect.h"

#include "agent/proc/cgroup.h"
#include "agent/proc/layout.h"
#include "agent/proc/node.h"
#include "agent/proc/tree.h"
#include "agent/window/window.h"
#include "proto/base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ROWS = 4096 };
// A pod that used less than a thousandth of a CPU in its last window, and was not held back, is
// looked at less often: most pods of most nodes, and half of what reading cgroups costs.
enum { QUIET_EVERY_TICKS = 5, QUIET_PERMILLE = 1 };
// The CPUs that a cgroup may use decide whether it is saturated (agent/window/saturation.h): with
// those of two minutes ago a pod that was pinned to one CPU seemed to have room on the others.
static const uint64_t limits_every_ticks = 30;
// Those of a quiet one decide nothing, and opening their four files is the dearest that is done for
// it; once it is not quiet any more they are looked at with its next slow reading.
static const uint64_t quiet_limits_every_ticks = 120;

struct collect {
	struct collect_options options;
	uint64_t ticks, slow_every; // ticks of a slow interval
	struct layout layout;
	int cgroup_error; // 0: there are cgroups
	struct node *node;
	struct tree *tree;
	struct cgroups *cgroups;
	struct window *window;
	struct probe_row *rows;
	uint64_t *quiet;       // by slot: its id, if it was quiet at the last fast reading
	uint64_t *limits_tick; // by slot: when its limits were last read
	struct scope raw;
	uint64_t last_walk_ns, walks;
	struct probe_losses losses;          // as of the last slow tick
	uint64_t probe_on_ns[PROBE_SOURCES]; // as of the last reading
	// the sample under way
	struct sample *out;
	uint32_t dropped;           // rows that did not fit
	struct cgroup_sample spare; // for one of those
	enum hierarchy finding;     // of the source being read
	bool has_events;
};

const char *collect_detail_name(enum collect_detail d)
{
	static const char *const names[COLLECT_DETAILS] = {[COLLECT_FULL] = "full",
		[COLLECT_SLOWER_PODS] = "slower_pods",
		[COLLECT_NO_CONTAINERS] = "no_containers",
		[COLLECT_NODE_ONLY] = "node_only"};
	return (unsigned)d < COLLECT_DETAILS ? names[d] : "unknown";
}

static int open_cgroups(struct collect *c)
{
	const struct collect_options *o = &c->options;
	c->cgroup_error = layout_init(&c->layout, o->cgroup, o->proc);
	if (c->cgroup_error < 0)
		return 0;
	int r = tree_new(&c->tree, &c->layout, COLLECT_MAX_SLOTS);
	if (r == 0)
		r = cgroups_new(&c->cgroups, &c->layout, COLLECT_MAX_SLOTS, o->max_fds);
	return r;
}

int collect_new(struct collect **ret, const struct collect_options *o, struct why *why)
{
	struct collect *c = calloc(1, sizeof(*c));
	if (!c)
		return why_set(why, -ENOMEM, WHY_RETRY, "out of memory");
	c->options = *o;
	c->cgroup_error = -ENOENT;
	for (int h = 0; h < HIERARCHY_COUNT; h++)
		c->layout.roots[h] = -1;
	c->slow_every = o->slow_interval_ms / o->interval_ms;
	if (c->slow_every == 0)
		c->slow_every = 1;
	const struct node_options n = {
		.proc = o->proc, .sys = o->sys, .root = o->root, .ticks_per_s = o->ticks_per_s};
	const struct window_options w = {
		.max_slots = COLLECT_MAX_SLOTS, .max_rows = MAX_ROWS, .n_cpus = o->n_cpus};
	c->rows = calloc(MAX_ROWS, sizeof(*c->rows));
	c->quiet = calloc(COLLECT_MAX_SLOTS, sizeof(*c->quiet));
	c->limits_tick = calloc(COLLECT_MAX_SLOTS, sizeof(*c->limits_tick));
	int r = c->rows && c->quiet && c->limits_tick ? node_new(&c->node, &n) : -ENOMEM;
	if (r == 0)
		r = window_new(&c->window, &w);
	if (r == 0)
		r = open_cgroups(c);
	if (r < 0) {
		collect_free(c);
		return why_set(why, r, WHY_DENIED, "cannot read %s: %s", o->proc, strerror(-r));
	}
	*ret = c;
	return 0;
}

void collect_free(struct collect *c)
{
	if (!c)
		return;
	cgroups_free(c->cgroups);
	tree_free(c->tree);
	layout_done(&c->layout);
	window_free(c->window);
	node_free(c->node);
	free(c->rows);
	free(c->quiet);
	free(c->limits_tick);
	free(c);
}

// --- cgroups that come and go ------------------------------------------------------------------

static void on_event(void *arg, const struct probe_event *e)
{
	struct collect *c = arg;
	if (e->kind != PROBE_MKDIR && e->kind != PROBE_RMDIR)
		return;
	enum hierarchy h = layout_by_id(&c->layout, e->hierarchy);
	if (h == HIERARCHY_COUNT)
		return;
	if (e->kind == PROBE_MKDIR)
		tree_add(c->tree, h, e->text, e->inode);
	else
		tree_remove(c->tree, h, e->text);
}

static void follow_cgroups(struct collect *c, uint64_t now_ns)
{
	uint64_t wait_ms = c->has_events ? COLLECT_SAFETY_WALK_MS : COLLECT_WALK_MS;
	bool lost = false;
	if (c->options.probe)
		probe_events(c->options.probe, on_event, c);
	if (c->options.probe && c->ticks % c->slow_every == 0) { // 15 system calls: not every tick
		uint64_t before = c->losses.events;
		probe_losses(c->options.probe, &c->losses);
		lost = c->losses.events != before;
	}
	if (c->walks > 0 && !lost && now_ns - c->last_walk_ns < wait_ms * 1000000)
		return;
	tree_walk(c->tree);
	c->walks++;
	c->last_walk_ns = now_ns;
}

// --- probes ------------------------------------------------------------------------------------

static struct window_owner find_owner(void *arg, uint64_t inode)
{
	struct collect *c = arg;
	struct window_owner o = {.slot = -1, .pod = -1};
	if (!c->tree || c->finding == HIERARCHY_COUNT)
		return o;
	o.slot = tree_owner(c->tree, c->finding, inode);
	if (o.slot < 0)
		return o;
	const struct tree_slot *s = tree_slot(c->tree, (size_t)o.slot);
	o.id = s->id;
	o.pod = s->pod;
	if (o.pod >= 0)
		o.pod_id = tree_slot(c->tree, (size_t)o.pod)->id;
	return o;
}

static void read_probe(struct collect *c, enum probe_source source, uint64_t now_ns)
{
	const struct probe_columns *columns = probe_columns(source);
	const struct window_finder finder = {.find = find_owner, .arg = c};
	struct probe_reading r = {.rows = c->rows, .max_rows = MAX_ROWS};
	// nine of ten seconds in the default mode: the slots are 350 KB on 2 CPUs
	if (c->probe_on_ns[source] &&
		probe_on_ns(c->options.probe, source, now_ns) == c->probe_on_ns[source])
		return;
	if (probe_read(c->options.probe, source, now_ns, &r) < 0)
		return;
	c->finding = c->tree ? layout_find(&c->layout, columns->controller) : HIERARCHY_COUNT;
	window_probe(c->window, source, columns, &r, &finder);
	if (source == PROBE_SCHED)
		c->out->duty_on_ms = (uint32_t)((r.on_ns - c->probe_on_ns[source]) / 1000000);
	c->probe_on_ns[source] = r.on_ns;
}

static void read_probes(struct collect *c, uint64_t now_ns)
{
	c->out->duty = DUTY_OFF;
	c->out->duty_on_ms = 0;
	if (!c->options.probe)
		return;
	c->out->duty = probe_duty(c->options.probe, now_ns);
	for (int s = 0; s < PROBE_SOURCES; s++)
		read_probe(c, (enum probe_source)s, now_ns);
}

// --- rows --------------------------------------------------------------------------------------

// The row with the least CPU; it gives way when the sample is full. Only then is it looked for.
static struct cgroup_sample *least_busy(struct sample *out)
{
	struct cgroup_sample *least = &out->cgroups[0];
	for (size_t i = 1; i < out->n_cgroups; i++) {
		const struct cgroup_sample *g = &out->cgroups[i];
		if (scope_get(&g->scope, METRIC_CPU_USAGE, 0) <
			scope_get(&least->scope, METRIC_CPU_USAGE, 0))
			least = &out->cgroups[i];
	}
	return least;
}

static bool is_quiet(const struct cgroup_sample *row)
{
	int64_t usage_ns = scope_get(&row->scope, METRIC_CPU_USAGE, INT64_MAX);
	return usage_ns < (int64_t)row->window_ms * 1000 * QUIET_PERMILLE &&
	       !scope_get(&row->scope, METRIC_SATURATED, 0);
}

static void add_row(struct collect *c, const struct tree_slot *s, const struct window_reading *r)
{
	struct sample *out = c->out;
	bool full = out->n_cgroups == out->max_cgroups;
	struct cgroup_sample *row = full ? &c->spare : &out->cgroups[out->n_cgroups];
	if (window_slot(c->window, r, &row->scope, &row->window_ms) < 0 ||
		(!row->scope.present && !row->scope.hists_present))
		return;
	if (r->what & WINDOW_FAST && is_quiet(row))
		c->quiet[r->slot] = s->id;
	row->kind = s->kind;
	text_copy(row->name, sizeof(row->name), s->name);
	text_copy(row->pod_uid, sizeof(row->pod_uid), s->pod_uid);
	text_copy(row->container_id, sizeof(row->container_id), s->container_id);
	if (!full) {
		out->n_cgroups++;
		return;
	}
	c->dropped++;
	struct cgroup_sample *least = least_busy(out);
	if (scope_get(&row->scope, METRIC_CPU_USAGE, 0) >
		scope_get(&least->scope, METRIC_CPU_USAGE, 0))
		*least = *row;
}

// Spread over the slots as slow readings are. A new one's are read with its first files.
static bool are_limits_due(const struct collect *c, size_t slot, const struct tree_slot *s)
{
	uint64_t every = c->quiet[slot] == s->id ? quiet_limits_every_ticks : limits_every_ticks;
	return c->ticks - c->limits_tick[slot] >= every;
}

static void read_slot(struct collect *c, size_t slot, unsigned what, uint64_t now_ns)
{
	const struct tree_slot *s = tree_slot(c->tree, slot);
	bool limits = what & WINDOW_SLOW && are_limits_due(c, slot, s);
	unsigned files = (what & WINDOW_FAST ? CGROUP_FAST : 0) |
			 (what & WINDOW_SLOW ? CGROUP_SLOW : 0) | (limits ? CGROUP_LIMITS : 0);
	if (limits)
		c->limits_tick[slot] = c->ticks;
	if (what & WINDOW_FAST)
		c->quiet[slot] = 0; // until a whole window says so
	if (cgroups_read(c->cgroups, slot, s, files, &c->raw) < 0)
		return;
	const struct window_reading r = {.slot = (int)slot,
		.id = s->id,
		.what = what,
		.raw = &c->raw,
		.now_ns = now_ns,
		.cpus = cgroups_cpus(c->cgroups, slot)};
	add_row(c, s, &r);
}

static bool is_fast_due(const struct collect *c, size_t slot, const struct tree_slot *s)
{
	return c->quiet[slot] != s->id || (c->ticks + slot) % QUIET_EVERY_TICKS == 0;
}

static void read_slots(struct collect *c, const struct collect_now *now)
{
	size_t n = now->detail >= COLLECT_NODE_ONLY ? 0 : tree_slots(c->tree);
	for (size_t i = 0; i < n; i++) {
		const struct tree_slot *s = tree_slot(c->tree, i);
		bool slow = (c->ticks + i) % c->slow_every == 0;
		bool fast = slow || is_fast_due(c, i, s);
		bool inside = s->kind == CGROUP_CONTAINER && s->pod_uid[0];
		bool together = inside || now->detail >= COLLECT_SLOWER_PODS || c->slow_every == 1;
		if (!s->id || (inside && now->detail >= COLLECT_NO_CONTAINERS))
			continue;
		if (together && slow) {
			read_slot(c, i, WINDOW_FAST | WINDOW_SLOW, now->mono_ns);
		} else if (!together && fast) {
			read_slot(c, i, WINDOW_FAST, now->mono_ns);
			if (slow)
				read_slot(c, i, WINDOW_SLOW, now->mono_ns);
		}
	}
}

// --- the sample --------------------------------------------------------------------------------

static void add_hooks(struct collect *c)
{
	struct sample *out = c->out;
	out->n_hooks = node_hooks(c->node, out->hooks, SAMPLE_MAX_HOOKS);
	struct hook_status *h = &out->hooks[out->n_hooks++];
	*h = (struct hook_status){.name = "cgroupfs",
		.state = c->cgroup_error ? HOOK_OFF : HOOK_ATTACHED,
		.error = c->cgroup_error};
	snprintf(h->detail, sizeof(h->detail), "%s",
		c->cgroup_error ? "no cgroup hierarchy: no figures of pods and units"
				: layout_name(&c->layout));
	size_t first = out->n_hooks;
	if (c->options.probe)
		out->n_hooks +=
			probe_hooks(c->options.probe, &out->hooks[first], SAMPLE_MAX_HOOKS - first);
	c->has_events = false;
	for (size_t i = first; i < out->n_hooks; i++)
		if (strcmp(out->hooks[i].name, "cgroup") == 0)
			c->has_events = out->hooks[i].state == HOOK_ATTACHED;
}

int collect_tick(struct collect *c, const struct collect_now *now, struct sample *ret)
{
	c->out = ret;
	c->dropped = 0;
	ret->n_cgroups = 0;
	add_hooks(c);
	if (c->tree)
		follow_cgroups(c, now->mono_ns);
	read_probes(c, now->mono_ns);
	node_read(c->node, c->ticks % c->slow_every == 0, &c->raw);
	int r = window_node(c->window, &c->raw, now->mono_ns, &ret->node_scope, &ret->window_ms);
	if (r < 0)
		return r;
	if (c->tree)
		read_slots(c, now);
	c->ticks++;
	ret->cgroups_left_out = c->dropped + (c->tree ? (uint32_t)tree_left_out(c->tree) : 0);
	ret->wall_ms = now->wall_ms;
	ret->mono_ns = now->mono_ns;
	return ret->window_ms == 0 ? -EAGAIN : 0;
}

void collect_counts(const struct collect *c, struct collect_counts *ret)
{
	*ret = (struct collect_counts){.walks = c->walks,
		.losses = c->losses,
		.rows_left_out = window_rows_left_out(c->window),
		.faults = *window_faults(c->window)};
	if (!c->tree)
		return;
	ret->cgroups = tree_count(c->tree);
	ret->left_out = tree_left_out(c->tree);
	ret->fds = cgroups_fds(c->cgroups);
}
