// SPDX-License-Identifier: Apache-2.0
#include "aggregator/store/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "proto/base/text.h"

enum { QUEUE_MAX_BYTES = 64 << 20, RETRY_MS = 1000, PATH_BYTES = 4096 };

struct store_writer {
	struct store_write write; // the thread's once it runs
	char path[PATH_BYTES];
	int lock_fd;
	bool memory, open, started;
	pthread_t thread;
	pthread_mutex_t mutex; // guards what follows
	pthread_cond_t changed;
	struct store_batch *first, *last;
	size_t n_queued, queued_bytes;
	bool stop, busy;
	struct store_writer_state state;
};

// --- opening --------------------------------------------------------------------------------

static int move_aside(struct store_writer *w, const char *reason)
{
	static const char *const suffixes[] = {"", "-wal", "-shm"};
	char from[PATH_BYTES + 16], to[PATH_BYTES + 32];
	if (w->memory)
		return -EBADMSG;
	for (int i = 0; i < 3; i++) {
		snprintf(from, sizeof(from), "%s%s", w->path, suffixes[i]);
		snprintf(to, sizeof(to), "%s.corrupt%s", w->path, suffixes[i]);
		if (unlink(to) < 0 && errno != ENOENT)
			return -errno;
		if (rename(from, to) < 0 && errno != ENOENT)
			return -errno;
	}
	pthread_mutex_lock(&w->mutex);
	w->state.moved_aside++;
	snprintf(w->state.text, sizeof(w->state.text),
		"%.90s is damaged (%.40s): moved to *.corrupt, a new one begun", w->path, reason);
	pthread_mutex_unlock(&w->mutex);
	return 0;
}

static int open_file(struct store_writer *w, struct why *why)
{
	int failed = store_write_open(&w->write, why);
	if (failed == -EBADMSG) {
		failed = move_aside(w, why->text);
		if (failed)
			return why_set(why, failed, WHY_DENIED,
				"%s is damaged and cannot be moved aside: %s", w->path,
				strerror(-failed));
		failed = store_write_open(&w->write, why);
	}
	if (failed)
		return failed;
	w->open = true;
	pthread_mutex_lock(&w->mutex);
	w->state.files++;
	pthread_mutex_unlock(&w->mutex);
	return 0;
}

// One process per file: SQLite would let a second one write, and both would lose.
static int lock_file(struct store_writer *w, struct why *why)
{
	char path[PATH_BYTES + 16];
	snprintf(path, sizeof(path), "%s.lock", w->path);
	w->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (w->lock_fd < 0)
		return why_set(why, -errno, WHY_DENIED, "%s: %s", path, strerror(errno));
	if (flock(w->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return why_set(why, -EBUSY, WHY_DENIED, "%s: another process writes it", w->path);
	return 0;
}

int store_writer_new(
	struct store_writer **ret, const struct store_write_options *o, struct why *why)
{
	struct why ignored, *text = why ? why : &ignored;
	struct store_writer *w = calloc(1, sizeof(*w));
	if (!w)
		return why_set(why, -ENOMEM, WHY_RETRY, "store: no memory");
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&w->mutex, NULL);
	pthread_cond_init(&w->changed, &attr);
	pthread_condattr_destroy(&attr);
	w->lock_fd = -1;
	w->memory = strncmp(o->path, "file:", 5) == 0;
	w->state.storing = true;
	struct store_write_options mine = *o;
	mine.path = w->path;
	int failed = 0;
	if (!text_copy(w->path, sizeof(w->path), o->path))
		failed = why_set(why, -ENAMETOOLONG, WHY_DENIED, "store: the path is too long");
	if (!failed && !w->memory)
		failed = lock_file(w, text);
	if (!failed && store_write_init(&w->write, &mine) < 0)
		failed = why_set(why, -ENOMEM, WHY_RETRY, "store: no memory");
	if (!failed)
		failed = open_file(w, text);
	if (failed == -ENOSPC || failed == -EIO || failed == -EAGAIN) {
		w->state.storing = false; // the thread tries again
		w->state.error = failed;
		text_copy(w->state.text, sizeof(w->state.text), text->text);
		failed = 0;
	}
	if (failed) {
		store_writer_free(w);
		return failed;
	}
	if (w->state.moved_aside)
		why_set(why, 0, WHY_NONE, "%s", w->state.text);
	*ret = w;
	return 0;
}

struct store_write *store_writer_file(struct store_writer *w)
{
	return w->open ? &w->write : NULL;
}

// --- the thread -----------------------------------------------------------------------------

// Waits until changed, or for wait_ms if it is not negative; mutex is held.
static void wait_changed(struct store_writer *w, int wait_ms)
{
	struct timespec until;
	if (wait_ms < 0) {
		pthread_cond_wait(&w->changed, &w->mutex);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += wait_ms / 1000;
	until.tv_nsec += wait_ms % 1000 * 1000000l;
	if (until.tv_nsec >= 1000000000l) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000l;
	}
	pthread_cond_timedwait(&w->changed, &w->mutex, &until);
}

// The file failed or works again; the mutex is not held. Returns result.
static int note(struct store_writer *w, int result)
{
	int error = result < 0 ? result : 0;
	if (error == -EBADMSG && w->open) {
		char reason[64];
		text_copy(reason, sizeof(reason), sqlite3_errmsg(w->write.disk.db));
		store_write_close(&w->write);
		w->open = false;
		move_aside(w, reason);
	}
	pthread_mutex_lock(&w->mutex);
	if (error && error != -EBADMSG && w->open)
		snprintf(w->state.text, sizeof(w->state.text), "%.100s: %.80s", w->path,
			sqlite3_errmsg(w->write.disk.db));
	w->state.error = error;
	w->state.storing = !error;
	w->state.counters = w->write.counters;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->mutex);
	return result;
}

// True if there is an open file, a new one if need be.
static bool reopen(struct store_writer *w)
{
	struct why why = {0};
	if (w->open)
		return true;
	int failed = open_file(w, &why);
	if (failed) {
		note(w, failed);
		pthread_mutex_lock(&w->mutex);
		text_copy(w->state.text, sizeof(w->state.text), why.text);
		pthread_mutex_unlock(&w->mutex);
	}
	return !failed;
}

static struct store_batch *pop(struct store_writer *w)
{
	struct store_batch *b = w->first;
	if (b) {
		w->first = b->next;
		if (!w->first)
			w->last = NULL;
		w->n_queued--;
		w->queued_bytes -= store_batch_bytes(b);
	}
	return b;
}

// Writes until it is on the disk; gives up only when the writer is stopping.
static bool write_batch(struct store_writer *w, struct store_batch *b)
{
	for (;;) {
		int result = reopen(w) ? note(w, store_write_batch(&w->write, b)) : -EIO;
		if (result == 0)
			return true;
		if (result == -EBADMSG)
			continue; // at once, with a new file
		if (result == -ENOSPC && w->open)
			store_write_relieve(&w->write);
		pthread_mutex_lock(&w->mutex);
		if (!w->stop)
			wait_changed(w, RETRY_MS);
		bool stop = w->stop;
		pthread_mutex_unlock(&w->mutex);
		if (stop)
			return false;
	}
}

static void *run(void *arg)
{
	struct store_writer *w = arg;
	int64_t now_ms = 0;
	bool more = false;
	pthread_mutex_lock(&w->mutex);
	while (!w->stop || w->first) {
		if (!w->state.storing && !w->stop)
			wait_changed(w, RETRY_MS);
		struct store_batch *b = pop(w);
		if (!b && !more) {
			if (w->state.storing)
				wait_changed(w, -1);
			continue;
		}
		w->busy = true;
		pthread_mutex_unlock(&w->mutex);
		bool written = b && write_batch(w, b);
		if (b)
			now_ms = b->now_ms;
		if (now_ms && reopen(w)) // after a failure it is tried again
			more = note(w, store_write_piece(&w->write, now_ms)) != 0;
		pthread_mutex_lock(&w->mutex);
		if (written)
			w->state.written = b->number;
		w->busy = false;
		pthread_cond_broadcast(&w->changed);
		store_batch_free(b);
	}
	pthread_mutex_unlock(&w->mutex);
	return NULL;
}

int store_writer_start(struct store_writer *w)
{
	sigset_t all, before;
	sigfillset(&all); // signals are the loop's
	pthread_sigmask(SIG_BLOCK, &all, &before);
	int error = pthread_create(&w->thread, NULL, run, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	w->started = error == 0;
	if (w->started)
		pthread_setname_np(w->thread, "store");
	return -error;
}

// --- the loop's side ------------------------------------------------------------------------

// Drops the oldest batch of several; its documents go on with the next.
static void drop_oldest(struct store_writer *w)
{
	struct store_batch *b = pop(w);
	w->queued_bytes -= store_batch_bytes(w->first);
	for (size_t i = 0; i < b->n_documents; i++)
		if (store_batch_document(w->first, b->documents[i]) < 0)
			store_document_drop(b->documents[i]);
	b->n_documents = 0;
	w->queued_bytes += store_batch_bytes(w->first);
	w->state.dropped_bins += b->n_bins;
	store_batch_free(b);
}

void store_writer_push(struct store_writer *w, struct store_batch *b)
{
	pthread_mutex_lock(&w->mutex);
	b->next = NULL;
	*(w->last ? &w->last->next : &w->first) = b;
	w->last = b;
	w->n_queued++;
	w->queued_bytes += store_batch_bytes(b);
	while (w->queued_bytes > QUEUE_MAX_BYTES && w->first != w->last)
		drop_oldest(w);
	if (w->state.storing) // else it wakes by itself, and not for each batch
		pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->mutex);
}

void store_writer_wait(struct store_writer *w, size_t most, unsigned wait_ms)
{
	struct timespec start, now;
	clock_gettime(CLOCK_MONOTONIC, &start);
	pthread_mutex_lock(&w->mutex);
	while (w->state.storing && w->n_queued + w->busy > most) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		int64_t waited = (now.tv_sec - start.tv_sec) * 1000 +
				 (now.tv_nsec - start.tv_nsec) / 1000000;
		if (waited >= (int64_t)wait_ms)
			break;
		wait_changed(w, (int)(wait_ms - waited));
	}
	pthread_mutex_unlock(&w->mutex);
}

void store_writer_get(struct store_writer *w, struct store_writer_state *ret)
{
	pthread_mutex_lock(&w->mutex);
	*ret = w->state;
	pthread_mutex_unlock(&w->mutex);
}

void store_writer_free(struct store_writer *w)
{
	if (!w)
		return;
	if (w->started) {
		pthread_mutex_lock(&w->mutex);
		w->stop = true;
		pthread_cond_broadcast(&w->changed);
		pthread_mutex_unlock(&w->mutex);
		pthread_join(w->thread, NULL);
	}
	while (w->first)
		store_batch_free(pop(w));
	store_write_done(&w->write);
	if (w->lock_fd >= 0)
		close(w->lock_fd);
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->mutex);
	free(w);
}
