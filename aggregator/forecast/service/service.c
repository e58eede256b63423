// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/service/service.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uthash.h>

#include "aggregator/forecast/service/history.h"
#include "aggregator/forecast/service/remember.h"
#include "proto/base/hash.h"
#include "proto/base/text.h"

static const int64_t forget_after_ms = 86400000;
static const int64_t keep_scores_ms = 3600000;
static const uint32_t first_share_permille = 500; // of a core, while a series has no outlook at all

struct slot { // one horizon of one series
	struct outlook *outlook;
	struct forecast_state *state;
	struct said said;
	int64_t generated_ms, due_ms, history_ms;
	char why[96];
	struct remembered_scores own; // hits: truths inside the 80 % band; discounted
	int64_t said_ms, kept_ms;     // when what it said, and its scores, went to the store
	struct forecast_score score;
	int64_t scored_until_ms;
};

struct series { // found again by its name, because the store forgets what is silent for long
	char key[8 + 64 + NAME_MAX_BYTES];
	char cluster[64], name[NAME_MAX_BYTES];
	enum entity_kind kind;
	int64_t live_ms; // when it last had a value in the live window
	struct slot slots[SERVICE_HORIZON_COUNT];
	UT_hash_handle hh;
};

struct job { // what the pool works on: nothing of it is shared
	uv_work_t work;
	struct service *service;
	struct series *series;
	enum service_horizon horizon;
	struct history history;
	struct forecast_state *state;
	struct outlook *outlook;
	const struct lstm_weights *lstm; // taken from train; NULL = pre-trained
	uint64_t seed, cpu_ns;
	int result;
};

struct service {
	uv_loop_t *loop;
	struct store *store;
	struct train *train;
	struct service_options options;
	struct series *series;
	struct job job;
	bool busy, stopping;
	uint64_t not_before_ns;
	int64_t now_ms;
	struct service_stats stats;
	struct totals {
		uint64_t cpu_us, made[3], rejected, alarms;
	} totals[SERVICE_HORIZON_COUNT];
	void (*on_stopped)(void *arg);
	void *on_stopped_arg;
};

int service_new(
	struct service **ret, uv_loop_t *loop, struct store *store, const struct service_options *o)
{
	struct service *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->loop = loop;
	s->store = store;
	s->options = *o;
	const struct train_options train = {.budget_permille = (o->budget_permille + 4) / 5,
		.every_ms = o->train_every_ms,
		.seed = o->seed};
	int r = train_new(&s->train, loop, store, &train);
	if (r < 0) {
		free(s);
		return r;
	}
	*ret = s;
	return 0;
}

static void make_key(
	char *ret, size_t size, const char *cluster, enum entity_kind kind, const char *name)
{
	snprintf(ret, size, "%d/%s/%s", kind, cluster, name);
}

static struct store_entity *entity_of(const struct service *s, const struct series *series)
{
	return store_find(s->store, series->cluster, series->kind, series->name);
}

static int see_entity(void *arg, struct store_entity *e)
{
	struct service *s = arg;
	struct series *known;
	char key[sizeof(known->key)];
	make_key(key, sizeof(key), store_entity_cluster(e), store_entity_kind(e),
		store_entity_name(e));
	HASH_FIND_STR(s->series, key, known);
	if (!store_latest(e, NULL, NULL))
		return 0;
	if (known) {
		known->live_ms = s->now_ms;
		return 0;
	}
	if (HASH_COUNT(s->series) >= s->options.max_series) {
		s->stats.series_refused++;
		return 1;
	}
	known = calloc(1, sizeof(*known));
	if (!known)
		return 1;
	text_copy(known->key, sizeof(known->key), key);
	text_copy(known->cluster, sizeof(known->cluster), store_entity_cluster(e));
	text_copy(known->name, sizeof(known->name), store_entity_name(e));
	known->kind = store_entity_kind(e);
	known->live_ms = s->now_ms;
	for (int h = 0; h < SERVICE_HORIZON_COUNT; h++)
		snprintf(known->slots[h].why, sizeof(known->slots[h].why), "not computed yet");
	HASH_ADD_STR(s->series, key, known);
	return 0;
}

static void free_series(struct service *s, struct series *e)
{
	HASH_DEL(s->series, e);
	for (int h = 0; h < SERVICE_HORIZON_COUNT; h++) {
		outlook_free(e->slots[h].outlook);
		forecast_state_free(e->slots[h].state);
		said_done(&e->slots[h].said);
	}
	free(e);
}

// A series that has been silent for a day makes room for others; not while the pool works on one.
static void forget_silent(struct service *s)
{
	struct series *e, *next;
	if (s->busy)
		return;
	HASH_ITER (hh, s->series, e, next) {
		if (s->now_ms - e->live_ms > forget_after_ms)
			free_series(s, e);
	}
}

// How many of the steps that an outlook spoke of and that are now past lay in its 80 % band.
static void score(struct service *s, struct series *series, struct slot *slot)
{
	const struct outlook *o = slot->outlook;
	struct store_entity *e = entity_of(s, series);
	if (!o || !e)
		return;
	int64_t step_ms = o->step_s * 1000, from_ms = o->start_s * 1000;
	if (from_ms < slot->scored_until_ms)
		from_ms = slot->scored_until_ms;
	int64_t to_ms = s->now_ms / step_ms * step_ms;
	int64_t end_ms = o->start_s * 1000 + (int64_t)o->horizon * step_ms;
	if (to_ms > end_ms)
		to_ms = end_ms;
	struct store_series truth;
	if (to_ms <= from_ms || store_range(s->store, e, METRIC_DEMAND_LOW,
					(struct store_times){from_ms, to_ms, step_ms}, &truth) < 0)
		return;
	for (size_t i = 0; i < truth.n; i++) {
		size_t h = (size_t)((from_ms - o->start_s * 1000) / step_ms) + i;
		if (h >= o->horizon || isnan(truth.mean[i]))
			continue;
		bool inside =
			truth.mean[i] >= o->quantiles[h][2] && truth.mean[i] <= o->quantiles[h][6];
		slot->own.hits = 0.99 * slot->own.hits + inside; // remembers about a hundred steps
		slot->own.hits_of = 0.99 * slot->own.hits_of + 1;
		slot->own.scored++;
	}
	slot->scored_until_ms = to_ms;
	store_series_done(&truth);
}

static void run(uv_work_t *work)
{
	struct job *j = work->data;
	struct timespec from, to;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
	struct forecast_input in = {
		.y = j->history.y,
		.n = j->history.n,
		.saturated = j->history.saturated,
		.demand_high = j->history.high,
		.start_s = j->history.start_s,
		.step_s = j->history.step_s,
		.horizon = j->history.horizon,
		.seed = j->seed,
		.lstm = j->lstm,
	};
	j->result = forecast_run(&in, j->state, &j->outlook);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
	j->cpu_ns =
		(uint64_t)((to.tv_sec - from.tv_sec) * 1000000000ll + (to.tv_nsec - from.tv_nsec));
}

static struct remembered which(
	const struct service *s, const struct series *e, enum service_horizon h)
{
	return (struct remembered){s->store, e->cluster, e->name, (int)e->kind, (int)h};
}

// What a full disk or no memory loses here is the past of a picture, and an hour of scores.
static void remember(struct service *s, struct series *e, enum service_horizon h)
{
	struct slot *slot = &e->slots[h];
	const struct remembered w = which(s, e, h);
	if (s->now_ms - slot->said_ms >= remember_apart_ms((int)h) &&
		remember_said(&w, slot->outlook, slot->generated_ms) == 0)
		slot->said_ms = s->now_ms;
	if (s->now_ms - slot->kept_ms >= keep_scores_ms &&
		remember_scores(&w, s->now_ms, slot->state, &slot->own) == 0)
		slot->kept_ms = s->now_ms;
}

// At an end in good order nothing is lost.
static void remember_all(struct service *s)
{
	for (struct series *e = s->series; e; e = e->hh.next)
		for (int h = 0; h < SERVICE_HORIZON_COUNT; h++) {
			const struct remembered w = which(s, e, (enum service_horizon)h);
			struct slot *slot = &e->slots[h];
			if (slot->state && slot->outlook)
				(void)remember_scores(&w, s->now_ms, slot->state, &slot->own);
		}
}

// A series seen for the first time since the start may have been known before.
static void recall(struct service *s, struct series *e, enum service_horizon h)
{
	struct slot *slot = &e->slots[h];
	const struct remembered w = which(s, e, h);
	(void)recall_scores(&w, s->now_ms, slot->state, &slot->own);
	forecast_state_score(slot->state, &slot->score);
	slot->said_ms = recall_said(&w, s->now_ms, &slot->said);
	slot->kept_ms = s->now_ms;
}

static void count_run(struct totals *t, struct slot *slot)
{
	uint64_t alarms = slot->score.alarms;
	forecast_state_score(slot->state, &slot->score);
	t->alarms += slot->score.alarms - alarms;
	t->made[slot->outlook->made]++;
	if (slot->outlook->made != OUTLOOK_CARRIED) // else it was counted when it was made
		t->rejected += slot->outlook->members_rejected;
}

static void keep(struct service *s, struct job *j)
{
	struct slot *slot = &j->series->slots[j->horizon];
	slot->due_ms = s->now_ms + history_refit_ms((enum history_horizon)j->horizon);
	if (j->result < 0) {
		s->stats.failures++;
		snprintf(slot->why, sizeof(slot->why), "the forecaster failed: %s",
			strerror(-j->result));
		return;
	}
	score(s, j->series, slot);
	if (slot->outlook) // without memory for it there is one line less on the picture
		(void)said_add(&slot->said, slot->outlook, slot->generated_ms);
	outlook_free(slot->outlook);
	slot->outlook = j->outlook;
	slot->generated_ms = s->now_ms;
	count_run(&s->totals[j->horizon], slot);
	slot->why[0] = '\0';
	slot->history_ms = (j->outlook->data_to_s - j->outlook->data_from_s) * 1000;
	slot->scored_until_ms = j->outlook->start_s * 1000;
	remember(s, j->series, j->horizon);
}

static void free_all(void *arg)
{
	struct service *s = arg;
	struct series *e, *next;
	remember_all(s);
	HASH_ITER (hh, s->series, e, next) {
		free_series(s, e);
	}
	if (s->on_stopped)
		s->on_stopped(s->on_stopped_arg);
	free(s);
}

static void on_ran(uv_work_t *work, int status)
{
	struct job *j = work->data;
	struct service *s = j->service;
	s->busy = false;
	s->stats.runs++;
	s->stats.cpu_us += j->cpu_ns / 1000;
	s->totals[j->horizon].cpu_us += j->cpu_ns / 1000;
	bool first = !j->series->slots[j->horizon].outlook;
	uint32_t share = first ? first_share_permille : s->options.budget_permille;
	s->not_before_ns = uv_hrtime() + j->cpu_ns * (1000 - share) / share;
	if (status < 0)
		j->result = status;
	keep(s, j);
	history_done(&j->history);
	train_give(s->train, j->lstm);
	if (s->stopping)
		train_stop(s->train, free_all, s);
}

// Starts the slot's run; false if there is nothing to run on (the slot then says why).
static bool start(struct service *s, struct series *series, enum service_horizon horizon)
{
	struct slot *slot = &series->slots[horizon];
	struct store_entity *e = entity_of(s, series);
	struct job *j = &s->job;
	*j = (struct job){.service = s, .series = series, .horizon = horizon};
	int r = !e ? -ENODATA
		   : history_read(
			     &j->history, s->store, e, (enum history_horizon)horizon, s->now_ms);
	if (r == 0 && !slot->state) {
		r = forecast_state_new(&slot->state);
		if (r == 0)
			recall(s, series, horizon);
	}
	if (r < 0) {
		snprintf(slot->why, sizeof(slot->why),
			r == -ENODATA ? "too little history: %zu values, %d are needed"
				      : "history cannot be read (%zu values, %d)",
			j->history.known, HISTORY_LEAST_VALUES);
		slot->due_ms = s->now_ms + 30000;
		history_done(&j->history);
		return false;
	}
	j->seed = s->options.seed ^ hash_crc32c(series->key, strlen(series->key));
	j->state = slot->state;
	j->lstm = train_take(s->train, series->cluster);
	j->work.data = j;
	s->busy = true;
	uv_queue_work(s->loop, &j->work, run, on_ran);
	return true;
}

// The most overdue slot; those that have never run come first, near horizons before far ones.
static struct series *most_due(struct service *s, enum service_horizon *ret_horizon)
{
	struct series *best = NULL;
	int64_t best_due = INT64_MAX;
	s->stats.worst_age_ms = 0;
	for (struct series *e = s->series; e; e = e->hh.next) {
		for (int h = 0; h < SERVICE_HORIZON_COUNT; h++) {
			int64_t due = e->slots[h].due_ms, late = due ? s->now_ms - due : 0;
			if (late > s->stats.worst_age_ms)
				s->stats.worst_age_ms = late;
			int64_t order =
				e->slots[h].outlook
					? due
					: due - (int64_t)86400000 * (SERVICE_HORIZON_COUNT - h);
			if (due > s->now_ms || order >= best_due)
				continue;
			best_due = order;
			best = e;
			*ret_horizon = (enum service_horizon)h;
		}
	}
	return best;
}

void service_tick(struct service *s, int64_t now_ms, uint64_t now_ns)
{
	s->now_ms = now_ms;
	forget_silent(s);
	store_each(s->store, NULL, ENTITY_GROUP, see_entity, s);
	store_each(s->store, NULL, ENTITY_WORKLOAD, see_entity, s);
	// a series without data costs a look and no run: try some
	for (int tries = 0; tries < 64 && !s->busy; tries++) {
		enum service_horizon horizon = SERVICE_HOUR;
		struct series *e = most_due(s, &horizon);
		if (!e)
			train_tick(s->train, now_ms, now_ns);
		if (!e || now_ns < s->not_before_ns || start(s, e, horizon))
			break;
	}
}

// Known to the store, but not among the series here: says why.
static int not_forecast(
	const struct service *s, const struct service_series *which, struct service_outlook *ret)
{
	if (!store_find(s->store, which->cluster, which->kind, which->name))
		return -ENOENT;
	*ret = (struct service_outlook){.coverage80_permille = -1};
	if (which->kind != ENTITY_GROUP && which->kind != ENTITY_WORKLOAD)
		snprintf(ret->why, sizeof(ret->why), "only node groups and workloads are forecast");
	else if (HASH_COUNT(s->series) >= s->options.max_series)
		snprintf(ret->why, sizeof(ret->why), "not among the %zu series that are forecast",
			s->options.max_series);
	else
		snprintf(ret->why, sizeof(ret->why), "no values yet, or none for a day");
	return 0;
}

static void add_score(struct service_horizon_stats *to, const struct forecast_score *x)
{
	if (!(x->steps > 0))
		return;
	to->scored++;
	to->mase += x->mase;
	to->loss_ratio += isnan(x->loss_ratio) ? 1 : x->loss_ratio;
	for (int i = 0; i < QUANTILE_COUNT; i++) {
		to->pinball[i] += x->pinball[i];
		to->coverage[i] += x->coverage[i];
	}
}

static void add_members(struct service_horizon_stats *to, const struct outlook *o)
{
	for (size_t i = 0; i < o->n_members; i++) {
		const struct outlook_member *from = &o->members[i];
		size_t k = 0;
		while (k < to->n_members && strcmp(to->members[k].name, from->name) != 0)
			k++;
		if (k == OUTLOOK_MEMBERS_MAX)
			continue;
		struct service_member *m = &to->members[k];
		if (k == to->n_members) {
			memcpy(m->name, from->name, sizeof(m->name));
			to->n_members++;
		}
		m->weight += from->weight;
		m->in += from->weight > 0;
		m->idle += !(from->weight > 0);
	}
}

void service_horizon_stats(
	const struct service *s, enum service_horizon h, struct service_horizon_stats *ret)
{
	const struct totals *t = &s->totals[h];
	*ret = (struct service_horizon_stats){.series = HASH_COUNT(s->series),
		.cpu_us = t->cpu_us,
		.alarms = t->alarms,
		.full = t->made[OUTLOOK_FULL],
		.refreshed = t->made[OUTLOOK_REFRESHED],
		.carried = t->made[OUTLOOK_CARRIED],
		.rejected = t->rejected};
	for (const struct series *e = s->series; e; e = e->hh.next) {
		const struct slot *slot = &e->slots[h];
		if (!slot->outlook)
			continue;
		ret->outlooks++;
		ret->gated += slot->outlook->gated;
		add_members(ret, slot->outlook);
		add_score(ret, &slot->score);
	}
	double n = ret->scored ? (double)ret->scored : NAN;
	ret->mase /= n;
	ret->loss_ratio /= n;
	for (int i = 0; i < QUANTILE_COUNT; i++) {
		ret->pinball[i] /= n;
		ret->coverage[i] /= n;
	}
	for (size_t k = 0; k < ret->n_members; k++)
		ret->members[k].weight /= (double)ret->outlooks;
}

int service_get(struct service *s, const struct service_series *which, struct service_outlook *ret)
{
	struct series *e;
	char key[sizeof(e->key)];
	make_key(key, sizeof(key), which->cluster, which->kind, which->name);
	HASH_FIND_STR(s->series, key, e);
	if (!e)
		return not_forecast(s, which, ret);
	const struct slot *slot = &e->slots[which->horizon];
	*ret = (struct service_outlook){
		.outlook = slot->outlook,
		.said = &slot->said,
		.generated_ms = slot->generated_ms,
		.history_ms = slot->history_ms,
		.coverage80_permille =
			slot->own.scored ? (int32_t)(1000 * slot->own.hits / slot->own.hits_of)
					 : -1,
		.scored = slot->own.scored,
		.score = slot->score,
	};
	memcpy(ret->why, slot->why, sizeof(ret->why));
	return 0;
}

int service_then(
	struct service *s, const struct service_series *series, int64_t at_ms, struct said_one *ret)
{
	const struct remembered w = {
		s->store, series->cluster, series->name, (int)series->kind, (int)series->horizon};
	return recall_then(&w, at_ms, ret);
}

const struct train *service_train(const struct service *s)
{
	return s->train;
}

void service_lstm_share(const struct service *s, struct train_share *ret)
{
	*ret = (struct train_share){0};
	for (const struct series *e = s->series; e; e = e->hh.next)
		for (int h = 0; h < SERVICE_HORIZON_COUNT; h++)
			if (e->slots[h].outlook)
				train_share_add(ret, e->slots[h].outlook);
}

void service_stats(const struct service *s, struct service_stats *ret)
{
	*ret = s->stats;
	ret->series = HASH_COUNT(s->series);
}

void service_stop(struct service *s, void (*on_stopped)(void *arg), void *arg)
{
	s->stopping = true;
	s->on_stopped = on_stopped;
	s->on_stopped_arg = arg;
	if (!s->busy)
		train_stop(s->train, free_all, s);
}
