// SPDX-License-Identifier: Apache-2.0
// Are the numbers right? What the programs count, against what the kernel counts for itself: on-CPU
// time against cpuacct or cpu.stat, waits against schedstat, I/Os against /sys/block, TCP bytes
// against the payload. Errors in percent; fails over its budget, and if nothing was compared.
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/bpf/bench.h"
#include "tests/bpf/load.h"
#include "tests/bpf/load_probe.h"
#include "tests/bpf/load_tcp.h"

enum { WAIT, ONCPU };            // columns of PROBE_SCHED
enum { READ, WRITE, IOS };       // of PROBE_BLOCK
enum { CONNECTIONS = 2, BYTES }; // of PROBE_TCP
enum { RUN_MS = 2500, BLOCK_ROUNDS = 30, BLOCK_IOS = 150 };

struct scenario {
	const char *name;
	size_t n;
	int cpu;
	bool spin;
};

static int compared;

static bool print_error(
	const char *what, const char *name, uint64_t ours, uint64_t kernel, double budget)
{
	char text[64];
	snprintf(text, sizeof(text), "parity_%s_%s", what, name);
	if (kernel == 0) {
		fprintf(stderr, "%s: the kernel has counted nothing\n", text);
		return false;
	}
	compared++;
	fprintf(stderr, "%s: ours %llu, the kernel's %llu\n", text, (unsigned long long)ours,
		(unsigned long long)kernel);
	double error = 100.0 * fabs((double)ours - (double)kernel) / (double)kernel;
	return bench_print(text, error, "%", NAN, budget);
}

// Time that the hypervisor gave to others while the CPU (-1: all of them) had work: on no side of
// the comparison, but the reason why a burst by the wall clock would be too long.
static uint64_t stolen_ns(int cpu)
{
	char line[512], name[16] = "cpu ";
	uint64_t ticks = 0;
	if (cpu >= 0)
		snprintf(name, sizeof(name), "cpu%d ", cpu);
	FILE *f = fopen("/proc/stat", "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, name, strlen(name)) != 0)
			continue;
		const char *at = line + strlen(name);
		for (int field = 1; field < 8; field++) { // user … softirq
			at += strspn(at, " ");
			at += strcspn(at, " ");
		}
		for (at += strspn(at, " "); *at >= '0' && *at <= '9'; at++)
			ticks = ticks * 10 + (uint64_t)(*at - '0');
	}
	if (f)
		fclose(f);
	return ticks * (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
}

static void print_stolen(const char *name, uint64_t stolen, uint64_t oncpu)
{
	char text[64];
	snprintf(text, sizeof(text), "parity_stolen_%s", name);
	if (oncpu > 0)
		bench_print(text, 100.0 * (double)stolen / (double)oncpu, "% of on-CPU", NAN, NAN);
}

static uint64_t kernel_cpu_ns(const char *path)
{
	int64_t ns = cgroup_number(path, "cpuacct.usage", NULL);
	if (ns >= 0)
		return (uint64_t)ns;
	int64_t us = cgroup_number(path, "cpu.stat", "usage_usec");
	return us >= 0 ? (uint64_t)us * 1000 : 0;
}

static bool compare_sched(struct probe *p, const struct scenario *s)
{
	char cpu[LOAD_PATH], acct[LOAD_PATH];
	const char *const in[] = {cpu, acct, NULL};
	struct load l;
	if (cgroup_make("cpu", "petrel-parity", cpu) < 0 ||
		cgroup_make("cpuacct", "petrel-parity", acct) < 0) {
		fprintf(stderr, "no cpu controller\n");
		return false;
	}
	uint64_t inode = cgroup_inode(cpu), stolen = stolen_ns(s->cpu);
	// all stand still inside: what they waited for on their way in is in schedstat, but not
	// ours
	load_prepare(&l, s->n, s->cpu, s->spin, in);
	uint64_t waited_before = load_schedstat(&l, 1);
	uint64_t before = watch_row(p, PROBE_SCHED, inode)->values[WAIT];
	load_go(&l);
	sleep_ms(RUN_MS);
	load_kill(&l); // dead but not reaped: their last burst is counted, schedstat is still there
	uint64_t waited = load_schedstat(&l, 1) - waited_before;
	stolen = stolen_ns(s->cpu) - stolen;
	load_stop(&l);
	const struct probe_row *row = watch_row(p, PROBE_SCHED, inode);
	bool ok = print_error("oncpu", s->name, row->values[ONCPU], kernel_cpu_ns(acct), 0.5);
	print_stolen(s->name, stolen, row->values[ONCPU]);
	ok &= print_error("wait", s->name, row->values[WAIT] - before, waited, 1.5);
	cgroup_remove(cpu);
	cgroup_remove(acct);
	return ok;
}

static void sum_rows(struct probe *p, uint64_t *ret_ios, uint64_t *ret_bytes)
{
	const struct probe_row *rows;
	*ret_ios = *ret_bytes = 0;
	for (size_t n = watch_all(p, PROBE_BLOCK, &rows); n > 0; n--) {
		*ret_ios += rows[n - 1].values[IOS];
		*ret_bytes += rows[n - 1].values[READ] + rows[n - 1].values[WRITE];
	}
}

struct block_round {
	uint64_t ios, bytes, kernel_ios, kernel_bytes;
};

static bool one_block_round(struct probe *p, struct disk *disk, struct block_round *ret)
{
	struct disk_counts before, after;
	uint64_t ios, bytes;
	sum_rows(p, &ios, &bytes);
	if (disk_counts_all(&before) < 0 || disk_run(disk, BLOCK_IOS) < 0 ||
		disk_counts_all(&after) < 0)
		return false;
	sum_rows(p, &ret->ios, &ret->bytes);
	ret->ios -= ios;
	ret->bytes -= bytes;
	ret->kernel_ios = after.reads + after.writes + after.discards - before.reads -
			  before.writes - before.discards;
	ret->kernel_bytes =
		after.read_bytes + after.write_bytes - before.read_bytes - before.write_bytes;
	return ret->kernel_ios >= BLOCK_IOS;
}

static int compare_rounds(const void *a, const void *b)
{
	const struct block_round *x = a, *y = b;
	long long dx = llabs((long long)(x->ios - x->kernel_ios));
	long long dy = llabs((long long)(y->ios - y->kernel_ios));
	return (dx > dy) - (dx < dy);
}

// The whole machine's I/O is compared, and some of it is in flight at the ends of a round; a kernel
// may also run no tracing program on top of certain tasks. So: many short rounds, the quartile.
static bool compare_block(struct probe *p)
{
	static struct block_round rounds[BLOCK_ROUNDS];
	struct disk disk;
	size_t n = 0;
	int r = disk_open(&disk, "/var/tmp");
	if (r < 0) {
		printf("SKIPPED: block: /var/tmp takes no O_DIRECT: %s\n", strerror(-r));
		return true;
	}
	for (int i = 0; i < BLOCK_ROUNDS; i++)
		n += one_block_round(p, &disk, &rounds[n]);
	disk_close(&disk);
	if (n == 0) {
		fprintf(stderr, "block: no round reached a disk\n");
		return false;
	}
	qsort(rounds, n, sizeof(rounds[0]), compare_rounds);
	const struct block_round *q = &rounds[n / 4];
	bool ok = print_error("block", "ios", q->ios, q->kernel_ios, 0);
	return ok & print_error("block", "bytes", q->bytes, q->kernel_bytes, 0);
}

static bool compare_tcp(struct probe *p)
{
	static const struct tcp_traffic t = {.connections = 50, .there = 1234567, .back = 4321};
	char path[LOAD_PATH];
	int status;
	if (cgroup_make("", "petrel-parity-tcp", path) < 0) {
		printf("SKIPPED: tcp: no v2 cgroup hierarchy\n");
		return true;
	}
	pid_t pid = fork();
	if (pid == 0)
		_exit(cgroup_enter(path, 0) < 0 || tcp_talk(&t) < 0);
	waitpid(pid, &status, 0);
	const struct probe_row *row = watch_row(p, PROBE_TCP, cgroup_inode(path));
	uint64_t ends = 2 * (uint64_t)t.connections;
	bool ok = status == 0;
	ok &= print_error("tcp", "connections", row->values[CONNECTIONS], ends, 0);
	ok &= print_error("tcp", "bytes", row->values[BYTES], ends * (t.there + t.back), 0);
	cgroup_remove(path);
	return ok;
}

int main(void)
{
	static const struct scenario scenarios[] = {
		{"3_spinners_pinned", 3, 0, true},
		{"6_spinners_free", 6, -1, true},
		{"8_sleepers_pinned", 8, 0, false},
	};
	load_need_root();
	struct probe *p = watch_new(DUTY_FULL, 0);
	bool ok = true;
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
		ok &= compare_sched(p, &scenarios[i]);
	ok &= compare_block(p);
	ok &= compare_tcp(p);
	probe_free(p);
	bench_print("parity_compared", compared, "figures", NAN, NAN);
	if (compared < 6)
		fprintf(stderr, "parity: only %d figures compared\n", compared);
	return ok && compared >= 6 ? 0 : 1;
}
