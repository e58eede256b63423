// SPDX-License-Identifier: Apache-2.0
#include "aggregator/kube/answer.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <string.h>

#include "aggregator/kube/objects.h"

enum { MAX_STATUS_BYTES = 256 << 10, OVERLOAD_MS = 1000, PROCESSED_MS = 10000 };

struct words { // of a Status object; "" where it has none
	cJSON *tree;
	const char *message, *reason, *kind;
	const char *budget; // message of the cause DisruptionBudget, NULL if there is none
	bool ending;        // cause NamespaceTerminating
};

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

static void read_words(const struct kube_answer *a, struct words *w)
{
	const cJSON *cause;
	*w = (struct words){.message = "", .reason = "", .kind = ""};
	if (!a->body || a->body_len > MAX_STATUS_BYTES)
		return;
	w->tree = cJSON_ParseWithLength(a->body, a->body_len);
	w->message = or_empty(object_text(w->tree, "message"));
	w->reason = or_empty(object_text(w->tree, "reason"));
	w->kind = or_empty(object_text(w->tree, "details.kind"));
	cJSON_ArrayForEach (cause, object_at(w->tree, "details.causes")) {
		const char *reason = object_text(cause, "reason");
		if (reason && strcmp(reason, "DisruptionBudget") == 0)
			w->budget = or_empty(object_text(cause, "message"));
		if (reason && strcmp(reason, "NamespaceTerminating") == 0)
			w->ending = true;
	}
}

static int judge_error(const struct kube_answer *a, struct why *why, int64_t *retry)
{
	const char *text = a->error_text && a->error_text[0] ? a->error_text : strerror(-a->error);
	enum why_class class = a->error == -EINVAL ? WHY_BUG : WHY_RETRY;
	if (a->error == -ENOBUFS) { // our own queue
		*retry = OVERLOAD_MS;
		return why_set(why, -EAGAIN, WHY_THROTTLED, "%s", text);
	}
	return why_set(why, a->error, class, "%s", text);
}

static int judge_429(
	const struct kube_answer *a, const struct words *w, struct why *why, int64_t *retry)
{
	if (!w->budget) {
		*retry = a->retry_after_ms >= 0 ? a->retry_after_ms : OVERLOAD_MS;
		return why_set(why, -EAGAIN, WHY_THROTTLED, "the API server is overloaded: %s",
			w->message[0] ? w->message : "429");
	}
	// a budget whose status is not computed yet comes with a time to wait, a used up one
	// without
	if (a->retry_after_ms >= 0 || strstr(w->budget, "still being processed")) {
		*retry = a->retry_after_ms >= 0 ? a->retry_after_ms : PROCESSED_MS;
		return why_set(why, -EAGAIN, WHY_THROTTLED, "%s", w->budget);
	}
	return why_set(why, -EBUSY, WHY_THROTTLED, "%s", w->budget[0] ? w->budget : w->message);
}

static int judge_403(const struct words *w, struct why *why, int64_t *retry)
{
	// Nothing may be made in a namespace that ends, not even an eviction; its pods go by
	// themselves.
	if (w->ending) {
		*retry = OVERLOAD_MS;
		return why_set(why, -EAGAIN, WHY_THROTTLED, "%s", w->message);
	}
	// "pdb disruptions allowed is negative", "DisruptedPods map too big": the budget, not a
	// right
	if (strstr(w->kind, "poddisruptionbudget"))
		return why_set(why, -EBUSY, WHY_THROTTLED, "%s", w->message);
	return why_set(why, -EACCES, WHY_DENIED, "%s", w->message[0] ? w->message : "forbidden");
}

static int judge_5xx(
	const struct kube_answer *a, const struct words *w, struct why *why, int64_t *retry)
{
	if (strstr(w->message, "more than one PodDisruptionBudget"))
		return why_set(why, -ENOTSUP, WHY_DENIED, "%s", w->message);
	*retry = a->retry_after_ms > 0 ? a->retry_after_ms : 0;
	return why_set(why, a->status == 504 ? -ETIMEDOUT : -EIO, WHY_RETRY, "%d %s", a->status,
		w->message);
}

static int judge_4xx(
	const struct kube_answer *a, const struct words *w, struct why *why, int64_t *retry)
{
	switch (a->status) {
	case 401:
		return why_set(why, -EACCES, WHY_DENIED, "the API server does not know us: %s",
			w->message);
	case 403: return judge_403(w, why, retry);
	case 404:
	case 410: return why_set(why, -ENOENT, WHY_GONE, "%s", w->message);
	case 408: return why_set(why, -ETIMEDOUT, WHY_RETRY, "%s", w->message);
	case 409:
		if (strstr(w->message, "the UID in the precondition"))
			return why_set(why, -ESTALE, WHY_GONE, "%s", w->message);
		if (strcmp(w->reason, "AlreadyExists") == 0)
			return why_set(why, -EEXIST, WHY_GONE, "%s", w->message);
		return why_set(why, -EDEADLK, WHY_RETRY, "%s", w->message);
	case 422: // an admission policy says no with the code of an invalid object
		if (strstr(w->message, "denied request"))
			return why_set(why, -EACCES, WHY_DENIED, "%s", w->message);
		return why_set(why, -EINVAL, WHY_BUG, "422 %s", w->message);
	case 429: return judge_429(a, w, why, retry);
	default: return why_set(why, -EINVAL, WHY_BUG, "%d %s", a->status, w->message);
	}
}

int kube_answer_judge(const struct kube_answer *a, struct why *why, int64_t *ret_retry_ms)
{
	struct words w;
	int r;
	*ret_retry_ms = 0;
	if (a->error < 0)
		return judge_error(a, why, ret_retry_ms);
	if (a->status >= 200 && a->status < 300)
		return 0;
	read_words(a, &w);
	if (a->status >= 500)
		r = judge_5xx(a, &w, why, ret_retry_ms);
	else if (a->status >= 400)
		r = judge_4xx(a, &w, why, ret_retry_ms);
	else
		r = why_set(why, -EIO, WHY_RETRY, "unexpected status %d", a->status);
	cJSON_Delete(w.tree);
	return r;
}

bool kube_answer_is_overload(const struct kube_answer *a)
{
	struct words w;
	if (a->error < 0 || a->status != 429)
		return false;
	read_words(a, &w);
	bool overload = !w.budget;
	cJSON_Delete(w.tree);
	return overload;
}
