// SPDX-License-Identifier: Apache-2.0
// From two readings of a probe's rows to what each cgroup did in between.
//
// A row counts since its cgroup's first event, so a row that was not there before counts from 0,
// and one that went back was given to another cgroup of the same inode: it counts from 0, too. Rows
// that are no longer there are forgotten. Pure; memory for max_rows is taken at the beginning and
// touched only as far as used.
#pragma once

#include "agent/probe/probe.h"

#include <stddef.h>
#include <stdint.h>

struct rows;
int rows_new(struct rows **ret, size_t max_rows);
void rows_free(struct rows *r);
// One whole reading. each gets the increases; rows without any are left out. More than max_rows:
// the rest is left out and counted.
void rows_feed(struct rows *r, const struct probe_row *now, size_t n,
	void (*each)(void *arg, const struct probe_row *increase), void *arg);
uint64_t rows_left_out(const struct rows *r);
