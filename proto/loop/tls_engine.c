// SPDX-License-Identifier: Apache-2.0
// OpenSSL behind nng's TLS engine interface (nng/supplemental/tls/engine.h).
//
// nng allocates a configuration and a connection object and calls the functions below on its own
// threads, one at a time per connection. A configuration belongs to the struct tls that made it;
// the ones nng makes by itself (each dialer and listener has a default) belong to none and open
// nothing. NNG_ECLOSED is never returned from here: the listener would take it for its own end
// (c-stack 1.9).
#include "proto/loop/tls_impl.h"

#include <nng/supplemental/tls/engine.h>
#include <openssl/bio.h>
#include <openssl/err.h>

#include "proto/loop/nng_fix.h"

struct nng_tls_engine_config {
	struct tls *tls; // referenced, or NULL
};

struct nng_tls_engine_conn {
	void *nng; // for nng_tls_engine_send and _recv
	struct tls *tls;
	SSL *ssl;
	bool failed; // counted already
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static BIO_METHOD *bio_method;
static int registered;                              // nng error of the registration
static _Thread_local struct tls *owner;             // of the configuration being made
static _Thread_local struct tls_identity *identity; // to be filled by verified()

static int bio_write(BIO *bio, const char *data, size_t len, size_t *done)
{
	struct nng_tls_engine_conn *c = BIO_get_data(bio);
	size_t n = len;
	BIO_clear_retry_flags(bio);
	int e = nng_tls_engine_send(c->nng, (const uint8_t *)data, &n);
	if (e == NNG_EAGAIN)
		BIO_set_retry_write(bio);
	*done = e == 0 ? n : 0;
	return e == 0;
}

static int bio_read(BIO *bio, char *data, size_t len, size_t *done)
{
	struct nng_tls_engine_conn *c = BIO_get_data(bio);
	size_t n = len;
	BIO_clear_retry_flags(bio);
	int e = nng_tls_engine_recv(c->nng, (uint8_t *)data, &n);
	if (e == NNG_EAGAIN)
		BIO_set_retry_read(bio);
	*done = e == 0 ? n : 0;
	return e == 0;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	return command == BIO_CTRL_FLUSH || command == BIO_CTRL_PUSH || command == BIO_CTRL_POP;
}

static int conn_init(nng_tls_engine_conn *c, void *nng, nng_tls_engine_config *config)
{
	if (!config->tls)
		return NNG_ECRYPTO;
	SSL *ssl = tls_session(config->tls);
	BIO *bio = ssl ? BIO_new(bio_method) : NULL;
	if (!bio) {
		SSL_free(ssl);
		return NNG_ENOMEM;
	}
	BIO_set_init(bio, 1);
	BIO_set_data(bio, c);
	SSL_set_bio(ssl, bio, bio);
	c->nng = nng;
	c->ssl = ssl;
	c->tls = tls_reference(config->tls);
	return 0;
}

static void conn_fini(nng_tls_engine_conn *c)
{
	SSL_free(c->ssl);
	tls_free(c->tls);
	c->ssl = NULL;
	c->tls = NULL;
}

static void conn_close(nng_tls_engine_conn *c)
{
	ERR_clear_error();
	if (SSL_is_init_finished(c->ssl))
		SSL_shutdown(c->ssl);
}

static int translate(nng_tls_engine_conn *c, int result)
{
	switch (SSL_get_error(c->ssl, result)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE: return NNG_EAGAIN;
	case SSL_ERROR_ZERO_RETURN: return NNG_ECONNSHUT;
	case SSL_ERROR_SYSCALL: return NNG_ECONNRESET;
	default: return NNG_ECRYPTO;
	}
}

static int conn_handshake(nng_tls_engine_conn *c)
{
	ERR_clear_error();
	int result = SSL_do_handshake(c->ssl);
	if (result == 1)
		return 0;
	int e = translate(c, result);
	if (e == NNG_EAGAIN)
		return e;
	if (!c->failed)
		tls_count_failure(c->tls, c->ssl);
	c->failed = true;
	return e;
}

static int conn_recv(nng_tls_engine_conn *c, uint8_t *data, size_t *len)
{
	ERR_clear_error();
	int result = SSL_read_ex(c->ssl, data, *len, len);
	return result == 1 ? 0 : translate(c, result);
}

static int conn_send(nng_tls_engine_conn *c, const uint8_t *data, size_t *len)
{
	ERR_clear_error();
	int result = SSL_write_ex(c->ssl, data, *len, len);
	return result == 1 ? 0 : translate(c, result);
}

static bool conn_verified(nng_tls_engine_conn *c)
{
	struct tls_identity id;
	tls_describe(c->ssl, &id);
	if (identity)
		*identity = id;
	return id.verified;
}

static int config_init(nng_tls_engine_config *config, nng_tls_mode mode)
{
	config->tls = owner ? tls_reference(owner) : NULL;
	return 0;
}

static void config_fini(nng_tls_engine_config *config)
{
	tls_free(config->tls);
}

// nng names the server and sets a mode by itself in the default configurations of its dialers and
// listeners. What counts is in struct tls, and it cannot be changed from outside.
static int only_default(const nng_tls_engine_config *config)
{
	return config->tls ? NNG_ENOTSUP : 0;
}

static int config_server(nng_tls_engine_config *config, const char *name)
{
	return only_default(config);
}

static int config_auth(nng_tls_engine_config *config, nng_tls_auth_mode mode)
{
	return only_default(config);
}

static int config_ca(nng_tls_engine_config *config, const char *ca, const char *crl)
{
	return NNG_ENOTSUP;
}

static int config_cert(
	nng_tls_engine_config *config, const char *cert, const char *key, const char *pass)
{
	return NNG_ENOTSUP;
}

static int config_version(nng_tls_engine_config *config, nng_tls_version low, nng_tls_version high)
{
	return NNG_ENOTSUP;
}

static nng_tls_engine_config_ops config_ops = {
	.size = sizeof(struct nng_tls_engine_config),
	.init = config_init,
	.fini = config_fini,
	.server = config_server,
	.auth = config_auth,
	.ca_chain = config_ca,
	.own_cert = config_cert,
	.version = config_version,
};

static nng_tls_engine_conn_ops conn_ops = {
	.size = sizeof(struct nng_tls_engine_conn),
	.init = conn_init,
	.fini = conn_fini,
	.close = conn_close,
	.handshake = conn_handshake,
	.recv = conn_recv,
	.send = conn_send,
	.verified = conn_verified,
};

static void start(void)
{
	static const nng_tls_engine engine = {
		.version = NNG_TLS_ENGINE_V1,
		.config_ops = &config_ops,
		.conn_ops = &conn_ops,
		.name = "petrel-openssl",
		.description = "OpenSSL, TLS 1.3, mutual",
	};
	nng_fix_init(); // nng registers its stock engine when it starts: ours must come after
	bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "nng");
	BIO_meth_set_write_ex(bio_method, bio_write);
	BIO_meth_set_read_ex(bio_method, bio_read);
	BIO_meth_set_ctrl(bio_method, bio_ctrl);
	registered = nng_tls_engine_register(&engine);
}

void tls_engine_start(void)
{
	pthread_once(&once, start);
}

int tls_engine_config(struct tls *t, nng_tls_config **ret)
{
	if (registered != 0)
		return registered;
	owner = t;
	int e = nng_tls_config_alloc(
		ret, t->role == TLS_SERVER ? NNG_TLS_MODE_SERVER : NNG_TLS_MODE_CLIENT);
	owner = NULL;
	return e;
}

void tls_engine_identity(nng_pipe pipe, struct tls_identity *ret)
{
	bool verified;
	*ret = (struct tls_identity){0};
	identity = ret;
	if (nng_pipe_get_bool(pipe, NNG_OPT_TLS_VERIFIED, &verified) != 0)
		ret->verified = false;
	identity = NULL;
}
