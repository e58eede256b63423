// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aggregator/forecast/model/lstm_train.h"
#include "aggregator/forecast/model/member.h"
#include "aggregator/forecast/train/document.h"
#include "aggregator/forecast/train/tune.h"
#include "proto/base/rng.h"

enum { HOURS = 30 * 24, SERIES = 8 };
static const int64_t to_s = 1790000000 / 3600 * 3600;

// Jobs that start at any time, run for exactly seven hours and then rest for at least four: no
// clock tells when one ends, only when it began.
static double *pulses(uint64_t seed)
{
	struct rng r;
	rng_init(&r, seed);
	double *y = malloc(HOURS * sizeof(*y));
	assert_non_null(y);
	int on = 0, rest = 0;
	for (size_t t = 0; t < HOURS; t++) {
		if (on > 0 && --on == 0)
			rest = 4 + (int)rng_below(&r, 9);
		else if (on == 0 && rest-- <= 0)
			on = 7;
		y[t] = 100 + (on > 0 ? 900 : 0) + rng_normal(&r);
	}
	return y;
}

static struct tune *tune_of(uint64_t seed, size_t passes)
{
	struct tune *t;
	struct lstm_weights served;
	assert_int_equal(lstm_pretrained(&served), 0);
	const struct tune_options o = {
		.seed = seed, .to_s = to_s, .bytes_max = 1 << 20, .passes = passes};
	assert_int_equal(tune_new(&t, &o, &served), 0);
	for (uint64_t i = 0; i < SERIES; i++) {
		double *y = pulses(50 + i);
		const struct tune_copy copy = {y, HOURS, to_s - HOURS * 3600, 3600};
		assert_int_equal(tune_add(t, &copy), 0);
		free(y);
	}
	return t;
}

static struct tune_result finish(struct tune *t)
{
	struct tune_result r;
	int more;
	while ((more = tune_step(t)) == 1)
		;
	assert_int_equal(more, 0);
	assert_int_equal(tune_step(t), 0); // and stays so
	tune_result(t, &r);
	return r;
}

static void training_learns_what_the_pre_trained_weights_do_not_know(void **state)
{
	struct tune *t = tune_of(1, 3);
	struct tune_result r = finish(t);
	print_message("loss %.3f -> %.3f, better on %u of %u, %llu steps\n", r.loss_before,
		r.loss_after, r.wins, r.copies, (unsigned long long)r.steps);
	assert_int_equal(r.series, SERIES);
	assert_int_equal(r.copies, SERIES);
	assert_true(r.won);
	assert_true(r.loss_after < 0.9 * r.loss_before);
	assert_int_equal(tune_weights(t)->version, 1);
	assert_true(r.learn_until_s < r.seen_until_s && r.seen_until_s < r.to_s);
	assert_true(tune_weights(t)->seen_until_s == r.seen_until_s);
	tune_free(t);
}

static void the_same_seed_gives_the_same_bytes(void **state)
{
	struct tune *a = tune_of(7, 1), *b = tune_of(7, 1), *other = tune_of(8, 1);
	finish(a);
	finish(b);
	finish(other);
	assert_memory_equal(tune_weights(a), tune_weights(b), sizeof(struct lstm_weights));
	assert_memory_not_equal(tune_weights(a), tune_weights(other), sizeof(struct lstm_weights));
	tune_free(a);
	tune_free(b);
	tune_free(other);
}

static void white_noise_teaches_nothing_that_serves(void **state)
{
	struct tune *t;
	struct lstm_weights served;
	struct rng r;
	rng_init(&r, 3);
	assert_int_equal(lstm_pretrained(&served), 0);
	const struct tune_options o = {.seed = 1, .to_s = to_s, .bytes_max = 1 << 20, .passes = 1};
	assert_int_equal(tune_new(&t, &o, &served), 0);
	for (int i = 0; i < 4; i++) {
		double y[HOURS];
		for (size_t k = 0; k < HOURS; k++)
			y[k] = 100 + rng_normal(&r);
		const struct tune_copy copy = {y, HOURS, to_s - HOURS * 3600, 3600};
		assert_int_equal(tune_add(t, &copy), 0);
	}
	assert_false(finish(t).won);
	tune_free(t);
}

static void a_training_may_be_dropped_after_any_step(void **state)
{
	for (int stop = 0; stop < 60; stop += 7) {
		struct tune *t = tune_of(1, 1);
		for (int i = 0; i < stop; i++)
			assert_int_equal(tune_step(t), 1);
		tune_free(t);
	}
}

static void short_histories_and_full_memory_are_refused(void **state)
{
	struct tune *t;
	struct lstm_weights served;
	double *y = pulses(1);
	assert_int_equal(lstm_pretrained(&served), 0);
	const struct tune_options o = {.seed = 1, .to_s = to_s, .bytes_max = HOURS * 4};
	assert_int_equal(tune_new(&t, &o, &served), 0);
	const struct tune_copy few = {y, 100, to_s - 100 * 3600, 3600};
	assert_int_equal(tune_add(t, &few), -ENODATA);
	const struct tune_copy young = {y, 300, to_s - 300 * 300, 300};
	assert_int_equal(tune_add(t, &young), 0);
	assert_int_equal(tune_bytes(t), 1200);
	const struct tune_copy many = {y, HOURS, to_s - HOURS * 3600, 3600};
	assert_int_equal(tune_add(t, &many), -ENOSPC);
	assert_int_equal(tune_step(t), -ENODATA); // a day of history
	tune_free(t);
	free(y);
}

static void weights_come_back_from_a_document_and_a_bad_one_is_refused(void **state)
{
	static unsigned char doc[TUNE_DOCUMENT_MAX + 1];
	struct lstm_weights w = {0}, back = {0};
	struct tune_record r = {.made_ms = 5, .tried_ms = 6, .tried_span_s = 7}, got;
	struct why why;
	assert_int_equal(lstm_pretrained(&w), 0);
	w.version = 3;
	w.seen_until_s = 1234;
	r.result = (struct tune_result){
		.seed = 9, .loss_before = 0.9, .loss_after = 0.8, .copies = 4, .won = true};
	size_t len = tune_document_write(&r, &w, doc);
	assert_int_equal(tune_document_read(doc, len, &got, &back, &why), 0);
	assert_memory_equal(&w, &back, sizeof(w));
	assert_true(got.result.loss_after == 0.8 && got.result.won && got.tried_ms == 6);
	for (size_t i = 0; i < len; i += 1 + len / 97) {
		doc[i] ^= 16;
		assert_int_equal(tune_document_read(doc, len, &got, &back, &why), -EBADMSG);
		assert_true(why.text[0] != '\0');
		doc[i] ^= 16;
	}
	assert_int_equal(tune_document_read(doc, len - 1, &got, &back, &why), -EBADMSG);
	assert_int_equal(tune_document_read(doc, 10, &got, &back, &why), -EBADMSG);
	assert_int_equal(tune_document_read(doc, 0, &got, &back, &why), -EBADMSG);
}

static void weights_of_another_shape_or_not_finite_are_refused_by_name(void **state)
{
	static unsigned char doc[TUNE_DOCUMENT_MAX];
	struct lstm_weights w, back = {0};
	struct tune_record r = {0}, got;
	struct why why;
	assert_int_equal(lstm_pretrained(&w), 0);
	w.version = 1;
	w.net[1].all[17] = NAN;
	size_t len = tune_document_write(&r, &w, doc);
	assert_int_equal(tune_document_read(doc, len, &got, &back, &why), -EBADMSG);
	assert_non_null(strstr(why.text, "another shape"));
	assert_int_equal(back.nets, 0);
}

static void origins_that_the_weights_have_seen_are_answered_by_the_pre_trained(void **state)
{
	enum { N = HOURS, H = 12 };
	struct lstm_weights *own = malloc(sizeof(*own));
	double *y = pulses(3), a[H * QUANTILE_COUNT], b[H * QUANTILE_COUNT];
	void *plain, *tuned;
	assert_non_null(own);
	assert_int_equal(lstm_pretrained(own), 0);
	struct member_input in = {.y = y,
		.n = N,
		.start_s = to_s - N * 3600,
		.step_s = 3600,
		.periods = {24},
		.n_periods = 1,
		.max_horizon = H,
		.scale = 300};
	assert_int_equal(member_lstm.create(&plain, &in, N), 0);
	for (size_t i = 0; i < NET_PARAMS; i++)
		own->net[0].all[i] *= 1.1f;
	own->version = 1;
	own->seen_until_s = to_s - 48 * 3600;
	struct member_input with = in;
	with.lstm = own;
	assert_int_equal(member_lstm.create(&tuned, &with, N), 0);
	assert_int_equal(member_lstm.forecast(plain, N - 49, H, a), 0);
	assert_int_equal(member_lstm.forecast(tuned, N - 49, H, b), 0);
	assert_memory_equal(a, b, sizeof(a));
	assert_int_equal(member_lstm.forecast(plain, N - 48, H, a), 0);
	assert_int_equal(member_lstm.forecast(tuned, N - 48, H, b), 0);
	assert_memory_not_equal(a, b, sizeof(a));
	member_lstm.destroy(plain);
	member_lstm.destroy(tuned);
	free(own);
	free(y);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(training_learns_what_the_pre_trained_weights_do_not_know),
		cmocka_unit_test(the_same_seed_gives_the_same_bytes),
		cmocka_unit_test(white_noise_teaches_nothing_that_serves),
		cmocka_unit_test(a_training_may_be_dropped_after_any_step),
		cmocka_unit_test(short_histories_and_full_memory_are_refused),
		cmocka_unit_test(weights_come_back_from_a_document_and_a_bad_one_is_refused),
		cmocka_unit_test(weights_of_another_shape_or_not_finite_are_refused_by_name),
		cmocka_unit_test(
			origins_that_the_weights_have_seen_are_answered_by_the_pre_trained),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
