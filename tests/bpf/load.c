// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/load.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/text.h"

static void pin(int cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		perror("sched_setaffinity");
}

static void echo_until_closed(int in, int out)
{
	char byte;
	while (read(in, &byte, 1) == 1 && write(out, &byte, 1) == 1)
		continue;
	_exit(0);
}

int64_t load_pingpong(int cpu, uint64_t ns, uint64_t *ret_ns)
{
	int there[2], back[2];
	char byte = 0;
	cpu_set_t before;
	if (pipe2(there, O_CLOEXEC) < 0 || pipe2(back, O_CLOEXEC) < 0)
		return -errno;
	sched_getaffinity(0, sizeof(before), &before);
	pin(cpu);
	pid_t child = fork();
	if (child == 0) {
		close(there[1]);
		close(back[0]);
		echo_until_closed(there[0], back[1]);
	}
	close(there[0]);
	close(back[1]);
	uint64_t start = clock_mono_ns(), end = start;
	int64_t rounds = 0;
	while (end - start < ns) {
		for (int i = 0; i < 256; i++) {
			if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
				break;
			rounds++;
		}
		end = clock_mono_ns();
	}
	close(there[1]);
	close(back[0]);
	waitpid(child, NULL, 0);
	sched_setaffinity(0, sizeof(before), &before);
	*ret_ns = end - start;
	return 2 * rounds;
}

static void run_child(int cpu, bool spin, const char *const *cgroups)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = 0; cgroups && cgroups[i]; i++) {
		if (cgroup_enter(cgroups[i], 0) < 0)
			_exit(1);
	}
	if (cpu >= 0)
		pin(cpu);
	raise(SIGSTOP); // until load_go()
	for (;;) {
		for (volatile int i = 0; i < 100000; i++)
			; // work
		if (!spin)
			nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
}

int load_prepare(struct load *l, size_t n, int cpu, bool spin, const char *const *cgroups)
{
	siginfo_t info;
	l->n = 0;
	while (l->n < n && l->n < LOAD_MAX) {
		pid_t pid = fork();
		if (pid < 0)
			return -errno;
		if (pid == 0)
			run_child(cpu, spin, cgroups);
		l->pids[l->n++] = pid;
	}
	for (size_t i = 0; i < l->n; i++)
		waitid(P_PID, (id_t)l->pids[i], &info, WSTOPPED | WEXITED | WNOWAIT);
	return 0;
}

void load_go(struct load *l)
{
	for (size_t i = 0; i < l->n; i++)
		kill(l->pids[i], SIGCONT);
}

int load_start(struct load *l, size_t n, int cpu, bool spin, const char *const *cgroups)
{
	int r = load_prepare(l, n, cpu, spin, cgroups);
	if (r == 0)
		load_go(l);
	return r;
}

void load_kill(struct load *l)
{
	siginfo_t info;
	for (size_t i = 0; i < l->n; i++)
		kill(l->pids[i], SIGKILL);
	for (size_t i = 0; i < l->n; i++)
		waitid(P_PID, (id_t)l->pids[i], &info, WEXITED | WNOWAIT);
}

void load_stop(struct load *l)
{
	load_kill(l);
	for (size_t i = 0; i < l->n; i++)
		waitpid(l->pids[i], NULL, 0);
	l->n = 0;
}

static int read_file(const char *path, char *ret, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t n = read(fd, ret, size - 1);
	close(fd);
	if (n < 0)
		return -errno;
	ret[n] = '\0';
	return 0;
}

uint64_t load_schedstat(const struct load *l, int field)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < l->n; i++) {
		char path[64], text[128], *rest = text;
		snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)l->pids[i]);
		if (read_file(path, text, sizeof(text)) < 0)
			continue;
		uint64_t value = 0;
		for (int f = 0; f <= field; f++) {
			char *word = strsep(&rest, " \n");
			if (!word || text_to_u64(word, &value) < 0)
				value = 0;
		}
		sum += value;
	}
	return sum;
}

// Is word one of the comma-separated words of list?
static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);
	for (const char *at = list; (at = strstr(at, word)); at += len) {
		bool starts = at == list || at[-1] == ',';
		if (starts && (at[len] == '\0' || at[len] == ','))
			return true;
	}
	return false;
}

// Mount point of the v1 hierarchy of controller, or of v2 ("").
static int find_mount(const char *controller, char *ret)
{
	static char text[65536];
	int r = read_file("/proc/self/mounts", text, sizeof(text));
	char *rest = text, *line;
	while (r == 0 && (line = strsep(&rest, "\n"))) {
		strsep(&line, " ");
		char *where = strsep(&line, " "), *type = strsep(&line, " ");
		char *options = strsep(&line, " ");
		if (!options)
			continue;
		bool v2 = strcmp(type, "cgroup2") == 0, v1 = strcmp(type, "cgroup") == 0;
		if (*controller ? v1 && has_word(options, controller) : v2) {
			text_copy(ret, LOAD_PATH, where);
			return 0;
		}
	}
	return r < 0 ? r : -ENOENT;
}

int cgroup_make(const char *controller, const char *name, char ret[LOAD_PATH])
{
	char mount[LOAD_PATH - 128], enable[64];
	char found[LOAD_PATH];
	int r = find_mount(controller, found);
	if (r == -ENOENT && *controller) { // a pure v2 machine
		r = find_mount("", found);
		snprintf(enable, sizeof(enable), "+%s",
			strcmp(controller, "blkio") == 0 ? "io" : controller);
		if (r == 0 && strcmp(controller, "cpuacct") != 0)
			r = cgroup_write(found, "cgroup.subtree_control", enable);
	}
	if (r < 0)
		return r;
	text_copy(mount, sizeof(mount), found);
	snprintf(ret, LOAD_PATH, "%s/%.100s", mount, name);
	rmdir(ret); // what a broken test left behind, with whatever css id it had
	return mkdir(ret, 0755) < 0 ? -errno : 0;
}

int cgroup_write(const char *path, const char *file, const char *text)
{
	char full[LOAD_PATH + 64];
	snprintf(full, sizeof(full), "%s/%s", path, file);
	int fd = open(full, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t n = write(fd, text, strlen(text));
	int r = n < 0 ? -errno : 0;
	close(fd);
	return r;
}

int cgroup_enter(const char *path, pid_t pid)
{
	char text[32];
	snprintf(text, sizeof(text), "%d", (int)pid);
	return cgroup_write(path, "cgroup.procs", text);
}

int64_t cgroup_number(const char *path, const char *file, const char *key)
{
	char full[LOAD_PATH + 64], text[8192], *rest = text, *line;
	int64_t value;
	snprintf(full, sizeof(full), "%s/%s", path, file);
	int r = read_file(full, text, sizeof(text));
	while (r == 0 && (line = strsep(&rest, "\n"))) {
		char *word = key ? strsep(&line, " ") : NULL;
		if (key && strcmp(word, key) != 0)
			continue;
		return line && text_to_i64(line, &value) == 0 ? value : -EBADMSG;
	}
	return r < 0 ? r : -ENOENT;
}

void cgroup_remove(const char *path)
{
	for (int i = 0; i < 100 && rmdir(path) < 0 && errno == EBUSY; i++)
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
}

uint64_t cgroup_inode(const char *path)
{
	struct stat st;
	return stat(path, &st) < 0 ? 0 : st.st_ino;
}

enum { DISK_BYTES = 8 << 20, BLOCK_BYTES = 4096 };

int disk_open(struct disk *d, const char *folder)
{
	char path[LOAD_PATH];
	snprintf(path, sizeof(path), "%s/petrel-disk-XXXXXX", folder);
	*d = (struct disk){.fd = mkostemp(path, O_DIRECT | O_CLOEXEC)};
	if (d->fd < 0)
		return -errno;
	unlink(path);
	int r = -posix_memalign(&d->block, BLOCK_BYTES, BLOCK_BYTES);
	if (r == 0)
		memset(d->block, 7, BLOCK_BYTES);
	for (off_t at = 0; r == 0 && at < DISK_BYTES; at += BLOCK_BYTES) {
		if (pwrite(d->fd, d->block, BLOCK_BYTES, at) != BLOCK_BYTES)
			r = -errno;
	}
	if (r == 0 && fsync(d->fd) < 0)
		r = -errno;
	if (r < 0)
		disk_close(d);
	return r;
}

int disk_run(struct disk *d, unsigned ios)
{
	for (unsigned i = 0; i < ios; i++) {
		off_t at = (off_t)(i * 7919u % (DISK_BYTES / BLOCK_BYTES)) * BLOCK_BYTES;
		ssize_t n = i % 2 ? pwrite(d->fd, d->block, BLOCK_BYTES, at)
				  : pread(d->fd, d->block, BLOCK_BYTES, at);
		if (n != BLOCK_BYTES)
			return n < 0 ? -errno : -EIO;
		d->bytes += BLOCK_BYTES;
	}
	return 0;
}

void disk_close(struct disk *d)
{
	close(d->fd);
	free(d->block);
}

static int add_counts(const char *disk, struct disk_counts *sum)
{
	char path[320], text[512], *rest = text;
	uint64_t field[17] = {0};
	snprintf(path, sizeof(path), "/sys/block/%.250s/mq", disk);
	if (access(path, F_OK) < 0)
		return 0;
	snprintf(path, sizeof(path), "/sys/block/%.250s/stat", disk);
	int r = read_file(path, text, sizeof(text));
	if (r < 0)
		return r;
	for (int n = 0; n < 17 && rest;) {
		char *word = strsep(&rest, " \n");
		if (*word && text_to_u64(word, &field[n]) == 0)
			n++;
	}
	sum->reads += field[0];
	sum->read_bytes += field[2] * 512;
	sum->writes += field[4];
	sum->write_bytes += field[6] * 512;
	sum->discards += field[11];
	return 1;
}

int disk_counts_all(struct disk_counts *ret)
{
	struct dirent *entry;
	int n = 0;
	*ret = (struct disk_counts){0};
	DIR *dir = opendir("/sys/block");
	if (!dir)
		return -errno;
	while ((entry = readdir(dir)))
		n += entry->d_name[0] != '.' && add_counts(entry->d_name, ret) > 0;
	closedir(dir);
	return n ? 0 : -ENOENT;
}

void load_skip(const char *reason)
{
	printf("SKIPPED: %s\n", reason);
	exit(77);
}

void load_need_root(void)
{
	if (geteuid() != 0)
		load_skip("not root");
	if (access("/sys/kernel/btf/vmlinux", R_OK) < 0)
		load_skip("the kernel has no BTF");
}
