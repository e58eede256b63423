// SPDX-License-Identifier: Apache-2.0
#include "aggregator/store/store.h"
#include "aggregator/store/store_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/text.h"

enum {
	FUTURE_MS = 60000,
	MAX_WINDOW_MS = 3600000,
	PUSH_EVERY_MS =
		10000, // also when there is nothing to write, so that the writer knows the time
	QUEUE_BATCHES = 64, // past it a tick waits for the writer, for a simulator in a hurry
	BRAKE_MS = 100,
};
static const int64_t YEAR_10000_MS = 253402300800000;
static const uint32_t least_window_ms[] = {1000, 1000, 1000, 10000};

static int open_writer(struct store *s, struct why *why)
{
	char memory[STORE_PATH_BYTES];
	snprintf(memory, sizeof(memory), "file:/petrel-%d-%p?vfs=memdb", (int)getpid(), (void *)s);
	const char *path = s->o.path ? s->o.path : memory;
	const struct store_write_options o = {.path = path,
		.live_ms = s->live_ms,
		.retention_ms = {
			s->o.retention_10s_ms, s->o.retention_5min_ms, s->o.retention_1h_ms}};
	int failed = store_reader_new(&s->reader, path);
	if (!failed)
		failed = store_writer_new(&s->writer, &o, why);
	if (!failed && store_recover(s) < 0)
		s->stats.recovery_failed = true;
	if (!failed)
		failed = store_writer_start(s->writer);
	return failed;
}

int store_new(struct store **ret, const struct store_options *o, struct why *why)
{
	if (why)
		*why = (struct why){0};
	if (!o->max_entities || !o->live_seconds || o->live_seconds > 86400)
		return why_set(why, -EINVAL, WHY_BUG, "store: bounds must be given");
	struct store *s = calloc(1, sizeof(*s));
	if (!s)
		return why_set(why, -ENOMEM, WHY_RETRY, "store: no memory");
	s->o = *o;
	s->live_ms = (int64_t)o->live_seconds * 1000;
	if (!o->retention_10s_ms)
		s->o.retention_10s_ms = 48 * 3600000ll;
	if (!o->retention_5min_ms)
		s->o.retention_5min_ms = 35 * 86400000ll;
	if (!o->retention_1h_ms)
		s->o.retention_1h_ms = 400 * 86400000ll;
	buf_init(&s->blob, CHUNK_MAX_BYTES);
	int failed = store_codec_new(&s->codec);
	if (!failed)
		failed = store_columns_init(&s->one, 1, store_wanted_all);
	if (!failed)
		failed = open_writer(s, why);
	s->o.path = NULL; // it was borrowed
	if (failed) {
		if (why && !why->code)
			why_set(why, failed, WHY_RETRY, "store: %s", strerror(-failed));
		store_free(s);
		return failed;
	}
	*ret = s;
	return 0;
}

static void push(struct store *s)
{
	struct store_batch *b = store_batch_of(s);
	if (!b)
		return;
	b->now_ms = s->now_ms;
	s->batch = NULL;
	s->pushed_ms = s->now_ms;
	store_writer_push(s->writer, b);
}

void store_free(struct store *s)
{
	if (!s)
		return;
	if (s->writer && s->now_ms) {
		store_close_bins(s);
		push(s);
	}
	store_writer_free(s->writer);
	store_batch_free(s->batch);
	store_reader_free(s->reader);
	store_entities_done(s);
	store_documents_done(s);
	store_codec_free(s->codec);
	store_columns_done(&s->one);
	buf_done(&s->blob);
	free(s);
}

struct store_batch *store_batch_of(struct store *s)
{
	if (!s->batch) {
		s->batch = store_batch_new();
		if (s->batch)
			s->batch->number = ++s->batches;
	}
	return s->batch;
}

int store_add(
	struct store *s, struct store_entity *e, const struct store_record *r, int64_t closed_ms)
{
	uint32_t before = e->live.bytes;
	int failed = store_live_put(&e->live, r, least_window_ms[e->ref->kind]);
	s->live_bytes += (size_t)e->live.bytes - before;
	if (failed || e->ref->kind == ENTITY_POD)
		return failed;
	failed = store_bins_add(&e->bins, r, closed_ms);
	if (e->bins && !e->open) {
		e->open = true;
		e->next_open = s->open;
		s->open = e;
	}
	return failed;
}

int store_put(struct store *s, struct store_entity *e, int64_t wall_ms, uint32_t window_ms,
	const struct scope *values)
{
	if (!window_ms || window_ms > MAX_WINDOW_MS || wall_ms < (int64_t)window_ms)
		return -EINVAL;
	if (wall_ms > YEAR_10000_MS || (s->now_ms && wall_ms > s->now_ms + FUTURE_MS)) {
		s->stats.puts_future++;
		return -ERANGE;
	}
	if (wall_ms <= s->now_ms - s->live_ms) {
		s->stats.puts_stale++;
		return -ESTALE;
	}
	struct store_record *r = &s->scratch;
	r->wall_ms = wall_ms;
	r->window_ms = window_ms;
	if (values != &r->scope)
		r->scope = *values;
	int failed = store_add(s, e, r, INT64_MIN);
	if (failed)
		return failed;
	if (e->ref->kind != ENTITY_POD) {
		struct store_batch *b = store_batch_of(s);
		if (!b || store_batch_put(b, e->ref, r) < 0)
			s->stats.unjournalled++;
	}
	e->touched = s->ticks;
	s->stats.puts++;
	return 0;
}

static void write_bin(struct store *s, struct store_entity *e, int64_t index)
{
	struct store_batch *b = store_batch_of(s);
	buf_reset(&s->blob);
	int failed = b ? store_chunk_encode(s->codec, &s->one, &s->blob) : -ENOMEM;
	if (!failed) {
		const struct store_bin_head h = {e->ref, index, STORE_10S, (uint32_t)s->blob.len};
		failed = store_batch_bin(b, &h, s->blob.data);
	}
	if (failed)
		s->stats.dropped_bins++;
}

void store_close_bins(struct store *s)
{
	struct store_entity *e = s->open, *next, *still = NULL;
	int64_t index;
	for (; e; e = next) {
		next = e->next_open;
		while (store_bins_take(&e->bins, s->now_ms - STORE_LATE_MS, s->now_ms + FUTURE_MS,
			&s->one, &index))
			write_bin(s, e, index);
		e->open = e->bins;
		if (e->open) {
			e->next_open = still;
			still = e;
		}
	}
	s->open = still;
}

void store_tick(struct store *s, int64_t now_ms)
{
	struct store_writer_state state;
	bool set_back = now_ms < s->now_ms;
	s->now_ms = now_ms;
	s->ticks++;
	store_close_bins(s);
	if (s->batch || now_ms - s->pushed_ms >= PUSH_EVERY_MS || set_back) {
		push(s);
		store_writer_wait(s->writer, QUEUE_BATCHES, BRAKE_MS);
	}
	if (s->documents) {
		store_writer_get(s->writer, &state);
		store_documents_written(s, state.written);
	}
	store_sweep(s, set_back);
}

const struct scope *store_latest(
	const struct store_entity *e, int64_t *ret_wall_ms, uint32_t *ret_window_ms)
{
	struct store *s = e->cluster->store;
	if (e->live.tail_wall_ms <= s->now_ms - s->live_ms ||
		store_live_tail(&e->live, &s->scratch) < 0)
		return NULL;
	if (ret_wall_ms)
		*ret_wall_ms = s->scratch.wall_ms;
	if (ret_window_ms)
		*ret_window_ms = s->scratch.window_ms;
	return &s->scratch.scope;
}

int store_read_begin(struct store *s)
{
	struct store_writer_state state;
	store_writer_get(s->writer, &state);
	return store_reader_begin(s->reader, state.files);
}

void store_flush(struct store *s)
{
	if (s->now_ms) {
		store_close_bins(s);
		push(s);
	}
	store_writer_wait(s->writer, 0, 10000);
}

void store_stats(const struct store *s, struct store_stats *ret)
{
	struct store_writer_state state;
	store_writer_get(s->writer, &state);
	*ret = s->stats;
	ret->live_bytes = s->live_bytes;
	ret->storing = state.storing;
	ret->error = state.error;
	text_copy(ret->error_text, sizeof(ret->error_text), state.text);
	ret->moved_aside = state.moved_aside;
	ret->dropped_bins += state.dropped_bins;
	ret->chunks_written = state.counters.chunks_written;
	ret->bytes_written = state.counters.bytes_written;
	ret->damaged_rows = state.counters.damaged_rows;
	ret->file_bytes = state.counters.file_bytes;
	ret->oldest_10s_ms = state.counters.oldest_10s_ms;
	ret->oldest_1h_ms = state.counters.oldest_1h_ms;
}
