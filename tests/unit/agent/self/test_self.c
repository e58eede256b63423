// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/self/cost.h"
#include "agent/self/report.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECOND 1000000000ull

// Adds so many seconds at so many permille; returns the sum of the changes.
static int spend(struct budget *b, int seconds, uint64_t permille)
{
	int change = 0;
	for (int i = 0; i < seconds; i++)
		change += budget_add(b, SECOND * permille / 1000, SECOND);
	return change;
}

static void over_budget_for_a_minute_lowers_the_detail_step_by_step(void **state)
{
	struct budget b;
	budget_init(&b, 5, 3);
	assert_int_equal(spend(&b, 59, 20), 0);
	assert_int_equal(spend(&b, 1, 20), 1);
	assert_int_equal(b.step, 1);
	assert_int_equal(spend(&b, 600, 20), 2);
	assert_int_equal(b.step, 3); // and no further
}

static void a_short_peak_does_not(void **state)
{
	struct budget b;
	budget_init(&b, 5, 3);
	for (int i = 0; i < 20; i++)
		assert_int_equal(spend(&b, 5, 40) + spend(&b, 55, 1), 0);
}

static void detail_comes_back_only_after_a_long_calm(void **state)
{
	struct budget b;
	budget_init(&b, 6, 3);
	spend(&b, 60, 20);
	assert_int_equal(spend(&b, 540, 1), 0);
	assert_int_equal(spend(&b, 60, 4), 0); // below the budget, but not by half: starts over
	assert_int_equal(spend(&b, 599, 1), 0);
	assert_int_equal(spend(&b, 1, 1), -1);
	assert_int_equal(b.step, 0);
}

static void the_kernels_accounts_of_this_process_are_read(void **state)
{
	struct cost first, second;
	int statm = open("/proc/self/statm", O_RDONLY);
	assert_int_equal(cost_read(statm, &first), 0);
	assert_in_range(first.rss_bytes, 1 << 20, 1ull << 40);
	do {
		for (volatile unsigned i = 0; i < 1000000; i++)
			; // work
		cost_read(statm, &second);
	} while (second.cpu_ns == first.cpu_ns);
	assert_true(second.cpu_ns > first.cpu_ns);
	close(statm);
	assert_int_equal(cost_read(-1, &first), 0);
	assert_int_equal(first.rss_bytes, 0);
}

static struct report report(void)
{
	static const struct hook_status hooks[2] = {
		{.name = "sched", .state = HOOK_ATTACHED}, {.name = "psi", .state = HOOK_OFF}};
	struct report r = {.version = "1",
		.cluster = "c",
		.node = "n",
		.now_ns = 100 * SECOND,
		.started_ns = 1 * SECOND,
		.tick_ns = 99 * SECOND,
		.interval_ns = SECOND,
		.ticks = 98,
		.detail = "full",
		.hooks = hooks,
		.n_hooks = 2,
		.bpf_runs = 1,
		.sending = true};
	r.send.n_replicas = 2;
	r.send.replicas[1].connected = true;
	r.send.replicas[1].last_receipt_ns = 98 * SECOND;
	return r;
}

static void healthy_is_who_ticks_and_ready_who_is_heard(void **state)
{
	char text[128];
	struct report r = report();
	assert_true(report_healthy(&r, text) && report_ready(&r, text));
	r.send.replicas[1].last_receipt_ns = 30 * SECOND;
	assert_true(report_healthy(&r, text));
	assert_false(report_ready(&r, text));
	assert_string_equal(text, "no receipt from any aggregator within a minute");
	r.sending = false;
	assert_true(report_ready(&r, text));
	r.tick_ns = 80 * SECOND;
	assert_false(report_healthy(&r, text));
	assert_false(report_ready(&r, text));
	assert_string_equal(text, "no tick for 20.0 s");
	r.tick_ns = 0;
	r.started_ns = 99 * SECOND;
	assert_true(report_healthy(&r, text));
	assert_false(report_ready(&r, text));
}

// Exit status of promtool fed with the text.
static int check_by_promtool(const struct buf *text)
{
	int ends[2], status;
	assert_int_equal(pipe(ends), 0);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(ends[0], STDIN_FILENO);
		close(ends[0]);
		close(ends[1]);
		execl("/usr/bin/promtool", "promtool", "check", "metrics", (char *)NULL);
		_exit(127);
	}
	close(ends[0]);
	assert_int_equal(write(ends[1], text->data, text->len), text->len);
	close(ends[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void metrics_pass_promtool(void **state)
{
	autobuf out;
	buf_init(&out, 65536);
	struct report r = report();
	report_metrics(&r, &out);
	assert_false(buf_failed(&out));
	assert_non_null(
		strstr(out.data, "petrel_agent_hook_status{hook=\"psi\",state=\"off\"} 1\n"));
	assert_non_null(strstr(out.data, "petrel_agent_lane_connected{replica=\"1\"} 1\n"));
	if (access("/usr/bin/promtool", X_OK) < 0) {
		print_message("skipped: promtool is not installed\n");
		return;
	}
	assert_int_equal(check_by_promtool(&out), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(over_budget_for_a_minute_lowers_the_detail_step_by_step),
		cmocka_unit_test(a_short_peak_does_not),
		cmocka_unit_test(detail_comes_back_only_after_a_long_calm),
		cmocka_unit_test(the_kernels_accounts_of_this_process_are_read),
		cmocka_unit_test(healthy_is_who_ticks_and_ready_who_is_heard),
		cmocka_unit_test(metrics_pass_promtool),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
