// SPDX-License-Identifier: Apache-2.0
#include "agent/proc/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int kept_open(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

ssize_t kept_read(int fd, char *text, size_t size, bool one_piece)
{
	size_t len = 0;
	for (;;) {
		ssize_t n = pread(fd, text + len, size - 1 - len, (off_t)len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		len += (size_t)n;
		text[len] = '\0';
		if (len == size - 1)
			return -E2BIG;
		if (n == 0 || one_piece)
			return (ssize_t)len;
	}
}

ssize_t kept_read_once(int dir, const char *name, char *text, size_t size)
{
	int fd = kept_open(dir, name);
	if (fd < 0)
		return fd;
	ssize_t n = kept_read(fd, text, size, false);
	close(fd);
	return n;
}
