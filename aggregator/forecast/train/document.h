// SPDX-License-Identifier: Apache-2.0
// A cluster's LSTM weights as a document for the store, with what is known of their training.
//
// Fields are little-endian and of fixed width: magic, format, version, how many networks, CRC-32C
// of all that follows; the record; then every network as lstm_train.h writes it (with its own
// magic, sizes and CRC). What comes back from a disk is not trusted: a document that is cut short,
// damaged, of another format or of a network of another shape is refused with a reason, and the
// pre-trained weights serve. A document may hold no networks: only when a training was last tried.
#pragma once

#include <stddef.h>

#include "aggregator/forecast/train/tune.h"
#include "proto/base/why.h"

struct tune_record {
	int64_t made_ms;           // when these weights were made; 0 = never
	int64_t tried_ms;          // last training, won or not
	int64_t tried_span_s;      // how much history there was then
	struct tune_result result; // of the training that made them
};

enum { TUNE_DOCUMENT_MAX = 256 + LSTM_NETS_MAX * (64 + 4 * NET_PARAMS) };

// Returns the length.
size_t tune_document_write(const struct tune_record *r, const struct lstm_weights *w,
	unsigned char ret[TUNE_DOCUMENT_MAX]);
// -EBADMSG with a reason; then nothing was touched.
int tune_document_read(const void *data, size_t len, struct tune_record *ret_record,
	struct lstm_weights *ret_weights, struct why *why);
