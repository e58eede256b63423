// SPDX-License-Identifier: Apache-2.0
// Why a forecast looks as it does: what was found in the series, who speaks with what weight and
// why, whether the gate is open, and what the width rests on. Pure: appends to a buffer.
#pragma once

#include "aggregator/forecast/forecast.h"
#include "proto/base/json.h"

// What was found alone, in words, or the members of a JSON object. -ENOMEM.
int forecast_found_text(const struct forecast_input *in, struct buf *out);
int forecast_found_json(const struct forecast_input *in, struct json *j);
void forecast_explain_text(
	const struct forecast_input *in, const struct outlook *o, struct buf *out);
void forecast_explain_json( // one object
	const struct forecast_input *in, const struct outlook *o, struct json *j);
