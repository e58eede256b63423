// SPDX-License-Identifier: Apache-2.0
// The aggregator dies at random instants of drains, and another one, or the same again, goes on.
//
// The cluster outlives it: requests that were on their way arrive all the same, their answers are
// lost, and the watch runs behind. What must hold over hundreds of such deaths: the API server
// accepts the eviction of each pod once, the deadline stays, and everything that can be moved is.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/act/drains.h"
#include "aggregator/fleet/watch.h"
#include "proto/base/rng.h"
#include "proto/base/text.h"

enum { NODES = 3, PODS = 24, MAX_REQUESTS = 512, MAX_LINES = 20000, STEP_MS = 50 };
static const int64_t begin_ms = 1794787200000;

struct server_pod {
	uint32_t grace_s;
	bool guarded; // by a budget that often says no
	int64_t deleting_ms, ends_ms;
	unsigned accepted;
	bool gone;
};

struct request { // on its way to the server
	int64_t arrives_ms;
	unsigned process; // whose: an older one gets no answer
	unsigned pod, node;
	bool is_node, deletes;
	char annotation[1024];
	struct kube_reply reply;
};

struct news { // on its way from the server's watch
	int64_t arrives_ms;
	unsigned process, thing;
	bool is_node;
};

struct world {
	struct rng rng;
	int64_t now_ms;
	struct server_pod pods[PODS];
	bool cordoned[NODES];
	char annotations[NODES][1024];
	struct request requests[MAX_REQUESTS];
	size_t n_requests;
	struct news news[MAX_REQUESTS];
	size_t n_news;
	// the aggregator of now
	unsigned process;
	struct fleet *fleet;
	struct fleet_watch watch;
	struct kube_sink sink;
	struct drains *drains;
	char *lines[MAX_LINES][2];
	size_t n_lines;
	bool leads;
};

// --- the server -------------------------------------------------------------------------------

static void tell_node(struct world *w, unsigned i)
{
	struct kube_node k = {.capacity = CAPACITY_SPOT,
		.ready = true,
		.unschedulable = w->cordoned[i],
		.interruption_taint = w->cordoned[i],
		.drain = w->annotations[i]};
	snprintf(k.name, sizeof(k.name), "n%u", i);
	snprintf(k.uid, sizeof(k.uid), "node-uid-%u", i);
	snprintf(k.instance_id, sizeof(k.instance_id), "i-%u", i);
	text_copy(k.group, sizeof(k.group), "web");
	w->sink.on_node(w->sink.arg, &k);
}

static void tell_pod(struct world *w, unsigned i)
{
	const struct server_pod *p = &w->pods[i];
	struct kube_pod k = {.controller = KUBE_BY_DEPLOYMENT,
		.phase = KUBE_RUNNING,
		.ready = true,
		.grace_s = p->grace_s,
		.deleting_ms = p->deleting_ms,
		.labels = ""};
	snprintf(k.uid, sizeof(k.uid), "uid-%u", i);
	if (p->gone) {
		w->sink.on_pod_gone(w->sink.arg, k.uid);
		return;
	}
	text_copy(k.namespace_, sizeof(k.namespace_), "shop");
	snprintf(k.name, sizeof(k.name), "pod-%u", i);
	text_copy(k.workload, sizeof(k.workload), "web");
	snprintf(k.node, sizeof(k.node), "n%u", i % NODES);
	w->sink.on_pod(w->sink.arg, &k);
}

static void send_news(struct world *w, unsigned thing, bool is_node)
{
	assert_true(w->n_news < MAX_REQUESTS);
	w->news[w->n_news++] = (struct news){
		w->now_ms + (int64_t)rng_below(&w->rng, 600), w->process, thing, is_node};
}

static int serve_pod(struct world *w, struct request *q)
{
	struct server_pod *p = &w->pods[q->pod];
	if (p->gone)
		return -ENOENT;
	if (rng_below(&w->rng, 20) == 0)
		return -EIO;
	if (p->guarded && !q->deletes && !p->deleting_ms && rng_below(&w->rng, 8) != 0)
		return -EBUSY;
	p->accepted++;
	if (!p->deleting_ms) {
		p->deleting_ms = w->now_ms + (int64_t)p->grace_s * 1000;
		p->ends_ms = w->now_ms + (int64_t)rng_below(&w->rng, p->grace_s * 1000);
		send_news(w, q->pod, false);
	}
	return 0;
}

static int serve_node(struct world *w, struct request *q)
{
	if (rng_below(&w->rng, 10) == 0)
		return -EIO;
	w->cordoned[q->node] = true;
	memcpy(w->annotations[q->node], q->annotation, sizeof(q->annotation));
	send_news(w, q->node, true);
	return 0;
}

static void serve(struct world *w)
{
	for (size_t i = 0; i < w->n_requests;) {
		if (w->requests[i].arrives_ms > w->now_ms) {
			i++;
			continue;
		}
		struct request q = w->requests[i];
		w->requests[i] = w->requests[--w->n_requests];
		int r = q.is_node ? serve_node(w, &q) : serve_pod(w, &q);
		struct why why;
		why_set(&why, r, r == -EBUSY ? WHY_THROTTLED : WHY_RETRY, "told to");
		if (q.process == w->process)
			q.reply.on_done(q.reply.arg, r, &why, 0);
	}
	for (unsigned i = 0; i < PODS; i++)
		if (w->pods[i].deleting_ms && !w->pods[i].gone && w->now_ms >= w->pods[i].ends_ms) {
			w->pods[i].gone = true;
			send_news(w, i, false);
		}
	for (size_t i = 0; i < w->n_news;) {
		struct news n = w->news[i];
		if (n.arrives_ms > w->now_ms) {
			i++;
			continue;
		}
		w->news[i] = w->news[--w->n_news];
		if (!w->drains || n.process != w->process)
			continue;
		if (n.is_node)
			tell_node(w, n.thing);
		else
			tell_pod(w, n.thing);
	}
}

// --- the aggregator's side ----------------------------------------------------------------------

static struct request *send_request(struct world *w, const struct kube_reply *reply)
{
	assert_true(w->n_requests < MAX_REQUESTS);
	struct request *q = &w->requests[w->n_requests++];
	memset(q, 0, sizeof(*q));
	q->arrives_ms = w->now_ms + 1 + (int64_t)rng_below(&w->rng, 300);
	q->process = w->process;
	q->reply = *reply;
	return q;
}

static void change_node(void *self, const char *node, const struct kube_node_change *c,
	const struct kube_reply *reply)
{
	struct request *q = send_request(self, reply);
	q->is_node = true;
	q->node = (unsigned)(node[1] - '0');
	text_copy(q->annotation, sizeof(q->annotation),
		c->annotations[0].value ? c->annotations[0].value : "");
}

static struct request *end_pod(void *self, const struct kube_pod_ref *pod, uint32_t grace_s,
	const struct kube_reply *reply)
{
	uint64_t number = 0;
	struct request *q = send_request(self, reply);
	assert_true(grace_s > 0);
	assert_int_equal(text_to_u64(pod->uid + 4, &number), 0);
	q->pod = (unsigned)number;
	return q;
}

static void evict_pod(void *self, const struct kube_pod_ref *pod, uint32_t grace_s, bool dry_run,
	const struct kube_reply *reply)
{
	end_pod(self, pod, grace_s, reply);
}

static void delete_pod(void *self, const struct kube_pod_ref *pod, uint32_t grace_s,
	const struct kube_reply *reply)
{
	end_pod(self, pod, grace_s, reply)->deletes = true;
}

static void tell(void *self, const struct kube_event *e, const struct kube_reply *reply)
{
	struct request *q = send_request(self, reply);
	q->pod = 0;
	q->arrives_ms = INT64_MAX; // nobody waits for events
}

static int on_audit(void *arg, const struct drain_entry *e, size_t n)
{
	struct world *w = arg;
	for (size_t i = 0; i < n && w->n_lines < MAX_LINES; i++, w->n_lines++) {
		w->lines[w->n_lines][0] = strdup(e[i].kind);
		w->lines[w->n_lines][1] = strdup(e[i].json);
	}
	return 0;
}

static bool may_act(void *arg, const char *cluster)
{
	return ((struct world *)arg)->leads;
}

static int64_t clock_of(void *arg)
{
	return ((struct world *)arg)->now_ms;
}

// A new process: nothing in memory but what it lists and reads.
static void boot(struct world *w, bool with_journal)
{
	static const struct kube_ops ops = {.name = "fault",
		.change_node = change_node,
		.evict_pod = evict_pod,
		.delete_pod = delete_pod,
		.tell = tell};
	const struct fleet_options f = {
		.max_clusters = 1, .max_groups = 4, .max_nodes = 10, .max_pods = 100};
	struct drains_options o = {.fleet = NULL,
		.max_drains = 16,
		.owner = "fault",
		.wall_ms = clock_of,
		.may_act = may_act,
		.audit = on_audit,
		.arg = w};
	const struct kube kube = {.ops = &ops, .self = w, .cluster = "prod"};
	const struct cloud cloud = {.ops = NULL};
	w->process++;
	w->leads = true;
	assert_int_equal(fleet_new(&w->fleet, &f), 0);
	w->watch = (struct fleet_watch){
		.fleet = w->fleet, .cluster = "prod", .clock = clock_of, .arg = w};
	w->sink = fleet_watch_sink(&w->watch);
	o.fleet = w->fleet;
	drain_policy_default(&o.policy);
	assert_int_equal(drains_new(&w->drains, &o), 0);
	assert_int_equal(drains_cluster(w->drains, &kube, &cloud, false), 0);
	for (size_t i = w->n_lines; with_journal && i-- > 0;)
		drains_recall(w->drains, w->lines[i][0], "", w->lines[i][1]);
	for (unsigned i = 0; i < NODES; i++)
		tell_node(w, i);
	for (unsigned i = 0; i < PODS; i++)
		if (!w->pods[i].gone)
			tell_pod(w, i);
	drains_synced(w->drains, "prod", w->now_ms);
}

static void die(struct world *w)
{
	w->process++; // answers and news of before are for nobody
	w->leads = false;
	struct drains *d = w->drains;
	w->drains = NULL;
	size_t lines = w->n_lines;
	drains_free(d);
	while (w->n_lines > lines) { // what it would have written is not written
		w->n_lines--;
		free(w->lines[w->n_lines][0]);
		free(w->lines[w->n_lines][1]);
	}
	// the calls' own memory dies with the process: let it be freed
	for (size_t i = 0; i < w->n_requests; i++)
		if (w->requests[i].process == w->process - 1)
			w->requests[i].reply.on_done(w->requests[i].reply.arg, -ECANCELED, NULL, 0);
	for (size_t i = 0; i < w->n_requests;) // events that nobody waits for
		if (w->requests[i].arrives_ms == INT64_MAX)
			w->requests[i] = w->requests[--w->n_requests];
		else
			i++;
	fleet_free(w->fleet);
}

static void pass(struct world *w, int64_t ms)
{
	for (; ms > 0; ms -= STEP_MS) {
		w->now_ms += STEP_MS;
		serve(w);
		if (!w->drains)
			continue;
		if (w->now_ms % 250 == 0)
			drains_tick(w->drains, w->now_ms);
		drains_flush(w->drains, w->now_ms);
	}
}

static void send_notice(struct world *w, unsigned node, int64_t observed_ms)
{
	struct notice n = {.kind = NOTICE_SPOT_ITN,
		.observed_ms = observed_ms,
		.deadline_ms = begin_ms + 120000};
	text_copy(n.cluster, sizeof(n.cluster), "prod");
	snprintf(n.node, sizeof(n.node), "n%u", node);
	snprintf(n.instance_id, sizeof(n.instance_id), "i-%u", node);
	text_copy(n.source, sizeof(n.source), "imds");
	notice_make_id(n.instance_id, n.kind, "", n.id);
	drains_notice(w->drains, &n, w->now_ms, NULL);
}

static void start_world(struct world *w, uint64_t seed)
{
	memset(w, 0, sizeof(*w));
	rng_init(&w->rng, seed);
	w->now_ms = begin_ms;
	for (unsigned i = 0; i < PODS; i++) {
		w->pods[i].grace_s = 1 + (uint32_t)rng_below(&w->rng, 30);
		w->pods[i].guarded = rng_below(&w->rng, 3) == 0;
	}
	boot(w, true);
	for (unsigned i = 0; i < NODES; i++)
		send_notice(w, i, w->now_ms);
}

static void end_world(struct world *w)
{
	die(w);
	for (size_t i = 0; i < w->n_lines; i++) {
		free(w->lines[i][0]);
		free(w->lines[i][1]);
	}
}

static void check(const struct world *w, uint64_t seed)
{
	for (unsigned i = 0; i < PODS; i++) {
		if (w->pods[i].accepted > 1)
			fail_msg("seed %llu: pod %u was evicted %u times", (unsigned long long)seed,
				i, w->pods[i].accepted);
		if (!w->pods[i].gone)
			fail_msg("seed %llu: pod %u is still there", (unsigned long long)seed, i);
	}
	for (const struct drain *d = drains_first(w->drains); d; d = d->next)
		assert_int_equal(d->deadline_ms, begin_ms + 120000);
}

// One life after another until the deadline. The gap: how long nobody is there. The same replica
// has receipted the notices: nobody brings them again, only its journal has them.
static unsigned run_world(uint64_t seed, bool same_replica, int64_t gap_ms)
{
	static struct world w;
	unsigned deaths = 0;
	start_world(&w, seed);
	while (w.now_ms < begin_ms + 80000) {
		pass(&w, STEP_MS * (1 + (int64_t)rng_below(&w.rng, 150)));
		die(&w);
		deaths++;
		pass(&w, gap_ms);
		boot(&w, same_replica);
		for (unsigned i = 0; i < NODES; i++)
			if (!same_replica && rng_below(&w.rng, 3) == 0)
				send_notice(&w, i, begin_ms); // to this one it is new
	}
	pass(&w, begin_ms + 135000 - w.now_ms);
	check(&w, seed);
	end_world(&w);
	return deaths;
}

static void each_pod_is_evicted_once_though_the_aggregator_dies_at_random_instants(void **state)
{
	unsigned deaths = 0;
	for (uint64_t seed = 1; seed <= 40; seed++)
		deaths += run_world(seed, true, STEP_MS); // back before what it sent has arrived
	print_message("%u deaths\n", deaths);
	assert_true(deaths >= 200);
}

static void another_replica_goes_on_without_the_journal_after_the_lease(void **state)
{
	unsigned deaths = 0;
	for (uint64_t seed = 101; seed <= 140; seed++)
		deaths += run_world(seed, false, 4000);
	print_message("%u deaths\n", deaths);
	assert_true(deaths >= 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			each_pod_is_evicted_once_though_the_aggregator_dies_at_random_instants),
		cmocka_unit_test(another_replica_goes_on_without_the_journal_after_the_lease),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
