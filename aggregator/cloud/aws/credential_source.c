// SPDX-License-Identifier: Apache-2.0
#include "aggregator/cloud/aws/credential_source.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aggregator/cloud/aws/xml.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"

enum { MAX_KEY_BYTES = 16 << 10, MAX_FILE_BYTES = 32 << 10 };

struct credentials *credentials_ref(struct credentials *c)
{
	c->refs++;
	return c;
}

static void wipe(char *text)
{
	if (text)
		OPENSSL_cleanse(text, strlen(text));
	free(text);
}

void credentials_unref(struct credentials *c)
{
	if (!c || --c->refs > 0)
		return;
	wipe(c->access_key_id);
	wipe(c->secret_access_key);
	wipe(c->session_token);
	free(c);
}

const char *credential_source_name(enum credential_source s)
{
	static const char *const names[] = {
		"environment", "web-identity", "container", "imds", "none"};
	return names[s];
}

const char *environment_get(const struct environment *e, const char *name)
{
	const char *v = e->get ? e->get(name) : NULL;
	return v && *v ? v : NULL;
}

enum credential_source credential_source_pick(const struct environment *e)
{
	if (environment_get(e, "AWS_ACCESS_KEY_ID") && environment_get(e, "AWS_SECRET_ACCESS_KEY"))
		return CREDENTIAL_ENV;
	if (environment_get(e, "AWS_WEB_IDENTITY_TOKEN_FILE") && environment_get(e, "AWS_ROLE_ARN"))
		return CREDENTIAL_WEB;
	if (environment_get(e, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") ||
		environment_get(e, "AWS_CONTAINER_CREDENTIALS_FULL_URI"))
		return CREDENTIAL_CONTAINER;
	const char *off = environment_get(e, "AWS_EC2_METADATA_DISABLED");
	return off && strcasecmp(off, "true") == 0 ? CREDENTIAL_NONE : CREDENTIAL_IMDS;
}

struct parts { // borrowed
	const char *id, *secret, *token, *expiration;
};

static bool is_key(const char *text)
{
	return text && *text && strlen(text) <= MAX_KEY_BYTES;
}

static int make(
	const struct parts *p, const char *source, struct credentials **ret, struct why *why)
{
	int64_t expires_ms = 0;
	if (!is_key(p->id) || !is_key(p->secret) || (p->token && strlen(p->token) > MAX_KEY_BYTES))
		return why_set(why, -EBADMSG, WHY_RETRY, "%s: the answer holds no keys", source);
	if (p->expiration && clock_parse(p->expiration, &expires_ms) < 0)
		return why_set(
			why, -EBADMSG, WHY_RETRY, "%s: the keys' expiration is no time", source);
	struct credentials *c = calloc(1, sizeof(*c));
	if (!c)
		return why_set(why, -ENOMEM, WHY_RETRY, "out of memory");
	c->refs = 1;
	c->expires_ms = expires_ms;
	text_copy(c->source, sizeof(c->source), source);
	c->access_key_id = strdup(p->id);
	c->secret_access_key = strdup(p->secret);
	c->session_token = strdup(p->token ? p->token : "");
	if (!c->access_key_id || !c->secret_access_key || !c->session_token) {
		credentials_unref(c);
		return why_set(why, -ENOMEM, WHY_RETRY, "out of memory");
	}
	*ret = c;
	return 0;
}

int credentials_from_env(const struct environment *e, struct credentials **ret, struct why *why)
{
	struct parts p = {.id = environment_get(e, "AWS_ACCESS_KEY_ID"),
		.secret = environment_get(e, "AWS_SECRET_ACCESS_KEY"),
		.token = environment_get(e, "AWS_SESSION_TOKEN")};
	return make(&p, "environment", ret, why);
}

int credentials_from_xml(const struct credential_body *b, struct credentials **ret, struct why *why)
{
	static const char *const names[] = {"Credentials/AccessKeyId",
		"Credentials/SecretAccessKey", "Credentials/SessionToken",
		"Credentials/Expiration"};
	char *found[4] = {0};
	struct xml x;
	xml_init(&x, b->data, b->len);
	int e;
	while ((e = xml_next(&x)) > XML_END)
		for (int i = 0; e == XML_CLOSE && i < 4; i++)
			if (!found[i] && xml_at(&x, names[i]))
				found[i] = strdup(xml_text(&x));
	struct parts p = {found[0], found[1], found[2], found[3]};
	int r = e < 0 || !p.token || !p.expiration
			? why_set(why, -EBADMSG, WHY_RETRY, "%s: the answer holds no keys",
				  b->source)
			: make(&p, b->source, ret, why);
	if (x.text.data)
		OPENSSL_cleanse(x.text.data, x.text.cap);
	xml_done(&x);
	for (int i = 0; i < 4; i++)
		wipe(found[i]);
	return r;
}

static const char *json_get(const cJSON *o, const char *key)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));
}

int credentials_from_json(
	const struct credential_body *b, struct credentials **ret, struct why *why)
{
	cJSON *o = cJSON_ParseWithLength(b->data, b->len);
	if (!cJSON_IsObject(o)) {
		cJSON_Delete(o);
		return why_set(
			why, -EBADMSG, WHY_RETRY, "%s: the answer is no JSON object", b->source);
	}
	const char *code = json_get(o, "Code");
	struct parts p = {.id = json_get(o, "AccessKeyId"),
		.secret = json_get(o, "SecretAccessKey"),
		.token = json_get(o, "Token"),
		.expiration = json_get(o, "Expiration")};
	int r;
	if (code && strcmp(code, "Success") != 0)
		r = why_set(
			why, -EACCES, WHY_RETRY, "%s: says %.40s instead of keys", b->source, code);
	else if (!p.token || !p.expiration)
		r = why_set(why, -EBADMSG, WHY_RETRY, "%s: the answer holds no keys", b->source);
	else
		r = make(&p, b->source, ret, why);
	cJSON_Delete(o);
	return r;
}

static bool is_allowed(const char *url)
{
	static const char *const hosts[] = {
		"localhost", "[::1]", "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"};
	if (strncmp(url, "https://", 8) == 0)
		return true;
	if (strncmp(url, "http://", 7) != 0)
		return false;
	const char *host = url + 7;
	if (strchr(host, '@'))
		return false;
	size_t n = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/?#");
	for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++)
		if (strlen(hosts[i]) == n && strncmp(host, hosts[i], n) == 0)
			return true;
	return strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == n;
}

int credential_container_url(const struct environment *e, struct buf *ret, struct why *why)
{
	const char *relative = environment_get(e, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = environment_get(e, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
	if (relative && *relative == '/')
		return buf_printf(ret, "http://169.254.170.2%s", relative);
	if (!full || !is_allowed(full))
		return why_set(why, -EPERM, WHY_DENIED,
			"AWS_CONTAINER_CREDENTIALS_FULL_URI must be https or a local address");
	return buf_text(ret, full);
}

int credential_read_file(const char *path, struct buf *ret, struct why *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return why_set(why, -errno, WHY_DENIED, "cannot read the token file %.100s: %s",
			path, strerror(errno));
	char *text = malloc(MAX_FILE_BYTES + 1);
	ssize_t n = text ? read(fd, text, MAX_FILE_BYTES + 1) : -1;
	close(fd);
	size_t from = 0, to = n > 0 ? (size_t)n : 0;
	while (to > 0 && (unsigned char)text[to - 1] <= ' ')
		to--;
	while (from < to && (unsigned char)text[from] <= ' ')
		from++;
	int r = 0;
	if (n < 0 || n > MAX_FILE_BYTES || from == to || memchr(text + from, '\0', to - from))
		r = why_set(why, -EINVAL, WHY_DENIED, "the token file %.100s holds no token", path);
	else
		r = buf_append(ret, text + from, to - from);
	if (text)
		OPENSSL_cleanse(text, MAX_FILE_BYTES + 1);
	free(text);
	return r;
}
