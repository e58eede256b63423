// SPDX-License-Identifier: Apache-2.0
// petrel: the command line. Everything it can do is a line in verb.c.
#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "aggregator/cli/verb.h"

static void print_help(FILE *out)
{
	fputs("Petrel: demand, forecasts and decisions of your node groups.\n"
	      "\n"
	      "Examples:\n"
	      "  petrel status                    one screen: coverage, mode, age of the data\n"
	      "  petrel top                       nodes by pressure, live\n"
	      "  petrel forecast web              what is coming, with its band and its honesty\n"
	      "  petrel explain web               why the group is (or is not) scaled\n"
	      "  petrel doctor                    what is missing, in plain words\n"
	      "\n"
	      "Usage: petrel VERB [options]       ('petrel VERB --help' tells more about one)\n"
	      "\n"
	      "Verbs:\n",
		out);
	for (const struct verb *v = verbs; v->name; v++)
		fprintf(out, "  %-12s %s\n", v->name, v->help);
	fputs("\n"
	      "The aggregator asked is --server URL, else $PETREL_SERVER, else "
	      "http://127.0.0.1:7480.\n"
	      "Data goes to stdout (-o table, wide or json), messages to stderr.\n"
	      "Exit codes: 0 fine, 1 failed, 2 wrong usage, 3 bad input file, 4 no answer,\n"
	      "5 not found, 6 refused by the aggregator, 7 doctor found something broken.\n",
		out);
}

static int help(const char *name)
{
	const struct verb *v = name ? verb_find(name) : NULL;
	if (name && !v) {
		fprintf(stderr, "petrel: there is no verb '%s'\n", name);
		return EXIT_USAGE;
	}
	if (v)
		verb_print_help(v);
	else
		print_help(stdout);
	return EXIT_OK;
}

static int run(int argc, char **argv)
{
	if (argc < 2) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return help(NULL);
	if (strcmp(argv[1], "help") == 0)
		return help(argv[2]);
	if (strcmp(argv[1], "--version") == 0) {
		puts("petrel " PETREL_VERSION);
		return EXIT_OK;
	}
	const struct verb *v = verb_find(argv[1]);
	if (v)
		return v->run(argc - 1, argv + 1);
	const struct verb *near = verb_nearest(argv[1]);
	fprintf(stderr, "petrel: there is no verb '%s'%s%s%s ('petrel --help' lists them)\n",
		argv[1], near ? "; did you mean '" : "", near ? near->name : "", near ? "'?" : "");
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN); // a closed pipe is a failed write
	curl_global_init(CURL_GLOBAL_DEFAULT);
	int code = run(argc, argv);
	curl_global_cleanup();
	return code;
}
