// SPDX-License-Identifier: Apache-2.0
#include "aggregator/show/metrics.h"

#include "aggregator/intake/intake.h"
#include "proto/loop/lane.h"

static void intake(const struct intake_counters *i, struct prom *p)
{
	prom_family(p, "petrel_intake_records_total", "counter", "Records accepted.");
	prom_sample(p, PROM_LABELS({"type", "sample"}), (double)i->samples);
	prom_sample(p, PROM_LABELS({"type", "notice"}), (double)i->notices);
	prom_sample(p, PROM_LABELS({"type", "hello"}), (double)i->hellos);
	prom_sample(p, PROM_LABELS({"type", "unknown"}), (double)i->unknown);
	prom_single(p, "petrel_intake_duplicates_total", "counter",
		"Records that had been accepted before.", (double)i->duplicates);
	prom_single(p, "petrel_intake_lost_total", "counter",
		"Records that an agent gave up before they were seen.", (double)i->lost);
	prom_single(p, "petrel_intake_late_total", "counter",
		"Records older than a minute when they came.", (double)i->late);
	prom_single(p, "petrel_intake_moved_total", "counter",
		"Samples placed on our clock because the agent's was off.", (double)i->moved);
	prom_family(p, "petrel_intake_refused_total", "counter", "Records refused.");
	for (int r = 0; r < INTAKE_REFUSAL_COUNT; r++)
		prom_sample(p, PROM_LABELS({"reason", intake_refusal_name((enum intake_refusal)r)}),
			(double)i->refused[r]);
}

struct lane {
	const char *name;
	const struct lane_counters *counters;
};

#define LANES(family, help, expression)                                                            \
	do {                                                                                       \
		prom_family(p, family, "counter", help);                                           \
		for (int i = 0; i < n; i++) {                                                      \
			const struct lane_counters *l = lanes[i].counters;                         \
			prom_sample(p, PROM_LABELS({"lane", lanes[i].name}), expression);          \
		}                                                                                  \
	} while (0)

static void lane_traffic(const struct lane *lanes, int n, struct prom *p)
{
	LANES("petrel_lane_connects_total", "Connections made.", (double)l->connected);
	LANES("petrel_lane_disconnects_total", "Connections ended.", (double)l->disconnected);
	LANES("petrel_lane_messages_total", "Messages received.", (double)l->messages);
	LANES("petrel_lane_received_bytes_total", "Bytes of those messages.", (double)l->bytes);
	LANES("petrel_lane_replies_total", "Receipts sent.", (double)l->replies);
	LANES("petrel_lane_held_replies_total", "Receipts held back to slow a sender down.",
		(double)l->held);
	LANES("petrel_lane_revived_total", "Times that a dead listener was replaced.",
		(double)l->revived);
	LANES("petrel_lane_saturated_total", "Times that all contexts were busy at once.",
		(double)l->saturated);
	prom_family(p, "petrel_lane_refused_total", "counter", "Connections and messages refused.");
	for (int i = 0; i < n; i++)
		for (int r = 0; r < LANE_REFUSAL_COUNT; r++)
			prom_sample(p,
				PROM_LABELS({"lane", lanes[i].name},
					{"reason", lane_refusal_name((enum lane_refusal)r)}),
				(double)lanes[i].counters->refused[r]);
}

void metrics_door(struct show_core *c, struct prom *p)
{
	struct lane lanes[2];
	int n = 0;
	if (c->sources.data_lane)
		lanes[n++] = (struct lane){"data", c->sources.data_lane};
	if (c->sources.urgent_lane)
		lanes[n++] = (struct lane){"urgent", c->sources.urgent_lane};
	if (n)
		lane_traffic(lanes, n, p);
	if (c->sources.intake)
		intake(c->sources.intake, p);
}
