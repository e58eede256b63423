// SPDX-License-Identifier: Apache-2.0
// A small recurrent quantile network: forward, gradients, Adam.
//
// One LSTM reads the last NET_STEPS values; a hidden layer sees its last state and what is known
// about one (origin, horizon) pair; the outputs do not name values but mix them. They are weights
// (softmax) of simple rules ("anchors": last value, same time yesterday, …), a shift, the width of
// the forecast as a combination of measured spreads, and eight positive gaps between nine
// quantiles. So quantiles cannot cross, a network that knows nothing is still a mixture of naive
// forecasts, and every horizon is forecast directly. All horizons and grids share the same
// parameters.
//
// Everything is in units of the series' scale. No allocation, no state but what the caller holds.
// Loops run over whole vectors (sizes are multiples of 8) and are compiled for several instruction
// sets.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "proto/base/rng.h"

#ifndef NET_REAL
#define NET_REAL float // tests compile with double, to hold gradients against finite differences
#endif
typedef NET_REAL real;

enum {
	NET_STEPS = 48,
	NET_IN = 8,      // per step
	NET_HIDDEN = 32, // LSTM state
	NET_GATES = 4 * NET_HIDDEN,
	NET_PAIR = 32,  // what is known about an (origin, horizon) pair
	NET_LAYER = 40, // hidden layer
	NET_ANCHORS = 8,
	NET_SPREADS = 4,
	NET_GAPS = 8,
	NET_OUT = 24, // anchors, spreads, gaps, shift; padded
	NET_QUANTILES = NET_GAPS + 1,
	NET_PARAMS = (NET_IN + NET_HIDDEN + 1) * NET_GATES +
		     (NET_HIDDEN + NET_PAIR + 1) * NET_LAYER + (NET_LAYER + 1) * NET_OUT,
};

// Parameters as one flat array: what Adam and files see.
struct net {
	union {
		real all[NET_PARAMS];
		struct {
			real from_in[NET_IN]
				    [NET_GATES]; // gates in the order input, forget, cell, output
			real from_hidden[NET_HIDDEN][NET_GATES];
			real gate_bias[NET_GATES];
			real from_state[NET_HIDDEN][NET_LAYER];
			real from_pair[NET_PAIR][NET_LAYER];
			real layer_bias[NET_LAYER];
			real out[NET_LAYER][NET_OUT];
			real out_bias[NET_OUT];
		};
	};
};

struct net_pair { // one (origin, horizon)
	real known[NET_PAIR];
	real anchor[NET_ANCHORS]; // relative to the last value
	bool has[NET_ANCHORS];    // anchor 0 always
	real spread[NET_SPREADS]; // >= 0
};

// What the LSTM made of a window; steps are kept for the gradient.
struct net_state {
	real in[NET_STEPS][NET_IN];
	real gate[NET_STEPS][NET_GATES]; // after their squashing
	real cell[NET_STEPS + 1][NET_HIDDEN], hidden[NET_STEPS + 1][NET_HIDDEN];
	real layer[NET_LAYER]; // share of the state in the hidden layer, bias included
};

void net_init(struct net *n, struct rng *r);
void net_read(const struct net *n, struct net_state *s); // s->in is set by the caller
// Nine ascending quantiles relative to the last value.
void net_quantiles(const struct net *n, const struct net_state *s, const struct net_pair *p,
	real ret[NET_QUANTILES]);

// Gradients of one window: pairs first, then the steps.
struct net_gradient {
	struct net of;          // accumulates over windows; zeroed by the caller
	real state[NET_HIDDEN]; // of the last hidden state, by the pairs so far
};

// Adds the gradient of weight * mean pinball loss over the nine levels, and returns that loss.
real net_learn_pair(const struct net *n, const struct net_state *s, const struct net_pair *p,
	const real truth_and_weight[2], struct net_gradient *g);
// After the pairs of a window: carries g->state back through the steps and zeroes it.
void net_learn_steps(const struct net *n, const struct net_state *s, struct net_gradient *g);

struct adam {
	real mean[NET_PARAMS], square[NET_PARAMS];
	unsigned steps;
};

// One step against gradient / count, clipped to norm 1; zeroes the gradient.
void adam_step(struct adam *a, struct net *n, struct net_gradient *g, real count, real rate);
