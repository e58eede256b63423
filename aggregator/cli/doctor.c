// SPDX-License-Identifier: Apache-2.0
#include "aggregator/cli/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "aggregator/cli/verbs.h"
#include "proto/base/clock.h"
#include "proto/base/json.h"
#include "proto/base/text.h"

const char *finding_state_name(enum finding_state s)
{
	static const char *const names[] = {"ok", "info", "warn", "fail"};
	return (unsigned)s < 4 ? names[s] : "unknown";
}

struct finding *finding_add(
	struct findings *f, enum finding_state state, const char *name, const char *format, ...)
{
	static struct finding dropped; // past the bound: written to, never shown
	struct finding *one = f->n < FINDINGS_MAX ? &f->items[f->n++] : &dropped;
	va_list args;
	*one = (struct finding){.state = state};
	text_copy(one->name, sizeof(one->name), name);
	va_start(args, format);
	vsnprintf(one->text, sizeof(one->text), format, args);
	va_end(args);
	return one;
}

void finding_advice(struct finding *f, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(f->advice, sizeof(f->advice), format, args);
	va_end(args);
}

static void print_table(const struct findings *f, bool color, struct buf *out)
{
	static const enum style styles[] = {STYLE_GOOD, STYLE_PLAIN, STYLE_WARN, STYLE_BAD};
	char text[320];
	for (size_t i = 0; i < f->n; i++) {
		const struct finding *one = &f->items[i];
		enum style style = styles[one->state];
		buf_printf(out, "%s%-4s%s  %-14s %s\n", style_on(style, color),
			finding_state_name(one->state), style_off(color), one->name,
			printable(one->text, text, sizeof(text)));
		if (one->advice[0])
			buf_printf(
				out, "%21s%s\n", "-> ", printable(one->advice, text, sizeof(text)));
	}
}

static void print_json(const struct findings *f, struct buf *out)
{
	struct json j;
	json_init(&j, out);
	json_open(&j, '{');
	json_key(&j, "checks");
	json_open(&j, '[');
	for (size_t i = 0; i < f->n; i++) {
		const struct finding *one = &f->items[i];
		json_open(&j, '{');
		json_put_text(&j, "state", finding_state_name(one->state));
		json_put_text(&j, "name", one->name);
		json_put_text(&j, "text", one->text);
		json_put_text(&j, "advice", one->advice[0] ? one->advice : NULL);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_close(&j, '}');
	buf_text(out, "\n");
}

static size_t count(const struct findings *f, enum finding_state state)
{
	size_t n = 0;
	for (size_t i = 0; i < f->n; i++)
		n += f->items[i].state == state;
	return n;
}

int doctor_verb(int argc, char **argv)
{
	static struct findings f; // 60 KiB: not on the stack
	struct options o;
	autobuf out;
	buf_init(&out, OUTPUT_MAX_BYTES);
	int code = options_parse(argc, argv, verb_find("doctor"), 0, &o);
	if (code)
		return code - 1;
	f.n = 0;
	doctor_machine(&f, "");
	doctor_clock(&f);
	for (size_t i = 0; i < o.n_certs; i++)
		doctor_cert(&f, o.certs[i], clock_wall_ms() / 1000);
	doctor_agent(&f, &o, "http://127.0.0.1:7481");
	doctor_fleet(&f, &o);
	if (o.output == OUTPUT_JSON)
		print_json(&f, &out);
	else
		print_table(&f, o.color, &out);
	code = o.output == OUTPUT_JSON ? put_json_text(&o, &out) : put_out(&out);
	size_t broken = count(&f, FINDING_FAIL);
	fprintf(stderr,
		"petrel doctor: %zu fine, %zu to know, %zu with less than full service, "
		"%zu broken\n",
		count(&f, FINDING_OK), count(&f, FINDING_INFO), count(&f, FINDING_WARN), broken);
	return code == EXIT_OK && broken ? EXIT_FINDINGS : code;
}
