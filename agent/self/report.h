// SPDX-License-Identifier: Apache-2.0
// The agent about itself: /metrics, /healthz and /readyz, on the loopback.
//
// report is filled by the tick and only read here. /healthz: the loop turned lately (the server
// runs on the loop, so an answer proves that the loop turns; the time of the last tick proves that
// the sampling does). /readyz: it can do its job: sampling works, and a receipt came within a
// minute where there is somebody to send to. Both say why not. Metric names: petrel_agent_…,
// Prometheus conventions, held against promtool by a test; labels are bounded (hooks, replicas,
// states).
#pragma once

#include "agent/send/send.h"
#include "proto/base/buf.h"
#include "proto/wire/sample.h"

#include <stdbool.h>
#include <stdint.h>

struct report {
	const char *version, *cluster, *node;
	uint64_t now_ns;              // of the request
	uint64_t started_ns, tick_ns; // monotonic; of the last tick, 0: none yet
	uint64_t interval_ns;
	uint64_t ticks, late_ticks; // late: by more than half an interval
	uint64_t cpu_ns, rss_bytes, wakeups;
	uint64_t bpf_ns, bpf_runs;                      // 0: the kernel keeps no statistics
	uint64_t lost_events, overflow, missed, reused; // of the probe
	uint64_t cgroups, cgroups_left_out, kept_files, walks;
	uint64_t counter_resets, counter_absurd, rows_left_out;
	uint64_t sample_errors; // samples that could not be encoded or spooled
	const char *detail;     // "full", …
	int detail_step;
	enum duty_mode duty;
	const struct hook_status *hooks;
	size_t n_hooks;
	bool sending;
	struct send_status send; // valid if sending
};

void report_metrics(const struct report *r, struct buf *out);
// true: fine. text (128 bytes): "ok", or why not.
bool report_healthy(const struct report *r, char text[128]);
bool report_ready(const struct report *r, char text[128]);
