// SPDX-License-Identifier: Apache-2.0
// Reads the golden files of tests/golden/forecast: lines "name,number,number,…"; lines that start
// with
// '#' tell the program and version that made them.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/base/text.h"

struct golden {
	char name[64];
	double *value;
	size_t n;
};

static inline FILE *golden_open(const char *file)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/tests/golden/forecast/%s", TEST_SOURCE_DIR, file);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	return f;
}

// Next line into ret (golden_done() frees); false at the end.
static inline bool golden_next(FILE *f, struct golden *ret)
{
	char *line = NULL, *save = NULL;
	size_t size = 0;
	do {
		if (getline(&line, &size, f) < 0) {
			free(line);
			return false;
		}
	} while (line[0] == '#');
	line[strcspn(line, "\n")] = '\0';
	char *field = strtok_r(line, ",", &save);
	snprintf(ret->name, sizeof(ret->name), "%s", field);
	ret->value = calloc(strlen(line + strlen(field) + 1) / 2 + size / 2 + 1, sizeof(double));
	assert_non_null(ret->value);
	for (ret->n = 0; (field = strtok_r(NULL, ",", &save)); ret->n++)
		assert_int_equal(text_to_double(field, &ret->value[ret->n]), 0);
	free(line);
	return true;
}

static inline void golden_done(struct golden *g)
{
	free(g->value);
	g->value = NULL;
}

// The next line, which must have this name.
static inline void golden_take(FILE *f, const char *name, struct golden *ret)
{
	assert_true(golden_next(f, ret));
	assert_string_equal(ret->name, name);
}
