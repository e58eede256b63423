// SPDX-License-Identifier: Apache-2.0
// Keeps the agent's resident memory small: how malloc behaves, and giving back what only the start
// needed.
//
// Pieces of 64 KiB and more are mappings of their own, always: glibc raises that limit when such a
// piece is freed (BTF, certificates), and then the big tables, which are touched only as far as
// used, come out of recycled heap that calloc() has to write whole (400 KiB resident). One arena:
// thirteen threads that hardly allocate need no heaps of their own (200 KiB).
//
// Loading BPF objects and reading certificates touches megabytes of library code, tables and heap
// that the ticks never look at again. Code and constants are clean pages of files: dropped, they
// come back from the page cache by a minor fault if they are needed after all. Nothing that was
// ever writable is touched, so relocated data stays.
#pragma once

#include <stddef.h>

void trim_settings(void); // first thing in main()
size_t trim_memory(void); // returns the bytes of mappings it advised on
