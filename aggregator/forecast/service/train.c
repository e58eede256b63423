// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/service/train.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/base/hash.h"
#include "proto/base/rng.h"
#include "proto/base/text.h"

enum {
	DAY_MS = 86400000,
	LOOK_MS = 30000,     // between looks for a cluster that is due
	AGAIN_MS = 3600000,  // at least between two trainings of a cluster
	READ_NS = 2000000,   // of the loop's time per tick
	SLICE_NS = 40000000, // of a pool thread's
	COPIES_MAX_BYTES = 24 << 20,
	SERIES_MAX = 20000,
	CENSORED_PERCENT = 10, // saturated so much, a bin is no truth (front.c)
};

static const struct grid {
	int64_t step_s, span_s;
} grids[] = {{300, 14 * 86400}, {3600, 56 * 86400}}; // those of history.c
enum { GRIDS = sizeof(grids) / sizeof(*grids) };

struct held { // weights that may be in use on the pool
	struct lstm_weights weights;
	unsigned users; // the cluster is one
};

struct cluster {
	char name[64];
	struct held *held; // NULL: pre-trained
	struct train_status status;
};

struct who { // a series to be copied
	enum entity_kind kind;
	char *name;
};

struct train {
	uv_loop_t *loop;
	struct store *store;
	struct train_options options;
	struct cluster clusters[TRAIN_CLUSTERS_MAX];
	struct train_stats stats;
	enum train_stage stage;
	struct cluster *at; // the one in training
	struct who *who;
	size_t who_n, read;
	int64_t to_ms, look_ms;
	struct tune *tune;
	uv_work_t work; // while busy, tune, cpu_ns and result are the pool's
	uint64_t cpu_ns, not_before_ns;
	int64_t now_ms;
	int result;
	bool busy, stopping;
	void (*on_stopped)(void *arg);
	void *on_stopped_arg;
};

int train_new(
	struct train **ret, uv_loop_t *loop, struct store *store, const struct train_options *o)
{
	struct train *t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->loop = loop;
	t->store = store;
	t->options = *o;
	if (t->options.every_ms <= 0)
		t->options.every_ms = DAY_MS;
	if (t->options.budget_permille == 0)
		t->options.budget_permille = 1;
	*ret = t;
	return 0;
}

static void drop(struct held *h)
{
	if (h && --h->users == 0)
		free(h);
}

static void document_key(const struct cluster *c, char ret[80])
{
	snprintf(ret, 80, "lstm/%s", c->name);
}

// What an earlier training left in the store.
static void load(struct train *t, struct cluster *c)
{
	char key[80];
	void *data;
	size_t len;
	struct why why = {0};
	document_key(c, key);
	snprintf(c->status.text, sizeof(c->status.text), "not trained yet");
	if (store_document_get(t->store, key, &data, &len) < 0)
		return;
	struct held *h = calloc(1, sizeof(*h));
	int r = h ? tune_document_read(data, len, &c->status.record, &h->weights, &why) : -ENOMEM;
	free(data);
	if (r < 0) {
		t->stats.refused++;
		snprintf(c->status.text, sizeof(c->status.text),
			"weights in the store refused (%s); the pre-trained ones serve",
			h ? why.text : "out of memory");
	}
	if (r < 0 || h->weights.nets == 0) {
		free(h);
		return;
	}
	h->users = 1;
	c->held = h;
	c->status.version = h->weights.version;
	snprintf(c->status.text, sizeof(c->status.text), "v%u from the store", h->weights.version);
}

static struct cluster *cluster_of(struct train *t, const char *name)
{
	for (size_t i = 0; i < t->stats.clusters; i++)
		if (strcmp(t->clusters[i].name, name) == 0)
			return &t->clusters[i];
	if (t->stats.clusters == TRAIN_CLUSTERS_MAX)
		return NULL;
	struct cluster *c = &t->clusters[t->stats.clusters];
	if (!text_copy(c->name, sizeof(c->name), name))
		return NULL;
	t->stats.clusters++;
	c->status.cluster = c->name;
	load(t, c);
	return c;
}

const struct lstm_weights *train_take(struct train *t, const char *cluster)
{
	struct cluster *c = cluster_of(t, cluster);
	if (!c || !c->held)
		return NULL;
	c->held->users++;
	return &c->held->weights;
}

void train_give(struct train *t, const struct lstm_weights *w)
{
	if (w)
		drop((struct held *)((char *)(uintptr_t)w - offsetof(struct held, weights)));
}

static int see_cluster(void *arg, struct store_entity *e)
{
	struct train *t = arg;
	cluster_of(t, store_entity_cluster(e)); // over the bound: not trained
	return 0;
}

static bool is_due(const struct train *t, const struct cluster *c)
{
	const struct tune_record *r = &c->status.record;
	int64_t since = t->now_ms - r->tried_ms, again = AGAIN_MS;
	if (again > t->options.every_ms)
		again = t->options.every_ms;
	if (r->tried_ms == 0 || since >= t->options.every_ms)
		return true;
	if (since < again)
		return false;
	int64_t span_s = r->tried_span_s + since / 1000;
	if (span_s > TUNE_REACH_S)
		span_s = TUNE_REACH_S;
	return r->tried_span_s == 0 ||
	       (span_s >= TUNE_LEAST_S && span_s >= r->tried_span_s + r->tried_span_s / 10);
}

static int see_series(void *arg, struct store_entity *e)
{
	struct train *t = arg;
	if (t->who_n == SERIES_MAX)
		return 1;
	if (t->who_n % 256 == 0) {
		struct who *more = realloc(t->who, (t->who_n + 256) * sizeof(*more));
		if (!more)
			return 1;
		t->who = more;
	}
	char *name = strdup(store_entity_name(e));
	if (!name)
		return 1;
	t->who[t->who_n++] = (struct who){store_entity_kind(e), name};
	return 0;
}

// Back to idle, whatever it was at.
static void clear(struct train *t)
{
	for (size_t i = 0; i < t->who_n; i++)
		free(t->who[i].name);
	free(t->who);
	t->who = NULL;
	t->who_n = t->read = 0;
	tune_free(t->tune);
	t->tune = NULL;
	t->at = NULL;
	t->stage = TRAIN_IDLE;
	t->stats.bytes = 0;
}

static void keep_document(struct train *t, struct cluster *c)
{
	static const struct lstm_weights none = {0};
	unsigned char *doc = malloc(TUNE_DOCUMENT_MAX);
	char key[80];
	document_key(c, key);
	size_t len = doc ? tune_document_write(
				   &c->status.record, c->held ? &c->held->weights : &none, doc)
			 : 0;
	// without memory or disk the weights serve until the next start
	if (len > 0)
		(void)store_document_put(t->store, key, doc, len);
	free(doc);
}

// The new weights serve from now on; runs under way keep the old ones until they are done.
static int promote(struct train *t, struct cluster *c)
{
	struct held *h = malloc(sizeof(*h));
	if (!h)
		return -ENOMEM;
	h->weights = *tune_weights(t->tune);
	h->users = 1;
	drop(c->held);
	c->held = h;
	c->status.version = h->weights.version;
	c->status.record.made_ms = t->now_ms;
	c->status.record.result = c->status.last;
	return 0;
}

static void conclude(struct train *t, int result)
{
	struct cluster *c = t->at;
	struct train_status *s = &c->status;
	struct tune_result r = {0};
	if (t->tune)
		tune_result(t->tune, &r);
	s->last = r;
	if (result == 0 && r.won)
		result = promote(t, c);
	if (result == 0) {
		s->trainings++;
		s->won += r.won;
		t->stats.trainings++;
		t->stats.won += r.won;
		snprintf(s->text, sizeof(s->text), "%s: loss %.3f -> %.3f, better on %u of %u",
			r.won ? "new weights serve" : "no better than what serves", r.loss_before,
			r.loss_after, r.wins, r.copies);
	} else if (result == -ENODATA) {
		snprintf(s->text, sizeof(s->text), "too little history: %d days are needed",
			TUNE_LEAST_S / 86400);
	} else {
		s->failed++;
		t->stats.failed++;
		snprintf(s->text, sizeof(s->text), "training failed: %s", strerror(-result));
	}
	s->record.tried_ms = t->now_ms;
	s->record.tried_span_s = r.to_s - r.from_s;
	if (s->record.tried_span_s > TUNE_REACH_S)
		s->record.tried_span_s = TUNE_REACH_S;
	keep_document(t, c);
	clear(t);
}

static void begin(struct train *t, struct cluster *c)
{
	struct rng r;
	struct lstm_weights *served = malloc(sizeof(*served));
	struct tune_options o = {.seed = t->options.seed ^ hash_crc32c(c->name, strlen(c->name)),
		.bytes_max = COPIES_MAX_BYTES,
		.passes = t->options.passes};
	int error = served ? lstm_pretrained(served) : -ENOMEM;
	t->at = c;
	c->status.last = (struct tune_result){0};
	c->status.progress = 0;
	t->to_ms = t->now_ms / AGAIN_MS * AGAIN_MS;
	o.to_s = t->to_ms / 1000;
	if (error == 0 && c->held)
		*served = c->held->weights;
	if (error == 0)
		error = tune_new(&t->tune, &o, served);
	free(served);
	if (error < 0) {
		conclude(t, error);
		return;
	}
	store_each(t->store, c->name, ENTITY_GROUP, see_series, t);
	store_each(t->store, c->name, ENTITY_WORKLOAD, see_series, t);
	rng_init(&r, o.seed ^ (uint64_t)o.to_s); // who comes first, should memory not do for all
	for (size_t i = t->who_n; i > 1; i--) {
		size_t j = rng_below(&r, i);
		struct who w = t->who[i - 1];
		t->who[i - 1] = t->who[j];
		t->who[j] = w;
	}
	t->stage = TRAIN_GATHERING;
}

static void look(struct train *t)
{
	if (t->now_ms < t->look_ms)
		return;
	t->look_ms = t->now_ms + LOOK_MS;
	store_each(t->store, NULL, ENTITY_GROUP, see_cluster, t);
	store_each(t->store, NULL, ENTITY_WORKLOAD, see_cluster, t);
	struct cluster *oldest = NULL;
	for (size_t i = 0; i < t->stats.clusters; i++) {
		struct cluster *c = &t->clusters[i];
		if (is_due(t, c) &&
			(!oldest || c->status.record.tried_ms < oldest->status.record.tried_ms))
			oldest = c;
	}
	if (oldest)
		begin(t, oldest);
}

// A copy of one series on one grid. -ENOSPC: no room for more, -ENOMEM; what cannot be read, or is
// too short, is passed over.
static int copy_one(struct train *t, const struct who *w, const struct grid *g)
{
	struct store_entity *e = store_find(t->store, t->at->name, w->kind, w->name);
	struct store_series low = {0}, saturated = {0};
	const struct store_times times = {t->to_ms - g->span_s * 1000, t->to_ms, g->step_s * 1000};
	int r = e ? store_range(t->store, e, METRIC_DEMAND_LOW, times, &low) : -ENOENT;
	if (r == 0)
		r = store_range(t->store, e, METRIC_SATURATED, times, &saturated);
	if (r == 0) {
		size_t first = 0;
		for (size_t i = 0; i < low.n; i++)
			if (saturated.mean[i] * 100 >= CENSORED_PERCENT)
				low.mean[i] = NAN;
		while (first < low.n && isnan(low.mean[first]))
			first++;
		const struct tune_copy copy = {low.mean + first, low.n - first,
			low.from_ms / 1000 + (int64_t)first * g->step_s, g->step_s};
		r = tune_add(t->tune, &copy);
	}
	store_series_done(&low);
	store_series_done(&saturated);
	return r == -ENOSPC || r == -ENOMEM ? r : 0;
}

static void gather(struct train *t)
{
	uint64_t until_ns = uv_hrtime() + READ_NS;
	int r = 0;
	while (r == 0 && t->read < t->who_n * GRIDS && uv_hrtime() < until_ns) {
		r = copy_one(t, &t->who[t->read / GRIDS], &grids[t->read % GRIDS]);
		t->read++;
	}
	t->stats.bytes = tune_bytes(t->tune);
	if (r == -ENOMEM)
		conclude(t, r);
	else if (r == -ENOSPC || t->read == t->who_n * GRIDS)
		t->stage = TRAIN_TRAINING;
}

static void run(uv_work_t *work)
{
	struct train *t = work->data;
	struct timespec from, to;
	uint64_t until_ns = uv_hrtime() + SLICE_NS;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
	do
		t->result = tune_step(t->tune);
	while (t->result == 1 && uv_hrtime() < until_ns);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
	t->cpu_ns =
		(uint64_t)((to.tv_sec - from.tv_sec) * 1000000000ll + (to.tv_nsec - from.tv_nsec));
}

static void free_all(struct train *t)
{
	void (*on_stopped)(void *arg) = t->on_stopped;
	void *arg = t->on_stopped_arg;
	clear(t);
	for (size_t i = 0; i < t->stats.clusters; i++)
		drop(t->clusters[i].held);
	free(t);
	if (on_stopped)
		on_stopped(arg);
}

static void on_ran(uv_work_t *work, int status)
{
	struct train *t = work->data;
	uint64_t share = t->options.budget_permille;
	t->busy = false;
	if (t->stopping) {
		free_all(t);
		return;
	}
	struct tune_result r;
	tune_result(t->tune, &r);
	t->stats.steps += r.steps - t->at->status.last.steps;
	t->at->status.last = r;
	t->at->status.progress = tune_progress(t->tune);
	t->stats.slices++;
	t->stats.cpu_us += t->cpu_ns / 1000;
	t->not_before_ns = uv_hrtime() + t->cpu_ns * (1000 - share) / share;
	if (status < 0 || t->result != 1)
		conclude(t, status < 0 ? status : t->result);
}

void train_tick(struct train *t, int64_t now_ms, uint64_t now_ns)
{
	t->now_ms = now_ms;
	if (t->busy || t->stopping)
		return;
	if (t->stage == TRAIN_IDLE)
		look(t);
	else if (t->stage == TRAIN_GATHERING)
		gather(t);
	if (t->stage != TRAIN_TRAINING || now_ns < t->not_before_ns)
		return;
	t->work.data = t;
	t->cpu_ns = 0;
	t->busy = uv_queue_work(t->loop, &t->work, run, on_ran) == 0;
}

void train_stats(const struct train *t, struct train_stats *ret)
{
	*ret = t->stats;
}

bool train_status(const struct train *t, size_t i, struct train_status *ret)
{
	if (i >= t->stats.clusters)
		return false;
	const struct cluster *c = &t->clusters[i];
	*ret = c->status;
	ret->stage = t->at == c ? t->stage : TRAIN_IDLE;
	return true;
}

void train_stop(struct train *t, void (*on_stopped)(void *arg), void *arg)
{
	t->stopping = true;
	t->on_stopped = on_stopped;
	t->on_stopped_arg = arg;
	if (!t->busy)
		free_all(t);
}

void train_share_add(struct train_share *s, const struct outlook *o)
{
	double best = INFINITY;
	const struct outlook_member *lstm = NULL;
	for (size_t i = 0; i < o->n_members; i++) {
		const struct outlook_member *m = &o->members[i];
		if (strcmp(m->name, "lstm") == 0 || strncmp(m->name, "lstm ", 5) == 0)
			lstm = m;
		else if (m->loss < best)
			best = m->loss;
	}
	if (!lstm || isnan(lstm->loss))
		return;
	s->outlooks++;
	s->weight += lstm->weight > 0;
	s->wins += lstm->loss < best;
}
