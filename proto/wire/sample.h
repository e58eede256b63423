// SPDX-License-Identifier: Apache-2.0
// The record "sample": one window of one node, as it travels from the agent (or the simulator) to
// intake.
//
// Ownership: sample_new() makes a sample with room for max_cgroups; strings are arrays inside. A
// sample is plain memory: no pointers but the cgroup array. The agent keeps one and refills it, so
// the sampling path allocates nothing. Values: `present` says which values were measured; what was
// not measured is absent, never 0.
#pragma once

#include "proto/base/buf.h"
#include "proto/wire/metric.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	NAME_MAX_BYTES = 254,      // with NUL; Kubernetes names are at most 253
	CGROUP_MAX_BYTES = 256,    // attributed name, see struct cgroup_sample
	SAMPLE_MAX_CGROUPS = 1024, // on the wire; the agent sends the busiest and counts the rest
	SAMPLE_MAX_HOOKS = 32,
};

struct scope {                         // the measured values of a node or of one cgroup
	uint64_t present;              // bit m: values[m] was measured
	int64_t values[METRIC_COUNT];  // unit by name, see metric.h
	uint32_t hists_present;        // bit h: hists[h] has counts
	struct hist hists[HIST_COUNT]; // scaled to the whole window by on-time
};

static inline bool scope_has(const struct scope *s, enum metric m)
{
	return s->present >> m & 1;
}
static inline void scope_set(struct scope *s, enum metric m, int64_t value)
{
	s->present |= 1ull << m;
	s->values[m] = value;
}
static inline int64_t scope_get(const struct scope *s, enum metric m, int64_t otherwise)
{
	return scope_has(s, m) ? s->values[m] : otherwise;
}

enum cgroup_kind { CGROUP_POD, CGROUP_CONTAINER, CGROUP_UNIT, CGROUP_OTHER };

struct cgroup_sample {
	enum cgroup_kind kind;
	char name[CGROUP_MAX_BYTES]; // systemd unit ("nginx.service"), or the cgroup path for
				     // CGROUP_OTHER
	char pod_uid[40];      // "" unless POD or CONTAINER
	char container_id[72]; // "" unless CONTAINER
	uint32_t window_ms;    // containers are sampled more rarely than pods
	struct scope scope;
};

// How a signal source is doing on this node: the capability report.
enum hook_state { HOOK_OFF, HOOK_ATTACHED, HOOK_FALLBACK, HOOK_REFUSED };
struct hook_status {
	char name[32]; // "sched", "block", "tcp", "mem", "cgroup", "psi", "cgroupfs", "btf"…
	enum hook_state state;
	int error;       // negative errno of the refusal, or 0
	char detail[96]; // plain words: what happened and what it means
};

enum duty_mode { DUTY_OFF, DUTY_CYCLE, DUTY_ARMED, DUTY_FULL };

struct sample {
	char cluster[64];
	char node[NAME_MAX_BYTES];
	char group[NAME_MAX_BYTES]; // node group as far as the agent knows it; "" if not
	char instance_id[32];       // "" if not on EC2
	char instance_type[32];
	char zone_id[32];
	char version[32];    // of the agent
	uint8_t boot_id[16]; // of this agent process, random
	uint64_t sequence;   // 1, 2, … within boot_id
	int64_t wall_ms;     // end of the window on the agent's clock
	uint64_t mono_ns;
	uint32_t window_ms;
	bool simulated;
	enum duty_mode duty; // of the scheduler and block programs within this window
	uint32_t duty_on_ms; // how long they were on within it
	// the agent's own cost within the window
	uint64_t self_cpu_ns, self_rss_bytes, self_wakeups, self_lost_events, self_bpf_ns;
	uint32_t cgroups_left_out; // seen but not sent
	uint32_t spool_dropped;    // samples this boot dropped unsent
	struct scope node_scope;
	struct hook_status hooks[SAMPLE_MAX_HOOKS];
	size_t n_hooks;
	struct cgroup_sample *cgroups;
	size_t n_cgroups, max_cgroups;
};

int sample_new(struct sample **ret, size_t max_cgroups); // -EINVAL over SAMPLE_MAX_CGROUPS
void sample_free(struct sample *s);
bool sample_equal(const struct sample *a, const struct sample *b);
void sample_print(const struct sample *s, struct buf *out); // one JSON object

// Body of a SAMPLE frame. encode appends; -E2BIG when it would pass the frame limit. decode checks
// every limit before it allocates: -EBADMSG (malformed), -E2BIG (over a limit), -EINVAL (a name
// that is no name, a NaN-like or negative delta). A value of an unknown metric id is skipped, so
// that a newer agent can talk to an older aggregator.
int sample_encode(const struct sample *s, struct buf *out);
int sample_decode(const void *data, size_t len, struct sample **ret);
