// SPDX-License-Identifier: Apache-2.0
// libcurl's multi interface on libuv: curl says which sockets it watches and when it wants to be
// called, libuv tells it what happened. One easy handle per call.
#include "proto/loop/http_client.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utlist.h>

#include "proto/base/buf.h"

enum {
	MAX_CONNECTIONS = 32,
	CONNECT_MS = 5000,
	DEADLINE_MS = 30 * 1000,
	MAX_BODY_BYTES = 1 << 20,
	MAX_LINE_BYTES = 4 << 20,
};

struct http_client {
	uv_loop_t *loop;
	CURLM *multi;
	uv_timer_t timer;
	char *ca_file, *cert_file, *key_file, *user_agent, *proxy;
	bool http2, stopping;
	struct http_call *calls;
	int open_handles;
	void (*on_stopped)(void *arg);
	void *on_stopped_arg;
};

struct watched {
	uv_poll_t poll;
	struct http_client *client;
	curl_socket_t fd;
};

struct http_call {
	struct http_client *client;
	struct http_call *prev, *next;
	struct http_call_options o; // url, headers and body are curl's copies
	CURL *easy;
	struct curl_slist *headers;
	struct buf body, line;
	uint64_t started_ms;
	int write_error; // why the write callback gave up
	bool in_callback, cancelled;
	char error[CURL_ERROR_SIZE];
};

static int translate(const struct http_call *call, CURLcode code)
{
	long os = 0;
	switch (code) {
	case CURLE_OK: return 0;
	case CURLE_WRITE_ERROR: return call->write_error ? call->write_error : -EIO;
	case CURLE_OPERATION_TIMEDOUT: return -ETIMEDOUT;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY: return -EHOSTUNREACH;
	case CURLE_COULDNT_CONNECT:
		curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &os);
		if (os == EHOSTUNREACH || os == ENETUNREACH)
			return -EHOSTUNREACH;
		return os == ETIMEDOUT ? -ETIMEDOUT : -ECONNREFUSED;
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE: return -ECONNRESET;
	case CURLE_OUT_OF_MEMORY: return -ENOMEM;
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL: return -EINVAL;
	case CURLE_TOO_MANY_REDIRECTS: return -ELOOP;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM: return -EPROTO;
	default: return -EIO;
	}
}

static void call_free(struct http_call *call)
{
	curl_easy_cleanup(call->easy);
	curl_slist_free_all(call->headers);
	buf_done(&call->body);
	buf_done(&call->line);
	free(call);
}

static struct http_answer describe(struct http_call *call, int error)
{
	long status = 0;
	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	return (struct http_answer){
		.error = error,
		.status = (int)status,
		.body = call->body.data ? call->body.data : "",
		.body_len = call->body.len,
		.error_text = call->error,
		.took_ms = uv_hrtime() / 1000000 - call->started_ms,
		.call = call,
	};
}

static void finish(struct http_call *call, int error)
{
	struct http_answer a = describe(call, error);
	curl_multi_remove_handle(call->client->multi, call->easy);
	DL_DELETE(call->client->calls, call);
	call->o.on_done(call->o.arg, &a);
	call_free(call);
}

const char *http_answer_header(const struct http_answer *a, const char *name)
{
	struct curl_header *h;
	CURLHcode r = curl_easy_header(a->call->easy, name, 0, CURLH_HEADER, -1, &h);
	return r == CURLHE_OK ? h->value : NULL;
}

// ---- curl's side of the loop

static void collect(struct http_client *c)
{
	CURLMsg *m;
	int left;
	while ((m = curl_multi_info_read(c->multi, &left))) {
		struct http_call *call;
		if (m->msg != CURLMSG_DONE)
			continue;
		CURLcode code = m->data.result;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &call);
		finish(call, call->cancelled ? -ECANCELED : translate(call, code));
	}
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
	struct watched *w = poll->data;
	struct http_client *c = w->client;
	int running, flags = 0;
	if (status < 0)
		flags = CURL_CSELECT_ERR;
	if (events & UV_READABLE)
		flags |= CURL_CSELECT_IN;
	if (events & UV_WRITABLE)
		flags |= CURL_CSELECT_OUT;
	curl_multi_socket_action(c->multi, w->fd, flags, &running);
	collect(c);
}

static void on_timer(uv_timer_t *timer)
{
	struct http_client *c = timer->data;
	int running;
	curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	collect(c);
}

static int want_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct http_client *c = arg;
	if (timeout_ms < 0)
		uv_timer_stop(&c->timer);
	else // 0 stays 0: a millisecond here would be one on every transfer
		uv_timer_start(&c->timer, on_timer, (uint64_t)timeout_ms, 0);
	return 0;
}

static void handle_closed(struct http_client *c)
{
	if (--c->open_handles > 0)
		return;
	if (c->on_stopped)
		c->on_stopped(c->on_stopped_arg);
	free(c->ca_file);
	free(c->cert_file);
	free(c->key_file);
	free(c->user_agent);
	free(c->proxy);
	free(c);
}

static void on_watched_closed(uv_handle_t *handle)
{
	struct watched *w = handle->data;
	struct http_client *c = w->client;
	free(w);
	handle_closed(c);
}

static struct watched *watch(struct http_client *c, curl_socket_t fd)
{
	struct watched *w = calloc(1, sizeof(*w));
	if (!w || uv_poll_init_socket(c->loop, &w->poll, fd) < 0) {
		free(w);
		return NULL;
	}
	w->client = c;
	w->fd = fd;
	w->poll.data = w;
	c->open_handles++;
	curl_multi_assign(c->multi, fd, w);
	return w;
}

static int want_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket)
{
	struct http_client *c = arg;
	struct watched *w = socket;
	if (what == CURL_POLL_REMOVE) {
		if (!w)
			return 0;
		uv_poll_stop(&w->poll); // before curl closes the descriptor
		uv_close((uv_handle_t *)&w->poll, on_watched_closed);
		curl_multi_assign(c->multi, fd, NULL);
		return 0;
	}
	if (!w && !(w = watch(c, fd)))
		return -1;
	uv_poll_start(&w->poll,
		(what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0),
		on_socket);
	return 0;
}

// ---- what comes in

static bool give_line(struct http_call *call)
{
	struct http_answer so_far = describe(call, 0);
	size_t len = call->line.len;
	if (len > 0 && call->line.data[len - 1] == '\r')
		call->line.data[--len] = '\0';
	call->in_callback = true;
	bool go_on =
		call->o.on_line(call->o.arg, &so_far, call->line.data ? call->line.data : "", len);
	call->in_callback = false;
	buf_reset(&call->line);
	return go_on && !call->cancelled;
}

static int take_lines(struct http_call *call, const char *data, size_t len)
{
	while (len > 0) {
		const char *end = memchr(data, '\n', len);
		size_t n = end ? (size_t)(end - data) : len;
		if (buf_append(&call->line, data, n) < 0)
			return -EMSGSIZE;
		if (!end)
			break;
		if (!give_line(call))
			return -ECANCELED;
		data += n + 1;
		len -= n + 1;
	}
	return 0;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct http_call *call = arg;
	long status = 0;
	size_t len = size * n;
	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	if (call->o.on_line && status >= 200 && status < 300)
		call->write_error = take_lines(call, data, len);
	else if (buf_append(&call->body, data, len) < 0)
		call->write_error = -EMSGSIZE;
	return call->write_error ? 0 : len;
}

// ---- starting and stopping calls

static void set_method(CURL *easy, const struct http_call_options *o)
{
	const char *method = o->method ? o->method : "GET";
	bool has_body = o->body || !strcmp(method, "POST") || !strcmp(method, "PUT") ||
			!strcmp(method, "PATCH");
	if (!strcmp(method, "HEAD"))
		curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	if (has_body) { // also an empty one, which needs its length
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)o->body_len);
		curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, o->body ? o->body : "");
	}
	if (strcmp(method, "HEAD") != 0)
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
}

static void set_limits(CURL *easy, const struct http_call_options *o)
{
	uint32_t deadline = o->deadline_ms ? o->deadline_ms : o->on_line ? 0 : DEADLINE_MS;
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
		(long)(o->connect_ms ? o->connect_ms : CONNECT_MS));
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)deadline);
	if (o->silence_ms) {
		curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
		curl_easy_setopt(
			easy, CURLOPT_LOW_SPEED_TIME, (long)((o->silence_ms + 999) / 1000));
	}
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, o->max_redirects ? 1L : 0L);
	curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)o->max_redirects);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
}

static void set_identity(CURL *easy, const struct http_client *c)
{
	curl_easy_setopt(easy, CURLOPT_USERAGENT, c->user_agent);
	curl_easy_setopt(
		easy, CURLOPT_PROXY, c->proxy ? c->proxy : ""); // "": not the environment's
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
		(long)(c->http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
	if (c->ca_file)
		curl_easy_setopt(easy, CURLOPT_CAINFO, c->ca_file);
	if (c->cert_file)
		curl_easy_setopt(easy, CURLOPT_SSLCERT, c->cert_file);
	if (c->key_file)
		curl_easy_setopt(easy, CURLOPT_SSLKEY, c->key_file);
}

static bool add_header(struct curl_slist **list, const char *name, const char *value)
{
	struct buf b;
	buf_init(&b, 64 << 10);
	// A line end would be a second header of the caller's.
	bool ok = !strpbrk(name, "\r\n:") && !strpbrk(value, "\r\n") &&
		  buf_printf(&b, value[0] ? "%s: %s" : "%s;", name, value) == 0;
	struct curl_slist *longer = ok ? curl_slist_append(*list, b.data) : NULL;
	if (longer)
		*list = longer;
	buf_done(&b);
	return longer;
}

static int set_headers(struct http_call *call, const struct http_call_options *o)
{
	bool typed = false;
	for (size_t k = 0; k < o->n_headers; k++) {
		if (!add_header(&call->headers, o->headers[k].name, o->headers[k].value))
			return -EINVAL;
		typed |= strcasecmp(o->headers[k].name, "Content-Type") == 0;
	}
	// curl would announce a form, and wait for a "100 Continue" that few servers send.
	struct curl_slist *list = curl_slist_append(call->headers, "Expect:");
	if (list && !typed)
		list = curl_slist_append(list, "Content-Type:");
	if (!list)
		return -ENOMEM;
	call->headers = list;
	curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, list);
	return 0;
}

int http_call_start(
	struct http_call **ret_call, struct http_client *c, const struct http_call_options *o)
{
	if (c->stopping)
		return -ESHUTDOWN;
	struct http_call *call = calloc(1, sizeof(*call));
	if (!call)
		return -ENOMEM;
	call->client = c;
	call->o = *o;
	call->started_ms = uv_hrtime() / 1000000;
	buf_init(&call->body, o->max_body_bytes ? o->max_body_bytes : MAX_BODY_BYTES);
	buf_init(&call->line, o->max_line_bytes ? o->max_line_bytes : MAX_LINE_BYTES);
	call->easy = curl_easy_init();
	int r = call->easy ? set_headers(call, o) : -ENOMEM;
	if (r == 0 && curl_easy_setopt(call->easy, CURLOPT_URL, o->url) != CURLE_OK)
		r = -ENOMEM;
	if (r == 0) {
		curl_easy_setopt(call->easy, CURLOPT_PRIVATE, call);
		curl_easy_setopt(call->easy, CURLOPT_ERRORBUFFER, call->error);
		curl_easy_setopt(call->easy, CURLOPT_WRITEFUNCTION, on_body);
		curl_easy_setopt(call->easy, CURLOPT_WRITEDATA, call);
		set_method(call->easy, o);
		set_limits(call->easy, o);
		set_identity(call->easy, c);
		if (curl_multi_add_handle(c->multi, call->easy) != CURLM_OK)
			r = -ENOMEM;
	}
	if (r < 0) {
		call_free(call);
		return r;
	}
	DL_APPEND(c->calls, call);
	if (ret_call)
		*ret_call = call;
	return 0;
}

void http_call_cancel(struct http_call *call)
{
	call->cancelled = true;
	if (!call->in_callback)
		finish(call, -ECANCELED);
}

// ---- the client

static bool copy(char **ret, const char *text)
{
	*ret = text ? strdup(text) : NULL;
	return !text || *ret;
}

static void init_curl(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

int http_client_new(struct http_client **ret, uv_loop_t *loop, const struct http_client_options *o)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, init_curl);
	struct http_client *c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	uv_timer_init(loop, &c->timer);
	c->timer.data = c;
	c->loop = loop;
	c->http2 = o->http2;
	c->open_handles = 1;
	c->multi = curl_multi_init();
	if (!c->multi || !copy(&c->ca_file, o->ca_file) || !copy(&c->cert_file, o->cert_file) ||
		!copy(&c->key_file, o->key_file) || !copy(&c->proxy, o->proxy) ||
		!copy(&c->user_agent, o->user_agent ? o->user_agent : "petrel/" PETREL_VERSION)) {
		http_client_stop(c, NULL, NULL);
		return -ENOMEM;
	}
	long max = o->max_connections ? (long)o->max_connections : MAX_CONNECTIONS;
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, want_timer);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
	curl_multi_setopt(c->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, max);
	curl_multi_setopt(c->multi, CURLMOPT_PIPELINING,
		(long)(o->http2 ? CURLPIPE_MULTIPLEX : CURLPIPE_NOTHING));
	*ret = c;
	return 0;
}

static void on_timer_closed(uv_handle_t *handle)
{
	handle_closed(handle->data);
}

void http_client_stop(struct http_client *c, void (*on_stopped)(void *arg), void *arg)
{
	c->on_stopped = on_stopped;
	c->on_stopped_arg = arg;
	c->stopping = true;
	while (c->calls)
		finish(c->calls, -ECANCELED);
	curl_multi_cleanup(c->multi);
	uv_close((uv_handle_t *)&c->timer, on_timer_closed);
}
