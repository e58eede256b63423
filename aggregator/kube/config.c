// SPDX-License-Identifier: Apache-2.0
#include "aggregator/kube/config.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aggregator/kube/kube_yaml.h"
#include "proto/base/buf.h"
#include "proto/base/text.h"

#define ACCOUNT_FOLDER "/var/run/secrets/kubernetes.io/serviceaccount"
enum { MAX_TOKEN = 64 << 10, MAX_KUBECONFIG = 1 << 20, MAX_NAMESPACE = 256 };
static const uint64_t LOOK_AGAIN_NS = 60ULL * 1000000000;

struct file { // a file by path, or data in memory
	char *path;
	int fd; // of a memory file; -1: none
	struct stat seen;
};

struct kube_config {
	char *server, *namespace_, *token_file, *authorization, *proxy;
	struct file ca, cert, key;
	uint64_t token_ns, tls_ns;
};

static void file_done(struct file *f)
{
	free(f->path);
	if (f->fd >= 0)
		close(f->fd);
}

void kube_config_free(struct kube_config *c)
{
	if (!c)
		return;
	file_done(&c->ca);
	file_done(&c->cert);
	file_done(&c->key);
	free(c->server);
	free(c->namespace_);
	free(c->token_file);
	free(c->proxy);
	if (c->authorization)
		explicit_bzero(c->authorization, strlen(c->authorization));
	free(c->authorization);
	free(c);
}

static int read_file(const char *path, size_t max, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), r = 0;
	buf_init(out, max);
	if (fd < 0)
		return -errno;
	for (;;) {
		char part[4096];
		ssize_t n = read(fd, part, sizeof(part));
		if (n < 0 && errno == EINTR)
			continue;
		r = n < 0 ? -errno : n > 0 ? buf_append(out, part, (size_t)n) : 0;
		explicit_bzero(part, sizeof(part));
		if (n <= 0 || r < 0)
			break;
	}
	close(fd);
	return r == -ENOSPC ? -EFBIG : r;
}

static void wipe(struct buf *b)
{
	if (b->data)
		explicit_bzero(b->data, b->len);
	buf_done(b);
}

// A token is one word; what stands around it in a file is no part of it.
static int set_token(struct kube_config *c, char *text)
{
	char *end = text + strlen(text);
	while (end > text && strchr(" \t\r\n", end[-1]))
		*--end = '\0';
	text += strspn(text, " \t\r\n");
	if (!text[0] || strpbrk(text, " \t\r\n"))
		return -EINVAL;
	size_t size = strlen(text) + sizeof("Bearer ");
	char *line = malloc(size);
	if (!line)
		return -ENOMEM;
	snprintf(line, size, "Bearer %s", text);
	if (c->authorization)
		explicit_bzero(c->authorization, strlen(c->authorization));
	free(c->authorization);
	c->authorization = line;
	return 0;
}

static int read_token(struct kube_config *c)
{
	struct buf b;
	int r = read_file(c->token_file, MAX_TOKEN, &b);
	if (r == 0)
		r = b.len > 0 ? set_token(c, b.data) : -EINVAL;
	wipe(&b);
	return r;
}

const char *kube_config_authorization(struct kube_config *c, uint64_t now_ns, bool refused)
{
	bool old = c->token_ns == 0 || now_ns - c->token_ns >= LOOK_AGAIN_NS;
	if (c->token_file && (old || refused)) {
		c->token_ns = now_ns;
		read_token(c); // a file that cannot be read now leaves the token we have
	}
	return c->authorization;
}

static bool file_changed(struct file *f)
{
	struct stat now;
	if (!f->path || f->fd >= 0 || stat(f->path, &now) < 0)
		return false;
	bool changed = now.st_ino != f->seen.st_ino || now.st_size != f->seen.st_size ||
		       now.st_mtim.tv_sec != f->seen.st_mtim.tv_sec ||
		       now.st_mtim.tv_nsec != f->seen.st_mtim.tv_nsec;
	f->seen = now;
	return changed;
}

bool kube_config_tls_changed(struct kube_config *c, uint64_t now_ns)
{
	if (c->tls_ns && now_ns - c->tls_ns < LOOK_AGAIN_NS)
		return false;
	bool first = c->tls_ns == 0;
	c->tls_ns = now_ns;
	bool changed = file_changed(&c->ca);
	changed |= file_changed(&c->cert);
	changed |= file_changed(&c->key);
	return changed && !first;
}

void kube_config_tls(const struct kube_config *c, struct kube_config_tls *ret)
{
	*ret = (struct kube_config_tls){c->ca.path, c->cert.path, c->key.path, c->proxy};
}

const char *kube_config_server(const struct kube_config *c)
{
	return c->server;
}

const char *kube_config_namespace(const struct kube_config *c)
{
	return c->namespace_;
}

static struct kube_config *config_new(void)
{
	struct kube_config *c = calloc(1, sizeof(*c));
	if (c)
		c->ca.fd = c->cert.fd = c->key.fd = -1;
	return c;
}

static int copy(char **ret, const char *text)
{
	*ret = text ? strdup(text) : NULL;
	return text && !*ret ? -ENOMEM : 0;
}

// ---- in the cluster

static int in_folder(char **ret, const char *folder, const char *name)
{
	return asprintf(ret, "%s/%s", folder, name) < 0 ? -ENOMEM : 0;
}

static int server_of(struct kube_config *c, const struct kube_config_account *o, struct why *why)
{
	if (!o->host || !o->host[0] || !o->port || !o->port[0])
		return why_set(why, -EINVAL, WHY_DENIED,
			"KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: this is "
			"no "
			"pod, give a kubeconfig");
	bool bare_v6 = strchr(o->host, ':') && o->host[0] != '[';
	int n = asprintf(
		&c->server, bare_v6 ? "https://[%s]:%s" : "https://%s:%s", o->host, o->port);
	return n < 0 ? -ENOMEM : 0;
}

static int account_files(struct kube_config *c, const char *folder, struct why *why)
{
	struct buf b;
	char *path = NULL;
	if (in_folder(&c->token_file, folder, "token") < 0 ||
		in_folder(&c->ca.path, folder, "ca.crt") < 0 ||
		in_folder(&path, folder, "namespace") < 0)
		return -ENOMEM;
	int r = read_file(path, MAX_NAMESPACE, &b);
	if (r == 0 && b.len > 0 && text_is_name(b.data, b.len, 63))
		copy(&c->namespace_, b.data);
	buf_done(&b);
	free(path);
	r = read_token(c);
	if (r < 0)
		return why_set(why, r, WHY_DENIED, "%s: %s", c->token_file,
			r == -EINVAL ? "holds no token" : strerror(-r));
	if (access(c->ca.path, R_OK) < 0)
		return why_set(why, -errno, WHY_DENIED, "%s: %s", c->ca.path, strerror(errno));
	return c->namespace_ ? 0 : copy(&c->namespace_, "default");
}

int kube_config_account(
	struct kube_config **ret, const struct kube_config_account *o, struct why *why)
{
	struct kube_config *c = config_new();
	if (!c)
		return -ENOMEM;
	int r = server_of(c, o, why);
	if (r == 0)
		r = account_files(c, o->folder ? o->folder : ACCOUNT_FOLDER, why);
	if (r < 0) {
		kube_config_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

// ---- kubeconfig

static int decode(const char *text, struct buf *out)
{
	size_t len = strlen(text);
	EVP_ENCODE_CTX *e = EVP_ENCODE_CTX_new();
	buf_init(out, MAX_KUBECONFIG);
	unsigned char *room = e ? buf_reserve(out, len + 3) : NULL;
	int n = 0, last = 0;
	bool ok = room && len < MAX_KUBECONFIG;
	if (ok) {
		EVP_DecodeInit(e);
		ok = EVP_DecodeUpdate(e, room, &n, (const unsigned char *)text, (int)len) >= 0 &&
		     EVP_DecodeFinal(e, room + n, &last) == 1;
	}
	EVP_ENCODE_CTX_free(e);
	if (ok)
		buf_commit(out, (size_t)(n + last));
	return ok && out->len > 0 ? 0 : -EINVAL;
}

// libcurl wants paths; /proc/self/fd gives one to a file that no disk ever sees.
static int hold(struct file *f, const struct buf *data)
{
	f->fd = memfd_create("petrel-kubeconfig", MFD_CLOEXEC);
	if (f->fd < 0)
		return -errno;
	for (size_t at = 0; at < data->len;) {
		ssize_t n = write(f->fd, data->data + at, data->len - at);
		if (n < 0)
			return -errno;
		at += (size_t)n;
	}
	return asprintf(&f->path, "/proc/self/fd/%d", f->fd) < 0 ? -ENOMEM : 0;
}

// A relative path in a kubeconfig is relative to the kubeconfig.
static int beside(char **ret, const char *kubeconfig, const char *path)
{
	const char *slash = strrchr(kubeconfig, '/');
	if (path[0] == '/' || !slash)
		return copy(ret, path);
	return asprintf(ret, "%.*s/%s", (int)(slash - kubeconfig), kubeconfig, path) < 0 ? -ENOMEM
											 : 0;
}

static int take_file(
	struct file *f, const char *kubeconfig, const char *path, const char *data, struct why *why)
{
	struct buf b;
	if (!data)
		return path ? beside(&f->path, kubeconfig, path) : 0;
	int r = decode(data, &b);
	if (r == 0)
		r = hold(f, &b);
	wipe(&b);
	return r < 0 ? why_set(why, r, WHY_DENIED, "%s: certificate or key data is no base64",
			       kubeconfig)
		     : 0;
}

static int take_token(
	struct kube_config *c, const char *kubeconfig, const struct kube_yaml *y, struct why *why)
{
	if (y->token_file && beside(&c->token_file, kubeconfig, y->token_file) < 0)
		return -ENOMEM;
	int r = 0;
	if (c->token_file) {
		r = read_token(c);
		if (r < 0)
			return why_set(why, r, WHY_DENIED, "%s: %s", c->token_file,
				r == -EINVAL ? "holds no token" : strerror(-r));
	} else if (y->token) {
		char *text = strdup(y->token);
		r = text ? set_token(c, text) : -ENOMEM;
		free(text);
		if (r == -EINVAL)
			return why_set(
				why, r, WHY_DENIED, "%s: the token is not one word", kubeconfig);
	}
	return r;
}

static int take_server(struct kube_config *c, const struct kube_yaml *y, struct why *why)
{
	if (!y->server || strncmp(y->server, "http", 4) != 0)
		return why_set(why, -EINVAL, WHY_DENIED, "the kubeconfig's cluster has no server");
	if (strncmp(y->server, "https://", 8) != 0 && (y->token || y->token_file))
		return why_set(
			why, -EINVAL, WHY_DENIED, "%s: a token is sent over https only", y->server);
	int r = copy(&c->server, y->server);
	for (size_t n = r == 0 ? strlen(c->server) : 0; n > 0 && c->server[n - 1] == '/'; n--)
		c->server[n - 1] = '\0';
	return r;
}

static int from_yaml(
	struct kube_config *c, const char *path, const struct kube_yaml *y, struct why *why)
{
	int r = take_server(c, y, why);
	if (r == 0)
		r = take_token(c, path, y, why);
	if (r == 0)
		r = take_file(&c->ca, path, y->ca, y->ca_data, why);
	if (r == 0)
		r = take_file(&c->cert, path, y->cert, y->cert_data, why);
	if (r == 0)
		r = take_file(&c->key, path, y->key, y->key_data, why);
	if (r == 0)
		r = copy(&c->proxy, y->proxy);
	return r == 0 ? copy(&c->namespace_, y->namespace_ ? y->namespace_ : "default") : r;
}

int kube_config_file(
	struct kube_config **ret, const char *path, const char *context, struct why *why)
{
	struct buf b;
	struct kube_yaml y;
	int r = read_file(path, MAX_KUBECONFIG, &b);
	if (r < 0) {
		buf_done(&b);
		return why_set(why, r, WHY_DENIED, "%s: %s", path, strerror(-r));
	}
	r = kube_yaml_read(&y, b.data ? b.data : "", b.len, context, why);
	struct kube_config *c = r == 0 ? config_new() : NULL;
	if (r == 0)
		r = c ? from_yaml(c, path, &y, why) : -ENOMEM;
	kube_yaml_done(&y);
	wipe(&b);
	if (r < 0) {
		kube_config_free(c);
		return r;
	}
	*ret = c;
	return 0;
}
