// SPDX-License-Identifier: Apache-2.0
// Counter-measures for the faults of nng 1.5.2, the version in Debian 12, all in one place.
//
// libnng.a is linked statically and the linker puts these functions in its way (petrel.cmake,
// PETREL_NNG); nng itself is not changed. What is mended, each with a test in
// tests/unit/proto/loop/test_nng_fix*.c:
// - a peer that connects and vanishes wedges the listener for ever (nanomsg/nng#1518): EPIPE is no
//   longer reported as "listener closed";
// - half of all redials come at once (sign error in the back-off): random numbers lose their sign;
// - a pipe closed between the two halves of a message stops the thread that cleans up, and with it
//   every later close and reconnect of the process: the second half fails aloud;
// - one thread per CPU of the host, 216 on 192 CPUs (#1572): nng is told a small number;
// - a backlog of 128 that a thousand agents overflow: at least 4,096;
// - a message over the receive limit closes its connection without a trace: it is counted.
// Beware: sysconf(_SC_NPROCESSORS_ONLN) is answered with the same small number for every object of
// ours; count CPUs with sched_getaffinity().
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Two task threads. With four, an aggregator of 800 agents takes 13 % more CPU and its slowest
// receipts take longer, because every step of a message wakes another thread; the handshakes of a
// restart (1.5 ms each) still find two cores. In the agent each thread costs 12 KiB, too.
enum { NNG_FIX_CPUS = 1 };

// How many CPUs nng shall believe in; 0: NNG_FIX_CPUS. Before nng's first call, later it changes
// nothing. nng starts 2 to 3 threads for each, and about 7 more.
void nng_fix_cpus(unsigned cpus);
// Starts nng's threads with all signals blocked, so that they arrive at ours. Whoever uses nng
// calls it first; only the first call does anything.
void nng_fix_init(void);
// An nng error as negative errno.
int nng_fix_errno(int error);
// For tests: lets nng's own fault with EPIPE happen, which wedges listeners.
void nng_fix_let_wedge(bool wedge);
uint64_t nng_fix_oversized(void); // messages refused by the receive limit, in this process
