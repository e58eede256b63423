// SPDX-License-Identifier: Apache-2.0
// The verbs that ask the aggregator (and doctor, completion), for the table of verb.c, and what
// they share.
#pragma once

#include "aggregator/cli/client.h"
#include "aggregator/cli/options.h"
#include "aggregator/cli/table.h"
#include "aggregator/cli/verb.h"

enum { OUTPUT_MAX_BYTES = 64 << 20 };

int status_verb(int argc, char **argv);
int top_verb(int argc, char **argv);
int nodes_verb(int argc, char **argv);
int groups_verb(int argc, char **argv);
int pods_verb(int argc, char **argv);
int forecast_any_verb(int argc, char **argv); // of a file, or of the aggregator
int backtest_verb(int argc, char **argv);     // of a file
int decisions_verb(int argc, char **argv);
int plans_verb(int argc, char **argv);
int drains_verb(int argc, char **argv);
int notice_verb(int argc, char **argv);
int drain_verb(int argc, char **argv);
int explain_verb(int argc, char **argv);
int audit_verb(int argc, char **argv);
int doctor_verb(int argc, char **argv);
int completion_verb(int argc, char **argv);

// Writes what a verb has made; EXIT_OK, or EXIT_FAILED with a message (a closed pipe has none).
int put_out(const struct buf *out);
// The answer as it came, for -o json, or as YAML for -o yaml; and a text of our own the same way.
int put_json(const struct answer *a);
int put_json_text(const struct options *o, const struct buf *text);
// A verb that lists: one row per item of the answer of path, or the answer itself for -o json.
struct list {
	const struct column *columns;
	size_t n_columns;
	void (*row)(struct table *t, const cJSON *item);
	const char *none; // said where there is nothing
};
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
int put_list(const struct options *o, const struct list *l, const char *path);
// Number as an argument of client_path(): NULL if 0.
const char *limit_text(uint64_t limit, char ret[24]);

// drains.c: one drain in full; now_ms: the aggregator's clock.
void print_drain(const cJSON *drain, double now_ms, bool color, struct buf *out);
// The drain whose id begins so, printed; EXIT_NOT_FOUND without a word if there is none.
int explain_drain(const struct options *o, const char *begin);

// status.c: the head of `status` and `top`.
void print_status(const cJSON *status, bool color, struct buf *out);
enum style state_style(const char *node_state);
// Style of a load in permille.
enum style load_style(double permille);
