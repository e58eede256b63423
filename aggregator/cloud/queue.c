// SPDX-License-Identifier: Apache-2.0
// Messages are held until every notice out of them has its verdict, then wait for a batch to be
// deleted in. One poll is always open; while messages come, as many as are allowed.
#include "aggregator/cloud/queue.h"

#include <cjson/cJSON.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "proto/base/json.h"
#include "proto/base/rng.h"
#include "proto/base/text.h"

enum {
	BATCH = 10,
	FLUSH_MS = 50,
	MAX_HANDLE_BYTES = 4096,
	MAX_RECEIVERS = 16,
	MAX_PAUSE_MS = 20000
};

struct queue_ack {
	struct queue_ack *prev, *next;
	struct message *message;
};
struct message {
	struct message *prev, *next;
	struct queue_ack *acks; // without their verdict
	bool reading;           // its notices are being told
	bool keep;              // SQS shall show it again
	bool foreign;
	char handle[]; // SQS's receipt handle
};

struct queue {
	uv_timer_t pause, flush;
	struct aws_client *client;
	struct queue_options o;
	char *url, *endpoint, *receive_body;
	char cluster[64];
	struct rng rng;
	unsigned open; // polls
	unsigned failures;
	struct message *held, *done; // done: to be deleted
	unsigned n_done;
	char *aside[QUEUE_ASIDE_KEPT];
	size_t n_aside; // since the start
	struct queue_stats stats;
	unsigned calls; // under way, of any kind
	bool stopping;
	unsigned closed;
	void (*on_stopped)(void *arg);
	void *stopped_arg;
};

static void free_messages(struct message **list)
{
	struct message *m, *next;
	struct queue_ack *a, *next_ack;
	DL_FOREACH_SAFE(*list, m, next)
	{
		DL_FOREACH_SAFE(m->acks, a, next_ack)
		free(a);
		free(m);
	}
	*list = NULL;
}

static void queue_free(struct queue *q)
{
	free_messages(&q->held);
	free_messages(&q->done);
	for (size_t i = 0; i < QUEUE_ASIDE_KEPT; i++)
		free(q->aside[i]);
	free(q->url);
	free(q->endpoint);
	free(q->receive_body);
	free(q);
}

static void stopped(struct queue *q)
{
	if (!q->stopping || q->calls > 0 || q->closed < 2)
		return;
	void (*on_stopped)(void *) = q->on_stopped;
	void *arg = q->stopped_arg;
	queue_free(q);
	if (on_stopped)
		on_stopped(arg);
}

struct batch {
	struct queue *queue;
	unsigned n;
};

static void on_deleted(void *arg, int r, const struct why *why, const struct aws_answer *a)
{
	struct batch *b = arg;
	struct queue *q = b->queue;
	unsigned n = b->n, failed = b->n;
	free(b);
	q->calls--;
	if (r == 0) {
		cJSON *o = cJSON_ParseWithLength(a->body, a->body_len);
		int f = cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(o, "Failed"));
		failed = (unsigned)f < n ? (unsigned)f : n;
		cJSON_Delete(o);
	}
	// What was not deleted comes again, and is accepted again: the same notices, the same ids.
	q->stats.deleted += n - failed;
	q->stats.delete_failures += failed;
	stopped(q);
}

static void delete_batch(struct queue *q)
{
	struct batch *b = calloc(1, sizeof(*b));
	struct json j;
	autobuf body;
	assert(b);
	buf_init(&body, 1 << 20);
	json_init(&j, &body);
	json_open(&j, '{');
	json_put_text(&j, "QueueUrl", q->url);
	json_key(&j, "Entries");
	json_open(&j, '[');
	for (b->n = 0; q->done && b->n < BATCH; b->n++) {
		struct message *m = q->done;
		char id[16];
		snprintf(id, sizeof(id), "%u", b->n);
		json_open(&j, '{');
		json_put_text(&j, "Id", id);
		json_put_text(&j, "ReceiptHandle", m->handle);
		json_close(&j, '}');
		DL_DELETE(q->done, m);
		q->n_done--;
		free(m);
	}
	json_close(&j, ']');
	json_close(&j, '}');
	b->queue = q;
	struct aws_call call = {.service = AWS_SQS,
		.operation = "DeleteMessageBatch",
		.json = body.data,
		.endpoint = q->endpoint,
		.on_done = on_deleted,
		.arg = b};
	q->calls++;
	aws_call(q->client, &call);
}

static void on_flush(uv_timer_t *t)
{
	struct queue *q = t->data;
	while (q->done)
		delete_batch(q);
}

static void poll_more(struct queue *q);

static void message_done(struct queue *q, struct message *m)
{
	DL_DELETE(q->held, m);
	q->stats.held--;
	if (m->keep) {
		free(m);
	} else {
		DL_APPEND(q->done, m);
		q->n_done++;
		if (q->n_done >= BATCH)
			delete_batch(q);
		else if (!uv_is_active((uv_handle_t *)&q->flush))
			uv_timer_start(&q->flush, on_flush, FLUSH_MS, 0);
	}
}

void queue_verdict(struct queue *q, struct queue_ack *ack, enum queue_verdict v)
{
	struct message *m = ack->message;
	DL_DELETE(m->acks, ack);
	free(ack);
	q->stats.accepted += v == QUEUE_ACCEPTED;
	q->stats.foreign += v == QUEUE_FOREIGN;
	q->stats.later += v == QUEUE_LATER;
	m->keep |= v == QUEUE_LATER;
	if (m->acks || m->reading)
		return;
	message_done(q, m);
	if (q->stats.held + BATCH == QUEUE_MAX_HELD) // reading has waited for this
		poll_more(q);
}

struct telling {
	struct queue *queue;
	struct message *message;
};

static void on_notice(void *arg, const struct notice *n, const struct queue_extra *extra)
{
	struct telling *t = arg;
	struct queue_ack *ack = calloc(1, sizeof(*ack));
	if (!ack) {
		t->message->keep = true;
		return;
	}
	ack->message = t->message;
	DL_APPEND(t->message->acks, ack);
	t->queue->stats.notices++;
	t->queue->o.on_notice(t->queue->o.arg, n, extra, ack);
}

static void set_aside(struct queue *q, const char *body)
{
	char *kept = calloc(1, QUEUE_ASIDE_BYTES);
	q->stats.malformed++;
	if (!kept)
		return;
	for (size_t i = 0; body[i] && i + 1 < QUEUE_ASIDE_BYTES; i++)
		kept[i] = (char)(body[i] >= ' ' && body[i] < 0x7f ? body[i] : '.');
	char **place = &q->aside[q->n_aside++ % QUEUE_ASIDE_KEPT];
	free(*place);
	*place = kept;
}

static void take_message(struct queue *q, const cJSON *o)
{
	const char *handle =
		cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "ReceiptHandle"));
	const char *body = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "Body"));
	size_t n = handle ? strlen(handle) : 0;
	struct message *m = n > 0 && n < MAX_HANDLE_BYTES ? calloc(1, sizeof(*m) + n + 1) : NULL;
	if (!m)
		return; // cannot be deleted, so not taken
	memcpy(m->handle, handle, n);
	m->reading = true;
	DL_APPEND(q->held, m);
	q->stats.held++;
	q->stats.messages++;
	q->stats.last_event_ms = q->o.wall_ms();
	struct notice from = {.observed_ms = q->stats.last_event_ms, .source = "queue"};
	text_copy(from.cluster, sizeof(from.cluster), q->cluster);
	struct telling t = {q, m};
	struct event_sink sink = {&from, on_notice, &t};
	int r = body ? event_read(body, strlen(body), &sink) : -EBADMSG;
	if (r < 0)
		set_aside(q, body ? body : "");
	q->stats.ignored += r == 0;
	m->reading = false;
	if (!m->acks)
		message_done(q, m);
}

static void on_pause(uv_timer_t *t)
{
	poll_more(t->data);
}

static void receive_failed(struct queue *q, int r, const struct why *why)
{
	q->stats.receive_failures++;
	q->stats.last_error = *why;
	unsigned shift = q->failures < 5 ? q->failures : 5;
	uint32_t most = 1000u << shift < MAX_PAUSE_MS ? 1000u << shift : MAX_PAUSE_MS;
	q->failures++;
	if (!uv_is_active((uv_handle_t *)&q->pause))
		uv_timer_start(&q->pause, on_pause, 200 + (uint64_t)(rng_unit(&q->rng) * most), 0);
}

static void on_received(void *arg, int r, const struct why *why, const struct aws_answer *a)
{
	struct queue *q = arg;
	struct why malformed;
	int n = 0;
	q->open--;
	if (q->stopping)
		goto out;
	cJSON *o = r == 0 ? cJSON_ParseWithLength(a->body, a->body_len) : NULL, *m;
	if (r == 0 && !cJSON_IsObject(o)) {
		r = why_set(&malformed, -EBADMSG, WHY_BUG, "ReceiveMessage: no JSON object");
		why = &malformed;
	}
	if (r < 0) {
		cJSON_Delete(o);
		receive_failed(q, r, why);
		goto out;
	}
	q->failures = 0;
	q->stats.receives++;
	q->stats.last_good_ms = q->o.wall_ms();
	q->stats.last_error = (struct why){0};
	cJSON_ArrayForEach (m, cJSON_GetObjectItemCaseSensitive(o, "Messages")) {
		if (n++ < BATCH)
			take_message(q, m);
	}
	cJSON_Delete(o);
	if (n > 0 || q->open == 0)
		poll_more(q);
	if (n > 0)
		for (unsigned i = q->open; i < q->o.receivers; i++)
			poll_more(q);
out:
	q->calls--;
	stopped(q);
}

static void poll_more(struct queue *q)
{
	if (q->stopping || q->open >= q->o.receivers || q->stats.held + BATCH > QUEUE_MAX_HELD ||
		uv_is_active((uv_handle_t *)&q->pause))
		return;
	struct aws_call call = {.service = AWS_SQS,
		.operation = "ReceiveMessage",
		.json = q->receive_body,
		.endpoint = q->endpoint,
		.hold_ms = q->o.wait_s * 1000,
		.on_done = on_received,
		.arg = q};
	q->open++;
	q->calls++;
	aws_call(q->client, &call);
}

// "https://sqs.REGION.amazonaws.com/ACCOUNT/NAME" -> everything before the path.
static char *endpoint_of(const char *url)
{
	size_t scheme = strncmp(url, "https://", 8) == 0  ? 8
			: strncmp(url, "http://", 7) == 0 ? 7
							  : 0;
	size_t host = scheme ? strcspn(url + scheme, "/") : 0;
	if (!host || url[scheme + host] != '/' || strlen(url) > 1024 ||
		strpbrk(url, "@?# \t\r\n\""))
		return NULL;
	return strndup(url, scheme + host);
}

static char *make_receive_body(const struct queue_options *o)
{
	struct buf body;
	struct json j;
	buf_init(&body, 8192);
	json_init(&j, &body);
	json_open(&j, '{');
	json_put_text(&j, "QueueUrl", o->url);
	json_put_i64(&j, "MaxNumberOfMessages", BATCH);
	json_put_i64(&j, "WaitTimeSeconds", o->wait_s);
	json_put_i64(&j, "VisibilityTimeout", o->visibility_s);
	json_close(&j, '}');
	return buf_take(&body, NULL);
}

static void set_defaults(struct queue_options *o)
{
	o->receivers = o->receivers == 0 ? 8 : o->receivers;
	if (o->receivers > MAX_RECEIVERS)
		o->receivers = MAX_RECEIVERS;
	if (o->wait_s > 20)
		o->wait_s = 20;
	if (o->visibility_s == 0 || o->visibility_s > 43200)
		o->visibility_s = 60;
}

int queue_start(struct queue **ret, uv_loop_t *loop, const struct queue_options *o, struct why *why)
{
	char *endpoint = o->url ? endpoint_of(o->url) : NULL;
	if (!endpoint)
		return why_set(why, -EINVAL, WHY_DENIED,
			"the queue's address is not https://sqs.REGION.amazonaws.com/ACCOUNT/NAME");
	struct queue *q = calloc(1, sizeof(*q));
	if (!q) {
		free(endpoint);
		return why_set(why, -ENOMEM, WHY_RETRY, "out of memory");
	}
	q->endpoint = endpoint;
	q->o = *o;
	set_defaults(&q->o);
	q->client = o->client;
	q->url = strdup(o->url);
	q->receive_body = make_receive_body(&q->o);
	text_copy(q->cluster, sizeof(q->cluster), o->cluster ? o->cluster : "");
	rng_init(&q->rng, o->seed);
	if (!q->url || !q->receive_body) {
		queue_free(q);
		return why_set(why, -ENOMEM, WHY_RETRY, "out of memory");
	}
	uv_timer_init(loop, &q->pause);
	uv_timer_init(loop, &q->flush);
	q->pause.data = q->flush.data = q;
	poll_more(q);
	*ret = q;
	return 0;
}

void queue_stats(const struct queue *q, struct queue_stats *ret)
{
	*ret = q->stats;
}

const char *queue_aside(const struct queue *q, size_t index)
{
	size_t n = q->n_aside < QUEUE_ASIDE_KEPT ? q->n_aside : QUEUE_ASIDE_KEPT;
	return index < n ? q->aside[(q->n_aside - 1 - index) % QUEUE_ASIDE_KEPT] : NULL;
}

static void on_closed(uv_handle_t *h)
{
	struct queue *q = h->data;
	q->closed++;
	stopped(q);
}

void queue_stop(struct queue *q, void (*on_stopped)(void *arg), void *arg)
{
	q->stopping = true;
	q->on_stopped = on_stopped;
	q->stopped_arg = arg;
	free_messages(&q->held);
	free_messages(&q->done);
	uv_close((uv_handle_t *)&q->pause, on_closed);
	uv_close((uv_handle_t *)&q->flush, on_closed);
}
