// SPDX-License-Identifier: Apache-2.0
// A drain as the object of API v1.
#include <string.h>

#include "aggregator/act/drains.h"
#include "proto/base/json.h"

#define NAME_OF(value, ...)                                                                        \
	static const char *const names[] = {__VA_ARGS__};                                          \
	return (unsigned)(value) < sizeof(names) / sizeof(names[0]) ? names[value] : "unknown"

const char *drain_phase_name(enum drain_phase p)
{
	NAME_OF(p, "planned", "marking", "replacing", "evicting", "waiting", "finishing", "done",
		"withdrawn", "failed");
}

bool drain_phase_ended(enum drain_phase p)
{
	return p >= DRAIN_DONE;
}

const char *drain_pod_state_name(enum drain_pod_state s)
{
	NAME_OF(s, "waiting", "evicting", "blocked", "terminating", "gone", "left");
}

const char *drain_step_state_name(enum drain_step_state s)
{
	NAME_OF(s, "planned", "doing", "done", "failed", "skipped");
}

const char *drain_replacement_state_name(enum drain_replacement_state s)
{
	NAME_OF(s, "none", "asked", "launched", "ready", "failed");
}

static void put_pod(const struct drain_pod *p, struct json *j)
{
	json_open(j, '{');
	json_put_text(j, "namespace", p->namespace_);
	json_put_text(j, "name", p->name);
	json_put_text(j, "uid", p->uid);
	json_put_text(j, "workload", p->workload);
	json_put_text(j, "state", drain_pod_state_name(p->state));
	json_put_i64(j, "planned_ms", p->planned_ms);
	json_put_i64(j, "done_ms", p->done_ms);
	json_put_i64(j, "grace_s", p->grace_s);
	json_put_text(j, "why", p->why);
	json_close(j, '}');
}

static void put_pods(const struct drain *d, struct json *j)
{
	json_key(j, "pods");
	json_open(j, '[');
	for (size_t i = 0; i < d->n_pods; i++)
		put_pod(&d->pods[i], j);
	json_close(j, ']');
	json_put_i64(j, "pods_total", (int64_t)d->n_pods);
	json_put_i64(j, "pods_left", (int64_t)d->n_left);
}

static void put_blocking(const struct drain *d, struct json *j)
{
	json_key(j, "blocking");
	json_open(j, '[');
	for (size_t i = 0; i < d->n_blocking; i++) {
		json_open(j, '{');
		json_put_text(j, "namespace", d->blocking[i].namespace_);
		json_put_text(j, "budget", d->blocking[i].name);
		json_put_text(j, "text", d->blocking[i].text);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void put_replacement(const struct drain *d, struct json *j)
{
	json_key(j, "replacement");
	json_open(j, '{');
	json_put_text(j, "state", drain_replacement_state_name(d->replacement.state));
	json_put_text(j, "instance", d->replacement.instance);
	json_put_text(j, "node", d->replacement.node);
	json_put_text(j, "zone", d->replacement.zone);
	json_put_text(j, "text", d->replacement.text);
	json_close(j, '}');
}

static void put_step(int64_t at_ms, const char *kind, const struct drain_act *a, struct json *j)
{
	json_open(j, '{');
	json_put_i64(j, "at_ms", at_ms);
	json_put_text(j, "kind", kind);
	json_put_text(j, "text", a->text);
	json_put_text(j, "state", drain_step_state_name(a->state));
	json_put_i64(j, "done_ms", a->done_ms);
	json_close(j, '}');
}

static void put_steps(const struct drain *d, struct json *j)
{
	json_key(j, "steps");
	json_open(j, '[');
	for (size_t i = 0; i < d->n_acts; i++)
		put_step(d->acts[i].step.at_ms, drain_step_kind_name(d->acts[i].step.kind),
			&d->acts[i], j);
	json_close(j, ']');
}

static void put_times(const struct drain_times *t, struct json *j)
{
	json_key(j, "times");
	json_open(j, '{');
	json_put_i64(j, "notice_ms", t->notice_ms);
	json_put_i64(j, "seen_ms", t->seen_ms);
	json_put_i64(j, "receipted_ms", t->receipted_ms);
	json_put_i64(j, "tainted_ms", t->tainted_ms);
	json_put_i64(j, "first_eviction_ms", t->first_eviction_ms);
	json_put_i64(j, "drained_ms", t->drained_ms);
	json_put_i64(j, "replacement_ready_ms", t->replacement_ready_ms);
	json_put_i64(j, "completed_ms", t->completed_ms);
	json_close(j, '}');
}

void drain_print(const struct drain *d, struct json *j)
{
	json_open(j, '{');
	json_put_text(j, "id", d->id);
	json_put_text(j, "cluster", d->cluster);
	json_put_text(j, "node", d->node);
	json_put_text(j, "instance", d->instance);
	json_put_text(j, "group", d->group);
	json_put_text(j, "kind", drain_kind_name(d->kind));
	json_put_text(j, "source", d->source);
	json_put_bool(j, "dry_run", d->dry_run);
	json_put_text(j, "phase", drain_phase_name(d->phase));
	json_put_i64(j, "observed_ms", d->observed_ms);
	json_put_i64(j, "deadline_ms", d->deadline_ms);
	json_put_i64(j, "started_ms", d->started_ms);
	json_put_i64(j, "ended_ms", d->ended_ms);
	json_put_i64(j, "predicted_ms", d->predicted_ms);
	put_pods(d, j);
	put_blocking(d, j);
	put_replacement(d, j);
	put_steps(d, j);
	put_times(&d->times, j);
	json_put_text(j, "text", d->text);
	json_close(j, '}');
}
