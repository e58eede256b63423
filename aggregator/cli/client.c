// SPDX-License-Identifier: Apache-2.0
#include "aggregator/cli/client.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "aggregator/cli/table.h"
#include "aggregator/cli/verb.h"
#include "proto/base/clock.h"

void answer_done(struct answer *a)
{
	buf_done(&a->body);
	cJSON_Delete(a->json);
	a->json = NULL;
}

static int escape(struct buf *ret, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		if (isalnum(c) || strchr("-._~", c))
			buf_append(ret, text, 1);
		else
			buf_printf(ret, "%%%02X", c);
	}
	return buf_failed(ret) ? -ENOSPC : 0;
}

int client_segment(struct buf *ret, const char *segment)
{
	buf_text(ret, "/");
	return escape(ret, segment);
}

int client_path(struct buf *ret, const char *path, ...)
{
	char before = '?';
	const char *key;
	va_list args;
	buf_text(ret, path);
	va_start(args, path);
	while ((key = va_arg(args, const char *))) {
		const char *value = va_arg(args, const char *);
		if (!value)
			continue;
		buf_printf(ret, "%c%s=", before, key);
		escape(ret, value);
		before = '&';
	}
	va_end(args);
	return buf_failed(ret) ? -ENOSPC : 0;
}

static size_t on_data(char *data, size_t size, size_t n, void *arg)
{
	struct answer *a = arg;
	return buf_append(&a->body, data, size * n) == 0 ? size * n : 0;
}

struct progress {
	const char *server;
	uint64_t begin_ns, said_s;
};

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	struct progress *p = arg;
	uint64_t seconds = (clock_mono_ns() - p->begin_ns) / 1000000000;
	if (seconds > p->said_s) {
		p->said_s = seconds;
		fprintf(stderr, "\rpetrel: waiting for %s … %llu s ", p->server,
			(unsigned long long)seconds);
	}
	return 0;
}

static void set_options(CURL *c, const struct options *o, const char *url, struct answer *a)
{
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, a);
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)(o->timeout_s * 1000));
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_NOPROXY, "127.0.0.1,::1,localhost");
	curl_easy_setopt(c, CURLOPT_USERAGENT, "petrel/" PETREL_VERSION);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, a->error);
	if (o->ca)
		curl_easy_setopt(c, CURLOPT_CAINFO, o->ca);
}

static void perform(CURL *c, const struct options *o, struct answer *a)
{
	struct progress p = {o->server, clock_mono_ns(), 0};
	if (isatty(STDERR_FILENO)) {
		curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
		curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
		curl_easy_setopt(c, CURLOPT_XFERINFODATA, &p);
	}
	int64_t before_ms = clock_wall_ms();
	CURLcode code = curl_easy_perform(c);
	a->took_ms = (double)(clock_mono_ns() - p.begin_ns) / 1e6;
	a->wall_ms = before_ms + (int64_t)(a->took_ms / 2);
	if (p.said_s)
		fprintf(stderr, "\r\033[K");
	long status = 0;
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	a->status = code == CURLE_OK ? (int)status : 0;
	if (code != CURLE_OK && !a->error[0])
		snprintf(a->error, sizeof(a->error), "%s", curl_easy_strerror(code));
	if (buf_failed(&a->body))
		snprintf(a->error, sizeof(a->error), "the answer is larger than %d MiB",
			CLIENT_MAX_BYTES >> 20);
}

static int transfer(const struct options *o, const char *path, bool post, struct answer *ret)
{
	struct curl_slist *headers = NULL;
	char url[2048];
	*ret = (struct answer){.yaml = o->yaml};
	buf_init(&ret->body, CLIENT_MAX_BYTES);
	int len = snprintf(url, sizeof(url), "%s%s", o->server, path);
	CURL *c = len < (int)sizeof(url) ? curl_easy_init() : NULL;
	if (!c) {
		snprintf(ret->error, sizeof(ret->error), "out of memory, or too long a name");
		return EXIT_UNREACHABLE;
	}
	set_options(c, o, url, ret);
	if (post) { // the header is what no foreign web page could send
		headers = curl_slist_append(NULL, "Petrel-Request: cli");
		curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, "");
	}
	perform(c, o, ret);
	curl_easy_cleanup(c);
	curl_slist_free_all(headers);
	if (ret->status == 0)
		return EXIT_UNREACHABLE;
	if (ret->body.data)
		ret->json = cJSON_ParseWithLength(ret->body.data, ret->body.len);
	return EXIT_OK;
}

int client_try(const struct options *o, const char *path, struct answer *ret)
{
	return transfer(o, path, false, ret);
}

static int refused(const struct options *o, const struct answer *a)
{
	const cJSON *e = get(a->json, "error");
	if (!e) {
		fprintf(stderr,
			"petrel: %s answers, but not as Petrel's API (HTTP %d)\n"
			"        is --server right?\n",
			o->server, a->status);
		return EXIT_REFUSED;
	}
	char text[300];
	fprintf(stderr, "petrel: %s\n", printable(get_text(e, "message", ""), text, sizeof(text)));
	const char *hint = get_text(e, "hint", NULL);
	if (hint)
		fprintf(stderr, "        %s\n", printable(hint, text, sizeof(text)));
	return a->status == 404 ? EXIT_NOT_FOUND : EXIT_REFUSED;
}

int client_explain(const struct options *o, const struct answer *a)
{
	if (a->status == 0) {
		fprintf(stderr,
			"petrel: no answer from %s: %s\n"
			"        is petrel-aggregator running? --server or PETREL_SERVER names "
			"another one\n",
			o->server, a->error);
		return EXIT_UNREACHABLE;
	}
	return refused(o, a);
}

static int object(const struct options *o, const char *path, bool post, struct answer *ret)
{
	if (transfer(o, path, post, ret) != EXIT_OK || ret->status != 200 ||
		!cJSON_IsObject(ret->json)) {
		int code = client_explain(o, ret);
		answer_done(ret);
		return code;
	}
	return EXIT_OK;
}

int client_get(const struct options *o, const char *path, struct answer *ret)
{
	return object(o, path, false, ret);
}

int client_ask(const struct options *o, const char *path, struct answer *ret)
{
	return object(o, path, true, ret);
}

const cJSON *get(const cJSON *o, const char *key)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
	return v && !cJSON_IsNull(v) ? v : NULL;
}

const char *get_text(const cJSON *o, const char *key, const char *otherwise)
{
	const cJSON *v = get(o, key);
	return cJSON_IsString(v) ? v->valuestring : otherwise;
}

double get_number(const cJSON *o, const char *key, double otherwise)
{
	const cJSON *v = get(o, key);
	return cJSON_IsNumber(v) ? v->valuedouble : otherwise;
}

bool get_bool(const cJSON *o, const char *key, bool otherwise)
{
	const cJSON *v = get(o, key);
	return cJSON_IsBool(v) ? cJSON_IsTrue(v) : otherwise;
}

const cJSON *get_items(const cJSON *o)
{
	static const cJSON none = {.type = cJSON_Array};
	const cJSON *v = get(o, "items");
	return cJSON_IsArray(v) ? v : &none;
}
