// SPDX-License-Identifier: Apache-2.0
// openapi.json as it stands beside this file, carried in the program by openapi.S.
#pragma once

extern const char openapi_json[], openapi_json_end[];
