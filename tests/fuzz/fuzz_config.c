// SPDX-License-Identifier: Apache-2.0
// Any bytes as a configuration file, and as an assignment of --set. What is accepted must print and
// read back to the same values.
#include "proto/base/config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct values {
	char *cluster, *token, *file;
	bool insecure;
	uint64_t workers, interval_ms, spool_bytes;
	unsigned format;
	struct config_list aggregators;
};

static const struct config_key keys[] = {
	CONFIG_KEY_TEXT(struct values, cluster, "cluster", .least = 1, .most = 63, .help = ""),
	CONFIG_KEY_U64(struct values, workers, "workers", .initial = "4", .least = 1, .most = 64,
		.help = ""),
	CONFIG_KEY_DURATION(
		struct values, interval_ms, "imds.interval", .initial = "2s", .help = ""),
	CONFIG_KEY_TEXT(struct values, token, "imds.token", .help = ""),
	CONFIG_KEY_BYTES(
		struct values, spool_bytes, "send.spool.size", .initial = "8MiB", .help = ""),
	CONFIG_KEY_BOOL(struct values, insecure, "send.insecure", .initial = "no", .help = ""),
	CONFIG_KEY_LIST(struct values, aggregators, "send.aggregators", .most = 4, .help = ""),
	CONFIG_KEY_PATH(struct values, file, "log.file", .help = ""),
	CONFIG_KEY_ENUM(struct values, format, "log.format", .initial = "json",
		.choices = "json text", .help = ""),
};
static const struct config_table table = {
	.program = "fuzz", .summary = "", .examples = "", .keys = keys, .n_keys = 9};

static void read_back(const struct config *c)
{
	struct values v = {0};
	struct config again;
	autobuf first, second;
	buf_init(&first, 4 << 20);
	buf_init(&second, 4 << 20);
	config_print(c, &first);
	struct why why;
	assert(config_init(&again, &table, &v) == 0);
	// an empty cluster is the default, but may not be written
	if (((const struct values *)c->values)->cluster[0]) {
		assert(config_read(&again, "", first.data, first.len, &why) == 0);
		memcpy(again.origins, c->origins, sizeof(again.origins));
		memcpy(again.lines, c->lines, sizeof(again.lines));
		config_print(&again, &second);
		assert(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
	}
	config_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct values v = {0};
	struct config c;
	struct why why = {0};
	assert(config_init(&c, &table, &v) == 0);
	int r = config_read(&c, "fuzz.yaml", (const char *)data, size, &why);
	assert(r <= 0 && (r == 0 || why.text[0]));
	if (r == 0)
		read_back(&c);
	char *text = strndup((const char *)data, size);
	if (config_set(&c, text, &why) == 0)
		read_back(&c);
	free(text);
	config_done(&c);
	return 0;
}
