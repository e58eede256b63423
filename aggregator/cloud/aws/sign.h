// SPDX-License-Identifier: Apache-2.0
// AWS Signature Version 4: the Authorization header, presigned queries, EKS bearer tokens. Pure.
//
// Why own: libcurl 7.88 signs queries wrongly and cannot presign. What is signed is exactly what is
// given: path and query as they will be sent (percent-encoded), and every header of the request,
// which must hold host, x-amz-date (sign_time() of the scope's time) and, with temporary keys,
// x-amz-security-token. Rules: AWS general reference, "Signature Version 4 signing process"; every
// service but S3 (whose paths are not normalised).
// Limits: SIGN_MAX_HEADERS headers, SIGN_MAX_QUERY query pairs, canonical request 1 MiB.
#pragma once

#include "proto/base/buf.h"
#include "proto/loop/http_client.h"

enum { SIGN_MAX_HEADERS = 32, SIGN_MAX_QUERY = 128, SIGN_DATE_BYTES = 17 };

struct sign_who { // borrowed texts; session_token NULL or "" for long-term keys
	const char *access_key_id, *secret_access_key, *session_token;
};
struct sign_scope {
	const char *region, *service; // the signing name: "ec2", "autoscaling", "sts"…
	int64_t now_ms;               // wall clock, corrected to AWS's
};
struct sign_request {
	const char *method, *path, *query; // path "" is "/"; query without '?', "" for none
	const struct http_header *headers;
	size_t n_headers;
	const void *body;
	size_t body_len;
};

// The key derived for one day, region and service; kept because four HMACs a call are most of the
// work. Zeroed at birth; sign_cache_done() wipes it.
struct sign_cache {
	uint8_t of[32]; // SHA-256 of what it was derived from
	uint8_t key[32];
	bool filled;
};
void sign_cache_done(struct sign_cache *c);

void sign_time(int64_t now_ms, char ret[SIGN_DATE_BYTES]); // "20150830T123600Z"
// The two texts on the way, appended; for tests, and for people who ask why AWS says no.
int sign_canonical(const struct sign_request *r, struct buf *ret); // -E2BIG, -ENOMEM
int sign_string(const struct sign_scope *s, const struct sign_request *r, struct buf *ret);
// Appends the value of the Authorization header. -E2BIG, -ENOMEM; cache may be NULL.
int sign_header(struct sign_cache *cache, const struct sign_who *who, const struct sign_scope *s,
	const struct sign_request *r, struct buf *ret);
// Appends the whole query that stands for the signature (r's own pairs first); every header of r
// must then be sent as it is. expires_s: 1 .. 604,800.
struct sign_presign {
	struct sign_scope scope;
	uint32_t expires_s;
};
int sign_query(struct sign_cache *cache, const struct sign_who *who, const struct sign_presign *p,
	const struct sign_request *r, struct buf *ret);
// Appends "k8s-aws-v1.…", the bearer token of an EKS cluster's API server: good for 15 minutes from
// now_ms (the verifier's rule, whatever Expires says). host: the regional STS host. Scope's service
// is sts. Form: kubernetes-sigs/aws-iam-authenticator pkg/token.
int sign_eks_token(const struct sign_who *who, const struct sign_scope *s, const char *host,
	const char *cluster, struct buf *ret);

// Percent-encodes everything but A-Z a-z 0-9 - _ . ~ (RFC 3986), upper-case hex.
void sign_encode(struct buf *out, const char *text, size_t len);
