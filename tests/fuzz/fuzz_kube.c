// SPDX-License-Identifier: Apache-2.0
// What the API server (or whoever answers in its place) may say, by the first byte: m events to
// the mirror, a an answer, s selector and labels, y a kubeconfig, q a quantity. Whatever was told
// must be told as gone by an empty list.
#include "aggregator/kube/answer.h"
#include "aggregator/kube/kube_yaml.h"
#include "aggregator/kube/mirror.h"
#include "aggregator/kube/quantity.h"
#include "aggregator/kube/selector.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct heard {
	size_t nodes, pods, gone_nodes, gone_pods;
	uint32_t volumes;
};

static void on_node(void *arg, const struct kube_node *n)
{
	struct heard *h = arg;
	assert(n->name[0] && n->uid[0] && strlen(n->drain) <= 8192);
	assert(n->allocatable_millicores >= 0 && n->allocatable_mem_bytes >= 0);
	h->nodes++;
}
static void on_node_gone(void *arg, const char *name)
{
	((struct heard *)arg)->gone_nodes++;
}
static void on_pod(void *arg, const struct kube_pod *p)
{
	struct heard *h = arg;
	assert(p->uid[0] && p->namespace_[0] && p->name[0] && p->workload[0]);
	assert(p->request_millicores >= 0 && p->request_mem_bytes >= 0);
	selector_match("= a b\n", p->labels);
	h->pods++;
}
static void on_pod_gone(void *arg, const char *uid)
{
	((struct heard *)arg)->gone_pods++;
}
static void on_budget(void *arg, const struct kube_budget *b)
{
	selector_match(b->selector, "a=b\n");
}
static void on_budget_gone(void *arg, const char *namespace_, const char *name)
{
	assert(name[0]);
}
static void on_workload(void *arg, const struct kube_workload *w)
{
	assert(w->replicas >= 0 && w->ready >= 0);
}
static void on_workload_gone(
	void *arg, enum kube_controller kind, const char *namespace_, const char *name)
{
	assert(name[0]);
}
static void on_volumes(void *arg, const char *node, uint32_t attached)
{
	((struct heard *)arg)->volumes = attached;
}

static void event(struct mirror *m, const char *line)
{
	bool remove = line[0] >= 'a';
	unsigned kind = (unsigned char)(line[0] - (remove ? 'a' : '0')) % MIRROR_KIND_COUNT;
	cJSON *o = line[0] ? cJSON_Parse(line + 1) : NULL;
	if (o && remove)
		mirror_remove(m, (enum mirror_kind)kind, o);
	else if (o)
		mirror_take(m, (enum mirror_kind)kind, o, 1000);
	if (o && line[0] == '0')
		mirror_answer(m, "1", o);
	cJSON_Delete(o);
}

static void fuzz_mirror(char *text)
{
	struct heard h = {0};
	struct mirror *m;
	const struct kube_sink sink = {on_node, on_node_gone, on_pod, on_pod_gone, on_budget,
		on_budget_gone, on_workload, on_workload_gone, on_volumes, NULL, &h};
	assert(mirror_new(&m, &sink) == 0);
	char *line;
	while ((line = strsep(&text, "\n")))
		event(m, line);
	size_t nodes = mirror_count(m, MIRROR_NODES) + h.gone_nodes;
	size_t pods = mirror_count(m, MIRROR_PODS) + h.gone_pods;
	for (int kind = 0; kind < MIRROR_KIND_COUNT; kind++) {
		mirror_begin(m, (enum mirror_kind)kind);
		mirror_end(m, (enum mirror_kind)kind);
		assert(mirror_count(m, (enum mirror_kind)kind) == 0);
	}
	assert(h.gone_nodes == nodes && h.gone_pods == pods && h.volumes == 0);
	assert(h.gone_nodes <= h.nodes && h.gone_pods <= h.pods);
	mirror_free(m);
}

static void fuzz_answer(const char *text)
{
	static const int statuses[] = {200, 302, 400, 401, 403, 404, 409, 410, 422, 429, 500, 504};
	struct why why = {0};
	int64_t retry_ms = -1;
	struct kube_answer a = {.status = statuses[(unsigned char)text[0] % 12],
		.retry_after_ms = text[0] & 0x40 ? 1000 : -1,
		.body = text[0] ? text + 1 : text,
		.error_text = ""};
	a.body_len = strlen(a.body);
	int r = kube_answer_judge(&a, &why, &retry_ms);
	assert(retry_ms >= 0 && (r == 0) == (a.status == 200) && (r == 0 || why.class != WHY_NONE));
	assert(!kube_answer_is_overload(&a) || r == -EAGAIN);
}

static void fuzz_selector(char *text)
{
	autobuf selector, labels;
	buf_init(&selector, 65536);
	buf_init(&labels, 65536);
	cJSON *s = cJSON_Parse(strsep(&text, "\n")), *l = text ? cJSON_Parse(text) : NULL;
	if (selector_compile(s, &selector) == 0 && labels_print(l, &labels) == 0)
		selector_match(selector.data, labels.data);
	cJSON_Delete(s);
	cJSON_Delete(l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kube_yaml y;
	struct why why;
	int64_t n;
	if (size == 0)
		return 0;
	char *text = strndup((const char *)data + 1, size - 1);
	switch (data[0]) {
	case 'm': fuzz_mirror(text); break;
	case 'a': fuzz_answer(text); break;
	case 's': fuzz_selector(text); break;
	case 'y':
		kube_yaml_read(&y, text, strlen(text), NULL, &why);
		kube_yaml_done(&y);
		break;
	default: assert(quantity_whole(text, &n) < 0 || n >= 0);
	}
	free(text);
	return 0;
}
