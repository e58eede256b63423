// SPDX-License-Identifier: Apache-2.0
// Any bytes as the target of a request: taken apart as the server does, then answered by the API
// over a small fleet. Whatever comes in, the answer has a status that is documented, JSON is
// well-formed, and nothing from outside stands in it unescaped.
#include "aggregator/show/api.h"
#include "proto/base/text.h"
#include "proto/loop/http_uri.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

static const int64_t now = INT64_C(1700000000000);
static struct show_core core;
static struct show_status status;

static int64_t wall_ms(void)
{
	return now;
}

static uint64_t mono_ns(void)
{
	return 1;
}

static void add_node(struct fleet *f, struct store *s)
{
	struct sample *sample;
	struct store_entity *e;
	assert(sample_new(&sample, 1) == 0);
	text_copy(sample->cluster, sizeof(sample->cluster), "east");
	text_copy(sample->node, sizeof(sample->node), "n1");
	text_copy(sample->group, sizeof(sample->group), "g");
	scope_set(&sample->node_scope, METRIC_CPU_CAPACITY, 4000);
	scope_set(&sample->node_scope, METRIC_CPU_USAGE, 1000000000);
	assert(fleet_on_sample(f, sample, now) == 0);
	assert(store_entity(s, "east", ENTITY_NODE, "n1", &e) == 0);
	store_put(s, e, now, 1000, &sample->node_scope);
	sample_free(sample);
}

static void add_plan(void)
{
	struct plan *p = calloc(1, sizeof(*p));
	assert(p);
	text_copy(p->id, sizeof(p->id), "00000000000000000000000000000001");
	text_copy(p->cluster, sizeof(p->cluster), "east");
	p->n_steps = 1;
	text_copy(p->steps[0].group, sizeof(p->steps[0].group), "g");
	assert(core_add_plan(&core, p) == 0);
	free(p);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const struct fleet_options fo = {4, 4, 16, 16, 15000};
	const struct store_options so = {.max_entities = 16, .live_seconds = 60};
	const struct show_options o = {.version = "1", .wall_ms = wall_ms, .mono_ns = mono_ns};
	struct show_sources s = {.status = &status};
	assert(fleet_new(&s.fleet, &fo) == 0);
	assert(store_new(&s.store, &so, NULL) == 0);
	store_tick(s.store, now);
	assert(core_init(&core, &o, &s) == 0);
	add_node(s.fleet, s.store);
	add_plan();
	return 0;
}

static void check(const struct api_answer *a)
{
	static const int known[] = {200, 304, 400, 403, 404, 405, 503};
	bool found = false;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		found = found || a->status == known[i];
	assert(found);
	if (a->kind != API_BODY || strncmp(a->type, "application/json", 16) != 0)
		return;
	cJSON *json = cJSON_ParseWithLength(a->body.data, a->body.len);
	assert(json);
	cJSON_Delete(json);
	if (a->status != 200) // openapi.json itself has line ends
		for (size_t i = 0; i < a->body.len; i++)
			assert((unsigned char)a->body.data[i] >= 0x20 && a->body.data[i] != '<');
	assert(text_is_utf8(a->body.data, a->body.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *target = malloc(size + 1);
	assert(target);
	memcpy(target, data, size);
	target[size] = '\0';
	struct http_uri uri = {0};
	if (http_uri_parse(&uri, target) == 0) {
		struct api_request q = {.method = "GET", .path = uri.path};
		struct api_answer a;
		for (q.n_pairs = 0; q.n_pairs < uri.n_args && q.n_pairs < API_MAX_ARGUMENTS;
			q.n_pairs++)
			q.pairs[q.n_pairs] = (struct api_pair){
				uri.args[q.n_pairs].key, uri.args[q.n_pairs].value};
		q.n_pairs = uri.n_args;
		api_answer(&core, &q, &a);
		check(&a);
		api_answer_done(&a);
	}
	http_uri_done(&uri);
	free(target);
	return 0;
}
