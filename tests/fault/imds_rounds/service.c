// SPDX-License-Identifier: Apache-2.0
#include "tests/fault/imds_rounds/service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/text.h"
#include "tests/fault/imds_rounds/virtual_clock.h"

enum { REQUEST_BYTES = 2048, BODY_BYTES = 512, HUGE_BYTES = 100 << 10, LATE_MS = 3000 };
enum { SLOW_BYTE_MS = 20, KEPT_PERCENT = 10, FIN_FIRST_PERCENT = 1 };

static const char *const paths[PLACE_OTHER] = {
	"/latest/meta-data/spot/instance-action",
	"/latest/meta-data/autoscaling/target-lifecycle-state",
	"/latest/meta-data/events/recommendations/rebalance",
	"/latest/meta-data/events/maintenance/scheduled",
	"/latest/meta-data/spot/termination-time",
	"/latest/api/token",
};

struct service {
	uv_loop_t *loop;
	uv_tcp_t listener;
	uv_timer_t listen_again;
	bool listening;
	uint64_t refuse_until_ns;
	uint16_t port;
	struct rng rng;
	struct fault faults[MAX_FAULTS];
	unsigned next_fault;
	char shown[PLACE_COUNT][BODY_BYTES];
	uint64_t token,
		forgotten; // numbers: of the newest, and of the last that is no good any more
	char *huge;
	struct service_stats stats;
};

struct connection {
	struct service *service;
	uv_tcp_t tcp;
	uv_timer_t timer;
	int open_handles;
	bool closing, ends; // ends: after what is sent
	char in[REQUEST_BYTES];
	size_t in_len;
	char out[1024];
	size_t out_len, out_at;
};

static void on_request(struct connection *c);
static void on_connection(uv_stream_t *listener, int status);

const char *fault_name(enum fault_kind k)
{
	static const char *const names[] = {"503", "403", "401", "status", "hang", "late", "slow",
		"reset", "half_closed", "truncated", "huge", "garbage", "token_refused",
		"token_storm", "refused"};
	return names[k];
}

// ---- connections

static void on_closed(uv_handle_t *handle)
{
	struct connection *c = handle->data;
	if (--c->open_handles > 0)
		return;
	c->service->stats.open--;
	free(c);
}

static void close_connection(struct connection *c)
{
	if (c->closing)
		return;
	c->closing = true;
	uv_close((uv_handle_t *)&c->timer, on_closed);
	// A reset leaves no port in TIME_WAIT: millions of connections are made in minutes. The
	// client has its answer, or is not to have it.
	if (uv_tcp_close_reset(&c->tcp, on_closed) < 0)
		uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void on_shut(uv_shutdown_t *request, int status)
{
	free(request);
}

static void half_close(struct connection *c)
{
	uv_shutdown_t *request = malloc(sizeof(*request));
	if (!request || uv_shutdown(request, (uv_stream_t *)&c->tcp, on_shut) < 0)
		free(request);
}

// Sends; what the socket does not take (of the huge answer) is lost, and the client must cope.
static void send_bytes(struct connection *c, const char *data, size_t len)
{
	uv_buf_t buf = uv_buf_init((char *)data, (unsigned)len);
	if (!c->closing && uv_try_write((uv_stream_t *)&c->tcp, &buf, 1) < 0)
		close_connection(c);
}

static void send_answer(struct connection *c)
{
	send_bytes(c, c->out, c->out_len);
	if (!c->closing && c->ends && rng_below(&c->service->rng, 100) < FIN_FIRST_PERCENT)
		half_close(c); // else the client closes first, as it has the length
}

static void on_late(uv_timer_t *timer)
{
	send_answer(timer->data);
}

static void on_slow_byte(uv_timer_t *timer)
{
	struct connection *c = timer->data;
	if (c->out_at == c->out_len) {
		uv_timer_stop(timer);
		return;
	}
	send_bytes(c, c->out + c->out_at++, 1);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct connection *c = handle->data;
	*buf = uv_buf_init(c->in + c->in_len, (unsigned)(sizeof(c->in) - 1 - c->in_len));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct connection *c = stream->data;
	if (n < 0) {
		close_connection(c);
		return;
	}
	c->in_len += (size_t)n;
	c->in[c->in_len] = '\0';
	if (strstr(c->in, "\r\n\r\n"))
		on_request(c);
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct service *s = listener->data;
	struct connection *c = status == 0 ? calloc(1, sizeof(*c)) : NULL;
	if (!c)
		return;
	c->service = s;
	c->tcp.data = c->timer.data = c;
	c->open_handles = 2;
	s->stats.open++;
	uv_tcp_init(s->loop, &c->tcp);
	uv_timer_init(s->loop, &c->timer);
	if (uv_accept(listener, (uv_stream_t *)&c->tcp) < 0 ||
		uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) < 0)
		close_connection(c);
	uv_tcp_nodelay(&c->tcp, 1);
}

// ---- answers

static int place_of(const char *request)
{
	for (int p = 0; p < PLACE_OTHER; p++) {
		size_t len = strlen(paths[p]);
		if (strncmp(request, paths[p], len) == 0 && request[len] == ' ')
			return p;
	}
	return PLACE_OTHER;
}

static void put_answer(struct connection *c, int status, const char *body)
{
	c->ends = rng_below(&c->service->rng, 100) >= KEPT_PERCENT;
	c->out_at = 0;
	c->out_len = (size_t)snprintf(c->out, sizeof(c->out),
		"HTTP/1.1 %d Something\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
		"Server: EC2ws\r\nConnection: %s\r\n\r\n%s",
		status, strlen(body), c->ends ? "close" : "keep-alive", body);
}

static bool has_good_token(const struct connection *c)
{
	static const char name[] = "X-aws-ec2-metadata-token: t";
	const char *at = strstr(c->in, name);
	uint64_t number;
	char digits[24];
	if (!at)
		return false;
	size_t len = strcspn(at + sizeof(name) - 1, "\r");
	if (len >= sizeof(digits))
		return false;
	memcpy(digits, at + sizeof(name) - 1, len);
	digits[len] = '\0';
	return text_to_u64(digits, &number) == 0 && number > c->service->forgotten &&
	       number <= c->service->token;
}

static void answer_rightly(struct connection *c, int place)
{
	struct service *s = c->service;
	char token[32];
	if (place == PLACE_TOKEN) {
		s->stats.tokens++;
		snprintf(token, sizeof(token), "t%llu", (unsigned long long)++s->token);
		put_answer(c, strncmp(c->in, "PUT ", 4) == 0 ? 200 : 405, token);
	} else if (!has_good_token(c)) {
		put_answer(c, 401, "");
	} else if (place == PLACE_OTHER) {
		put_answer(c, 200, strstr(c->in, "/instance-id ") ? "i-0123456789abcdef0" : "some");
	} else {
		put_answer(c, s->shown[place][0] ? 200 : 404, s->shown[place]);
	}
}

static const struct fault *find_fault(struct service *s, int place)
{
	uint64_t now = virtual_mono_ns();
	for (int i = 0; i < MAX_FAULTS; i++) {
		const struct fault *f = &s->faults[i];
		if (now >= f->from_ns && now < f->until_ns &&
			(f->place == PLACE_ANY || f->place == place) &&
			rng_below(&s->rng, 100) < f->share_percent)
			return f;
	}
	return NULL;
}

static void send_garbage(struct connection *c, int place)
{
	static const char *const bodies[] = {"{\"action\": \"terminate\", \"time\": ", "<html>",
		"{}", "[1", "null", "{\"action\": 7, \"time\": \"soon\"}", "Term\x01nated", " "};
	struct service *s = c->service;
	put_answer(c, 200, bodies[rng_below(&s->rng, sizeof(bodies) / sizeof(bodies[0]))]);
	send_answer(c);
	if (place == PLACE_SPOT_ACTION)
		s->stats.garbage_ns = virtual_mono_ns();
}

static void send_huge(struct connection *c)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 102400\r\n\r\n";
	_Static_assert(HUGE_BYTES == 102400, "as the header says");
	send_bytes(c, head, sizeof(head) - 1);
	send_bytes(c, c->service->huge, HUGE_BYTES);
}

static void send_status(struct connection *c, int status)
{
	put_answer(c, status, "");
	send_answer(c);
}

static void send_truncated(struct connection *c)
{
	size_t cut = 1 + rng_below(&c->service->rng, c->out_len - 1);
	send_bytes(c, c->out, c->out_len - cut);
	if (!c->closing)
		half_close(c);
}

// The right answer is in c->out already.
static void misbehave(struct connection *c, int place, enum fault_kind kind)
{
	static const int others[] = {500, 502, 504, 429, 400, 301, 100, 204};
	struct rng *rng = &c->service->rng;
	switch (kind) {
	case FAULT_503:
	case FAULT_403:
	case FAULT_401:
		send_status(c, kind == FAULT_503 ? 503 : kind == FAULT_403 ? 403 : 401);
		break;
	case FAULT_STATUS:
		send_status(c, others[rng_below(rng, sizeof(others) / sizeof(others[0]))]);
		break;
	case FAULT_LATE: uv_timer_start(&c->timer, on_late, rng_below(rng, LATE_MS), 0); break;
	case FAULT_SLOW: uv_timer_start(&c->timer, on_slow_byte, SLOW_BYTE_MS, SLOW_BYTE_MS); break;
	case FAULT_RESET: close_connection(c); break;
	case FAULT_HALF_CLOSED: half_close(c); break;
	case FAULT_TRUNCATED: send_truncated(c); break;
	case FAULT_HUGE: send_huge(c); break;
	case FAULT_GARBAGE: send_garbage(c, place); break;
	case FAULT_TOKEN_REFUSED:
		c->service->forgotten = c->service->token;
		send_status(c, place == PLACE_TOKEN ? 403 : 401);
		break;
	case FAULT_TOKEN_STORM:
		send_answer(c);
		c->service->forgotten = c->service->token;
		break;
	case FAULT_HANG:
	case FAULT_REFUSED:
	case FAULT_KIND_COUNT: break;
	}
}

static void on_request(struct connection *c)
{
	struct service *s = c->service;
	const char *path = strchr(c->in, ' ');
	int place = path ? place_of(path + 1) : PLACE_OTHER;
	const struct fault *f = find_fault(s, place);
	s->stats.requests++;
	answer_rightly(c, place);
	c->in_len = 0;
	if (f) {
		s->stats.met[f->kind]++;
		misbehave(c, place, f->kind);
	} else {
		send_answer(c);
	}
}

// ---- life

static int listen_now(struct service *s)
{
	struct sockaddr_in address;
	int r = uv_tcp_init(s->loop, &s->listener);
	s->listener.data = s;
	if (r == 0)
		r = uv_ip4_addr("127.0.0.1", s->port, &address);
	if (r == 0)
		r = uv_tcp_bind(&s->listener, (const struct sockaddr *)&address, 0);
	if (r == 0)
		r = uv_listen((uv_stream_t *)&s->listener, 128, on_connection);
	s->listening = r == 0;
	return r;
}

static void on_listen_again(uv_timer_t *timer)
{
	struct service *s = timer->data;
	if (!uv_is_closing((uv_handle_t *)timer) && listen_now(s) < 0)
		abort(); // somebody has taken the port meanwhile: this run says nothing
}

static void on_listener_closed(uv_handle_t *handle)
{
	struct service *s = handle->data;
	uint64_t now = virtual_mono_ns(), until = s->refuse_until_ns;
	uv_timer_start(
		&s->listen_again, on_listen_again, until > now ? (until - now) / 1000000 : 0, 0);
}

int service_start(struct service **ret, uv_loop_t *loop, uint64_t seed)
{
	struct service *s = calloc(1, sizeof(*s));
	struct sockaddr_in address;
	int len = sizeof(address);
	if (!s || !(s->huge = malloc(HUGE_BYTES))) {
		free(s);
		return -ENOMEM;
	}
	memset(s->huge, 'x', HUGE_BYTES);
	s->loop = loop;
	rng_init(&s->rng, seed);
	s->listen_again.data = s;
	uv_timer_init(loop, &s->listen_again);
	int r = listen_now(s);
	if (r == 0)
		r = uv_tcp_getsockname(&s->listener, (struct sockaddr *)&address, &len);
	s->port = ntohs(address.sin_port);
	*ret = s;
	return r;
}

uint16_t service_port(const struct service *s)
{
	return s->port;
}

void service_show(struct service *s, enum place place, const char *body)
{
	snprintf(s->shown[place], sizeof(s->shown[place]), "%s", body ? body : "");
}

void service_fault(struct service *s, const struct fault *f)
{
	s->faults[s->next_fault] = *f;
	s->next_fault = (s->next_fault + 1) % MAX_FAULTS;
	if (f->kind == FAULT_REFUSED && s->listening) {
		s->stats.met[FAULT_REFUSED]++;
		s->listening = false;
		s->refuse_until_ns = f->until_ns;
		uv_close((uv_handle_t *)&s->listener, on_listener_closed);
	}
}

const struct service_stats *service_stats(const struct service *s)
{
	return &s->stats;
}
