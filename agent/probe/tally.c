// SPDX-License-Identifier: Apache-2.0
#include "agent/probe/tally.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/records.h"

// A batch must hold the longest chain of one hash bucket, or the kernel says ENOSPC.
enum { BATCH = 128, VALUE_BYTES = sizeof(struct tcp_tally) };
#define IDLE_NS (600ull * 1000000000ull)

_Static_assert(sizeof(struct mem_tally) <= sizeof(struct tcp_tally), "buffers fit both");

int tally_init(struct tally *t, int fd, enum probe_source source)
{
	static const struct tcp_tally zeroed;
	uint64_t overflow = 0;
	*t = (struct tally){.fd = fd, .source = source};
	if (bpf_map_update_elem(fd, &overflow, &zeroed, BPF_ANY) < 0)
		return -errno;
	t->keys = calloc(BATCH, sizeof(uint64_t));
	t->values = calloc(BATCH, VALUE_BYTES);
	if (t->keys && t->values)
		return 0;
	tally_done(t);
	return -ENOMEM;
}

void tally_done(struct tally *t)
{
	free(t->keys);
	free(t->values);
	t->keys = t->values = NULL;
}

void tally_forget(struct tally *t, uint64_t inode)
{
	if (t->n_forget < TALLY_FORGET_MAX)
		t->forget[t->n_forget++] = inode;
}

static uint64_t fill_tcp(const struct tcp_tally *from, struct probe_row *ret)
{
	ret->values[0] = from->retransmits;
	ret->values[1] = from->resets;
	ret->values[2] = from->connections;
	ret->values[3] = from->bytes;
	memcpy(ret->hists[0], from->srtt, sizeof(from->srtt));
	return from->last_ns;
}

static uint64_t fill_mem(const struct mem_tally *from, struct probe_row *ret)
{
	ret->values[0] = from->stall_ns;
	memcpy(ret->hists[0], from->hist, sizeof(from->hist));
	return from->last_ns;
}

static void take_entry(struct tally *t, size_t i, uint64_t idle_before, struct probe_reading *r)
{
	uint64_t key = ((const uint64_t *)t->keys)[i], last;
	struct probe_row row = {.inode = key ? key : PROBE_OVERFLOW};
	if (t->source == PROBE_TCP)
		last = fill_tcp((const struct tcp_tally *)t->values + i, &row);
	else
		last = fill_mem((const struct mem_tally *)t->values + i, &row);
	if (last == 0)
		return; // the overflow entry, unused
	t->n_entries++;
	if (key && last < idle_before)
		tally_forget(t, key);
	if (r->n_rows < r->max_rows)
		r->rows[r->n_rows++] = row;
	else
		r->left_out++;
}

static int read_batches(struct tally *t, uint64_t idle_before, struct probe_reading *r)
{
	uint64_t in = 0, out = 0; // the kernel's cursor is 32 bits
	bool first = true;
	for (;;) {
		uint32_t n = BATCH;
		int e = bpf_map_lookup_batch(
			t->fd, first ? NULL : &in, &out, t->keys, t->values, &n, NULL);
		if (e < 0 && e != -ENOENT)
			return e;
		for (uint32_t i = 0; i < n; i++)
			take_entry(t, i, idle_before, r);
		if (e == -ENOENT)
			return 0;
		in = out;
		first = false;
	}
}

int tally_read(struct tally *t, uint64_t now_ns, struct probe_reading *r)
{
	bool crowded = t->n_entries > TALLY_MAX / 4 * 3;
	t->n_entries = 0;
	int e = read_batches(t, crowded && now_ns > IDLE_NS ? now_ns - IDLE_NS : 0, r);
	if (e < 0)
		return e;
	for (size_t i = 0; i < t->n_forget; i++)
		bpf_map_delete_elem(t->fd, &t->forget[i]);
	t->n_forget = 0;
	return 0;
}
