// SPDX-License-Identifier: Apache-2.0
// ns per context switch: the empty program, ours, and the usual runqlat design, interleaved.
//
// net = what the kernel's run statistics say less what they say for an empty program in the same
// round (about 60 ns: their own two clock reads), per switch, wake-up hooks included. added = end
// to end, statistics off: how much longer a switch takes than with no program at all.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bpf/records.h"
#include "tests/bench/bpf/bench.h"
#include "tests/bpf/load.h"

#include "empty.skel.h"
#include "runqlat.skel.h"
#include "sched.skel.h"

#define ROUND_NS 20000000ull
enum { ROUNDS = 60, EMPTY = 0, OURS, RUNQLAT, CONTESTANTS };

static void load_all(struct contestant c[CONTESTANTS])
{
	static const char *const empty[] = {"empty_switch", NULL},
				 *const ours[] = {"on_switch", NULL},
				 *const runqlat[] = {"runqlat_wakeup", "runqlat_wakeup_new",
					 "runqlat_switch", NULL};
	size_t n;
	const void *elf = empty_bpf__elf_bytes(&n);
	contestant_load(&c[EMPTY], "empty", elf, n, empty);
	elf = sched_bpf__elf_bytes(&n);
	contestant_load(&c[OURS], "sched", elf, n, ours);
	elf = runqlat_bpf__elf_bytes(&n);
	contestant_load(&c[RUNQLAT], "runqlat", elf, n, runqlat);
}

static double ns_per_switch(int cpu)
{
	uint64_t ns;
	int64_t switches = load_pingpong(cpu, ROUND_NS, &ns);
	if (switches <= 0) {
		fprintf(stderr, "bench: the load did not run\n");
		exit(1);
	}
	return (double)ns / (double)switches;
}

static void round_with_statistics(struct contestant *all, int round, int cpu)
{
	int stats = bench_stats_on();
	for (int i = 0; i < CONTESTANTS; i++) {
		struct contestant *c = &all[i];
		contestant_attach(c);
		contestant_start(c);
		ns_per_switch(cpu);
		contestant_end(c, round);
		contestant_detach(c);
	}
	close(stats);
}

static void round_end_to_end(struct contestant *all, int round, int cpu, double *bare)
{
	bare[round] = ns_per_switch(cpu);
	for (int i = 0; i < CONTESTANTS; i++) {
		contestant_attach(&all[i]);
		all[i].whole[round] = ns_per_switch(cpu);
		contestant_detach(&all[i]);
	}
}

static bool print_all(struct contestant *c, double *bare)
{
	double theirs = bench_net(&c[RUNQLAT], &c[EMPTY], ROUNDS),
	       ours = bench_net(&c[OURS], &c[EMPTY], ROUNDS);
	double raw = lowest_decile(c[EMPTY].raw, ROUNDS), whole = lowest_decile(bare, ROUNDS);
	double floor = lowest_decile(c[EMPTY].whole, ROUNDS) - whole;
	bench_print("switch_empty_raw", raw, "ns/switch", NAN, NAN);
	bench_print("switch_sched_raw", lowest_decile(c[OURS].raw, ROUNDS), "ns/switch", raw, NAN);
	bench_print(
		"switch_runqlat_raw", lowest_decile(c[RUNQLAT].raw, ROUNDS), "ns/switch", raw, NAN);
	bench_print("switch_runqlat_net", theirs, "ns/switch", NAN, NAN);
	bool ok = bench_print("switch_sched_net", ours, "ns/switch", theirs, 25);
	ok &= bench_print("switch_sched_to_runqlat", ours / theirs, "ratio", NAN, 0.1);
	bench_print("switch_bare", whole, "ns/switch", NAN, NAN);
	bench_print("switch_empty_added", floor, "ns/switch", whole, NAN);
	bench_print("switch_sched_added", lowest_decile(c[OURS].whole, ROUNDS) - whole, "ns/switch",
		whole, NAN);
	bench_print("switch_runqlat_added", lowest_decile(c[RUNQLAT].whole, ROUNDS) - whole,
		"ns/switch", whole, NAN);
	return ok;
}

int main(void)
{
	static struct contestant c[CONTESTANTS];
	static double bare[ROUNDS];
	load_need_root();
	bench_first_in_line();
	load_all(c);
	for (int round = 0; round < ROUNDS; round++) {
		round_with_statistics(c, round, 0);
		round_end_to_end(c, round, 0, bare);
	}
	bool ok = print_all(c, bare);
	for (int i = 0; i < CONTESTANTS; i++)
		contestant_free(&c[i]);
	return ok ? 0 : 1;
}
