// SPDX-License-Identifier: Apache-2.0
#include "aggregator/risk/risk.h"

#include <string.h>

#include "proto/base/json.h"
#include "proto/base/text.h"

void risk_of_node(const char *cluster, const char *node, const char *capacity, struct risk *ret)
{
	struct risk r = {.loss_permille = {-1, -1, -1, -1}};
	text_copy(r.cluster, sizeof(r.cluster), cluster);
	text_copy(r.subject, sizeof(r.subject), node);
	bool spot = strcmp(capacity, "spot") == 0 || strcmp(capacity, "mixed") == 0;
	text_copy(r.reason, sizeof(r.reason),
		spot ? "unknown: no source of interruption rates is configured"
		     : "unknown: only spot capacity has a known way of being reclaimed");
	*ret = r;
}

void risk_print(const struct risk *r, struct buf *out)
{
	static const char *const names[] = {"m2", "m15", "h1", "h24"};
	struct json j;
	json_init(&j, out);
	json_open(&j, '{');
	json_put_text(&j, "cluster", r->cluster);
	json_put_text(&j, "subject", r->subject);
	json_key(&j, "loss_permille");
	json_open(&j, '{');
	for (int h = 0; h < RISK_HORIZON_COUNT; h++) {
		json_key(&j, names[h]);
		if (r->loss_permille[h] < 0)
			json_null(&j);
		else
			json_i64(&j, r->loss_permille[h]);
	}
	json_close(&j, '}');
	json_put_text(&j, "reason", r->reason);
	json_close(&j, '}');
}
