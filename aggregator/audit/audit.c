// SPDX-License-Identifier: Apache-2.0
#include "aggregator/audit/audit.h"

#include <cjson/cJSON.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aggregator/audit/head.h"
#include "aggregator/audit/key.h"
#include "aggregator/audit/line.h"
#include "proto/base/text.h"

enum {
	TAIL_MAX_BYTES = 4 << 20,
	BATCH_MAX_BYTES = 2 * AUDIT_LINE_MAX_BYTES,
	CHECKPOINT_LINES = 256,
	CHECKPOINT_MS = 60000,
	ROOM_BYTES = 64 << 10,
};

struct audit {
	struct audit_options o;
	char *path;
	int fd;
	off_t size;             // of whole lines
	struct audit_head last; // line
	uint64_t checkpoint_seq;
	int64_t checkpoint_ms;
	EVP_PKEY *key;
	bool failed;
	struct buf lines; // of one append
	size_t torn;      // bytes of an unfinished line that was cut off and is still to be told of
	uint64_t gap;     // lines that could not be written since gap_ms, and why
	int64_t gap_ms;
	int gap_error;
	uint64_t lost; // all such lines
};

static int fail(struct audit *a, struct why *why, int error, const char *what)
{
	a->failed = true;
	return why_set(why, error, WHY_RETRY, "%s: %s: %s", a->path, what, strerror(-error));
}

// Writes all of it at the end of the whole lines; what was written of it before an error is cut
// off again.
static int write_lines(struct audit *a, struct why *why)
{
	size_t done = 0;
	while (done < a->lines.len) {
		ssize_t n = pwrite(
			a->fd, a->lines.data + done, a->lines.len - done, a->size + (off_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			int error = n < 0 ? -errno : -EIO;
			if (ftruncate(a->fd, a->size) < 0)
				return fail(a, why, error, "write (and cutting it off)");
			return fail(a, why, error, "write");
		}
		done += (size_t)n;
	}
	if (fdatasync(a->fd) < 0) {
		int error = -errno;
		if (ftruncate(a->fd, a->size) < 0)
			return fail(a, why, error, "fsync (and cutting it off)");
		return fail(a, why, error, "fsync");
	}
	return 0;
}

// After a failure a line that happens to fit is no sign of room, and the state would flap: enough
// for many lines must be had, and is kept for them.
static int has_room(struct audit *a, struct why *why)
{
	if (!a->failed || fallocate(a->fd, FALLOC_FL_KEEP_SIZE, a->size, ROOM_BYTES) == 0 ||
		errno == EOPNOTSUPP || errno == ENOSYS)
		return 0;
	return fail(a, why, -errno, "making room");
}

static int print_line(struct audit *a, const struct audit_entry *e, struct audit_head *last)
{
	struct audit_entry numbered = *e;
	char prev[AUDIT_HASH_TEXT];
	memcpy(prev, last->hash, sizeof(prev));
	numbered.seq = ++last->seq;
	numbered.ts_ms = a->o.wall_ms();
	return audit_line_print(&a->lines, &numbered, prev, last->hash);
}

// What the file has to say of itself before anything else.
static int print_excuses(struct audit *a, struct audit_head *last)
{
	char json[192];
	struct audit_entry e = {.cluster = "", .id = "", .json = json};
	int r = 0;
	if (a->torn) {
		e.kind = "recovered";
		snprintf(json, sizeof(json), "{\"torn_bytes\":%zu}", a->torn);
		r = print_line(a, &e, last);
	}
	if (r == 0 && a->gap) {
		e.kind = "gap";
		snprintf(json, sizeof(json),
			"{\"lost\":%llu,\"since_ms\":%lld,\"error\":\"%.80s\"}",
			(unsigned long long)a->gap, (long long)a->gap_ms, strerror(a->gap_error));
		r = print_line(a, &e, last);
	}
	return r;
}

static int append(struct audit *a, const struct audit_entry *entries, size_t n, struct why *why)
{
	struct audit_head last = a->last;
	buf_reset(&a->lines);
	int failed = print_excuses(a, &last);
	for (size_t i = 0; i < n && !failed; i++)
		failed = print_line(a, &entries[i], &last);
	if (failed)
		return why_set(why, failed, WHY_BUG, "%s: entries too large", a->path);
	failed = has_room(a, why);
	if (!failed)
		failed = write_lines(a, why);
	if (failed)
		return failed;
	a->size += (off_t)a->lines.len;
	a->last = last;
	a->failed = false;
	a->torn = 0;
	a->gap = 0;
	return 0;
}

static void lose(struct audit *a, size_t n, int error)
{
	if (a->gap == 0)
		a->gap_ms = a->o.wall_ms();
	a->gap += n;
	a->gap_error = -error;
	a->lost += n;
}

static int checkpoint(struct audit *a, struct why *why)
{
	struct buf body;
	buf_init(&body, 1024);
	int r = audit_head_print(&body, a->key, "checkpoint", &a->last);
	const struct audit_entry e = {
		.kind = "checkpoint", .cluster = "", .id = "", .json = body.data};
	r = r < 0 ? why_set(why, r, WHY_BUG, "%s: cannot sign", a->path) : append(a, &e, 1, why);
	buf_done(&body);
	if (r == 0) {
		a->checkpoint_seq = a->last.seq;
		a->checkpoint_ms = a->o.wall_ms();
	}
	return r;
}

static int open_file(struct audit *a, int flags, struct why *why)
{
	a->fd = open(a->path, O_RDWR | O_CREAT | O_CLOEXEC | flags, 0640);
	if (a->fd < 0)
		return why_set(why, -errno, WHY_DENIED, "%s: %s", a->path, strerror(errno));
	if (flock(a->fd, LOCK_EX | LOCK_NB) < 0)
		return why_set(why, -EBUSY, WHY_DENIED, "%s: another process writes it", a->path);
	return 0;
}

// Moves the file away; the chain goes on in a new one. Without a new one all stays as it is.
static void rotate(struct audit *a)
{
	char away[4096];
	int old = a->fd;
	if (snprintf(away, sizeof(away), "%s.%llu", a->path, (unsigned long long)a->last.seq) >=
			(int)sizeof(away) ||
		rename(a->path, away) < 0)
		return;
	if (open_file(a, O_EXCL, NULL) < 0) {
		if (a->fd >= 0)
			close(a->fd);
		a->fd = old;
		rename(away, a->path);
		return;
	}
	close(old);
	a->size = 0;
}

// What follows an append: none of it can make the lines undone that are on the disk.
static void after_append(struct audit *a)
{
	bool full = a->o.max_bytes > 0 && (uint64_t)a->size >= a->o.max_bytes;
	int64_t since_ms = a->o.wall_ms() - a->checkpoint_ms;
	if (a->key && (full || a->last.seq - a->checkpoint_seq >= CHECKPOINT_LINES ||
			      since_ms >= CHECKPOINT_MS || since_ms < 0))
		checkpoint(a, NULL);
	if (full)
		rotate(a);
	if (a->key)
		audit_head_write(a->path, a->key, &a->last);
}

static bool is_json(const char *text, size_t len)
{
	cJSON *tree = cJSON_ParseWithLengthOpts(text, len + 1, NULL, true);
	cJSON_Delete(tree);
	return tree;
}

static int check_entry(const struct audit_entry *e, struct why *why)
{
	size_t len = strlen(e->json);
	if (!*e->kind || strlen(e->kind) > AUDIT_MAX_NAME_BYTES ||
		strlen(e->cluster) > AUDIT_MAX_NAME_BYTES || strlen(e->id) > AUDIT_MAX_NAME_BYTES ||
		len > AUDIT_MAX_BODY_BYTES)
		return why_set(why, -E2BIG, WHY_BUG, "audit: an entry over its limits");
	if (!is_json(e->json, len))
		return why_set(
			why, -EINVAL, WHY_BUG, "audit: the body of \"%.32s\" is not JSON", e->kind);
	return 0;
}

int audit_append_all(struct audit *a, const struct audit_entry *entries, size_t n, struct why *why)
{
	for (size_t i = 0; i < n; i++) {
		int failed = check_entry(&entries[i], why);
		if (failed)
			return failed;
	}
	int failed = n > 0 ? append(a, entries, n, why) : 0;
	if (!failed && n > 0)
		after_append(a);
	else if (a->failed)
		lose(a, n, failed);
	return failed;
}

void audit_mend(struct audit *a)
{
	if (a->failed && append(a, NULL, 0, NULL) == 0)
		after_append(a);
}

uint64_t audit_lost(const struct audit *a)
{
	return a->lost;
}

int audit_append(struct audit *a, const struct audit_entry *e, struct why *why)
{
	return audit_append_all(a, e, 1, why);
}

bool audit_ok(const struct audit *a)
{
	return !a->failed;
}

uint64_t audit_seq(const struct audit *a)
{
	return a->last.seq;
}

// The last bytes of a file, at most max, into a new buffer.
static int read_end(int fd, off_t size, size_t max, char **ret, size_t *ret_len)
{
	size_t len = size < (off_t)max ? (size_t)size : max, done = 0;
	char *data = malloc(len + 1);
	if (!data)
		return -ENOMEM;
	while (done < len) {
		ssize_t n = pread(fd, data + done, len - done, size - (off_t)(len - done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			free(data);
			return n < 0 ? -errno : -EIO;
		}
		done += (size_t)n;
	}
	data[len] = 0;
	*ret = data;
	*ret_len = len;
	return 0;
}

// Number and hash of the last whole line of a file, and how many bytes stand after it.
static int read_last(int fd, off_t size, struct audit_head *ret, size_t *ret_torn)
{
	char *end = NULL;
	size_t len;
	int failed = read_end(fd, size, AUDIT_LINE_MAX_BYTES * 2, &end, &len);
	if (failed)
		return failed;
	char *newline = memrchr(end, '\n', len);
	if (newline) {
		char *before = memrchr(end, '\n', (size_t)(newline - end));
		char *start = before ? before + 1 : end;
		struct audit_entry e;
		struct audit_proof proof;
		*newline = 0;
		failed = audit_line_parse(start, (size_t)(newline - start), &e, &proof);
		if (!failed) {
			ret->seq = e.seq;
			memcpy(ret->hash, proof.hash, sizeof(ret->hash));
			audit_line_done(&proof);
		}
	} else if (len == AUDIT_LINE_MAX_BYTES * 2) {
		failed = -EBADMSG;
	}
	*ret_torn = newline ? len - (size_t)(newline + 1 - end) : len;
	free(end);
	return failed;
}

// Cut off now, told of in the next append: that of this moment may find no room.
static int recovered(struct audit *a, size_t torn, struct why *why)
{
	if (ftruncate(a->fd, a->size) < 0)
		return fail(a, why, -errno, "cutting an unfinished line off");
	a->torn = torn;
	a->failed = true;
	audit_mend(a);
	return 0;
}

// The newest file that was moved away: the highest number after PATH. in its directory.
static void find_moved(const char *path, char *ret, size_t room)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;
	char *dir = slash ? strndup(path, (size_t)(slash + 1 - path)) : strdup(".");
	DIR *d = dir ? opendir(dir) : NULL;
	uint64_t newest = 0, seq;
	size_t len = strlen(base);
	*ret = '\0';
	for (struct dirent *e; d && (e = readdir(d));)
		if (strncmp(e->d_name, base, len) == 0 && e->d_name[len] == '.' &&
			text_to_u64(e->d_name + len + 1, &seq) == 0 && seq > newest)
			newest = seq;
	if (newest > 0)
		snprintf(ret, room, "%s.%llu", path, (unsigned long long)newest);
	if (d)
		closedir(d);
	free(dir);
}

// An empty file goes on where the one that was moved away ends; without such a one it begins.
static int resume_after_move(struct audit *a, struct why *why)
{
	char moved[4096];
	struct stat st;
	size_t torn = 0;
	find_moved(a->path, moved, sizeof(moved));
	if (!*moved)
		return 0;
	int fd = open(moved, O_RDONLY | O_CLOEXEC);
	int failed =
		fd < 0 || fstat(fd, &st) < 0 ? -errno : read_last(fd, st.st_size, &a->last, &torn);
	if (fd >= 0)
		close(fd);
	return failed ? why_set(why, failed, WHY_DENIED,
				"%s: cannot read where the chain ended: %s", moved,
				strerror(-failed))
		      : 0;
}

// Finds the last whole line and takes sequence and hash from it.
static int resume(struct audit *a, struct why *why)
{
	struct stat st;
	size_t torn;
	if (fstat(a->fd, &st) < 0)
		return fail(a, why, -errno, "fstat");
	memset(a->last.hash, '0', AUDIT_HASH_TEXT - 1);
	if (st.st_size == 0)
		return resume_after_move(a, why);
	int failed = read_last(a->fd, st.st_size, &a->last, &torn);
	if (failed == -EBADMSG)
		return why_set(why, -EBADMSG, WHY_DENIED,
			"%s: its last line is not one of ours, or was changed: look at it, move it "
			"away",
			a->path);
	if (failed)
		return fail(a, why, failed, "read");
	a->size = st.st_size - (off_t)torn;
	return torn ? recovered(a, torn, why) : 0;
}

int audit_open(struct audit **ret, const struct audit_options *o, struct why *why)
{
	struct audit *a = calloc(1, sizeof(*a));
	if (!a)
		return why_set(why, -ENOMEM, WHY_RETRY, "audit: no memory");
	a->o = *o;
	a->fd = -1;
	a->path = strdup(o->path);
	buf_init(&a->lines, BATCH_MAX_BYTES);
	int failed = a->path ? open_file(a, 0, why)
			     : why_set(why, -ENOMEM, WHY_RETRY, "audit: no memory");
	if (!failed && o->key_path)
		failed = audit_key_open(o->key_path, &a->key, why);
	if (!failed)
		failed = resume(a, why);
	if (failed) {
		audit_close(a);
		return failed;
	}
	a->checkpoint_seq = a->last.seq;
	a->checkpoint_ms = o->wall_ms();
	*ret = a;
	return 0;
}

void audit_close(struct audit *a)
{
	if (!a)
		return;
	if (a->fd >= 0)
		close(a->fd);
	EVP_PKEY_free(a->key);
	buf_done(&a->lines);
	free(a->path);
	free(a);
}

int audit_tail(struct audit *a, size_t limit,
	int (*on_entry)(void *arg, const struct audit_entry *e), void *arg)
{
	char *end;
	size_t len;
	int result = read_end(a->fd, a->size, TAIL_MAX_BYTES, &end, &len);
	if (result < 0)
		return result;
	while (len > 0 && limit > 0 && result == 0) {
		end[--len] = 0; // the newline
		char *before = memrchr(end, '\n', len);
		char *start = before ? before + 1 : end;
		struct audit_entry e;
		struct audit_proof proof;
		if (audit_line_parse(start, len - (size_t)(start - end), &e, &proof) < 0)
			break; // where the window cut a line, or someone changed the file
		result = on_entry(arg, &e);
		audit_line_done(&proof);
		len = (size_t)(start - end);
		limit--;
	}
	free(end);
	return result;
}
