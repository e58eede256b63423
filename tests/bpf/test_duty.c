// SPDX-License-Identifier: Apache-2.0
// The duty cycle with real programs: on and off again and again, counters scaled by on-time.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "proto/base/clock.h"
#include "tests/bpf/load.h"
#include "tests/bpf/load_probe.h"

enum { WAIT, ONCPU };
#define MS 1000000ull

static struct probe *new_cycling(uint32_t on_ms, uint32_t cycle_ms)
{
	struct probe_options o;
	struct probe *p;
	probe_options_init(&o);
	o.cycle_on_ms = on_ms;
	o.cycle_ms = cycle_ms;
	o.armed_ms = 400;
	assert_int_equal(probe_new(&p, &o, NULL), 0);
	return p;
}

static uint64_t on_time(struct probe *p)
{
	struct probe_reading r = {0};
	assert_int_equal(probe_read(p, PROBE_SCHED, clock_mono_ns(), &r), 0);
	return r.on_ns;
}

static void tick_for(struct probe *p, uint64_t ns)
{
	uint64_t end = clock_mono_ns() + ns, now;
	while ((now = clock_mono_ns()) < end) {
		uint64_t wait = probe_tick(p, now);
		if (wait > end - now)
			wait = end - now;
		sleep_ms((unsigned)(wait / MS) + 1);
	}
}

static void counters_scaled_by_on_time_tell_the_whole(void **state)
{
	char path[LOAD_PATH];
	const char *const in[] = {path, NULL};
	struct load l;
	struct probe *p = new_cycling(100, 400);
	assert_int_equal(cgroup_make("cpu", "petrel-duty", path), 0);
	load_start(&l, 3, 0, true, in);
	uint64_t start = clock_mono_ns();
	uint64_t waited = load_schedstat(&l, 1);
	tick_for(p, 4000 * MS);
	waited = load_schedstat(&l, 1) - waited;
	uint64_t window = clock_mono_ns() - start, on = on_time(p);
	load_stop(&l);
	assert_in_range(on, 900 * MS, 1200 * MS);
	const struct probe_row *row = watch_row(p, PROBE_SCHED, cgroup_inode(path));
	double scaled = (double)row->values[WAIT] * (double)window / (double)on;
	assert_true(scaled > 0.7 * (double)waited && scaled < 1.3 * (double)waited);
	cgroup_remove(path);
	probe_free(p);
}

static void nothing_counts_while_it_is_off(void **state)
{
	struct probe *p = new_cycling(200, 3600000);
	const struct probe_row *row;
	struct load l;
	load_start(&l, 2, 0, true, NULL);
	tick_for(p, 300 * MS);
	uint64_t on = on_time(p), sum = 0, again = 0;
	assert_in_range(on, 100 * MS, 300 * MS); // attaching may take its time on a busy machine
	for (size_t n = watch_all(p, PROBE_SCHED, &row); n > 0; n--)
		sum += row[n - 1].values[ONCPU];
	sleep_ms(200);
	for (size_t n = watch_all(p, PROBE_SCHED, &row); n > 0; n--)
		again += row[n - 1].values[ONCPU];
	load_stop(&l);
	assert_true(sum > 0);
	assert_true(sum == again);
	assert_true(on_time(p) == on);
	probe_free(p);
}

static void arming_switches_on_at_once_and_ends_by_itself(void **state)
{
	struct probe *p = new_cycling(1, 3600000);
	tick_for(p, 20 * MS);
	uint64_t before = on_time(p);
	probe_arm(p, clock_mono_ns());
	assert_int_equal(probe_duty(p, clock_mono_ns()), DUTY_ARMED);
	tick_for(p, 600 * MS);
	assert_int_equal(probe_duty(p, clock_mono_ns()), DUTY_CYCLE);
	assert_in_range(on_time(p) - before, 390 * MS, 450 * MS);
	probe_set_duty(p, DUTY_OFF, clock_mono_ns());
	uint64_t off = on_time(p);
	probe_arm(p, clock_mono_ns());
	assert_int_equal(probe_duty(p, clock_mono_ns()), DUTY_OFF);
	sleep_ms(20);
	assert_true(on_time(p) == off);
	struct hook_status h[16];
	size_t n = probe_hooks(p, h, 16), offs = 0;
	for (size_t i = 0; i < n; i++)
		offs += h[i].state == HOOK_OFF;
	assert_int_equal(offs, 2); // sched and block
	probe_free(p);
}

static void hundreds_of_cycles_lose_no_descriptor(void **state)
{
	struct probe *p = new_cycling(1000, 10000);
	char path[LOAD_PATH];
	for (int i = 0; i < 300; i++)
		probe_set_duty(p, i % 2 ? DUTY_FULL : DUTY_OFF, clock_mono_ns());
	assert_int_equal(cgroup_make("cpu", "petrel-after", path), 0);
	const char *const in[] = {path, NULL};
	struct load l;
	load_start(&l, 1, -1, false, in);
	sleep_ms(50);
	load_stop(&l);
	assert_true(watch_row(p, PROBE_SCHED, cgroup_inode(path))->values[ONCPU] > 0);
	cgroup_remove(path);
	probe_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counters_scaled_by_on_time_tell_the_whole),
		cmocka_unit_test(nothing_counts_while_it_is_off),
		cmocka_unit_test(arming_switches_on_at_once_and_ends_by_itself),
		cmocka_unit_test(hundreds_of_cycles_lose_no_descriptor),
	};
	load_need_root();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
