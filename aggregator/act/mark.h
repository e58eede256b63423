// SPDX-License-Identifier: Apache-2.0
// What a drain writes on its node: the annotation petrel.dev/drain, from which a restarted
// aggregator or another replica goes on with the same deadline.
//
// {"v":1,"id":"…","kind":"SPOT_ITN","phase":"evicting","observed_ms":…,"deadline_ms":…,
//  "owner":"…","cordoned":true,"replacing":true}
// phase "asked": nothing has been done yet; a person has asked a replica that does not lead, and
// the leader reads it here. cordoned: it was Petrel that cordoned the node. replacing: a
// replacement may have been asked for. out_of_service (only while true): the out-of-service taint
// on the node is Petrel's. What others write there is refused, never trusted.
#pragma once

#include "aggregator/act/drains.h"

#define DRAIN_MARK_ASKED "asked"

struct drain_mark {
	char id[33];
	enum drain_kind kind;
	char phase[16];
	int64_t observed_ms, deadline_ms;
	char owner[128];
	bool cordoned, replacing, out_of_service;
};
int drain_mark_print(const struct drain_mark *m, struct buf *out); // -ENOSPC
int drain_mark_parse(const char *text, struct drain_mark *ret);    // -EINVAL
