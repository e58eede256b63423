// SPDX-License-Identifier: Apache-2.0
#include "aggregator/cli/verbs.h"

#include "aggregator/cli/yaml.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int put(const char *data, size_t len)
{
	if (fwrite(data, 1, len, stdout) == len && fflush(stdout) == 0)
		return EXIT_OK;
	if (errno != EPIPE)
		fprintf(stderr, "petrel: cannot write: %s\n", strerror(errno));
	return EXIT_FAILED;
}

int put_out(const struct buf *out)
{
	if (buf_failed(out)) {
		fprintf(stderr, "petrel: out of memory\n");
		return EXIT_FAILED;
	}
	return put(out->data ? out->data : "", out->len);
}

static int put_yaml(const cJSON *json)
{
	autobuf out;
	buf_init(&out, OUTPUT_MAX_BYTES);
	if (yaml_print(json, &out) == 0)
		return put_out(&out);
	fprintf(stderr, "petrel: cannot be told as YAML\n");
	return EXIT_FAILED;
}

int put_json_text(const struct options *o, const struct buf *text)
{
	if (!o->yaml || buf_failed(text))
		return put_out(text);
	cJSON *json = cJSON_Parse(text->data);
	int code = put_yaml(json);
	cJSON_Delete(json);
	return code;
}

int put_json(const struct answer *a)
{
	if (a->yaml)
		return put_yaml(a->json);
	int code = put(a->body.data, a->body.len);
	return code == EXIT_OK ? put("\n", 1) : code;
}

const char *limit_text(uint64_t limit, char ret[24])
{
	if (limit == 0)
		return NULL;
	snprintf(ret, 24, "%llu", (unsigned long long)limit);
	return ret;
}

int put_list(const struct options *o, const struct list *l, const char *path)
{
	struct answer a;
	int code = client_get(o, path, &a);
	if (code != EXIT_OK)
		return code;
	autobuf out;
	struct table t;
	const cJSON *item;
	buf_init(&out, OUTPUT_MAX_BYTES);
	table_init(&t, l->columns, l->n_columns, o->output == OUTPUT_WIDE, o->color);
	cJSON_ArrayForEach (item, get_items(a.json))
		l->row(&t, item);
	if (o->output == OUTPUT_JSON) {
		code = put_json(&a);
	} else if (t.n_cells == 0) {
		fprintf(stderr, "petrel: %s\n", l->none);
	} else {
		table_print(&t, &out);
		code = put_out(&out);
	}
	table_done(&t);
	answer_done(&a);
	return code;
}
