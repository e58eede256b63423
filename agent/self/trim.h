// SPDX-License-Identifier: Apache-2.0
// Gives back the memory that only the start needed.
//
// Loading BPF objects and reading certificates touches megabytes of library code, tables and heap
// that the ticks never look at again. Code and constants are clean pages of files: dropped, they
// come back from the page cache by a minor fault if they are needed after all. Nothing that was
// ever writable is touched, so relocated data stays.
#pragma once

#include <stddef.h>

size_t trim_memory(void); // returns the bytes of mappings it advised on
