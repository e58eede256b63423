// SPDX-License-Identifier: Apache-2.0
#include "aggregator/cli/forecast_explain.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/cli/chart.h"
#include "aggregator/cli/forecast_analyse.h"
#include "aggregator/cli/table.h"
#include "proto/base/clock.h"

enum { MIDDLE = QUANTILE_COUNT / 2, Q10 = 2, Q90 = 6 };

static const char *time_text(const struct forecast_input *in, size_t step, char *ret)
{
	return figure_date((double)(in->start_s + (int64_t)step * in->step_s) * 1e3, ret);
}

static const char *steps_text(const struct forecast_input *in, size_t steps, char *ret)
{
	return figure_duration((double)steps * (double)in->step_s * 1e9, ret);
}

static void say_seasons(const struct forecast_input *in, const struct analysis *a, struct buf *out)
{
	char length[FIGURE_BYTES];
	buf_text(out, "  seasons     ");
	if (a->n_seasons == 0)
		buf_text(out, "none that chance would not give as well");
	for (size_t i = 0; i < a->n_seasons; i++)
		buf_printf(out, "%s%s: explains %.0f %% (p %.2f)", i ? "; " : "",
			steps_text(in, a->seasons[i].period, length), 100 * a->seasons[i].strength,
			a->seasons[i].p);
	buf_text(out, "\n");
}

static const char *exponent_words(double exponent)
{
	if (isnan(exponent))
		return "cannot be told apart from constant";
	if (exponent < .25)
		return "about the same at every level";
	return exponent < .75 ? "grows with the level, but slower" : "in proportion to the level";
}

static void say_level(const struct analysis *a, struct buf *out)
{
	char median[16], least[16], most[16], slope[16];
	buf_printf(out, "  level       median %s, from %s to %s", chart_number(a->median, median),
		chart_number(a->least, least), chart_number(a->most, most));
	if (a->zero_share > 0)
		buf_printf(out, "; zero %.0f %% of the time", 100 * a->zero_share);
	buf_printf(out,
		"\n  trend       explains %.0f %% of what the seasons leave; %s a day on average\n",
		100 * a->trend_strength, chart_number(a->trend_per_day, slope));
	buf_printf(out, "  spread      %s", exponent_words(a->exponent));
	if (!isnan(a->exponent))
		buf_printf(out, " (exponent %.2f)", a->exponent);
	if (a->burst > 1)
		buf_printf(out, "; its 99 %% quantile is %.1f times the median", a->burst);
	buf_printf(out, "\n  memory      lag-1 autocorrelation %.2f of what is left\n", a->memory);
}

static void say_accidents(
	const struct forecast_input *in, const struct analysis *a, struct buf *out)
{
	char text[FIGURE_BYTES], size[16];
	buf_printf(out, "  outliers    %zu", a->outliers);
	if (a->outliers)
		buf_printf(out, ", the largest at %s", time_text(in, a->outlier_at, text));
	buf_printf(out, "\n  gaps        %zu", a->gaps);
	if (a->gaps)
		buf_printf(out, ", the longest %s", steps_text(in, a->gap_most, text));
	buf_text(out, "\n  steps       ");
	if (a->step != 0)
		buf_printf(out, "the level changed by %s at about %s", chart_number(a->step, size),
			time_text(in, a->step_at, text));
	else
		buf_text(out, "none");
	buf_printf(out, "\n  saturation  %s", a->saturated ? "it stays at a ceiling" : "none seen");
	if (a->saturated)
		buf_printf(
			out, " %.1f %% of the time: the demand may be higher", 100 * a->top_share);
	buf_printf(out, "\n  class       %s\n", a->class);
}

static int by_weight(const void *a, const void *b)
{
	double x = ((const struct outlook_member *)a)->weight;
	double y = ((const struct outlook_member *)b)->weight;
	return (x < y) - (x > y);
}

static const char *member_why(const struct outlook_member *m)
{
	if (isnan(m->loss))
		return "not compared yet: too little history for back-tests";
	if (!(m->weight > 0))
		return "too far behind the best: set aside";
	return m->loss < .995 ? "better than the best naive" : "no better, but a different view";
}

static void say_members(const struct outlook *o, struct buf *out)
{
	struct outlook_member sorted[OUTLOOK_MEMBERS_MAX];
	memcpy(sorted, o->members, o->n_members * sizeof(*sorted));
	qsort(sorted, o->n_members, sizeof(*sorted), by_weight);
	buf_text(out, "\nmembers (weight; loss in back-tests, best naive = 1)\n");
	for (size_t i = 0; i < o->n_members; i++) {
		buf_printf(out, "  %-16s %5.1f %%  ", sorted[i].name, 100 * sorted[i].weight);
		if (isnan(sorted[i].loss))
			buf_text(out, "    -  ");
		else
			buf_printf(out, "%5.2f  ", sorted[i].loss);
		buf_printf(out, "%s\n", member_why(&sorted[i]));
	}
	if (o->n_members == 0)
		buf_text(out, "  none could say anything\n");
	if (o->members_rejected)
		buf_printf(out,
			"  %zu answers were rejected: not finite, or far beyond anything seen\n",
			o->members_rejected);
}

static const char *gate_words(const struct outlook *o)
{
	if (o->gated)
		return "closed: the models have been worse than the naive forecast, which is "
		       "served";
	if (isnan(o->honesty))
		return "open; not compared with the naive forecast yet";
	return "open: the models are served";
}

static const char *width_words(const struct outlook *o)
{
	switch (o->basis) {
	case OUTLOOK_EMPTY: return "nothing: there is no known value";
	case OUTLOOK_COLD:
		return "little history: the level, how much values differ, and the last errors";
	case OUTLOOK_DAILY:
		return "errors of the members and of their blend at earlier points of the "
		       "history;\n"
		       "          under two weeks of it, so the tails are drawn towards a normal's";
	case OUTLOOK_WEEKLY:
		return "errors of the members and of their blend at earlier points of the "
		       "history,\n"
		       "          two weeks or more of it";
	}
	return "?";
}

static void say_width(const struct outlook *o, struct buf *out)
{
	char low[16], high[16], time[FIGURE_BYTES];
	const double *first = o->quantiles[0], *last = o->quantiles[o->horizon - 1];
	buf_printf(out, "\ngate      %s", gate_words(o));
	if (!isnan(o->honesty))
		buf_printf(out, " (loss %.2f of the best naive's)", o->honesty);
	buf_printf(out, "\nwidth     rests on %s\n", width_words(o));
	buf_printf(out, "          80 %% band: %s to %s at the first step",
		chart_number(first[Q10], low), chart_number(first[Q90], high));
	buf_printf(out, ", %s to %s at the last\n", chart_number(last[Q10], low),
		chart_number(last[Q90], high));
	if (o->data_clipped)
		buf_printf(out, "          %zu outliers were set aside for fitting\n",
			o->data_clipped);
	if (o->data_censored)
		buf_printf(out, "          %zu saturated values were read as \"at least this\"\n",
			o->data_censored);
	if (o->changed_s)
		buf_printf(out, "          the level changed at %s: older data count less\n",
			figure_date((double)o->changed_s * 1e3, time));
}

int forecast_found_text(const struct forecast_input *in, struct buf *out)
{
	struct analysis a;
	int r = analyse(in->y, in->n, in->step_s, in->most, &a);
	if (r < 0)
		return r;
	buf_text(out, "\nfound\n");
	say_seasons(in, &a, out);
	say_level(&a, out);
	say_accidents(in, &a, out);
	return 0;
}

void forecast_explain_text(
	const struct forecast_input *in, const struct outlook *o, struct buf *out)
{
	char step[FIGURE_BYTES], used[FIGURE_BYTES], from[FIGURE_BYTES], to[FIGURE_BYTES];
	buf_printf(out, "%zu steps of %s from %s to %s; the forecast uses the last %s\n", in->n,
		figure_duration((double)in->step_s * 1e9, step), time_text(in, 0, from),
		time_text(in, in->n, to),
		figure_duration((double)(o->data_to_s - o->data_from_s) * 1e9, used));
	if (forecast_found_text(in, out) < 0)
		buf_text(out, "no memory to look closer\n");
	say_members(o, out);
	say_width(o, out);
}

static void put_found(struct json *j, const struct forecast_input *in, const struct analysis *a)
{
	json_put_text(j, "class", a->class);
	json_put_i64(j, "steps", (int64_t)a->n);
	json_put_i64(j, "known", (int64_t)a->known);
	json_key(j, "seasons");
	json_open(j, '[');
	for (size_t i = 0; i < a->n_seasons; i++) {
		json_open(j, '{');
		json_put_i64(j, "period_s", (int64_t)a->seasons[i].period * in->step_s);
		json_put_double(j, "strength", a->seasons[i].strength);
		json_put_double(j, "p", a->seasons[i].p);
		json_close(j, '}');
	}
	json_close(j, ']');
	json_put_double(j, "median", a->median);
	json_put_double(j, "least", a->least);
	json_put_double(j, "most", a->most);
	json_put_double(j, "zero_share", a->zero_share);
	json_put_double(j, "trend_strength", a->trend_strength);
	json_put_double(j, "trend_per_day", a->trend_per_day);
	json_put_double(j, "memory", a->memory);
	json_put_double(j, "burst", a->burst);
	json_put_double(j, "spread_exponent", a->exponent);
	json_put_i64(j, "outliers", (int64_t)a->outliers);
	json_put_i64(j, "gaps", (int64_t)a->gaps);
	json_put_i64(j, "longest_gap_s", (int64_t)a->gap_most * in->step_s);
	json_put_double(j, "level_step", a->step);
	if (a->step != 0)
		json_put_i64(j, "level_step_at", in->start_s + (int64_t)a->step_at * in->step_s);
	json_put_bool(j, "saturated", a->saturated);
	json_put_double(j, "top_share", a->top_share);
}

int forecast_found_json(const struct forecast_input *in, struct json *j)
{
	struct analysis a;
	int r = analyse(in->y, in->n, in->step_s, in->most, &a);
	if (r == 0)
		put_found(j, in, &a);
	return r;
}

void forecast_explain_json(const struct forecast_input *in, const struct outlook *o, struct json *j)
{
	json_open(j, '{');
	json_key(j, "found");
	json_open(j, '{');
	(void)forecast_found_json(in, j); // without memory it is empty
	json_close(j, '}');
	json_key(j, "members");
	json_open(j, '[');
	for (size_t i = 0; i < o->n_members; i++) {
		json_open(j, '{');
		json_put_text(j, "name", o->members[i].name);
		json_put_double(j, "weight", o->members[i].weight);
		json_put_double(j, "loss", o->members[i].loss);
		json_put_text(j, "why", member_why(&o->members[i]));
		json_close(j, '}');
	}
	json_close(j, ']');
	json_put_i64(j, "rejected", (int64_t)o->members_rejected);
	json_put_text(j, "gate", gate_words(o));
	json_put_text(j, "basis", outlook_basis_name(o->basis));
	json_put_i64(j, "clipped", (int64_t)o->data_clipped);
	json_put_i64(j, "censored", (int64_t)o->data_censored);
	json_put_i64(j, "changed_s", o->changed_s);
	json_close(j, '}');
}
