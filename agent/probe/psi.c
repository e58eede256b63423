// SPDX-License-Identifier: Apache-2.0
#include "agent/probe/psi.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int psi_open(const char *path, bool full, uint32_t stall_ms, uint32_t window_ms)
{
	char text[64];
	if (window_ms == 0 || window_ms % PSI_WINDOW_UNIT_MS != 0 || stall_ms == 0 ||
		stall_ms >= window_ms)
		return -EINVAL;
	int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	snprintf(text, sizeof(text), "%s %llu %llu", full ? "full" : "some", stall_ms * 1000ull,
		window_ms * 1000ull);
	if (write(fd, text, strlen(text) + 1) < 0) { // the kernel wants the NUL
		int r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

int psi_event(int revents)
{
	if (revents & (POLLERR | POLLNVAL | POLLHUP))
		return -ENODEV;
	return revents & POLLPRI ? 1 : 0;
}

void psi_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}
