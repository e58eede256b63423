// SPDX-License-Identifier: Apache-2.0
#include "agent/probe/duty.h"

void duty_arm(struct duty *d, uint64_t now_ns)
{
	d->armed_until_ns = now_ns + d->arm_ns;
}

enum duty_mode duty_state(const struct duty *d, uint64_t now_ns)
{
	if (d->mode == DUTY_CYCLE && now_ns < d->armed_until_ns)
		return DUTY_ARMED;
	return d->mode;
}

static uint64_t phase_of(const struct duty *d, uint64_t now_ns)
{
	return now_ns > d->start_ns ? (now_ns - d->start_ns) % d->cycle_ns : 0;
}

bool duty_is_on(const struct duty *d, uint64_t now_ns)
{
	switch (duty_state(d, now_ns)) {
	case DUTY_OFF: return false;
	case DUTY_CYCLE: return phase_of(d, now_ns) < d->on_ns;
	default: return true;
	}
}

uint64_t duty_next(const struct duty *d, uint64_t now_ns, uint64_t limit_ns)
{
	uint64_t left = limit_ns, phase = phase_of(d, now_ns);
	switch (duty_state(d, now_ns)) {
	case DUTY_CYCLE: left = (phase < d->on_ns ? d->on_ns : d->cycle_ns) - phase; break;
	case DUTY_ARMED: left = d->armed_until_ns - now_ns; break;
	default: break;
	}
	return left < limit_ns ? left : limit_ns;
}
