// SPDX-License-Identifier: Apache-2.0
// Bodies of the interruption queue: whatever comes, a notice that is told is one that travels.
#include "aggregator/cloud/event.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int told;

static void on_notice(void *arg, const struct notice *n, const struct queue_extra *extra)
{
	struct notice again;
	struct buf out;
	buf_init(&out, 64 << 10);
	told++;
	if (notice_encode(n, &out) < 0 || notice_decode(out.data, out.len, &again) < 0)
		abort();
	if (!notice_equal(n, &again) || strlen(extra->hook) >= sizeof(extra->hook))
		abort();
	buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct notice from = {.cluster = "demo", .source = "queue", .observed_ms = 1795518000000};
	struct event_sink sink = {&from, on_notice, NULL};
	char *copy = malloc(size + 1);
	memcpy(copy, data, size);
	copy[size] = '\0';
	told = 0;
	int r = event_read(copy, size, &sink);
	if (r >= 0 ? r != told : told != 0)
		abort();
	free(copy);
	return 0;
}
