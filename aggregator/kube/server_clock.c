// SPDX-License-Identifier: Apache-2.0
#include "aggregator/kube/server_clock.h"

bool server_clock_hear(struct server_clock *c, const struct server_date *d)
{
	const int64_t heard_ms = d->sent_ms + d->took_ms;
	const int64_t least_ms = d->date_ms - heard_ms, most_ms = d->date_ms + 1000 - d->sent_ms;
	const int64_t own_ms = d->machine_ms - heard_ms;
	if (c->known && most_ms - least_ms > 1000 + SERVER_CLOCK_SLACK_MS)
		return false; // a slow answer proves less than is known
	bool was_wrong = c->wrong;
	c->wrong = own_ms < least_ms - SERVER_CLOCK_SLACK_MS ||
		   own_ms > most_ms + SERVER_CLOCK_SLACK_MS;
	if (!c->wrong)
		c->off_ms = own_ms;
	else if (!c->known || c->off_ms < least_ms - SERVER_CLOCK_SLACK_MS ||
		 c->off_ms > most_ms + SERVER_CLOCK_SLACK_MS)
		c->off_ms = least_ms + (most_ms - least_ms) / 2;
	c->known = true;
	c->ahead_ms = own_ms - c->off_ms;
	return c->wrong != was_wrong;
}
