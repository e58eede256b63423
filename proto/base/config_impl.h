// SPDX-License-Identifier: Apache-2.0
// What the files of config share; not for others.
//
// config.c keys and errors · config_value.c text <-> value · config_yaml.c files · config_print.c
// pages · config_args.c the command line.
#pragma once

#include "proto/base/config.h"

// Where a value came from, for error texts: "file:line" or "--set key".
struct config_place {
	const char *file; // NULL: the command line
	uint32_t line;
};

int config_error(struct why *why, int code, const struct config_place *place, const char *format,
	...) __attribute__((format(printf, 4, 5)));
const struct config_key *config_find(const struct config_table *t, const char *name);
int config_unknown(const struct config_table *t, const char *name, const struct config_place *place,
	struct why *why); // error that names the nearest key
size_t config_index(const struct config *c, const struct config_key *k);
// true if keys below "name." exist
bool config_is_section(const struct config_table *t, const char *name);
// What of name may be shown: at most 40 bytes, without control characters.
const char *config_shown(const char *name, char ret[48]);

// Parses and stores one scalar (for a LIST: a comma-separated list). -EINVAL with the reason in
// detail (128 bytes), -ENOMEM.
int config_value_set(void *values, const struct config_key *k, const char *text, char detail[128]);
int config_value_append(
	void *values, const struct config_key *k, const char *text, char detail[128]);
int config_value_check_items(const void *values, const struct config_key *k, char detail[128]);
void config_value_clear(void *values, const struct config_key *k);
void config_value_print(const void *values, const struct config_key *k, struct buf *out); // YAML
void config_value_type(const struct config_key *k, struct buf *out);  // "duration", "json | text"
void config_value_range(const struct config_key *k, struct buf *out); // "1s to 1m", "" if none
