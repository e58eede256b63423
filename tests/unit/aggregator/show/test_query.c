// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/show/query.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint32_t every = (1u << PARAM_COUNT) - 1;

static void arguments_become_values(void **state)
{
	struct query q = {0};
	struct problem p;
	assert_int_equal(query_add(&q, every, "cluster", "prod-1", &p), 0);
	assert_int_equal(query_add(&q, every, "kind", "workload", &p), 0);
	assert_int_equal(query_add(&q, every, "metric", "cpu_usage_ns", &p), 0);
	assert_int_equal(query_add(&q, every, "hist", "block_latency_ns", &p), 0);
	assert_int_equal(query_add(&q, every, "horizon", "month", &p), 0);
	assert_int_equal(query_add(&q, every, "limit", "17", &p), 0);
	assert_string_equal(q.cluster, "prod-1");
	assert_int_equal(q.kind, ENTITY_WORKLOAD);
	assert_int_equal(q.metric, METRIC_CPU_USAGE);
	assert_int_equal(q.hist, HIST_BLOCK_LATENCY);
	assert_int_equal(q.horizon, SHOW_MONTH);
	assert_int_equal(q.limit, 17);
	assert_true(query_has(&q, PARAM_LIMIT));
	assert_false(query_has(&q, PARAM_FROM));
}

static void an_unknown_argument_names_the_nearest_known_one(void **state)
{
	struct query q = {0};
	struct problem p;
	assert_int_equal(query_add(&q, PARAM(CLUSTER) | PARAM(LIMIT), "clutser", "a", &p), -EINVAL);
	assert_int_equal(p.status, 400);
	assert_string_equal(p.code, "unknown-argument");
	assert_string_equal(p.hint, "did you mean 'cluster'?");
	// one that exists, but not here
	assert_int_equal(query_add(&q, PARAM(CLUSTER), "limit", "1", &p), -EINVAL);
	assert_string_equal(p.code, "unknown-argument");
	assert_int_equal(query_add(&q, 0, "x", "1", &p), -EINVAL);
	assert_string_equal(p.hint, "this path takes no arguments");
}

static void refuses(const char *key, const char *value)
{
	struct query q = {0};
	struct problem p = {0};
	if (query_add(&q, every, key, value, &p) != -EINVAL || p.status != 400 || q.present)
		fail_msg("%s=%s was accepted", key, value);
}

static void malformed_values_are_refused(void **state)
{
	refuses("cluster", "");
	refuses("cluster", "a b");
	refuses("cluster", "../../etc/passwd");
	refuses("cluster", "<script>");
	refuses("cluster", "a\nb");
	refuses("kind", "nodes");
	refuses("metric", "CPU_USAGE_NS");
	refuses("limit", "0");
	refuses("limit", "10001");
	refuses("limit", "1e3");
	refuses("limit", "-1");
	refuses("limit", "99999999999999999999");
	refuses("from", "-1");
	refuses("from", "9223372036854775807");
	refuses("step", "999");
	refuses("step", "1500");
	char *longest = malloc(70000);
	memset(longest, 'a', 69999);
	longest[69999] = '\0';
	refuses("name", longest);
	refuses("metric", longest);
	refuses(longest, longest);
	free(longest);
}

static void an_argument_may_be_given_once(void **state)
{
	struct query q = {0};
	struct problem p;
	assert_int_equal(query_add(&q, every, "node", "a", &p), 0);
	assert_int_equal(query_add(&q, every, "node", "b", &p), -EINVAL);
	assert_string_equal(q.node, "a");
}

static void a_wrong_value_names_the_nearest_right_one(void **state)
{
	struct query q = {0};
	struct problem p;
	assert_int_equal(query_add(&q, every, "hist", "runq_latency", &p), -EINVAL);
	assert_string_equal(p.hint, "did you mean hist=runq_latency_ns?");
}

static void a_range_has_sensible_defaults(void **state)
{
	struct query q = {0};
	struct problem p;
	assert_int_equal(query_range(&q, 1700000000000, 20000, &p), 0);
	assert_int_equal(q.to_ms, 1700000000000);
	assert_int_equal(q.from_ms, 1700000000000 - 3600000);
	assert_int_equal(q.step_ms, 5000); // 720 bins
	q = (struct query){
		.present = PARAM(FROM), .from_ms = 1700000000000 - INT64_C(7) * 86400000};
	assert_int_equal(query_range(&q, 1700000000000, 20000, &p), 0);
	assert_int_equal(q.step_ms, 900000);
}

static void a_range_is_bounded(void **state)
{
	struct query q = {.present = PARAM(FROM) | PARAM(STEP), .step_ms = 1000};
	struct problem p;
	assert_int_equal(query_range(&q, 1700000000000, 20000, &p), -EINVAL);
	assert_string_equal(p.code, "too-many-bins");
	q = (struct query){.present = PARAM(FROM) | PARAM(TO), .from_ms = 5, .to_ms = 5};
	assert_int_equal(query_range(&q, 1700000000000, 20000, &p), -EINVAL);
	q = (struct query){.present = PARAM(FROM)}; // since 1970: the coarsest step is found
	assert_int_equal(query_range(&q, 1700000000000, 20000, &p), 0);
	assert_int_equal(q.step_ms, 86400000);
}

static void what_is_needed_is_named(void **state)
{
	struct query q = {.present = PARAM(CLUSTER)};
	struct problem p;
	assert_int_equal(query_need(&q, PARAM(CLUSTER), &p), 0);
	assert_int_equal(query_need(&q, PARAM(CLUSTER) | PARAM(NAME), &p), -EINVAL);
	assert_string_equal(p.code, "missing-argument");
	assert_string_equal(p.message, "'name' is needed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arguments_become_values),
		cmocka_unit_test(an_unknown_argument_names_the_nearest_known_one),
		cmocka_unit_test(malformed_values_are_refused),
		cmocka_unit_test(an_argument_may_be_given_once),
		cmocka_unit_test(a_wrong_value_names_the_nearest_right_one),
		cmocka_unit_test(a_range_has_sensible_defaults),
		cmocka_unit_test(a_range_is_bounded),
		cmocka_unit_test(what_is_needed_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
