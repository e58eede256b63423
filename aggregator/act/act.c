// SPDX-License-Identifier: Apache-2.0
#include "aggregator/act/act.h"

#include <stdio.h>
#include <string.h>

#include "proto/base/json.h"
#include "proto/base/text.h"

const char *outcome_status_name(enum outcome_status s)
{
	static const char *const names[] = {"not-taken", "would-do", "done", "failed"};
	return (unsigned)s < 4 ? names[s] : "unknown";
}

static int observe(void *self, const struct plan *p, const struct plan_step *s, struct outcome *ret)
{
	ret->status = OUTCOME_WOULD_DO;
	text_copy(ret->text, sizeof(ret->text), "observe mode: nothing was called");
	return 0;
}

const struct act_driver act_observe = {.name = "observe", .take = observe};

void act_run(const struct act_driver *driver, const struct plan *p, struct outcome *ret)
{
	for (size_t i = 0; i < p->n_steps; i++) {
		struct outcome *o = &ret[i];
		*o = (struct outcome){.step = i, .status = OUTCOME_NOT_TAKEN};
		snprintf(o->idempotency_key, sizeof(o->idempotency_key), "%s/%zu", p->id, i);
		if (!p->steps[i].would_act)
			text_copy(o->text, sizeof(o->text), "the plan does not take this step");
		else if (driver->take(driver->self, p, &p->steps[i], o) < 0)
			o->status = OUTCOME_FAILED;
	}
}

void outcomes_print(const struct plan *p, const struct outcome *o, struct buf *out)
{
	struct json j;
	json_init(&j, out);
	json_open(&j, '{');
	json_put_text(&j, "plan", p->id);
	json_key(&j, "steps");
	json_open(&j, '[');
	for (size_t i = 0; i < p->n_steps; i++) {
		json_open(&j, '{');
		json_put_text(&j, "group", p->steps[i].group);
		json_put_text(&j, "status", outcome_status_name(o[i].status));
		json_put_text(&j, "key", o[i].idempotency_key);
		json_put_text(&j, "text", o[i].text);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_close(&j, '}');
}
