// SPDX-License-Identifier: Apache-2.0
#include "agent/self/cost.h"

#include "proto/base/text.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static uint64_t to_ns(struct timeval t)
{
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_usec * 1000;
}

// "size resident shared …", in pages.
static uint64_t resident_bytes(int statm)
{
	char text[128];
	ssize_t n = statm < 0 ? -1 : pread(statm, text, sizeof(text) - 1, 0);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	char *resident = strchr(text, ' ');
	if (!resident)
		return 0;
	resident++;
	resident[strcspn(resident, " \n")] = '\0';
	uint64_t pages;
	if (text_to_u64(resident, &pages) < 0)
		return 0;
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

int cost_read(int statm, struct cost *ret)
{
	struct rusage u;
	if (getrusage(RUSAGE_SELF, &u) < 0)
		return -errno;
	*ret = (struct cost){.cpu_ns = to_ns(u.ru_utime) + to_ns(u.ru_stime),
		.rss_bytes = resident_bytes(statm),
		.wakeups = (uint64_t)u.ru_nvcsw};
	return 0;
}

void budget_init(struct budget *b, uint64_t permille, int most_steps)
{
	*b = (struct budget){.permille = permille, .most_steps = most_steps};
}

int budget_add(struct budget *b, uint64_t cpu_ns, uint64_t elapsed_ns)
{
	b->window_ns += elapsed_ns;
	b->window_cpu_ns += cpu_ns;
	if (b->window_ns < COST_PATIENCE_NS)
		return 0;
	double used = (double)b->window_cpu_ns * 1000 / (double)b->window_ns;
	uint64_t window_ns = b->window_ns;
	b->window_ns = b->window_cpu_ns = 0;
	if (used > (double)b->permille) {
		b->calm_ns = 0;
		if (b->step == b->most_steps)
			return 0;
		b->step++;
		return 1;
	}
	b->calm_ns = used * 2 < (double)b->permille ? b->calm_ns + window_ns : 0;
	if (b->step == 0 || b->calm_ns < 10 * COST_PATIENCE_NS)
		return 0;
	b->calm_ns = 0;
	b->step--;
	return -1;
}
