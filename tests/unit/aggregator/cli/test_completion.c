// SPDX-License-Identifier: Apache-2.0
// The completions that a package installs are what the program would print.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/cli/verbs.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *read_all(const char *path)
{
	FILE *f = fopen(path, "re");
	if (!f)
		fail_msg("%s is missing", path);
	char *text = calloc(1, 1 << 20);
	size_t n = fread(text, 1, (1 << 20) - 1, f);
	fclose(f);
	assert_true(n > 0);
	return text;
}

static char *completion(const char *shell)
{
	char path[] = "/tmp/petrel-completion-XXXXXX";
	char *argv[] = {"completion", (char *)(uintptr_t)shell, NULL};
	int fd = mkstemp(path), kept = dup(STDOUT_FILENO);
	fflush(stdout);
	dup2(fd, STDOUT_FILENO);
	int code = completion_verb(2, argv);
	fflush(stdout);
	dup2(kept, STDOUT_FILENO);
	close(kept);
	close(fd);
	assert_int_equal(code, EXIT_OK);
	char *text = read_all(path);
	unlink(path);
	return text;
}

static void same(const char *shell, const char *file)
{
	char *made = completion(shell), *kept = read_all(file);
	if (strcmp(made, kept) != 0)
		fail_msg("%s is old: petrel completion %s > %s", file, shell, file);
	free(made);
	free(kept);
}

static void the_installed_completions_are_those_of_the_program(void **state)
{
	same("bash", TEST_SOURCE_DIR "/deploy/completions/petrel.bash");
	same("zsh", TEST_SOURCE_DIR "/deploy/completions/_petrel");
	same("fish", TEST_SOURCE_DIR "/deploy/completions/petrel.fish");
}

static void every_verb_is_completed(void **state)
{
	char *text = completion("bash");
	for (const struct verb *v = verbs; v->name; v++)
		assert_non_null(strstr(text, v->name));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_installed_completions_are_those_of_the_program),
		cmocka_unit_test(every_verb_is_completed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
