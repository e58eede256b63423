// SPDX-License-Identifier: Apache-2.0
// Made-up load, for weights that have never seen a series they will be judged on.
//
// Every series draws which traits it has: daily shape (harmonics, office hours, night batch),
// weekend, days that differ, autocorrelated and heavy-tailed noise, random walk, level shifts, jobs
// at fixed minutes, bursts, on/off, a ceiling, integers, gaps. Ranges are wide on purpose and were
// not fitted to any data set.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "proto/base/rng.h"

struct synth {
	double *y; // free()
	size_t n;
	int64_t start_s, step_s;
};

int synth_make(struct rng *r, struct synth *ret); // -ENOMEM
