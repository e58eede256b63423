// SPDX-License-Identifier: Apache-2.0
#include "tests/fault/imds_rounds/virtual_clock.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const int64_t wall_at_zero_ms = 1795000000000; // some day in 2026

static uint64_t now_ns = 1000000000000;
static uint64_t jumps;

uint64_t virtual_mono_ns(void)
{
	return now_ns;
}

int64_t virtual_wall_ms(void)
{
	return wall_at_zero_ms + (int64_t)(now_ns / 1000000);
}

uint64_t virtual_jumps(void)
{
	return jumps;
}

int clock_gettime(clockid_t clock, struct timespec *ret)
{
	if (clock != CLOCK_MONOTONIC && clock != CLOCK_MONOTONIC_COARSE)
		return (int)syscall(SYS_clock_gettime, clock, ret);
	ret->tv_sec = (time_t)(now_ns / 1000000000);
	ret->tv_nsec = (long)(now_ns % 1000000000);
	return 0;
}

static int look(int fd, struct epoll_event *events, int max, const sigset_t *mask)
{
	return (int)syscall(SYS_epoll_pwait, fd, events, max, 0, mask, _NSIG / 8);
}

int epoll_pwait(int fd, struct epoll_event *events, int max, int timeout_ms, const sigset_t *mask)
{
	int n = look(fd, events, max, mask);
	if (n == 0 && timeout_ms != 0) // the kernel may still be delivering
		n = look(fd, events, max, mask);
	if (n != 0 || timeout_ms == 0) {
		now_ns += VIRTUAL_LOOK_NS;
		return n;
	}
	if (timeout_ms < 0) // no timer at all: only a signal can end this
		return (int)syscall(SYS_epoll_pwait, fd, events, max, -1, mask, _NSIG / 8);
	jumps++;
	now_ns += (uint64_t)timeout_ms * 1000000;
	return 0;
}

int epoll_wait(int fd, struct epoll_event *events, int max, int timeout_ms)
{
	return epoll_pwait(fd, events, max, timeout_ms, NULL);
}
