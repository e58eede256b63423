// SPDX-License-Identifier: Apache-2.0
// The options of the verbs that ask the aggregator: one table, from which the parser, the help and
// the completions are made.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct verb;

enum verb_option {
	OPTION_SERVER,
	OPTION_OUTPUT,
	OPTION_CLUSTER,
	OPTION_GROUP,
	OPTION_NODE,
	OPTION_KIND,
	OPTION_HORIZON,
	OPTION_SORT,
	OPTION_LIMIT,
	OPTION_ITERATIONS,
	OPTION_DELAY,
	OPTION_WATCH,
	OPTION_IN,
	OPTION_DEADLINE,
	OPTION_DRY_RUN,
	OPTION_EVENT,
	OPTION_CERT,
	OPTION_KEY,
	OPTION_TIMEOUT,
	OPTION_CA,
	OPTION_NO_COLOR,
	OPTION_EXPLAIN,
	OPTION_HELP,
	OPTION_COUNT,
};
#define OPTION(name) (1u << OPTION_##name)
// What every verb has that talks to the aggregator.
#define OPTIONS_SERVER                                                                             \
	(OPTION(SERVER) | OPTION(OUTPUT) | OPTION(TIMEOUT) | OPTION(CA) | OPTION(NO_COLOR) |       \
		OPTION(HELP))

struct option_info {
	const char *name;     // long, without dashes
	char letter;          // 0: none
	const char *argument; // "URL"; NULL: takes none
	const char *choices;  // "table wide json yaml"; NULL: any
	const char *help;
};
const struct option_info *option_info(enum verb_option o);

// -o yaml is OUTPUT_JSON, told as YAML by put_json().
enum output { OUTPUT_TABLE, OUTPUT_WIDE, OUTPUT_JSON, OUTPUT_YAML };
enum { OPTIONS_MAX_CERTS = 16 };

struct options {
	const struct verb *verb;
	const char *server; // without a slash at its end
	enum output output;
	bool yaml;
	const char *cluster, *group, *node, *kind, *horizon, *sort, *ca, *key,
		*event; // NULL if not given
	const char *certs[OPTIONS_MAX_CERTS];
	size_t n_certs;
	uint64_t limit;      // 0: not given
	uint64_t iterations; // 0: not given
	double delay_s;
	double in_s; // of --in and --deadline; 0: not given
	bool watch, dry_run;
	double timeout_s;
	bool color; // on stdout
	bool explain;
	char server_text[256];
	char **rest; // what is no option
	int n_rest;
};

// 0 to go on; else an exit code + 1 (so that EXIT_OK, for --help, can be told from "go on"); the
// message is on stderr. max_rest: how many arguments that are no options the verb takes. The server
// comes from --server, else PETREL_SERVER, else http://127.0.0.1:7480. Colours: only on a terminal,
// not with --no-color, NO_COLOR or TERM=dumb.
int options_parse(int argc, char **argv, const struct verb *v, int max_rest, struct options *ret);
// "petrel VERB: message (petrel VERB --help shows examples)" on stderr; returns EXIT_USAGE.
int usage_error(const struct verb *v, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
