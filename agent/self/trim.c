// SPDX-License-Identifier: Apache-2.0
#include "agent/self/trim.h"

#include <link.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

enum { OWN_MAPPING_BYTES = 64 << 10 };

void trim_settings(void)
{
	mallopt(M_MMAP_THRESHOLD, OWN_MAPPING_BYTES);
	mallopt(M_ARENA_MAX, 1);
}

static int drop_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	size_t *total = arg;
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		if (p->p_type != PT_LOAD || p->p_flags & PF_W)
			continue;
		// whole pages inside the segment only
		uintptr_t from = (info->dlpi_addr + p->p_vaddr + page - 1) & ~(page - 1);
		uintptr_t to = (info->dlpi_addr + p->p_vaddr + p->p_filesz) & ~(page - 1);
		if (from < to && madvise((void *)from, to - from, MADV_DONTNEED) == 0)
			*total += to - from;
	}
	return 0;
}

size_t trim_memory(void)
{
	size_t total = 0;
	malloc_trim(0);
	dl_iterate_phdr(drop_object, &total);
	return total;
}
