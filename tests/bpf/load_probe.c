// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/load_probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/base/clock.h"

enum { ROWS = 4096 };

void watch_print_hooks(const struct probe *p)
{
	struct hook_status h[16];
	size_t n = probe_hooks(p, h, 16);
	for (size_t i = 0; i < n; i++)
		fprintf(stderr, "%-8s state %d error %d %s\n", h[i].name, h[i].state, h[i].error,
			h[i].detail);
}

struct probe *watch_new(enum duty_mode mode, uint32_t max_cgroups)
{
	struct probe_options o;
	struct probe *p;
	struct why why;
	struct hook_status h[16];
	probe_options_init(&o);
	o.duty = mode;
	o.max_cgroups = max_cgroups;
	if (probe_new(&p, &o, &why) < 0) {
		fprintf(stderr, "%s\n", why.text);
		exit(1);
	}
	probe_tick(p, clock_mono_ns());
	size_t n = probe_hooks(p, h, 16);
	for (size_t i = 0; i < n; i++) {
		if (h[i].state != HOOK_REFUSED && h[i].state != HOOK_FALLBACK)
			continue;
		watch_print_hooks(p);
		exit(1);
	}
	return p;
}

size_t watch_all(struct probe *p, enum probe_source source, const struct probe_row **ret)
{
	static struct probe_row rows[ROWS];
	struct probe_reading r = {.rows = rows, .max_rows = ROWS};
	if (probe_read(p, source, clock_mono_ns(), &r) < 0)
		return 0;
	*ret = rows;
	return r.n_rows;
}

const struct probe_row *watch_row(struct probe *p, enum probe_source source, uint64_t inode)
{
	static struct probe_row none;
	const struct probe_row *rows;
	size_t n = watch_all(p, source, &rows);
	memset(&none, 0, sizeof(none));
	for (size_t i = 0; i < n; i++) {
		if (rows[i].inode == inode)
			return &rows[i];
	}
	return &none;
}

uint64_t watch_hist(const struct probe_row *row, int hist)
{
	uint64_t sum = 0;
	for (int b = 0; b < HIST_BUCKETS; b++)
		sum += row->hists[hist][b];
	return sum;
}

void sleep_ms(unsigned ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
	nanosleep(&t, NULL);
}
