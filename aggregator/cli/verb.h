// SPDX-License-Identifier: Apache-2.0
// The verbs of the CLI: one line each in the table of verb.c; main.c only looks them up.
//
// A verb gets its own arguments (argv[0] is the verb's name), writes data to stdout and messages to
// stderr, and returns the exit code of the process by class of failure. It never calls exit().
#pragma once

#include <stddef.h>

enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1, // the thing asked for did not work out
	EXIT_USAGE = 2,  // the command line is wrong
	EXIT_INPUT = 3,  // a file given is missing or malformed
};

struct verb {
	const char *name;
	const char *help; // one line
	int (*run)(int argc, char **argv);
};

extern const struct verb verbs[];                  // ends with a NULL name
const struct verb *verb_find(const char *name);    // NULL if there is none
const struct verb *verb_nearest(const char *name); // for "did you mean"; NULL if none is near
