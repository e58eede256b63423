// SPDX-License-Identifier: Apache-2.0
// Kubernetes quantities: "100m", "1Gi", "3880m", "1.5", "2e3" (k8s.io/apimachinery
// api/resource/quantity.go).
//
// Rounded up, as the scheduler does. -EINVAL: not a quantity; -ERANGE: negative, or past int64.
#pragma once

#include <stdint.h>

int quantity_whole(const char *text, int64_t *ret);  // "1Ki" -> 1024, "100m" -> 1
int quantity_millis(const char *text, int64_t *ret); // "1" -> 1000, "100m" -> 100
