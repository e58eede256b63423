// SPDX-License-Identifier: Apache-2.0
// What tls.c (certificates, policy) and tls_engine.c (nng's engine interface) share, and what the
// lanes need of them; nobody outside proto/loop includes it.
#pragma once

#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "proto/loop/tls.h"

struct tls {
	atomic_uint references;
	enum tls_role role;
	char *peer_name; // NULL: any
	atomic_uint_fast64_t failed[TLS_FAIL_COUNT];
	pthread_mutex_t mutex; // guards context
	SSL_CTX *context;      // of new handshakes; old ones live on in their connections
};

struct tls *tls_reference(struct tls *t);
SSL *tls_session(struct tls *t);                       // NULL when out of memory
void tls_count_failure(struct tls *t, SSL *ssl);       // after a failed handshake
void tls_describe(SSL *ssl, struct tls_identity *ret); // of the peer

void tls_engine_start(void); // registers the engine; before nng's first TLS dialer or listener
// A configuration for a dialer or listener that uses t (and references it). 0 or an nng error.
int tls_engine_config(struct tls *t, nng_tls_config **ret);
// Who is at the other end of a pipe; not verified on a plain one. Any thread.
void tls_engine_identity(nng_pipe pipe, struct tls_identity *ret);
