// SPDX-License-Identifier: Apache-2.0
#include "aggregator/audit/audit.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aggregator/audit/line.h"

enum { TAIL_MAX_BYTES = 4 << 20 };

struct audit {
	struct audit_options o;
	char *path;
	int fd;
	off_t size; // of whole lines
	uint64_t seq;
	char hash[AUDIT_HASH_TEXT]; // of the last line
	bool failed;
	struct buf line;
};

static int fail(struct audit *a, struct why *why, int error, const char *what)
{
	a->failed = true;
	return why_set(why, error, WHY_RETRY, "%s: %s: %s", a->path, what, strerror(-error));
}

// Writes all of it at the end of the whole lines; what was written of it before an error is cut
// off again.
static int write_line(struct audit *a, struct why *why)
{
	size_t done = 0;
	while (done < a->line.len) {
		ssize_t n = pwrite(
			a->fd, a->line.data + done, a->line.len - done, a->size + (off_t)done);
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

static int append(struct audit *a, const struct audit_entry *e, struct why *why)
{
	struct audit_entry numbered = *e;
	char hash[AUDIT_HASH_TEXT];
	numbered.seq = a->seq + 1;
	numbered.ts_ms = a->o.wall_ms();
	buf_reset(&a->line);
	int failed = audit_line_print(&a->line, &numbered, a->hash, hash);
	if (failed)
		return why_set(why, failed, WHY_BUG, "%s: an entry too large", a->path);
	failed = write_line(a, why);
	if (failed)
		return failed;
	a->size += (off_t)a->line.len;
	a->seq++;
	memcpy(a->hash, hash, sizeof(hash));
	a->failed = false;
	return 0;
}

static bool is_json(const char *text, size_t len)
{
	cJSON *tree = cJSON_ParseWithLengthOpts(text, len + 1, NULL, true);
	cJSON_Delete(tree);
	return tree;
}

int audit_append(struct audit *a, const struct audit_entry *e, struct why *why)
{
	size_t len = strlen(e->json);
	if (!*e->kind || strlen(e->kind) > AUDIT_MAX_NAME_BYTES ||
		strlen(e->cluster) > AUDIT_MAX_NAME_BYTES || strlen(e->id) > AUDIT_MAX_NAME_BYTES ||
		len > AUDIT_MAX_BODY_BYTES)
		return why_set(why, -E2BIG, WHY_BUG, "audit: an entry over its limits");
	if (!is_json(e->json, len))
		return why_set(
			why, -EINVAL, WHY_BUG, "audit: the body of \"%.32s\" is not JSON", e->kind);
	return append(a, e, why);
}

bool audit_ok(const struct audit *a)
{
	return !a->failed;
}

uint64_t audit_seq(const struct audit *a)
{
	return a->seq;
}

// The last bytes of the file, at most max, into a new buffer.
static int read_end(struct audit *a, off_t size, size_t max, char **ret, size_t *ret_len)
{
	size_t len = size < (off_t)max ? (size_t)size : max, done = 0;
	char *data = malloc(len + 1);
	if (!data)
		return -ENOMEM;
	while (done < len) {
		ssize_t n = pread(a->fd, data + done, len - done, size - (off_t)(len - done));
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

static int recovered(struct audit *a, size_t torn, struct why *why)
{
	char body[64];
	struct buf b;
	buf_init(&b, sizeof(body));
	buf_printf(&b, "{\"torn_bytes\":%zu}", torn);
	if (ftruncate(a->fd, a->size) < 0) {
		buf_done(&b);
		return fail(a, why, -errno, "cutting an unfinished line off");
	}
	const struct audit_entry e = {.kind = "recovered", .cluster = "", .id = "", .json = b.data};
	int failed = append(a, &e, why);
	buf_done(&b);
	return failed;
}

// Finds the last whole line and takes sequence and hash from it.
static int resume(struct audit *a, struct why *why)
{
	struct stat st;
	char *end = NULL;
	size_t len;
	if (fstat(a->fd, &st) < 0)
		return fail(a, why, -errno, "fstat");
	memset(a->hash, '0', AUDIT_HASH_TEXT - 1);
	if (st.st_size == 0)
		return 0;
	int failed = read_end(a, st.st_size, AUDIT_LINE_MAX_BYTES * 2, &end, &len);
	if (failed)
		return fail(a, why, failed, "read");
	char *newline = memrchr(end, '\n', len);
	size_t torn = newline ? len - (size_t)(newline + 1 - end) : len;
	a->size = st.st_size - (off_t)torn;
	if (newline) {
		char *before = memrchr(end, '\n', (size_t)(newline - end));
		char *start = before ? before + 1 : end;
		struct audit_entry e;
		struct audit_proof proof;
		*newline = 0;
		failed = audit_line_parse(start, (size_t)(newline - start), &e, &proof);
		if (!failed) {
			a->seq = e.seq;
			memcpy(a->hash, proof.hash, sizeof(a->hash));
			audit_line_done(&proof);
		}
	} else if (len == AUDIT_LINE_MAX_BYTES * 2) {
		failed = -EBADMSG;
	}
	free(end);
	if (failed)
		return why_set(why, -EBADMSG, WHY_DENIED,
			"%s: its last line is not one of ours, or was changed: look at it, move it "
			"away",
			a->path);
	return torn ? recovered(a, torn, why) : 0;
}

int audit_open(struct audit **ret, const struct audit_options *o, struct why *why)
{
	struct audit *a = calloc(1, sizeof(*a));
	if (!a)
		return why_set(why, -ENOMEM, WHY_RETRY, "audit: no memory");
	a->o = *o;
	buf_init(&a->line, AUDIT_LINE_MAX_BYTES);
	a->path = strdup(o->path);
	a->fd = open(o->path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	int failed = 0;
	if (!a->path || a->fd < 0)
		failed = why_set(why, a->path ? -errno : -ENOMEM, WHY_DENIED, "%s: %s", o->path,
			strerror(errno));
	else if (flock(a->fd, LOCK_EX | LOCK_NB) < 0)
		failed = why_set(why, -EBUSY, WHY_DENIED, "%s: another process writes it", o->path);
	else
		failed = resume(a, why);
	if (failed) {
		audit_close(a);
		return failed;
	}
	*ret = a;
	return 0;
}

void audit_close(struct audit *a)
{
	if (!a)
		return;
	if (a->fd >= 0)
		close(a->fd);
	buf_done(&a->line);
	free(a->path);
	free(a);
}

int audit_tail(struct audit *a, size_t limit,
	int (*on_entry)(void *arg, const struct audit_entry *e), void *arg)
{
	char *end;
	size_t len;
	int result = read_end(a, a->size, TAIL_MAX_BYTES, &end, &len);
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
