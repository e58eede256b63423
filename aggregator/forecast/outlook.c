// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/outlook.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/json.h"

int outlook_new(struct outlook **ret, size_t horizon)
{
	if (horizon == 0 || horizon > 1000000)
		return -EINVAL;
	struct outlook *o = calloc(1, sizeof(*o));
	if (!o)
		return -ENOMEM;
	o->horizon = horizon;
	o->honesty = NAN;
	o->quantiles = calloc(horizon, sizeof(*o->quantiles));
	o->peak = calloc(horizon, sizeof(*o->peak));
	if (!o->quantiles || !o->peak) {
		outlook_free(o);
		return -ENOMEM;
	}
	*ret = o;
	return 0;
}

void outlook_free(struct outlook *o)
{
	if (!o)
		return;
	free(o->quantiles);
	free(o->peak);
	free(o);
}

static bool same(double a, double b)
{
	return a == b || (isnan(a) && isnan(b));
}

static bool equal_members(const struct outlook *a, const struct outlook *b)
{
	if (a->n_members != b->n_members)
		return false;
	for (size_t i = 0; i < a->n_members; i++) {
		const struct outlook_member *x = &a->members[i], *y = &b->members[i];
		if (strcmp(x->name, y->name) != 0 || !same(x->weight, y->weight) ||
			!same(x->loss, y->loss))
			return false;
	}
	return true;
}

static bool equal_head(const struct outlook *a, const struct outlook *b)
{
	return a->generation == b->generation && a->seed == b->seed && a->start_s == b->start_s &&
	       a->step_s == b->step_s && a->horizon == b->horizon && same(a->honesty, b->honesty) &&
	       a->gated == b->gated && strcmp(a->naive, b->naive) == 0 && a->basis == b->basis &&
	       a->made == b->made;
}

bool outlook_equal(const struct outlook *a, const struct outlook *b)
{
	if (!equal_head(a, b) || !equal_members(a, b))
		return false;
	if (a->data_from_s != b->data_from_s || a->data_to_s != b->data_to_s ||
		a->data_known != b->data_known || a->data_clipped != b->data_clipped ||
		a->data_censored != b->data_censored || a->changed_s != b->changed_s ||
		a->members_rejected != b->members_rejected)
		return false;
	size_t bytes = a->horizon * sizeof(*a->quantiles);
	return memcmp(a->quantiles, b->quantiles, bytes) == 0 &&
	       memcmp(a->peak, b->peak, bytes) == 0;
}

static void print_rows(struct json *j, const char *key, double (*rows)[QUANTILE_COUNT], size_t n)
{
	json_key(j, key);
	json_open(j, '[');
	for (size_t h = 0; h < n; h++) {
		json_open(j, '[');
		for (int i = 0; i < QUANTILE_COUNT; i++)
			json_double(j, rows[h][i]);
		json_close(j, ']');
	}
	json_close(j, ']');
}

static void print_members(struct json *j, const struct outlook *o)
{
	json_key(j, "members");
	json_open(j, '[');
	for (size_t i = 0; i < o->n_members; i++) {
		json_open(j, '{');
		json_put_text(j, "name", o->members[i].name);
		json_put_double(j, "weight", o->members[i].weight);
		json_put_double(j, "loss", o->members[i].loss);
		json_close(j, '}');
	}
	json_close(j, ']');
}

void outlook_print(const struct outlook *o, struct buf *out)
{
	struct json j;
	json_init(&j, out);
	json_open(&j, '{');
	json_put_i64(&j, "version", OUTLOOK_VERSION);
	json_put_i64(&j, "generation", (int64_t)o->generation);
	json_key(&j, "seed");
	json_u64_text(&j, o->seed);
	json_put_i64(&j, "start_s", o->start_s);
	json_put_i64(&j, "step_s", o->step_s);
	json_put_i64(&j, "horizon", (int64_t)o->horizon);
	json_put_text(&j, "basis", outlook_basis_name(o->basis));
	json_put_text(&j, "made", outlook_made_name(o->made));
	json_put_double(&j, "honesty", o->honesty);
	json_put_bool(&j, "gated", o->gated);
	json_put_text(&j, "naive", o->naive);
	json_put_i64(&j, "data_from_s", o->data_from_s);
	json_put_i64(&j, "data_to_s", o->data_to_s);
	json_put_i64(&j, "data_known", (int64_t)o->data_known);
	json_put_i64(&j, "data_clipped", (int64_t)o->data_clipped);
	json_put_i64(&j, "data_censored", (int64_t)o->data_censored);
	json_put_i64(&j, "changed_s", o->changed_s);
	json_put_i64(&j, "members_rejected", (int64_t)o->members_rejected);
	print_members(&j, o);
	json_key(&j, "levels");
	json_open(&j, '[');
	for (int i = 0; i < QUANTILE_COUNT; i++)
		json_double(&j, quantile_levels[i]);
	json_close(&j, ']');
	print_rows(&j, "quantiles", o->quantiles, o->horizon);
	print_rows(&j, "peak", o->peak, o->horizon);
	json_close(&j, '}');
}

const char *outlook_basis_name(enum outlook_basis b)
{
	switch (b) {
	case OUTLOOK_EMPTY: return "empty";
	case OUTLOOK_COLD: return "cold";
	case OUTLOOK_DAILY: return "daily";
	case OUTLOOK_WEEKLY: return "weekly";
	}
	return "?";
}

const char *outlook_made_name(enum outlook_made m)
{
	switch (m) {
	case OUTLOOK_FULL: return "full";
	case OUTLOOK_REFRESHED: return "refreshed";
	case OUTLOOK_CARRIED: return "carried";
	}
	return "?";
}

// Normal score of a level by bisection: exact to rounding, and not on a hot path.
static double normal_score(double p)
{
	double lo = -9, hi = 9;
	for (int i = 0; i < 60; i++) {
		double mid = (lo + hi) / 2;
		if (.5 * erfc(-mid * M_SQRT1_2) < p)
			lo = mid;
		else
			hi = mid;
	}
	return (lo + hi) / 2;
}

double outlook_quantile(const double row[QUANTILE_COUNT], double level)
{
	for (int i = 0; i < QUANTILE_COUNT; i++)
		if (fabs(level - quantile_levels[i]) < 1e-9)
			return row[i];
	if (level < quantile_levels[0])
		return row[0];
	if (level > quantile_levels[QUANTILE_COUNT - 1])
		return row[QUANTILE_COUNT - 1];
	double z = normal_score(level);
	for (int i = 0; i + 1 < QUANTILE_COUNT; i++) {
		if (z > quantile_scores[i + 1])
			continue;
		double part =
			(z - quantile_scores[i]) / (quantile_scores[i + 1] - quantile_scores[i]);
		return row[i] + (row[i + 1] - row[i]) * part;
	}
	return row[QUANTILE_COUNT - 1];
}
