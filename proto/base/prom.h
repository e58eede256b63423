// SPDX-License-Identifier: Apache-2.0
// Writer of the Prometheus text format 0.0.4, for /metrics of both programs.
//
// The order of calls is the contract: prom_family() once per name, then all its samples. Label
// values are escaped here; that there are few of them (no pods, no event ids) is the caller's
// business. A sample that is NAN is left out: unknown is absent, never 0.
#pragma once

#include "proto/base/buf.h"

#include <stdint.h>

#define PROM_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct prom {
	struct buf *out;
	const char *name; // of the family, a constant
};

struct prom_label {
	const char *name, *value; // value NULL: the label is left out
};

void prom_init(struct prom *p, struct buf *out); // borrows out, appends to it
// type: "counter" (name ends in "_total"), "gauge", "histogram". Names and help are constants of
// the program.
void prom_family(struct prom *p, const char *name, const char *type, const char *help);
void prom_sample(struct prom *p, const struct prom_label *labels, int n_labels, double value);
#define PROM_LABELS(...)                                                                           \
	(const struct prom_label[]){__VA_ARGS__},                                                  \
		(int)(sizeof((struct prom_label[]){__VA_ARGS__}) / sizeof(struct prom_label))
// A histogram's samples: counts[i] fell at or below bounds[i], counts[n] beyond the last (not
// summed up); its family's type is "histogram". label: one more label, name NULL for none.
struct prom_histogram {
	const double *bounds;
	const uint64_t *counts; // n + 1
	int n;
	double sum;
};
void prom_histogram(struct prom *p, struct prom_label label, const struct prom_histogram *h);
// A family with one sample without labels.
void prom_single(
	struct prom *p, const char *name, const char *type, const char *help, double value);
