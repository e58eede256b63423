// SPDX-License-Identifier: Apache-2.0
// Preloaded into a program, counts its allocations in the file named by COUNT_MALLOC (one
// uint64_t), where a benchmark reads them while it runs. glibc's own entry points do the work.
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);

static _Atomic uint64_t before_open;
static _Atomic uint64_t *count = &before_open;

__attribute__((constructor)) static void open_count(void)
{
	const char *name = getenv("COUNT_MALLOC");
	int fd = name ? open(name, O_RDWR | O_CLOEXEC) : -1;
	void *p = fd < 0 ? MAP_FAILED
			 : mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd >= 0)
		close(fd);
	if (p != MAP_FAILED)
		count = p;
}

void *malloc(size_t size)
{
	atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
	return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
	return __libc_realloc(p, size);
}
