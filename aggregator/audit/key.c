// SPDX-License-Identifier: Apache-2.0
#include "aggregator/audit/key.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/text.h"

static FILE *create(const char *path, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	return fd < 0 ? NULL : fdopen(fd, "w");
}

// Closes the file behind it; what was not written whole is taken away again.
static int finish(FILE *f, const char *path, bool written)
{
	written = fflush(f) == 0 && fsync(fileno(f)) == 0 && written;
	written = fclose(f) == 0 && written;
	if (!written)
		unlink(path);
	return written ? 0 : -EIO;
}

static int make(const char *path, EVP_PKEY **ret, struct why *why)
{
	char public_path[4096];
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	if (!key || snprintf(public_path, sizeof(public_path), "%s.pub", path) >=
			    (int)sizeof(public_path)) {
		EVP_PKEY_free(key);
		return why_set(why, -EINVAL, WHY_DENIED, "%s: cannot make an Ed25519 key", path);
	}
	unlink(public_path); // of a private key that is no more
	FILE *f = create(public_path, 0644);
	int r = f ? finish(f, public_path, PEM_write_PUBKEY(f, key) == 1) : -errno;
	if (r == 0) {
		f = create(path, 0600);
		r = f ? finish(f, path,
				PEM_write_PKCS8PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1)
		      : -errno;
	}
	if (r < 0) {
		EVP_PKEY_free(key);
		return why_set(
			why, r, WHY_DENIED, "%s: cannot write the key: %s", path, strerror(-r));
	}
	*ret = key;
	return 0;
}

static int accept(EVP_PKEY *key, const char *path, EVP_PKEY **ret, struct why *why)
{
	if (!key || EVP_PKEY_id(key) != EVP_PKEY_ED25519) {
		EVP_PKEY_free(key);
		return why_set(why, -EINVAL, WHY_DENIED, "%s: not an Ed25519 key in PEM", path);
	}
	*ret = key;
	return 0;
}

int audit_key_open(const char *path, EVP_PKEY **ret, struct why *why)
{
	FILE *f = fopen(path, "re");
	if (!f && errno == ENOENT)
		return make(path, ret, why);
	if (!f)
		return why_set(why, -errno, WHY_DENIED, "%s: %s", path, strerror(errno));
	EVP_PKEY *key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
	fclose(f);
	return accept(key, path, ret, why);
}

int audit_key_read_public(const char *path, EVP_PKEY **ret, struct why *why)
{
	FILE *f = fopen(path, "re");
	if (!f)
		return why_set(why, -errno, WHY_DENIED, "%s: %s", path, strerror(errno));
	EVP_PKEY *key = PEM_read_PUBKEY(f, NULL, NULL, NULL);
	fclose(f);
	return accept(key, path, ret, why);
}

static size_t message(char *ret, size_t room, const char *purpose, uint64_t seq, const char *hash)
{
	return (size_t)snprintf(
		ret, room, "petrel audit %s %llu %s", purpose, (unsigned long long)seq, hash);
}

int audit_key_sign(EVP_PKEY *key, const char *purpose, uint64_t seq, const char *hash,
	char ret[AUDIT_SIGNATURE_TEXT])
{
	char text[160];
	unsigned char signature[64];
	size_t len = message(text, sizeof(text), purpose, seq, hash);
	size_t signature_len = sizeof(signature);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx && len < sizeof(text) &&
		  EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1 &&
		  EVP_DigestSign(
			  ctx, signature, &signature_len, (const unsigned char *)text, len) == 1;
	EVP_MD_CTX_free(ctx);
	if (!ok)
		return -EIO;
	text_to_hex(signature, sizeof(signature), ret);
	return 0;
}

bool audit_key_proves(
	EVP_PKEY *key, const char *purpose, uint64_t seq, const char *hash, const char *signature)
{
	char text[160];
	unsigned char raw[64];
	size_t len = message(text, sizeof(text), purpose, seq, hash);
	if (len >= sizeof(text) || strlen(signature) != 2 * sizeof(raw) ||
		text_from_hex(signature, raw, sizeof(raw)) < 0)
		return false;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1 &&
		  EVP_DigestVerify(ctx, raw, sizeof(raw), (const unsigned char *)text, len) == 1;
	EVP_MD_CTX_free(ctx);
	return ok;
}
