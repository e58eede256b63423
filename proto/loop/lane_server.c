// SPDX-License-Identifier: Apache-2.0
// The answering side of a lane.
//
// N contexts of one REP socket. A context goes round: nng receives into it → its message waits in
// the inbox → the loop asks the application for the answer → perhaps the answer is held back → nng
// sends it → nng receives into it. Only one side has it at any time, so its fields need no lock.
#include "proto/loop/lane.h"

#include <arpa/inet.h>
#include <errno.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "proto/loop/lane_canary.h"
#include "proto/loop/lane_peers.h"
#include "proto/loop/nng_fix.h"
#include "proto/loop/tls_impl.h"

enum {
	MAX_CONTEXTS = 1024,
	MAX_PEERS = 20000,
	IDLE_MS = 90 * 1000,
	TICK_MS = 1000,
	REQUEST_ID_BYTES = 4, // nng's own header before the message, counted by its limit
};

struct context {
	struct inbox_item item;
	struct lane_server *server;
	nng_ctx ctx;
	nng_aio *aio;
	bool sending;
	nng_msg *message; // the request, then the answer
	struct peer *peer;
	uint64_t due_ms;             // of a held answer
	struct context *prev, *next; // in the list of held ones
};

struct lane_server {
	struct lane_server_options o;
	struct inbox *inbox;
	uv_loop_t *loop;
	nng_socket socket;
	bool opened;
	nng_listener listener; // id 0: to be opened again
	char url[256];         // with the port in force
	uint16_t port;
	struct canary canary;
	uint64_t n_revived;
	struct peers peers;
	struct context *contexts;
	unsigned n_contexts;  // opened so far
	struct context *held; // by due_ms
	unsigned n_held;
	size_t reserved;
	struct buf reply;
	uv_timer_t hold_timer, tick_timer;
	int open_handles;
	atomic_uint armed;
	atomic_uint_fast64_t messages, bytes, saturated;
	atomic_uint_fast64_t refused[LANE_REFUSAL_COUNT];
	uint64_t replies, n_holds;
	struct lane_counters counters; // what lane_server_counters() shows
	void (*on_stopped)(void *arg);
	void *on_stopped_arg;
};

const char *lane_refusal_name(enum lane_refusal r)
{
	static const char *const names[LANE_REFUSAL_COUNT] = {
		"message", "oversized", "flood", "peers", "revoked", "idle"};
	return names[r];
}

static void refuse(struct lane_server *s, uint32_t pipe, enum lane_refusal why)
{
	atomic_fetch_add(&s->refused[why], 1);
	nng_pipe_close((nng_pipe){.id = pipe});
}

// ---- on nng's threads

static void arm(struct context *c)
{
	c->sending = false;
	atomic_fetch_add(&c->server->armed, 1);
	nng_ctx_recv(c->ctx, c->aio);
}

static void drop_message(struct context *c)
{
	nng_msg_free(c->message);
	c->message = NULL;
	if (c->peer)
		peers_release(c->peer);
	c->peer = NULL;
}

static void on_received(struct context *c)
{
	struct lane_server *s = c->server;
	bool flood;
	c->message = nng_aio_get_msg(c->aio);
	nng_pipe pipe = nng_msg_get_pipe(c->message);
	atomic_fetch_add(&s->messages, 1);
	atomic_fetch_add(&s->bytes, nng_msg_len(c->message));
	if (atomic_fetch_sub(&s->armed, 1) == 1)
		atomic_fetch_add(&s->saturated, 1);
	c->peer = peers_admit(&s->peers, pipe, &flood);
	if (c->peer) {
		inbox_push(s->inbox, &c->item);
		return;
	}
	if (flood)
		refuse(s, (uint32_t)nng_pipe_id(pipe), LANE_REFUSED_FLOOD);
	drop_message(c);
	arm(c);
}

static void on_aio(void *arg)
{
	struct context *c = arg;
	int e = nng_aio_result(c->aio);
	if (e == 0 && !c->sending) {
		on_received(c);
		return;
	}
	if (!c->sending)
		atomic_fetch_sub(&c->server->armed, 1);
	else if (e != 0)
		nng_msg_free(nng_aio_get_msg(c->aio)); // its peer has gone
	if (e != NNG_ECLOSED && e != NNG_ECANCELED)
		arm(c);
}

static void on_pipe(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
	struct lane_server *s = arg;
	if (event == NNG_PIPE_EV_REM_POST)
		peers_gone(&s->peers, pipe);
	else if (peers_add(&s->peers, pipe) < 0)
		refuse(s, (uint32_t)nng_pipe_id(pipe), LANE_REFUSED_PEERS);
}

// ---- on the loop

static void send_answer(struct context *c)
{
	peers_release(c->peer);
	c->peer = NULL;
	c->sending = true;
	c->server->replies++;
	nng_aio_set_msg(c->aio, c->message);
	c->message = NULL;
	nng_ctx_send(c->ctx, c->aio);
}

static void on_hold_timer(uv_timer_t *timer);

static void start_hold_timer(struct lane_server *s)
{
	if (!s->held)
		return;
	uint64_t now = uv_now(s->loop), due = s->held->due_ms;
	uv_timer_start(&s->hold_timer, on_hold_timer, due > now ? due - now : 0, 0);
}

static void on_hold_timer(uv_timer_t *timer)
{
	struct lane_server *s = timer->data;
	uint64_t now = uv_now(s->loop);
	while (s->held && s->held->due_ms <= now) {
		struct context *c = s->held;
		DL_DELETE(s->held, c);
		s->n_held--;
		send_answer(c);
	}
	start_hold_timer(s);
}

static int by_due(const struct context *a, const struct context *b)
{
	return a->due_ms < b->due_ms ? -1 : a->due_ms > b->due_ms;
}

static void hold_answer(struct context *c, unsigned ms)
{
	struct lane_server *s = c->server;
	c->due_ms = uv_now(s->loop) + ms;
	DL_INSERT_INORDER(s->held, c, by_due);
	s->n_held++;
	s->n_holds++;
	start_hold_timer(s);
}

static void on_message(struct inbox_item *item)
{
	struct context *c = (struct context *)((char *)item - offsetof(struct context, item));
	struct lane_server *s = c->server;
	struct lane_peer *peer = &c->peer->public;
	c->peer->heard_ms = uv_now(s->loop);
	buf_reset(&s->reply);
	int r = s->o.on_message(
		s->o.arg, peer, nng_msg_body(c->message), nng_msg_len(c->message), &s->reply);
	enum lane_refusal why = LANE_REFUSED_MESSAGE;
	if (r > 0 && s->n_held >= s->o.contexts / 2) { // the rest is for those who behave
		why = LANE_REFUSED_FLOOD;
		r = -EBUSY;
	}
	if (r < 0 || buf_failed(&s->reply)) {
		refuse(s, peer->pipe, why);
		drop_message(c);
		arm(c);
		return;
	}
	nng_msg_clear(c->message);
	if (nng_msg_append(c->message, s->reply.data ? s->reply.data : "", s->reply.len) != 0) {
		drop_message(c); // out of memory: the client asks again
		arm(c);
	} else if (r > 0) {
		hold_answer(c, (unsigned)r);
	} else {
		send_answer(c);
	}
}

static void close_chosen(struct lane_server *s, bool (*choose)(void *arg, const struct peer *peer),
	enum lane_refusal why)
{
	size_t n;
	uint32_t *pipes = peers_choose(&s->peers, choose, s, &n);
	for (size_t i = 0; i < n; i++)
		refuse(s, pipes[i], why);
	free(pipes);
}

static bool is_idle(void *arg, const struct peer *peer)
{
	const struct lane_server *s = arg;
	return peer->heard_ms && peer->heard_ms + s->o.idle_ms < uv_now(s->loop);
}

static bool is_revoked(void *arg, const struct peer *peer)
{
	const struct lane_server *s = arg;
	return tls_is_revoked(s->o.tls, peer->public.id.serial);
}

// Everything that the listener has accepted or refused, by nng's own counters: they move only while
// it goes on accepting. nng copies those of every connection, too: not to be asked often.
static uint64_t life(void *arg)
{
	const struct lane_server *s = arg;
	const uint64_t another = s->canary.life + 1; // what cannot be seen is taken for alive
	nng_stat *root;
	uint64_t sum = 0;
	if (nng_stats_get(&root) != 0)
		return another; // out of memory
	nng_stat *found = nng_stat_find_listener(root, s->listener);
	for (nng_stat *x = found ? nng_stat_child(found) : NULL; x; x = nng_stat_next(x))
		if (nng_stat_type(x) == NNG_STAT_COUNTER)
			sum += nng_stat_value(x);
	nng_stats_free(root);
	return found ? sum : another;
}

static int listen_on(struct lane_server *s, const char *url);

// Its connections end with it; their agents dial anew.
static void revive(struct lane_server *s)
{
	if (nng_listener_id(s->listener) > 0)
		nng_listener_close(s->listener);
	s->listener = (nng_listener)NNG_LISTENER_INITIALIZER;
	if (listen_on(s, s->url) == 0)
		s->n_revived++;
}

static void on_tick(uv_timer_t *timer)
{
	struct lane_server *s = timer->data;
	close_chosen(s, is_idle, LANE_REFUSED_IDLE);
	peers_sweep(&s->peers);
	if (nng_listener_id(s->listener) <= 0 || canary_tick(&s->canary, uv_now(s->loop), life, s))
		revive(s);
}

void lane_server_drop_revoked(struct lane_server *s)
{
	if (s->o.tls)
		close_chosen(s, is_revoked, LANE_REFUSED_REVOKED);
}

// ---- start and stop

static void note_address(struct lane_server *s, const nng_sockaddr *a)
{
	struct sockaddr_storage address = {0};
	if (a->s_family == NNG_AF_INET6) {
		struct sockaddr_in6 *six = (struct sockaddr_in6 *)&address;
		six->sin6_family = AF_INET6;
		six->sin6_port = a->s_in6.sa_port;
		memcpy(&six->sin6_addr, a->s_in6.sa_addr, sizeof(six->sin6_addr));
		s->port = ntohs(a->s_in6.sa_port);
	} else {
		struct sockaddr_in *four = (struct sockaddr_in *)&address;
		four->sin_family = AF_INET;
		four->sin_port = a->s_in.sa_port;
		four->sin_addr.s_addr = a->s_in.sa_addr;
		s->port = ntohs(a->s_in.sa_port);
	}
	const char *colon = strrchr(s->o.url, ':');
	snprintf(s->url, sizeof(s->url), "%.*s:%u", (int)(colon - s->o.url), s->o.url, s->port);
	canary_init(&s->canary, s->o.canary_ms, &address);
	s->canary.next_ms = uv_now(s->loop) + s->canary.period_ms;
}

static int start_listener(struct lane_server *s, nng_listener listener)
{
	nng_tls_config *config = NULL;
	nng_sockaddr a;
	int e = s->o.tls ? tls_engine_config(s->o.tls, &config) : 0;
	if (e == 0 && config)
		e = nng_listener_set_ptr(listener, NNG_OPT_TLS_CONFIG, config);
	if (config)
		nng_tls_config_free(config); // the listener has its own reference
	if (e == 0)
		e = nng_listener_start(listener, 0);
	if (e == 0)
		e = nng_listener_get_addr(listener, NNG_OPT_LOCADDR, &a);
	if (e == 0)
		note_address(s, &a);
	return e;
}

static int listen_on(struct lane_server *s, const char *url)
{
	nng_listener listener;
	int e = nng_listener_create(&listener, s->socket, url);
	if (e != 0)
		return e;
	e = start_listener(s, listener);
	if (e == 0)
		s->listener = listener;
	else
		nng_listener_close(listener);
	return e;
}

static int open_listener(struct lane_server *s)
{
	int e = nng_rep0_open(&s->socket);
	if (e != 0)
		return e;
	s->opened = true;
	if ((e = nng_pipe_notify(s->socket, NNG_PIPE_EV_ADD_PRE, on_pipe, s)) ||
		(e = nng_pipe_notify(s->socket, NNG_PIPE_EV_REM_POST, on_pipe, s)) ||
		(e = nng_socket_set_size(
			 s->socket, NNG_OPT_RECVMAXSZ, s->o.max_message_bytes + REQUEST_ID_BYTES)))
		return e;
	return listen_on(s, s->o.url);
}

static int open_contexts(struct lane_server *s)
{
	s->contexts = calloc(s->o.contexts, sizeof(*s->contexts));
	if (!s->contexts)
		return NNG_ENOMEM;
	for (; s->n_contexts < s->o.contexts; s->n_contexts++) {
		struct context *c = &s->contexts[s->n_contexts];
		c->server = s;
		c->item.on_loop = on_message;
		int e = nng_aio_alloc(&c->aio, on_aio, c);
		if (e == 0 && (e = nng_ctx_open(&c->ctx, s->socket)) != 0)
			nng_aio_free(c->aio);
		if (e != 0)
			return e;
	}
	for (unsigned i = 0; i < s->n_contexts; i++)
		arm(&s->contexts[i]);
	return 0;
}

static void close_all(struct lane_server *s)
{
	canary_done(&s->canary);
	if (s->opened)
		nng_close(s->socket);
	for (unsigned i = 0; i < s->n_contexts; i++) {
		struct context *c = &s->contexts[i];
		nng_aio_free(c->aio); // waits for its callback
		inbox_remove(s->inbox, &c->item);
		nng_msg_free(c->message);
	}
	peers_done(&s->peers);
	inbox_release(s->inbox, s->reserved);
	buf_done(&s->reply);
	free(s->contexts);
	tls_free(s->o.tls);
}

static void init(struct lane_server *s, struct inbox *inbox, const struct lane_server_options *o)
{
	s->o = *o;
	s->o.contexts = o->contexts < 1              ? 1
			: o->contexts > MAX_CONTEXTS ? MAX_CONTEXTS
						     : o->contexts;
	s->o.max_peers = o->max_peers ? o->max_peers : MAX_PEERS;
	s->o.idle_ms = o->idle_ms ? o->idle_ms : IDLE_MS;
	if (!o->max_message_bytes)
		s->o.max_message_bytes = LANE_MAX_MESSAGE_BYTES;
	s->inbox = inbox;
	s->loop = inbox_loop(inbox);
	s->peers = (struct peers){
		.inbox = inbox,
		.loop = s->loop,
		.max = s->o.max_peers,
		.secure = o->tls,
		.on_peer = o->on_peer,
		.arg = o->arg,
	};
	peers_init(&s->peers);
	buf_init(&s->reply, LANE_MAX_REPLY_BYTES);
	if (o->tls)
		s->o.tls = tls_reference(o->tls);
	s->canary.fd = -1;
	s->reserved = s->o.contexts + 2 * (size_t)s->o.max_peers;
}

int lane_server_start(struct lane_server **ret, struct inbox *inbox,
	const struct lane_server_options *o, struct why *why)
{
	if (!o->tls != (strncmp(o->url, "tcp://", 6) == 0))
		return why_set(why, -EINVAL, WHY_DENIED,
			"lane %s: tls+tcp needs certificates, tcp must not have any", o->url);
	struct lane_server *s = calloc(1, sizeof(*s));
	if (!s)
		return why_set(why, -ENOMEM, WHY_RETRY, "out of memory");
	nng_fix_init();
	init(s, inbox, o);
	int r = inbox_reserve(inbox, s->reserved);
	if (r < 0)
		s->reserved = 0;
	int e = r < 0 ? 0 : open_listener(s);
	if (r == 0 && e == 0)
		e = open_contexts(s);
	if (r < 0 || e != 0) {
		r = r < 0 ? r : nng_fix_errno(e);
		close_all(s);
		free(s);
		return why_set(why, r, WHY_DENIED, "cannot listen on %s: %s", o->url,
			e ? nng_strerror(e) : strerror(-r));
	}
	uv_timer_init(s->loop, &s->hold_timer);
	uv_timer_init(s->loop, &s->tick_timer);
	s->hold_timer.data = s->tick_timer.data = s;
	s->open_handles = 2;
	uv_timer_start(&s->tick_timer, on_tick, TICK_MS, TICK_MS);
	*ret = s;
	return 0;
}

uint16_t lane_server_port(const struct lane_server *s)
{
	return s->port;
}

const struct lane_counters *lane_server_counters(struct lane_server *s)
{
	struct lane_counters *c = &s->counters;
	pthread_mutex_lock(&s->peers.mutex);
	c->connected = s->peers.connected;
	c->disconnected = s->peers.disconnected;
	pthread_mutex_unlock(&s->peers.mutex);
	c->messages = atomic_load(&s->messages);
	c->bytes = atomic_load(&s->bytes);
	c->saturated = atomic_load(&s->saturated);
	c->replies = s->replies;
	c->held = s->n_holds;
	c->revived = s->n_revived;
	for (int i = 0; i < LANE_REFUSAL_COUNT; i++)
		c->refused[i] = atomic_load(&s->refused[i]);
	c->refused[LANE_REFUSED_OVERSIZED] = nng_fix_oversized();
	return c;
}

size_t lane_server_peers(struct lane_server *s)
{
	pthread_mutex_lock(&s->peers.mutex);
	size_t n = s->peers.present;
	pthread_mutex_unlock(&s->peers.mutex);
	return n;
}

static void on_closed(uv_handle_t *handle)
{
	struct lane_server *s = handle->data;
	if (--s->open_handles > 0)
		return;
	if (s->on_stopped)
		s->on_stopped(s->on_stopped_arg);
	free(s);
}

void lane_server_stop(struct lane_server *s, void (*on_stopped)(void *arg), void *arg)
{
	s->on_stopped = on_stopped;
	s->on_stopped_arg = arg;
	close_all(s);
	uv_close((uv_handle_t *)&s->hold_timer, on_closed);
	uv_close((uv_handle_t *)&s->tick_timer, on_closed);
}
