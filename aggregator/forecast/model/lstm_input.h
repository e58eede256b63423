// SPDX-License-Identifier: Apache-2.0
// What the network sees of a series: scaled steps, and the facts about one (origin, horizon) pair.
//
// Values are relative to the last one, in units of the series' scale, and compressed by sign(x)
// log(1 + |x|), so that a series of millions and one that bursts a hundredfold both stay in reach
// of the same weights. Calendar features are of UTC wall time. Depends on y[0..origin) alone.
#pragma once

#include "aggregator/forecast/model/lstm_net.h"
#include "aggregator/forecast/model/window.h"

void lstm_put_steps(const struct window *w, size_t origin, real ret[NET_STEPS][NET_IN]);
void lstm_put_pair(const struct window *w, size_t origin, size_t target, struct net_pair *ret);
