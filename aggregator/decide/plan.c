// SPDX-License-Identifier: Apache-2.0
#include "aggregator/decide/plan.h"

#include <string.h>

#include "proto/base/json.h"

#define R(id, code, text) {code, text},
static const struct {
	const char *code, *text;
} reasons[] = {REASONS(R)};
#undef R

const char *reason_code(enum reason r)
{
	return (unsigned)r < REASON_COUNT ? reasons[r].code : "unknown";
}

const char *reason_text(enum reason r)
{
	return (unsigned)r < REASON_COUNT ? reasons[r].text : "unknown";
}

const char *step_kind_name(enum step_kind k)
{
	static const char *const names[] = {"scale-out", "scale-in", "hold"};
	return (unsigned)k < STEP_KIND_COUNT ? names[k] : "unknown";
}

static void print_reasons(const struct plan_step *s, struct json *j)
{
	json_key(j, "reasons");
	json_open(j, '[');
	for (size_t i = 0; i < s->n_reasons; i++) {
		json_open(j, '{');
		json_put_text(j, "code", reason_code(s->reasons[i]));
		json_put_text(j, "text", reason_text(s->reasons[i]));
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void print_guards(const struct plan_step *s, struct json *j)
{
	json_key(j, "guards");
	json_open(j, '[');
	for (size_t i = 0; i < s->n_guards; i++) {
		json_open(j, '{');
		json_put_text(j, "name", s->guards[i].name);
		json_put_bool(j, "passed", s->guards[i].passed);
		json_put_text(j, "detail", s->guards[i].detail);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void print_inputs(const struct plan_step *s, struct json *j)
{
	json_key(j, "inputs");
	json_open(j, '{');
	for (size_t i = 0; i < s->n_inputs; i++)
		json_put_double(j, s->inputs[i].name, s->inputs[i].value);
	json_close(j, '}');
	json_key(j, "alternatives");
	json_open(j, '[');
	for (size_t i = 0; i < s->n_alternatives; i++) {
		json_open(j, '{');
		json_put_text(j, "what", s->alternatives[i].what);
		json_put_i64(j, "cost_usd_micro_hour", s->alternatives[i].cost_usd_micro_hour);
		json_put_text(j, "why_not", s->alternatives[i].why_not);
		json_close(j, '}');
	}
	json_close(j, ']');
}

void plan_step_print(const struct plan_step *s, struct json *j)
{
	json_put_text(j, "kind", step_kind_name(s->kind));
	json_put_text(j, "group", s->group);
	json_put_i64(j, "nodes", s->nodes);
	json_put_i64(j, "from", s->from);
	json_put_i64(j, "to", s->to);
	json_put_bool(j, "would_act", s->would_act);
	print_reasons(s, j);
	print_guards(s, j);
	print_inputs(s, j);
	json_put_i64(j, "cost_usd_micro_hour", s->cost_usd_micro_hour);
	json_put_text(j, "text", s->text);
}

void plan_print(const struct plan *p, struct buf *out)
{
	struct json j;
	json_init(&j, out);
	json_open(&j, '{');
	json_put_text(&j, "id", p->id);
	json_put_text(&j, "cluster", p->cluster);
	json_put_i64(&j, "now_ms", p->now_ms);
	json_put_text(&j, "mode", p->mode);
	json_key(&j, "steps");
	json_open(&j, '[');
	for (size_t i = 0; i < p->n_steps; i++) {
		json_open(&j, '{');
		plan_step_print(&p->steps[i], &j);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_close(&j, '}');
}

// Plans are made in zeroed storage, so equal plans are equal bytes as far as their counts reach.
bool plan_equal(const struct plan *a, const struct plan *b)
{
	return strcmp(a->id, b->id) == 0 && strcmp(a->cluster, b->cluster) == 0 &&
	       a->now_ms == b->now_ms && strcmp(a->mode, b->mode) == 0 &&
	       a->n_steps == b->n_steps &&
	       memcmp(a->steps, b->steps, a->n_steps * sizeof(a->steps[0])) == 0;
}
