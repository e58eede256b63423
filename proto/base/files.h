// SPDX-License-Identifier: Apache-2.0
// How many files, sockets among them, the process may have open.
//
// systemd and many container runtimes give a soft limit of 1,024 for programs that use select().
// Ours do not: they take the hard limit at their start, and bound what they accept by it.
#pragma once

#include <stdint.h>

uint64_t files_raise(void); // soft limit to the hard one; the limit in force, 0 if unknown
uint64_t files_limit(void); // in force now, 0 if unknown
