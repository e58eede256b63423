// SPDX-License-Identifier: Apache-2.0
// The daemon, its connections and their deadlines.
//
// libmicrohttpd's epoll descriptor is watched by libuv; each time it is readable, and whenever MHD
// asks for it, MHD_run() does what there is to do. MHD's only time-out counts from the last byte,
// so a client that sends a byte every few seconds would hold its connection for ever: here every
// connection has a deadline for the phase it is in, checked once a second, and is shut down past
// it.
#include "proto/loop/http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uthash.h>
#include <utlist.h>

#include "proto/base/files.h"
#include "proto/loop/http_server_impl.h"

enum {
	// MHD's memory per connection, for the header and the answer's header; its pages are
	// touched only when used.
	POOL_BYTES = 2 * HTTP_MAX_HEADER_BYTES,
	BACKLOG = 4096,
	TICK_MS = 1000,
	ANSWER_FACTOR = 10, // an answer of some MB may take this many idle times
	MAX_CONNECTIONS = 12000,
	HEADER_MS = 10 * 1000,
	IDLE_MS = 30 * 1000,
};

struct http_address {
	struct in6_addr ip; // IPv4 as ::ffff:a.b.c.d
	unsigned open;
	UT_hash_handle hh;
};

void http_conn_phase(struct http_conn *c, enum http_phase phase)
{
	uint64_t now = uv_now(c->server->loop), idle = c->server->o.idle_ms;
	switch (phase) {
	case HTTP_PHASE_HEADER:
	case HTTP_PHASE_BODY: c->deadline_ms = now + idle; break;
	case HTTP_PHASE_ANSWER: c->deadline_ms = now + idle * ANSWER_FACTOR; break;
	case HTTP_PHASE_STREAM: c->deadline_ms = 0; break;
	}
}

static void run(struct http_server *s);

static void on_run_timer(uv_timer_t *timer)
{
	run(timer->data);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	run(poll->data);
}

static void run(struct http_server *s)
{
	MHD_UNSIGNED_LONG_LONG wait_ms;
	s->woken = false;
	MHD_run(s->daemon);
	if (s->woken)
		http_server_wake(s);
	else if (MHD_get_timeout(s->daemon, &wait_ms) == MHD_YES)
		uv_timer_start(&s->run_timer, on_run_timer, wait_ms, 0);
	else
		uv_timer_stop(&s->run_timer);
}

// MHD_resume_connection() does not make the epoll descriptor readable in this mode.
void http_server_wake(struct http_server *s)
{
	s->woken = true;
	uv_timer_start(&s->run_timer, on_run_timer, 0, 0);
}

static void on_tick(uv_timer_t *timer)
{
	struct http_server *s = timer->data;
	struct http_conn *c;
	uint64_t now = uv_now(s->loop);
	DL_FOREACH (s->conns, c) {
		if (!c->deadline_ms || c->deadline_ms > now)
			continue;
		c->deadline_ms = 0;
		s->counters.timed_out++;
		shutdown(c->fd, SHUT_RDWR); // MHD sees the end and cleans up
	}
}

static struct in6_addr mapped(const struct sockaddr *addr)
{
	if (addr->sa_family == AF_INET6)
		return ((const struct sockaddr_in6 *)addr)->sin6_addr;
	struct in6_addr ip = {.s6_addr = {[10] = 0xff, [11] = 0xff}};
	memcpy(ip.s6_addr + 12, &((const struct sockaddr_in *)addr)->sin_addr, 4);
	return ip;
}

static enum MHD_Result on_accept(void *arg, const struct sockaddr *addr, socklen_t len)
{
	struct http_server *s = arg;
	struct in6_addr ip = mapped(addr);
	struct http_address *a;
	HASH_FIND(hh, s->addresses, &ip, sizeof(ip), a);
	bool full = s->counters.open_connections >= s->o.max_connections ||
		    (a && s->o.max_per_address && a->open >= s->o.max_per_address);
	s->counters.over_limit += full;
	return full ? MHD_NO : MHD_YES;
}

static struct http_address *address_of(struct http_server *s, struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	if (!info || !info->client_addr)
		return NULL;
	struct in6_addr ip = mapped(info->client_addr);
	struct http_address *a;
	HASH_FIND(hh, s->addresses, &ip, sizeof(ip), a);
	if (!a) {
		a = calloc(1, sizeof(*a));
		if (!a)
			return NULL;
		a->ip = ip;
		HASH_ADD(hh, s->addresses, ip, sizeof(ip), a);
	}
	return a;
}

static void conn_open(struct http_server *s, struct MHD_Connection *mhd, void **context)
{
	struct http_conn *c = calloc(1, sizeof(*c));
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	if (!c || !info) {
		free(c);
		return; // without a context its requests are answered by 503
	}
	c->server = s;
	c->fd = info->connect_fd;
	c->address = address_of(s, mhd);
	if (c->address)
		c->address->open++;
	c->deadline_ms = uv_now(s->loop) + s->o.header_ms;
	DL_APPEND(s->conns, c);
	s->counters.connections++;
	s->counters.open_connections++;
	*context = c;
}

static void conn_close(struct http_server *s, struct http_conn *c)
{
	if (c->address && --c->address->open == 0) {
		HASH_DEL(s->addresses, c->address);
		free(c->address);
	}
	DL_DELETE(s->conns, c);
	s->counters.open_connections--;
	free(c);
}

static void on_connection(void *arg, struct MHD_Connection *mhd, void **context,
	enum MHD_ConnectionNotificationCode what)
{
	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		conn_open(arg, mhd, context);
	else if (*context)
		conn_close(arg, *context);
}

// MHD answers malformed requests itself and tells only its log.
static void on_mhd_log(void *arg, const char *format, va_list args)
{
	struct http_server *s = arg;
	if (strncmp(format, "Error processing request", 24) == 0)
		s->counters.bad_requests++;
}

static int bind_to(int fd, const struct http_server_options *o)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(o->port)};
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(o->port)};
	int one = 1, zero = 0;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (inet_pton(AF_INET6, o->address, &six.sin6_addr) == 1) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
		return bind(fd, (struct sockaddr *)&six, sizeof(six));
	}
	inet_pton(AF_INET, o->address, &four.sin_addr);
	return bind(fd, (struct sockaddr *)&four, sizeof(four));
}

static int listen_on(const struct http_server_options *o, uint16_t *ret_port)
{
	struct in6_addr probe;
	bool six = inet_pton(AF_INET6, o->address, &probe) == 1;
	if (!six && inet_pton(AF_INET, o->address, &probe) != 1)
		return -EINVAL;
	int fd = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	struct sockaddr_in6 name;
	socklen_t len = sizeof(name);
	if (bind_to(fd, o) < 0 || listen(fd, BACKLOG) < 0 ||
		getsockname(fd, (struct sockaddr *)&name, &len) < 0) {
		int r = -errno;
		close(fd);
		return r;
	}
	*ret_port = ntohs(name.sin6_port); // same place in sockaddr_in
	return fd;
}

static int start_daemon(struct http_server *s, int fd)
{
	s->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG,
		0, on_accept, s, http_request_on_data, s, MHD_OPTION_EXTERNAL_LOGGER, on_mhd_log, s,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)POOL_BYTES, MHD_OPTION_CONNECTION_LIMIT, s->o.max_connections + 64,
		MHD_OPTION_CONNECTION_TIMEOUT, (s->o.idle_ms + 999) / 1000,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK, http_request_on_uri,
		s, MHD_OPTION_NOTIFY_COMPLETED, http_request_on_end, s,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_END);
	if (!s->daemon) {
		close(fd);
		return -ENOMEM;
	}
	return 0;
}

static int watch(struct http_server *s)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info)
		return -EIO;
	int r = uv_poll_init(s->loop, &s->poll, info->epoll_fd);
	if (r < 0)
		return r;
	uv_timer_init(s->loop, &s->run_timer);
	uv_timer_init(s->loop, &s->tick_timer);
	s->poll.data = s->run_timer.data = s->tick_timer.data = s;
	s->open_handles = 3;
	uv_poll_start(&s->poll, UV_READABLE, on_readable);
	uv_timer_start(&s->run_timer, on_run_timer, 0, 0);
	uv_timer_start(&s->tick_timer, on_tick, TICK_MS, TICK_MS);
	return 0;
}

// The rest of the files is for agents and the store: out of them, accept() would fail again
// and again, where a connection over the limit is closed and counted.
static unsigned connections_for(unsigned wanted)
{
	uint64_t share = files_limit() / 4 * 3;
	unsigned most = wanted ? wanted : MAX_CONNECTIONS;
	return share && most > share ? (unsigned)share : most;
}

int http_server_new(struct http_server **ret, uv_loop_t *loop, const struct http_server_options *o,
	struct why *why)
{
	struct http_server *s = calloc(1, sizeof(*s));
	if (!s)
		return why_set(why, -ENOMEM, WHY_RETRY, "out of memory");
	s->loop = loop;
	s->o = *o;
	s->o.address = NULL; // borrowed, not needed again
	s->o.max_connections = connections_for(o->max_connections);
	s->o.header_ms = o->header_ms ? o->header_ms : HEADER_MS;
	s->o.idle_ms = o->idle_ms ? o->idle_ms : IDLE_MS;
	s->o.max_body_bytes = o->max_body_bytes ? o->max_body_bytes : HTTP_MAX_BODY_BYTES;
	int fd = listen_on(o, &s->port);
	int r = fd < 0 ? fd : start_daemon(s, fd);
	if (r == 0)
		r = watch(s);
	if (r < 0) {
		if (s->daemon)
			MHD_stop_daemon(s->daemon);
		free(s);
		return why_set(why, r, r == -EINVAL ? WHY_DENIED : WHY_RETRY,
			"cannot listen for HTTP on %s port %u: %s", o->address, o->port,
			strerror(-r));
	}
	*ret = s;
	return 0;
}

uint16_t http_server_port(const struct http_server *s)
{
	return s->port;
}

const struct http_counters *http_server_counters(const struct http_server *s)
{
	return &s->counters;
}

static void on_closed(uv_handle_t *handle)
{
	struct http_server *s = handle->data;
	if (--s->open_handles > 0)
		return;
	if (s->on_stopped)
		s->on_stopped(s->on_stopped_arg);
	free(s);
}

void http_server_stop(struct http_server *s, void (*on_stopped)(void *arg), void *arg)
{
	s->on_stopped = on_stopped;
	s->on_stopped_arg = arg;
	// MHD aborts the process if it is stopped with a suspended connection. Those that are get
	// resumed; and the request that MHD_run() may still find must not become another one.
	s->stopping = true;
	http_streams_abort(s);
	MHD_run(s->daemon);
	uv_poll_stop(&s->poll);
	MHD_stop_daemon(s->daemon);
	uv_close((uv_handle_t *)&s->poll, on_closed);
	uv_close((uv_handle_t *)&s->run_timer, on_closed);
	uv_close((uv_handle_t *)&s->tick_timer, on_closed);
}
