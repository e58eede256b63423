// SPDX-License-Identifier: Apache-2.0
// The part of a kubeconfig that one context uses (client-go api/v1 types). Part of config.
#pragma once

#include "proto/base/why.h"

#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

struct kube_yaml { // texts are borrowed from document; NULL: not given
	yaml_document_t document;
	int loaded;
	const char *server, *ca, *ca_data, *proxy;
	const char *cert, *cert_data, *key, *key_data, *token, *token_file;
	const char *namespace_;
};

// 0, -EINVAL, -ENOTSUP; kube_yaml_done() in any case.
int kube_yaml_read(
	struct kube_yaml *y, const char *text, size_t len, const char *context, struct why *why);
void kube_yaml_done(struct kube_yaml *y);
