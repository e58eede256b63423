// SPDX-License-Identifier: Apache-2.0
// Carries a plan out, step by step, and says what came of each.
//
// Whether anything is really done is the driver's business, never an `if` in here: the observe
// driver writes down what would have been done, a cloud driver does it. A step that the plan itself
// does not take (would_act false) never reaches a driver. The caller has put the plan into the
// audit file before and puts the outcomes there after.
#pragma once

#include "aggregator/decide/plan.h"

enum outcome_status { OUTCOME_NOT_TAKEN, OUTCOME_WOULD_DO, OUTCOME_DONE, OUTCOME_FAILED };
const char *outcome_status_name(enum outcome_status s); // "not-taken", "would-do", "done", "failed"

struct outcome { // of one step
	size_t step;
	enum outcome_status status;
	char idempotency_key[56]; // plan id "/" step: the same step never has two
	char text[160];
};

struct act_driver {
	const char *name; // "observe"
	void *self;
	// Fills status and text. Negative errno: the step failed, text says why.
	int (*take)(
		void *self, const struct plan *p, const struct plan_step *s, struct outcome *ret);
};

extern const struct act_driver act_observe;

// One outcome per step, in the plan's order; ret has room for p->n_steps.
void act_run(const struct act_driver *driver, const struct plan *p, struct outcome *ret);
void outcomes_print(
	const struct plan *p, const struct outcome *o, struct buf *out); // one JSON object
