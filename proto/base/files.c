// SPDX-License-Identifier: Apache-2.0
#include "proto/base/files.h"

#include <sys/resource.h>

uint64_t files_limit(void)
{
	struct rlimit l;
	return getrlimit(RLIMIT_NOFILE, &l) < 0 ? 0 : l.rlim_cur;
}

uint64_t files_raise(void)
{
	struct rlimit l;
	if (getrlimit(RLIMIT_NOFILE, &l) < 0)
		return 0;
	l.rlim_cur = l.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &l); // refused: the old limit is in force
	return files_limit();
}
