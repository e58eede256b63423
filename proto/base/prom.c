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

static void one_of(
	struct prom *p, const char *suffix, const struct prom_label labels[2], double value)
{
	char name[160];
	struct prom part = {p->out, name};
	snprintf(name, sizeof(name), "%s%s", p->name, suffix);
	prom_sample(&part, labels, 2, value); // an empty label is left out
}

void prom_histogram(struct prom *p, struct prom_label label, const struct prom_histogram *h)
{
	struct prom_label labels[2] = {label};
	uint64_t total = 0;
	char bound[32];
	int last = label.name ? 1 : 0;
	for (int i = 0; i <= h->n; i++) {
		snprintf(bound, sizeof(bound), "%.16g", i < h->n ? h->bounds[i] : 0);
		labels[last] = (struct prom_label){"le", i < h->n ? bound : "+Inf"};
		one_of(p, "_bucket", labels, (double)(total += h->counts[i]));
	}
	labels[last] = (struct prom_label){0};
	one_of(p, "_sum", labels, h->sum);
	one_of(p, "_count", labels, (double)total);
}
