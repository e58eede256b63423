// SPDX-License-Identifier: Apache-2.0
#include "agent/window/counters.h"

static const uint64_t cpu_times = 1ull << METRIC_CPU_USAGE | 1ull << METRIC_CPU_USER |
				  1ull << METRIC_CPU_SYSTEM | 1ull << METRIC_CPU_IDLE |
				  1ull << METRIC_CPU_IOWAIT | 1ull << METRIC_CPU_STEAL |
				  1ull << METRIC_CPU_SOFTIRQ;

// A quarter more than possible, and two ticks of every CPU: the kernel's counters are not read at
// the same instant as the clock.
static int64_t most_cpu_ns(uint64_t elapsed_ns, unsigned cpus)
{
	return (int64_t)((elapsed_ns + elapsed_ns / 4 + 20000000) * cpus);
}

static void step(struct counters *c, const struct counters_input *in, enum metric m,
	struct scope *ret, struct counters_faults *faults)
{
	uint64_t bit = 1ull << m;
	bool is_cpu = cpu_times & bit;
	int64_t value = in->raw->values[m], increase = value - c->last[m];
	bool known = in->elapsed_ns > 0 && c->present & bit;
	if (known && is_cpu && increase < 0 && increase >= -COUNTERS_JITTER_NS) {
		scope_set(ret, m, 0);
		return; // keeps the higher value as last
	}
	c->present |= bit;
	c->last[m] = value;
	if (!known)
		return;
	if (increase < 0)
		faults->resets++;
	else if (is_cpu && increase > most_cpu_ns(in->elapsed_ns, in->cpus))
		faults->absurd++;
	else
		scope_set(ret, m, increase);
}

void counters_step(struct counters *c, const struct counters_input *in, struct scope *ret,
	struct counters_faults *faults)
{
	c->present &= ~in->mask | in->raw->present;
	for (uint64_t left = in->raw->present & in->mask; left; left &= left - 1) {
		enum metric m = (enum metric)__builtin_ctzll(left);
		if (metric_kind(m) == GAUGE)
			scope_set(ret, m, in->raw->values[m]);
		else
			step(c, in, m, ret, faults);
	}
}
