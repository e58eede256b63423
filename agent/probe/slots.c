// SPDX-License-Identifier: Apache-2.0
#include "agent/probe/slots.h"

#include <string.h>

#include "bpf/records.h"

_Static_assert((int)SLOT_BUCKETS == (int)HIST_BUCKETS, "one histogram shape everywhere");
_Static_assert(sizeof(struct sched_slot) == sizeof(struct block_slot), "one stride");

enum { SLOT_BYTES = sizeof(struct sched_slot) };

// Where the columns of probe_columns() stand in a slot. serial and inode open both kinds.
struct layout {
	size_t n_values, n_hists;
	size_t values[PROBE_VALUES], hists[PROBE_HISTS];
	size_t stride; // from bucket to bucket
};

#define AT(type, field) offsetof(struct type, field)
static const struct layout layouts[] = {
	[PROBE_SCHED] = {4, 2,
		{AT(sched_slot, wait_ns), AT(sched_slot, oncpu_ns), AT(sched_slot, involuntary),
			AT(sched_slot, foreign)},
		{AT(sched_slot, wait), AT(sched_slot, burst)}, sizeof(uint32_t)},
	[PROBE_BLOCK] = {3, 2,
		{AT(block_slot, read_bytes), AT(block_slot, write_bytes), AT(block_slot, ios)},
		{AT(block_slot, buckets[0].latency), AT(block_slot, buckets[0].device)},
		sizeof(struct block_bucket)},
};
#undef AT

size_t slots_bytes(uint32_t n_cpus, uint32_t n_slots)
{
	return (size_t)n_cpus * n_slots * SLOT_BYTES;
}

static const void *slot_at(const struct slots *s, uint32_t cpu, uint32_t id)
{
	return s->memory + ((size_t)cpu * s->n_slots + id) * SLOT_BYTES;
}

static uint64_t look64(const void *slot, size_t offset)
{
	return __atomic_load_n(
		(const uint64_t *)((const unsigned char *)slot + offset), __ATOMIC_ACQUIRE);
}

static uint32_t look32(const void *slot, size_t offset)
{
	return __atomic_load_n(
		(const uint32_t *)((const unsigned char *)slot + offset), __ATOMIC_RELAXED);
}

static uint64_t serial_of(const void *slot)
{
	return look64(slot, offsetof(struct sched_slot, serial));
}

static uint64_t inode_of(const void *slot)
{
	return look64(slot, offsetof(struct sched_slot, inode));
}

static void copy_slot(const struct layout *l, const void *slot, struct probe_row *ret)
{
	for (size_t i = 0; i < l->n_values; i++)
		ret->values[i] = look64(slot, l->values[i]);
	for (size_t h = 0; h < l->n_hists; h++) {
		for (size_t b = 0; b < HIST_BUCKETS; b++)
			ret->hists[h][b] = look32(slot, l->hists[h] + b * l->stride);
	}
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
}

static void add_row(struct probe_row *into, const struct probe_row *from)
{
	for (size_t i = 0; i < PROBE_VALUES; i++)
		into->values[i] += from->values[i];
	for (size_t h = 0; h < PROBE_HISTS; h++) {
		for (size_t b = 0; b < HIST_BUCKETS; b++)
			into->hists[h][b] += from->hists[h][b];
	}
}

// The highest id in use on any CPU (bpf keeps it in the serial of the overflow slots).
static uint32_t highest_id(const struct slots *s)
{
	uint64_t highest = 1;
	for (uint32_t cpu = 0; cpu < s->n_cpus; cpu++) {
		uint64_t here = serial_of(slot_at(s, cpu, s->n_slots - 1));
		if (here > highest)
			highest = here;
	}
	return highest < s->n_slots - 1 ? (uint32_t)highest : s->n_slots - 2;
}

static struct probe_row *next_row(struct probe_reading *r, uint64_t inode)
{
	if (r->n_rows == r->max_rows) {
		r->left_out++;
		return NULL;
	}
	struct probe_row *row = &r->rows[r->n_rows++];
	memset(row, 0, sizeof(*row));
	row->inode = inode;
	return row;
}

// Adds what each CPU has under id for the cgroup with this serial.
static void sum_id(const struct slots *s, uint32_t id, uint64_t serial, struct probe_row *row)
{
	for (uint32_t cpu = 0; cpu < s->n_cpus; cpu++) {
		const void *slot = slot_at(s, cpu, id);
		struct probe_row part = {0};
		if (serial_of(slot) != serial)
			continue;
		copy_slot(&layouts[s->source], slot, &part);
		if (serial_of(slot) == serial)
			add_row(row, &part);
	}
}

static void read_id(struct slots *s, uint32_t id, struct probe_reading *r)
{
	uint64_t newest = 0, inode = 0;
	for (uint32_t cpu = 0; cpu < s->n_cpus; cpu++) {
		const void *slot = slot_at(s, cpu, id);
		uint64_t serial = serial_of(slot);
		if (serial <= newest)
			continue;
		newest = serial;
		inode = inode_of(slot);
	}
	if (newest == 0 || inode == 0)
		return;
	if (s->serials[id] && s->serials[id] != newest)
		s->reused++;
	s->serials[id] = newest;
	struct probe_row *row = next_row(r, inode);
	if (!row)
		return;
	sum_id(s, id, newest, row);
	if (id == 1) // autogroups (id 0, serial 0) are tasks of the root cgroup (id 1)
		sum_id(s, 0, 0, row);
}

static void read_overflow(struct slots *s, struct probe_reading *r)
{
	struct probe_row sum = {.inode = PROBE_OVERFLOW}, part = {0};
	uint64_t count = 0;
	for (uint32_t cpu = 0; cpu < s->n_cpus; cpu++) {
		copy_slot(&layouts[s->source], slot_at(s, cpu, s->n_slots - 1), &part);
		add_row(&sum, &part);
	}
	for (size_t b = 0; b < HIST_BUCKETS; b++)
		count += sum.hists[0][b];
	s->overflow = count;
	struct probe_row *row = count ? next_row(r, PROBE_OVERFLOW) : NULL;
	if (row)
		*row = sum;
}

void slots_read(struct slots *s, struct probe_reading *r)
{
	uint32_t highest = highest_id(s);
	for (uint32_t id = 1; id <= highest; id++)
		read_id(s, id, r);
	read_overflow(s, r);
}
