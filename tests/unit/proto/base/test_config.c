// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/base/config.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct values {
	char *cluster, *token;
	bool insecure;
	uint64_t workers, interval_ms, spool_bytes;
	unsigned format;
	struct config_list aggregators;
};

static const struct config_key keys[] = {
	CONFIG_KEY_TEXT(struct values, cluster, "cluster", .least = 1, .most = 63,
		.help = "Name of the cluster.", .example = "prod-1"),
	CONFIG_KEY_U64(struct values, workers, "workers", .initial = "4", .least = 1, .most = 64,
		.help = "Threads."),
	CONFIG_KEY_DURATION(struct values, interval_ms, "imds.interval", .initial = "2s",
		.least = 500, .most = 60000, .help = "Poll period."),
	CONFIG_KEY_TEXT(struct values, token, "imds.token", .secret = true, .help = "A secret."),
	CONFIG_KEY_BYTES(struct values, spool_bytes, "send.spool.size", .initial = "8MiB",
		.least = 1 << 20, .most = 1ull << 30, .help = "Spool."),
	CONFIG_KEY_BOOL(struct values, insecure, "send.insecure", .initial = "false",
		.help = "Plaintext.", .option = "insecure"),
	CONFIG_KEY_LIST(struct values, aggregators, "send.aggregators", .initial = "localhost",
		.least = 1, .most = 4, .help = "Where to."),
	CONFIG_KEY_ENUM(struct values, format, "log.format", .initial = "json",
		.choices = "json text", .help = "Lines.", .option = "log-format"),
};
static const struct config_table table = {
	.program = "petrel-test",
	.summary = "Nothing.",
	.examples = "  petrel-test --config a.yaml\n",
	.keys = keys,
	.n_keys = sizeof(keys) / sizeof(keys[0]),
};

struct fixture {
	struct values v;
	struct config c;
	struct why why;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	assert_int_equal(config_init(&f->c, &table, &f->v), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	config_done(&f->c);
	free(f);
	return 0;
}

static void assert_refused(struct fixture *f, const char *yaml, int code, const char *text)
{
	memset(&f->why, 0, sizeof(f->why));
	assert_int_equal(config_read(&f->c, "a.yaml", yaml, strlen(yaml), &f->why), code);
	assert_string_equal(f->why.text, text);
}

static void read_ok(struct fixture *f, const char *yaml)
{
	int r = config_read(&f->c, "a.yaml", yaml, strlen(yaml), &f->why);
	if (r < 0)
		print_error("%s\n", f->why.text);
	assert_int_equal(r, 0);
}

static void the_table_gives_the_defaults(void **state)
{
	struct fixture *f = *state;
	assert_string_equal(f->v.cluster, "");
	assert_int_equal(f->v.workers, 4);
	assert_int_equal(f->v.interval_ms, 2000);
	assert_int_equal(f->v.spool_bytes, 8 << 20);
	assert_int_equal(f->v.format, 0);
	assert_int_equal(f->v.aggregators.n, 1);
	assert_string_equal(f->v.aggregators.items[0], "localhost");
}

static void nested_and_dotted_keys_are_the_same(void **state)
{
	struct fixture *f = *state;
	read_ok(f, "cluster: prod\n"
		   "imds:\n  interval: 30s30ms\n"
		   "send.spool: {size: 64MiB}\n"
		   "send:\n  insecure: yes\n  aggregators:\n  - a:1\n  - b:2\n"
		   "log: {format: text}\n");
	assert_string_equal(f->v.cluster, "prod");
	assert_int_equal(f->v.interval_ms, 30030);
}

static void values_are_read_in_their_units(void **state)
{
	struct fixture *f = *state;
	read_ok(f, "imds: {interval: 1500ms}\nsend: {spool: {size: 64Mi}, insecure: on, "
		   "aggregators: [a, b]}\nworkers: 7\nlog.format: text\n");
	assert_int_equal(f->v.interval_ms, 1500);
	assert_int_equal(f->v.spool_bytes, 64 << 20);
	assert_true(f->v.insecure);
	assert_int_equal(f->v.workers, 7);
	assert_int_equal(f->v.format, 1);
	assert_int_equal(f->v.aggregators.n, 2);
	assert_string_equal(f->v.aggregators.items[1], "b");
}

static void an_unknown_key_names_file_line_and_the_nearest_known_key(void **state)
{
	struct fixture *f = *state;
	assert_refused(f, "cluster: a\nimds:\n  intervall: 2s\n", -EINVAL,
		"a.yaml:3: unknown key \"imds.intervall\", did you mean \"imds.interval\"?");
	assert_refused(f, "interval: 2s\n", -EINVAL,
		"a.yaml:1: unknown key \"interval\", did you mean \"imds.interval\"?");
	assert_refused(f, "imsd:\n  interval: 2s\n", -EINVAL,
		"a.yaml:1: unknown key \"imsd\", did you mean \"imds\"?");
	assert_int_equal(config_set(&f->c, "worker=3", &f->why), -EINVAL);
	assert_string_equal(f->why.text, "unknown key \"worker\", did you mean \"workers\"?");
}

static void a_key_given_twice_is_an_error_that_names_both_lines(void **state)
{
	assert_refused(*state, "workers: 2\ncluster: a\nworkers: 3\n", -EINVAL,
		"a.yaml:3: \"workers\" was given before, in line 1");
	assert_refused(*state, "imds: {interval: 2s}\nimds.interval: 3s\n", -EINVAL,
		"a.yaml:2: \"imds.interval\" was given before, in line 1");
}

static void values_out_of_range_or_shape_say_what_is_wanted(void **state)
{
	struct fixture *f = *state;
	assert_refused(f, "imds.interval: 2\n", -EINVAL,
		"a.yaml:1: imds.interval: \"2\" is not a duration like 500ms, 10s, 2m, 1h30m");
	assert_refused(f, "imds.interval: 5m\n", -EINVAL,
		"a.yaml:1: imds.interval: 5m is out of range (500ms to 1m)");
	assert_refused(
		f, "workers: -1\n", -EINVAL, "a.yaml:1: workers: \"-1\" is not a whole number");
	assert_refused(
		f, "workers: 65\n", -EINVAL, "a.yaml:1: workers: 65 is out of range (1 to 64)");
	assert_refused(f, "send.insecure: maybe\n", -EINVAL,
		"a.yaml:1: send.insecure: \"maybe\" is not true or false");
	assert_refused(f, "log.format: xml\n", -EINVAL,
		"a.yaml:1: log.format: \"xml\" is not one of: json text");
	assert_refused(f, "cluster: \"\"\n", -EINVAL, "a.yaml:1: cluster: must not be empty");
	assert_refused(f, "send.aggregators: [a, b, c, d, e]\n", -EINVAL,
		"a.yaml:1: send.aggregators: more than 4 items");
	assert_refused(f, "send.aggregators: []\n", -EINVAL,
		"a.yaml:1: send.aggregators: needs at least 1 items");
	assert_refused(f, "send.spool.size: 99999999999999999999GiB\n", -EINVAL,
		"a.yaml:1: send.spool.size: \"99999999999999999999GiB\" is not a size like 4096, "
		"64KiB, 64MiB, 1GiB");
	assert_refused(f, "imds.interval: 18446744073709551615d\n", -EINVAL,
		"a.yaml:1: imds.interval: \"18446744073709551615d\" is not a duration like 500ms, "
		"10s, 2m, 1h30m");
	assert_int_equal(f->v.workers, 4); // what was refused changed nothing
}

static void hostile_yaml_is_a_clear_error(void **state)
{
	struct fixture *f = *state;
	assert_refused(f, "imds:\n\tinterval: 2s\n", -EINVAL,
		"a.yaml:2: a tab indents this line; YAML wants spaces");
	assert_refused(f, "cluster: &a x\nimds.token: *a\n", -EINVAL,
		"a.yaml:2: aliases (*…) are not used here: write the value out");
	assert_refused(f, "cluster: a\n---\ncluster: b\n", -EINVAL,
		"a.yaml:2: a second document in one file");
	assert_refused(
		f, "cluster: !!binary aGk=\n", -EINVAL, "a.yaml:1: tags (!…) are not used here");
	assert_refused(
		f, "cluster: \"a\\0b\"\n", -EINVAL, "a.yaml:1: a value contains a zero byte");
	assert_refused(f, "- a\n", -EINVAL, "a.yaml:1: a list where a key should be");
	assert_refused(
		f, "just text\n", -EINVAL, "a.yaml:1: a file is a mapping of keys to values");
	assert_refused(f, "imds: 5\n", -EINVAL,
		"a.yaml:1: \"imds\" is a section: its keys stand below it, indented");
	assert_refused(f, "workers: {a: 1}\n", -EINVAL,
		"a.yaml:1: workers: a value is needed, not a mapping");
	assert_refused(
		f, "workers: [1]\n", -EINVAL, "a.yaml:1: workers: a value is needed, not a list");
	assert_refused(f, "send.aggregators: [[a]]\n", -EINVAL,
		"a.yaml:1: send.aggregators: items are text, not lists");
	assert_refused(f, "cluster: \"\xff\"\n", -EINVAL,
		"a.yaml:1: not UTF-8 text: invalid leading UTF-8 octet at byte 10");
}

static void huge_and_deep_files_are_refused(void **state)
{
	struct fixture *f = *state;
	char *big = malloc(CONFIG_MAX_BYTES + 2);
	memset(big, '#', CONFIG_MAX_BYTES + 1);
	big[CONFIG_MAX_BYTES + 1] = '\0';
	assert_refused(f, big, -E2BIG, "a.yaml:0: larger than 1048576 bytes");
	memset(big, '[', CONFIG_MAX_BYTES);
	assert_int_equal(config_read(&f->c, "a.yaml", big, CONFIG_MAX_BYTES, &f->why), -EINVAL);
	memset(big, '{', CONFIG_MAX_BYTES);
	assert_int_equal(config_read(&f->c, "a.yaml", big, CONFIG_MAX_BYTES, &f->why), -EINVAL);
	memset(big, 'k', CONFIG_MAX_BYTES); // a key of 64 KiB
	big[65536] = ':';
	big[65537] = '\0';
	assert_true(config_read(&f->c, "a.yaml", big, 65537, &f->why) < 0);
	free(big);
}

static void an_empty_section_and_null_keep_the_defaults(void **state)
{
	struct fixture *f = *state;
	read_ok(f, "imds:\nworkers: null\nsend: ~\n# nothing\n");
	read_ok(f, "");
	read_ok(f, "# only a comment\n");
	assert_int_equal(f->v.workers, 4);
	assert_int_equal(f->v.interval_ms, 2000);
}

static int run_args(struct fixture *f, struct buf *out, char **argv)
{
	int argc = 0;
	while (argv[argc])
		argc++;
	return config_args(&f->c, argc, argv, out, &f->why);
}

static void options_win_over_files_whatever_their_order(void **state)
{
	struct fixture *f = *state;
	char path[] = "/tmp/petrel-config-XXXXXX";
	int fd = mkstemp(path);
	assert_true(write(fd, "workers: 9\ncluster: file\n", 25) == 25);
	close(fd);
	autobuf out;
	buf_init(&out, 65536);
	assert_int_equal(run_args(f, &out,
				 (char *[]){"x", "--set", "workers=3", "--config", path,
					 "--log-format=text", "--insecure", NULL}),
		CONFIG_RUN);
	assert_int_equal(f->v.workers, 3);
	assert_string_equal(f->v.cluster, "file");
	assert_true(f->v.insecure);
	assert_int_equal(f->v.format, 1);
	assert_int_equal(
		run_args(f, &out, (char *[]){"x", "--config", path, "--check-config", NULL}),
		CONFIG_EXIT);
	assert_non_null(strstr(out.data, "cluster: \"file\" # line 2 of the file\n"));
	unlink(path);
	assert_int_equal(run_args(f, &out, (char *[]){"x", "--config", path, NULL}), -ENOENT);
}

static void a_bad_command_line_says_so(void **state)
{
	struct fixture *f = *state;
	autobuf out;
	buf_init(&out, 65536);
	assert_int_equal(run_args(f, &out, (char *[]){"x", "--nope", NULL}), -EINVAL);
	assert_string_equal(f->why.text, "unknown option --nope; --help lists them");
	assert_int_equal(run_args(f, &out, (char *[]){"x", "start", NULL}), -EINVAL);
	assert_int_equal(run_args(f, &out, (char *[]){"x", "--set", NULL}), -EINVAL);
	assert_string_equal(f->why.text, "--set needs a value");
	assert_int_equal(run_args(f, &out, (char *[]){"x", "--set", "workers", NULL}), -EINVAL);
	assert_string_equal(f->why.text, "--set workers: must be key=value");
	assert_int_equal(run_args(f, &out, (char *[]){"x", "--nope", "--help", NULL}), -EINVAL);
	assert_int_equal(run_args(f, &out, (char *[]){"x", "--help", "--nope", NULL}), CONFIG_EXIT);
	assert_non_null(strstr(out.data, "imds.interval (duration, 500ms to 1m, default 2s)"));
}

static void the_printed_configuration_reads_back_and_hides_secrets(void **state)
{
	struct fixture *f = *state;
	read_ok(f, "cluster: \"a\\\"b\\n\"\nimds.token: hunter2\nsend.aggregators: [\"x,y\"]\n");
	autobuf out;
	buf_init(&out, 65536);
	config_print(&f->c, &out);
	assert_null(strstr(out.data, "hunter2"));
	struct fixture g = {0};
	assert_int_equal(config_init(&g.c, &table, &g.v), 0);
	assert_int_equal(config_read(&g.c, "b.yaml", out.data, out.len, &g.why), 0);
	assert_string_equal(g.v.cluster, "a\"b\n");
	assert_string_equal(g.v.aggregators.items[0], "x,y");
	assert_int_equal(g.v.spool_bytes, 8 << 20);
	config_done(&g.c);
}

static void the_schema_is_json_with_every_key(void **state)
{
	autobuf out;
	buf_init(&out, 65536);
	config_schema(&table, &out);
	cJSON *root = cJSON_Parse(out.data);
	assert_non_null(root);
	const cJSON *send = cJSON_GetObjectItemCaseSensitive(
		cJSON_GetObjectItemCaseSensitive(root, "properties"), "send");
	const cJSON *below = cJSON_GetObjectItemCaseSensitive(send, "properties");
	assert_int_equal(cJSON_GetArraySize(below), 3);
	const cJSON *spool = cJSON_GetObjectItemCaseSensitive(below, "spool");
	assert_non_null(cJSON_GetObjectItemCaseSensitive(
		cJSON_GetObjectItemCaseSensitive(spool, "properties"), "size"));
	cJSON_Delete(root);
	buf_reset(&out);
	config_reference(&table, &out);
	assert_non_null(strstr(out.data, "| `log.format` | json/text | json |"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(the_table_gives_the_defaults),
		T(nested_and_dotted_keys_are_the_same),
		T(values_are_read_in_their_units),
		T(an_unknown_key_names_file_line_and_the_nearest_known_key),
		T(a_key_given_twice_is_an_error_that_names_both_lines),
		T(values_out_of_range_or_shape_say_what_is_wanted),
		T(hostile_yaml_is_a_clear_error),
		T(huge_and_deep_files_are_refused),
		T(an_empty_section_and_null_keep_the_defaults),
		T(options_win_over_files_whatever_their_order),
		T(a_bad_command_line_says_so),
		T(the_printed_configuration_reads_back_and_hides_secrets),
		T(the_schema_is_json_with_every_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
