// SPDX-License-Identifier: Apache-2.0
#include "aggregator/kube/kube_yaml.h"

#include <errno.h>
#include <string.h>

static const yaml_node_t *at(const struct kube_yaml *y, int index)
{
	return yaml_document_get_node((yaml_document_t *)&y->document, index);
}

static const yaml_node_t *get(const struct kube_yaml *y, const yaml_node_t *map, const char *key)
{
	if (!map || map->type != YAML_MAPPING_NODE)
		return NULL;
	for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
		p++) {
		const yaml_node_t *k = at(y, p->key);
		if (k && k->type == YAML_SCALAR_NODE &&
			strcmp((const char *)k->data.scalar.value, key) == 0)
			return at(y, p->value);
	}
	return NULL;
}

static const char *text(const struct kube_yaml *y, const yaml_node_t *map, const char *key)
{
	const yaml_node_t *n = get(y, map, key);
	if (!n || n->type != YAML_SCALAR_NODE || n->data.scalar.length == 0 ||
		strlen((const char *)n->data.scalar.value) != n->data.scalar.length)
		return NULL;
	return (const char *)n->data.scalar.value;
}

// root.LIST[name == NAME].ITEM
static const yaml_node_t *named(
	const struct kube_yaml *y, const char *list, const char *name, const char *item)
{
	const yaml_node_t *all =
		get(y, yaml_document_get_root_node((yaml_document_t *)&y->document), list);
	if (!all || all->type != YAML_SEQUENCE_NODE || !name)
		return NULL;
	for (yaml_node_item_t *i = all->data.sequence.items.start; i < all->data.sequence.items.top;
		i++) {
		const char *is = text(y, at(y, *i), "name");
		if (is && strcmp(is, name) == 0)
			return get(y, at(y, *i), item);
	}
	return NULL;
}

static bool is_true(const char *value)
{
	return value && (strcmp(value, "true") == 0 || strcmp(value, "yes") == 0 ||
				strcmp(value, "on") == 0);
}

static int refuse(struct why *why, const char *what, const char *instead)
{
	return why_set(
		why, -ENOTSUP, WHY_DENIED, "kubeconfig: %s is not supported: %s", what, instead);
}

static int take_cluster(struct kube_yaml *y, const yaml_node_t *cluster, struct why *why)
{
	if (is_true(text(y, cluster, "insecure-skip-tls-verify")))
		return refuse(why, "insecure-skip-tls-verify", "give certificate-authority");
	if (text(y, cluster, "tls-server-name"))
		return refuse(why, "tls-server-name", "the certificate must name the server");
	y->server = text(y, cluster, "server");
	y->ca = text(y, cluster, "certificate-authority");
	y->ca_data = text(y, cluster, "certificate-authority-data");
	y->proxy = text(y, cluster, "proxy-url");
	return 0;
}

static int take_user(struct kube_yaml *y, const yaml_node_t *user, struct why *why)
{
	static const char *const refused[] = {
		"exec", "auth-provider", "username", "password", "as", "as-uid", "as-groups"};
	for (size_t k = 0; k < sizeof(refused) / sizeof(refused[0]); k++) {
		if (get(y, user, refused[k]))
			return refuse(why, refused[k],
				"use a token, a tokenFile or a client certificate");
	}
	y->cert = text(y, user, "client-certificate");
	y->cert_data = text(y, user, "client-certificate-data");
	y->key = text(y, user, "client-key");
	y->key_data = text(y, user, "client-key-data");
	y->token = text(y, user, "token");
	y->token_file = text(y, user, "tokenFile");
	return 0;
}

static int take(struct kube_yaml *y, const char *context, struct why *why)
{
	const yaml_node_t *root = yaml_document_get_root_node(&y->document);
	const char *name = context ? context : text(y, root, "current-context");
	const yaml_node_t *c = named(y, "contexts", name, "context");
	if (!c)
		return why_set(why, -EINVAL, WHY_DENIED, "kubeconfig: no context \"%s\"",
			name ? name : "");
	const char *cluster = text(y, c, "cluster"), *user = text(y, c, "user");
	const yaml_node_t *cluster_node = named(y, "clusters", cluster, "cluster");
	if (!cluster_node)
		return why_set(why, -EINVAL, WHY_DENIED, "kubeconfig: no cluster \"%s\"",
			cluster ? cluster : "");
	y->namespace_ = text(y, c, "namespace");
	int r = take_cluster(y, cluster_node, why);
	const yaml_node_t *user_node = named(y, "users", user, "user");
	if (r == 0 && user && !user_node)
		return why_set(why, -EINVAL, WHY_DENIED, "kubeconfig: no user \"%s\"", user);
	return r < 0 ? r : take_user(y, user_node, why);
}

int kube_yaml_read(
	struct kube_yaml *y, const char *yaml, size_t len, const char *context, struct why *why)
{
	yaml_parser_t parser;
	*y = (struct kube_yaml){0};
	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)yaml, len);
	y->loaded = yaml_parser_load(&parser, &y->document);
	int r = 0;
	if (!y->loaded)
		r = why_set(why, -EINVAL, WHY_DENIED, "kubeconfig: line %zu: %s",
			parser.problem_mark.line + 1,
			parser.problem ? parser.problem : "is no YAML");
	yaml_parser_delete(&parser);
	return r < 0 ? r : take(y, context, why);
}

void kube_yaml_done(struct kube_yaml *y)
{
	if (y->loaded)
		yaml_document_delete(&y->document);
	y->loaded = 0;
}
