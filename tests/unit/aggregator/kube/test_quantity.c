// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/kube/quantity.h"

#include <errno.h>

static int64_t millis(const char *text)
{
	int64_t v = -1;
	assert_int_equal(quantity_millis(text, &v), 0);
	return v;
}

static int64_t whole(const char *text)
{
	int64_t v = -1;
	assert_int_equal(quantity_whole(text, &v), 0);
	return v;
}

// the examples of k8s.io/apimachinery quantity_test.go and what EKS nodes say
static void quantities_mean_what_kubernetes_means(void **state)
{
	assert_int_equal(millis("100m"), 100);
	assert_int_equal(millis("3920m"), 3920);
	assert_int_equal(millis("4"), 4000);
	assert_int_equal(millis("0.1"), 100);
	assert_int_equal(millis(".5"), 500);
	assert_int_equal(millis("1."), 1000);
	assert_int_equal(millis("2e3"), 2000000);
	assert_int_equal(millis("+1E-1"), 100);
	assert_int_equal(millis("0"), 0);
	assert_int_equal(millis("-0"), 0);
	assert_int_equal(whole("1Gi"), 1073741824);
	assert_int_equal(whole("15076592Ki"), 15076592LL * 1024);
	assert_int_equal(whole("1.5Gi"), 1610612736);
	assert_int_equal(whole("128M"), 128000000);
	assert_int_equal(whole("1E"), 1000000000000000000LL);
	assert_int_equal(whole("1E3"), 1000);
	assert_int_equal(whole("7Ei"), 7LL << 60);
	assert_int_equal(whole("9223372036854775807"), INT64_MAX);
	assert_int_equal(whole("0.000000000000000000000001"), 1);
}

static void parts_are_rounded_up_as_the_scheduler_does(void **state)
{
	assert_int_equal(millis("1n"), 1);
	assert_int_equal(millis("100500u"), 101);
	assert_int_equal(whole("100m"), 1);
	assert_int_equal(whole("1500m"), 2);
	assert_int_equal(whole("1000m"), 1);
}

static void what_is_no_quantity_is_refused(void **state)
{
	static const char *const bad[] = {"", " ", "m", ".", "1 ", " 1", "1mi", "1KI", "1.1.1",
		"1e", "1e+", "1e1000", "--1", "0x10", "1K", "nan", "Inf", "1,5", "1ki"};
	int64_t v = 77;
	for (size_t k = 0; k < sizeof(bad) / sizeof(bad[0]); k++)
		assert_int_equal(quantity_whole(bad[k], &v), -EINVAL);
	assert_int_equal(quantity_whole("-1", &v), -ERANGE);
	assert_int_equal(quantity_whole("8Ei", &v), -ERANGE);
	assert_int_equal(quantity_whole("9223372036854775808", &v), -ERANGE);
	assert_int_equal(quantity_millis("9223372036854775807", &v), -ERANGE);
	assert_int_equal(quantity_whole("9999999999999999999999999999", &v), -ERANGE);
	assert_int_equal(quantity_whole("999999999999999999999999Ei", &v), -ERANGE);
	assert_int_equal(quantity_whole("1e99", &v), -ERANGE);
	assert_int_equal(v, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantities_mean_what_kubernetes_means),
		cmocka_unit_test(parts_are_rounded_up_as_the_scheduler_does),
		cmocka_unit_test(what_is_no_quantity_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
