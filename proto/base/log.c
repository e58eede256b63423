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

static void write_json(struct buf *line, const char *ts, enum log_level level, const char *event,
	const char *message, const struct log_field *fields, int n)
{
	struct json j;
	json_init(&j, line);
	json_open(&j, '{');
	json_put_text(&j, "ts", ts);
	json_put_text(&j, "level", level_names[level]);
	json_put_text(&j, "event", event);
	for (int i = 0; i < n; i++) {
		if (fields[i].text)
			json_put_text(&j, fields[i].name, fields[i].text);
		else
			json_put_i64(&j, fields[i].name, fields[i].number);
	}
	json_put_text(&j, "msg", message);
	json_close(&j, '}');
}

static void write_text(struct buf *line, const char *ts, enum log_level level, const char *event,
	const char *message, const struct log_field *fields, int n)
{
	struct json j;
	buf_printf(line, "%.8s %-5s %s", ts + 11, level_names[level], message);
	for (int i = 0; i < n; i++) {
		buf_printf(line, " %s=", fields[i].name);
		json_init(&j, line);
		if (fields[i].text)
			json_text(&j, fields[i].text);
		else
			json_i64(&j, fields[i].number);
	}
	buf_printf(line, " [%s]", event);
}

static void emit(enum log_level level, const char *event, const char *message,
	const struct log_field *fields, int n)
{
	char ts[25];
	clock_format_ms(clock_wall_ms(), ts);
	autobuf line;
	buf_init(&line, LINE_MAX_BYTES);
	(state.format == LOG_FORMAT_JSON ? write_json : write_text)(
		&line, ts, level, event, message, fields, n);
	if (buf_failed(&line)) { // a field too long: say at least what happened
		buf_reset(&line);
		(state.format == LOG_FORMAT_JSON ? write_json : write_text)(
			&line, ts, level, event, "line too long, fields left out", NULL, 0);
	}
	buf_append(&line, "\n", 1);
	while (write(state.fd, line.data, line.len) < 0 && errno == EINTR)
		;
}

void log_write(enum log_level level, const char *event, const char *message,
	const struct log_field *fields, int n_fields)
{
	pthread_mutex_lock(&state.lock);
	int64_t suppressed;
	if (level >= state.least &&
		may_write(event, (int64_t)(clock_mono_ns() / 1000000), &suppressed)) {
		if (suppressed > 0)
			emit(LOG_WARN, "LOG_SUPPRESSED", "repeated events were held back",
				(struct log_field[]){LOG_TEXT("suppressed_event", event),
					LOG_NUM("suppressed", suppressed)},
				2);
		emit(level, event, message, fields, n_fields);
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
