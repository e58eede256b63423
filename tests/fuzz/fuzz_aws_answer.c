// SPDX-License-Identifier: Apache-2.0
// What AWS (or whoever answers in its place) sends: XML and JSON bodies, errors, credentials. The
// first byte chooses who reads it.
#include "aggregator/cloud/aws/credential_source.h"
#include "aggregator/cloud/aws/protocol.h"
#include "aggregator/cloud/aws/read.h"
#include "aggregator/cloud/aws/xml.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void on_text(void *arg, const char *name, const char *value)
{
	check(strlen(name) < XML_MAX_TEXT_BYTES && strlen(value) < XML_MAX_TEXT_BYTES);
}

static void on_group(void *arg, const struct read_group *g)
{
	check(g->group.scaling_group[0] && g->group.n_zones <= 8);
}

static void read_xml(const struct body *b)
{
	struct xml x;
	int e, depth = 0;
	xml_init(&x, b->data, b->len);
	while ((e = xml_next(&x)) > XML_END) {
		depth += e == XML_OPEN ? 1 : -1;
		check(depth >= 0 && depth <= XML_MAX_DEPTH && strlen(xml_text(&x)) <= b->len * 4);
	}
	check(e < 0 || depth == 0);
	check(xml_next(&x) <= 0);
	xml_done(&x);
}

static void read_lists(const struct body *b)
{
	struct read_texts texts = {on_text, NULL};
	struct read_groups groups = {"k", on_group, NULL};
	char text[64];
	autobuf ids, next;
	buf_init(&ids, 8192);
	buf_init(&next, 8192);
	read_first(b, "a/b", text, sizeof(text));
	read_launched(b, &ids, text, sizeof(text));
	read_scaling_groups(b, &groups, &next);
	read_terminate_hook(b, text, sizeof(text));
	read_instances(b, &texts);
	read_target_groups(b, &texts, &next);
	read_target_health(b, &texts);
	read_classic(b, &texts, &next);
	read_instance_health(b, &texts);
}

static void read_json(const struct body *b)
{
	struct cloud_group g;
	autobuf names, next;
	buf_init(&names, 8192);
	buf_init(&next, 8192);
	read_nodegroup(b, &g);
	read_nodegroup_names(b, &names, &next);
}

static void read_errors(const struct body *b)
{
	struct protocol_answer a = {.status = 400, .body = b->data, .body_len = b->len};
	struct protocol_error e;
	enum why_class class;
	for (int p = PROTOCOL_QUERY; p <= PROTOCOL_JSON_1_1; p++) {
		protocol_error_read((enum protocol)p, &a, &e);
		check(protocol_classify(400, e.code, &class) < 0);
	}
}

static void read_keys(const struct body *b)
{
	struct credential_body c = {b->data, b->len, "fuzz"};
	struct credentials *set = NULL;
	struct why why;
	if (credentials_from_xml(&c, &set, &why) == 0)
		credentials_unref(set);
	if (credentials_from_json(&c, &set, &why) == 0)
		credentials_unref(set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	char *copy = malloc(size); // as long as it is: what reads past it is found
	memcpy(copy, data + 1, size - 1);
	copy[size - 1] = '\0'; // as the HTTP client gives it
	struct body b = {copy, size - 1};
	switch (data[0] % 5) {
	case 0: read_xml(&b); break;
	case 1: read_lists(&b); break;
	case 2: read_json(&b); break;
	case 3: read_errors(&b); break;
	default: read_keys(&b); break;
	}
	free(copy);
	return 0;
}
