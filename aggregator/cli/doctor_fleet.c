// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/cli/client.h"
#include "aggregator/cli/doctor.h"
#include "aggregator/cli/verb.h"
#include "proto/base/text.h"

enum { CLOCK_SLACK_MS = 2000, NAMED = 5, EXPLAINED_NODES = 3 };

void doctor_agent(struct findings *f, const struct options *o, const char *url)
{
	struct options here = *o;
	struct answer a;
	here.server = url;
	here.timeout_s = 2;
	if (client_try(&here, "/readyz", &a) != EXIT_OK)
		finding_add(f, FINDING_INFO, "agent",
			"no agent runs on this machine (%s is silent)", url);
	else if (a.status == 200)
		finding_add(f, FINDING_OK, "agent", "an agent runs here and is ready");
	else
		finding_add(f, FINDING_WARN, "agent", "an agent runs here but is not ready: %.150s",
			a.body.data ? a.body.data : "");
	answer_done(&a);
}

static void check_version(struct findings *f, const struct options *o, const struct answer *a)
{
	const char *version = get_text(a->json, "version", "?");
	if (strcmp(version, PETREL_VERSION) == 0)
		finding_add(f, FINDING_OK, "server", "%s answers in %.0f ms, version %.40s",
			o->server, a->took_ms, version);
	else
		finding_add(f, FINDING_INFO, "server",
			"%s answers in %.0f ms, version %.40s; this petrel is " PETREL_VERSION,
			o->server, a->took_ms, version);
}

static void check_our_clock(struct findings *f, const struct answer *a)
{
	double theirs = get_number(a->json, "now_ms", NAN), off = theirs - (double)a->wall_ms;
	if (isnan(theirs))
		return;
	if (fabs(off) > CLOCK_SLACK_MS + a->took_ms)
		finding_advice(finding_add(f, FINDING_WARN, "clock",
				       "the aggregator's clock is %+.1f s from this machine's",
				       off / 1000),
			"one of the two is wrong: compare both with NTP");
	else
		finding_add(f, FINDING_OK, "clock",
			"the aggregator's clock agrees with this machine's "
			"(%+.0f ms)",
			off);
}

static void check_ready(struct findings *f, const struct options *o)
{
	struct answer a;
	if (client_try(o, "/readyz", &a) == EXIT_OK && a.status == 200)
		finding_add(f, FINDING_OK, "ready", "the aggregator says it can do its job");
	else
		finding_add(f, FINDING_FAIL, "ready", "the aggregator is not ready: %.200s",
			a.body.data ? a.body.data : a.error);
	answer_done(&a);
}

static void check_agents(struct findings *f, const cJSON *s)
{
	double expected = get_number(get(s, "agents"), "expected", 0);
	double reporting = get_number(get(s, "agents"), "reporting", 0);
	if (expected == 0)
		finding_advice(finding_add(f, FINDING_WARN, "agents", "no agent has reported yet"),
			"start petrel-agent; its log says LANE_UP once it is connected");
	else if (reporting * 10 < expected * 9)
		finding_advice(finding_add(f, FINDING_WARN, "agents",
				       "%.0f of %.0f agents report: below 90 %% nothing is scaled "
				       "in, below 80 %% forecasts are not used",
				       reporting, expected),
			"'petrel nodes' shows which are silent");
	else
		finding_add(f, FINDING_OK, "agents", "%.0f of %.0f report", reporting, expected);
}

// What the aggregator hangs on outside: it says itself what works.
static void check_links(struct findings *f, const cJSON *s)
{
	const cJSON *l;
	cJSON_ArrayForEach (l, get(s, "links")) {
		const char *state = get_text(l, "state", "?"),
			   *cluster = get_text(l, "cluster", "");
		const char *advice = get_text(l, "advice", "");
		enum finding_state as = strcmp(state, "ok") == 0     ? FINDING_OK
					: strcmp(state, "off") == 0  ? FINDING_INFO
					: strcmp(state, "warn") == 0 ? FINDING_WARN
								     : FINDING_FAIL;
		struct finding *one = finding_add(f, as, get_text(l, "name", "?"), "%.64s%s%.190s",
			cluster, cluster[0] ? ": " : "", get_text(l, "text", "?"));
		if (advice[0])
			finding_advice(one, "%.190s", advice);
	}
}

// Installed, everything green, and nothing ever happens: the default.
static void check_mode(struct findings *f, const cJSON *s)
{
	const char *mode = get_text(s, "mode", "?");
	if (strcmp(mode, "act") != 0)
		finding_advice(
			finding_add(f, FINDING_INFO, "mode",
				"mode is %.16s: everything is computed and shown, nothing is "
				"done to a real cluster",
				mode),
			"set mode: act in the aggregator's configuration when it shall drain");
	if (get_bool(s, "paused", false))
		finding_advice(finding_add(f, FINDING_WARN, "paused", "Petrel is paused"),
			"'petrel resume' when the incident is over");
}

static void check_status(struct findings *f, const cJSON *s)
{
	check_mode(f, s);
	const cJSON *store = get(s, "store");
	check_agents(f, s);
	check_links(f, s);
	if (!get_bool(store, "storing", false))
		finding_advice(
			finding_add(f, FINDING_FAIL, "store", "history is not stored: %.150s",
				get_text(store, "error", "no reason given")),
			"free some space; storing resumes by itself");
	else if (get_number(store, "dropped_bins", 0) > 0)
		finding_add(f, FINDING_WARN, "store", "storing, but %.0f bins were lost earlier",
			get_number(store, "dropped_bins", 0));
	else
		finding_add(f, FINDING_OK, "store", "history is stored");
	if (!get_bool(s, "safe_to_scale", false))
		finding_add(f, FINDING_INFO, "guards", "guard '%.32s' refuses to scale now",
			get_text(s, "guard", "?"));
}

// A list of names that stays short: "a, b, c and 12 more".
struct names {
	char text[200];
	size_t n;
};

static void name_add(struct names *l, const char *name)
{
	size_t len = strlen(l->text);
	if (l->n++ < NAMED)
		snprintf(l->text + len, sizeof(l->text) - len, "%s%.60s", len ? ", " : "", name);
}

static const char *names_text(struct names *l)
{
	size_t len = strlen(l->text);
	if (l->n > NAMED)
		snprintf(l->text + len, sizeof(l->text) - len, " and %zu more", l->n - NAMED);
	return l->text;
}

struct seen {
	struct names silent, clocks, versions, degraded;
	const cJSON *explain[EXPLAINED_NODES];
	size_t n_explain, nodes;
};

static void look_at_node(struct seen *k, const cJSON *n, const char *version)
{
	const char *name = get_text(n, "node", "?"), *state = get_text(n, "state", "?");
	k->nodes++;
	if (strcmp(state, "silent") == 0)
		name_add(&k->silent, name);
	if (fabs(get_number(n, "clock_offset_ms", 0)) > CLOCK_SLACK_MS)
		name_add(&k->clocks, name);
	if (!get_bool(n, "simulated", false) &&
		strcmp(get_text(n, "version", version), version) != 0)
		name_add(&k->versions, name);
	if (cJSON_GetArraySize(get(n, "hooks_degraded")) > 0) {
		name_add(&k->degraded, name);
		if (k->n_explain < EXPLAINED_NODES)
			k->explain[k->n_explain++] = n;
	}
}

static void explain_hooks(struct findings *f, const struct options *o, const cJSON *n)
{
	autobuf path;
	struct answer a;
	const cJSON *h;
	buf_init(&path, 2048);
	buf_text(&path, "/api/v1/nodes");
	client_segment(&path, get_text(n, "cluster", "?"));
	client_segment(&path, get_text(n, "node", "?"));
	if (buf_failed(&path) || client_try(o, path.data, &a) != EXIT_OK)
		return;
	cJSON_ArrayForEach (h, get(a.json, "hooks")) {
		const char *state = get_text(h, "state", "?");
		if (strcmp(state, "refused") != 0 && strcmp(state, "fallback") != 0)
			continue;
		finding_add(f, FINDING_WARN, "hook", "%.60s: %.32s is %s%s%.16s%s: %.100s",
			get_text(n, "node", "?"), get_text(h, "name", "?"), state,
			get(h, "error") ? " (" : "", get_text(h, "error", ""),
			get(h, "error") ? ")" : "", get_text(h, "detail", "no detail given"));
	}
	answer_done(&a);
}

static void conclude(struct findings *f, const struct options *o, struct seen *k)
{
	if (k->silent.n)
		finding_advice(finding_add(f, FINDING_WARN, "silent",
				       "nodes without a fresh sample: %s", names_text(&k->silent)),
			"is petrel-agent running there, and may it reach ports 7450 and 7451?");
	if (k->clocks.n)
		finding_advice(finding_add(f, FINDING_WARN, "clocks",
				       "clocks off by more than 2 s: %s; their samples are placed "
				       "on the aggregator's clock",
				       names_text(&k->clocks)),
			"check NTP on those nodes");
	else if (k->nodes)
		finding_add(f, FINDING_OK, "clocks", "the agents' clocks agree within 2 s");
	if (k->versions.n)
		finding_add(f, FINDING_INFO, "versions",
			"agents of another version than the aggregator: %s",
			names_text(&k->versions));
	if (k->degraded.n)
		finding_add(f, FINDING_WARN, "hooks", "signal sources are missing on: %s",
			names_text(&k->degraded));
	else if (k->nodes)
		finding_add(f, FINDING_OK, "hooks", "every signal source of every agent works");
	for (size_t i = 0; i < k->n_explain; i++)
		explain_hooks(f, o, k->explain[i]);
}

static void check_nodes(struct findings *f, const struct options *o, const char *version)
{
	struct answer a;
	struct seen k = {0};
	const cJSON *n;
	if (client_try(o, "/api/v1/nodes", &a) == EXIT_OK && a.status == 200) {
		cJSON_ArrayForEach (n, get_items(a.json))
			look_at_node(&k, n, version);
		conclude(f, o, &k);
	}
	answer_done(&a);
}

void doctor_fleet(struct findings *f, const struct options *o)
{
	struct answer a;
	int code = client_try(o, "/api/v1/status", &a);
	if (code != EXIT_OK || a.status != 200 || !cJSON_IsObject(a.json)) {
		struct finding *one = finding_add(f, FINDING_FAIL, "server",
			code == EXIT_OK ? "%s answers, but not as Petrel's API%.0s"
					: "no answer from %s: %.150s",
			o->server, a.error);
		finding_advice(one, "is petrel-aggregator running? --server or PETREL_SERVER names "
				    "another one");
		answer_done(&a);
		return;
	}
	check_version(f, o, &a);
	check_our_clock(f, &a);
	check_ready(f, o);
	check_status(f, a.json);
	check_nodes(f, o, get_text(a.json, "version", "?"));
	answer_done(&a);
}
