// SPDX-License-Identifier: Apache-2.0
// A folder in /tmp that plays /proc, /sys or cgroupfs.
#pragma once

#include <assert.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct folder {
	char path[64];
};

static inline void folder_make(struct folder *f)
{
	snprintf(f->path, sizeof(f->path), "/tmp/petrel-test-XXXXXX");
	assert(mkdtemp(f->path));
}

static inline const char *folder_at(const struct folder *f, const char *name)
{
	static char path[4096];
	snprintf(path, sizeof(path), "%s/%s", f->path, name);
	return path;
}

// Makes the directories on the way, too.
static inline void folder_dir(const struct folder *f, const char *name)
{
	char path[4096 + 128];
	snprintf(path, sizeof(path), "%s/%s/", f->path, name);
	for (char *slash = path + strlen(f->path) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(path, 0755);
		*slash = '/';
	}
}

static inline void folder_write(const struct folder *f, const char *name, const char *text)
{
	char dir[2048];
	snprintf(dir, sizeof(dir), "%s", name);
	char *slash = strrchr(dir, '/');
	if (slash) {
		*slash = '\0';
		folder_dir(f, dir);
	}
	FILE *file = fopen(folder_at(f, name), "w");
	assert(file && fputs(text, file) >= 0);
	fclose(file);
}

static inline int folder_remove_one(
	const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static inline void folder_remove(const struct folder *f)
{
	nftw(f->path, folder_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
