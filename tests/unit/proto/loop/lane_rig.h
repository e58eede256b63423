// SPDX-License-Identifier: Apache-2.0
// A lane's two ends on one loop, and what they saw; for test_lane*.c, after cmocka.h.
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "proto/loop/lane.h"
#include "tests/unit/proto/loop/nng_leak.h"

struct rig {
	uv_loop_t loop;
	struct inbox *inbox;
	struct lane_server *server;
	struct lane_client *client;
	uv_timer_t limit;
	bool timed_out;
	// what the server saw
	unsigned messages, ups, downs;
	int answer; // what on_message returns
	struct lane_peer last_peer;
	char last[64];
	// what the client saw
	unsigned receipts, connected, disconnected;
	char receipt[64];
};

static inline int on_message(
	void *arg, struct lane_peer *peer, const uint8_t *data, size_t len, struct buf *reply)
{
	struct rig *rig = arg;
	rig->messages++;
	rig->last_peer = *peer;
	snprintf(rig->last, sizeof(rig->last), "%.*s", (int)len, data);
	buf_printf(reply, "got %.*s", (int)(len < 40 ? len : 40), data);
	return rig->answer;
}

static inline void on_peer(void *arg, struct lane_peer *peer, bool up)
{
	struct rig *rig = arg;
	rig->last_peer = *peer;
	if (up)
		rig->ups++;
	else
		rig->downs++;
}

static inline void on_receipt(void *arg, const uint8_t *data, size_t len)
{
	struct rig *rig = arg;
	rig->receipts++;
	snprintf(rig->receipt, sizeof(rig->receipt), "%.*s", (int)len, data);
}

static inline void on_connected(void *arg, bool up)
{
	struct rig *rig = arg;
	if (up)
		rig->connected++;
	else
		rig->disconnected++;
}

static inline void on_limit(uv_timer_t *timer)
{
	struct rig *rig = timer->data;
	rig->timed_out = true;
}

// Runs the loop until the counter reaches the value; false after ms.
static inline bool until(struct rig *rig, const unsigned *counter, unsigned value, unsigned ms)
{
	rig->timed_out = false;
	uv_timer_start(&rig->limit, on_limit, ms, 0);
	while (*counter < value && !rig->timed_out)
		uv_run(&rig->loop, UV_RUN_ONCE);
	uv_timer_stop(&rig->limit);
	return *counter >= value;
}

static inline void wait_ms(struct rig *rig, unsigned ms)
{
	const unsigned never = 0;
	until(rig, &never, 1, ms);
}

static inline void rig_init(struct rig *rig)
{
	*rig = (struct rig){0};
	uv_loop_init(&rig->loop);
	assert_int_equal(inbox_new(&rig->inbox, &rig->loop, 4096), 0);
	uv_timer_init(&rig->loop, &rig->limit);
	rig->limit.data = rig;
}

static inline void serve(struct rig *rig, struct lane_server_options o)
{
	struct why why;
	o.url = o.url ? o.url : o.tls ? "tls+tcp://127.0.0.1:0" : "tcp://127.0.0.1:0";
	o.contexts = o.contexts ? o.contexts : 8;
	o.max_peers = o.max_peers ? o.max_peers : 1000;
	o.on_message = on_message;
	o.on_peer = on_peer;
	o.arg = rig;
	int r = lane_server_start(&rig->server, rig->inbox, &o, &why);
	if (r < 0)
		print_message("%s\n", why.text);
	assert_int_equal(r, 0);
}

static inline void dial(struct rig *rig, struct lane_client_options o)
{
	struct why why;
	char url[64];
	if (!o.url)
		snprintf(url, sizeof(url), "%s://127.0.0.1:%u", o.tls ? "tls+tcp" : "tcp",
			lane_server_port(rig->server));
	o.url = o.url ? o.url : url;
	o.on_receipt = on_receipt;
	o.on_connected = on_connected;
	o.arg = rig;
	o.reconnect_min_ms = o.reconnect_min_ms ? o.reconnect_min_ms : 50;
	o.reconnect_max_ms = o.reconnect_max_ms ? o.reconnect_max_ms : 200;
	int r = lane_client_start(&rig->client, rig->inbox, &o, &why);
	if (r < 0)
		print_message("%s\n", why.text);
	assert_int_equal(r, 0);
}

static inline void hang_up(struct rig *rig)
{
	lane_client_stop(rig->client, NULL, NULL);
	rig->client = NULL;
}

static inline void rig_done(struct rig *rig)
{
	if (rig->client)
		hang_up(rig);
	if (rig->server)
		lane_server_stop(rig->server, NULL, NULL);
	uv_run(&rig->loop, UV_RUN_NOWAIT);
	inbox_stop(rig->inbox, NULL, NULL);
	uv_close((uv_handle_t *)&rig->limit, NULL);
	uv_run(&rig->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&rig->loop), 0);
}
