// SPDX-License-Identifier: Apache-2.0
#include "proto/loop/http_server_impl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proto/base/text.h"

static struct http_conn *conn_of(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	return info ? info->socket_context : NULL;
}

static void name_remote(struct http_request *q)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(q->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *addr = info ? info->client_addr : NULL;
	if (addr && addr->sa_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)addr)->sin_addr, q->remote,
			sizeof(q->remote));
	else if (addr && addr->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)addr)->sin6_addr, q->remote,
			sizeof(q->remote));
	if (strncmp(q->remote, "::ffff:", 7) == 0)
		memmove(q->remote, q->remote + 7, strlen(q->remote + 7) + 1);
}

// The first that is known of a request: its target, not decoded.
void *http_request_on_uri(void *arg, const char *uri, struct MHD_Connection *mhd)
{
	struct http_server *s = arg;
	struct http_conn *c = conn_of(mhd);
	struct http_request *q = c ? calloc(1, sizeof(*q)) : NULL;
	if (!q)
		return NULL;
	q->server = s;
	q->conn = c;
	q->mhd = mhd;
	q->uri_error = http_uri_parse(&q->uri, uri);
	buf_init(&q->body, s->o.max_body_bytes);
	s->counters.requests++;
	return q;
}

struct framing {
	unsigned lengths, encodings;
	bool chunked_only;
	uint64_t length;
	bool bad_length;
};

static enum MHD_Result look_at_header(
	void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct framing *f = arg;
	if (strcasecmp(name, "Content-Length") == 0) {
		f->lengths++;
		f->bad_length |= !value || text_to_u64(value, &f->length) < 0;
	} else if (strcasecmp(name, "Transfer-Encoding") == 0) {
		f->encodings++;
		f->chunked_only = value && strcasecmp(value, "chunked") == 0;
	}
	return MHD_YES;
}

// What must be refused before a body is read; 0 or a status.
static int refuse_header(struct http_request *q, struct framing *f)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(q->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	MHD_get_connection_values(q->mhd, MHD_HEADER_KIND, look_at_header, f);
	if (info && info->header_size > HTTP_MAX_HEADER_BYTES)
		return MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE;
	if (q->uri_error == -E2BIG)
		return MHD_HTTP_URI_TOO_LONG;
	if (q->uri_error < 0 || f->bad_length || f->lengths > 1 || f->encodings > 1 ||
		(f->lengths && f->encodings) || (f->encodings && !f->chunked_only))
		return MHD_HTTP_BAD_REQUEST;
	if (f->length > q->server->o.max_body_bytes)
		return MHD_HTTP_CONTENT_TOO_LARGE;
	return 0;
}

static enum MHD_Result on_header(struct http_request *q, const char *method)
{
	struct framing f = {0};
	q->started = true;
	q->method = method;
	name_remote(q);
	int status = refuse_header(q, &f);
	if (status) {
		q->server->counters.bad_requests++;
		http_conn_phase(q->conn, HTTP_PHASE_ANSWER);
		return http_response_error(q, status, "bad request\n");
	}
	http_conn_phase(q->conn, HTTP_PHASE_BODY);
	return MHD_YES;
}

enum MHD_Result http_request_on_data(void *arg, struct MHD_Connection *mhd, const char *url,
	const char *method, const char *version, const char *data, size_t *len, void **req)
{
	struct http_request *q = *req;
	if (!q)
		return MHD_NO; // out of memory
	if (!q->started)
		return on_header(q, method);
	if (*len > 0) {
		// The rest of a body that is too large is read and dropped, bounded by its
		// deadline: MHD cannot answer in the middle of one.
		if (!q->too_large && buf_append(&q->body, data, *len) < 0) {
			q->too_large = MHD_HTTP_CONTENT_TOO_LARGE;
			buf_done(&q->body);
		}
		*len = 0;
		return MHD_YES;
	}
	http_conn_phase(q->conn, HTTP_PHASE_ANSWER);
	if (q->too_large) {
		q->server->counters.bad_requests++;
		return http_response_error(q, q->too_large, "body too large\n");
	}
	return http_response_make(q);
}

void http_request_on_end(
	void *arg, struct MHD_Connection *mhd, void **req, enum MHD_RequestTerminationCode why)
{
	struct http_request *q = *req;
	if (!q)
		return;
	if (q->stream)
		http_stream_gone(q->stream);
	http_conn_phase(q->conn, HTTP_PHASE_HEADER);
	http_uri_done(&q->uri);
	buf_done(&q->body);
	free(q);
	*req = NULL;
}

const char *http_request_method(const struct http_request *q)
{
	return q->method;
}

const char *http_request_path(const struct http_request *q)
{
	return q->uri.path;
}

const char *http_request_query(const struct http_request *q, const char *key)
{
	return http_uri_arg(&q->uri, key);
}

void http_request_each_query(const struct http_request *q,
	void (*each)(void *arg, const char *key, const char *value), void *arg)
{
	for (size_t i = 0; i < q->uri.n_args; i++)
		each(arg, q->uri.args[i].key, q->uri.args[i].value);
}

const char *http_request_header(const struct http_request *q, const char *name)
{
	return MHD_lookup_connection_value(q->mhd, MHD_HEADER_KIND, name);
}

const void *http_request_body(const struct http_request *q, size_t *ret_len)
{
	*ret_len = q->body.len;
	return q->body.data ? q->body.data : "";
}

const char *http_request_remote(const struct http_request *q)
{
	return q->remote;
}
