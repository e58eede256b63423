// SPDX-License-Identifier: Apache-2.0
// One set of AWS keys, and what the places that keys come from look like. Pure but for the token
// file.
//
// A set is immutable and counted: a call signs with the set it took, whatever is fetched meanwhile.
// Secrets are wiped when the last holder lets go, and no error text holds any part of a body.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/why.h"

struct credentials {
	unsigned refs;
	int64_t expires_ms; // wall clock; 0: never
	char source[24];    // "environment", "web-identity", "container", "imds", "assumed-role"
	char *access_key_id, *secret_access_key, *session_token; // token "" for long-term keys
};
struct credentials *credentials_ref(struct credentials *c);
void credentials_unref(struct credentials *c); // NULL is fine

// In this order, the first that is set up; what it answers stands (as in the SDKs).
enum credential_source {
	CREDENTIAL_ENV,
	CREDENTIAL_WEB,
	CREDENTIAL_CONTAINER,
	CREDENTIAL_IMDS,
	CREDENTIAL_NONE
};
const char *credential_source_name(enum credential_source s); // "environment", …
struct environment {
	const char *(*get)(const char *name); // NULL: empty
};
const char *environment_get(const struct environment *e, const char *name); // NULL if "" as well
enum credential_source credential_source_pick(const struct environment *e);

// All give one reference in *ret; -EBADMSG WHY_RETRY for a body that is none, -EACCES for one that
// says no.
int credentials_from_env(const struct environment *e, struct credentials **ret, struct why *why);
struct credential_body {
	const char *data;
	size_t len;
	const char *source; // for the set and for texts
};
// STS: …/Credentials/{AccessKeyId,SecretAccessKey,SessionToken,Expiration}
int credentials_from_xml(
	const struct credential_body *b, struct credentials **ret, struct why *why);
// Container and IMDS: {"AccessKeyId","SecretAccessKey","Token","Expiration"}; IMDS also says
// "Code":"Success", and may say no with a 200.
int credentials_from_json(
	const struct credential_body *b, struct credentials **ret, struct why *why);

// Where the container's keys are: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or …_FULL_URI. Keys are
// asked for only over https or from loopback, 169.254.170.2, 169.254.170.23 and fd00:ec2::23, as
// the SDKs do: -EPERM WHY_DENIED otherwise.
int credential_container_url(const struct environment *e, struct buf *ret, struct why *why);
// A token file's text without blanks around it; read anew each time, since the kubelet renews it.
// At most 32 KiB. WHY_DENIED if it cannot be read or is empty.
int credential_read_file(const char *path, struct buf *ret, struct why *why);
