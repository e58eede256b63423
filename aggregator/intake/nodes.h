// SPDX-License-Identifier: Apache-2.0
// What intake remembers of every node: sequences, clock, rate. Inside aggregator/intake only.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

enum {
	NODE_BOOTS = 4,          // agents of one node at the same time: an update overlaps
	NODE_CLOCK_SAMPLES = 16, // the least delayed of so many tells the offset
	NODE_CLOCK_JUMP_MS = 60 * 1000,
	NODE_FORGET_MS = 10 * 60 * 1000, // a full table forgets nodes silent for so long
};

// Sequences are counted by each type of record on its own.
enum stream { STREAM_SAMPLE, STREAM_NOTICE, STREAM_COUNT };

struct boot {
	uint8_t id[16];
	bool used;
	int64_t last_ms;
	uint64_t highest[STREAM_COUNT]; // accepted; 0: none yet
};

struct bucket {
	double tokens;
	uint64_t filled_ns;
};

struct node {
	char *key; // "cluster/node"
	char *cluster;
	const char *name; // inside key
	bool simulated;
	struct boot boots[NODE_BOOTS];
	struct bucket buckets[STREAM_COUNT];
	int64_t delays_ms[NODE_CLOCK_SAMPLES]; // our clock - age - the node's clock
	unsigned n_delays, next_delay;
	int64_t offset_ms; // least of delays_ms
	int64_t last_ms;   // our clock at the last accepted sample
	int64_t heard_ms;  // at the last frame
	uint64_t samples, duplicates, lost, refused;
	UT_hash_handle hh;
};

struct nodes {
	struct node *table;
	unsigned max;
};

struct node *nodes_find(const struct nodes *n, const char *cluster, const char *name);
// Finds or makes it; NULL if the table is full of living ones or memory is out.
struct node *nodes_get(struct nodes *n, const char *cluster, const char *name, int64_t now_ms);
void nodes_done(struct nodes *n);

// State of that agent process; an unknown one takes the place of the one silent longest.
struct boot *node_boot(struct node *n, const uint8_t id[16], int64_t now_ms);
bool node_allows(struct node *n, enum stream s, double rate_per_s, double burst, uint64_t now_ns);
// Learns from a record made at wall_ms by the node's clock, arrival_ms by ours.
void node_learn_clock(struct node *n, int64_t wall_ms, int64_t arrival_ms);
