// SPDX-License-Identifier: Apache-2.0
// One coordinate system per picture (struct frame), everything else is paths in it.
#include "aggregator/cli/chart.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "aggregator/forecast/outlook.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"

enum { LEFT = 62, RIGHT = 14, TOP = 44, BOTTOM = 30, POINTS_MAX = 1500, X_TICKS = 8 };

struct frame {
	struct buf *out;
	double left, top, width, height; // of the plot
	double low, high;                // values
	size_t n;                        // steps
};

static double x_of(const struct frame *f, double step)
{
	return f->left + f->width * step / (double)(f->n > 1 ? f->n - 1 : 1);
}

static double y_of(const struct frame *f, double value)
{
	return f->top + f->height * (1 - (value - f->low) / (f->high - f->low));
}

void chart_escape(const char *text, struct buf *out)
{
	bool utf8 = text_is_utf8(text, strlen(text));
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		switch (c) {
		case '<': buf_text(out, "&lt;"); break;
		case '>': buf_text(out, "&gt;"); break;
		case '&': buf_text(out, "&amp;"); break;
		case '"': buf_text(out, "&quot;"); break;
		case '\'': buf_text(out, "&#39;"); break;
		default: buf_append(out, c < 0x20 || (c >= 0x7f && !utf8) ? "?" : text, 1);
		}
	}
}

const char *chart_number(double v, char *ret)
{
	static const char unit[] = " kMGTPEZY";
	double size = fabs(v);
	size_t k = 0;
	while (size >= 999.5 && k + 2 < sizeof(unit)) {
		size /= 1000;
		k++;
	}
	snprintf(ret, 16, "%s%.3g%.1s", v < 0 ? "-" : "", size, k ? unit + k : "");
	return ret;
}

void chart_style(struct buf *out)
{
	buf_text(out,
		"svg.chart{--ink:#1d2733;--muted:#5b6875;--line:#dfe4ea;--paper:#fff;--fan:#1769c2;"
		"--truth:#1d2733;--naive:#b4540a}"
		"@media(prefers-color-scheme:dark){svg.chart{--ink:#e6ebf0;--muted:#9aa7b4;"
		"--line:#2c3742;--paper:#12181f;--fan:#5aa9f5;--truth:#f2f5f8;--naive:#f0a35e}}"
		"svg.chart text{font:11px system-ui,sans-serif;fill:var(--muted)}"
		"svg.chart .title{font-size:13px;font-weight:600;fill:var(--ink)}"
		"svg.chart .paper{fill:var(--paper)}"
		"svg.chart .grid{stroke:var(--line);fill:none}"
		"svg.chart .b50{fill:var(--fan);opacity:.34}svg.chart "
		".b80{fill:var(--fan);opacity:.2}"
		"svg.chart .b95{fill:var(--fan);opacity:.15}"
		"svg.chart .median{stroke:var(--fan);stroke-width:1.6;stroke-dasharray:6 "
		"3;fill:none}"
		"svg.chart .truth{stroke:var(--truth);stroke-width:1.5;fill:none}"
		"svg.chart .naive{stroke:var(--naive);stroke-width:1.2;stroke-dasharray:2 "
		"3;fill:none}"
		"svg.chart .mark{stroke:var(--muted);stroke-dasharray:2 3;fill:none}"
		"svg.chart .dot{fill:var(--fan)}");
}

// A line through n values from step `first` on; it breaks where a value is missing.
static void line(const struct frame *f, const char *class, size_t first, const double *v, size_t n)
{
	size_t every = n / POINTS_MAX + 1;
	bool pen = false;
	buf_printf(f->out, "<path class=\"%s\" d=\"", class);
	for (size_t i = 0; i < n; i += every) {
		if (isnan(v[i])) {
			pen = false;
			continue;
		}
		buf_printf(f->out, "%c%.1f %.1f", pen ? 'L' : 'M', x_of(f, (double)(first + i)),
			y_of(f, v[i]));
		pen = true;
	}
	buf_text(f->out, "\"/>");
}

static void band(const struct frame *f, const struct chart_fan *c, double low, const char *class)
{
	size_t every = c->horizon / POINTS_MAX + 1, last = 0;
	buf_printf(f->out, "<path class=\"%s\" d=\"", class);
	for (size_t h = 0; h < c->horizon; h += every) {
		buf_printf(f->out, "%c%.1f %.1f", h ? 'L' : 'M', x_of(f, (double)(c->origin + h)),
			y_of(f, outlook_quantile(c->rows[h], 1 - low)));
		last = h;
	}
	for (size_t h = last + every; h >= every; h -= every)
		buf_printf(f->out, "L%.1f %.1f", x_of(f, (double)(c->origin + h - every)),
			y_of(f, outlook_quantile(c->rows[h - every], low)));
	buf_text(f->out, "Z\"/>");
}

// 1, 2 or 5 times a power of ten, at most `most` of them over the span.
static double round_step(double span, int most)
{
	double raw = span / most, base = pow(10, floor(log10(raw)));
	double part = raw / base;
	return base * (part <= 1 ? 1 : part <= 2 ? 2 : part <= 5 ? 5 : 10);
}

static void value_axis(const struct frame *f)
{
	char text[16];
	double step = round_step(f->high - f->low, 5);
	double first = ceil(f->low / step);
	for (int i = 0; i < 12; i++) { // counted, because v += step may stand still
		double v = (first + i) * step;
		if (v > f->high)
			break;
		buf_printf(f->out,
			"<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/>"
			"<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>",
			f->left, y_of(f, v), f->left + f->width, f->left - 6, y_of(f, v) + 4,
			chart_number(fabs(v) < step / 2 ? 0 : v, text));
	}
}

static int64_t time_step(int64_t span_s)
{
	static const int64_t steps[] = {60, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200,
		86400, 172800, 604800, 1209600, 2592000, 7776000, 31536000};
	size_t i = 0;
	while (i + 1 < sizeof(steps) / sizeof(*steps) && span_s / steps[i] > X_TICKS)
		i++;
	return steps[i];
}

static void time_axis(const struct frame *f, const struct chart_fan *c)
{
	int64_t from = c->start_s + c->utc_offset_s, span = (int64_t)(f->n - 1) * c->step_s;
	int64_t step = time_step(span), t = from + step - 1;
	t -= ((t % step) + step) % step;
	for (int i = 0; i < 4 * X_TICKS && t <= from + span; i++, t += step) {
		char text[25];
		double x = x_of(f, (double)(t - from) / (double)c->step_s);
		clock_format_ms(t * 1000, text);
		bool day = t % 86400 == 0;
		if (x > f->left + f->width - 12)
			break;
		buf_printf(f->out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%.*s</text>",
			x, f->top + f->height + 18, 5, day ? text + 5 : text + 11);
	}
}

static void key(struct buf *out, double x, const char *mark, const char *text)
{
	buf_printf(out,
		"<g transform=\"translate(%.0f 32)\">%s<text x=\"24\" y=\"4\">%s</text></g>", x,
		mark, text);
}

static void legend(const struct frame *f, const struct chart_fan *c)
{
	key(f->out, LEFT, "<path class=\"truth\" d=\"M0 0H18\"/>", "actual");
	key(f->out, LEFT + 76, "<path class=\"median\" d=\"M0 0H18\"/>", "median");
	key(f->out, LEFT + 154, "<path class=\"b50\" d=\"M0 -5H18V5H0Z\"/>", "50 %");
	key(f->out, LEFT + 216, "<path class=\"b80\" d=\"M0 -5H18V5H0Z\"/>", "80 %");
	key(f->out, LEFT + 278, "<path class=\"b95\" d=\"M0 -5H18V5H0Z\"/>", "95 %");
	if (c->naive)
		key(f->out, LEFT + 340, "<path class=\"naive\" d=\"M0 0H18\"/>", "seasonal naive");
}

static void stretch(struct frame *f, const double *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		f->low = fmin(f->low, v[i]);
		f->high = fmax(f->high, v[i]);
	}
}

// Zero is in the picture of a load; a forecast's far tail may be cut off rather than press all else
// flat.
static void scale(struct frame *f, const struct chart_fan *c)
{
	f->low = 0;
	f->high = -INFINITY;
	stretch(f, c->y, c->n);
	stretch(f, c->naive, c->naive ? c->horizon : 0);
	for (size_t h = 0; h < c->horizon; h++) {
		double ends[2] = {
			outlook_quantile(c->rows[h], .025), outlook_quantile(c->rows[h], .975)};
		stretch(f, ends, 2);
	}
	double span = f->high - f->low;
	if (!(span > 0) || !isfinite(span)) {
		f->high = f->low + 1;
		span = 1;
	}
	f->high += .05 * span;
	f->low -= f->low < 0 ? .05 * span : 0;
}

static void open_svg(const struct chart_fan *c, struct buf *out)
{
	buf_printf(out,
		"<svg class=\"chart\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %u %u\" "
		"width=\"%u\" height=\"%u\" role=\"img\" "
		"style=\"max-width:100%%;height:auto\"><title>",
		c->width, c->height, c->width, c->height);
	chart_escape(c->title, out);
	buf_text(out, "</title>");
	if (c->alone) {
		buf_text(out, "<style>");
		chart_style(out);
		buf_text(out, "</style>");
	}
	buf_printf(out, "<rect class=\"paper\" width=\"%u\" height=\"%u\" rx=\"6\"/>", c->width,
		c->height);
	buf_printf(out, "<text class=\"title\" x=\"%d\" y=\"18\">", LEFT);
	chart_escape(c->title, out);
	buf_text(out, "</text>");
}

void chart_fan(const struct chart_fan *c, struct buf *out)
{
	size_t end = c->origin + c->horizon;
	struct frame f = {.out = out,
		.left = LEFT,
		.top = TOP,
		.width = c->width - LEFT - RIGHT,
		.height = c->height - TOP - BOTTOM,
		.n = end > c->n ? end : c->n};
	scale(&f, c);
	open_svg(c, out);
	value_axis(&f);
	time_axis(&f, c);
	if (c->horizon) {
		band(&f, c, .025, "b95");
		band(&f, c, .1, "b80");
		band(&f, c, .25, "b50");
	}
	if (c->naive)
		line(&f, "naive", c->origin, c->naive, c->horizon);
	buf_text(out, "<path class=\"median\" d=\"");
	for (size_t h = 0; h < c->horizon; h += c->horizon / POINTS_MAX + 1)
		buf_printf(out, "%c%.1f %.1f", h ? 'L' : 'M', x_of(&f, (double)(c->origin + h)),
			y_of(&f, c->rows[h][QUANTILE_COUNT / 2]));
	buf_text(out, "\"/>");
	line(&f, "truth", 0, c->y, c->n);
	double at = x_of(&f, (double)c->origin - .5);
	buf_printf(out, "<path class=\"mark\" d=\"M%.1f %d V%.1f\"/>", at, TOP, f.top + f.height);
	legend(&f, c);
	buf_text(out, "</svg>\n");
}

void chart_reliability(const double below[QUANTILE_COUNT], struct buf *out)
{
	struct frame f = {.out = out,
		.left = LEFT,
		.top = TOP,
		.width = 206,
		.height = 206,
		.low = 0,
		.high = 1,
		.n = 101};
	struct chart_fan c = {.title = "Truths below each level", .width = 282, .height = 280};
	open_svg(&c, out);
	value_axis(&f);
	for (int i = 0; i <= 100; i += 20)
		buf_printf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%.1f</text>",
			x_of(&f, i), f.top + f.height + 18, i / 100.);
	buf_printf(out, "<path class=\"mark\" d=\"M%.1f %.1fL%.1f %.1f\"/>", x_of(&f, 0),
		y_of(&f, 0), x_of(&f, 100), y_of(&f, 1));
	for (int i = 0; i < QUANTILE_COUNT; i++)
		if (!isnan(below[i]))
			buf_printf(out, "<circle class=\"dot\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/>",
				x_of(&f, 100 * quantile_levels[i]), y_of(&f, below[i]));
	buf_text(out, "</svg>\n");
}
