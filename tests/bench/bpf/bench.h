// SPDX-License-Identifier: Apache-2.0
// What the benches of BPF programs share: attach, run statistics, one JSON line per figure.
//
// A figure is the lowest decile of many short interleaved rounds: machines are shared, and
// disturbance only adds.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bpf_object;

enum { BENCH_PROGRAMS = 4, BENCH_ROUNDS_MAX = 128 };

struct contestant {
	const char *name;
	struct bpf_object *bpf;
	int programs[BENCH_PROGRAMS], links[BENCH_PROGRAMS];
	size_t n_programs;
	double runs_per_event;
	uint64_t ns, runs, events;      // of one round; events: runs of the last program
	double raw[BENCH_ROUNDS_MAX];   // ns per event, statistics included
	double whole[BENCH_ROUNDS_MAX]; // end to end, ns per event, statistics off
};

// Opens and loads the named programs (the one that counts events comes last). exit(1) on failure.
// nslots > 0: sizes "slots" and fills .rodata as agent/probe does.
void contestant_load(struct contestant *c, const char *name, const void *elf, size_t bytes,
	const char *const *programs);
void contestant_attach(struct contestant *c);
void contestant_detach(struct contestant *c);
void contestant_start(struct contestant *c);          // notes the counters
void contestant_end(struct contestant *c, int round); // ns, runs, events since then; raw[round]
void contestant_free(struct contestant *c);

// Real-time priority, for children too: the time slices of others would leave cold caches behind.
void bench_first_in_line(void);
int bench_stats_on(void);                       // descriptor; close it to switch the statistics off
double lowest_decile(double *values, size_t n); // sorts them
// ns per event after n rounds: what the statistics say less what they say for the empty program.
double bench_net(struct contestant *c, struct contestant *empty, size_t n);
// budget NAN: informative. ratio NAN: no baseline. Returns whether the budget holds.
bool bench_print(const char *name, double value, const char *unit, double baseline, double budget);
