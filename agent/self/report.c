// SPDX-License-Identifier: Apache-2.0
#include "agent/self/report.h"

#include "proto/base/prom.h"

#include <stdio.h>

#define NAME(n) "petrel_agent_" n

static double seconds(uint64_t ns)
{
	return (double)ns / 1e9;
}

static void counter(struct prom *p, const char *name, const char *help, uint64_t value)
{
	prom_single(p, name, "counter", help, (double)value);
}

static void gauge(struct prom *p, const char *name, const char *help, double value)
{
	prom_single(p, name, "gauge", help, value);
}

static void cost_metrics(const struct report *r, struct prom *p)
{
	prom_single(p, NAME("cpu_seconds_total"), "counter", "CPU time the agent has used.",
		seconds(r->cpu_ns));
	gauge(p, NAME("resident_memory_bytes"), "Memory the agent has resident.",
		(double)r->rss_bytes);
	counter(p, NAME("wakeups_total"), "Times the agent went to sleep and was woken.",
		r->wakeups);
	if (r->bpf_runs > 0) {
		prom_single(p, NAME("bpf_seconds_total"), "counter",
			"CPU time of the BPF programs, about 60 ns per run for taking it included.",
			seconds(r->bpf_ns));
		counter(p, NAME("bpf_runs_total"), "Runs of the BPF programs.", r->bpf_runs);
	}
	gauge(p, NAME("detail_step"),
		"Steps of detail given up to stay within the CPU budget; 0 is full detail.",
		r->detail_step);
	counter(p, NAME("ticks_total"), "Ticks of the sampling.", r->ticks);
	counter(p, NAME("late_ticks_total"), "Ticks that came late by over half an interval.",
		r->late_ticks);
	gauge(p, NAME("tick_age_seconds"), "Time since the last tick.",
		r->tick_ns ? seconds(r->now_ns - r->tick_ns) : -1);
}

static void loss_metrics(const struct report *r, struct prom *p)
{
	counter(p, NAME("events_lost_total"), "Cgroup and OOM events that found their ring full.",
		r->lost_events);
	counter(p, NAME("overflow_events_total"), "Events of cgroups that found no slot.",
		r->overflow);
	counter(p, NAME("missed_runs_total"), "BPF program runs the kernel skipped.", r->missed);
	counter(p, NAME("slots_reused_total"), "Slots that changed their cgroup between readings.",
		r->reused);
	counter(p, NAME("rows_left_out_total"), "Probe rows beyond the bound.", r->rows_left_out);
	counter(p, NAME("kernel_values_reset_total"), "Kernel counters that went back.",
		r->counter_resets);
	counter(p, NAME("kernel_values_absurd_total"), "Kernel counters that grew impossibly fast.",
		r->counter_absurd);
	counter(p, NAME("sample_errors_total"), "Samples that could not be encoded or spooled.",
		r->sample_errors);
	gauge(p, NAME("cgroups"), "Pods, containers and units that are sampled.",
		(double)r->cgroups);
	gauge(p, NAME("cgroups_left_out"), "Those that are not, for want of room.",
		(double)r->cgroups_left_out);
	gauge(p, NAME("kept_files"), "Descriptors of cgroup files kept open.",
		(double)r->kept_files);
	counter(p, NAME("cgroup_walks_total"), "Walks over the whole cgroup tree.", r->walks);
}

// One sample per state, so that sum() and alerts work on names, not on numbers.
static void hook_metrics(const struct report *r, struct prom *p)
{
	static const char *const states[] = {"off", "attached", "fallback", "refused"};
	static const char *const modes[] = {"off", "cycle", "armed", "full"};
	prom_family(p, NAME("hook_status"), "gauge",
		"State of each signal source: 1 for the state it is in.");
	for (size_t i = 0; i < r->n_hooks; i++)
		for (unsigned s = 0; s < 4; s++)
			prom_sample(p,
				PROM_LABELS({"hook", r->hooks[i].name}, {"state", states[s]}),
				r->hooks[i].state == s);
	prom_family(p, NAME("duty_mode"), "gauge",
		"How the scheduler and block programs are attached: 1 for the mode in force.");
	for (unsigned m = 0; m < 4; m++)
		prom_sample(p, PROM_LABELS({"mode", modes[m]}), r->duty == m);
}

static void replica_metric(const struct report *r, struct prom *p,
	double (*value)(const struct report *r, const struct send_replica_status *s))
{
	for (unsigned i = 0; i < r->send.n_replicas; i++) {
		char index[12];
		snprintf(index, sizeof(index), "%u", i);
		prom_sample(p, PROM_LABELS({"replica", index}), value(r, &r->send.replicas[i]));
	}
}

static double is_connected(const struct report *r, const struct send_replica_status *s)
{
	return s->connected;
}

static double receipt_age(const struct report *r, const struct send_replica_status *s)
{
	return seconds(r->now_ns - (s->last_receipt_ns ? s->last_receipt_ns : r->started_ns));
}

static double refused(const struct report *r, const struct send_replica_status *s)
{
	return (double)s->refused;
}

static double clock_offset(const struct report *r, const struct send_replica_status *s)
{
	return s->clock_offset_known ? (double)s->clock_offset_ms / 1000 : 0;
}

static void send_metrics(const struct report *r, struct prom *p)
{
	if (!r->sending)
		return;
	counter(p, NAME("samples_total"), "Samples made.", r->send.sequence);
	counter(p, NAME("samples_dropped_total"), "Samples dropped before any replica had them.",
		r->send.dropped);
	gauge(p, NAME("spool_samples"), "Samples not receipted by all replicas yet.",
		(double)r->send.spooled);
	gauge(p, NAME("spool_bytes"), "Memory they take.", (double)r->send.spool_bytes);
	gauge(p, NAME("notices_waiting"), "Notices not receipted by all replicas yet.",
		r->send.notices);
	prom_family(p, NAME("lane_connected"), "gauge", "Whether the lane to a replica stands.");
	replica_metric(r, p, is_connected);
	prom_family(
		p, NAME("receipt_age_seconds"), "gauge", "Time since a replica's last receipt.");
	replica_metric(r, p, receipt_age);
	prom_family(
		p, NAME("samples_refused_total"), "counter", "Samples a replica refused for good.");
	replica_metric(r, p, refused);
	prom_family(p, NAME("clock_offset_seconds"), "gauge",
		"A replica's clock minus this node's; 0 while unknown.");
	replica_metric(r, p, clock_offset);
}

void report_metrics(const struct report *r, struct buf *out)
{
	struct prom p;
	prom_init(&p, out);
	prom_family(&p, NAME("build_info"), "gauge", "Version of the agent.");
	prom_sample(&p,
		PROM_LABELS({"version", r->version}, {"cluster", r->cluster}, {"node", r->node}),
		1);
	cost_metrics(r, &p);
	loss_metrics(r, &p);
	hook_metrics(r, &p);
	send_metrics(r, &p);
}

bool report_healthy(const struct report *r, char text[128])
{
	uint64_t since = r->now_ns - (r->tick_ns ? r->tick_ns : r->started_ns);
	// ten intervals, and never less than ten seconds: a node under load is slow, not dead
	uint64_t most = 10 * r->interval_ns > 10000000000ull ? 10 * r->interval_ns : 10000000000ull;
	bool ok = since <= most;
	snprintf(text, 128, ok ? "ok" : "no tick for %.1f s", seconds(since));
	return ok;
}

bool report_ready(const struct report *r, char text[128])
{
	if (!report_healthy(r, text))
		return false;
	if (r->tick_ns == 0) {
		snprintf(text, 128, "no tick yet");
		return false;
	}
	bool heard = !r->sending;
	for (unsigned i = 0; r->sending && i < r->send.n_replicas; i++) {
		const struct send_replica_status *s = &r->send.replicas[i];
		heard |= s->last_receipt_ns && r->now_ns - s->last_receipt_ns <= 60000000000ull;
	}
	if (!heard)
		snprintf(text, 128, "no receipt from any aggregator within a minute");
	return heard;
}
