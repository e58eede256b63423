// SPDX-License-Identifier: Apache-2.0
// Small deterministic random numbers (xoshiro256** by Blackman and Vigna, seeded by splitmix64;
// public domain algorithms).
//
// Randomness is an argument everywhere: main.c seeds from the kernel, tests and the simulator from
// a constant. Not for secrets.
#pragma once

#include <stdint.h>

struct rng {
	uint64_t s[4];
};

void rng_init(struct rng *r, uint64_t seed);
int rng_init_random(struct rng *r); // from getrandom(2); negative errno on failure
uint64_t rng_next(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t limit); // 0 .. limit-1, without bias; 0 if limit is 0
double rng_unit(struct rng *r);                    // [0, 1)
double rng_normal(struct rng *r);                  // standard normal (Box-Muller)
