// SPDX-License-Identifier: Apache-2.0
#include "aggregator/cli/options.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aggregator/cli/verb.h"
#include "proto/base/text.h"

static const struct option_info infos[OPTION_COUNT] = {
	[OPTION_SERVER] = {"server", 's', "URL", NULL,
		"the aggregator (default $PETREL_SERVER, else http://127.0.0.1:7480)"},
	[OPTION_OUTPUT] = {"output", 'o', "FORMAT", "table wide json yaml",
		"table, wide, json or yaml"},
	[OPTION_CLUSTER] = {"cluster", 'c', "NAME", NULL, "only this cluster"},
	[OPTION_GROUP] = {"group", 'g', "NAME", NULL, "only this node group"},
	[OPTION_NODE] = {"node", 0, "NAME", NULL, "only this node"},
	[OPTION_KIND] = {"kind", 'k', "KIND", "group workload",
		"what the name is of: group (default) or workload"},
	[OPTION_HORIZON] = {"horizon", 0, "HORIZON", "hour day month",
		"how far to look: hour (default), day or month"},
	[OPTION_SORT] = {"sort", 0, "KEY", "cpu demand mem runq io name",
		"cpu (default), demand, mem, runq, io or name"},
	[OPTION_LIMIT] = {"limit", 'l', "N", NULL, "at most N"},
	[OPTION_ITERATIONS] = {"iterations", 'n', "N", NULL,
		"refresh N times, then end (default: until q on a terminal, else once)"},
	[OPTION_DELAY] = {"delay", 'd', "SECONDS", NULL, "between refreshes (default 2)"},
	[OPTION_WATCH] = {"watch", 'w', NULL, NULL, "refresh until interrupted"},
	[OPTION_IN] = {"in", 0, "TIME", NULL,
		"how long until it happens: 90s, 2m (the default), 1h"},
	[OPTION_DEADLINE] = {"deadline", 0, "TIME", NULL, "how long it may take: 90s, 10m, 1h"},
	[OPTION_DRY_RUN] = {"dry-run", 0, NULL, NULL, "only say what would be done"},
	[OPTION_EVENT] = {"event", 'e', "EVENT",
		"SPOT_ITN REBALANCE_RECOMMENDATION SCHEDULED_EVENT ASG_LIFECYCLE STATE_CHANGE "
		"HEALTH",
		"what happens: SPOT_ITN (default), REBALANCE_RECOMMENDATION, …"},
	[OPTION_CERT] = {"cert", 0, "FILE", NULL,
		"a certificate whose end is checked; may be given more than once"},
	[OPTION_KEY] = {"key", 0, "FILE", NULL, "public key of the audit file's signatures (PEM)"},
	[OPTION_TIMEOUT] = {"timeout", 0, "SECONDS", NULL, "give up after this time (default 10)"},
	[OPTION_CA] = {"ca", 0, "FILE", NULL, "CA of an https:// server (PEM)"},
	[OPTION_EXPLAIN] = {"explain", 0, NULL, NULL,
		"what was found in the history: seasons, trend, outliers, steps"},
	[OPTION_NO_COLOR] = {"no-color", 0, NULL, NULL,
		"no colours (also: NO_COLOR, or no terminal)"},
	[OPTION_HELP] = {"help", 'h', NULL, NULL, "this text"},
};

const struct option_info *option_info(enum verb_option o)
{
	return &infos[o];
}

int usage_error(const struct verb *v, const char *format, ...)
{
	va_list args;
	fprintf(stderr, "petrel %s: ", v->name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, " ('petrel %s --help' shows examples)\n", v->name);
	return EXIT_USAGE;
}

// Index of word in a list of words separated by blanks, -1 if it is not there.
static int choice(const char *choices, const char *word)
{
	size_t len = strlen(word);
	for (int i = 0; *choices; i++) {
		size_t n = strcspn(choices, " ");
		if (n == len && strncmp(choices, word, n) == 0)
			return i;
		choices += n;
		choices += strspn(choices, " ");
	}
	return -1;
}

struct parse {
	struct options *o;
	const struct verb *verb;
};

static int bad_value(const struct parse *p, enum verb_option o, const char *value)
{
	const struct option_info *i = &infos[o];
	if (i->choices)
		return usage_error(
			p->verb, "--%s %s: one of '%s' is needed", i->name, value, i->choices);
	return usage_error(p->verb, "--%s %s: not a usable %s", i->name, value, i->argument);
}

static int take_count(const struct parse *p, enum verb_option o, const char *value, uint64_t *ret)
{
	if (text_to_u64(value, ret) < 0 || *ret == 0)
		return bad_value(p, o, value);
	return 0;
}

static int take_seconds(const struct parse *p, enum verb_option o, const char *value, double *ret)
{
	if (text_to_double(value, ret) < 0 || *ret < 0.05 || *ret > 86400)
		return bad_value(p, o, value);
	return 0;
}

// "90s", "2m", "1h", "90": seconds.
static int take_duration(const struct parse *p, enum verb_option o, const char *value, double *ret)
{
	static const struct {
		char unit;
		double seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}};
	char number[32];
	size_t len = strlen(value);
	double by = 1;
	for (size_t i = 0; len && i < 3; i++)
		if (value[len - 1] == units[i].unit) {
			by = units[i].seconds;
			len--;
			break;
		}
	snprintf(number, sizeof(number), "%.*s", (int)len, value);
	if (text_to_double(number, ret) < 0 || *ret * by < 1 || *ret * by > 30 * 86400.0)
		return bad_value(p, o, value);
	*ret *= by;
	return 0;
}

static int take_cert(const struct parse *p, const char *value)
{
	if (p->o->n_certs == OPTIONS_MAX_CERTS)
		return usage_error(p->verb, "more than %d --cert", OPTIONS_MAX_CERTS);
	p->o->certs[p->o->n_certs++] = value;
	return 0;
}

static int take_text(const struct parse *p, enum verb_option o, const char *value)
{
	struct options *r = p->o;
	const char **place[OPTION_COUNT] = {
		[OPTION_SERVER] = &r->server,
		[OPTION_CLUSTER] = &r->cluster,
		[OPTION_GROUP] = &r->group,
		[OPTION_NODE] = &r->node,
		[OPTION_KIND] = &r->kind,
		[OPTION_HORIZON] = &r->horizon,
		[OPTION_SORT] = &r->sort,
		[OPTION_CA] = &r->ca,
		[OPTION_KEY] = &r->key,
		[OPTION_EVENT] = &r->event,
	};
	if (!value[0])
		return bad_value(p, o, "''");
	*place[o] = value;
	return 0;
}

static int take(const struct parse *p, enum verb_option o, const char *value)
{
	int index = infos[o].choices ? choice(infos[o].choices, value) : 0;
	if (index < 0)
		return bad_value(p, o, value);
	switch (o) {
	case OPTION_OUTPUT:
		p->o->yaml = index == OUTPUT_YAML;
		p->o->output = p->o->yaml ? OUTPUT_JSON : (enum output)index;
		return 0;
	case OPTION_LIMIT: return take_count(p, o, value, &p->o->limit);
	case OPTION_ITERATIONS: return take_count(p, o, value, &p->o->iterations);
	case OPTION_DELAY: return take_seconds(p, o, value, &p->o->delay_s);
	case OPTION_TIMEOUT: return take_seconds(p, o, value, &p->o->timeout_s);
	case OPTION_IN:
	case OPTION_DEADLINE: return take_duration(p, o, value, &p->o->in_s);
	case OPTION_WATCH: p->o->watch = true; return 0;
	case OPTION_DRY_RUN: p->o->dry_run = true; return 0;
	case OPTION_CERT: return take_cert(p, value);
	case OPTION_NO_COLOR: p->o->color = false; return 0;
	case OPTION_EXPLAIN: p->o->explain = true; return 0;
	case OPTION_HELP: verb_print_help(p->verb); return EXIT_OK + 1;
	default: return take_text(p, o, value);
	}
}

static int unknown_option(const struct verb *v, const char *text)
{
	const char *nearest = NULL;
	unsigned least = 4;
	char name[64];
	text += strspn(text, "-");
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(text, "="), text);
	for (int o = 0; o < OPTION_COUNT; o++) {
		unsigned d = text_distance(infos[o].name, name);
		if ((v->options >> o & 1) && d < least) {
			least = d;
			nearest = infos[o].name;
		}
	}
	if (nearest)
		return usage_error(v, "unknown option '%s'; did you mean --%s?", text, nearest);
	return usage_error(v, "unknown option '%s'", text);
}

// The verb's options as getopt_long() wants them; letters must hold 2 * OPTION_COUNT + 2.
static void getopt_tables(const struct verb *v, struct option *longs, char *letters)
{
	size_t n = 0, at = 0;
	letters[at++] = ':';
	for (int o = 0; o < OPTION_COUNT; o++) {
		if (!(v->options >> o & 1))
			continue;
		longs[n++] =
			(struct option){infos[o].name, infos[o].argument ? 1 : 0, NULL, 256 + o};
		if (infos[o].letter) {
			letters[at++] = infos[o].letter;
			if (infos[o].argument)
				letters[at++] = ':';
		}
	}
	longs[n] = (struct option){0};
	letters[at] = '\0';
}

static int option_of(int found)
{
	if (found >= 256)
		return found - 256;
	for (int o = 0; o < OPTION_COUNT; o++)
		if (infos[o].letter == found)
			return o;
	return -1;
}

static bool may_color(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
	return isatty(STDOUT_FILENO) && !(no && no[0]) && !(term && strcmp(term, "dumb") == 0);
}

static int take_server(struct options *o, const struct verb *v)
{
	if (!o->server)
		o->server = getenv("PETREL_SERVER");
	if (!o->server || !o->server[0])
		o->server = "http://127.0.0.1:7480";
	bool http = strncmp(o->server, "http://", 7) == 0 || strncmp(o->server, "https://", 8) == 0;
	if (!text_copy(o->server_text, sizeof(o->server_text), o->server) || !http)
		return usage_error(v,
			"server '%.80s': a URL such as http://127.0.0.1:7480 is needed", o->server);
	size_t len = strlen(o->server_text);
	while (len && o->server_text[len - 1] == '/')
		o->server_text[--len] = '\0';
	o->server = o->server_text;
	return 0;
}

int options_parse(int argc, char **argv, const struct verb *v, int max_rest, struct options *ret)
{
	struct option longs[OPTION_COUNT + 1];
	char letters[2 * OPTION_COUNT + 2];
	*ret = (struct options){.verb = v, .delay_s = 2, .timeout_s = 10, .color = may_color()};
	const struct parse p = {ret, v};
	getopt_tables(v, longs, letters);
	opterr = 0;
	optind = 1;
	for (int found; (found = getopt_long(argc, argv, letters, longs, NULL)) != -1;) {
		if (found == '?')
			return unknown_option(v, argv[optind - 1]) + 1;
		if (found == ':')
			return usage_error(v, "%s needs a value", argv[optind - 1]) + 1;
		int code = take(&p, (enum verb_option)option_of(found), optarg);
		if (code)
			return code == EXIT_OK + 1 ? code : code + 1;
	}
	ret->rest = argv + optind;
	ret->n_rest = argc - optind;
	if (ret->n_rest > max_rest)
		return usage_error(v, "unexpected argument '%s'", ret->rest[max_rest]) + 1;
	int code = v->options & OPTION(SERVER) ? take_server(ret, v) : 0;
	return code ? code + 1 : 0;
}
