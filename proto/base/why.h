// SPDX-License-Identifier: Apache-2.0
// Why something failed, for callers whose reaction depends on the kind of failure.
//
// A plain negative errno says what happened; a struct why says what to do about it. Used by cloud,
// kube, imds, the loader of the BPF programs, configuration. Ownership: the caller's storage, no
// pointers inside. Every function takes NULL for "not interested".
#pragma once

enum why_class {
	WHY_NONE,
	WHY_RETRY,     // the same call may succeed later
	WHY_THROTTLED, // later, and slower
	WHY_DENIED,    // needs a person: rights, certificates, configuration
	WHY_GONE,      // the thing is not there (any more)
	WHY_BUG,       // the other side or we broke the contract
};

struct why {
	enum why_class class;
	int code;       // negative errno, as returned
	char text[192]; // for people; never a secret
};

// Fills *why (unless NULL) and returns code, so that it can stand in a return statement.
int why_set(struct why *why, int code, enum why_class class, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
const char *why_class_name(enum why_class class);
