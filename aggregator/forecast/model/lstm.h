// SPDX-License-Identifier: Apache-2.0
// Weights of the LSTM member: those compiled in, or those a cluster's own training made of them.
//
// A cluster's weights have seen part of the histories that the member is tried on, and to score
// them there would flatter them. So they carry the time up to which they have seen anything, and
// the member answers for origins before it with the pre-trained ones, which never saw any of it:
// trials stay honest by construction, and the gate with them. The comparison is on the clock of
// the grid; on one of local time it is off by the zone's offset, less than what was kept back.
// Plain memory of about 140 KB, read only once it is filled; the owner keeps it alive.
#pragma once

#include <stdint.h>

#include "aggregator/forecast/model/lstm_net.h"

enum { LSTM_NETS_MAX = 4 };

struct lstm_weights {
	uint32_t version;     // counts a cluster's trainings that won; 0 = pre-trained
	int64_t seen_until_s; // nothing later was learnt from or chosen by
	size_t nets;          // their quantiles are averaged
	struct net net[LSTM_NETS_MAX];
};

int lstm_pretrained(struct lstm_weights *ret); // -EDOM if those compiled in are damaged
