// SPDX-License-Identifier: Apache-2.0
// Configuration out of one table per program.
//
// One line of the table (name, type, default, range, help) makes the YAML parser, `--set`, the
// command-line option, `--help`, the reference page and the chart's JSON schema, so that none of
// them can disagree with another. The values land in the program's own plain struct, by offset; the
// macros below refuse at compile time a field of the wrong type.
//
// YAML is read as nested mappings that become dotted keys ("imds: {interval: 2s}" is
// imds.interval). An unknown key is an error that names file, line and the nearest known key; a key
// given twice in one file is an error; null keeps the default; aliases, tags and further documents
// are refused. Limits: file 1 MiB, depth 64, list 64 items, text 4096 bytes.
// Ownership: struct config is the caller's storage and borrows table and values; texts and lists
// inside values are owned by it (config_done frees them). Thread: any, one at a time.
#pragma once

#include "proto/base/buf.h"
#include "proto/base/why.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	CONFIG_MAX_KEYS = 256,
	CONFIG_MAX_BYTES = 1 << 20,
	CONFIG_MAX_DEPTH = 64,
	CONFIG_MAX_ITEMS = 64,
	CONFIG_MAX_TEXT = 4096,
	CONFIG_NAME_BYTES = 96, // longest dotted key with NUL
};

enum config_type {
	CONFIG_BOOL,     // true false yes no on off
	CONFIG_U64,      // whole number
	CONFIG_DURATION, // "500ms" "10s" "2m" "1h30m" "7d" -> milliseconds
	CONFIG_BYTES,    // "4096" "64KiB" "64MiB" "1Gi" (1024) "10MB" (1000) -> bytes
	CONFIG_TEXT,     // NULL is never stored: "" when empty
	CONFIG_PATH,     // like text; absolute or relative to the working directory
	CONFIG_ENUM,     // index into choices
	CONFIG_LIST,     // list of text; by --set: separated by commas
};

struct config_list {
	char **items;
	size_t n;
};

struct config_key {
	const char *name; // dotted; keys of one section stand together
	enum config_type type;
	size_t offset;        // of the field in the program's struct, see the macros
	const char *initial;  // the default, as one would write it; NULL: empty
	uint64_t least, most; // numbers: range (most 0: none). text: length; list: number of items
	const char *choices;  // ENUM: "json text"
	const char *help;     // one sentence for people
	const char *example;  // a value worth showing, or NULL
	const char *option;   // also an option of its own, "log-format" for --log-format; or NULL
	bool secret;          // never printed
};

// CONFIG_FIELD(struct agent_config, interval_ms, uint64_t): offset of a field of exactly that type.
#define CONFIG_FIELD(object, field, ctype)                                                         \
	(offsetof(object, field) +                                                                 \
		0 * sizeof(char[__builtin_types_compatible_p(                                      \
					__typeof__(((object *)0)->field), ctype)                   \
					? 1                                                        \
					: -1]))
#define CONFIG_KEY_BOOL(o, f, n, ...)                                                              \
	{                                                                                          \
		.name = n, .type = CONFIG_BOOL, .offset = CONFIG_FIELD(o, f, bool), __VA_ARGS__    \
	}
#define CONFIG_KEY_U64(o, f, n, ...)                                                               \
	{                                                                                          \
		.name = n, .type = CONFIG_U64, .offset = CONFIG_FIELD(o, f, uint64_t), __VA_ARGS__ \
	}
#define CONFIG_KEY_DURATION(o, f, n, ...)                                                          \
	{                                                                                          \
		.name = n, .type = CONFIG_DURATION, .offset = CONFIG_FIELD(o, f, uint64_t),        \
		__VA_ARGS__                                                                        \
	}
#define CONFIG_KEY_BYTES(o, f, n, ...)                                                             \
	{                                                                                          \
		.name = n, .type = CONFIG_BYTES, .offset = CONFIG_FIELD(o, f, uint64_t),           \
		__VA_ARGS__                                                                        \
	}
#define CONFIG_KEY_TEXT(o, f, n, ...)                                                              \
	{                                                                                          \
		.name = n, .type = CONFIG_TEXT, .offset = CONFIG_FIELD(o, f, char *), __VA_ARGS__  \
	}
#define CONFIG_KEY_PATH(o, f, n, ...)                                                              \
	{                                                                                          \
		.name = n, .type = CONFIG_PATH, .offset = CONFIG_FIELD(o, f, char *), __VA_ARGS__  \
	}
#define CONFIG_KEY_ENUM(o, f, n, ...)                                                              \
	{                                                                                          \
		.name = n, .type = CONFIG_ENUM, .offset = CONFIG_FIELD(o, f, unsigned),            \
		__VA_ARGS__                                                                        \
	}
#define CONFIG_KEY_LIST(o, f, n, ...)                                                              \
	{                                                                                          \
		.name = n, .type = CONFIG_LIST, .offset = CONFIG_FIELD(o, f, struct config_list),  \
		__VA_ARGS__                                                                        \
	}

struct config_table {
	const char *program;  // "petrel-agent"
	const char *summary;  // one sentence
	const char *examples; // lines of --help, each ended by a newline
	const struct config_key *keys;
	size_t n_keys;
};

enum config_origin { CONFIG_DEFAULT, CONFIG_FILE, CONFIG_OPTION };

struct config {
	const struct config_table *table;
	void *values; // the program's struct
	uint8_t origins[CONFIG_MAX_KEYS];
	uint32_t lines[CONFIG_MAX_KEYS]; // where CONFIG_FILE
};

// Fills values, which the caller has zeroed, with the defaults. A default that its own key refuses
// is a programming error (assert). -ENOMEM.
int config_init(struct config *c, const struct config_table *table, void *values);
void config_done(struct config *c); // frees texts and lists inside values, which is then all zero

// All four: 0, or -EINVAL (what the text says), -E2BIG (a limit), -ENOMEM, or what open/read gave;
// why (may be NULL) has "file:line: …" for people. After a failure c is still good for config_done;
// some keys may already have their new value, so a live reload fills a second struct and swaps.
int config_read(struct config *c, const char *file, const char *yaml, size_t len, struct why *why);
int config_load(struct config *c, const char *path, struct why *why);
int config_set(struct config *c, const char *assignment, struct why *why); // "key=value"
int config_set_key(struct config *c, const char *name, const char *value, struct why *why);

// The command line of a program: --config FILE, --set key=value (may repeat), --check-config,
// --config-reference, --config-schema, --help, --version and the table's own options. Files first,
// then options, whatever their order. CONFIG_RUN: go on. CONFIG_EXIT: print out on standard output
// and exit 0. Negative: print why->text on standard error and exit 2.
enum config_next { CONFIG_RUN, CONFIG_EXIT };
int config_args(struct config *c, int argc, char **argv, struct buf *out, struct why *why);

void config_help(const struct config_table *t, struct buf *out);      // --help
void config_reference(const struct config_table *t, struct buf *out); // Markdown page
void config_schema(const struct config_table *t, struct buf *out);    // JSON schema
void config_print(const struct config *c, struct buf *out); // effective values as YAML, with origin
const char *config_choice(
	const struct config_key *k, unsigned index, size_t *ret_len); // NULL past end
