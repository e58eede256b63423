// SPDX-License-Identifier: Apache-2.0
#include "aggregator/sim/load.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

extern const char sim_load_csv[], sim_load_csv_end[];

static int parse_row(const char **at, const char *end, uint16_t ret[LOAD_COLUMNS])
{
	for (int column = 0; column < LOAD_COLUMNS; column++) {
		unsigned value = 0, digits = 0;
		for (; *at < end && isdigit((unsigned char)**at) && digits < 4; (*at)++, digits++)
			value = value * 10 + (unsigned)(**at - '0');
		char after = column + 1 < LOAD_COLUMNS ? ',' : '\n';
		if (digits == 0 || value > 1000 || *at >= end || **at != after)
			return -EBADMSG;
		(*at)++;
		ret[column] = (uint16_t)value;
	}
	return 0;
}

int load_parse(const char *csv, const char *end, struct load *ret)
{
	const char *at = memchr(csv, '\n', (size_t)(end - csv));
	if (!at)
		return -EBADMSG;
	at++;
	for (int row = 0; row < LOAD_ROWS; row++)
		if (parse_row(&at, end, ret->permille[row]) < 0)
			return -EBADMSG;
	return at == end ? 0 : -EBADMSG;
}

int load_embedded(struct load *ret)
{
	return load_parse(sim_load_csv, sim_load_csv_end, ret);
}

double load_at(const struct load *l, unsigned column, int64_t wall_ms)
{
	const int64_t cycle_ms = (int64_t)LOAD_ROWS * LOAD_STEP_S * 1000;
	int64_t phase_ms = (wall_ms + 3 * 86400000ll) % cycle_ms; // the epoch began on a Thursday
	if (phase_ms < 0)
		phase_ms += cycle_ms;
	int64_t row = phase_ms / (LOAD_STEP_S * 1000);
	double share = (double)(phase_ms % (LOAD_STEP_S * 1000)) / (LOAD_STEP_S * 1000);
	double here = l->permille[row][column], next = l->permille[(row + 1) % LOAD_ROWS][column];
	return (here + (next - here) * share) / 1000.0;
}
