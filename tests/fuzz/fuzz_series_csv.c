// SPDX-License-Identifier: Apache-2.0
// Any bytes as a CSV file: read, or refused with a line number. What was read is a bounded grid of
// finite or missing values, and repairs are said in printable text.
#include "aggregator/cli/series_csv.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <string.h>

enum { BINS_MAX = 20000 };

static void check(const struct series_csv *s)
{
	autobuf said;
	size_t missing = 0;
	assert(s->n <= BINS_MAX && (s->n == 0 || s->step_s > 0));
	for (size_t i = 0; i < s->n; i++) {
		assert(isnan(s->y[i]) || fabs(s->y[i]) <= 1.001e30);
		missing += isnan(s->y[i]) != 0;
	}
	assert(missing == s->missing && s->moved <= s->rows && s->averaged <= s->rows);
	buf_init(&said, 4096);
	series_csv_repairs(s, &said);
	assert(!buf_failed(&said));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2) // the first byte chooses the step
		return 0;
	struct series_csv_source from = {"f", data[0] % 4 * 60, BINS_MAX};
	struct series_csv s;
	struct why why = {0};
	FILE *file = fmemopen((void *)(uintptr_t)(data + 1), size - 1, "r");
	assert(file);
	int r = series_csv_read_stream(file, &from, &s, &why);
	fclose(file);
	if (r == 0) {
		check(&s);
		series_csv_done(&s);
	} else {
		assert(r == -EBADMSG && strstr(why.text, "line "));
	}
	return 0;
}
