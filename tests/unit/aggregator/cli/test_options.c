// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/cli/options.h"
#include "aggregator/cli/verb.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// What the parser says on stderr is not looked at; what the tests say there is.
static int parse_loudly(
	int argc, char **argv, const struct verb *v, int max_rest, struct options *o)
{
	int kept = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	dup2(null, STDERR_FILENO);
	int code = options_parse(argc, argv, v, max_rest, o);
	dup2(kept, STDERR_FILENO);
	close(kept);
	close(null);
	return code;
}

static int no_server(void **state)
{
	return unsetenv("PETREL_SERVER");
}

static int parse(struct options *o, const char *verb, int max_rest, const char *words)
{
	static char text[512];
	char *argv[32];
	int argc = 0;
	strncpy(text, words, sizeof(text) - 1);
	argv[argc++] = text;
	for (char *c = text; *c; c++)
		if (*c == ' ') {
			*c = '\0';
			argv[argc++] = c + 1;
		}
	argv[argc] = NULL;
	return parse_loudly(argc, argv, verb_find(verb), max_rest, o);
}

static void options_become_values(void **state)
{
	struct options o;
	assert_int_equal(
		parse(&o, "top", 0, "top -c prod --sort=runq -n 3 --delay 0.5 -o wide -l 10"), 0);
	assert_string_equal(o.cluster, "prod");
	assert_string_equal(o.sort, "runq");
	assert_int_equal(o.iterations, 3);
	assert_true(o.delay_s == 0.5);
	assert_int_equal(o.output, OUTPUT_WIDE);
	assert_int_equal(o.limit, 10);
	assert_string_equal(o.server, "http://127.0.0.1:7480");
	assert_false(o.color); // no terminal here
}

static void the_server_comes_from_the_option_then_the_environment(void **state)
{
	struct options o;
	setenv("PETREL_SERVER", "http://env:1/", 1);
	assert_int_equal(parse(&o, "status", 0, "status"), 0);
	assert_string_equal(o.server, "http://env:1");
	assert_int_equal(parse(&o, "status", 0, "status -s https://here:2"), 0);
	assert_string_equal(o.server, "https://here:2");
	assert_int_equal(parse(&o, "status", 0, "status -s ftp://here"), EXIT_USAGE + 1);
	assert_int_equal(parse(&o, "status", 0, "status -s here:80"), EXIT_USAGE + 1);
	unsetenv("PETREL_SERVER");
}

static void wrong_command_lines_are_refused(void **state)
{
	struct options o;
	assert_int_equal(parse(&o, "status", 0, "status --limit 3"), EXIT_USAGE + 1);
	assert_int_equal(parse(&o, "status", 0, "status -o xml"), EXIT_USAGE + 1);
	assert_int_equal(parse(&o, "status", 0, "status -o yaml"), 0);
	assert_true(o.output == OUTPUT_JSON && o.yaml);
	assert_int_equal(parse(&o, "status", 0, "status extra"), EXIT_USAGE + 1);
	assert_int_equal(parse(&o, "status", 0, "status -c"), EXIT_USAGE + 1);
	assert_int_equal(parse(&o, "plans", 0, "plans -l 0"), EXIT_USAGE + 1);
	assert_int_equal(parse(&o, "plans", 0, "plans -l -3"), EXIT_USAGE + 1);
	assert_int_equal(parse(&o, "plans", 0, "plans --timeout 0"), EXIT_USAGE + 1);
	assert_int_equal(parse(&o, "plans", 0, "plans --timeout 1e9"), EXIT_USAGE + 1);
	assert_int_equal(parse(&o, "top", 0, "top --sort alphabet"), EXIT_USAGE + 1);
	assert_int_equal(parse(&o, "explain", 1, "explain a b"), EXIT_USAGE + 1);
}

static void arguments_may_stand_before_options(void **state)
{
	struct options o;
	assert_int_equal(parse(&o, "explain", 1, "explain web -o json"), 0);
	assert_int_equal(o.n_rest, 1);
	assert_string_equal(o.rest[0], "web");
	assert_int_equal(o.output, OUTPUT_JSON);
}

static void every_verb_has_help_and_examples(void **state)
{
	for (const struct verb *v = verbs; v->name; v++) {
		assert_ptr_equal(verb_find(v->name), v);
		assert_true(v->options & OPTION(HELP));
		assert_non_null(v->run);
		assert_true(strlen(v->help) > 10);
		assert_int_equal(v->examples[strlen(v->examples) - 1], '\n');
		assert_non_null(strstr(v->examples, v->name));
	}
	assert_null(verb_find("nodez"));
	assert_ptr_equal(verb_nearest("nodez"), verb_find("nodes"));
	assert_null(verb_nearest("somethingelse"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_become_values),
		cmocka_unit_test(the_server_comes_from_the_option_then_the_environment),
		cmocka_unit_test(wrong_command_lines_are_refused),
		cmocka_unit_test(arguments_may_stand_before_options),
		cmocka_unit_test(every_verb_has_help_and_examples),
	};
	return cmocka_run_group_tests(tests, no_server, NULL);
}
