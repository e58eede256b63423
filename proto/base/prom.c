// SPDX-License-Identifier: Apache-2.0
#include "proto/base/prom.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void prom_init(struct prom *p, struct buf *out)
{
	*p = (struct prom){.out = out};
}

void prom_family(struct prom *p, const char *name, const char *type, const char *help)
{
	p->name = name;
	buf_printf(p->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_label_value(struct buf *out, const char *value)
{
	for (;;) {
		size_t run = strcspn(value, "\\\"\n");
		buf_append(out, value, run);
		value += run;
		if (!*value)
			return;
		buf_text(out, *value == '\n' ? "\\n" : *value == '"' ? "\\\"" : "\\\\");
		value++;
	}
}

static void write_value(struct buf *out, double value)
{
	if (isinf(value))
		buf_text(out, value > 0 ? "+Inf" : "-Inf");
	else
		buf_printf(out, "%.16g", value); // a time in seconds keeps its milliseconds
}

void prom_sample(struct prom *p, const struct prom_label *labels, int n_labels, double value)
{
	if (isnan(value))
		return;
	buf_text(p->out, p->name);
	char before = '{';
	for (int i = 0; i < n_labels; i++) {
		if (!labels[i].value)
			continue;
		buf_printf(p->out, "%c%s=\"", before, labels[i].name);
		write_label_value(p->out, labels[i].value);
		buf_text(p->out, "\"");
		before = ',';
	}
	buf_text(p->out, before == ',' ? "} " : " ");
	write_value(p->out, value);
	buf_text(p->out, "\n");
}

void prom_single(struct prom *p, const char *name, const char *type, const char *help, double value)
{
	prom_family(p, name, type, help);
	prom_sample(p, NULL, 0, value);
}
