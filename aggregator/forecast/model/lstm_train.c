// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/model/lstm_train.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/forecast/model/lstm_input.h"
#include "proto/base/hash.h"
#include "proto/base/rng.h"

enum {
	SERIES_MAX = 8192,
	HORIZON_MAX = 168,
	HORIZON_BITS = 8, // horizons up to 2^8 - 1
	PAIRS = 6,        // horizons per window
	BATCH = 24,       // windows per step
	JUDGED = 4,       // windows per series
	PROBES = 40,      // origins behind a norm
	WEIGHTS_VERSION = 1,
};

struct lesson {
	struct member_input in;
	struct window win;
	double *y;
	size_t until, stop; // training and early stopping end here
	size_t horizon;
	double norm[HORIZON_BITS]; // what naive rules miss by, in scales, by log2 of the horizon
};

struct course {
	struct rng rng;
	uint64_t seed;
	struct lesson *lesson;
	size_t count, judged; // judged: the first ones; 0 = all
	struct net net, best;
	double best_loss;
	struct net_gradient gradient;
	struct adam adam;
	struct net_state state;
};

int course_new(struct course **ret, uint64_t seed)
{
	struct course *c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->seed = seed;
	c->best_loss = INFINITY;
	rng_init(&c->rng, seed);
	net_init(&c->net, &c->rng);
	c->best = c->net;
	*ret = c;
	return 0;
}

void course_forget(struct course *c, size_t keep)
{
	for (size_t i = keep; i < c->count; i++) {
		window_done(&c->lesson[i].win);
		free(c->lesson[i].y);
	}
	c->count = keep < c->count ? keep : c->count;
	c->judged = keep;
}

size_t course_size(const struct course *c)
{
	return c->count;
}

void course_free(struct course *c)
{
	if (!c)
		return;
	course_forget(c, 0);
	free(c->lesson);
	free(c);
}

static size_t log2_of(size_t h)
{
	size_t b = 0;
	for (; h > 1 && b + 1 < HORIZON_BITS; h /= 2)
		b++;
	return b;
}

static double scale_of(const double *y, size_t n, size_t season)
{
	double sum = 0, level = 0, lo = INFINITY, hi = -INFINITY;
	size_t pairs = 0, known = 0;
	for (size_t t = 0; t < n; t++) {
		if (!isfinite(y[t]))
			continue;
		level += fabs(y[t]);
		known++;
		lo = fmin(lo, y[t]);
		hi = fmax(hi, y[t]);
		if (t >= season && isfinite(y[t - season])) {
			sum += fabs(y[t] - y[t - season]);
			pairs++;
		}
	}
	double scale = pairs ? sum / (double)pairs : 0;
	return fmax(fmax(scale, 0.01 * level / (double)(known ? known : 1)),
		fmax(1e-6 * (hi - lo), 1e-12));
}

// A random origin in [from, to); false if there is none.
static bool draw(struct rng *r, const struct lesson *l, size_t from, size_t to, size_t *ret_origin)
{
	if (to <= from)
		return false;
	*ret_origin = from + rng_below(r, to - from);
	return true;
}

static void measure_norms(struct lesson *l, struct rng *r)
{
	const struct window *w = &l->win;
	for (size_t b = 0; b < HORIZON_BITS; b++) {
		double last = 0, season = 0, n = 0;
		size_t h = (size_t)1 << b, origin;
		if (h > l->horizon)
			h = l->horizon;
		for (int k = 0; k < PROBES; k++) {
			if (!draw(r, l, w->first, l->until > h ? l->until - h : 0, &origin))
				break;
			size_t target = origin + h - 1;
			double truth = l->y[target];
			if (!isfinite(truth))
				continue;
			last += fabs(truth - w->z[origin - 1]);
			season +=
				w->season
					? fabs(truth - w->z[window_back(target, w->season, origin)])
					: INFINITY;
			n++;
		}
		l->norm[b] = 0.02 + (n > 0 ? fmin(last, season) / n / l->in.scale : 1);
	}
}

static int add_window(struct course *c, struct lesson *l, size_t day)
{
	const struct member_input in = {.y = l->y,
		.n = l->in.n,
		.start_s = l->in.start_s,
		.step_s = l->in.step_s,
		.max_horizon = l->horizon,
		.scale = scale_of(l->y, l->until, day)};
	l->in = in;
	l->in.periods[l->in.n_periods++] = day;
	if (in.n >= 14 * day)
		l->in.periods[l->in.n_periods++] = 7 * day;
	int rc = window_init(&l->win, &l->in, in.n);
	if (rc < 0)
		return rc;
	if (l->win.first + 2 >= l->until) {
		window_done(&l->win);
		return -ENODATA;
	}
	measure_norms(l, &c->rng);
	return 0;
}

int course_add_parts(struct course *c, const struct course_series *s)
{
	size_t day = s->step_s < 86400 ? (size_t)(86400 / s->step_s) : 1, n = s->n;
	struct lesson *more, *l;
	if (n < 3 * day || n < 4 * NET_STEPS || c->count >= SERIES_MAX ||
		s->learn_end > s->stop_end || s->stop_end > n)
		return -ENODATA;
	more = realloc(c->lesson, (c->count + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	c->lesson = more;
	l = &c->lesson[c->count];
	memset(l, 0, sizeof(*l));
	l->y = malloc(n * sizeof(double));
	if (!l->y)
		return -ENOMEM;
	memcpy(l->y, s->y, n * sizeof(double));
	l->until = s->learn_end;
	l->stop = s->stop_end;
	l->horizon = n / 8 < HORIZON_MAX ? n / 8 : HORIZON_MAX;
	l->in = (struct member_input){.n = n, .start_s = s->start_s, .step_s = s->step_s};
	int rc = add_window(c, l, day);
	if (rc < 0) {
		free(l->y);
		return rc;
	}
	c->count++;
	return 0;
}

int course_add(struct course *c, const double *y, size_t n, int64_t start_s, int64_t step_s)
{
	const struct course_series s = {y, n, start_s, step_s, n - n / 5, n};
	return course_add_parts(c, &s);
}

void course_start(struct course *c, const struct net *from)
{
	c->net = c->best = *from;
	c->best_loss = INFINITY;
	memset(&c->adam, 0, sizeof(c->adam));
	memset(&c->gradient, 0, sizeof(c->gradient));
}

const struct net *course_now(const struct course *c)
{
	return &c->net;
}

bool course_keep(struct course *c, double loss)
{
	if (!(loss < c->best_loss))
		return false;
	c->best_loss = loss;
	c->best = c->net;
	return true;
}

// One window: reads the steps before origin, then learns (or only judges) some horizons. Returns
// the sum of relative losses and counts them. The lesson's input moves with realloc, so it is bound
// here.
static double one_window(
	struct course *c, struct lesson *l, size_t origin, size_t end, double *count)
{
	struct net_pair pair;
	double sum = 0;
	bool learn = end <= l->until;
	l->win.in = &l->in;
	lstm_put_steps(&l->win, origin, c->state.in);
	net_read(&c->net, &c->state);
	for (int k = 0; k < PAIRS; k++) {
		size_t h = (size_t)exp(rng_unit(&c->rng) * log((double)l->horizon + 1));
		size_t target = origin + h - 1;
		if (h < 1 || target >= end || !isfinite(l->y[target]))
			continue;
		lstm_put_pair(&l->win, origin, target, &pair);
		double truth = (l->y[target] - l->win.z[origin - 1]) / l->in.scale;
		const real goal[2] = {(real)truth, (real)(1 / l->norm[log2_of(h)])};
		sum += (double)net_learn_pair(&c->net, &c->state, &pair, goal, &c->gradient);
		*count += 1;
	}
	if (learn)
		net_learn_steps(&c->net, &c->state, &c->gradient);
	return sum;
}

double course_pass(struct course *c, size_t windows, double rate)
{
	double sum = 0, count = 0, held = 0, before = 0;
	memset(&c->gradient, 0, sizeof(c->gradient));
	for (size_t i = 0; c->count > 0 && i < windows; i++) {
		struct lesson *l = &c->lesson[rng_below(&c->rng, c->count)];
		size_t origin;
		if (!draw(&c->rng, l, l->win.first, l->until - 1, &origin))
			continue;
		sum += one_window(c, l, origin, l->until, &count);
		if (++held < BATCH)
			continue;
		adam_step(
			&c->adam, &c->net, &c->gradient, (real)fmax(1, count - before), (real)rate);
		before = count;
		held = 0;
	}
	return count > 0 ? sum / count : 0;
}

double course_judge(struct course *c)
{
	double sum = 0, count = 0;
	struct rng kept = c->rng;
	rng_init(&c->rng, c->seed ^ 0x6a75646765); // the same windows every time
	size_t judged = c->judged && c->judged < c->count ? c->judged : c->count;
	for (size_t i = 0; i < judged; i++)
		for (int k = 0; k < JUDGED; k++) {
			struct lesson *l = &c->lesson[i];
			size_t origin;
			if (draw(&c->rng, l, l->until, l->in.n - 1, &origin))
				sum += one_window(c, l, origin, l->in.n, &count);
		}
	c->rng = kept;
	memset(&c->gradient, 0, sizeof(c->gradient));
	double loss = count > 0 ? sum / count : INFINITY;
	course_keep(c, loss);
	return loss;
}

struct ask { // one target of a window
	struct net_pair pair;
	double truth, weight, q[NET_QUANTILES];
};

static double pinball(const struct ask *a, size_t nets)
{
	double loss = 0;
	for (size_t i = 0; i < NET_QUANTILES; i++) {
		double miss = a->truth - a->q[i] / (double)nets;
		loss += miss >= 0 ? quantile_levels[i] * miss : (quantile_levels[i] - 1) * miss;
	}
	return a->weight * loss / NET_QUANTILES;
}

static size_t draw_asks(
	struct lesson *l, struct rng *r, size_t origin, size_t end, struct ask ret[PAIRS])
{
	size_t n = 0;
	for (int k = 0; k < PAIRS; k++) {
		size_t h = (size_t)exp(rng_unit(r) * log((double)l->horizon + 1));
		size_t target = origin + h - 1;
		if (h < 1 || target >= end || !isfinite(l->y[target]))
			continue;
		struct ask *a = &ret[n++];
		memset(a->q, 0, sizeof(a->q));
		lstm_put_pair(&l->win, origin, target, &a->pair);
		a->truth = (l->y[target] - l->win.z[origin - 1]) / l->in.scale;
		a->weight = 1 / l->norm[log2_of(h)];
	}
	return n;
}

void course_loss(struct course *c, size_t i, const struct course_exam *e, double ret[2])
{
	struct lesson *l = &c->lesson[i];
	size_t from = e->part == COURSE_STOP ? l->until : l->stop, origin;
	size_t end = e->part == COURSE_STOP ? l->stop : l->in.n;
	struct rng r;
	rng_init(&r, c->seed ^ (0x6578616dull + e->part));
	l->win.in = &l->in;
	if (from < l->win.first)
		from = l->win.first;
	for (size_t w = 0; w < e->windows && end > 0; w++) {
		struct ask asks[PAIRS];
		real q[NET_QUANTILES];
		if (!draw(&r, l, from, end - 1, &origin))
			return;
		size_t n = draw_asks(l, &r, origin, end, asks);
		lstm_put_steps(&l->win, origin, c->state.in);
		for (size_t k = 0; k < e->n_nets; k++) {
			net_read(&e->nets[k], &c->state);
			for (size_t a = 0; a < n; a++) {
				net_quantiles(&e->nets[k], &c->state, &asks[a].pair, q);
				for (size_t j = 0; j < NET_QUANTILES; j++)
					asks[a].q[j] += (double)q[j];
			}
		}
		for (size_t a = 0; a < n; a++)
			ret[0] += pinball(&asks[a], e->n_nets);
		ret[1] += (double)n;
	}
}

const struct net *course_best(const struct course *c)
{
	return &c->best;
}

// Head: magic, version, then the sizes that make a network this one, the seed, the CRC of the rest.
struct head {
	char magic[8];
	uint32_t version, params, steps, in, hidden, crc;
	uint64_t seed;
};

_Static_assert(sizeof(struct head) == 40, "the head is 40 bytes without holes");
_Static_assert(sizeof(real) == 4, "weights are kept as float32");

static struct head head_of(uint64_t seed)
{
	return (struct head){
		"PTRLSTM", WEIGHTS_VERSION, NET_PARAMS, NET_STEPS, NET_IN, NET_HIDDEN, 0, seed};
}

void lstm_save(const struct net *n, uint64_t seed, uint8_t ret[LSTM_FILE_BYTES])
{
	struct head h = head_of(seed);
	h.crc = hash_crc32c(n->all, sizeof(n->all));
	memcpy(ret, &h, sizeof(h));
	memcpy(ret + sizeof(h), n->all, sizeof(n->all));
}

int lstm_load(const void *bytes, size_t size, struct net *ret)
{
	struct head h, want = head_of(0);
	if (size != LSTM_FILE_BYTES)
		return -EBADMSG;
	memcpy(&h, bytes, sizeof(h));
	want.seed = h.seed;
	want.crc = h.crc;
	if (memcmp(&h, &want, sizeof(h)) != 0)
		return -EBADMSG;
	const uint8_t *weights = (const uint8_t *)bytes + sizeof(h);
	if (hash_crc32c(weights, sizeof(ret->all)) != h.crc)
		return -EBADMSG;
	struct net n;
	memcpy(n.all, weights, sizeof(n.all));
	for (size_t i = 0; i < NET_PARAMS; i++)
		if (!isfinite((double)n.all[i]) || fabs((double)n.all[i]) > 1e3)
			return -EBADMSG;
	*ret = n;
	return 0;
}
