// SPDX-License-Identifier: Apache-2.0
// The asking side of a lane: one REQ context that goes round idle → sending → receiving → idle.
//
// nng repeats an unanswered request by itself, after resend_ms and over every new connection. What
// it cannot see is a peer that has vanished without a word; after dead_ms without a receipt the
// connection is closed here, and nng dials anew. A request is never cancelled (nng 1.5.2 may
// crash).
#include "proto/loop/lane.h"

#include <errno.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "proto/loop/nng_fix.h"
#include "proto/loop/tls_impl.h"

enum {
	RESEND_MS = 5000,
	DEAD_MS = 20 * 1000,
	RECONNECT_MIN_MS = 500,
	RECONNECT_MAX_MS = 30 * 1000,
	REQUEST_ID_BYTES = 4,
};

struct lane_client {
	struct lane_client_options o;
	struct inbox *inbox;
	uv_loop_t *loop;
	struct lane_client *of; // whose connection it uses; NULL: its own
	nng_socket socket;
	nng_ctx ctx;
	nng_aio *aio;
	bool opened, receiving;
	size_t reserved; // of the inbox
	struct inbox_item receipt_item, pipe_item;
	uv_timer_t dead_timer;
	uint64_t asked_ms, up_ms; // loop time
	bool told_up;             // what on_connected said last
	pthread_mutex_t mutex;    // guards the four below
	bool pipe_queued;         // pipe_item is in the inbox
	uint32_t pipe;            // 0: none
	uint64_t connects, disconnects;
	struct lane_client_state state;
	void (*on_stopped)(void *arg);
	void *on_stopped_arg;
};

// ---- on nng's threads

static void on_aio(void *arg)
{
	struct lane_client *c = arg;
	int e = nng_aio_result(c->aio);
	if (e == 0 && !c->receiving) { // handed to a connection
		c->receiving = true;
		nng_ctx_recv(c->ctx, c->aio);
		return;
	}
	if (e != 0 && !c->receiving)
		nng_msg_free(nng_aio_get_msg(c->aio));
	if (e != NNG_ECLOSED)
		inbox_push(c->inbox, &c->receipt_item);
}

static void on_pipe(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
	struct lane_client *c = arg;
	uint32_t id = (uint32_t)nng_pipe_id(pipe);
	pthread_mutex_lock(&c->mutex);
	if (event == NNG_PIPE_EV_ADD_POST) {
		c->pipe = id;
		c->connects++;
	} else {
		c->disconnects++;
		if (c->pipe == id)
			c->pipe = 0;
	}
	bool push = !c->pipe_queued;
	c->pipe_queued = true;
	pthread_mutex_unlock(&c->mutex);
	if (push)
		inbox_push(c->inbox, &c->pipe_item);
}

// ---- on the loop

static void on_pipe_changed(struct inbox_item *item)
{
	struct lane_client *c =
		(struct lane_client *)((char *)item - offsetof(struct lane_client, pipe_item));
	pthread_mutex_lock(&c->mutex);
	c->pipe_queued = false;
	bool up = c->pipe != 0;
	pthread_mutex_unlock(&c->mutex);
	if (up)
		c->up_ms = uv_now(c->loop);
	if (up == c->told_up)
		return;
	c->told_up = up;
	if (c->o.on_connected)
		c->o.on_connected(c->o.arg, up);
}

static void on_receipt(struct inbox_item *item)
{
	struct lane_client *c =
		(struct lane_client *)((char *)item - offsetof(struct lane_client, receipt_item));
	nng_msg *message = nng_aio_result(c->aio) == 0 ? nng_aio_get_msg(c->aio) : NULL;
	c->state.busy = false;
	if (message) {
		c->state.receipts++;
		c->state.last_receipt_ns = uv_hrtime();
	}
	c->o.on_receipt(c->o.arg, message ? nng_msg_body(message) : NULL,
		message ? nng_msg_len(message) : 0);
	nng_msg_free(message);
}

static void on_dead_timer(uv_timer_t *timer)
{
	struct lane_client *c = timer->data;
	uint64_t since = c->asked_ms > c->up_ms ? c->asked_ms : c->up_ms;
	pthread_mutex_lock(&c->mutex);
	uint32_t pipe = c->pipe;
	pthread_mutex_unlock(&c->mutex);
	if (pipe && c->state.busy && since + c->o.dead_ms < uv_now(c->loop))
		nng_pipe_close((nng_pipe){.id = pipe});
}

int lane_client_send(struct lane_client *c, const void *data, size_t len)
{
	nng_msg *message;
	if (c->state.busy)
		return -EBUSY;
	if (len > c->o.max_message_bytes)
		return -EMSGSIZE;
	if (nng_msg_alloc(&message, 0) != 0)
		return -ENOMEM;
	if (nng_msg_append(message, data, len) != 0) {
		nng_msg_free(message);
		return -ENOMEM;
	}
	c->state.busy = true;
	c->state.sent++;
	c->asked_ms = uv_now(c->loop);
	c->receiving = false;
	nng_aio_set_msg(c->aio, message);
	nng_ctx_send(c->ctx, c->aio);
	return 0;
}

const struct lane_client_state *lane_client_state(struct lane_client *c)
{
	struct lane_client *owner = c->of ? c->of : c;
	pthread_mutex_lock(&owner->mutex);
	c->state.connected = owner->pipe != 0;
	c->state.connects = owner->connects;
	c->state.disconnects = owner->disconnects;
	pthread_mutex_unlock(&owner->mutex);
	return &c->state;
}

// ---- start and stop

static int start_dialer(struct lane_client *c)
{
	nng_dialer dialer;
	nng_tls_config *config = NULL;
	int e = nng_dialer_create(&dialer, c->socket, c->o.url);
	if (e != 0)
		return e;
	if (c->o.tls) {
		e = tls_engine_config(c->o.tls, &config);
		if (e == 0)
			e = nng_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, config);
		if (config)
			nng_tls_config_free(config); // the dialer has its own reference
	}
	if (e == 0)
		e = nng_dialer_set_ms(
			dialer, NNG_OPT_RECONNMINT, (nng_duration)c->o.reconnect_min_ms);
	if (e == 0)
		e = nng_dialer_set_ms(
			dialer, NNG_OPT_RECONNMAXT, (nng_duration)c->o.reconnect_max_ms);
	return e ? e : nng_dialer_start(dialer, NNG_FLAG_NONBLOCK);
}

static int open_context(struct lane_client *c, nng_socket socket)
{
	int e = nng_aio_alloc(&c->aio, on_aio, c);
	if (e == 0)
		e = nng_ctx_open(&c->ctx, socket);
	return e ? e : nng_ctx_set_ms(c->ctx, NNG_OPT_REQ_RESENDTIME, (nng_duration)c->o.resend_ms);
}

static int open_socket(struct lane_client *c)
{
	int e = nng_req0_open(&c->socket);
	if (e != 0)
		return e;
	c->opened = true;
	if ((e = nng_pipe_notify(c->socket, NNG_PIPE_EV_ADD_POST, on_pipe, c)) ||
		(e = nng_pipe_notify(c->socket, NNG_PIPE_EV_REM_POST, on_pipe, c)) ||
		(e = nng_socket_set_size(
			 c->socket, NNG_OPT_RECVMAXSZ, LANE_MAX_REPLY_BYTES + REQUEST_ID_BYTES)) ||
		(e = open_context(c, c->socket)))
		return e;
	return start_dialer(c);
}

static void close_all(struct lane_client *c)
{
	if (c->opened)
		nng_close(c->socket);
	else if (c->of)
		nng_ctx_close(c->ctx); // nothing, if it was never opened
	if (c->aio) {
		nng_aio_stop(c->aio);
		inbox_remove(c->inbox, &c->receipt_item);
		if (c->receiving && nng_aio_result(c->aio) == 0 && c->state.busy)
			nng_msg_free(nng_aio_get_msg(c->aio)); // a receipt nobody took
		nng_aio_free(c->aio);
	}
	inbox_remove(c->inbox, &c->pipe_item);
	inbox_release(c->inbox, c->reserved);
	pthread_mutex_destroy(&c->mutex);
	tls_free(c->o.tls);
}

static void init(struct lane_client *c, struct inbox *inbox, const struct lane_client_options *o)
{
	c->o = *o;
	c->o.resend_ms = o->resend_ms ? o->resend_ms : RESEND_MS;
	c->o.dead_ms = o->dead_ms ? o->dead_ms : DEAD_MS;
	c->o.reconnect_min_ms = o->reconnect_min_ms ? o->reconnect_min_ms : RECONNECT_MIN_MS;
	c->o.reconnect_max_ms = o->reconnect_max_ms ? o->reconnect_max_ms : RECONNECT_MAX_MS;
	if (!o->max_message_bytes)
		c->o.max_message_bytes = LANE_MAX_MESSAGE_BYTES;
	if (o->tls)
		c->o.tls = tls_reference(o->tls);
	c->inbox = inbox;
	c->loop = inbox_loop(inbox);
	c->receipt_item.on_loop = on_receipt;
	c->pipe_item.on_loop = on_pipe_changed;
	pthread_mutex_init(&c->mutex, NULL);
}

int lane_client_start(struct lane_client **ret, struct inbox *inbox,
	const struct lane_client_options *o, struct why *why)
{
	if (!o->tls != (strncmp(o->url, "tcp://", 6) == 0))
		return why_set(why, -EINVAL, WHY_DENIED,
			"lane %s: tls+tcp needs certificates, tcp must not have any", o->url);
	struct lane_client *c = calloc(1, sizeof(*c));
	if (!c)
		return why_set(why, -ENOMEM, WHY_RETRY, "out of memory");
	nng_fix_init();
	init(c, inbox, o);
	int r = inbox_reserve(inbox, 2), e = 0;
	c->reserved = r == 0 ? 2 : 0;
	if (r == 0)
		e = open_socket(c);
	if (r < 0 || e != 0) {
		r = r < 0 ? r : nng_fix_errno(e);
		close_all(c);
		free(c);
		return why_set(why, r, WHY_DENIED, "cannot dial %s: %s", o->url,
			e ? nng_strerror(e) : strerror(-r));
	}
	uv_timer_init(c->loop, &c->dead_timer);
	c->dead_timer.data = c;
	uint64_t period = c->o.dead_ms / 4 + 1;
	uv_timer_start(&c->dead_timer, on_dead_timer, period, period);
	*ret = c;
	return 0;
}

int lane_client_share(struct lane_client **ret, struct lane_client *of,
	const struct lane_client_options *o, struct why *why)
{
	struct lane_client_options own = *o;
	struct lane_client *c = calloc(1, sizeof(*c));
	if (!c)
		return why_set(why, -ENOMEM, WHY_RETRY, "out of memory");
	own.tls = NULL;
	own.on_connected = NULL;
	init(c, of->inbox, &own);
	c->of = of;
	int r = inbox_reserve(of->inbox, 1), e = 0;
	c->reserved = r == 0 ? 1 : 0;
	if (r == 0)
		e = open_context(c, of->socket);
	if (r < 0 || e != 0) {
		close_all(c);
		free(c);
		return why_set(why, r < 0 ? r : nng_fix_errno(e), WHY_RETRY,
			"cannot share a connection: %s", e ? nng_strerror(e) : strerror(-r));
	}
	uv_timer_init(c->loop, &c->dead_timer); // its connection's owner watches it
	c->dead_timer.data = c;
	*ret = c;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct lane_client *c = handle->data;
	if (c->on_stopped)
		c->on_stopped(c->on_stopped_arg);
	free(c);
}

void lane_client_stop(struct lane_client *c, void (*on_stopped)(void *arg), void *arg)
{
	c->on_stopped = on_stopped;
	c->on_stopped_arg = arg;
	close_all(c);
	uv_close((uv_handle_t *)&c->dead_timer, on_closed);
}
