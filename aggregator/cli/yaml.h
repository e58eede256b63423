// SPDX-License-Identifier: Apache-2.0
// JSON as YAML, for -o yaml: the same keys in the same order, by libyaml's emitter.
#pragma once

#include "proto/base/buf.h"

#include <cjson/cJSON.h>

// Appends one YAML document. -ENOMEM; -ENOSPC past the buffer's cap.
int yaml_print(const cJSON *json, struct buf *out);
