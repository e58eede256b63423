// SPDX-License-Identifier: Apache-2.0
#include "proto/base/log.h"

#include "proto/base/buf.h"
#include "proto/base/clock.h"
#include "proto/base/json.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

enum { SLOTS = 128, LINE_MAX_BYTES = 8192 };
static const int64_t window_ms = 10000;

// Events are few and their ids are literals, so the slot of an event is found by its pointer's
// hash; two events that share a slot share a budget.
struct throttle {
	int64_t since_ms;
	int64_t count;
	int64_t suppressed;
};

static struct {
	pthread_mutex_t lock;
	int fd;
	enum log_format format;
	enum log_level least;
	struct throttle slots[SLOTS];
} state = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = STDERR_FILENO, .least = LOG_INFO};

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static const char *const format_names[] = {"json", "text"};

void log_init(int fd, enum log_format format, enum log_level least)
{
	pthread_mutex_lock(&state.lock);
	state.fd = fd;
	state.format = format;
	state.least = least;
	pthread_mutex_unlock(&state.lock);
}

static unsigned slot_of(const char *event)
{
	unsigned hash = 5381;
	for (; *event; event++)
		hash = hash * 33 + (unsigned char)*event;
	return hash % SLOTS;
}

// True if the event may be written now; *ret_suppressed is what was held back before it.
static bool may_write(const char *event, int64_t now_ms, int64_t *ret_suppressed)
{
	struct throttle *t = &state.slots[slot_of(event)];
	*ret_suppressed = 0;
	if (now_ms - t->since_ms >= window_ms || now_ms < t->since_ms) {
		*ret_suppressed = t->suppressed;
		*t = (struct throttle){.since_ms = now_ms};
	}
	if (t->count++ < LOG_BURST)
		return true;
	t->suppressed++;
	return false;
}

struct line { // borrowed for the call
	char ts[25];
	enum log_level level;
	const char *event, *message;
	const struct log_field *fields;
	int n_fields;
};

static void write_value(struct json *j, const struct log_field *f)
{
	if (f->text)
		json_text(j, f->text);
	else
		json_i64(j, f->number);
}

static void write_json(const struct line *l, struct buf *out)
{
	struct json j;
	json_init(&j, out);
	json_open(&j, '{');
	json_put_text(&j, "ts", l->ts);
	json_put_text(&j, "level", level_names[l->level]);
	json_put_text(&j, "event", l->event);
	for (int i = 0; i < l->n_fields; i++) {
		json_key(&j, l->fields[i].name);
		write_value(&j, &l->fields[i]);
	}
	json_put_text(&j, "msg", l->message);
	json_close(&j, '}');
}

static void write_text(const struct line *l, struct buf *out)
{
	struct json j;
	buf_printf(out, "%.8s %-5s %s", l->ts + 11, level_names[l->level], l->message);
	for (int i = 0; i < l->n_fields; i++) {
		buf_printf(out, " %s=", l->fields[i].name);
		json_init(&j, out);
		write_value(&j, &l->fields[i]);
	}
	buf_printf(out, " [%s]", l->event);
}

static void emit(struct line *l)
{
	void (*write_line)(const struct line *, struct buf *) =
		state.format == LOG_FORMAT_JSON ? write_json : write_text;
	clock_format_ms(clock_wall_ms(), l->ts);
	autobuf out;
	buf_init(&out, LINE_MAX_BYTES);
	write_line(l, &out);
	if (buf_failed(&out)) { // a field too long: say at least what happened
		buf_reset(&out);
		l->message = "line too long, fields left out";
		l->n_fields = 0;
		write_line(l, &out);
	}
	buf_append(&out, "\n", 1);
	while (write(state.fd, out.data, out.len) < 0 && errno == EINTR)
		;
}

void log_write(enum log_level level, const char *event, const char *message,
	const struct log_field *fields, int n_fields)
{
	pthread_mutex_lock(&state.lock);
	int64_t suppressed;
	if (level >= state.least &&
		may_write(event, (int64_t)(clock_mono_ns() / 1000000), &suppressed)) {
		if (suppressed > 0) {
			const struct log_field held[] = {LOG_TEXT("suppressed_event", event),
				LOG_NUM("suppressed", suppressed)};
			struct line l = {.level = LOG_WARN,
				.event = "LOG_SUPPRESSED",
				.message = "repeated events were held back",
				.fields = held,
				.n_fields = 2};
			emit(&l);
		}
		struct line l = {.level = level,
			.event = event,
			.message = message,
			.fields = fields,
			.n_fields = n_fields};
		emit(&l);
	}
	pthread_mutex_unlock(&state.lock);
}

static int parse_name(const char *text, const char *const *names, int n)
{
	for (int i = 0; i < n; i++)
		if (strcmp(text, names[i]) == 0)
			return i;
	return -EINVAL;
}

int log_level_parse(const char *text, enum log_level *ret)
{
	int i = parse_name(text, level_names, 4);
	if (i >= 0)
		*ret = (enum log_level)i;
	return i < 0 ? i : 0;
}

int log_format_parse(const char *text, enum log_format *ret)
{
	int i = parse_name(text, format_names, 2);
	if (i >= 0)
		*ret = (enum log_format)i;
	return i < 0 ? i : 0;
}
