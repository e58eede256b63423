// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/bpf/bench.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf/records.h"

static void die(const char *what, int error)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(error < 0 ? -error : error));
	exit(1);
}

static int size_slots(struct bpf_object *bpf)
{
	struct slot_params params = {.nslots = 1024, .ncpus = (__u32)libbpf_num_possible_cpus()};
	struct bpf_map *slots = bpf_object__find_map_by_name(bpf, "slots");
	if (!slots)
		return 0; // not one of ours
	int r = bpf_map__set_max_entries(slots, params.nslots * params.ncpus);
	return r < 0 ? r
		     : bpf_map__set_initial_value(bpf_object__find_map_by_name(bpf, ".rodata"),
			       &params, sizeof(params));
}

static bool is_wanted(const char *const *programs, const char *name)
{
	for (size_t i = 0; programs[i]; i++) {
		if (strcmp(programs[i], name) == 0)
			return true;
	}
	return false;
}

void contestant_load(struct contestant *c, const char *name, const void *elf, size_t bytes,
	const char *const *programs)
{
	struct bpf_program *p;
	*c = (struct contestant){.name = name, .bpf = bpf_object__open_mem(elf, bytes, NULL)};
	if (!c->bpf)
		die(name, errno);
	bpf_object__for_each_program(p, c->bpf)
		bpf_program__set_autoload(p, is_wanted(programs, bpf_program__name(p)));
	int r = size_slots(c->bpf);
	if (r == 0)
		r = bpf_object__load(c->bpf);
	if (r < 0)
		die(name, r);
	for (size_t i = 0; programs[i] && i < BENCH_PROGRAMS; i++) {
		p = bpf_object__find_program_by_name(c->bpf, programs[i]);
		c->links[i] = -1;
		c->programs[c->n_programs++] = bpf_program__fd(p);
	}
}

void contestant_attach(struct contestant *c)
{
	for (size_t i = 0; i < c->n_programs; i++) {
		c->links[i] = bpf_raw_tracepoint_open(NULL, c->programs[i]);
		if (c->links[i] < 0)
			die(c->name, c->links[i]);
	}
}

void contestant_detach(struct contestant *c)
{
	for (size_t i = 0; i < c->n_programs; i++) {
		if (c->links[i] >= 0)
			close(c->links[i]);
		c->links[i] = -1;
	}
}

static void read_runs(const struct contestant *c, uint64_t *ns, uint64_t *runs, uint64_t *events)
{
	*ns = *runs = 0;
	for (size_t i = 0; i < c->n_programs; i++) {
		struct bpf_prog_info info = {0};
		uint32_t size = sizeof(info);
		if (bpf_obj_get_info_by_fd(c->programs[i], &info, &size) < 0)
			die(c->name, errno);
		*ns += info.run_time_ns;
		*runs += info.run_cnt;
		*events = info.run_cnt;
	}
}

void contestant_start(struct contestant *c)
{
	read_runs(c, &c->ns, &c->runs, &c->events);
}

void contestant_end(struct contestant *c, int round)
{
	uint64_t ns, runs, events;
	read_runs(c, &ns, &runs, &events);
	c->ns = ns - c->ns;
	c->runs = runs - c->runs;
	c->events = events - c->events;
	c->raw[round] = c->events ? (double)c->ns / (double)c->events : NAN;
	c->runs_per_event = c->events ? (double)c->runs / (double)c->events : NAN;
}

void contestant_free(struct contestant *c)
{
	contestant_detach(c);
	bpf_object__close(c->bpf);
}

void bench_first_in_line(void)
{
	struct sched_param p = {.sched_priority = 1};
	if (sched_setscheduler(0, SCHED_FIFO, &p) < 0)
		perror("sched_setscheduler");
}

int bench_stats_on(void)
{
	int fd = bpf_enable_stats(BPF_STATS_RUN_TIME);
	if (fd < 0)
		die("statistics of BPF programs", fd);
	return fd;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

double lowest_decile(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), compare);
	return values[n / 10];
}

double bench_net(struct contestant *c, struct contestant *empty, size_t n)
{
	return lowest_decile(c->raw, n) - lowest_decile(empty->raw, n) * c->runs_per_event;
}

bool bench_print(const char *name, double value, const char *unit, double baseline, double budget)
{
	bool ok = isnan(budget) || value <= budget;
	printf("{\"name\":\"%s\",\"value\":%.4g,\"unit\":\"%s\"", name, value, unit);
	if (isnan(baseline))
		printf(",\"baseline\":null,\"ratio\":null");
	else
		printf(",\"baseline\":%.4g,\"ratio\":%.4g", baseline, value / baseline);
	if (isnan(budget))
		printf(",\"budget\":null,\"ok\":true}\n");
	else
		printf(",\"budget\":%.4g,\"ok\":%s}\n", budget, ok ? "true" : "false");
	fflush(stdout);
	return ok;
}
