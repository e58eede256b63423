// SPDX-License-Identifier: Apache-2.0
#include "aggregator/cli/verb.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "aggregator/cli/verbs.h"
#include "proto/base/text.h"

const struct verb verbs[] = {
	{"status", "is it safe, is it acting, can the data be believed", status_verb,
		OPTIONS_SERVER | OPTION(CLUSTER), "",
		"  petrel status\n"
		"  petrel status -o json | jq .agents.reporting\n"},
	{"top", "nodes by pressure, live", top_verb,
		OPTIONS_SERVER | OPTION(CLUSTER) | OPTION(GROUP) | OPTION(SORT) | OPTION(LIMIT) |
			OPTION(ITERATIONS) | OPTION(DELAY),
		"",
		"  petrel top\n"
		"  petrel top --sort runq --limit 10 -n 1     once, for a script or a ticket\n"},
	{"nodes", "nodes with their newest figures", nodes_verb,
		OPTIONS_SERVER | OPTION(CLUSTER) | OPTION(GROUP), "",
		"  petrel nodes\n"
		"  petrel nodes --group web -o wide\n"},
	{"groups", "node groups with demand, forecast and recommendation", groups_verb,
		OPTIONS_SERVER | OPTION(CLUSTER), "",
		"  petrel groups\n"
		"  petrel groups -o wide\n"},
	{"pods", "pods (or systemd units), the busiest first", pods_verb,
		OPTIONS_SERVER | OPTION(CLUSTER) | OPTION(NODE) | OPTION(LIMIT), "",
		"  petrel pods --limit 20\n"
		"  petrel pods --node ip-10-0-3-7 -o wide\n"},
	{"forecast", "what is expected, with its band and its honesty", forecast_any_verb,
		OPTIONS_SERVER | OPTION(CLUSTER) | OPTION(KIND) | OPTION(HORIZON) | OPTION(EXPLAIN),
		"[GROUP]",
		"  petrel forecast                            every group, at a glance\n"
		"  petrel forecast web --horizon day\n"
		"  petrel forecast prod/web -o wide           all nine quantiles\n"
		"  petrel forecast web --explain              what was found in its history\n"
		"  petrel forecast --input load.csv --step 300 --horizon 12\n"
		"                                             of a file, without a server "
		"(--input FILE --help)\n"},
	{"backtest", "how good forecasts of a file would have been, beside naive ones",
		backtest_verb, OPTION(OUTPUT) | OPTION(HELP), "",
		"  petrel backtest --input load.csv --step 3600 --horizon 24 --origins 10\n"
		"  petrel backtest --input load.csv --horizon 24 --html report.html\n"},
	{"decisions", "what Petrel would do, and why", decisions_verb,
		OPTIONS_SERVER | OPTION(CLUSTER) | OPTION(GROUP) | OPTION(LIMIT), "",
		"  petrel decisions\n"
		"  petrel decisions --group web -o wide\n"},
	{"plans", "the plans that the decisions belong to", plans_verb,
		OPTIONS_SERVER | OPTION(CLUSTER) | OPTION(LIMIT), "", "  petrel plans --limit 5\n"},
	{"drains", "nodes that are emptied: time left, pods left, what blocks, the replacement",
		drains_verb,
		OPTIONS_SERVER | OPTION(CLUSTER) | OPTION(NODE) | OPTION(LIMIT) | OPTION(WATCH) |
			OPTION(ITERATIONS) | OPTION(DELAY),
		"",
		"  petrel drains\n"
		"  petrel drains --watch\n"
		"  petrel drains -o wide\n"},
	{"drain", "empty a node, replacement first, as an interruption would be handled",
		drain_verb, OPTIONS_SERVER | OPTION(CLUSTER) | OPTION(DEADLINE) | OPTION(DRY_RUN),
		"NODE",
		"  petrel drain ip-10-0-3-7 --dry-run         what would be done, and when\n"
		"  petrel drain ip-10-0-3-7 --deadline 10m\n"},
	{"notice", "let something happen to a node of a simulated cluster", notice_verb,
		OPTIONS_SERVER | OPTION(CLUSTER) | OPTION(IN) | OPTION(EVENT), "NODE",
		"  petrel notice demo-spot-3\n"
		"  petrel notice demo-spot-3 --in 30s\n"},
	{"explain", "one plan, one drain, or the newest decision about a group, in full",
		explain_verb, OPTIONS_SERVER | OPTION(CLUSTER), "PLAN-DRAIN-OR-GROUP",
		"  petrel explain web\n"
		"  petrel explain 3f9ac2                      the beginning of a plan's id\n"},
	{"audit", "the newest lines of the audit file, or a proof that files are whole", audit_verb,
		OPTIONS_SERVER | OPTION(LIMIT) | OPTION(KEY), "[verify FILE...]",
		"  petrel audit --limit 20\n"
		"  petrel audit -o wide                       with the chain's hashes\n"
		"  petrel audit verify audit.jsonl --key audit.key.pub\n"
		"                                             finds any edit, cut or swap, without "
		"a "
		"server\n"},
	{"doctor", "what is missing here and there, in plain words", doctor_verb,
		OPTIONS_SERVER | OPTION(CERT), "",
		"  petrel doctor\n"
		"  petrel doctor --cert /etc/petrel/agent.pem --cert /etc/petrel/ca.pem\n"},
	{"completion", "completions for bash, zsh or fish", completion_verb, OPTION(HELP),
		"bash|zsh|fish",
		"  source <(petrel completion bash)\n"
		"  petrel completion fish > ~/.config/fish/completions/petrel.fish\n"},
	{NULL, NULL, NULL, 0, NULL, NULL},
};

const struct verb *verb_find(const char *name)
{
	for (const struct verb *v = verbs; v->name; v++)
		if (strcmp(v->name, name) == 0)
			return v;
	return NULL;
}

const struct verb *verb_nearest(const char *name)
{
	const struct verb *best = NULL;
	unsigned least = 3; // more than two slips are another word
	for (const struct verb *v = verbs; v->name; v++) {
		unsigned d = text_distance(name, v->name);
		if (d < least) {
			least = d;
			best = v;
		}
	}
	return best;
}

void verb_print_help(const struct verb *v)
{
	printf("petrel %s: %s\n\nExamples:\n%s\nUsage: petrel %s%s%s [options]\n\nOptions:\n",
		v->name, v->help, v->examples, v->name, v->arguments[0] ? " " : "", v->arguments);
	for (int o = 0; o < OPTION_COUNT; o++) {
		const struct option_info *i = option_info((enum verb_option)o);
		char letter[8] = "   ", name[40];
		if (!(v->options >> o & 1))
			continue;
		if (i->letter)
			snprintf(letter, sizeof(letter), "-%c,", i->letter);
		snprintf(name, sizeof(name), "--%s%s%s", i->name, i->argument ? " " : "",
			i->argument ? i->argument : "");
		printf("  %s %-22s %s\n", letter, name, i->help);
	}
}
