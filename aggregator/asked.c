// SPDX-License-Identifier: Apache-2.0
#include "aggregator/asked.h"

#include <errno.h>
#include <string.h>

#include "proto/base/clock.h"
#include "proto/base/text.h"

int asked_forecast(void *arg, const struct show_series *series, struct show_forecast *ret)
{
	const struct asked *a = arg;
	struct service_outlook o;
	const struct service_series which = {
		series->cluster, series->name, series->kind, (enum service_horizon)series->horizon};
	int r = service_get(a->service, &which, &o);
	if (r < 0)
		return r;
	*ret = (struct show_forecast){.outlook = o.outlook,
		.said = o.said,
		.metric = METRIC_DEMAND_LOW,
		.generated_ms = o.generated_ms,
		.coverage80_permille = o.coverage80_permille,
		.scored = o.scored};
	text_copy(ret->why, sizeof(ret->why), o.why);
	return 0;
}

void asked_forecast_stats(void *arg, enum show_horizon h, struct show_forecast_stats *ret)
{
	const struct asked *a = arg;
	struct service_horizon_stats s;
	struct service_stats all;
	service_horizon_stats(a->service, (enum service_horizon)h, &s);
	service_stats(a->service, &all);
	*ret = (struct show_forecast_stats){.outlooks = s.outlooks,
		.gated = s.gated,
		.scored = s.scored,
		.mase = s.mase,
		.loss_ratio = s.loss_ratio,
		.alarms = s.alarms,
		.rejected = s.rejected,
		.full = s.full,
		.refreshed = s.refreshed,
		.carried = s.carried,
		.fit_seconds = (double)s.cpu_us / 1e6,
		.overdue_seconds = (double)all.worst_age_ms / 1000,
		.n_members = s.n_members};
	_Static_assert((int)SHOW_LEVELS == (int)QUANTILE_COUNT &&
			       (int)SHOW_MEMBERS_MAX == (int)OUTLOOK_MEMBERS_MAX,
		"show has as many");
	memcpy(ret->pinball, s.pinball, sizeof(ret->pinball));
	memcpy(ret->coverage, s.coverage, sizeof(ret->coverage));
	for (size_t i = 0; i < s.n_members; i++) {
		text_copy(ret->members[i].name, sizeof(ret->members[i].name), s.members[i].name);
		ret->members[i].weight = s.members[i].weight;
		ret->members[i].in = s.members[i].in;
		ret->members[i].idle = s.members[i].idle;
	}
}

int asked_forecast_then(
	void *arg, const struct show_series *series, int64_t at_ms, struct said_one *ret)
{
	const struct asked *a = arg;
	const struct service_series which = {
		series->cluster, series->name, series->kind, (enum service_horizon)series->horizon};
	return service_then(a->service, &which, at_ms, ret);
}

struct audit_walk {
	int (*on_entry)(void *arg, const struct show_audit_entry *e);
	void *arg;
};

static int show_entry(void *arg, const struct audit_entry *e)
{
	struct audit_walk *w = arg;
	const struct show_audit_entry entry = {.seq = e->seq,
		.ts_ms = e->ts_ms,
		.kind = e->kind,
		.cluster = e->cluster,
		.id = e->id,
		.text = e->json,
		.hash = e->hash};
	return w->on_entry(w->arg, &entry);
}

int asked_audit(void *arg, size_t limit,
	int (*on_entry)(void *on_arg, const struct show_audit_entry *e), void *on_arg)
{
	const struct asked *a = arg;
	struct audit_walk w = {on_entry, on_arg};
	return audit_tail(a->audit, limit, show_entry, &w);
}

void asked_metrics(void *arg, struct prom *p)
{
	const struct asked *a = arg;
	struct train_share share;
	service_lstm_share(a->service, &share);
	train_metrics(service_train(a->service), &share, p);
}

size_t asked_links(void *arg, struct show_link *ret)
{
	const struct asked *a = arg;
	return interruption_links(a->interruption, ret);
}

static int kind_of(const char *name, enum notice_kind *ret)
{
	for (int k = 0; k < NOTICE_KIND_COUNT; k++)
		if (strcmp(notice_kind_name((enum notice_kind)k), name) == 0) {
			*ret = (enum notice_kind)k;
			return 0;
		}
	return -EINVAL;
}

int asked_notice(void *arg, const struct show_notice *n, char ret_id[33])
{
	const struct asked *a = arg;
	enum notice_kind kind;
	if (!a->demo || strcmp(n->cluster, DEMO_CLUSTER) != 0)
		return -EPERM;
	int r = kind_of(n->kind, &kind);
	if (r == 0)
		r = demo_interrupt(a->demo, n->node, kind, n->deadline_ms);
	if (r < 0)
		return r;
	const struct drain *d =
		drains_of_node(interruption_drains(a->interruption), n->cluster, n->node);
	text_copy(ret_id, 33, d ? d->id : "");
	return 0;
}

const struct drain *asked_drains(void *arg)
{
	const struct asked *a = arg;
	return drains_first(interruption_drains(a->interruption));
}

int asked_drain(void *arg, const struct show_drain *d, const struct drain **ret)
{
	const struct asked *a = arg;
	const struct drain_request r = {d->cluster, d->node, d->deadline_ms, d->dry_run};
	return drains_request(interruption_drains(a->interruption), &r, clock_wall_ms(), ret);
}
