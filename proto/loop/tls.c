// SPDX-License-Identifier: Apache-2.0
#include "proto/loop/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/base/text.h"
#include "proto/loop/tls_impl.h"

enum {
	CHAIN_MAX_BYTES = 32 << 10, // of the peer; OpenSSL takes 100 KiB from strangers by default
	CHAIN_MAX_DEPTH = 4,
	// Of a record. Samples and receipts are smaller, and thousands of peers that shake hands at
	// the same time each hold a write buffer of this size; OpenSSL's own is 16 KiB.
	RECORD_MAX_BYTES = 4 << 10,
};

const char *tls_fail_name(enum tls_fail kind)
{
	static const char *const names[TLS_FAIL_COUNT] = {
		"no_certificate", "foreign", "expired", "revoked", "name", "other"};
	return names[kind];
}

static int refuse(struct why *why, const char *what, const char *file)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;
	int r = why_set(why, -EINVAL, WHY_DENIED, "%s %s: %s", what, file,
		reason ? reason : "cannot be used");
	ERR_clear_error();
	return r;
}

// A key with a passphrase must fail, not ask the terminal.
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
	return -1;
}

static int load_crl(SSL_CTX *context, const char *file, struct why *why)
{
	X509_STORE *store = SSL_CTX_get_cert_store(context);
	BIO *bio = BIO_new_file(file, "r");
	X509_CRL *crl;
	int n = 0;
	while (bio && (crl = PEM_read_bio_X509_CRL(bio, NULL, no_passphrase, NULL))) {
		n += X509_STORE_add_crl(store, crl);
		X509_CRL_free(crl);
	}
	BIO_free(bio);
	if (n == 0)
		return refuse(why, "CRL file", file);
	ERR_clear_error(); // the end of the file is an error to OpenSSL
	X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
	return 0;
}

static int load_files(SSL_CTX *context, const struct tls_files *f, struct why *why)
{
	ERR_clear_error();
	SSL_CTX_set_default_passwd_cb(context, no_passphrase);
	if (SSL_CTX_load_verify_file(context, f->ca) != 1)
		return refuse(why, "CA file", f->ca);
	if (SSL_CTX_use_certificate_chain_file(context, f->cert) != 1)
		return refuse(why, "certificate file", f->cert);
	if (SSL_CTX_use_PrivateKey_file(context, f->key, SSL_FILETYPE_PEM) != 1 ||
		SSL_CTX_check_private_key(context) != 1)
		return refuse(why, "key file", f->key);
	SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(f->ca));
	return f->crl ? load_crl(context, f->crl, why) : 0;
}

static bool copy_text(char *ret, size_t size, const ASN1_STRING *text)
{
	size_t len = (size_t)ASN1_STRING_length(text);
	const char *data = (const char *)ASN1_STRING_get0_data(text);
	if (len >= size || !text_is_name(data, len, size - 1))
		return false;
	memcpy(ret, data, len);
	ret[len] = '\0';
	return true;
}

static void copy_cn(X509 *cert, char *ret, size_t size)
{
	X509_NAME *subject = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	if (at >= 0)
		copy_text(ret, size, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
}

static void copy_uri(X509 *cert, char *ret, size_t size)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		if (name->type == GEN_URI &&
			copy_text(ret, size, name->d.uniformResourceIdentifier))
			break;
	}
	GENERAL_NAMES_free(names);
}

static int64_t expires_s(const X509 *cert)
{
	struct tm tm;
	return ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) == 1 ? timegm(&tm) : 0;
}

void tls_describe(SSL *ssl, struct tls_identity *ret)
{
	*ret = (struct tls_identity){0};
	X509 *cert = SSL_get0_peer_certificate(ssl);
	if (!cert || !SSL_is_init_finished(ssl) || SSL_get_verify_result(ssl) != X509_V_OK)
		return;
	ret->verified = true;
	copy_cn(cert, ret->cn, sizeof(ret->cn));
	copy_uri(cert, ret->uri, sizeof(ret->uri));
	ret->expires_s = expires_s(cert);
	text_copy(ret->version, sizeof(ret->version), SSL_get_version(ssl));
	BIGNUM *serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
	char *hex = serial ? BN_bn2hex(serial) : NULL;
	text_copy(ret->serial, sizeof(ret->serial), hex ? hex : "");
	OPENSSL_free(hex);
	BN_free(serial);
}

// For a server: the client's URI name must begin with what was asked for.
static int on_verify(int ok, X509_STORE_CTX *store)
{
	if (!ok || X509_STORE_CTX_get_error_depth(store) != 0)
		return ok;
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	const struct tls *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	if (t->role == TLS_CLIENT || !t->peer_name)
		return 1;
	char uri[sizeof(((struct tls_identity *)0)->uri)] = "";
	copy_uri(X509_STORE_CTX_get_current_cert(store), uri, sizeof(uri));
	if (strncmp(uri, t->peer_name, strlen(t->peer_name)) == 0)
		return 1;
	X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
	return 0;
}

static int make_context(
	struct tls *t, const struct tls_files *files, SSL_CTX **ret, struct why *why)
{
	SSL_CTX *c = SSL_CTX_new(t->role == TLS_SERVER ? TLS_server_method() : TLS_client_method());
	if (!c)
		return why_set(why, -ENOMEM, WHY_RETRY, "out of memory");
	SSL_CTX_set_app_data(c, t);
	SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION);
	// nng moves a connection between threads and repeats a write from another buffer.
	SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				    SSL_MODE_RELEASE_BUFFERS);
	// A resumed session would skip the certificate, and with it revocation.
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(c, SSL_OP_NO_TICKET);
	SSL_CTX_set_num_tickets(c, 0);
	SSL_CTX_set_max_send_fragment(c, RECORD_MAX_BYTES);
	SSL_CTX_set_max_cert_list(c, CHAIN_MAX_BYTES);
	SSL_CTX_set_verify_depth(c, CHAIN_MAX_DEPTH);
	SSL_CTX_set_verify(c, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, on_verify);
	int r = load_files(c, files, why);
	if (r < 0) {
		SSL_CTX_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

int tls_new(struct tls **ret, enum tls_role role, const struct tls_files *files,
	const char *peer_name, struct why *why)
{
	if (role == TLS_CLIENT && !peer_name)
		return why_set(why, -EINVAL, WHY_BUG, "a TLS client needs its server's name");
	struct tls *t = calloc(1, sizeof(*t));
	if (!t)
		return why_set(why, -ENOMEM, WHY_RETRY, "out of memory");
	tls_engine_start();
	atomic_init(&t->references, 1);
	pthread_mutex_init(&t->mutex, NULL);
	t->role = role;
	t->peer_name = peer_name ? strdup(peer_name) : NULL;
	int r = peer_name && !t->peer_name ? why_set(why, -ENOMEM, WHY_RETRY, "out of memory")
					   : make_context(t, files, &t->context, why);
	if (r < 0) {
		tls_free(t);
		return r;
	}
	*ret = t;
	return 0;
}

struct tls *tls_reference(struct tls *t)
{
	atomic_fetch_add(&t->references, 1);
	return t;
}

void tls_free(struct tls *t)
{
	if (!t || atomic_fetch_sub(&t->references, 1) > 1)
		return;
	SSL_CTX_free(t->context);
	pthread_mutex_destroy(&t->mutex);
	free(t->peer_name);
	free(t);
}

int tls_reload(struct tls *t, const struct tls_files *files, struct why *why)
{
	SSL_CTX *fresh;
	int r = make_context(t, files, &fresh, why);
	if (r < 0)
		return r;
	pthread_mutex_lock(&t->mutex);
	SSL_CTX *old = t->context;
	t->context = fresh;
	pthread_mutex_unlock(&t->mutex);
	SSL_CTX_free(old);
	return 0;
}

static SSL_CTX *current(struct tls *t)
{
	pthread_mutex_lock(&t->mutex);
	SSL_CTX *c = t->context;
	SSL_CTX_up_ref(c);
	pthread_mutex_unlock(&t->mutex);
	return c;
}

static bool expect_name(SSL *ssl, const char *name)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	X509_VERIFY_PARAM_set_hostflags(
		param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	if (X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1)
		return true;
	ERR_clear_error();
	return X509_VERIFY_PARAM_set1_host(param, name, 0) == 1 &&
	       SSL_set_tlsext_host_name(ssl, name) == 1;
}

SSL *tls_session(struct tls *t)
{
	SSL_CTX *c = current(t);
	SSL *ssl = SSL_new(c);
	SSL_CTX_free(c);
	if (!ssl)
		return NULL;
	if (t->role == TLS_SERVER) {
		SSL_set_accept_state(ssl);
	} else {
		SSL_set_connect_state(ssl);
		if (!expect_name(ssl, t->peer_name)) {
			SSL_free(ssl);
			return NULL;
		}
	}
	return ssl;
}

static enum tls_fail kind_of(long verify_result)
{
	switch (verify_result) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID: return TLS_FAIL_EXPIRED;
	case X509_V_ERR_CERT_REVOKED:
	case X509_V_ERR_UNABLE_TO_GET_CRL:
	case X509_V_ERR_CRL_HAS_EXPIRED:
	case X509_V_ERR_CRL_NOT_YET_VALID:
	case X509_V_ERR_CRL_SIGNATURE_FAILURE: return TLS_FAIL_REVOKED;
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
	case X509_V_ERR_INVALID_PURPOSE:
	case X509_V_ERR_APPLICATION_VERIFICATION: return TLS_FAIL_NAME;
	default: return TLS_FAIL_FOREIGN;
	}
}

void tls_count_failure(struct tls *t, SSL *ssl)
{
	enum tls_fail kind = TLS_FAIL_OTHER;
	long verified = SSL_get_verify_result(ssl);
	int reason = ERR_GET_REASON(ERR_peek_error());
	if (SSL_get_state(ssl) == TLS_ST_BEFORE &&
		(reason == 0 || reason == SSL_R_UNEXPECTED_EOF_WHILE_READING))
		return; // went without a word, as port checks do
	if (verified != X509_V_OK)
		kind = kind_of(verified);
	else if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
		kind = TLS_FAIL_NO_CERTIFICATE;
	atomic_fetch_add(&t->failed[kind], 1);
}

uint64_t tls_failed(const struct tls *t, enum tls_fail kind)
{
	return atomic_load(&t->failed[kind]);
}

static bool lists(X509_CRL *crl, const char *serial)
{
	STACK_OF(X509_REVOKED) *revoked = X509_CRL_get_REVOKED(crl);
	bool found = false;
	for (int i = 0; !found && i < sk_X509_REVOKED_num(revoked); i++) {
		const X509_REVOKED *r = sk_X509_REVOKED_value(revoked, i);
		BIGNUM *number = ASN1_INTEGER_to_BN(X509_REVOKED_get0_serialNumber(r), NULL);
		char *hex = number ? BN_bn2hex(number) : NULL;
		found = hex && strcmp(hex, serial) == 0;
		OPENSSL_free(hex);
		BN_free(number);
	}
	return found;
}

bool tls_is_revoked(struct tls *t, const char *serial)
{
	SSL_CTX *c = current(t);
	STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(SSL_CTX_get_cert_store(c));
	bool found = false;
	for (int i = 0; !found && i < sk_X509_OBJECT_num(objects); i++) {
		X509_CRL *crl = X509_OBJECT_get0_X509_CRL(sk_X509_OBJECT_value(objects, i));
		found = crl && lists(crl, serial);
	}
	SSL_CTX_free(c);
	return found;
}

int64_t tls_expires_s(struct tls *t)
{
	SSL_CTX *c = current(t);
	const X509 *cert = SSL_CTX_get0_certificate(c);
	int64_t s = cert ? expires_s(cert) : 0;
	SSL_CTX_free(c);
	return s;
}
