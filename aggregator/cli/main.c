// SPDX-License-Identifier: Apache-2.0
// petrel: the command line. Everything it can do is a line in verb.c.
#include <stdio.h>
#include <string.h>

#include "aggregator/cli/verb.h"

static void print_help(FILE *out)
{
	fputs("usage: petrel VERB [options]\n\n", out);
	for (const struct verb *v = verbs; v->name; v++)
		fprintf(out, "  %-12s %s\n", v->name, v->help);
	fputs("\n'petrel VERB --help' tells more about one.\n", out);
}

int main(int argc, char **argv)
{
	if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
		print_help(argc < 2 ? stderr : stdout);
		return argc < 2 ? EXIT_USAGE : EXIT_OK;
	}
	if (strcmp(argv[1], "--version") == 0) {
		puts("petrel " PETREL_VERSION);
		return EXIT_OK;
	}
	const struct verb *v = verb_find(argv[1]);
	if (v)
		return v->run(argc - 1, argv + 1);
	const struct verb *near = verb_nearest(argv[1]);
	fprintf(stderr, "petrel: unknown verb '%s'%s%s%s\n", argv[1],
		near ? "; did you mean '" : "", near ? near->name : "", near ? "'?" : "");
	return EXIT_USAGE;
}
