// SPDX-License-Identifier: Apache-2.0
// Certificates for tests, made on the spot with OpenSSL (EC P-256), written below a temporary
// folder.
#pragma once

#include <ftw.h>

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/loop/tls.h"

struct test_ca {
	X509 *cert;
	EVP_PKEY *key;
	X509_CRL *crl;
	long serial;
	char dir[64];
	char path[96]; // ca.pem
};

struct test_cert { // file names, and the serial number
	char cert[160], key[160];
	long serial;
};

static inline void test_ext(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert(e);
	X509_add_ext(cert, e, -1);
	X509_EXTENSION_free(e);
}

static inline void test_pem(const char *path, X509 *cert, EVP_PKEY *key)
{
	FILE *f = fopen(path, "w");
	assert(f);
	if (cert)
		PEM_write_X509(f, cert);
	if (key)
		PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
}

static inline X509 *test_blank(EVP_PKEY *key, const char *cn, long serial, long from_s, long to_s)
{
	X509 *c = X509_new();
	X509_set_version(c, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(c), serial);
	X509_gmtime_adj(X509_getm_notBefore(c), from_s);
	X509_gmtime_adj(X509_getm_notAfter(c), to_s);
	X509_set_pubkey(c, key);
	if (cn)
		X509_NAME_add_entry_by_txt(X509_get_subject_name(c), "CN", MBSTRING_ASC,
			(const unsigned char *)cn, -1, -1, 0);
	return c;
}

static inline void test_ca_new(struct test_ca *ca, const char *name)
{
	*ca = (struct test_ca){.serial = 0x1000};
	snprintf(ca->dir, sizeof(ca->dir), "/tmp/petrel-certs-XXXXXX");
	assert(mkdtemp(ca->dir));
	ca->key = EVP_EC_gen("P-256");
	ca->cert = test_blank(ca->key, name, 1, -3600, 86400);
	X509_set_issuer_name(ca->cert, X509_get_subject_name(ca->cert));
	test_ext(ca->cert, ca->cert, NID_basic_constraints, "critical,CA:TRUE");
	test_ext(ca->cert, ca->cert, NID_key_usage, "critical,keyCertSign,cRLSign");
	test_ext(ca->cert, ca->cert, NID_subject_key_identifier, "hash");
	X509_sign(ca->cert, ca->key, EVP_sha256());
	snprintf(ca->path, sizeof(ca->path), "%s/ca.pem", ca->dir);
	test_pem(ca->path, ca->cert, NULL);
	ca->crl = X509_CRL_new();
	X509_CRL_set_version(ca->crl, 1);
	X509_CRL_set_issuer_name(ca->crl, X509_get_subject_name(ca->cert));
}

static inline int test_remove_one(
	const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static inline void test_ca_done(struct test_ca *ca)
{
	X509_free(ca->cert);
	EVP_PKEY_free(ca->key);
	X509_CRL_free(ca->crl);
	nftw(ca->dir, test_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

// san: "URI:petrel://prod/n1" or "DNS:localhost,IP:127.0.0.1"; NULL: none.
static inline struct test_cert test_issue_at(
	struct test_ca *ca, const char *cn, const char *san, bool server, const long from_to_s[2])
{
	struct test_cert t = {.serial = ++ca->serial};
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *c = test_blank(key, cn, t.serial, from_to_s[0], from_to_s[1]);
	X509_set_issuer_name(c, X509_get_subject_name(ca->cert));
	test_ext(c, ca->cert, NID_basic_constraints, "critical,CA:FALSE");
	test_ext(c, ca->cert, NID_ext_key_usage, server ? "serverAuth" : "clientAuth");
	if (san)
		test_ext(c, ca->cert, NID_subject_alt_name, san);
	X509_sign(c, ca->key, EVP_sha256());
	snprintf(t.cert, sizeof(t.cert), "%s/%lx.pem", ca->dir, t.serial);
	snprintf(t.key, sizeof(t.key), "%s/%lx.key", ca->dir, t.serial);
	test_pem(t.cert, c, NULL);
	test_pem(t.key, NULL, key);
	X509_free(c);
	EVP_PKEY_free(key);
	return t;
}

static inline struct test_cert test_issue(
	struct test_ca *ca, const char *cn, const char *san, bool server)
{
	return test_issue_at(ca, cn, san, server, (const long[2]){-60, 3600});
}

// Adds the serial to the CRL (0: none) and writes it to crl.pem; returns the path in ret.
static inline void test_revoke(struct test_ca *ca, long serial, char ret[128])
{
	ASN1_TIME *now = ASN1_TIME_adj(NULL, time(NULL), 0, -60);
	ASN1_TIME *later = ASN1_TIME_adj(NULL, time(NULL), 1, 0);
	X509_CRL_set1_lastUpdate(ca->crl, now);
	X509_CRL_set1_nextUpdate(ca->crl, later);
	if (serial) {
		X509_REVOKED *r = X509_REVOKED_new();
		ASN1_INTEGER *number = ASN1_INTEGER_new();
		ASN1_INTEGER_set(number, serial);
		X509_REVOKED_set_serialNumber(r, number);
		X509_REVOKED_set_revocationDate(r, now);
		X509_CRL_add0_revoked(ca->crl, r);
		ASN1_INTEGER_free(number);
	}
	X509_CRL_sort(ca->crl);
	X509_CRL_sign(ca->crl, ca->key, EVP_sha256());
	snprintf(ret, 128, "%s/crl.pem", ca->dir);
	FILE *f = fopen(ret, "w");
	assert(f);
	PEM_write_X509_CRL(f, ca->crl);
	fclose(f);
	ASN1_TIME_free(now);
	ASN1_TIME_free(later);
}

static inline struct tls_files test_files(
	const struct test_ca *ca, const struct test_cert *cert, const char *crl)
{
	return (struct tls_files){.ca = ca->path, .cert = cert->cert, .key = cert->key, .crl = crl};
}
