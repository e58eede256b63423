// SPDX-License-Identifier: Apache-2.0
// The record "plan": what should be done, or why nothing is, in an order, with reasons.
//
// A plan is a value: no pointers to anything outside it, so that it can be printed, compared and
// replayed byte for byte. decide() makes it from a view, a policy and now; act carries it out (or,
// in observe mode, nobody); audit keeps it.
#pragma once

#include "proto/base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PLAN_MAX_STEPS = 64, PLAN_MAX_GUARDS = 24, PLAN_MAX_INPUTS = 16, PLAN_MAX_ALTERNATIVES = 4 };

enum step_kind { STEP_SCALE_OUT, STEP_SCALE_IN, STEP_HOLD, STEP_KIND_COUNT };
const char *step_kind_name(enum step_kind k); // "scale-out", "scale-in", "hold"

// Every reason a step is taken or not taken, each once. R(ID, "code", "sentence for people")
#define REASONS(R)                                                                                 \
	R(DEMAND_ABOVE_CAPACITY, "demand-above-capacity",                                          \
		"the demand to provision for exceeds the capacity")                                \
	R(DEMAND_BELOW_CAPACITY, "demand-below-capacity",                                          \
		"the demand to provision for needs fewer nodes")                                   \
	R(CAPACITY_FITS, "capacity-fits", "the capacity fits the demand to provision for")         \
	R(TOO_LITTLE_DATA, "too-little-data", "there is too little history to forecast from")      \
	R(FORECAST_WORSE_THAN_NAIVE, "forecast-worse-than-naive",                                  \
		"the forecast has been worse than seasonal naive: reacting only")                  \
	R(NO_LIMITS_KNOWN, "no-limits-known",                                                      \
		"minimum and maximum of the group are not known: nothing may be changed")          \
	R(AT_MAXIMUM, "at-maximum", "the group is at its maximum")                                 \
	R(AT_MINIMUM, "at-minimum", "the group is at its minimum")                                 \
	R(GUARD_REFUSED, "guard-refused", "a guard refused the step")                              \
	R(SATURATED, "saturated",                                                                  \
		"nodes are saturated: what they could not run is hidden, demand is at least this")

#define R(id, code, text) REASON_##id,
enum reason { REASONS(R) REASON_COUNT };
#undef R
const char *reason_code(enum reason r);
const char *reason_text(enum reason r);

struct plan_guard {
	char name[32]; // "coverage", "freshness", "limits", "step-size", …
	bool passed;
	char detail[128]; // the figures it looked at
};
struct plan_input {    // a figure the decision rests on
	char name[48]; // with its unit: "demand_q95_millicores"
	double value;
};
struct plan_alternative {
	char what[64];
	int64_t cost_usd_micro_hour;
	char why_not[96];
};

struct plan_step {
	enum step_kind kind;
	char group[254];
	int32_t nodes;     // change: +2, -1, 0
	uint32_t from, to; // nodes before and after
	bool would_act;    // false: not taken, see reasons and guards
	enum reason reasons[4];
	size_t n_reasons;
	struct plan_guard guards[PLAN_MAX_GUARDS];
	size_t n_guards;
	struct plan_input inputs[PLAN_MAX_INPUTS];
	size_t n_inputs;
	struct plan_alternative alternatives[PLAN_MAX_ALTERNATIVES];
	size_t n_alternatives;
	int64_t cost_usd_micro_hour; // of the change; 0 if prices are not known
	char text[256];              // the whole in one sentence
};

struct plan {
	char id[33]; // hex of the first 16 bytes of SHA-256 over everything below
	char cluster[64];
	int64_t now_ms; // the instant it was decided for
	char mode[16];  // "observe", "recommend", "act"
	struct plan_step steps[PLAN_MAX_STEPS];
	size_t n_steps;
};

struct json;
void plan_step_print(
	const struct plan_step *s, struct json *j); // the members of an object the caller opened
void plan_print(const struct plan *p, struct buf *out); // one JSON object
bool plan_equal(const struct plan *a, const struct plan *b);
