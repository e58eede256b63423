// SPDX-License-Identifier: Apache-2.0
#include "aggregator/cloud/aws/protocol.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "aggregator/cloud/aws/sign.h"
#include "aggregator/cloud/aws/xml.h"
#include "proto/base/text.h"

static const struct service services[AWS_SERVICE_COUNT] = {
	[AWS_STS] = {"sts", "sts", "STS", "2011-06-15", NULL, PROTOCOL_QUERY},
	[AWS_EC2] = {"ec2", "ec2", "EC2", "2016-11-15", NULL, PROTOCOL_EC2},
	[AWS_AUTOSCALING] = {"autoscaling", "autoscaling", "AUTO_SCALING", "2011-01-01", NULL,
		PROTOCOL_QUERY},
	[AWS_EKS] = {"eks", "eks", "EKS", "2017-11-01", NULL, PROTOCOL_REST_JSON},
	[AWS_ELB] = {"elasticloadbalancing", "elasticloadbalancing", "ELASTIC_LOAD_BALANCING",
		"2012-06-01", NULL, PROTOCOL_QUERY},
	[AWS_ELBV2] = {"elasticloadbalancing", "elasticloadbalancing", "ELASTIC_LOAD_BALANCING_V2",
		"2015-12-01", NULL, PROTOCOL_QUERY},
	[AWS_SQS] = {"sqs", "sqs", "SQS", "2012-11-05", "AmazonSQS", PROTOCOL_JSON_1_0},
};

const struct service *service_of(enum aws_service s)
{
	return &services[s];
}

static const char *env_get(const struct endpoint_ask *ask, const char *name)
{
	const char *v = ask->env ? ask->env(name) : NULL;
	return v && *v ? v : NULL;
}

int endpoint_find(const struct endpoint_ask *ask, struct buf *ret)
{
	const struct service *s = service_of(ask->service);
	char name[64];
	snprintf(name, sizeof(name), "AWS_ENDPOINT_URL_%s", s->env_name);
	const char *url = ask->given && *ask->given ? ask->given : env_get(ask, name);
	if (!url)
		url = env_get(ask, "AWS_ENDPOINT_URL");
	if (!url) {
		buf_printf(ret, "https://%s.%s.amazonaws.com%s", s->host, ask->region,
			strncmp(ask->region, "cn-", 3) == 0 ? ".cn" : "");
		return buf_failed(ret) ? -EINVAL : 0;
	}
	size_t scheme = strncmp(url, "https://", 8) == 0  ? 8
			: strncmp(url, "http://", 7) == 0 ? 7
							  : 0;
	size_t n = strlen(url);
	while (n > scheme && url[n - 1] == '/')
		n--;
	if (scheme == 0 || n == scheme || strcspn(url + scheme, "/?#@ \t\r\n") < n - scheme)
		return -EINVAL;
	return buf_append(ret, url, n) < 0 ? -EINVAL : 0;
}

void endpoint_host(const char *endpoint, struct buf *ret)
{
	bool tls = strncmp(endpoint, "https://", 8) == 0;
	const char *host = strstr(endpoint, "://");
	host = host ? host + 3 : endpoint;
	size_t n = strcspn(host, "/");
	const char *usual = tls ? ":443" : ":80";
	size_t m = strlen(usual);
	if (n > m && memcmp(host + n - m, usual, m) == 0)
		n -= m;
	buf_append(ret, host, n);
}

void protocol_form(const struct aws_call *call, struct buf *ret)
{
	buf_printf(
		ret, "Action=%s&Version=%s", call->operation, service_of(call->service)->version);
	for (size_t i = 0; i < call->n_params; i++) {
		buf_text(ret, "&");
		sign_encode(ret, call->params[i].name, strlen(call->params[i].name));
		buf_text(ret, "=");
		sign_encode(ret, call->params[i].value, strlen(call->params[i].value));
	}
}

// Printable ASCII only: error texts end in logs and terminals.
static void copy_printable(char *ret, size_t size, const char *text)
{
	size_t n = 0;
	for (; *text && n + 1 < size; text++)
		ret[n++] = (char)(*text >= ' ' && *text < 0x7f ? *text : ' ');
	ret[n] = '\0';
}

static void copy_code(char *ret, size_t size, const char *code)
{
	const char *hash = strchr(code, '#');
	copy_printable(ret, size, hash ? hash + 1 : code);
	ret[strcspn(ret, ":;")] = '\0';
}

static void read_xml_error(const struct protocol_answer *a, struct protocol_error *ret)
{
	struct xml x;
	xml_init(&x, a->body, a->body_len);
	int e;
	while ((e = xml_next(&x)) > XML_END && !(ret->code[0] && ret->message[0])) {
		if (e != XML_CLOSE)
			continue;
		if (xml_at(&x, "Code") && !ret->code[0])
			copy_code(ret->code, sizeof(ret->code), xml_text(&x));
		else if (xml_at(&x, "Message") && !ret->message[0])
			copy_printable(ret->message, sizeof(ret->message), xml_text(&x));
	}
	xml_done(&x);
}

static const char *json_text_of(const cJSON *o, const char *const *keys)
{
	for (; *keys; keys++) {
		const char *t = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, *keys));
		if (t && *t)
			return t;
	}
	return "";
}

static void read_json_error(const struct protocol_answer *a, struct protocol_error *ret)
{
	static const char *const codes[] = {"__type", "code", "Code", NULL};
	static const char *const messages[] = {"message", "Message", "errorMessage", NULL};
	cJSON *o = cJSON_ParseWithLength(a->body, a->body_len);
	const char *code = a->error_type && *a->error_type ? a->error_type : json_text_of(o, codes);
	if (a->query_error && *a->query_error)
		code = a->query_error;
	copy_code(ret->code, sizeof(ret->code), code);
	copy_printable(ret->message, sizeof(ret->message), json_text_of(o, messages));
	cJSON_Delete(o);
}

void protocol_error_read(
	enum protocol p, const struct protocol_answer *a, struct protocol_error *ret)
{
	*ret = (struct protocol_error){0};
	if (p == PROTOCOL_QUERY || p == PROTOCOL_EC2)
		read_xml_error(a, ret);
	else
		read_json_error(a, ret);
	// This message quotes what was signed, the session token with it.
	if (strstr(ret->code, "Signature"))
		text_copy(ret->message, sizeof(ret->message), "the signature is not accepted");
}

static bool one_of(const char *code, const char *const *list)
{
	for (; *list; list++)
		if (strcmp(code, *list) == 0)
			return true;
	return false;
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);
	return n >= m && strcmp(text + n - m, end) == 0;
}

static bool is_throttle(const char *code)
{
	static const char *const list[] = {"Throttling", "ThrottlingException",
		"ThrottledException", "RequestThrottled", "RequestThrottledException",
		"TooManyRequestsException", "RequestLimitExceeded", "BandwidthLimitExceeded",
		"LimitExceededException", "SlowDown", "PriorRequestNotComplete",
		"EC2ThrottledException", "ProvisionedThroughputExceededException",
		"TransactionInProgressException", NULL};
	return one_of(code, list);
}

// EC2's and Auto Scaling's ways of saying that this pool has nothing to give (EC2 API reference,
// error codes).
static bool is_no_capacity(const char *code)
{
	static const char *const list[] = {"InsufficientInstanceCapacity",
		"InsufficientHostCapacity", "InsufficientReservedInstanceCapacity",
		"InsufficientFreeAddressesInSubnet", "InsufficientCapacity",
		"InsufficientCapacityOnHost", "MaxSpotInstanceCountExceeded", "SpotMaxPriceTooLow",
		"VcpuLimitExceeded", "InstanceLimitExceeded", "UnfulfillableCapacity",
		"Unsupported", NULL};
	return one_of(code, list);
}

static bool is_denied(const char *code)
{
	static const char *const list[] = {"AccessDenied", "AccessDeniedException",
		"UnauthorizedOperation", "AuthFailure", "InvalidClientTokenId",
		"UnrecognizedClientException", "SignatureDoesNotMatch", "InvalidSignatureException",
		"IncompleteSignature", "IncompleteSignatureException", "MissingAuthenticationToken",
		"MissingAuthenticationTokenException", "ExpiredToken", "ExpiredTokenException",
		"RequestExpired", "RequestTimeTooSkewed", "OptInRequired", "InvalidIdentityToken",
		"IDPRejectedClaim", "RegionDisabledException", "Blocked", NULL};
	return one_of(code, list);
}

static bool is_gone(const char *code)
{
	return strstr(code, "NotFound") || ends_with(code, "NonExistentQueue") ||
	       strcmp(code, "QueueDoesNotExist") == 0 || strcmp(code, "NoSuchEntity") == 0;
}

static bool is_busy(const char *code)
{
	static const char *const list[] = {"ScalingActivityInProgress", "ResourceContention",
		"ResourceInUse", "ResourceInUseException", "IncorrectInstanceState",
		"IncorrectState", NULL};
	return one_of(code, list);
}

static bool is_unknown(const char *code)
{
	static const char *const list[] = {"UnknownAction", "InvalidAction", "UnknownOperation",
		"UnknownOperationException", "UnsupportedOperation", "NotImplemented", NULL};
	return one_of(code, list);
}

static bool is_transient(const char *code)
{
	static const char *const list[] = {"RequestTimeout", "RequestTimeoutException",
		"IDPCommunicationError", "InternalError", "InternalFailure", "ServiceUnavailable",
		"Unavailable", NULL};
	return one_of(code, list);
}

bool protocol_is_skew(const char *code)
{
	static const char *const list[] = {"RequestTimeTooSkewed", "RequestExpired",
		"RequestInTheFuture", "InvalidSignatureException", "SignatureDoesNotMatch",
		"AuthFailure", NULL};
	return one_of(code, list);
}

bool protocol_is_expired(const char *code)
{
	static const char *const list[] = {"ExpiredToken", "ExpiredTokenException", NULL};
	return one_of(code, list);
}

static int as(enum why_class *ret, enum why_class class, int r)
{
	*ret = class;
	return r;
}

// Auto Scaling throttles with 400 and EC2 with 503: the code speaks before the status.
static int classify_code(const char *code, enum why_class *ret)
{
	if (is_throttle(code))
		return as(ret, WHY_THROTTLED, -EAGAIN);
	if (is_no_capacity(code))
		return as(ret, WHY_RETRY, -ENOSPC);
	if (is_unknown(code))
		return as(ret, WHY_DENIED, -ENOTSUP);
	if (is_denied(code))
		return as(ret, WHY_DENIED, -EACCES);
	if (is_gone(code))
		return as(ret, WHY_GONE, -ENOENT);
	if (is_busy(code))
		return as(ret, WHY_RETRY, -EBUSY);
	if (is_transient(code))
		return as(ret, WHY_RETRY, -EIO);
	return 0;
}

int protocol_classify(int status, const char *code, enum why_class *ret)
{
	if (status >= 200 && status < 300)
		return as(ret, WHY_NONE, 0);
	int r = classify_code(code, ret);
	if (r < 0)
		return r;
	switch (status) {
	case 401:
	case 403: return as(ret, WHY_DENIED, -EACCES);
	case 404: return *code ? as(ret, WHY_BUG, -EINVAL) : as(ret, WHY_GONE, -ENOENT);
	case 409: return as(ret, WHY_RETRY, -EBUSY);
	case 429: return as(ret, WHY_THROTTLED, -EAGAIN);
	case 408: return as(ret, WHY_RETRY, -EIO);
	default: return status >= 500 ? as(ret, WHY_RETRY, -EIO) : as(ret, WHY_BUG, -EINVAL);
	}
}
