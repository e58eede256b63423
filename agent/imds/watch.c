// SPDX-License-Identifier: Apache-2.0
#include "agent/imds/watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/imds/event.h"
#include "agent/imds/known.h"
#include "proto/base/text.h"

enum {
	POLLS_PER_QUESTION = 2,
	TOKENS_UNDER_WAY = 2,
	TOKEN_BYTES = 512,
	IDENTITY_RETRY_MS = 30000,
	TOKEN_RETRY_MS = 500,    // after one that failed
	TOKEN_OVERLAP_MS = 1000, // after one that has not answered yet
	IDENTITY_WAIT_MS = 2000,
};

static const struct {
	const char *name, *path;
	int (*read)(const char *body, size_t len, const struct notice *from,
		struct notice ret[EVENT_MAX_NOTICES]);
	uint32_t period_ms;
} questions[WATCH_QUESTION_COUNT] = {
	{"spot-action", "/latest/meta-data/spot/instance-action", event_spot_action, 1000},
	{"lifecycle", "/latest/meta-data/autoscaling/target-lifecycle-state", event_lifecycle,
		2000},
	{"rebalance", "/latest/meta-data/events/recommendations/rebalance", event_rebalance, 5000},
	{"maintenance", "/latest/meta-data/events/maintenance/scheduled", event_maintenance, 60000},
	{"termination-time", "/latest/meta-data/spot/termination-time", event_termination_time,
		5000},
};

static const struct {
	const char *path;
	size_t offset; // in struct watch_identity, 32 bytes each
} identities[] = {
	{"/latest/meta-data/instance-id", offsetof(struct watch_identity, instance_id)},
	{"/latest/meta-data/instance-type", offsetof(struct watch_identity, instance_type)},
	{"/latest/meta-data/placement/availability-zone-id",
		offsetof(struct watch_identity, zone_id)},
	{"/latest/meta-data/instance-life-cycle", offsetof(struct watch_identity, life_cycle)},
	{"/latest/meta-data/tags/instance", 0}, // only whether it may be read
};
enum { IDENTITIES = sizeof(identities) / sizeof(identities[0]) };

// One question under way: asked, waiting for a token, or asked again after a 401.
struct poll {
	struct watch *watch;
	int question; // enum watch_question, or WATCH_QUESTION_COUNT + index of an identity
	bool busy, waiting, again;
	uint64_t number; // of the asking; an answer older than one already taken says nothing
};

struct question {
	struct watch *watch;
	uv_timer_t timer;
	struct poll polls[POLLS_PER_QUESTION];
	uint64_t asked, taken; // numbers of the newest asking and of the newest answer taken
	bool due;              // its time came while all polls were under way: the next to end asks
};

struct watch {
	struct watch_options options;
	uv_loop_t *loop;
	struct imds_http *http;
	struct question questions[WATCH_QUESTION_COUNT];
	struct poll identity_poll;
	uv_timer_t identity_timer, token_timer;
	int identity_at; // index of the next one
	struct watch_identity identity;
	char token[TOKEN_BYTES];
	uint64_t token_ns; // when it was given; 0: none
	uint64_t token_tried_ns;
	unsigned tokens_busy;          // token requests under way
	int token_status, token_error; // of the last try, for the report
	struct known known;
	struct watch_stats stats;
	unsigned open_handles; // timers, and the HTTP side as one
	void (*on_stopped)(void *arg);
	void *on_stopped_arg;
};

static void ask(struct poll *p);
static void ask_if_due(struct poll *p);
static void fetch_token_if_wanted(struct watch *w);
static void on_token_due(uv_timer_t *timer);
static void on_question(uv_timer_t *timer);
static uint64_t next_period_ms(struct watch *w, int question);

const char *watch_question_name(enum watch_question q)
{
	return questions[q].name;
}

const char *watch_error_name(enum watch_error e)
{
	static const char *const names[] = {
		"timeout", "refused", "401", "403", "5xx", "status", "malformed", "broken", "busy"};
	return names[e];
}

void watch_defaults(struct watch_options *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->http = (struct imds_http_options){"169.254.169.254", 80, 300, 2000};
	for (int q = 0; q < WATCH_QUESTION_COUNT; q++)
		ret->period_ms[q] = questions[q].period_ms;
	ret->token_ttl_s = 21600;
	ret->jitter_permille = 100;
}

static void count_error(struct watch *w, const struct imds_answer *a)
{
	enum watch_error e = WATCH_STATUS_OTHER;
	if (a->error == -ETIMEDOUT)
		e = WATCH_TIMEOUT;
	else if (a->error == -ECONNREFUSED)
		e = WATCH_REFUSED;
	else if (a->error)
		e = WATCH_BROKEN;
	else if (a->status == 401)
		e = WATCH_STATUS_401;
	else if (a->status == 403)
		e = WATCH_STATUS_403;
	else if (a->status >= 500)
		e = WATCH_STATUS_5XX;
	w->stats.errors[e]++;
}

static void count_latency(struct watch *w, const struct imds_answer *a)
{
	uint64_t us = a->took_ns / 1000;
	unsigned bucket = 0;
	while (bucket < 15 && us >= (64ull << bucket))
		bucket++;
	w->stats.latency_us[bucket]++;
	w->stats.latency_sum_us += us;
	w->stats.answers++;
	w->stats.last_good_ns = w->options.mono_ns();
}

// --- token ----------------------------------------------------------------------------------

static bool is_waiting(const struct question *q)
{
	for (int i = 0; i < POLLS_PER_QUESTION; i++)
		if (q->polls[i].waiting)
			return true;
	return false;
}

static void wake_waiting(struct watch *w)
{
	for (int q = 0; q < WATCH_QUESTION_COUNT; q++)
		for (int i = 0; i < POLLS_PER_QUESTION; i++)
			if (w->questions[q].polls[i].waiting)
				ask(&w->questions[q].polls[i]);
	if (w->identity_poll.waiting)
		ask(&w->identity_poll);
}

static bool is_token(const struct imds_answer *a)
{
	if (a->status != 200 || a->body_len == 0 || a->body_len >= TOKEN_BYTES)
		return false;
	for (size_t i = 0; i < a->body_len; i++)
		if (a->body[i] <= ' ' || a->body[i] > '~') // it goes into a header
			return false;
	return true;
}

static void on_token(void *arg, const struct imds_answer *a)
{
	struct watch *w = arg;
	w->tokens_busy--;
	w->token_status = a->status;
	w->token_error = a->error;
	if (a->error == 0 && is_token(a)) {
		memcpy(w->token, a->body, a->body_len + 1);
		w->token_ns = w->options.mono_ns();
		w->stats.tokens++;
		uv_timer_stop(&w->token_timer);
		wake_waiting(w);
		return;
	}
	w->stats.token_failures++;
	count_error(w, a);
	if (w->options.allow_v1)
		wake_waiting(w); // they go without
	else
		fetch_token_if_wanted(w);
}

// Asks for a token: now, or when the last try is long enough ago. One that hangs may have been
// asked before the service came back, so that it does not keep a second one from being asked.
static void fetch_token(struct watch *w)
{
	char ttl[16];
	uint64_t ago_ms = (w->options.mono_ns() - w->token_tried_ns) / 1000000,
		 gap_ms = w->tokens_busy ? TOKEN_OVERLAP_MS : TOKEN_RETRY_MS;
	if (w->tokens_busy == TOKENS_UNDER_WAY)
		return;
	if (w->token_tried_ns && ago_ms < gap_ms) {
		uv_timer_start(&w->token_timer, on_token_due, gap_ms - ago_ms, 0);
		return;
	}
	snprintf(ttl, sizeof(ttl), "%u", w->options.token_ttl_s);
	const struct imds_request r = {"PUT", "/latest/api/token",
		"X-aws-ec2-metadata-token-ttl-seconds", ttl, on_token, w};
	w->tokens_busy += imds_http_start(w->http, &r) == 0;
	w->token_tried_ns = w->options.mono_ns();
	uv_timer_start(&w->token_timer, on_token_due, TOKEN_OVERLAP_MS, 0);
}

static void fetch_token_if_wanted(struct watch *w)
{
	bool wanted = w->identity_poll.waiting;
	for (int q = 0; q < WATCH_QUESTION_COUNT; q++)
		wanted = wanted || is_waiting(&w->questions[q]);
	if (wanted)
		fetch_token(w);
}

static void on_token_due(uv_timer_t *timer)
{
	fetch_token_if_wanted(timer->data);
}

// Is there a token that is still good? Renews it in the background at half its life.
static bool have_token(struct watch *w)
{
	uint64_t age_ns = w->options.mono_ns() - w->token_ns,
		 life_ns = w->options.token_ttl_s * 1000000000ull;
	if (w->token_ns && age_ns > life_ns / 2)
		fetch_token(w);
	return w->token_ns && age_ns < life_ns;
}

// --- questions ------------------------------------------------------------------------------

static struct notice template_of(const struct watch *w)
{
	struct notice n = {.observed_ms = w->options.wall_ms()};
	text_copy(n.cluster, sizeof(n.cluster), w->options.cluster);
	text_copy(n.node, sizeof(n.node), w->options.node);
	// before the identity is known the node's name stands in, so that a notice never waits for
	// it
	text_copy(n.instance_id, sizeof(n.instance_id),
		w->identity.known ? w->identity.instance_id : w->options.node);
	text_copy(n.source, sizeof(n.source), "imds");
	return n;
}

static void tell(struct watch *w, const struct notice *n)
{
	w->stats.notices++;
	w->options.on_notice(w->options.arg, n);
}

static void tell_missing(struct watch *w, const struct known_shown *shown)
{
	struct notice gone;
	while (known_missing(&w->known, shown, w->options.wall_ms(), &gone))
		tell(w, &gone);
}

static void take_body(struct watch *w, int question, const struct imds_answer *a)
{
	struct notice notices[EVENT_MAX_NOTICES], from = template_of(w);
	int n = questions[question].read(a->body, a->body_len, &from, notices);
	if (n < 0) {
		w->stats.errors[WATCH_MALFORMED]++;
		return;
	}
	count_latency(w, a);
	for (int i = 0; i < n; i++)
		if (known_take(&w->known, question, &notices[i]))
			tell(w, &notices[i]);
	const struct known_shown shown = {question, notices, (size_t)n};
	tell_missing(w, &shown);
}

// The ids of notices are made of the instance id, so the questions begin when it is known, or after
// IDENTITY_WAIT_MS with the node's name in its place; what was told under that name is told again
// under the right one.
static void know_instance(struct watch *w)
{
	w->identity.known = true;
	w->known.n = 0;
	for (int q = 0; q < WATCH_QUESTION_COUNT; q++)
		if (w->options.period_ms[q] && w->questions[q].asked == 0)
			uv_timer_start(&w->questions[q].timer, on_question, 0, 0);
}

static void take_identity(struct watch *w, int index, const struct imds_answer *a)
{
	if (identities[index].offset == 0 && index == IDENTITIES - 1)
		w->identity.tags_status = a->status;
	else if (a->status == 200 && text_is_name(a->body, a->body_len, 31))
		memcpy((char *)&w->identity + identities[index].offset, a->body, a->body_len + 1);
	if (!w->identity.known && w->identity.instance_id[0])
		know_instance(w);
	if (++w->identity_at < IDENTITIES) {
		ask(&w->identity_poll);
	} else if (w->identity.known && w->options.on_identity) {
		w->options.on_identity(w->options.arg, &w->identity);
	}
}

static void take_answer(struct poll *p, const struct imds_answer *a)
{
	struct watch *w = p->watch;
	if (a->error || (a->status != 200 && a->status != 404)) {
		count_error(w, a);
		return; // an identity is asked again by its timer
	}
	if (p->question >= WATCH_QUESTION_COUNT) {
		take_identity(w, p->question - WATCH_QUESTION_COUNT, a);
		return;
	}
	struct question *q = &w->questions[p->question];
	if (p->number < q->taken)
		return;
	q->taken = p->number;
	if (a->status == 200) {
		take_body(w, p->question, a);
	} else {
		const struct known_shown nothing = {.question = p->question};
		count_latency(w, a);
		tell_missing(w, &nothing);
	}
}

static void on_answer(void *arg, const struct imds_answer *a)
{
	struct poll *p = arg;
	struct watch *w = p->watch;
	if (a->error == 0 && a->status == 401 && !p->again) {
		count_error(w, a);
		w->token_ns = 0;
		if (w->tokens_busy == 0)
			w->token_tried_ns = 0;
		p->again = true;
		ask(p);
		return;
	}
	p->busy = false;
	take_answer(p, a);
	ask_if_due(p);
}

static const char *path_of(const struct poll *p)
{
	return p->question < WATCH_QUESTION_COUNT
		       ? questions[p->question].path
		       : identities[p->question - WATCH_QUESTION_COUNT].path;
}

// Asks now if there is a token (or none is needed), else as soon as there is one.
static void ask(struct poll *p)
{
	struct watch *w = p->watch;
	bool waited = p->waiting, v1 = w->options.allow_v1;
	if (p == &w->identity_poll)
		p->question = WATCH_QUESTION_COUNT + w->identity_at;
	bool token = have_token(w);
	p->busy = true;
	p->waiting = false;
	if (!token && !(waited && v1)) {
		fetch_token(w);
		p->waiting = w->tokens_busy > 0 || !v1;
		if (p->waiting)
			return;
	}
	// A period after this one, whatever kept it waiting: two that leave together would hang
	// together, and nobody would ask meanwhile.
	if (p->question < WATCH_QUESTION_COUNT)
		uv_timer_start(&w->questions[p->question].timer, on_question,
			next_period_ms(w, p->question), 0);
	w->stats.v1_polls += !token;
	const struct imds_request r = {"GET", path_of(p), token ? "X-aws-ec2-metadata-token" : NULL,
		w->token, on_answer, p};
	if (imds_http_start(w->http, &r) < 0) {
		w->stats.errors[WATCH_BUSY]++;
		p->busy = false;
	}
}

static uint64_t next_period_ms(struct watch *w, int question)
{
	double jitter = (2 * rng_unit(&w->options.rng) - 1) * w->options.jitter_permille / 1000.0;
	return (uint64_t)(w->options.period_ms[question] * (1 + jitter));
}

static void start_poll(struct poll *p)
{
	struct question *q = &p->watch->questions[p->question];
	p->again = p->waiting = false;
	p->number = ++q->asked;
	p->watch->stats.polls++;
	ask(p);
}

// The poll has ended. If the question's time came while all its polls were under way, it is asked
// now, not a period later: they may all have hung until the service was back.
static void ask_if_due(struct poll *p)
{
	if (p->question >= WATCH_QUESTION_COUNT || p->busy)
		return;
	struct question *q = &p->watch->questions[p->question];
	if (!q->due)
		return;
	q->due = false;
	start_poll(p);
}

static void on_question(uv_timer_t *timer)
{
	struct question *q = timer->data;
	struct watch *w = q->watch;
	uv_timer_start(timer, on_question, next_period_ms(w, (int)(q - w->questions)), 0);
	if (is_waiting(q))
		return; // it is asked as soon as there is a token
	for (int i = 0; i < POLLS_PER_QUESTION; i++) {
		if (!q->polls[i].busy) {
			start_poll(&q->polls[i]);
			return;
		}
	}
	q->due = true;
	w->stats.errors[WATCH_BUSY]++;
}

static void on_identity_due(uv_timer_t *timer)
{
	struct watch *w = timer->data;
	if (w->identity_at >= IDENTITIES && w->identity.known) {
		uv_timer_stop(timer);
		return;
	}
	if (w->identity_poll.busy)
		return;
	w->identity_at = w->identity_at >= IDENTITIES ? 0 : w->identity_at;
	w->identity_poll.again = false;
	ask(&w->identity_poll);
}

// --- life -----------------------------------------------------------------------------------

static void init_question(struct watch *w, int index)
{
	struct question *q = &w->questions[index];
	q->watch = w;
	q->timer.data = q;
	uv_timer_init(w->loop, &q->timer);
	for (int i = 0; i < POLLS_PER_QUESTION; i++)
		q->polls[i] = (struct poll){.watch = w, .question = index};
	if (w->options.period_ms[index])
		uv_timer_start(&q->timer, on_question, IDENTITY_WAIT_MS, 0);
}

int watch_start(struct watch **ret, uv_loop_t *loop, const struct watch_options *o)
{
	struct watch *w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->options = *o;
	w->loop = loop;
	int r = imds_http_new(&w->http, loop, &o->http);
	if (r < 0) {
		free(w);
		return r;
	}
	for (int q = 0; q < WATCH_QUESTION_COUNT; q++)
		init_question(w, q);
	w->identity_poll = (struct poll){.watch = w};
	w->identity_timer.data = w;
	uv_timer_init(loop, &w->identity_timer);
	uv_timer_start(&w->identity_timer, on_identity_due, 0, IDENTITY_RETRY_MS);
	w->token_timer.data = w;
	uv_timer_init(loop, &w->token_timer);
	w->open_handles = WATCH_QUESTION_COUNT + 3;
	*ret = w;
	return 0;
}

void watch_stats(const struct watch *w, struct watch_stats *ret)
{
	*ret = w->stats;
	ret->http = *imds_http_counters(w->http);
}

const struct watch_identity *watch_identity(const struct watch *w)
{
	return &w->identity;
}

void watch_hook(const struct watch *w, struct hook_status *ret)
{
	*ret = (struct hook_status){.name = "imds", .state = HOOK_REFUSED};
	if (w->token_ns || (w->options.allow_v1 && w->stats.answers)) {
		ret->state = w->token_ns ? HOOK_ATTACHED : HOOK_FALLBACK;
		snprintf(ret->detail, sizeof(ret->detail), "%s, %s, tags %s",
			w->token_ns ? "answers, v2" : "answers without a token (v1)",
			w->identity.life_cycle[0] ? w->identity.life_cycle : "life cycle not known",
			w->identity.tags_status == 200 ? "readable" : "not enabled");
	} else if (w->token_error == -ETIMEDOUT) {
		ret->error = w->token_error;
		text_copy(ret->detail, sizeof(ret->detail),
			"no answer to the token request: not on EC2, or the hop limit is too low");
	} else if (w->token_status == 403) {
		text_copy(ret->detail, sizeof(ret->detail),
			"403: the metadata service is turned off for this instance");
	} else {
		ret->error = w->token_error;
		snprintf(ret->detail, sizeof(ret->detail), "no token: %s %d",
			w->token_error ? strerror(-w->token_error) : "status", w->token_status);
	}
}

// The HTTP side and every timer are closed one by one; the last one frees.
static void close_one(struct watch *w)
{
	if (--w->open_handles > 0)
		return;
	if (w->on_stopped)
		w->on_stopped(w->on_stopped_arg);
	free(w);
}

static void on_http_stopped(void *arg)
{
	close_one(arg);
}

static void on_question_closed(uv_handle_t *handle)
{
	struct question *q = handle->data;
	close_one(q->watch);
}

static void on_timer_closed(uv_handle_t *handle)
{
	close_one(handle->data);
}

void watch_stop(struct watch *w, void (*on_stopped)(void *arg), void *arg)
{
	w->on_stopped = on_stopped;
	w->on_stopped_arg = arg;
	for (int q = 0; q < WATCH_QUESTION_COUNT; q++)
		uv_close((uv_handle_t *)&w->questions[q].timer, on_question_closed);
	uv_close((uv_handle_t *)&w->identity_timer, on_timer_closed);
	uv_close((uv_handle_t *)&w->token_timer, on_timer_closed);
	imds_http_stop(w->http, on_http_stopped, w);
}
