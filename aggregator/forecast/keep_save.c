// SPDX-License-Identifier: Apache-2.0
// What of a state survives a restart: as plain memory, with a mark of the layout and of the pool,
// because a file that another version wrote is no evidence about this one's members.
#include "aggregator/forecast/keep.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "proto/base/hash.h"

enum { SAVED_VERSION = 1 };

struct saved {
	uint32_t crc; // of all that follows
	uint32_t version, bytes, pool;
	uint64_t generation, runs[3], rejected, alarms;
	int64_t step_s;
	uint64_t horizon;
	struct tally tally;
	struct honest_issued gate;
	struct ledger_sums sums;
};
_Static_assert(sizeof(struct saved) <= FORECAST_SAVED_BYTES_MAX, "as forecast.h says");

static uint32_t pool_mark(void)
{
	char names[ENTRIES_MAX * 24] = "";
	size_t at = 0;
	for (size_t e = 0; e < pool_size; e++) {
		size_t n = strnlen(pool[e].ops->name, 16);
		memcpy(names + at, pool[e].ops->name, n);
		names[at + n] = pool[e].lens == LENS_LOG ? '@' : ' ';
		at += n + 1;
	}
	return hash_crc32c(names, at);
}

static uint32_t crc_of(const struct saved *v)
{
	return hash_crc32c(&v->version, sizeof(*v) - offsetof(struct saved, version));
}

void forecast_state_save(const struct forecast_state *s, struct buf *out)
{
	struct saved v;
	memset(&v, 0, sizeof(v)); // the padding too
	v.version = SAVED_VERSION;
	v.bytes = sizeof(v);
	v.pool = pool_mark();
	v.generation = s->generation;
	memcpy(v.runs, s->runs, sizeof(v.runs));
	v.rejected = s->rejected;
	v.alarms = s->cusum.alarms;
	v.step_s = s->step_s;
	v.horizon = s->horizon;
	v.tally = s->tally;
	v.gate = s->gate;
	v.sums = s->ledger.sums;
	v.crc = crc_of(&v);
	buf_append(out, &v, sizeof(v));
}

int forecast_state_load(struct forecast_state *s, const void *data, size_t len)
{
	struct saved v;
	if (len != sizeof(v))
		return -EBADMSG;
	memcpy(&v, data, sizeof(v));
	if (v.version != SAVED_VERSION || v.bytes != sizeof(v) || v.crc != crc_of(&v))
		return -EBADMSG;
	s->generation = v.generation;
	memcpy(s->runs, v.runs, sizeof(v.runs));
	s->rejected = v.rejected;
	s->cusum.alarms = v.alarms;
	s->step_s = v.step_s;
	s->horizon = v.horizon;
	s->tally = v.tally;
	s->gate = v.gate;
	if (v.pool == pool_mark())
		s->ledger.sums = v.sums;
	return 0;
}
