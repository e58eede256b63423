// SPDX-License-Identifier: Apache-2.0
// Preloaded into a program: its wall clock is wrong by as many seconds as the file that
// PETREL_WRONG_CLOCK names says (a text number; written anew, it takes effect at once). The
// monotonic clock stays what it is, as on a machine whose clock is set.
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const char *shown; // the file, mapped; NULL: not there

__attribute__((constructor)) static void map(void)
{
	const char *path = getenv("PETREL_WRONG_CLOCK");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *at = fd < 0 ? MAP_FAILED : mmap(NULL, 32, PROT_READ, MAP_SHARED, fd, 0);
	if (fd >= 0)
		close(fd);
	shown = at == MAP_FAILED ? NULL : at;
}

static long wrong_s(void)
{
	long s = 0;
	const char *p = shown;
	for (p += p && *p == '-'; p && *p >= '0' && *p <= '9'; p++)
		s = s * 10 + (*p - '0');
	return shown && *shown == '-' ? -s : s;
}

int clock_gettime(clockid_t id, struct timespec *ret)
{
	static int (*own)(clockid_t, struct timespec *);
	if (!own)
		*(void **)&own = dlsym(RTLD_NEXT, "clock_gettime");
	int r = own(id, ret);
	if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)
		ret->tv_sec += wrong_s();
	return r;
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	*ret = (struct timeval){ts.tv_sec, ts.tv_nsec / 1000};
	return 0;
}

time_t time(time_t *ret)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	if (ret)
		*ret = ts.tv_sec;
	return ts.tv_sec;
}
