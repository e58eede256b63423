// SPDX-License-Identifier: Apache-2.0
// A clock that jumps: days of polling in minutes, with the real periods and the real deadlines.
//
// This program's own clock_gettime() and epoll_wait() take the place of libc's, also inside libuv:
// whenever nothing is ready and the loop would sleep until its next timer, the monotonic clock is
// moved there instead. That is right only because everybody who talks lives in this one process and
// loopback delivers what is written before write() returns. While something is ready each look
// costs VIRTUAL_LOOK_NS, so that work takes time, too.
#pragma once

#include <stdint.h>

enum { VIRTUAL_LOOK_NS = 20000 };

uint64_t virtual_mono_ns(void);
int64_t virtual_wall_ms(void);
uint64_t virtual_jumps(void); // how often it slept
