// SPDX-License-Identifier: Apache-2.0
// Pictures of forecasts as SVG text: readable in light and dark, on their own or inside a page.
//
// Own writer, because a report should be one file that opens anywhere and needs no program. The
// colours follow the reader's scheme (prefers-color-scheme) through one <style>, which
// chart_style() gives; an SVG that stands alone carries it, a page puts it in once. All text from
// outside is escaped. Pure: appends to a buffer.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aggregator/forecast/model/member.h"
#include "proto/base/buf.h"

struct chart_fan {
	const char *title; // may come from outside
	const double *y;   // history, then what came; NAN = missing or not known
	size_t n;
	int64_t start_s, step_s; // of y[0]
	size_t origin;           // the forecast starts at y[origin]; <= n
	const double (*rows)[QUANTILE_COUNT];
	const double *naive; // [horizon], or NULL
	size_t horizon;
	int32_t utc_offset_s; // of the times shown
	bool alone;           // a file of its own: carries the style
	unsigned width, height;
};

void chart_fan(const struct chart_fan *c, struct buf *out);
// Share of truths below each level against the level: on the diagonal the bands are honest.
void chart_reliability(const double below[QUANTILE_COUNT], struct buf *out);
void chart_style(struct buf *out);
void chart_escape(const char *text, struct buf *out); // for XML and HTML text and attributes
// "12.5k", "3.2M"; ret needs 16 bytes.
const char *chart_number(double v, char *ret);
