// SPDX-License-Identifier: Apache-2.0
// When the duty-cycled programs are on: a pure function of mode and time.
//
// Private to agent/probe. Times are ns of one monotonic clock.
#pragma once

#include "proto/wire/sample.h"

#include <stdbool.h>
#include <stdint.h>

struct duty {
	enum duty_mode mode;              // as configured: OFF, CYCLE or FULL
	uint64_t on_ns, cycle_ns, arm_ns; // on for the first on_ns of each cycle_ns
	uint64_t start_ns;                // of the first cycle
	uint64_t armed_until_ns;          // 0: not armed
};

void duty_arm(struct duty *d, uint64_t now_ns);
enum duty_mode duty_state(const struct duty *d, uint64_t now_ns); // ARMED while it is
bool duty_is_on(const struct duty *d, uint64_t now_ns);
// ns until duty_is_on() may change, at least 1, at most limit_ns.
uint64_t duty_next(const struct duty *d, uint64_t now_ns, uint64_t limit_ns);
