// SPDX-License-Identifier: Apache-2.0
// The figures of a back-test for people and for programs.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "aggregator/cli/backtest.h"
#include "aggregator/cli/table.h"
#include "proto/base/clock.h"
#include "proto/base/json.h"

enum { MIDDLE = QUANTILE_COUNT / 2, Q90 = 6, Q99 = 8 };

static int64_t time_of(const struct backtest *b, size_t step)
{
	return (b->start_s + (int64_t)step * b->step_s) * 1000;
}

static void print_head(const struct backtest *b, struct buf *out)
{
	char from[FIGURE_BYTES], to[FIGURE_BYTES], step[FIGURE_BYTES];
	const struct backtest_origin *first = b->origins, *last = first + b->n_origins - 1;
	figure_duration((double)b->step_s * 1e9, step);
	buf_printf(out, "%s: %zu steps of %s; %zu forecasts of %zu steps, from %s to %s%s\n\n",
		b->name, b->n, step, b->n_origins, b->horizon,
		figure_date((double)time_of(b, first->at), from),
		figure_date((double)time_of(b, last->at), to),
		b->stride < b->horizon && b->n_origins > 1 ? " (they overlap)" : "");
}

static void print_scores(const struct backtest *b, struct buf *out)
{
	static const struct column columns[] = {COLUMN("FORECASTER"), COLUMN("MASE", .right = true),
		COLUMN("WQL", .right = true), COLUMN("PB90", .right = true),
		COLUMN("PB99", .right = true), COLUMN("MSIS", .right = true),
		COLUMN("IN-50%", .right = true), COLUMN("IN-80%", .right = true),
		COLUMN("IN-95%", .right = true), COLUMN("BELOW-Q99", .right = true),
		COLUMN("MISS", .right = true), COLUMN("WASTE", .right = true)};
	struct table t;
	table_init(&t, columns, sizeof(columns) / sizeof(*columns), true, false);
	for (int who = 0; who < CONTENDERS; who++) {
		struct score m = score_mean(&b->total[who]);
		table_cell(&t, STYLE_PLAIN, "%s", contender_names[who]);
		table_cell(&t, STYLE_PLAIN, "%.3f", m.mase);
		table_cell(&t, STYLE_PLAIN, "%.3f", m.wql);
		table_cell(&t, STYLE_PLAIN, "%.3f", m.pinball[Q90]);
		table_cell(&t, STYLE_PLAIN, "%.3f", m.pinball[Q99]);
		table_cell(&t, STYLE_PLAIN, "%.1f", m.msis);
		table_cell(&t, STYLE_PLAIN, "%.0f%%", 100 * m.inside[BAND_50]);
		table_cell(&t, STYLE_PLAIN, "%.0f%%", 100 * m.inside[BAND_80]);
		table_cell(&t, STYLE_PLAIN, "%.0f%%", 100 * m.inside[BAND_95]);
		table_cell(&t, STYLE_PLAIN, "%.1f%%", 100 * m.below[Q99]);
		table_cell(&t, STYLE_PLAIN, "%.1f%%", 100 * m.miss);
		table_cell(&t, STYLE_PLAIN, "%.0f%%", 100 * m.waste);
	}
	table_print(&t, out);
	table_done(&t);
}

static void print_levels(const struct backtest *b, struct buf *out)
{
	struct score p = score_mean(&b->total[CONTENDER_PETREL]);
	struct score n = score_mean(&b->total[CONTENDER_NAIVE]);
	buf_text(out, "\nlevel       ");
	for (int i = 0; i < QUANTILE_COUNT; i++)
		buf_printf(out, " %6g", quantile_levels[i]);
	buf_text(out, "\ntruth below ");
	for (int i = 0; i < QUANTILE_COUNT; i++)
		buf_printf(out, " %6.3f", p.below[i]);
	buf_text(out, "\npinball     ");
	for (int i = 0; i < QUANTILE_COUNT; i++)
		buf_printf(out, " %6.3f", p.pinball[i]);
	buf_text(out, "\nto naive's  ");
	for (int i = 0; i < QUANTILE_COUNT; i++)
		buf_printf(out, " %6.3f", score_ratio(p.pinball[i], n.pinball[i]));
	buf_text(out, "\n");
}

void backtest_print_table(const struct backtest *b, struct buf *out)
{
	struct score p = score_mean(&b->total[CONTENDER_PETREL]);
	struct score n = score_mean(&b->total[CONTENDER_NAIVE]);
	print_head(b, out);
	print_scores(b, out);
	print_levels(b, out);
	double ratio = score_ratio(p.wql, n.wql);
	buf_printf(out,
		"\nIts loss is %.2f of the seasonal naive forecast's%s; %.0f ms CPU each.\n", ratio,
		ratio > 1 ? " (worse)" : "", b->cpu_ms / (double)b->n_origins);
	buf_text(out, "(MASE, WQL, PB in units of the mean difference between days; MISS, WASTE: "
		      "demand above, and\nroom above demand, when provisioning to q90; truths that "
		      "are missing do not count)\n");
}

static void put_number(struct json *j, const char *key, double v)
{
	json_put_double(j, key, isnan(v) ? v : round(v * 1e6) / 1e6);
}

static void put_levels(struct json *j, const char *key, const double v[QUANTILE_COUNT])
{
	json_key(j, key);
	json_open(j, '[');
	for (int i = 0; i < QUANTILE_COUNT; i++)
		json_double(j, v[i]);
	json_close(j, ']');
}

static void put_score(struct json *j, const char *key, const struct score *sum)
{
	static const char *const names[SCORE_BANDS] = {"50", "80", "90", "95", "98"};
	struct score m = score_mean(sum);
	json_key(j, key);
	json_open(j, '{');
	put_number(j, "mase", m.mase);
	put_number(j, "wql", m.wql);
	put_number(j, "msis", m.msis);
	put_levels(j, "pinball", m.pinball);
	put_levels(j, "below", m.below);
	json_key(j, "coverage");
	json_open(j, '{');
	for (int i = 0; i < SCORE_BANDS; i++)
		put_number(j, names[i], m.inside[i]);
	json_close(j, '}');
	put_number(j, "miss", m.miss);
	put_number(j, "waste", m.waste);
	json_put_i64(j, "crossed", (int64_t)m.crossed);
	json_put_i64(j, "steps", (int64_t)m.steps);
	json_close(j, '}');
}

static void put_origin(struct json *j, const struct backtest *b, const struct backtest_origin *g)
{
	char time[25];
	clock_format_ms(time_of(b, g->at), time);
	json_open(j, '{');
	json_put_text(j, "at", time);
	json_put_i64(j, "start", time_of(b, g->at) / 1000);
	for (int who = 0; who < CONTENDERS; who++)
		put_score(j, contender_names[who], &g->score[who]);
	json_put_bool(j, "gated", g->o->gated);
	put_number(j, "fit_ms", g->fit_ms);
	json_close(j, '}');
}

void backtest_print_json(const struct backtest *b, struct buf *out)
{
	struct json j;
	struct score p = score_mean(&b->total[CONTENDER_PETREL]);
	struct score n = score_mean(&b->total[CONTENDER_NAIVE]);
	json_init(&j, out);
	json_open(&j, '{');
	json_put_text(&j, "input", b->name);
	json_put_i64(&j, "steps", (int64_t)b->n);
	json_put_i64(&j, "step", b->step_s);
	json_put_i64(&j, "horizon", (int64_t)b->horizon);
	json_put_i64(&j, "stride", (int64_t)b->stride);
	json_put_i64(&j, "season", (int64_t)b->season);
	put_levels(&j, "levels", quantile_levels);
	put_number(&j, "loss_ratio_to_naive", score_ratio(p.wql, n.wql));
	put_number(&j, "mase_ratio_to_naive", score_ratio(p.mase, n.mase));
	put_number(&j, "cpu_ms", b->cpu_ms / (double)b->n_origins);
	for (int who = 0; who < CONTENDERS; who++)
		put_score(&j, contender_names[who], &b->total[who]);
	json_key(&j, "origins");
	json_open(&j, '[');
	for (size_t i = 0; i < b->n_origins; i++)
		put_origin(&j, b, &b->origins[i]);
	json_close(&j, ']');
	json_close(&j, '}');
	buf_text(out, "\n");
}
