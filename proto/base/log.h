// SPDX-License-Identifier: Apache-2.0
// One JSON object (or, for people, one text line) per event on a descriptor, written by one
// write(2).
//
// Modules return errors; main.c, line.c and act/ log. Every event has a stable id, listed with its
// meaning in events.h. An event that repeats more than LOG_BURST times in ten seconds is held back
// and counted ("suppressed" in its next line): bad input from outside can be logged where it is
// noticed without filling a disk. Never give it secrets. Thread: any; lines do not interleave.
#pragma once

#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_FORMAT_JSON, LOG_FORMAT_TEXT };
enum { LOG_BURST = 20 };

// Fields are name, value pairs ended by NULL; a value made by log_i64() is written as a number.
struct log_field {
	const char *name;
	const char *text; // used when not NULL
	int64_t number;
};
static inline const char *log_text(const char *text)
{
	return text ? text : "";
}
#define LOG_TEXT(n, t) ((struct log_field){.name = (n), .text = log_text(t)})
#define LOG_NUM(n, v)  ((struct log_field){.name = (n), .number = (v)})

void log_init(int fd, enum log_format format, enum log_level least);
// event: an id of events.h. message: a sentence for people; a survived failure ends in ", ignoring"
// or ", retrying".
void log_write(enum log_level level, const char *event, const char *message,
	const struct log_field *fields, int n_fields);
#define log_event(level, event, message, ...)                                                      \
	log_write(level, event, message, (const struct log_field[]){__VA_ARGS__},                  \
		(int)(sizeof((struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field)))
int log_level_parse(
	const char *text, enum log_level *ret); // "debug", "info", "warn", "error"; -EINVAL
int log_format_parse(const char *text, enum log_format *ret); // "json", "text"; -EINVAL
