// SPDX-License-Identifier: Apache-2.0
#include "agent/window/saturation.h"

#include <math.h>

// Chosen with tests/bench/saturation: open-loop load at 80 % of the share gives a busy share of at
// most 0.80 on a crowded CPU, at 120 % and more it gives 1.00, in windows of 1 s.
static const double busy_share = 0.92;
static const double least_wait =
	0.05; // PSI "some" below this is scheduling noise of a fit workload
static const double limit_share = 0.85; // a window of 1 s holds 9 to 11 periods of 100 ms
static const double throttled_share = 0.25;

static double known(int64_t value)
{
	return value > 0 ? (double)value : 0;
}

static int64_t millicores(double cpu_ns, double window_ns)
{
	return (int64_t)(cpu_ns * 1000 / window_ns + 0.5);
}

static void bounds(const struct saturation_input *in, struct saturation *ret)
{
	double window = (double)in->window_ns, usage = known(in->usage_ns);
	ret->low_millicores = millicores(usage, window);
	ret->high_millicores =
		in->wait_ns < 0
			? -1
			: millicores(usage + known(in->wait_ns) + known(in->throttled_ns), window);
}

static bool at_limit(const struct saturation_input *in)
{
	if (in->limit_millicores <= 0 || in->periods <= 0)
		return false;
	double limit_ns = (double)in->limit_millicores / 1000 * (double)in->window_ns;
	return (double)in->usage_ns >= limit_share * limit_ns &&
	       known(in->throttled_periods) >= throttled_share * (double)in->periods;
}

// How many CPUs its tasks are on: the average number of runnable tasks, rounded up, as far as there
// are CPUs. Without the wait: as many as would be full if it never idled.
static double cpus_in_use(const struct saturation_input *in, double full)
{
	double window = (double)in->window_ns;
	double usage = known(in->usage_ns) / window;
	double tasks = in->wait_ns >= 0 ? usage + (double)in->wait_ns / window
		       : full < 0.99    ? usage / (1 - full)
					: 1;
	double cpus = ceil(tasks - 0.05);
	if (in->cpus > 0 && cpus > in->cpus)
		cpus = in->cpus;
	return cpus < 1 ? 1 : cpus;
}

static bool always_busy(const struct saturation_input *in)
{
	if (in->some_us < 0)
		return false;
	double window_us = (double)in->window_ns / 1000;
	double some = (double)in->some_us / window_us;
	// before 5.13 there is no "full" of a cgroup's CPU; for one task it is the same as "some"
	double full = in->full_us < 0 ? some : (double)in->full_us / window_us;
	double running = known(in->usage_ns) / (double)in->window_ns / cpus_in_use(in, full);
	return some >= least_wait && running + full >= busy_share * (1 - in->stolen_share);
}

struct saturation saturation_of_cgroup(const struct saturation_input *in)
{
	struct saturation s = {0};
	bounds(in, &s);
	s.saturated = at_limit(in) || always_busy(in);
	return s;
}

struct saturation saturation_of_node(const struct saturation_input *in, int64_t steal_ns)
{
	struct saturation s = {0};
	bounds(in, &s);
	double capacity = (double)in->cpus * (double)in->window_ns;
	double busy = known(in->usage_ns) + known(steal_ns);
	// without PSI a node without idle time counts as saturated: its demand is "at least this"
	bool waits =
		in->some_us < 0 || (double)in->some_us * 1000 >= least_wait * (double)in->window_ns;
	s.saturated = capacity > 0 && busy >= 0.95 * capacity && waits;
	return s;
}
