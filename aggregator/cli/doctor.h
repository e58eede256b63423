// SPDX-License-Identifier: Apache-2.0
// doctor: looks at everything that can be wrong and says in plain words what is, and what to do.
//
// A finding is one sentence about one thing. "fail" is broken, "warn" works with less, "info" is
// worth knowing. The checks of the machine read files below a root, so that tests give a folder.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "aggregator/cli/options.h"

enum finding_state { FINDING_OK, FINDING_INFO, FINDING_WARN, FINDING_FAIL };
const char *finding_state_name(enum finding_state s); // "ok", "info", "warn", "fail"

struct finding {
	enum finding_state state;
	char name[32];
	char text[300];
	char advice[300]; // "" if there is nothing to do
};
enum { FINDINGS_MAX = 96 };
struct findings {
	struct finding items[FINDINGS_MAX];
	size_t n; // further ones are dropped
};
// The finding made, so that finding_advice() can follow.
struct finding *finding_add(struct findings *f, enum finding_state state, const char *name,
	const char *format, ...) __attribute__((format(printf, 4, 5)));
void finding_advice(struct finding *f, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

// This machine's kernel: BTF, PSI, cgroups, lockdown, capabilities, BPF JIT. root: "" or a folder.
void doctor_machine(struct findings *f, const char *root);
void doctor_clock(struct findings *f); // whether NTP keeps this machine's clock
// End of a certificate (PEM), now in seconds since the epoch.
void doctor_cert(struct findings *f, const char *path, int64_t now_s);
// The aggregator and what it knows of its agents.
void doctor_fleet(struct findings *f, const struct options *o);
// An agent on this machine (url: "http://127.0.0.1:7481").
void doctor_agent(struct findings *f, const struct options *o, const char *url);
