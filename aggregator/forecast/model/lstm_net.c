// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/model/lstm_net.h"

#include <string.h>
#include <tgmath.h>

#include "aggregator/forecast/model/linalg.h"

enum { LANES = 32 / sizeof(real), BLOCK = 4 * LANES };
typedef real lanes __attribute__((vector_size(32), aligned(sizeof(real)), may_alias));

enum {
	OUT_SPREADS = NET_ANCHORS,
	OUT_GAPS = OUT_SPREADS + NET_SPREADS,
	OUT_SHIFT = OUT_GAPS + NET_GAPS,
	MIDDLE = NET_QUANTILES / 2,
};

static const real levels[NET_QUANTILES] = {.01, .05, .1, .25, .5, .75, .9, .95, .99};

// y += sum of x[i] * row i of w
MULTIVERSIONED static void multiply(
	const real *w, size_t rows, size_t width, const real *x, real *y)
{
	size_t j = 0;
	for (; j + BLOCK <= width; j += BLOCK) {
		lanes *out = (lanes *)(y + j), a = out[0], b = out[1], c = out[2], d = out[3];
		for (size_t i = 0; i < rows; i++) {
			const lanes *row = (const lanes *)(w + i * width + j);
			a += x[i] * row[0];
			b += x[i] * row[1];
			c += x[i] * row[2];
			d += x[i] * row[3];
		}
		out[0] = a;
		out[1] = b;
		out[2] = c;
		out[3] = d;
	}
	for (; j < width; j += LANES) {
		lanes *out = (lanes *)(y + j), a = *out;
		for (size_t i = 0; i < rows; i++)
			a += x[i] * *(const lanes *)(w + i * width + j);
		*out = a;
	}
}

struct layer_gradient {
	const real *w, *x, *dy;
	size_t rows, width;
	real *dw, *dx; // dx NULL = not wanted
};

// dw[i] += x[i] dy, dx[i] += w[i] . dy
MULTIVERSIONED static void multiply_back(const struct layer_gradient *l)
{
	for (size_t i = 0; i < l->rows; i++) {
		const real *w = l->w + i * l->width;
		real *dw = l->dw + i * l->width, x = l->x[i];
		lanes sum = {0};
		for (size_t j = 0; j < l->width; j += LANES) {
			lanes dy = *(const lanes *)(l->dy + j);
			*(lanes *)(dw + j) += x * dy;
			sum += *(const lanes *)(w + j) * dy;
		}
		if (!l->dx)
			continue;
		for (size_t k = 0; k < LANES; k++)
			l->dx[i] += sum[k];
	}
}

// tanh by a quotient of polynomials (7th over 6th degree), clamped where it reaches one; error
// below 1e-4, and every machine gives the same bits.
static real squash(real x)
{
	if (x > (real)4.97)
		return 1;
	if (x < (real)-4.97)
		return -1;
	real s = x * x;
	return x * (135135 + s * (17325 + s * (378 + s))) /
	       (135135 + s * (62370 + s * (3150 + 28 * s)));
}

static real gate(real x)
{
	return (real)0.5 + (real)0.5 * squash(x / 2);
}

// log(1 + e^x) and its derivative
static real soft_plus(real x, real *ret_slope)
{
	real e = exp(-fabs(x));
	*ret_slope = x >= 0 ? 1 / (1 + e) : e / (1 + e);
	return (x > 0 ? x : 0) + log1p(e);
}

void net_init(struct net *n, struct rng *r)
{
	memset(n, 0, sizeof(*n));
	real *w = n->from_in[0];
	size_t gates = (NET_IN + NET_HIDDEN) * NET_GATES;
	for (size_t i = 0; i < gates; i++)
		w[i] = (real)(rng_normal(r) / sqrt(NET_IN + NET_HIDDEN));
	for (size_t i = 0; i < NET_HIDDEN; i++)
		n->gate_bias[NET_HIDDEN + i] = 1; // remember by default
	w = n->from_state[0];
	for (size_t i = 0; i < (NET_HIDDEN + NET_PAIR) * NET_LAYER; i++)
		w[i] = (real)(rng_normal(r) / sqrt(NET_HIDDEN + NET_PAIR));
	w = n->out[0];
	for (size_t i = 0; i < NET_LAYER * NET_OUT; i++)
		w[i] = (real)(0.3 * rng_normal(r) / sqrt(NET_LAYER));
	for (size_t i = 0; i < NET_SPREADS; i++)
		n->out_bias[OUT_SPREADS + i] = -1;
}

// One step of the LSTM: gates, cell and hidden state after input k.
static void read_step(const struct net *n, struct net_state *s, size_t k)
{
	real *g = s->gate[k];
	memcpy(g, n->gate_bias, sizeof(n->gate_bias));
	multiply(n->from_in[0], NET_IN, NET_GATES, s->in[k], g);
	multiply(n->from_hidden[0], NET_HIDDEN, NET_GATES, s->hidden[k], g);
	for (size_t i = 0; i < NET_HIDDEN; i++) {
		real *in = g + i, *keep = in + NET_HIDDEN, *cell = keep + NET_HIDDEN,
		     *out = cell + NET_HIDDEN;
		*in = gate(*in);
		*keep = gate(*keep);
		*cell = squash(*cell);
		*out = gate(*out);
		s->cell[k + 1][i] = *keep * s->cell[k][i] + *in * *cell;
		s->hidden[k + 1][i] = *out * squash(s->cell[k + 1][i]);
	}
}

void net_read(const struct net *n, struct net_state *s)
{
	memset(s->cell[0], 0, sizeof(s->cell[0]));
	memset(s->hidden[0], 0, sizeof(s->hidden[0]));
	for (size_t k = 0; k < NET_STEPS; k++)
		read_step(n, s, k);
	memcpy(s->layer, n->layer_bias, sizeof(n->layer_bias));
	multiply(n->from_state[0], NET_HIDDEN, NET_LAYER, s->hidden[NET_STEPS], s->layer);
}

// Everything between the hidden layer and the quantiles, kept for the gradient.
struct head {
	real layer[NET_LAYER], out[NET_OUT];
	real share[NET_ANCHORS];
	real gain[NET_SPREADS], gain_slope[NET_SPREADS];
	real gap[NET_GAPS], gap_slope[NET_GAPS];
	real width;
	real q[NET_QUANTILES];
};

static void mix_anchors(const struct net_pair *p, struct head *h)
{
	real most = h->out[0], total = 0;
	for (size_t i = 1; i < NET_ANCHORS; i++)
		if (p->has[i] && h->out[i] > most)
			most = h->out[i];
	for (size_t i = 0; i < NET_ANCHORS; i++) {
		h->share[i] = p->has[i] ? exp(h->out[i] - most) : 0;
		total += h->share[i];
	}
	for (size_t i = 0; i < NET_ANCHORS; i++)
		h->share[i] /= total;
}

static void run_head(
	const struct net *n, const struct net_state *s, const struct net_pair *p, struct head *h)
{
	memcpy(h->layer, s->layer, sizeof(h->layer));
	multiply(n->from_pair[0], NET_PAIR, NET_LAYER, p->known, h->layer);
	for (size_t i = 0; i < NET_LAYER; i++)
		h->layer[i] = squash(h->layer[i]);
	memcpy(h->out, n->out_bias, sizeof(h->out));
	multiply(n->out[0], NET_LAYER, NET_OUT, h->layer, h->out);
	mix_anchors(p, h);
	h->width = 0;
	for (size_t i = 0; i < NET_SPREADS; i++) {
		h->gain[i] = soft_plus(h->out[OUT_SPREADS + i], &h->gain_slope[i]);
		h->width += h->gain[i] * p->spread[i];
	}
	real middle = h->width * h->out[OUT_SHIFT];
	for (size_t i = 0; i < NET_ANCHORS; i++)
		middle += h->share[i] * p->anchor[i];
	for (size_t i = 0; i < NET_GAPS; i++)
		h->gap[i] = soft_plus(h->out[OUT_GAPS + i], &h->gap_slope[i]);
	h->q[MIDDLE] = middle;
	for (size_t i = MIDDLE; i > 0; i--)
		h->q[i - 1] = h->q[i] - h->width * h->gap[i - 1];
	for (size_t i = MIDDLE; i + 1 < NET_QUANTILES; i++)
		h->q[i + 1] = h->q[i] + h->width * h->gap[i];
}

void net_quantiles(const struct net *n, const struct net_state *s, const struct net_pair *p,
	real ret[NET_QUANTILES])
{
	struct head h;
	run_head(n, s, p, &h);
	memcpy(ret, h.q, sizeof(h.q));
}

// Gradient of the outputs from that of the quantiles.
static void head_back(const struct net_pair *p, const struct head *h, const real *dq, real *d_out)
{
	real all = 0, d_width = 0, d_middle, outer = 0, mean = 0;
	memset(d_out, 0, NET_OUT * sizeof(real));
	for (size_t i = 0; i < NET_QUANTILES; i++)
		all += dq[i];
	d_middle = all;
	for (size_t i = 0; i < MIDDLE; i++) { // gap i lies above quantile i
		outer += dq[i];
		d_out[OUT_GAPS + i] = -outer * h->width * h->gap_slope[i];
		d_width -= outer * h->gap[i];
	}
	outer = 0;
	for (size_t i = NET_GAPS; i-- > MIDDLE;) { // gap i lies below quantile i + 1
		outer += dq[i + 1];
		d_out[OUT_GAPS + i] = outer * h->width * h->gap_slope[i];
		d_width += outer * h->gap[i];
	}
	d_out[OUT_SHIFT] = d_middle * h->width;
	d_width += d_middle * h->out[OUT_SHIFT];
	for (size_t i = 0; i < NET_SPREADS; i++)
		d_out[OUT_SPREADS + i] = d_width * p->spread[i] * h->gain_slope[i];
	for (size_t i = 0; i < NET_ANCHORS; i++)
		mean += h->share[i] * p->anchor[i];
	for (size_t i = 0; i < NET_ANCHORS; i++)
		d_out[i] = d_middle * h->share[i] * (p->anchor[i] - mean);
}

real net_learn_pair(const struct net *n, const struct net_state *s, const struct net_pair *p,
	const real truth_and_weight[2], struct net_gradient *g)
{
	struct head h;
	real dq[NET_QUANTILES], d_out[NET_OUT], d_layer[NET_LAYER] = {0}, loss = 0;
	real share = truth_and_weight[1] / NET_QUANTILES;
	run_head(n, s, p, &h);
	for (size_t i = 0; i < NET_QUANTILES; i++) {
		real miss = truth_and_weight[0] - h.q[i];
		dq[i] = share * (miss >= 0 ? -levels[i] : 1 - levels[i]);
		loss -= dq[i] * miss;
	}
	head_back(p, &h, dq, d_out);
	for (size_t i = 0; i < NET_OUT; i++)
		g->of.out_bias[i] += d_out[i];
	multiply_back(&(struct layer_gradient){
		n->out[0], h.layer, d_out, NET_LAYER, NET_OUT, g->of.out[0], d_layer});
	for (size_t i = 0; i < NET_LAYER; i++) {
		d_layer[i] *= 1 - h.layer[i] * h.layer[i];
		g->of.layer_bias[i] += d_layer[i];
	}
	multiply_back(&(struct layer_gradient){
		n->from_pair[0], p->known, d_layer, NET_PAIR, NET_LAYER, g->of.from_pair[0], NULL});
	multiply_back(&(struct layer_gradient){n->from_state[0], s->hidden[NET_STEPS], d_layer,
		NET_HIDDEN, NET_LAYER, g->of.from_state[0], g->state});
	return loss;
}

// Through the gates of step k: d_hidden and d_cell are those after the step on the way in; d_cell
// is that before it on the way out, d_gate that of the gates before their squashing.
static void gates_back(
	const struct net_state *s, size_t k, const real *d_hidden, real *d_cell, real *d_gate)
{
	for (size_t i = 0; i < NET_HIDDEN; i++) {
		const real *in = s->gate[k] + i, *keep = in + NET_HIDDEN, *cell = keep + NET_HIDDEN,
			   *out = cell + NET_HIDDEN;
		real after = squash(s->cell[k + 1][i]);
		real dc = d_cell[i] + d_hidden[i] * *out * (1 - after * after);
		d_gate[i] = dc * *cell * *in * (1 - *in);
		d_gate[NET_HIDDEN + i] = dc * s->cell[k][i] * *keep * (1 - *keep);
		d_gate[2 * NET_HIDDEN + i] = dc * *in * (1 - *cell * *cell);
		d_gate[3 * NET_HIDDEN + i] = d_hidden[i] * after * *out * (1 - *out);
		d_cell[i] = dc * *keep;
	}
}

void net_learn_steps(const struct net *n, const struct net_state *s, struct net_gradient *g)
{
	real d_hidden[NET_HIDDEN], d_cell[NET_HIDDEN] = {0}, d_gate[NET_GATES];
	memcpy(d_hidden, g->state, sizeof(d_hidden));
	memset(g->state, 0, sizeof(g->state));
	for (size_t k = NET_STEPS; k-- > 0;) {
		gates_back(s, k, d_hidden, d_cell, d_gate);
		memset(d_hidden, 0, sizeof(d_hidden));
		for (size_t i = 0; i < NET_GATES; i++)
			g->of.gate_bias[i] += d_gate[i];
		multiply_back(&(struct layer_gradient){n->from_in[0], s->in[k], d_gate, NET_IN,
			NET_GATES, g->of.from_in[0], NULL});
		multiply_back(&(struct layer_gradient){n->from_hidden[0], s->hidden[k], d_gate,
			NET_HIDDEN, NET_GATES, g->of.from_hidden[0], d_hidden});
	}
}

void adam_step(struct adam *a, struct net *n, struct net_gradient *g, real count, real rate)
{
	const real mean_keep = (real)0.9, square_keep = (real)0.999;
	double norm = 0;
	for (size_t i = 0; i < NET_PARAMS; i++) {
		g->of.all[i] /= count;
		norm += (double)g->of.all[i] * (double)g->of.all[i];
	}
	real clip = norm > 1 ? (real)(1 / sqrt(norm)) : 1;
	a->steps++;
	real mean_fix = 1 / (1 - (real)pow((double)mean_keep, a->steps));
	real square_fix = 1 / (1 - (real)pow((double)square_keep, a->steps));
	for (size_t i = 0; i < NET_PARAMS; i++) {
		real d = clip * g->of.all[i];
		a->mean[i] = mean_keep * a->mean[i] + (1 - mean_keep) * d;
		a->square[i] = square_keep * a->square[i] + (1 - square_keep) * d * d;
		n->all[i] -= rate * a->mean[i] * mean_fix /
			     ((real)sqrt((double)(a->square[i] * square_fix)) + (real)1e-8);
	}
	memset(&g->of, 0, sizeof(g->of));
}
