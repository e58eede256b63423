// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/keep.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MIDDLE = QUANTILE_COUNT / 2, FULL_EVERY_S = 86400, SHRINK = 20 };

static const double discount = .997; // the last 300 steps or so count
static const double cusum_slack = .5,
		    cusum_limit = 8; // normal errors alarm once in some 10,000 steps
static const double score_most = 4;  // one wild value alone is no change of level

int forecast_state_new(struct forecast_state **ret)
{
	struct forecast_state *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	*ret = s;
	return 0;
}

void forecast_state_free(struct forecast_state *s)
{
	if (!s)
		return;
	free(s->rows);
	free(s->slope);
	free(s->rest);
	peak_done(&s->paths);
	free(s);
}

size_t forecast_state_bytes(const struct forecast_state *s)
{
	return sizeof(*s) + s->rows_n * (sizeof(*s->rows) + sizeof(*s->slope) + sizeof(*s->rest)) +
	       s->paths.n * s->paths.horizon * sizeof(*s->paths.score);
}

void forecast_state_score(const struct forecast_state *s, struct forecast_score *ret)
{
	const struct tally *t = &s->tally;
	*ret = (struct forecast_score){.steps = t->all_steps,
		.mase = t->steps > 0 ? t->error / t->steps : NAN,
		.loss_ratio = t->naives > 0 ? t->ours / t->naives : NAN,
		.alarms = s->cusum.alarms,
		.full = s->runs[OUTLOOK_FULL],
		.refreshed = s->runs[OUTLOOK_REFRESHED],
		.carried = s->runs[OUTLOOK_CARRIED],
		.rejected = s->rejected};
	for (int i = 0; i < QUANTILE_COUNT; i++) {
		ret->pinball[i] = t->steps > 0 ? t->pinball[i] / t->steps : NAN;
		ret->coverage[i] = t->steps > 0 ? t->hits[i] / t->steps : NAN;
	}
}

size_t keep_carry(size_t horizon)
{
	size_t steps = horizon <= 16 ? 11 : horizon / 24;
	return steps < KEEP_CARRY_MAX ? steps : KEEP_CARRY_MAX;
}

static int64_t end_of(const struct forecast_input *in)
{
	return in->start_s + (int64_t)in->n * in->step_s;
}

// The value of the step that starts at at_s; NAN if it is not there, missing or saturated.
static double value_at(const struct forecast_input *in, int64_t at_s)
{
	int64_t i = (at_s - in->start_s) / in->step_s;
	if (at_s < in->start_s || i >= (int64_t)in->n ||
		(in->saturated && in->saturated[i] >= KEEP_CENSORED))
		return NAN;
	return isfinite(in->y[i]) ? in->y[i] : NAN;
}

static double loss_of(double y, const float *from)
{
	double row[QUANTILE_COUNT];
	for (int i = 0; i < QUANTILE_COUNT; i++)
		row[i] = (double)from[i];
	return row_loss(y, row);
}

static void count(struct forecast_state *s, size_t h, double y)
{
	const struct issued *w = &s->issued;
	struct tally *t = &s->tally;
	const float *served = w->served[h];
	double scale = s->scale;
	t->steps = discount * t->steps + 1;
	t->all_steps++;
	t->error = discount * t->error + fabs(y - (double)served[MIDDLE]) / scale;
	for (int i = 0; i < QUANTILE_COUNT; i++) {
		double q = (double)served[i];
		t->pinball[i] =
			discount * t->pinball[i] + pinball(y, q, quantile_levels[i]) / scale;
		t->hits[i] = discount * t->hits[i] + (y <= q);
	}
	if (!w->has_naive)
		return;
	double ours = loss_of(y, w->ensemble[h]) / scale, naive = loss_of(y, w->naive[h]) / scale;
	t->ours = discount * t->ours + ours;
	t->naives = discount * t->naives + naive;
	t->naive_steps = discount * t->naive_steps + 1;
	honest_count(&s->gate, ours, naive);
}

static void score_issued(struct forecast_state *s, const struct forecast_input *in)
{
	struct issued *w = &s->issued;
	for (; w->scored < w->n; w->scored++) {
		int64_t at_s = w->start_s + (int64_t)w->scored * in->step_s;
		if (at_s + in->step_s > end_of(in))
			return;
		double y = value_at(in, at_s);
		if (!isnan(y))
			count(s, w->scored, y);
	}
}

static double truth_at(const void *arg, int64_t at_s)
{
	return value_at(arg, at_s);
}

static void watch_drift(struct forecast_state *s, const struct forecast_input *in)
{
	struct cusum *c = &s->cusum;
	double y = c->next_s ? value_at(in, c->next_s) : NAN;
	if (isnan(y))
		return;
	int side = y > c->row[MIDDLE] ? 6 : 2;
	double width = fabs(c->row[side] - c->row[MIDDLE]) / fabs(quantile_scores[side]);
	double z = (y - c->row[MIDDLE]) / fmax(width, 1e-3 * s->scale);
	z = fmin(score_most, fmax(-score_most, z));
	c->up = fmax(0, c->up + z - cusum_slack);
	c->down = fmax(0, c->down - z - cusum_slack);
	if (c->up > cusum_limit || c->down > cusum_limit) {
		c->up = c->down = 0;
		c->alarms++;
		c->changed_s = c->next_s;
		c->pending = true;
	}
	c->next_s = 0;
}

void keep_watch(struct forecast_state *s, const struct forecast_input *in)
{
	if (!s->valid || in->step_s != s->step_s)
		return;
	score_issued(s, in);
	ledger_score(&s->ledger, &(struct ledger_truth){truth_at, in, end_of(in), in->step_s});
	watch_drift(s, in);
}

void keep_forget_issued(struct forecast_state *s)
{
	memset(&s->ledger, 0, sizeof(s->ledger));
	s->issued.n = s->issued.scored = 0;
	s->cusum.next_s = 0;
}

enum outlook_made keep_kind(const struct forecast_state *s, const struct forecast_input *in)
{
	int64_t end = end_of(in), since = end - s->made_at_s;
	if (!s->valid || in->step_s != s->step_s || in->horizon != s->horizon ||
		end < s->made_at_s || end - s->full_at_s >= FULL_EVERY_S || s->cusum.pending)
		return OUTLOOK_FULL;
	size_t steps = (size_t)(since / in->step_s);
	bool known = steps > 0 && !isnan(value_at(in, end - in->step_s));
	return known && since % in->step_s == 0 && steps + s->horizon <= s->rows_n
		       ? OUTLOOK_CARRIED
		       : OUTLOOK_REFRESHED;
}

static int make_room(struct forecast_state *s, size_t rows)
{
	if (s->rows && s->rows_n == rows)
		return 0;
	void *r = calloc(rows, sizeof(*s->rows)), *a = calloc(rows, sizeof(*s->slope)),
	     *b = calloc(rows, sizeof(*s->rest));
	if (!r || !a || !b) {
		free(r);
		free(a);
		free(b);
		return -ENOMEM;
	}
	free(s->rows);
	free(s->slope);
	free(s->rest);
	s->rows = r;
	s->slope = a;
	s->rest = b;
	s->rows_n = rows;
	for (size_t i = 0; i < rows; i++)
		s->rest[i] = 1;
	return 0;
}

// Regression of the error g steps later on an error of the first steps, over all origins; drawn
// towards 0 while there are few pairs.
static void learn_lag(struct forecast_state *s, const struct trial *t, const float *error, size_t g)
{
	double xy = 0, xx = 0, yy = 0, n = 0;
	for (size_t o = t->from; o < t->to; o++)
		for (size_t j = 0; j < keep_carry(s->horizon) && j + g < t->horizon; j++) {
			double x = (double)error[o * t->horizon + j],
			       y = (double)error[o * t->horizon + j + g];
			if (isnan(x) || isnan(y))
				continue;
			xy += x * y;
			xx += x * x;
			yy += y * y;
			n++;
		}
	double trust = n / (n + SHRINK), both = xx * yy;
	s->slope[g - 1] = xx > 0 ? (float)(trust * fmin(1, fmax(0, xy / xx))) : 0;
	double explained = both > 0 && xy > 0 ? trust * xy * xy / both : 0;
	s->rest[g - 1] = (float)sqrt(fmax(.05, 1 - explained));
}

int keep_fade(struct forecast_state *s, const struct trial *t, const struct front *f,
	const struct blend *b)
{
	int r = make_room(s, t->horizon);
	if (r < 0 || t->n_origins == 0)
		return r;
	float *error = malloc(t->n_origins * t->horizon * sizeof(*error));
	if (!error)
		return -ENOMEM;
	for (size_t o = 0; o < t->n_origins; o++)
		for (size_t h = 0; h < t->horizon; h++) {
			size_t at = t->origin[o] + h;
			error[o * t->horizon + h] =
				at < f->n ? (float)(f->truth[at] - blend_centre(b, t, o, h)) : NAN;
		}
	for (size_t g = 1; g < t->horizon; g++)
		learn_lag(s, t, error, g);
	free(error);
	return 0;
}

int keep_rows(struct forecast_state *s, const struct front *f, const struct outlook *o)
{
	int r = make_room(s, o->horizon);
	if (r < 0)
		return r;
	for (size_t h = 0; h < o->horizon; h++)
		for (int i = 0; i < QUANTILE_COUNT; i++)
			s->rows[h][i] = (float)o->quantiles[h][i];
	s->floor = f->floor;
	s->ceiling = f->ceiling;
	s->scale = f->lens[LENS_RAW].scale;
	s->made_at_s = o->start_s;
	s->last = *o;
	s->last.quantiles = s->last.peak = NULL;
	return 0;
}

static void take_rows(float (*to)[QUANTILE_COUNT], size_t n, const double *from)
{
	for (size_t h = 0; h < n; h++)
		for (size_t i = 0; i < QUANTILE_COUNT; i++)
			to[h][i] = from ? (float)from[h * QUANTILE_COUNT + i] : 0;
}

void keep_issue(struct forecast_state *s, const struct outlook *o, const struct keep_said *said)
{
	struct issued *w = &s->issued;
	s->cusum.next_s = o->start_s;
	memcpy(s->cusum.row, o->quantiles[0], sizeof(s->cusum.row));
	if (w->scored < w->n || (w->n > 0 && o->start_s < w->start_s + (int64_t)w->n * o->step_s))
		return;
	if (!said)
		return; // the naive is not at hand: the next one that is made
	w->start_s = o->start_s;
	w->scored = 0;
	w->n = o->horizon < KEEP_ISSUED_MAX ? o->horizon : KEEP_ISSUED_MAX;
	w->has_naive = said->naive != NULL;
	take_rows(w->served, w->n, o->quantiles[0]);
	take_rows(w->ensemble, w->n, said->ensemble ? said->ensemble : o->quantiles[0]);
	take_rows(w->naive, w->n, said->naive);
}

void keep_carried(
	const struct forecast_state *s, const struct forecast_input *in, struct outlook *o)
{
	size_t k = (size_t)((end_of(in) - s->made_at_s) / in->step_s);
	double error = value_at(in, end_of(in) - in->step_s) - (double)s->rows[k - 1][MIDDLE];
	for (size_t h = 0; h < o->horizon; h++) {
		const float *from = s->rows[k + h];
		double *row = o->quantiles[h], centre = (double)from[MIDDLE];
		// the band was made for k steps further ahead; errors that fade have been seen by
		// now
		double shift = (double)s->slope[h] * error, rest = (double)s->rest[h];
		for (int i = 0; i < QUANTILE_COUNT; i++) {
			double q = centre + shift + rest * ((double)from[i] - centre);
			q = fmin(s->ceiling, fmax(s->floor, q));
			row[i] = i ? fmax(q, row[i - 1]) : q;
		}
	}
}

bool keep_widened(const struct forecast_state *s, int64_t end_s, size_t horizon, int64_t step_s)
{
	int64_t lasts = (int64_t)(horizon < KEEP_ISSUED_MAX ? horizon : KEEP_ISSUED_MAX) * step_s;
	return s->cusum.changed_s > 0 && end_s - s->cusum.changed_s <= lasts;
}
