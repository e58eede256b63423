// SPDX-License-Identifier: Apache-2.0
// Label selectors of Kubernetes, kept as text and matched against labels kept as text.
//
// A pod's labels are "key=value\n"…, sorted by key. A selector is compiled once from its JSON
// (matchLabels, matchExpressions: In, NotIn, Exists, DoesNotExist) into lines "op key value…\n"
// that selector_match() reads without allocating. Semantics: k8s.io/apimachinery LabelSelector; an
// empty selector matches everything and an absent one nothing (policy/v1), NotIn and DoesNotExist
// match where the key is absent. The compilers append to out; after a failure out may hold a part.
#pragma once

#include "proto/base/buf.h"

#include <stdbool.h>

struct cJSON;
int selector_compile(const struct cJSON *selector, struct buf *out); // -EINVAL: not a LabelSelector
int labels_print(const struct cJSON *labels, struct buf *out); // an object of strings, or NULL
bool selector_match(const char *selector, const char *labels);
