// SPDX-License-Identifier: Apache-2.0
// TLS 1.3 for the lanes: certificates from files, mutual, with revocation, exchangeable while
// running.
//
// Why own: nng's stock engine (mbedTLS 2.28) is out of support, speaks only 1.2 and cannot say who
// the peer is. This registers an OpenSSL engine at nng's public engine interface instead. Both
// sides must prove themselves, always: there is no switch for less, and nng's own setters
// (authentication mode, version…) are refused by the engine, so nobody can open a lane by accident.
// Ownership: tls_free() drops the caller's reference; connections and listeners keep the object
// alive. Thread: tls_reload() on the loop; the engine runs on nng's threads, guarded by a mutex.
#pragma once

#include "proto/base/why.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tls_files {
	const char *ca;   // PEM, one or more certificates the peer's chain may end in
	const char *cert; // PEM, own certificate, then its intermediates
	const char *key;  // PEM, unencrypted; may be the same file
	const char *crl;  // PEM, or NULL. Then every leaf is looked up in it, and a CRL past its
			  // nextUpdate refuses everybody: renew it before
};

enum tls_role { TLS_SERVER, TLS_CLIENT };

// Who the peer is, by its verified certificate.
struct tls_identity {
	bool verified;
	char cn[128];      // subject's common name, "" if it has none or an odd one
	char uri[320];     // first URI subject alternative name, "" if none
	char serial[48];   // hexadecimal
	char version[12];  // "TLSv1.3"
	int64_t expires_s; // end of the certificate, seconds since the epoch
};

// Why handshakes failed, for the metrics; TLS_FAIL_OTHER is a peer that speaks no TLS at all, too.
enum tls_fail {
	TLS_FAIL_NO_CERTIFICATE,
	TLS_FAIL_FOREIGN, // chain does not end in our CA, or is broken
	TLS_FAIL_EXPIRED, // or not valid yet
	TLS_FAIL_REVOKED, // or the CRL itself is unusable
	TLS_FAIL_NAME,    // right CA, wrong name or wrong purpose
	TLS_FAIL_OTHER,
	TLS_FAIL_COUNT,
};

struct tls;
// peer_name: for a client the host name or IP address that the server's certificate must carry (not
// NULL); for a server NULL, or the text with which a URI name of the client's certificate must
// begin
// ("petrel://prod/"). Files are read now. -EINVAL with the file and the reason in *why.
int tls_new(struct tls **ret, enum tls_role role, const struct tls_files *files,
	const char *peer_name, struct why *why);
void tls_free(struct tls *t); // NULL is fine
// New handshakes use the new files, standing connections stay. On failure nothing changes.
int tls_reload(struct tls *t, const struct tls_files *files, struct why *why);
// Whether the CRL in force lists this serial (of a tls_identity): after a reload the owner of a
// lane closes the connections for which this is true.
bool tls_is_revoked(struct tls *t, const char *serial);
uint64_t tls_failed(const struct tls *t, enum tls_fail kind);
const char *tls_fail_name(enum tls_fail kind); // "no_certificate", "foreign", …
// End of our own certificate, seconds since the epoch.
int64_t tls_expires_s(struct tls *t);
