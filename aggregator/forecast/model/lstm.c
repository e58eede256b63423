// SPDX-License-Identifier: Apache-2.0
// LSTM member: the same few small networks for all series (lstm_net.h), nothing fitted per series.
//
// The networks differ by their seed only and their quantiles are averaged, which takes out what is
// chance in a training. The weights compiled in are those of train-lstm with its defaults: trained
// on made-up series only, so that no series it is ever judged on was part of them. in->lstm, where
// there is one, holds a cluster's own (lstm.h).
#include "aggregator/forecast/model/lstm.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "aggregator/forecast/model/lstm_input.h"
#include "aggregator/forecast/model/lstm_train.h"
#include "aggregator/forecast/model/member.h"

extern const unsigned char lstm_weights[], lstm_weights_end[]; // one file after the other

struct lstm {
	const struct member_input *in;
	struct window win;
	struct lstm_weights basic; // nets 0 = not wanted so far
	struct net_state state[LSTM_NETS_MAX];
};

static void lstm_destroy(void *model)
{
	struct lstm *m = model;
	if (!m)
		return;
	window_done(&m->win);
	free(m);
}

int lstm_pretrained(struct lstm_weights *ret)
{
	size_t size = (size_t)(lstm_weights_end - lstm_weights);
	ret->version = 0;
	ret->seen_until_s = INT64_MIN;
	ret->nets = 0;
	for (size_t at = 0; at < size && ret->nets < LSTM_NETS_MAX; at += LSTM_FILE_BYTES)
		if (lstm_load(lstm_weights + at, LSTM_FILE_BYTES, &ret->net[ret->nets++]) < 0)
			return -EDOM;
	return ret->nets > 0 && size % LSTM_FILE_BYTES == 0 ? 0 : -EDOM;
}

// Those that have not seen what comes after the origin; NULL if there are none.
static const struct lstm_weights *weights_for(struct lstm *m, size_t origin)
{
	const struct lstm_weights *own = m->in->lstm;
	int64_t at_s = m->in->start_s + (int64_t)origin * m->in->step_s;
	if (own && own->nets > 0 && at_s >= own->seen_until_s)
		return own;
	if (m->basic.nets == 0 && lstm_pretrained(&m->basic) < 0)
		return NULL;
	return &m->basic;
}

static int lstm_create(void **ret_model, const struct member_input *in, size_t fit_end)
{
	struct lstm *m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	size_t known = 0;
	for (size_t t = 0; t < fit_end; t++)
		known += isfinite(in->y[t]);
	m->in = in;
	int rc = known < 3 ? -ENODATA : window_init(&m->win, in, fit_end);
	if (rc < 0) {
		lstm_destroy(m);
		return rc;
	}
	*ret_model = m;
	return 0;
}

// Sum of the networks' quantiles for one pair; every one is ascending, so their sum is.
static void put_row(const struct lstm *m, const struct lstm_weights *w, const struct net_pair *pair,
	double *ret)
{
	real q[NET_QUANTILES];
	for (size_t i = 0; i < QUANTILE_COUNT; i++)
		ret[i] = 0;
	for (size_t k = 0; k < w->nets; k++) {
		net_quantiles(&w->net[k], &m->state[k], pair, q);
		for (size_t i = 0; i < QUANTILE_COUNT; i++)
			ret[i] += (double)q[i];
	}
}

static int lstm_forecast(void *model, size_t origin, size_t horizon, double *ret)
{
	struct lstm *m = model;
	struct net_pair pair;
	if (origin < m->win.first || origin > m->in->n || horizon > m->in->max_horizon)
		return -EDOM;
	const struct lstm_weights *w = weights_for(m, origin);
	if (!w)
		return -EDOM;
	for (size_t k = 0; k < w->nets; k++) {
		lstm_put_steps(&m->win, origin, m->state[k].in);
		net_read(&w->net[k], &m->state[k]);
	}
	for (size_t h = 0; h < horizon; h++) {
		double *row = ret + h * QUANTILE_COUNT;
		lstm_put_pair(&m->win, origin, origin + h, &pair);
		put_row(m, w, &pair, row);
		for (size_t i = 0; i < QUANTILE_COUNT; i++)
			row[i] = m->win.z[origin - 1] + m->in->scale * row[i] / (double)w->nets;
		if (!isfinite(row[0]) || !isfinite(row[QUANTILE_COUNT - 1]))
			return -EDOM;
	}
	return 0;
}

const struct member_ops member_lstm = {
	.name = "lstm",
	.create = lstm_create,
	.forecast = lstm_forecast,
	.destroy = lstm_destroy,
};
