// SPDX-License-Identifier: Apache-2.0
// An open-loop load of known size: every period each thread gets a fixed piece of work; what is not
// done at the end of its period is dropped, so the load offers the same whatever it is given.
//
//	share-load THREADS WORK_US PERIOD_US SECONDS
//
// Prints one JSON object: CPU time offered, used and dropped, in ns. Work is CPU time, measured by
// the thread's own clock from its start on, the overhead of the loop included: it never uses more
// than it offers.
#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <time.h>

enum { MAX_THREADS = 64 };

struct load {
	uint64_t work_ns, period_ns, seconds;
	uint64_t start_ns;
	uint64_t offered_ns, used_ns, dropped_ns; // results
};

static uint64_t cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void sleep_until(uint64_t ns)
{
	const struct timespec t = {
		.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void *run(void *arg)
{
	struct load *l = arg;
	prctl(PR_SET_TIMERSLACK, 1);
	uint64_t first = cpu_ns(), due = 0, used = 0;
	uint64_t periods = l->seconds * 1000000000 / l->period_ns;
	for (uint64_t k = 0; k < periods; k++) {
		uint64_t end = l->start_ns + (k + 1) * l->period_ns;
		due += l->work_ns;
		while ((used = cpu_ns() - first) < due && clock_mono_ns() < end)
			for (volatile int i = 0; i < 2000; i++)
				;
		if (used < due) {
			l->dropped_ns += due - used;
			due = used;
		}
		sleep_until(end);
	}
	l->offered_ns = periods * l->work_ns;
	l->used_ns = cpu_ns() - first;
	return NULL;
}

int main(int argc, char **argv)
{
	uint64_t v[4];
	for (int i = 0; i < 4; i++) {
		if (argc != 5 || text_to_u64(argv[i + 1], &v[i]) < 0 || v[i] == 0) {
			fprintf(stderr, "usage: share-load THREADS WORK_US PERIOD_US SECONDS\n");
			return 2;
		}
	}
	static struct load loads[MAX_THREADS];
	static pthread_t threads[MAX_THREADS];
	uint64_t n = v[0] > MAX_THREADS ? MAX_THREADS : v[0], start = clock_mono_ns() + 10000000;
	struct load sum = {0};
	for (uint64_t i = 0; i < n; i++) {
		loads[i] = (struct load){.work_ns = v[1] * 1000,
			.period_ns = v[2] * 1000,
			.seconds = v[3],
			.start_ns = start};
		if (pthread_create(&threads[i], NULL, run, &loads[i]) != 0)
			return 1;
	}
	for (uint64_t i = 0; i < n; i++) {
		pthread_join(threads[i], NULL);
		sum.offered_ns += loads[i].offered_ns;
		sum.used_ns += loads[i].used_ns;
		sum.dropped_ns += loads[i].dropped_ns;
	}
	printf("{\"offered_ns\":%llu,\"used_ns\":%llu,\"dropped_ns\":%llu}\n",
		(unsigned long long)sum.offered_ns, (unsigned long long)sum.used_ns,
		(unsigned long long)sum.dropped_ns);
	return 0;
}
