// SPDX-License-Identifier: Apache-2.0
// process_*: what Prometheus clients say about themselves.
#include "aggregator/show/metrics.h"

#include "proto/base/text.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static double open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	if (!dir)
		return NAN;
	int n = -3; // ".", "..", and the directory's own
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

// Second field of /proc/self/statm, in bytes.
static double resident_bytes(void)
{
	char line[128] = "";
	FILE *f = fopen("/proc/self/statm", "re");
	if (!f)
		return NAN;
	char *got = fgets(line, sizeof(line), f);
	fclose(f);
	char *pages = got ? strchr(line, ' ') : NULL;
	if (!pages)
		return NAN;
	pages++;
	pages[strcspn(pages, " ")] = '\0';
	uint64_t n;
	return text_to_u64(pages, &n) < 0 ? NAN : (double)n * (double)sysconf(_SC_PAGESIZE);
}

static double seconds(const struct timeval *t)
{
	return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

void metrics_process(int64_t started_ms, struct prom *p)
{
	struct rusage u;
	struct rlimit fds;
	if (getrusage(RUSAGE_SELF, &u) == 0)
		prom_single(p, "process_cpu_seconds_total", "counter", "CPU time of this process.",
			seconds(&u.ru_utime) + seconds(&u.ru_stime));
	prom_single(
		p, "process_resident_memory_bytes", "gauge", "Resident memory.", resident_bytes());
	prom_single(p, "process_open_fds", "gauge", "Open file descriptors.", open_fds());
	if (getrlimit(RLIMIT_NOFILE, &fds) == 0)
		prom_single(p, "process_max_fds", "gauge", "Most file descriptors.",
			fds.rlim_cur == RLIM_INFINITY ? INFINITY : (double)fds.rlim_cur);
	prom_single(p, "process_start_time_seconds", "gauge", "When this process started.",
		(double)started_ms / 1000);
}
