// SPDX-License-Identifier: Apache-2.0
// Every way in which what is outside can be broken is said, with what to do.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/show/links.h"

#include <string.h>

#include "proto/base/text.h"

static struct kube_client_stats kube;
static struct queue_stats queue;
static struct webhook_stats hook;

static struct link_sources healthy(void)
{
	kube = (struct kube_client_stats){.synced = true};
	queue = (struct queue_stats){.last_good_ms = 99000, .messages = 3};
	hook = (struct webhook_stats){.sent = 2};
	return (struct link_sources){.cluster = "prod",
		.kube = &kube,
		.leader = "petrel-0",
		.leads = true,
		.acts = true,
		.aws_identity = "arn:aws:sts::1:assumed-role/petrel/x",
		.queue = &queue,
		.queue_read = true,
		.webhook = &hook,
		.now_ms = 100000};
}

static void expect(const struct link_sources *s, const char *name, enum show_link_state state,
	const char *words)
{
	struct show_link links[SHOW_MAX_LINKS];
	size_t n = links_print(s, links);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(links[i].name, name) != 0)
			continue;
		assert_int_equal(links[i].state, state);
		if (!strstr(links[i].text, words))
			fail_msg("\"%s\" is not in \"%s\"", words, links[i].text);
		assert_true(state != SHOW_LINK_OFF || !links[i].advice[0]);
		return;
	}
	fail_msg("no link \"%s\"", name);
}

static void all_is_well(void **state)
{
	const struct link_sources s = healthy();
	expect(&s, "kubernetes", SHOW_LINK_OK, "the API server answers");
	expect(&s, "leader", SHOW_LINK_OK, "this replica leads and acts");
	expect(&s, "aws", SHOW_LINK_OK, "answers to arn:aws:sts");
	expect(&s, "queue", SHOW_LINK_OK, "3 messages");
	expect(&s, "webhook", SHOW_LINK_OK, "2 sent");
}

static void what_is_not_configured_says_what_it_would_be_good_for(void **state)
{
	const struct link_sources s = {.cluster = "local", .leader = ""};
	expect(&s, "kubernetes", SHOW_LINK_OFF, "kube.enabled");
	expect(&s, "aws", SHOW_LINK_OFF, "not replaced");
	expect(&s, "queue", SHOW_LINK_OFF, "aws.queue");
	expect(&s, "webhook", SHOW_LINK_OFF, "webhook.url");
}

static void a_forbidden_watch_names_what_is_forbidden(void **state)
{
	const struct link_sources s = healthy();
	kube.watches[MIRROR_BUDGETS].denied = true;
	expect(&s, "kubernetes", SHOW_LINK_BROKEN,
		"forbids to list and watch poddisruptionbudgets");
}

static void a_watch_in_trouble_says_its_trouble(void **state)
{
	const struct link_sources s = healthy();
	kube.watches[MIRROR_PODS].wanted = true;
	text_copy(kube.watches[MIRROR_PODS].trouble, 128, "connection refused");
	expect(&s, "kubernetes", SHOW_LINK_BROKEN, "watching pods: connection refused");
}

static void forbidden_calls_are_told(void **state)
{
	const struct link_sources s = healthy();
	kube.requests[KUBE_VERB_EVICT][KUBE_RESULT_DENIED] = 4;
	expect(&s, "kubernetes", SHOW_LINK_BROKEN, "4 requests were forbidden, the first to evict");
}

static void expect_advice(const struct link_sources *s, const char *name, const char *words)
{
	struct show_link links[SHOW_MAX_LINKS];
	size_t n = links_print(s, links);
	for (size_t i = 0; i < n; i++)
		if (strcmp(links[i].name, name) == 0) {
			if (!strstr(links[i].advice, words))
				fail_msg("\"%s\" is not in \"%s\"", words, links[i].advice);
			return;
		}
	fail_msg("no link \"%s\"", name);
}

static void expect_kube_advice(const char *trouble, const char *words)
{
	const struct link_sources s = healthy();
	kube.watches[MIRROR_NODES].wanted = true;
	text_copy(kube.watches[MIRROR_NODES].trouble, 128, trouble);
	expect_advice(&s, "kubernetes", words);
}

static void what_fails_is_traced_to_its_usual_cause(void **state)
{
	expect_kube_advice("SSL certificate problem: unable to get local issuer certificate",
		"certificate-authority");
	expect_kube_advice("Unauthorized", "token");
	expect_kube_advice("Failed to connect: Connection refused", "does the API server run");
	expect_kube_advice("Connection timed out", "network policy");
	expect_kube_advice("Could not resolve host: k8s", "DNS");
	expect_kube_advice("something new", "tried again");
	struct link_sources s = healthy();
	s.aws_trouble = "AccessDenied: not authorized to perform sts:AssumeRole";
	expect_advice(&s, "aws", "ExternalId");
	s.aws_trouble = "ExpiredToken: The security token included in the request is expired";
	expect_advice(&s, "aws", "token file");
	s.aws_trouble = "no credentials: neither environment, …";
	expect_advice(&s, "aws", "Pod Identity");
	queue.last_good_ms = 0;
	text_copy(queue.last_error.text, sizeof(queue.last_error.text),
		"AWS.SimpleQueueService.NonExistentQueue: The specified queue does not exist");
	expect_advice(&s, "queue", "not there");
}

static void a_queue_that_hears_nothing_or_what_it_does_not_know_is_told(void **state)
{
	const struct link_sources s = healthy();
	queue.messages = 0;
	expect(&s, "queue", SHOW_LINK_OK, "no event has come yet");
	expect_advice(&s, "queue", "EventBridge");
	queue.messages = 5;
	queue.malformed = 2;
	expect(&s, "queue", SHOW_LINK_WARN, "2 messages could not be understood");
}

static void without_a_leader_nobody_acts(void **state)
{
	struct link_sources s = healthy();
	s.leads = false;
	expect(&s, "leader", SHOW_LINK_OK, "petrel-0 leads; this replica stands by");
	s.leader = "";
	expect(&s, "leader", SHOW_LINK_BROKEN, "nobody acts");
}

static void refusals_of_aws_and_of_the_queue_are_told(void **state)
{
	struct link_sources s = healthy();
	s.aws_trouble = "AccessDenied: not authorized to perform sts:AssumeRole";
	expect(&s, "aws", SHOW_LINK_BROKEN, "sts:AssumeRole");
	queue.last_good_ms = 1000;
	text_copy(queue.last_error.text, sizeof(queue.last_error.text), "QueueDoesNotExist");
	expect(&s, "queue", SHOW_LINK_BROKEN, "QueueDoesNotExist");
	text_copy(hook.error, sizeof(hook.error), "HTTP status 503");
	expect(&s, "webhook", SHOW_LINK_BROKEN, "HTTP status 503");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_is_well),
		cmocka_unit_test(what_is_not_configured_says_what_it_would_be_good_for),
		cmocka_unit_test(a_forbidden_watch_names_what_is_forbidden),
		cmocka_unit_test(a_watch_in_trouble_says_its_trouble),
		cmocka_unit_test(forbidden_calls_are_told),
		cmocka_unit_test(what_fails_is_traced_to_its_usual_cause),
		cmocka_unit_test(a_queue_that_hears_nothing_or_what_it_does_not_know_is_told),
		cmocka_unit_test(without_a_leader_nobody_acts),
		cmocka_unit_test(refusals_of_aws_and_of_the_queue_are_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
