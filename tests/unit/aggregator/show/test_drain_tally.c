// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/act/drains.h"
#include "aggregator/show/drain_tally.h"

#include <stdio.h>
#include <string.h>

static void make(struct drain *d, unsigned id, struct drain *next)
{
	*d = (struct drain){.kind = DRAIN_SPOT_ITN, .phase = DRAIN_EVICTING, .next = next};
	snprintf(d->id, sizeof(d->id), "%032x", id);
	d->times.notice_ms = 1000000;
	d->times.seen_ms = 1000400;
	d->times.tainted_ms = 1001600;
}

static uint64_t counted(const struct drain_tally *t, enum drain_stage stage)
{
	uint64_t n = 0;
	for (int i = 0; i <= DRAIN_BOUNDS; i++)
		n += t->stages[stage].counts[i];
	return n;
}

static void each_stage_is_counted_once_in_its_bucket(void **state)
{
	struct drain_tally t = {0};
	struct drain d;
	make(&d, 1, NULL);
	for (int i = 0; i < 5; i++)
		drain_tally_update(&t, &d);
	assert_int_equal(counted(&t, STAGE_SEEN), 1);
	assert_int_equal(t.stages[STAGE_SEEN].counts[2], 1);    // 0.4 s: at most 0.5
	assert_int_equal(t.stages[STAGE_TAINTED].counts[5], 1); // 1.6 s: at most 2.5
	assert_int_equal(counted(&t, STAGE_DRAINED), 0);
	d.times.drained_ms = 1000000 + 3600000;
	drain_tally_update(&t, &d);
	assert_int_equal(t.stages[STAGE_DRAINED].counts[DRAIN_BOUNDS], 1); // beyond the last bound
	assert_true(t.stages[STAGE_DRAINED].sum_s == 3600);
	drain_tally_done(&t);
}

static void beginnings_and_ends_outlive_the_list(void **state)
{
	struct drain_tally t = {0};
	struct drain a, b;
	make(&b, 2, NULL);
	make(&a, 1, &b);
	drain_tally_update(&t, &a);
	b.phase = DRAIN_FAILED;
	drain_tally_update(&t, &a);
	drain_tally_update(&t, &a);
	assert_int_equal(t.started[DRAIN_SPOT_ITN], 2);
	assert_int_equal(t.ended[END_FAILED], 1);
	a.next = NULL; // the older one made room
	drain_tally_update(&t, &a);
	assert_int_equal(HASH_COUNT(t.seen), 1);
	drain_tally_update(&t, NULL);
	assert_int_equal(HASH_COUNT(t.seen), 0);
	assert_int_equal(t.started[DRAIN_SPOT_ITN], 2);
	assert_int_equal(t.ended[END_FAILED], 1);
	drain_tally_done(&t);
}

static void a_dry_run_is_counted_but_not_timed(void **state)
{
	struct drain_tally t = {0};
	struct drain d;
	make(&d, 1, NULL);
	d.dry_run = true;
	drain_tally_update(&t, &d);
	assert_int_equal(counted(&t, STAGE_SEEN), 0);
	assert_int_equal(t.started[DRAIN_SPOT_ITN], 1);
	drain_tally_done(&t);
}

static void what_changed_is_said_once_and_the_rest_next_time(void **state)
{
	struct drain_tally t = {0};
	struct drain d[5];
	const struct drain *said[3];
	for (int i = 4; i >= 0; i--)
		make(&d[i], (unsigned)i, i < 4 ? &d[i + 1] : NULL);
	assert_int_equal(drain_tally_changed(&t, d, said, 3), 3);
	assert_ptr_equal(said[2], &d[2]);
	assert_int_equal(drain_tally_changed(&t, d, said, 3), 2);
	assert_int_equal(drain_tally_changed(&t, d, said, 3), 0);
	d[3].change++;
	assert_int_equal(drain_tally_changed(&t, d, said, 3), 1);
	assert_ptr_equal(said[0], &d[3]);
	for (int i = 0; i < 5; i++) { // each as large as a drain gets
		d[i].change++;
		d[i].n_pods = DRAIN_MAX_PODS;
	}
	assert_int_equal(drain_tally_changed(&t, d, said, 3), 1);
	assert_ptr_equal(said[0], &d[0]);
	assert_int_equal(drain_tally_changed(&t, d, said, 3), 1);
	assert_ptr_equal(said[0], &d[1]);
	drain_tally_done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_stage_is_counted_once_in_its_bucket),
		cmocka_unit_test(beginnings_and_ends_outlive_the_list),
		cmocka_unit_test(a_dry_run_is_counted_but_not_timed),
		cmocka_unit_test(what_changed_is_said_once_and_the_rest_next_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
