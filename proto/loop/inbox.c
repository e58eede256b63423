// SPDX-License-Identifier: Apache-2.0
#include "proto/loop/inbox.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct inbox {
	uv_async_t wake;
	pthread_mutex_t mutex; // guards first, last, len, max_len
	struct inbox_item *first, *last;
	size_t len, max_len;
	size_t capacity, reserved;
	void (*on_stopped)(void *arg);
	void *arg;
};

static struct inbox_item *take(struct inbox *i)
{
	pthread_mutex_lock(&i->mutex);
	struct inbox_item *item = i->first;
	if (item) {
		i->first = item->next;
		if (!i->first)
			i->last = NULL;
		i->len--;
	}
	pthread_mutex_unlock(&i->mutex);
	return item;
}

static void on_wake(uv_async_t *wake)
{
	struct inbox *i = wake->data;
	struct inbox_item *item;
	for (int n = 0; n < INBOX_BATCH; n++) {
		item = take(i);
		if (!item)
			return;
		item->on_loop(item); // the item may be pushed again from here on
	}
	uv_async_send(wake); // the rest after the loop has seen its timers
}

int inbox_new(struct inbox **ret, uv_loop_t *loop, size_t capacity)
{
	struct inbox *i = calloc(1, sizeof(*i));
	if (!i)
		return -ENOMEM;
	int r = uv_async_init(loop, &i->wake, on_wake);
	if (r < 0) {
		free(i);
		return r;
	}
	i->wake.data = i;
	i->capacity = capacity;
	pthread_mutex_init(&i->mutex, NULL);
	*ret = i;
	return 0;
}

int inbox_reserve(struct inbox *i, size_t items)
{
	if (i->capacity - i->reserved < items)
		return -ENOSPC;
	i->reserved += items;
	return 0;
}

void inbox_release(struct inbox *i, size_t items)
{
	assert(i->reserved >= items);
	i->reserved -= items;
}

void inbox_push(struct inbox *i, struct inbox_item *item)
{
	item->next = NULL;
	pthread_mutex_lock(&i->mutex);
	if (i->last)
		i->last->next = item;
	else
		i->first = item;
	i->last = item;
	if (++i->len > i->max_len)
		i->max_len = i->len;
	pthread_mutex_unlock(&i->mutex);
	uv_async_send(&i->wake);
}

void inbox_remove(struct inbox *i, struct inbox_item *item)
{
	struct inbox_item *before = NULL;
	pthread_mutex_lock(&i->mutex);
	for (struct inbox_item *x = i->first; x; before = x, x = x->next) {
		if (x != item)
			continue;
		if (before)
			before->next = x->next;
		else
			i->first = x->next;
		if (i->last == x)
			i->last = before;
		i->len--;
		break;
	}
	pthread_mutex_unlock(&i->mutex);
}

size_t inbox_len(struct inbox *i)
{
	pthread_mutex_lock(&i->mutex);
	size_t len = i->len;
	pthread_mutex_unlock(&i->mutex);
	return len;
}

size_t inbox_max_len(struct inbox *i)
{
	pthread_mutex_lock(&i->mutex);
	size_t len = i->max_len;
	pthread_mutex_unlock(&i->mutex);
	return len;
}

uv_loop_t *inbox_loop(struct inbox *i)
{
	return i->wake.loop;
}

static void on_closed(uv_handle_t *handle)
{
	struct inbox *i = handle->data;
	pthread_mutex_destroy(&i->mutex);
	if (i->on_stopped)
		i->on_stopped(i->arg);
	free(i);
}

void inbox_stop(struct inbox *i, void (*on_stopped)(void *arg), void *arg)
{
	i->on_stopped = on_stopped;
	i->arg = arg;
	uv_close((uv_handle_t *)&i->wake, on_closed);
}
