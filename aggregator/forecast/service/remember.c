// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/service/remember.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_BYTES = 400, WEEK = 7, THEN_DAYS = 3, DAY_BYTES_MAX = 16 << 10 };
static const int64_t day_ms = 86400000;

int64_t remember_apart_ms(int horizon)
{
	static const int64_t hours[] = {2, 6, 24};
	return hours[horizon] * 3600000;
}

static void key_of(char ret[KEY_BYTES], const char *what, int64_t day, const struct remembered *w)
{
	snprintf(ret, KEY_BYTES, "day/%05d/%s/%d/%d/%s/%s", (int)day, what, w->horizon, w->kind,
		w->cluster, w->name);
}

static int append(const struct remembered *w, const char *key, const struct said_one *one)
{
	autobuf all;
	void *before = NULL;
	size_t len = 0;
	buf_init(&all, DAY_BYTES_MAX);
	if (store_document_get(w->store, key, &before, &len) == 0)
		buf_append(&all, before, len);
	free(before);
	said_pack(one, &all);
	return buf_failed(&all) ? -ENOMEM : store_document_put(w->store, key, all.data, all.len);
}

int remember_said(const struct remembered *w, const struct outlook *o, int64_t generated_ms)
{
	char key[KEY_BYTES];
	struct said_one one;
	int r = said_of(o, generated_ms, &one);
	if (r < 0)
		return r;
	key_of(key, "said", generated_ms / day_ms, w);
	r = append(w, key, &one);
	free(one.q);
	return r;
}

// Calls with each that was said on a day, oldest first, which owns it.
static void each_of_day(const struct remembered *w, int64_t day,
	void (*take)(void *arg, struct said_one *one), void *arg)
{
	char key[KEY_BYTES];
	void *data;
	size_t len, at = 0;
	struct said_one one;
	key_of(key, "said", day, w);
	if (store_document_get(w->store, key, &data, &len) < 0)
		return;
	while (said_unpack(data, len, &at, &one) > 0)
		take(arg, &one);
	free(data);
}

static void add(void *arg, struct said_one *one)
{
	said_take(arg, one);
}

int64_t recall_said(const struct remembered *w, int64_t now_ms, struct said *ret)
{
	for (int64_t day = now_ms / day_ms - SAID_DAYS; day <= now_ms / day_ms; day++)
		each_of_day(w, day, add, ret);
	return ret->n ? ret->one[ret->n - 1].generated_ms : 0;
}

struct then {
	int64_t at_ms;
	struct said_one one;
};

static void newest(void *arg, struct said_one *one)
{
	struct then *t = arg;
	if (one->generated_ms > t->at_ms) {
		free(one->q);
		return;
	}
	free(t->one.q);
	t->one = *one;
}

int recall_then(const struct remembered *w, int64_t at_ms, struct said_one *ret)
{
	struct then t = {.at_ms = at_ms};
	for (int64_t day = at_ms / day_ms; !t.one.q && day > at_ms / day_ms - THEN_DAYS; day--)
		each_of_day(w, day, newest, &t);
	if (!t.one.q)
		return -ENOENT;
	*ret = t.one;
	return 0;
}

static int64_t week_of(int64_t now_ms)
{
	return now_ms / day_ms / WEEK * WEEK;
}

int remember_scores(const struct remembered *w, int64_t now_ms, const struct forecast_state *state,
	const struct remembered_scores *scores)
{
	char key[KEY_BYTES];
	autobuf all;
	buf_init(&all, sizeof(*scores) + FORECAST_SAVED_BYTES_MAX);
	buf_append(&all, scores, sizeof(*scores));
	forecast_state_save(state, &all);
	key_of(key, "scores", week_of(now_ms), w);
	return buf_failed(&all) ? -ENOMEM : store_document_put(w->store, key, all.data, all.len);
}

static int recall_week(const struct remembered *w, int64_t week, struct forecast_state *state,
	struct remembered_scores *ret)
{
	char key[KEY_BYTES];
	void *data;
	size_t len;
	struct remembered_scores scores;
	key_of(key, "scores", week, w);
	int r = store_document_get(w->store, key, &data, &len);
	if (r < 0)
		return r;
	r = len < sizeof(scores) ? -EBADMSG
				 : forecast_state_load(state, (char *)data + sizeof(scores),
					   len - sizeof(scores));
	if (r == 0)
		memcpy(ret, data, sizeof(*ret));
	free(data);
	return r;
}

int recall_scores(const struct remembered *w, int64_t now_ms, struct forecast_state *state,
	struct remembered_scores *ret)
{
	int64_t week = week_of(now_ms);
	return recall_week(w, week, state, ret) == 0 || recall_week(w, week - WEEK, state, ret) == 0
		       ? 0
		       : -ENOENT;
}
