// SPDX-License-Identifier: Apache-2.0
// How AWS's services are spoken to: where they are, how a request looks, what an error means. Pure.
//
// query (STS, Auto Scaling, ELB) and ec2: a form with Action and Version, XML back. rest-json
// (EKS): paths, JSON back. json 1.0 and 1.1 (SQS): X-Amz-Target, JSON both ways. Names and versions
// are of botocore's service models; error shapes of its parsers.
#pragma once

#include "aggregator/cloud/aws/client.h"
#include "proto/base/buf.h"

enum protocol {
	PROTOCOL_QUERY,
	PROTOCOL_EC2,
	PROTOCOL_REST_JSON,
	PROTOCOL_JSON_1_0,
	PROTOCOL_JSON_1_1
};

struct service {
	const char *name;     // "autoscaling": what it signs as
	const char *host;     // "autoscaling" of autoscaling.REGION.amazonaws.com
	const char *env_name; // "AUTO_SCALING" of AWS_ENDPOINT_URL_AUTO_SCALING
	const char *version;  // "2011-01-01"
	const char *target;   // "AmazonSQS", NULL
	enum protocol protocol;
};
const struct service *service_of(enum aws_service s);

// "https://autoscaling.eu-central-1.amazonaws.com" without a slash at its end. given (may be NULL)
// goes before the environment, that before AWS's own. -EINVAL: not an http or https address.
struct endpoint_ask {
	enum aws_service service;
	const char *region, *given;
	const char *(*env)(const char *name); // may be NULL
};
int endpoint_find(const struct endpoint_ask *ask, struct buf *ret);
// The host, with the port if it is not the scheme's, as it stands in the Host header.
void endpoint_host(const char *endpoint, struct buf *ret);

// "Action=…&Version=…&Name=value", percent-encoded.
void protocol_form(const struct aws_call *call, struct buf *ret);

struct protocol_error {
	char code[96];     // without its namespace, "" if there was none
	char message[256]; // printable, cut
};
struct protocol_answer {
	int status;
	const char *body;
	size_t body_len;
	const char *error_type;  // header x-amzn-errortype, NULL
	const char *query_error; // header x-amzn-query-error, NULL
};
// XML: the first Code and Message anywhere (query, ec2 and what is between them differ only in what
// is around). JSON: the header, or __type or code; what is before '#' and after ':' goes.
void protocol_error_read(
	enum protocol p, const struct protocol_answer *a, struct protocol_error *ret);
// The errno and class for aggregator/cloud/cloud.h; 0 for a 2xx status.
int protocol_classify(int status, const char *code, enum why_class *ret);
bool protocol_is_skew(const char *code);    // the clock may be wrong
bool protocol_is_expired(const char *code); // the keys are too old
