// SPDX-License-Identifier: Apache-2.0
// Which notices have been told, so that each change is told once. Pure; fixed size.
//
// Two questions can show the same event (spot-action and the legacy termination-time): it is the
// same notice by its id, and only when no question shows it any more is it withdrawn.
#pragma once

#include <stdbool.h>

#include "proto/wire/notice.h"

enum { KNOWN_MAX = 64 };

struct known {
	struct {
		struct notice notice;
		uint32_t shown_by; // bit per question
	} items[KNOWN_MAX];
	size_t n;
};

// Question q shows this notice. True if it must be told: new, or its deadline, action, guess or
// withdrawal has changed. A guess never replaces what is known better. Past KNOWN_MAX the oldest
// withdrawn (or simply oldest) one is forgotten.
bool known_take(struct known *k, int question, const struct notice *n);
struct known_shown { // what a question shows now
	int question;
	const struct notice *notices;
	size_t n;
};
// The question shows just these: finds one it has shown before and does not any more. If nobody
// else shows it, it is withdrawn: fills ret (observed now) and returns true; call again until
// false.
bool known_missing(
	struct known *k, const struct known_shown *shown, int64_t now_ms, struct notice *ret);
