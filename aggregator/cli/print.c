// SPDX-License-Identifier: Apache-2.0
#include "aggregator/cli/verbs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int put(const char *data, size_t len)
{
	if (fwrite(data, 1, len, stdout) == len && fflush(stdout) == 0)
		return EXIT_OK;
	if (errno != EPIPE)
		fprintf(stderr, "petrel: cannot write: %s\n", strerror(errno));
	return EXIT_FAILED;
}

int put_out(const struct buf *out)
{
	if (buf_failed(out)) {
		fprintf(stderr, "petrel: out of memory\n");
		return EXIT_FAILED;
	}
	return put(out->data ? out->data : "", out->len);
}

int put_json(const struct answer *a)
{
	int code = put(a->body.data, a->body.len);
	return code == EXIT_OK ? put("\n", 1) : code;
}

const char *limit_text(uint64_t limit, char ret[24])
{
	if (limit == 0)
		return NULL;
	snprintf(ret, 24, "%llu", (unsigned long long)limit);
	return ret;
}
