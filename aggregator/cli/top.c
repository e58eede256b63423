// SPDX-License-Identifier: Apache-2.0
// top: the nodes under most pressure, refreshed like top(1) on a terminal, once otherwise.
#include "aggregator/cli/verbs.h"

#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static const struct sort_key {
	char key; // pressed on the terminal
	const char *name, *member;
} sorts[] = {{'c', "cpu", "cpu_permille"}, {'d', "demand", "demand_high_permille"},
	{'m', "mem", "mem_permille"}, {'r', "runq", "runq_p99_ns"}, {'i', "io", "psi_io_permille"},
	{'n', "name", NULL}};

enum { N_SORTS = sizeof(sorts) / sizeof(sorts[0]) };

struct screen {
	const struct options *o;
	const struct sort_key *sort;
	bool live;
	unsigned rows, columns;
	struct termios before;
};

static volatile sig_atomic_t stopped;

static void on_stop(int number)
{
	stopped = 1;
}

struct sorted {
	const cJSON *node;
	double value;
	const char *name;
};

static int by_value(const void *a, const void *b)
{
	const struct sorted *x = a, *y = b;
	if (x->value != y->value)
		return x->value < y->value ? 1 : -1;
	return strcmp(x->name, y->name);
}

// "######    " for a share.
static const char *bar(double permille, char ret[11])
{
	int n = isnan(permille) ? 0 : (int)(permille / 100 + 0.5);
	for (int i = 0; i < 10; i++)
		ret[i] = i < n ? '#' : '.';
	ret[10] = '\0';
	return ret;
}

static void percent(struct table *t, const cJSON *n, const char *key, bool load)
{
	char text[FIGURE_BYTES];
	double v = get_number(n, key, NAN);
	table_cell(t, load ? load_style(v) : STYLE_PLAIN, "%s", figure_percent(v, text));
}

static void add_row(struct table *t, const cJSON *n)
{
	char text[FIGURE_BYTES], line[11];
	double cpu = get_number(n, "cpu_permille", NAN);
	const char *state = get_text(n, "state", "?");
	bool saturated = get_bool(n, "saturated", false);
	table_cell(t, STYLE_PLAIN, "%s", get_text(n, "node", "?"));
	table_cell(t, STYLE_DIM, "%s", get_text(n, "group", "-"));
	table_cell(t, state_style(state), "%s", state);
	table_cell(t, load_style(cpu), "%s", bar(cpu, line));
	percent(t, n, "cpu_permille", true);
	table_cell(t, saturated ? STYLE_BAD : STYLE_PLAIN, "%s%s",
		figure_percent(get_number(n, "demand_high_permille", NAN), text),
		saturated ? "!" : "");
	percent(t, n, "mem_permille", true);
	percent(t, n, "psi_cpu_permille", false);
	percent(t, n, "psi_io_permille", false);
	table_cell(t, STYLE_PLAIN, "%s", figure_duration(get_number(n, "runq_p99_ns", NAN), text));
	table_cell(t, STYLE_PLAIN, "%s", figure_duration(get_number(n, "block_p99_ns", NAN), text));
	table_cell(
		t, STYLE_PLAIN, "%s", figure_count(get_number(n, "retransmits_per_s", NAN), text));
	table_cell(t, STYLE_PLAIN, "%.0f", get_number(n, "pods", 0));
}

static struct sorted *sort_nodes(const struct screen *s, const cJSON *items, size_t *ret_n)
{
	size_t n = 0, most = (size_t)cJSON_GetArraySize(items);
	struct sorted *all = calloc(most + 1, sizeof(*all));
	const cJSON *node;
	cJSON_ArrayForEach (node, items) {
		if (!all)
			break;
		double v = s->sort->member ? get_number(node, s->sort->member, -1) : 0;
		all[n++] = (struct sorted){node, v, get_text(node, "node", "")};
	}
	if (all)
		qsort(all, n, sizeof(*all), by_value);
	*ret_n = n;
	return all;
}

static void print_nodes(const struct screen *s, const cJSON *items, struct buf *out)
{
	static const struct column columns[] = {COLUMN("NODE", .most = 46), COLUMN("GROUP"),
		COLUMN("STATE"), COLUMN("CPU"), COLUMN("", .right = true),
		COLUMN("DEMAND", .right = true), COLUMN("MEM", .right = true),
		COLUMN("PSI-CPU", .right = true), COLUMN("PSI-IO", .right = true),
		COLUMN("RUNQ-P99", .right = true), COLUMN("BLOCK-P99", .right = true),
		COLUMN("RETR/S", .right = true), COLUMN("PODS", .right = true)};
	size_t n;
	struct sorted *all = sort_nodes(s, items, &n);
	size_t room = s->live && s->rows > 9 ? s->rows - 8 : n;
	size_t show = s->o->limit && s->o->limit < n ? s->o->limit : n;
	struct table t;
	if (s->live && show > room)
		show = room;
	table_init(&t, columns, sizeof(columns) / sizeof(columns[0]), true, s->o->color);
	for (size_t i = 0; all && i < show; i++)
		add_row(&t, all[i].node);
	table_print(&t, out);
	if (show < n)
		buf_printf(out, "… %zu more\n", n - show);
	table_done(&t);
	free(all);
}

static int ask(const struct screen *s, const char *path, const char *group, struct answer *ret)
{
	autobuf full;
	buf_init(&full, 2048);
	client_path(&full, path, "cluster", s->o->cluster, "group", group, NULL);
	if (!s->live)
		return client_get(s->o, full.data, ret);
	int code = client_try(s->o, full.data, ret); // a page stands there: no words on stderr
	if (code == EXIT_OK && (ret->status != 200 || !cJSON_IsObject(ret->json)))
		code = EXIT_REFUSED;
	return code;
}

// Instead of a page, where there is no answer: the next refresh may have one.
static int no_page(const struct screen *s, int code, const struct answer *a, struct buf *out)
{
	char text[256];
	if (s->live)
		buf_printf(out, "\033[H%sno answer from %s: %s, retrying%s\033[K\r\n",
			style_on(STYLE_BAD, s->o->color), s->o->server,
			a->error[0] ? printable(a->error, text, sizeof(text)) : "not Petrel's API",
			style_off(s->o->color));
	return s->live ? EXIT_OK : code;
}

// What does not fit a line of the terminal is cut there, so that a page stays a page. Escape
// sequences take no room.
static void fit(const struct screen *s, const struct buf *page, struct buf *out)
{
	unsigned column = 0;
	bool escape = false;
	for (size_t i = 0; i < page->len; i++) {
		unsigned char c = (unsigned char)page->data[i];
		if (c == '\n') {
			buf_text(out, "\033[K\r\n");
			column = 0;
			continue;
		}
		if (c == '\033')
			escape = true;
		if (!escape && (c & 0xc0) != 0x80)
			column++;
		if (escape || column <= s->columns)
			buf_append(out, page->data + i, 1);
		if (escape && c == 'm')
			escape = false;
	}
}

static int make_page(const struct screen *s, struct buf *out)
{
	struct answer status, nodes;
	int code = ask(s, "/api/v1/status", NULL, &status);
	if (code != EXIT_OK)
		return no_page(s, code, &status, out);
	code = ask(s, "/api/v1/nodes", s->o->group, &nodes);
	if (code != EXIT_OK) {
		answer_done(&status);
		return no_page(s, code, &nodes, out);
	}
	autobuf page;
	buf_init(&page, OUTPUT_MAX_BYTES);
	print_status(status.json, s->o->color, &page);
	if (s->live)
		buf_printf(&page, "%ssorted by %s; c d m r i n sort, q ends%s\n",
			style_on(STYLE_DIM, s->o->color), s->sort->name, style_off(s->o->color));
	buf_text(&page, "\n");
	print_nodes(s, get_items(nodes.json), &page);
	if (s->live) {
		buf_text(out, "\033[H");
		fit(s, &page, out);
		buf_text(out, "\033[J");
	} else {
		buf_append(out, page.data, page.len);
	}
	answer_done(&status);
	answer_done(&nodes);
	return EXIT_OK;
}

static void enter(struct screen *s)
{
	struct sigaction a = {.sa_handler = on_stop};
	sigaction(SIGINT, &a, NULL);
	sigaction(SIGTERM, &a, NULL);
	tcgetattr(STDIN_FILENO, &s->before);
	struct termios raw = s->before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	fputs("\033[?1049h\033[?25l\033[2J", stdout);
}

static void leave(const struct screen *s)
{
	fputs("\033[?25h\033[?1049l", stdout);
	fflush(stdout);
	tcsetattr(STDIN_FILENO, TCSANOW, &s->before);
}

static void measure(struct screen *s)
{
	struct winsize w;
	s->rows = 24;
	s->columns = 80;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_row && w.ws_col) {
		s->rows = w.ws_row;
		s->columns = w.ws_col;
	}
}

// Waits for the next refresh, or a key. False: end.
static bool wait_for_key(struct screen *s)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	int n = poll(&in, 1, (int)(s->o->delay_s * 1000));
	if (stopped)
		return false;
	char c;
	if (n <= 0)
		return true;
	if (read(STDIN_FILENO, &c, 1) != 1 || c == 'q' || c == 'Q')
		return false;
	for (int i = 0; i < N_SORTS; i++)
		if (sorts[i].key == c)
			s->sort = &sorts[i];
	return true;
}

static int run_live(struct screen *s)
{
	int code = EXIT_OK;
	enter(s);
	for (uint64_t i = 0; !stopped; i++) {
		autobuf out;
		buf_init(&out, OUTPUT_MAX_BYTES);
		measure(s);
		code = make_page(s, &out);
		if (code == EXIT_OK)
			code = put_out(&out);
		if (s->o->iterations && i + 1 >= s->o->iterations)
			break;
		if (code == EXIT_FAILED || !wait_for_key(s)) {
			code = code == EXIT_FAILED ? code : EXIT_OK;
			break;
		}
	}
	leave(s);
	return code;
}

static int run_plain(struct screen *s)
{
	uint64_t times = s->o->iterations ? s->o->iterations : 1;
	int code = EXIT_OK;
	for (uint64_t i = 0; i < times && code == EXIT_OK; i++) {
		autobuf out;
		buf_init(&out, OUTPUT_MAX_BYTES);
		if (i > 0) {
			usleep((useconds_t)(s->o->delay_s * 1e6));
			buf_text(&out, "\n");
		}
		code = make_page(s, &out);
		if (code == EXIT_OK)
			code = put_out(&out);
	}
	return code;
}

static int put_nodes_json(const struct screen *s)
{
	struct answer a;
	int code = ask(s, "/api/v1/nodes", s->o->group, &a);
	if (code != EXIT_OK)
		return code;
	code = put_json(&a);
	answer_done(&a);
	return code;
}

int top_verb(int argc, char **argv)
{
	struct options o;
	int code = options_parse(argc, argv, verb_find("top"), 0, &o);
	if (code)
		return code - 1;
	struct screen s = {.o = &o, .sort = &sorts[0]};
	for (int i = 0; o.sort && i < N_SORTS; i++)
		if (strcmp(sorts[i].name, o.sort) == 0)
			s.sort = &sorts[i];
	if (o.output == OUTPUT_JSON)
		return put_nodes_json(&s);
	s.live = isatty(STDOUT_FILENO) && isatty(STDIN_FILENO);
	return s.live ? run_live(&s) : run_plain(&s);
}
