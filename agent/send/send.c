// SPDX-License-Identifier: Apache-2.0
// Two streams (samples, notices), each with its frames and, for every replica and way, a lane and a
// cursor.
//
// A cursor has one frame under way. Its receipt moves it on, a refusal skips the frame, and a
// receipt that says "not stored" sends it again once the credit has passed. It never goes back:
// what a replica once receipted, whatever way it came, is its own.
#include "agent/send/send.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/send/spool.h"
#include "proto/loop/lane.h"
#include "proto/wire/frame.h"

enum {
	SPOOL_BYTES = 4 << 20,
	SPOOL_MS = 600 * 1000,
	SPOOL_MAX_FRAMES = 4096,
	NOTICE_BYTES = SEND_MAX_NOTICES * 1024, // a notice's frame has at most 900 bytes
	NOTICE_KEEP_MS = 3600 * 1000,
	HELLO_MS = 15 * 1000, // a silent urgent lane proves itself so often
	OFFSET_MAX_RTT_MS = 500,
};

// Samples have the first way only.
enum way { WAY_DATA, WAY_URGENT, WAYS };

struct stream;
struct cursor {
	struct stream *stream;
	unsigned replica;
	struct lane_client *lane; // NULL: not dialed yet
	uint64_t next;            // to be sent
	uint64_t receipted;       // up to here
	uint64_t under_way;       // 0: none, or a hello
	uint64_t asked_ns;
	uint64_t not_before_ns; // credit
	uint64_t refused;
	int64_t offset_ms;
	bool offset_known;
};

struct stream {
	struct send *send;
	enum frame_type type;
	struct spool spool;
	uint64_t sequence; // last one given out
	struct cursor cursors[WAYS][SEND_MAX_REPLICAS];
};

struct send {
	struct send_options o;
	struct inbox *inbox;
	struct stream samples, notices;
	struct buf body, frame;
	struct buf receipt; // scratch
	uv_timer_t credit_timer, urgent_timer;
	int64_t wall_ms; // of the last sample
	uint64_t wall_ns;
	int open_handles;
	void (*on_stopped)(void *arg);
	void *on_stopped_arg;
};

static unsigned replicas(const struct stream *s)
{
	return s->send->o.n_replicas;
}

// What a replica has, whatever way it came.
static uint64_t receipted(const struct stream *s, unsigned replica)
{
	uint64_t data = s->cursors[WAY_DATA][replica].receipted;
	uint64_t urgent = s->cursors[WAY_URGENT][replica].receipted;
	return data > urgent ? data : urgent;
}

static void free_what_all_have(struct stream *s)
{
	uint64_t all = UINT64_MAX;
	for (unsigned k = 0; k < replicas(s); k++) {
		uint64_t has = receipted(s, k);
		if (has < all)
			all = has;
		if (has > s->spool.receipted)
			s->spool.receipted = has;
	}
	if (replicas(s) > 0)
		spool_free_through(&s->spool, all);
}

static void on_credit_timer(uv_timer_t *timer);

static void advance(struct cursor *c, uint64_t now_ns)
{
	struct stream *s = c->stream;
	if (!c->lane || lane_client_state(c->lane)->busy)
		return;
	uint64_t has = receipted(s, c->replica);
	if (c->next <= has)
		c->next = has + 1;
	const struct spool_frame *f = spool_find(&s->spool, c->next);
	if (!f)
		return;
	if (now_ns < c->not_before_ns) {
		uint64_t wait_ms = (c->not_before_ns - now_ns) / 1000000 + 1;
		if (!uv_is_active((uv_handle_t *)&s->send->credit_timer) ||
			uv_timer_get_due_in(&s->send->credit_timer) > wait_ms)
			uv_timer_start(&s->send->credit_timer, on_credit_timer, wait_ms, 0);
		return;
	}
	uint64_t age_ms = now_ns > f->made_ns ? (now_ns - f->made_ns) / 1000000 : 0;
	uint8_t *bytes = spool_bytes(&s->spool, f);
	frame_set_age(bytes, f->len, age_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)age_ms);
	if (lane_client_send(c->lane, bytes, f->len) < 0)
		return; // out of memory: the next sample tries again
	c->under_way = c->next = f->sequence;
	c->asked_ns = now_ns;
}

static void advance_all(struct send *s, uint64_t now_ns)
{
	for (unsigned k = 0; k < s->o.n_replicas; k++) {
		advance(&s->notices.cursors[WAY_DATA][k], now_ns);
		advance(&s->notices.cursors[WAY_URGENT][k], now_ns);
		advance(&s->samples.cursors[WAY_DATA][k], now_ns);
	}
}

static void on_credit_timer(uv_timer_t *timer)
{
	advance_all(timer->data, uv_hrtime());
}

// The aggregator's clock against ours, half a round trip ago.
static void learn_offset(struct cursor *c, int64_t server_ms, uint64_t now_ns)
{
	const struct send *s = c->stream->send;
	uint64_t rtt_ms = (now_ns - c->asked_ns) / 1000000;
	if (s->wall_ns == 0 || rtt_ms > OFFSET_MAX_RTT_MS)
		return;
	int64_t wall_ms = s->wall_ms + ((int64_t)now_ns - (int64_t)s->wall_ns) / 1000000;
	c->offset_ms = server_ms - (wall_ms - (int64_t)rtt_ms / 2);
	c->offset_known = true;
}

static void use_receipt(struct cursor *c, const struct receipt *r, uint64_t now_ns)
{
	learn_offset(c, r->server_ms, now_ns);
	c->not_before_ns = now_ns + (uint64_t)r->credit_ms * 1000000;
	if (c->under_way == 0)
		return; // a hello
	if (r->refused) {
		c->refused += c->under_way > receipted(c->stream, c->replica);
		c->receipted = c->under_way;
	} else if (r->contiguous >= c->under_way) {
		// never beyond what was sent: a receipt cannot speak for frames to come
		c->receipted = c->under_way;
	} else {
		return; // not stored: again
	}
	c->next = c->receipted + 1;
	free_what_all_have(c->stream);
}

static void on_receipt(void *arg, const uint8_t *data, size_t len)
{
	struct cursor *c = arg;
	struct send *s = c->stream->send;
	struct frame f;
	struct receipt r;
	uint64_t now_ns = uv_hrtime();
	bool good = data && frame_decode(data, len, &s->receipt, &f) == 0 &&
		    f.type == FRAME_RECEIPT && receipt_decode(f.body, f.body_len, &r) == 0 &&
		    memcmp(r.boot_id, s->o.boot_id, sizeof(r.boot_id)) == 0;
	if (good)
		use_receipt(c, &r, now_ns);
	else // whoever answers so is no aggregator: ask again, slowly
		c->not_before_ns = now_ns + 1000000000;
	c->under_way = 0;
	advance(c, now_ns);
}

static int push(struct stream *s, uint64_t now_ns)
{
	struct send *send = s->send;
	struct frame f = {
		.type = (uint8_t)s->type,
		.sequence = s->sequence + 1,
		.body = (const uint8_t *)send->body.data,
		.body_len = send->body.len,
	};
	memcpy(f.boot_id, send->o.boot_id, sizeof(f.boot_id));
	buf_reset(&send->frame);
	int r = frame_encode(&f, &send->frame);
	if (r == 0)
		r = spool_push(&s->spool, f.sequence, now_ns, send->frame.data, send->frame.len);
	if (r == 0)
		s->sequence++;
	return r;
}

static void say_hello(struct send *s, struct cursor *c, uint64_t now_ns)
{
	if (!c->lane || c->asked_ns + (uint64_t)HELLO_MS * 1000000 > now_ns ||
		lane_client_state(c->lane)->busy)
		return;
	struct frame f = {.type = FRAME_HELLO, .sequence = 1};
	memcpy(f.boot_id, s->o.boot_id, sizeof(f.boot_id));
	buf_reset(&s->frame);
	if (frame_encode(&f, &s->frame) == 0 &&
		lane_client_send(c->lane, s->frame.data, s->frame.len) == 0)
		c->asked_ns = now_ns;
}

static uint64_t before(uint64_t now_ns, uint64_t ms)
{
	return now_ns > ms * 1000000 ? now_ns - ms * 1000000 : 0;
}

int send_sample(struct send *s, struct sample *sample, uint64_t now_ns)
{
	struct stream *stream = &s->samples;
	spool_expire(&stream->spool, before(now_ns, s->o.spool_ms));
	memcpy(sample->boot_id, s->o.boot_id, sizeof(sample->boot_id));
	sample->sequence = stream->sequence + 1;
	uint64_t dropped = stream->spool.dropped;
	sample->spool_dropped = dropped > UINT32_MAX ? UINT32_MAX : (uint32_t)dropped;
	s->wall_ms = sample->wall_ms;
	s->wall_ns = now_ns;
	buf_reset(&s->body);
	int r = sample_encode(sample, &s->body);
	if (r == 0)
		r = push(stream, now_ns);
	advance_all(s, now_ns);
	for (unsigned k = 0; k < s->o.n_replicas; k++)
		say_hello(s, &s->notices.cursors[WAY_URGENT][k], now_ns);
	return r;
}

// Room for one more without losing one that nobody has.
static bool has_room(struct stream *s)
{
	if (s->spool.count < SEND_MAX_NOTICES)
		return true;
	if (spool_find(&s->spool, 0)->sequence > s->spool.receipted)
		return false;
	spool_free_through(&s->spool, spool_find(&s->spool, 0)->sequence);
	return true;
}

static int dial(struct cursor *c, const char *url, struct why *why)
{
	const struct send *s = c->stream->send;
	const struct lane_client_options o = {.url = url,
		.tls = s->o.replicas[c->replica].tls,
		.resend_ms = s->o.resend_ms,
		.on_receipt = on_receipt,
		.arg = c};
	return lane_client_start(&c->lane, s->inbox, &o, why);
}

// Where it fails for want of memory there is the other way, and the next notice tries again.
static void dial_urgent_lane(struct send *s, unsigned replica)
{
	struct why why;
	struct cursor *c = &s->notices.cursors[WAY_URGENT][replica];
	if (!c->lane)
		(void)dial(c, s->o.replicas[replica].urgent_url, &why);
}

static void on_urgent_timer(uv_timer_t *timer)
{
	struct send *s = timer->data;
	for (unsigned k = 0; k < s->o.n_replicas; k++)
		if (receipted(&s->notices, k) < s->notices.sequence)
			dial_urgent_lane(s, k);
	advance_all(s, uv_hrtime());
}

static void watch_notices(struct send *s)
{
	for (unsigned k = 0; k < s->o.n_replicas; k++)
		if (!lane_client_state(s->samples.cursors[WAY_DATA][k].lane)->connected)
			dial_urgent_lane(s, k);
	if (!uv_is_active((uv_handle_t *)&s->urgent_timer))
		uv_timer_start(&s->urgent_timer, on_urgent_timer, SEND_URGENT_MS, 0);
}

int send_notice(struct send *s, const struct notice *n, uint64_t now_ns)
{
	struct stream *stream = &s->notices;
	spool_expire(&stream->spool, before(now_ns, NOTICE_KEEP_MS));
	if (!has_room(stream))
		return -ENOSPC;
	buf_reset(&s->body);
	int r = notice_encode(n, &s->body);
	if (r == 0)
		r = push(stream, now_ns);
	watch_notices(s);
	advance_all(s, now_ns);
	return r;
}

void send_status(const struct send *s, struct send_status *ret)
{
	*ret = (struct send_status){
		.sequence = s->samples.sequence,
		.spooled = s->samples.spool.count,
		.spool_bytes = s->samples.spool.used_bytes,
		.dropped = s->samples.spool.dropped,
		.notices = (unsigned)s->notices.spool.count,
		.n_replicas = s->o.n_replicas,
	};
	for (unsigned k = 0; k < s->o.n_replicas; k++) {
		const struct cursor *data = &s->samples.cursors[WAY_DATA][k];
		const struct stream *notices = &s->notices;
		const struct lane_client_state *state = lane_client_state(data->lane);
		ret->replicas[k] = (struct send_replica_status){
			.connected = state->connected,
			.last_receipt_ns = state->last_receipt_ns,
			.contiguous = data->receipted,
			.clock_offset_ms = data->offset_ms,
			.clock_offset_known = data->offset_known,
			.refused = data->refused + notices->cursors[WAY_DATA][k].refused +
				   notices->cursors[WAY_URGENT][k].refused,
		};
	}
}

static void init_cursors(struct stream *s)
{
	for (int way = 0; way < WAYS; way++)
		for (unsigned k = 0; k < SEND_MAX_REPLICAS; k++)
			s->cursors[way][k] = (struct cursor){.stream = s, .replica = k, .next = 1};
}

static int start_lanes(struct send *s, struct why *why)
{
	int r = 0;
	for (unsigned k = 0; r == 0 && k < s->o.n_replicas; k++) {
		struct cursor *data = &s->samples.cursors[WAY_DATA][k];
		struct cursor *beside = &s->notices.cursors[WAY_DATA][k];
		const struct lane_client_options o = {
			.resend_ms = s->o.resend_ms, .on_receipt = on_receipt, .arg = beside};
		r = dial(data, s->o.replicas[k].data_url, why);
		if (r == 0)
			r = lane_client_share(&beside->lane, data->lane, &o, why);
	}
	return r;
}

static void on_closed(void *arg)
{
	struct send *s = arg;
	if (--s->open_handles > 0)
		return;
	spool_done(&s->samples.spool);
	spool_done(&s->notices.spool);
	buf_done(&s->body);
	buf_done(&s->frame);
	buf_done(&s->receipt);
	if (s->on_stopped)
		s->on_stopped(s->on_stopped_arg);
	free(s);
}

static void on_timer_closed(uv_handle_t *handle)
{
	on_closed(handle->data);
}

static int init(struct send *s, const struct send_options *o)
{
	s->o = *o;
	s->o.spool_bytes = o->spool_bytes ? o->spool_bytes : SPOOL_BYTES;
	s->o.spool_ms = o->spool_ms ? o->spool_ms : SPOOL_MS;
	s->samples = (struct stream){.send = s, .type = FRAME_SAMPLE};
	s->notices = (struct stream){.send = s, .type = FRAME_NOTICE};
	init_cursors(&s->samples);
	init_cursors(&s->notices);
	buf_init(&s->body, FRAME_MAX_BODY_BYTES);
	buf_init(&s->frame, 2 * FRAME_MAX_BODY_BYTES);
	buf_init(&s->receipt, FRAME_MAX_BODY_BYTES);
	int r = spool_init(&s->samples.spool, s->o.spool_bytes, SPOOL_MAX_FRAMES);
	return r < 0 ? r : spool_init(&s->notices.spool, NOTICE_BYTES, SEND_MAX_NOTICES + 1);
}

int send_start(
	struct send **ret, struct inbox *inbox, const struct send_options *o, struct why *why)
{
	if (o->n_replicas > SEND_MAX_REPLICAS)
		return why_set(why, -EINVAL, WHY_DENIED, "at most %d aggregator replicas",
			SEND_MAX_REPLICAS);
	struct send *s = calloc(1, sizeof(*s));
	if (!s)
		return why_set(why, -ENOMEM, WHY_RETRY, "out of memory");
	uv_timer_init(inbox_loop(inbox), &s->credit_timer);
	uv_timer_init(inbox_loop(inbox), &s->urgent_timer);
	s->credit_timer.data = s->urgent_timer.data = s;
	s->inbox = inbox;
	int r = init(s, o);
	if (r < 0)
		why_set(why, r, WHY_RETRY, "no memory for the spool");
	if (r == 0)
		r = start_lanes(s, why);
	if (r < 0) {
		send_stop(s, NULL, NULL);
		return r;
	}
	*ret = s;
	return 0;
}

void send_stop(struct send *s, void (*on_stopped)(void *arg), void *arg)
{
	struct cursor *all[3 * SEND_MAX_REPLICAS];
	unsigned n = 0;
	// those that share a connection before those that have it
	for (unsigned k = 0; k < s->o.n_replicas; k++) {
		all[n++] = &s->notices.cursors[WAY_DATA][k];
		all[n++] = &s->notices.cursors[WAY_URGENT][k];
		all[n++] = &s->samples.cursors[WAY_DATA][k];
	}
	s->on_stopped = on_stopped;
	s->on_stopped_arg = arg;
	s->open_handles = 2;
	for (unsigned i = 0; i < n; i++)
		s->open_handles += all[i]->lane != NULL;
	for (unsigned i = 0; i < n; i++)
		if (all[i]->lane)
			lane_client_stop(all[i]->lane, on_closed, s);
	uv_close((uv_handle_t *)&s->credit_timer, on_timer_closed);
	uv_close((uv_handle_t *)&s->urgent_timer, on_timer_closed);
}
