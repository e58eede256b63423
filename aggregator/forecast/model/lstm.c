// SPDX-License-Identifier: Apache-2.0
// LSTM member: one network for all series (lstm_net.h), nothing fitted per series.
//
// The weights compiled in are those of train-lstm with its defaults: trained on made-up series
// only, so that no series it is ever judged on was part of them.
#include "aggregator/forecast/model/member.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "aggregator/forecast/model/lstm_input.h"
#include "aggregator/forecast/model/lstm_train.h"

extern const unsigned char lstm_weights[], lstm_weights_end[];

struct lstm {
	const struct member_input *in;
	struct window win;
	struct net net;
	struct net_state state;
};

static void lstm_destroy(void *model)
{
	struct lstm *m = model;
	if (!m)
		return;
	window_done(&m->win);
	free(m);
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
	if (rc == 0 &&
		lstm_load(lstm_weights, (size_t)(lstm_weights_end - lstm_weights), &m->net) < 0)
		rc = -EDOM;
	if (rc < 0) {
		lstm_destroy(m);
		return rc;
	}
	*ret_model = m;
	return 0;
}

static int lstm_forecast(void *model, size_t origin, size_t horizon, double *ret)
{
	struct lstm *m = model;
	struct net_pair pair;
	real q[NET_QUANTILES];
	if (origin < m->win.first || origin > m->in->n || horizon > m->in->max_horizon)
		return -EDOM;
	lstm_put_steps(&m->win, origin, m->state.in);
	net_read(&m->net, &m->state);
	for (size_t h = 0; h < horizon; h++) {
		lstm_put_pair(&m->win, origin, origin + h, &pair);
		net_quantiles(&m->net, &m->state, &pair, q);
		for (size_t i = 0; i < NET_QUANTILES; i++) {
			double v = m->win.z[origin - 1] + m->in->scale * (double)q[i];
			if (!isfinite(v))
				return -EDOM;
			ret[h * QUANTILE_COUNT + i] = v;
		}
	}
	return 0;
}

const struct member_ops member_lstm = {
	.name = "lstm",
	.create = lstm_create,
	.forecast = lstm_forecast,
	.destroy = lstm_destroy,
};
