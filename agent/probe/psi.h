// SPDX-License-Identifier: Apache-2.0
// Pressure triggers: the kernel wakes us when tasks stalled for longer than a threshold.
//
// Why: they arm the duty-cycled programs exactly when there is something to see, for at most one
// wake-up per window. A trigger is a descriptor that polls POLLPRI; without CAP_SYS_RESOURCE the
// kernel takes only windows that are multiples of 2 s. A descriptor whose cgroup is gone, or which
// has no trigger, polls POLLERR without end (2.9 million wake-ups in 4.5 s were measured): whoever
// polls must stop when psi_event() says so.
// Ownership: the caller closes through psi_close(). The loop polls; nothing here reads a clock.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { PSI_WINDOW_UNIT_MS = 2000 };

// path: "/proc/pressure/cpu" or a cgroup's cpu.pressure. Triggers when tasks stalled ("some", or
// all of them at once: "full") for stall_ms within window_ms. Returns the descriptor, or -EINVAL
// (window no multiple of 2 s, or stall not below it), -EOPNOTSUPP (PSI is off), -ENOENT, -EACCES.
int psi_open(const char *path, bool full, uint32_t stall_ms, uint32_t window_ms);

// What poll() or uv_poll said (revents of POLLPRI | POLLERR): 1 = pressure; 0 = nothing; -ENODEV =
// the trigger is dead: stop polling and close it.
int psi_event(int revents);
void psi_close(int *fd); // sets it to -1; -1 is fine
