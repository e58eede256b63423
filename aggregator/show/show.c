// SPDX-License-Identifier: Apache-2.0
// The socket side: requests become struct api_request, answers go out with their headers, and open
// event streams hear what events.c says each tick.
#include "aggregator/show/show.h"

#include "aggregator/show/api.h"
#include "aggregator/show/events.h"
#include "proto/base/text.h"
#include "proto/loop/http_server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

enum { STREAM_QUEUE_BYTES = 2 << 20 }; // what a client may be behind: seconds at 5,000 nodes

struct stream {
	struct show *show;
	struct http_stream *http;
	char cluster[64]; // "" all
	struct stream *prev, *next;
};

struct show {
	struct show_core core;
	struct events events;
	struct http_server *server;
	struct stream *streams;
	void (*on_stopped)(void *arg);
	void *on_stopped_arg;
};

static void on_pair(void *arg, const char *key, const char *value)
{
	struct api_request *q = arg;
	if (q->n_pairs < API_MAX_ARGUMENTS)
		q->pairs[q->n_pairs] = (struct api_pair){key, value};
	q->n_pairs++;
}

static void set_headers(struct http_response *r, const struct api_answer *a)
{
	// Nothing from another host, no framing, no forms: the page only reads.
	http_response_header(r, "Content-Security-Policy",
		"default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
		"object-src 'none'");
	http_response_header(r, "X-Frame-Options", "DENY");
	http_response_header(r, "Referrer-Policy", "no-referrer");
	http_response_header(r, "Cross-Origin-Resource-Policy", "same-origin");
	if (!a->cacheable)
		http_response_header(r, "Cache-Control", "no-store");
	else if (a->kind == API_ASSET && a->asset->immutable)
		http_response_header(r, "Cache-Control", "public, max-age=31536000, immutable");
	else
		http_response_header(r, "Cache-Control", "no-cache");
	if (a->kind == API_ASSET) {
		http_response_header(r, "ETag", a->asset->etag);
		if (a->status == 200)
			http_response_header(r, "Content-Encoding", "gzip");
	}
	if (a->status == 405)
		http_response_header(r, "Allow", a->allow ? a->allow : "GET, HEAD");
	if (a->status == 503)
		http_response_header(r, "Retry-After", "5");
}

static void on_stream_closed(void *arg)
{
	struct stream *s = arg;
	struct show *show = s->show;
	DL_DELETE(show->streams, s);
	show->core.http.streams--;
	free(s);
}

// s may be gone afterwards.
static void stream_write(struct stream *s, const struct buf *text)
{
	struct show_core *c = &s->show->core;
	if (text->len == 0 || buf_failed(text))
		return;
	c->http.event_bytes += text->len;
	if (http_stream_write(s->http, text->data, text->len) == -ENOSPC)
		c->http.streams_dropped++;
}

static void open_stream(struct show *show, struct http_response *r, const struct api_answer *a)
{
	struct stream *s = calloc(1, sizeof(*s));
	if (!s)
		return; // without an answer the server says 500
	s->show = show;
	memcpy(s->cluster, a->cluster, sizeof(s->cluster));
	DL_APPEND(show->streams, s);
	show->core.http.streams++;
	show->core.http.streams_opened++;
	s->http = http_reply_stream(r, a->type, STREAM_QUEUE_BYTES, on_stream_closed, s);
	if (!s->http) {
		on_stream_closed(s);
		return;
	}
	autobuf text;
	buf_init(&text, EVENTS_MAX_BYTES);
	events_hello(&show->core, s->cluster, show->core.options.wall_ms(), &text);
	stream_write(s, &text);
}

static void on_request(void *arg, const struct http_request *request, struct http_response *r)
{
	struct show *show = arg;
	struct api_request q = {
		.method = http_request_method(request),
		.path = http_request_path(request),
		.if_none_match = http_request_header(request, "If-None-Match"),
		.remote = http_request_remote(request),
		.host = http_request_header(request, "Host"),
		.marked = http_request_header(request, API_MARK) != NULL,
	};
	struct api_answer a;
	http_request_each_query(request, on_pair, &q);
	api_answer(&show->core, &q, &a);
	set_headers(r, &a);
	if (a.kind == API_STREAM) {
		open_stream(show, r, &a);
	} else if (a.kind == API_ASSET) {
		http_reply_static(r, a.status, a.type, a.asset->gzip,
			a.status == 200 ? a.asset->gzip_len : 0);
	} else {
		size_t len;
		char *body = buf_take(&a.body, &len);
		if (body)
			http_reply_take(r, a.status, a.type, body, len);
	}
	api_answer_done(&a);
}

int show_new(struct show **ret, uv_loop_t *loop, const struct show_options *o,
	const struct show_sources *sources, struct why *why)
{
	struct show *s = calloc(1, sizeof(*s));
	if (!s)
		return why_set(why, -ENOMEM, WHY_RETRY, "out of memory");
	int r = core_init(&s->core, o, sources);
	if (r < 0) {
		free(s);
		return why_set(why, r, WHY_BUG, "show needs fleet, store, status and both clocks");
	}
	const struct http_server_options http = {
		.address = o->address,
		.port = o->port,
		.on_request = on_request,
		.arg = s,
	};
	r = http_server_new(&s->server, loop, &http, why);
	if (r < 0) {
		core_done(&s->core);
		free(s);
		return r;
	}
	*ret = s;
	return 0;
}

uint16_t show_port(const struct show *s)
{
	return http_server_port(s->server);
}

void show_add_plan(struct show *s, const struct plan *p)
{
	if (core_add_plan(&s->core, p) < 0)
		return; // shown late rather than never: the next plan comes within a minute
	autobuf text;
	buf_init(&text, EVENTS_MAX_BYTES);
	events_plan(core_plan(&s->core, 0), &text);
	struct stream *one, *next;
	DL_FOREACH_SAFE(s->streams, one, next)
	if (!one->cluster[0] || strcmp(one->cluster, p->cluster) == 0)
		stream_write(one, &text);
}

// One text per distinct cluster, however many streams want it.
struct cluster_text {
	char cluster[64];
	struct buf text;
};

static const struct buf *text_for(
	struct show *s, struct cluster_text *texts, size_t *n, const char *cluster, int64_t now_ms)
{
	for (size_t i = 0; i < *n; i++)
		if (strcmp(texts[i].cluster, cluster) == 0)
			return &texts[i].text;
	struct cluster_text *t = &texts[(*n)++];
	text_copy(t->cluster, sizeof(t->cluster), cluster);
	buf_init(&t->text, EVENTS_MAX_BYTES);
	events_tick(&s->events, &s->core, cluster, now_ms, &t->text);
	return &t->text;
}

void show_publish_tick(struct show *s, int64_t now_ms)
{
	struct show_core *c = &s->core;
	c->last_tick_ms = now_ms;
	c->last_tick_ns = c->options.mono_ns();
	node_memory_update(&c->nodes, c->sources.fleet, c->sources.store, now_ms);
	drain_tally_update(&c->drains, core_drains(c));
	if (!s->streams || events_collect(&s->events, c, now_ms) < 0)
		return;
	struct cluster_text texts[SHOW_MAX_STREAMS];
	size_t n = 0;
	struct stream *one, *next;
	DL_FOREACH_SAFE(s->streams, one, next)
	stream_write(one, text_for(s, texts, &n, one->cluster, now_ms));
	for (size_t i = 0; i < n; i++)
		buf_done(&texts[i].text);
}

static void on_server_stopped(void *arg)
{
	struct show *s = arg;
	void (*on_stopped)(void *) = s->on_stopped;
	void *on_stopped_arg = s->on_stopped_arg;
	events_done(&s->events);
	core_done(&s->core);
	free(s);
	if (on_stopped)
		on_stopped(on_stopped_arg);
}

void show_stop(struct show *s, void (*on_stopped)(void *arg), void *arg)
{
	s->on_stopped = on_stopped;
	s->on_stopped_arg = arg;
	http_server_stop(s->server, on_server_stopped, s);
}
