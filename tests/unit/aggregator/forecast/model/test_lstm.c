// SPDX-License-Identifier: Apache-2.0
#include "member_check.h"

#include "aggregator/forecast/model/lstm_train.h"

static void the_lstm_member_never_looks_past_the_origin(void **state)
{
	check_no_look_ahead(&member_lstm);
}

static void the_lstm_member_survives_hostile_series(void **state)
{
	check_hostile(&member_lstm);
}

static void the_lstm_member_gives_the_same_answer_twice(void **state)
{
	check_repeatable(&member_lstm);
}

static void a_series_it_never_saw_is_forecast_better_than_by_yesterday(void **state)
{
	double coverage, ratio = check_skill(&member_lstm, &coverage);
	assert_true(ratio < 0.8);
	assert_true(coverage > 0.65 && coverage < 0.95);
}

static void scale_and_level_do_not_matter(void **state)
{
	enum { N = 480, H = 24 };
	double *y = check_series(N, 4);
	struct member_input in = check_input(y, N, H);
	double *small = check_forecast(&member_lstm, &in, N, N);
	for (size_t t = 0; t < N; t++)
		y[t] *= 1024;
	in.scale *= 1024;
	double *large = check_forecast(&member_lstm, &in, N, N);
	for (size_t i = 0; i < H * QUANTILE_COUNT; i++)
		assert_true(fabs(large[i] - 1024 * small[i]) < 1e-3 * fabs(large[i]));
	free(small);
	free(large);
	free(y);
}

static struct course *course_of(uint64_t seed)
{
	struct course *c;
	assert_int_equal(course_new(&c, seed), 0);
	for (uint64_t i = 0; i < 4; i++) {
		double *y = check_series(600, 20 + i);
		assert_int_equal(course_add(c, y, 600, 1760918400, 3600), 0);
		free(y);
	}
	return c;
}

static void training_lowers_the_loss_on_what_comes_later(void **state)
{
	struct course *c = course_of(3);
	double before = course_judge(c), seen = 0;
	for (int pass = 0; pass < 5; pass++)
		seen = course_pass(c, 200, 3e-3);
	double after = course_judge(c);
	assert_true(seen > 0 && isfinite(seen));
	assert_true(after < 0.8 * before);
	course_free(c);
}

static void the_same_seed_gives_the_same_weights(void **state)
{
	struct course *a = course_of(7), *b = course_of(7), *other = course_of(8);
	course_pass(a, 60, 1e-3);
	course_pass(b, 60, 1e-3);
	course_pass(other, 60, 1e-3);
	course_judge(a);
	course_judge(b);
	course_judge(other);
	assert_memory_equal(course_best(a), course_best(b), sizeof(struct net));
	assert_memory_not_equal(course_best(a), course_best(other), sizeof(struct net));
	course_free(a);
	course_free(b);
	course_free(other);
}

static void a_series_too_short_teaches_nothing(void **state)
{
	struct course *c;
	double y[100] = {0};
	assert_int_equal(course_new(&c, 1), 0);
	assert_int_equal(course_add(c, y, 100, 0, 3600), -ENODATA);
	assert_true(course_pass(c, 10, 1e-3) == 0);
	course_free(c);
}

static void weights_survive_a_round_trip_and_a_flipped_bit_is_refused(void **state)
{
	struct rng r;
	struct net n, back = {0};
	static uint8_t bytes[LSTM_FILE_BYTES];
	rng_init(&r, 1);
	net_init(&n, &r);
	lstm_save(&n, 5, bytes);
	assert_int_equal(lstm_load(bytes, sizeof(bytes), &back), 0);
	assert_memory_equal(&n, &back, sizeof(n));
	assert_int_equal(lstm_load(bytes, sizeof(bytes) - 1, &back), -EBADMSG);
	for (size_t i = 0; i < sizeof(bytes); i += 1 + sizeof(bytes) / 50) {
		if (i >= 32 && i < 40) // the seed is only told
			continue;
		bytes[i] ^= 4;
		assert_int_equal(lstm_load(bytes, sizeof(bytes), &back), -EBADMSG);
		bytes[i] ^= 4;
	}
	n.all[100] = NAN;
	lstm_save(&n, 5, bytes);
	assert_int_equal(lstm_load(bytes, sizeof(bytes), &back), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_lstm_member_never_looks_past_the_origin),
		cmocka_unit_test(the_lstm_member_survives_hostile_series),
		cmocka_unit_test(the_lstm_member_gives_the_same_answer_twice),
		cmocka_unit_test(a_series_it_never_saw_is_forecast_better_than_by_yesterday),
		cmocka_unit_test(scale_and_level_do_not_matter),
		cmocka_unit_test(training_lowers_the_loss_on_what_comes_later),
		cmocka_unit_test(the_same_seed_gives_the_same_weights),
		cmocka_unit_test(a_series_too_short_teaches_nothing),
		cmocka_unit_test(weights_survive_a_round_trip_and_a_flipped_bit_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
