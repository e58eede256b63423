// SPDX-License-Identifier: Apache-2.0
// The report of a back-test as pictures and as one HTML file without scripts.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/cli/backtest.h"
#include "aggregator/cli/chart.h"
#include "aggregator/cli/table.h"
#include "aggregator/forecast/zone.h"

enum {
	PICTURES_MAX = 24,
	BIG_WIDTH = 1136,
	BIG_HEIGHT = 340,
	SMALL_WIDTH = 558,
	SMALL_HEIGHT = 250
};

static double time_ms(const struct backtest *b, size_t step)
{
	return (double)(b->start_s + (int64_t)step * b->step_s) * 1e3;
}

// What stands before the forecast: two days, or three horizons where that is longer.
static size_t lead_of(const struct backtest *b, size_t at)
{
	size_t lead = 2 * b->season > 2 * b->horizon ? 2 * b->season : 2 * b->horizon;
	return lead < at ? lead : at;
}

static const char *base_name(const struct backtest *b)
{
	const char *slash = strrchr(b->name, '/');
	return slash ? slash + 1 : b->name;
}

static void picture(const struct backtest *b, size_t i, struct chart_fan *c, struct buf *out)
{
	const struct backtest_origin *g = &b->origins[i];
	char title[200], when[FIGURE_BYTES];
	double *naive = calloc(b->horizon, sizeof(*naive));
	struct score p = score_mean(&g->score[CONTENDER_PETREL]);
	struct score n = score_mean(&g->score[CONTENDER_NAIVE]);
	for (size_t h = 0; naive && h < b->horizon; h++)
		naive[h] = g->naive[h][QUANTILE_COUNT / 2];
	if (isnan(p.mase))
		snprintf(title, sizeof(title), "from %s: what came is missing",
			figure_date(time_ms(b, g->at), when));
	else if (c->width == SMALL_WIDTH)
		snprintf(title, sizeof(title), "from %s: MASE %.2f (naive %.2f)",
			figure_date(time_ms(b, g->at), when), p.mase, n.mase);
	else
		snprintf(title, sizeof(title),
			"%.60s from %s: MASE %.2f (naive %.2f), WQL %.2f (%.2f)", base_name(b),
			figure_date(time_ms(b, g->at), when), p.mase, n.mase, p.wql, n.wql);
	size_t lead = lead_of(b, g->at);
	c->title = title;
	c->y = b->y + (g->at - lead);
	c->n = lead + b->horizon;
	c->start_s = b->start_s + (int64_t)(g->at - lead) * b->step_s;
	c->step_s = b->step_s;
	c->origin = lead;
	c->rows = (const double(*)[QUANTILE_COUNT])g->o->quantiles;
	c->naive = naive;
	c->horizon = b->horizon;
	c->utc_offset_s = zone_offset_s(b->zone, b->start_s + (int64_t)g->at * b->step_s);
	chart_fan(c, out);
	free(naive);
}

void backtest_svg(const struct backtest *b, size_t origin, bool alone, struct buf *out)
{
	struct chart_fan c = {.alone = alone, .width = BIG_WIDTH, .height = BIG_HEIGHT};
	picture(b, origin, &c, out);
}

static void scores(const struct backtest *b, struct buf *out)
{
	buf_text(out, "<table><thead><tr><th>forecaster<th>MASE<th>WQL<th>PB90<th>PB99<th>MSIS"
		      "<th>in 50&nbsp;%<th>in 80&nbsp;%<th>in 95&nbsp;%<th>below q99<th>miss<th>"
		      "waste</thead><tbody>");
	for (int who = 0; who < CONTENDERS; who++) {
		struct score m = score_mean(&b->total[who]);
		buf_printf(out,
			"<tr><th>%s<td>%.3f<td>%.3f<td>%.3f<td>%.3f<td>%.1f<td>%.0f&nbsp;%%"
			"<td>%.0f&nbsp;%%<td>%.0f&nbsp;%%<td>%.1f&nbsp;%%<td>%.1f&nbsp;%%"
			"<td>%.0f&nbsp;%%",
			contender_names[who], m.mase, m.wql, m.pinball[6], m.pinball[8], m.msis,
			100 * m.inside[BAND_50], 100 * m.inside[BAND_80], 100 * m.inside[BAND_95],
			100 * m.below[8], 100 * m.miss, 100 * m.waste);
	}
	buf_text(out, "</tbody></table>");
}

static void members(const struct backtest *b, struct buf *out)
{
	const struct outlook *o = b->origins[b->n_origins - 1].o;
	buf_text(out,
		"<table><thead><tr><th>member<th>weight<th>loss to best naive's</thead><tbody>");
	for (size_t i = 0; i < o->n_members; i++) {
		buf_printf(out, "<tr><th>%s<td>%.1f&nbsp;%%<td>", o->members[i].name,
			100 * o->members[i].weight);
		if (isnan(o->members[i].loss))
			buf_text(out, "&ndash;");
		else
			buf_printf(out, "%.2f", o->members[i].loss);
	}
	buf_text(out, "</tbody></table>");
}

static void head(const struct backtest *b, struct buf *out)
{
	char step[FIGURE_BYTES];
	buf_text(out, "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta "
		      "name=\"viewport\" content=\"width=device-width\"><meta "
		      "name=\"color-scheme\" content=\"light dark\"><title>Back-test of ");
	chart_escape(base_name(b), out);
	buf_text(out, "</title><style>"
		      "body{font:14px/1.5 system-ui,sans-serif;max-width:1136px;margin:2em auto;"
		      "padding:0 1em;background:#f4f6f8;color:#1d2733}"
		      "table{border-collapse:collapse;margin:1em 0}"
		      "td,th{padding:.25em .8em;text-align:right;border-bottom:1px solid #dfe4ea;"
		      "font-variant-numeric:tabular-nums}"
		      "th:first-child{text-align:left}"
		      ".row{display:flex;flex-wrap:wrap;gap:1em;align-items:flex-start}"
		      "@media(prefers-color-scheme:dark){body{background:#0b1015;color:#e6ebf0}"
		      "td,th{border-color:#2c3742}}");
	chart_style(out);
	buf_text(out, "</style></head><body><h1>Back-test of ");
	chart_escape(base_name(b), out);
	figure_duration((double)b->step_s * 1e9, step);
	buf_printf(out,
		"</h1><p>%zu steps of %s; %zu forecasts of %zu steps, %zu apart, each from "
		"the history before it alone.",
		b->n, step, b->n_origins, b->horizon, b->stride);
}

void backtest_html(const struct backtest *b, struct buf *out)
{
	struct score p = score_mean(&b->total[CONTENDER_PETREL]);
	struct score n = score_mean(&b->total[CONTENDER_NAIVE]);
	size_t first = b->n_origins > PICTURES_MAX ? b->n_origins - PICTURES_MAX : 0;
	head(b, out);
	buf_printf(out,
		" The loss is <b>%.2f</b> of the seasonal naive forecast's; %.0f&nbsp;ms "
		"CPU each.</p>",
		score_ratio(p.wql, n.wql), b->cpu_ms / (double)b->n_origins);
	scores(b, out);
	backtest_svg(b, b->n_origins - 1, false, out);
	buf_text(out, "<h2>Are the bands honest?</h2><div class=\"row\">");
	chart_reliability(p.below, out);
	members(b, out);
	buf_printf(out, "</div><h2>The newest %zu forecasts</h2><div class=\"row\">",
		b->n_origins - first);
	for (size_t i = first; i < b->n_origins; i++) {
		struct chart_fan c = {.width = SMALL_WIDTH, .height = SMALL_HEIGHT};
		picture(b, i, &c, out);
	}
	buf_text(out,
		"</div><p>MASE, WQL, PB and MSIS are in units of the mean difference between "
		"days. Miss and waste: demand above, and room above demand, when provisioning "
		"to q90, as a share of demand.</p></body></html>\n");
}
