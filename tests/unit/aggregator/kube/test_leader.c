// SPDX-License-Identifier: Apache-2.0
// The record's rules against a server that keeps one Lease and misbehaves on order. Two processes,
// a kill and a freeze are in tests/e2e/test_kube_client.py.
#include "tests/unit/aggregator/kube/kube_world.h"

#include "aggregator/kube/leader.h"
#include "proto/base/text.h"

struct lease {
	bool exists, lose_answer, refuse_all;
	int version;
	char holder[64], renewed[40], acquired[40];
	int seconds, transitions;
	int puts, posts;
};
static struct lease lease;

static struct {
	struct leader *l;
	int gains, losses;
	bool stopped;
} ours;

static void reply_lease(struct http_response *r, int status)
{
	char text[512];
	snprintf(text, sizeof(text),
		"{'metadata':{'name':'x','resourceVersion':'%d'},'spec':{'holderIdentity':'%s',"
		"'leaseDurationSeconds':%d,'acquireTime':'%s','renewTime':'%s','leaseTransitions':%"
		"d}}",
		lease.version, lease.holder, lease.seconds, lease.acquired, lease.renewed,
		lease.transitions);
	reply_json(r, status, text);
}

static const char *spec_text(const cJSON *o, const char *key)
{
	const char *text =
		cJSON_GetStringValue(cJSON_GetObjectItem(cJSON_GetObjectItem(o, "spec"), key));
	return text ? text : "?";
}

static int spec_number(const cJSON *o, const char *key)
{
	return (int)cJSON_GetNumberValue(cJSON_GetObjectItem(cJSON_GetObjectItem(o, "spec"), key));
}

static void keep(const cJSON *o)
{
	text_copy(lease.holder, sizeof(lease.holder), spec_text(o, "holderIdentity"));
	text_copy(lease.renewed, sizeof(lease.renewed), spec_text(o, "renewTime"));
	text_copy(lease.acquired, sizeof(lease.acquired), spec_text(o, "acquireTime"));
	lease.seconds = spec_number(o, "leaseDurationSeconds");
	lease.transitions = spec_number(o, "leaseTransitions");
	lease.version++;
	lease.exists = true;
	assert_int_equal(strlen(lease.renewed), 27); // six digits, or the real one says 400
}

static void write_lease(struct world *w, const struct http_request *q, struct http_response *r)
{
	cJSON *o = cJSON_Parse(w->body);
	const char *version = cJSON_GetStringValue(
		cJSON_GetObjectItem(cJSON_GetObjectItem(o, "metadata"), "resourceVersion"));
	char now[16];
	snprintf(now, sizeof(now), "%d", lease.version);
	bool create = is(q, "POST");
	lease.puts += !create;
	lease.posts += create;
	if (create ? lease.exists : !version || strcmp(version, now) != 0) {
		reply_json(r, 409, STATUS("409", "the object has been modified"));
	} else {
		keep(o);
		if (lease.lose_answer)
			reply_json(r, 500, STATUS("500", "lost"));
		else
			reply_lease(r, create ? 201 : 200);
		lease.lose_answer = false;
	}
	cJSON_Delete(o);
}

static void serve(struct world *w, const struct http_request *q, struct http_response *r)
{
	w->calls++;
	if (lease.refuse_all)
		reply_json(r, 500, STATUS("500", "storage is down"));
	else if (!is(q, "GET"))
		write_lease(w, q, r);
	else if (lease.exists)
		reply_lease(r, 200);
	else
		reply_json(r, 404, STATUS("404", "not found"));
}

static void on_change(void *arg, bool is_leader)
{
	ours.gains += is_leader;
	ours.losses += !is_leader;
}

static void on_leader_stopped(void *arg)
{
	ours.stopped = true;
}

static void lead(struct world *w)
{
	const struct leader_options o = {.namespace_ = "default",
		.name = "x",
		.identity = "me",
		.lease_ms = 2000,
		.renew_ms = 1000,
		.retry_ms = 200,
		.on_change = on_change};
	memset(&ours, 0, sizeof(ours));
	assert_int_equal(leader_start(&ours.l, w->client, &o), 0);
}

static bool leads(void)
{
	return leader_is(ours.l, world_mono_ns());
}

static void end(struct world *w)
{
	leader_stop(ours.l, on_leader_stopped, NULL);
	while (!ours.stopped)
		uv_run(&w->loop, UV_RUN_ONCE);
	assert_int_equal(ours.gains, ours.losses);
	world_done(w);
}

static void theirs(const char *holder, int seconds)
{
	lease = (struct lease){.exists = true, .version = 5, .seconds = seconds, .transitions = 3};
	text_copy(lease.holder, sizeof(lease.holder), holder);
}

static void a_lease_that_nobody_has_is_taken_and_given_back(void **state)
{
	struct world w;
	lease = (struct lease){0};
	world_init(&w, serve, (struct kube_client_options){0});
	lead(&w);
	assert_false(leads());
	run_until(&w, &ours.gains, 1);
	assert_true(leads());
	assert_string_equal(lease.holder, "me");
	assert_int_equal(lease.seconds, 2);
	assert_int_equal(lease.posts, 1);
	char acquired[40];
	text_copy(acquired, sizeof(acquired), lease.acquired);
	run_until(&w, &lease.puts, 3);
	assert_string_equal(lease.acquired, acquired); // kept while it is ours
	assert_int_equal(lease.transitions, 0);
	end(&w);
	assert_string_equal(lease.holder, "");
	assert_int_equal(lease.seconds, 1);
}

static void a_lease_of_another_is_left_until_it_has_not_changed_for_its_duration(void **state)
{
	struct world w;
	theirs("other", 1);
	world_init(&w, serve, (struct kube_client_options){0});
	lead(&w);
	for (int k = 0; k < 6; k++) { // they renew
		run_for(&w, 300);
		lease.version++;
	}
	assert_int_equal(ours.gains, 0);
	assert_int_equal(lease.puts, 0);
	assert_string_equal(leader_holder(ours.l), "other");
	uint64_t silent_ns = clock_mono_ns();
	run_until(&w, &ours.gains, 1); // they do not
	assert_true(clock_mono_ns() - silent_ns > 900 * 1000000ULL);
	assert_int_equal(lease.transitions, 4);
	end(&w);
}

static void a_released_lease_is_taken_at_once(void **state)
{
	struct world w;
	theirs("", 1);
	world_init(&w, serve, (struct kube_client_options){0});
	lead(&w);
	run_until(&w, &ours.gains, 1);
	assert_in_range(w.calls, 2, 2); // read, write
	end(&w);
}

static void a_write_whose_answer_was_lost_is_recognized_as_ours(void **state)
{
	struct world w;
	lease = (struct lease){0};
	world_init(&w, serve, (struct kube_client_options){0});
	lead(&w);
	run_until(&w, &ours.gains, 1);
	lease.lose_answer = true;
	run_until(&w, &lease.puts, 5);
	assert_int_equal(ours.losses, 0);
	assert_true(leads());
	end(&w);
}

static void whoever_loses_the_record_steps_down_at_once(void **state)
{
	struct world w;
	lease = (struct lease){0};
	world_init(&w, serve, (struct kube_client_options){0});
	lead(&w);
	run_until(&w, &ours.gains, 1);
	theirs("thief", 60);
	lease.version = 99;
	run_until(&w, &ours.losses, 1);
	assert_false(leads());
	end(&w);
	assert_string_equal(lease.holder, "thief"); // and gives nothing back
}

static void without_a_write_it_steps_down_before_anybody_may_follow(void **state)
{
	struct world w;
	struct leader_stats s;
	lease = (struct lease){0};
	world_init(&w, serve, (struct kube_client_options){0});
	lead(&w);
	run_until(&w, &ours.gains, 1);
	lease.refuse_all = true;
	uint64_t from_ns = clock_mono_ns();
	run_until(&w, &ours.losses, 1);
	assert_true(clock_mono_ns() - from_ns < 1500 * 1000000ULL); // renew_ms, not lease_ms
	assert_false(leads());
	leader_stats(ours.l, &s);
	assert_true(s.failures > 0 && strstr(s.trouble, "storage is down"));
	lease.refuse_all = false;
	run_until(&w, &ours.gains, 2);
	end(&w);
}

static void a_process_that_was_frozen_knows_it_by_the_clock(void **state)
{
	struct world w;
	lease = (struct lease){0};
	world_init(&w, serve, (struct kube_client_options){0});
	lead(&w);
	run_until(&w, &ours.gains, 1);
	assert_true(leads());
	world_ahead_ns += 1100 * 1000000ULL; // nothing ran meanwhile
	assert_false(leads());
	assert_int_equal(ours.losses, 0); // nobody has told it yet
	run_until(&w, &ours.gains, 2);
	assert_int_equal(ours.losses, 1);
	assert_true(leads());
	end(&w);
}

static void a_deleted_lease_is_made_again(void **state)
{
	struct world w;
	lease = (struct lease){0};
	world_init(&w, serve, (struct kube_client_options){0});
	lead(&w);
	run_until(&w, &ours.gains, 1);
	lease.exists = false;
	lease.version = 1000;
	run_until(&w, &lease.posts, 2);
	run_for(&w, 300);
	assert_true(leads());
	end(&w);
}

static void settings_that_cannot_be_safe_are_refused(void **state)
{
	struct world w;
	struct leader *l;
	world_init(&w, serve, (struct kube_client_options){0});
	struct leader_options o = {.namespace_ = "n", .name = "x", .identity = "me"};
	o.renew_ms = 15000; // as long as the lease
	assert_int_equal(leader_start(&l, w.client, &o), -EINVAL);
	o.renew_ms = 1000;
	o.retry_ms = 1000;
	assert_int_equal(leader_start(&l, w.client, &o), -EINVAL);
	o = (struct leader_options){.namespace_ = "n", .name = "x", .identity = ""};
	assert_int_equal(leader_start(&l, w.client, &o), -EINVAL);
	o = (struct leader_options){.namespace_ = "a/b", .name = "x", .identity = "me"};
	assert_int_equal(leader_start(&l, w.client, &o), -EINVAL);
	world_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lease_that_nobody_has_is_taken_and_given_back),
		cmocka_unit_test(
			a_lease_of_another_is_left_until_it_has_not_changed_for_its_duration),
		cmocka_unit_test(a_released_lease_is_taken_at_once),
		cmocka_unit_test(a_write_whose_answer_was_lost_is_recognized_as_ours),
		cmocka_unit_test(whoever_loses_the_record_steps_down_at_once),
		cmocka_unit_test(without_a_write_it_steps_down_before_anybody_may_follow),
		cmocka_unit_test(a_process_that_was_frozen_knows_it_by_the_clock),
		cmocka_unit_test(a_deleted_lease_is_made_again),
		cmocka_unit_test(settings_that_cannot_be_safe_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
