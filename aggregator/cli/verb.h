// SPDX-License-Identifier: Apache-2.0
// The verbs of the CLI: one line each in the table of verb.c; main.c only looks them up.
//
// A verb gets its own arguments (argv[0] is the verb's name), writes data to stdout and messages to
// stderr, and returns the exit code of the process by class of failure. It never calls exit(). From
// the same table come `petrel --help`, `petrel VERB --help` and the completions.
#pragma once

#include <stddef.h>

enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1,      // the thing asked for did not work out
	EXIT_USAGE = 2,       // the command line is wrong
	EXIT_INPUT = 3,       // a file given is missing or malformed
	EXIT_UNREACHABLE = 4, // no answer from the aggregator
	EXIT_NOT_FOUND = 5,   // there is no such node, group, plan…
	EXIT_REFUSED = 6,     // the aggregator answered an error, or something that is not its API
	EXIT_FINDINGS = 7,    // doctor found something broken
};

struct verb {
	const char *name;
	const char *help; // one line
	int (*run)(int argc, char **argv);
	unsigned options;      // bits of enum verb_option, see options.h
	const char *arguments; // "[GROUP]"; "" if it takes none
	const char *examples;  // lines for --help, each with its line end
};

extern const struct verb verbs[];                  // ends with a NULL name
const struct verb *verb_find(const char *name);    // NULL if there is none
const struct verb *verb_nearest(const char *name); // for "did you mean"; NULL if none is near
void verb_print_help(const struct verb *v);        // on stdout, examples first
