// SPDX-License-Identifier: Apache-2.0
// ns per block I/O: the empty program, ours, and the usual biolatency design, interleaved, under
// O_DIRECT reads and writes of 4 KiB on a real device. See bench_switch.c for what net means.
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf/records.h"
#include "tests/bench/bpf/bench.h"
#include "tests/bpf/load.h"

#include "biolat.skel.h"
#include "block.skel.h"
#include "empty.skel.h"

enum { ROUNDS = 96, IOS = 100, EMPTY = 0, OURS, BIOLAT, CONTESTANTS };

static void load_all(struct contestant c[CONTESTANTS])
{
	static const char *const empty[] = {"empty_complete", NULL},
				 *const ours[] = {"on_complete", NULL},
				 *const biolat[] = {
					 "biolat_insert", "biolat_issue", "biolat_complete", NULL};
	size_t n;
	const void *elf = empty_bpf__elf_bytes(&n);
	contestant_load(&c[EMPTY], "empty", elf, n, empty);
	elf = block_bpf__elf_bytes(&n);
	contestant_load(&c[OURS], "block", elf, n, ours);
	elf = biolat_bpf__elf_bytes(&n);
	contestant_load(&c[BIOLAT], "biolat", elf, n, biolat);
}

// A kernel may run no program on top of certain tasks (see tests/bpf/test_block.c): again then.
static void measure(struct contestant *c, int round, struct disk *disk)
{
	for (int attempt = 0; attempt < 10; attempt++) {
		contestant_attach(c);
		contestant_start(c);
		int r = disk_run(disk, IOS);
		contestant_end(c, round);
		contestant_detach(c);
		if (r == 0 && c->events >= IOS / 2)
			return;
	}
	fprintf(stderr, "bench: %s: the load did not reach a block device (%lu events)\n", c->name,
		(unsigned long)c->events);
	exit(1);
}

int main(void)
{
	static struct contestant c[CONTESTANTS];
	struct disk disk;
	load_need_root();
	bench_first_in_line();
	int r = disk_open(&disk, getenv("TMPDIR") ? getenv("TMPDIR") : "/var/tmp");
	if (r < 0) {
		printf("SKIPPED: no disk that takes O_DIRECT: %s\n", strerror(-r));
		return 77;
	}
	load_all(c);
	int stats = bench_stats_on();
	for (int round = 0; round < ROUNDS; round++)
		for (int i = 0; i < CONTESTANTS; i++)
			measure(&c[i], round, &disk);
	close(stats);
	disk_close(&disk);
	double theirs = bench_net(&c[BIOLAT], &c[EMPTY], ROUNDS),
	       ours = bench_net(&c[OURS], &c[EMPTY], ROUNDS);
	double raw = lowest_decile(c[EMPTY].raw, ROUNDS);
	bench_print("block_empty_raw", raw, "ns/io", NAN, NAN);
	bench_print("block_ours_raw", lowest_decile(c[OURS].raw, ROUNDS), "ns/io", raw, NAN);
	bench_print("block_biolat_raw", lowest_decile(c[BIOLAT].raw, ROUNDS), "ns/io", raw, NAN);
	bench_print("block_biolat_net", theirs, "ns/io", NAN, NAN);
	bool ok = bench_print("block_ours_net", ours, "ns/io", theirs, 180);
	for (int i = 0; i < CONTESTANTS; i++)
		contestant_free(&c[i]);
	return ok ? 0 : 1;
}
