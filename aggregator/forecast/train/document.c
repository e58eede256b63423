// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/train/document.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "aggregator/forecast/model/lstm_train.h"
#include "proto/base/hash.h"

enum { FORMAT = 1 };

struct head {
	char magic[8];
	uint32_t format, version, nets, crc;
};

struct body { // everything is 8 bytes wide but the counts at the end
	int64_t made_ms, tried_ms, tried_span_s;
	int64_t from_s, learn_until_s, seen_until_s, to_s;
	uint64_t seed, steps;
	double loss_before, loss_after;
	uint32_t series, copies, wins, won;
};

static const char magic[8] = "PTRTUNE";
_Static_assert(sizeof(struct head) == 24, "the head is 24 bytes without holes");
_Static_assert(sizeof(struct body) == 104, "the body is 104 bytes without holes");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "documents are little-endian");
_Static_assert(sizeof(struct head) + sizeof(struct body) + LSTM_NETS_MAX * LSTM_FILE_BYTES <=
		       TUNE_DOCUMENT_MAX,
	"a document fits");

size_t tune_document_write(const struct tune_record *r, const struct lstm_weights *w,
	unsigned char ret[TUNE_DOCUMENT_MAX])
{
	const struct tune_result *t = &r->result;
	struct head h = {.format = FORMAT, .version = w->version, .nets = (uint32_t)w->nets};
	const struct body b = {r->made_ms, r->tried_ms, r->tried_span_s, t->from_s,
		t->learn_until_s, w->seen_until_s, t->to_s, t->seed, t->steps, t->loss_before,
		t->loss_after, t->series, t->copies, t->wins, t->won};
	size_t len = sizeof(h) + sizeof(b);
	memcpy(ret + sizeof(h), &b, sizeof(b));
	for (size_t k = 0; k < w->nets; k++, len += LSTM_FILE_BYTES)
		lstm_save(&w->net[k], t->seed, ret + len);
	memcpy(h.magic, magic, sizeof(magic));
	h.crc = hash_crc32c(ret + sizeof(h), len - sizeof(h));
	memcpy(ret, &h, sizeof(h));
	return len;
}

static int refuse(struct why *why, const char *text)
{
	return why_set(why, -EBADMSG, WHY_BUG, "%s", text);
}

static int read_head(const void *data, size_t len, struct head *ret, struct why *why)
{
	struct head h;
	if (len < sizeof(h) + sizeof(struct body))
		return refuse(why, "cut short");
	memcpy(&h, data, sizeof(h));
	if (memcmp(h.magic, magic, sizeof(magic)) != 0)
		return refuse(why, "not weights");
	if (h.format != FORMAT)
		return why_set(why, -EBADMSG, WHY_BUG, "format %u, known is %d", h.format, FORMAT);
	if (h.nets > LSTM_NETS_MAX || (h.nets > 0) != (h.version > 0))
		return why_set(why, -EBADMSG, WHY_BUG, "%u networks, at most %d are read", h.nets,
			LSTM_NETS_MAX);
	if ((len - sizeof(h) - sizeof(struct body)) % (h.nets ? h.nets : 1))
		return refuse(why, "cut short");
	if (hash_crc32c((const char *)data + sizeof(h), len - sizeof(h)) != h.crc)
		return refuse(why, "damaged: the checksum differs");
	*ret = h;
	return 0;
}

int tune_document_read(const void *data, size_t len, struct tune_record *ret_record,
	struct lstm_weights *ret_weights, struct why *why)
{
	struct head h = {0};
	struct body b;
	int r = read_head(data, len, &h, why);
	if (r < 0)
		return r;
	memcpy(&b, (const char *)data + sizeof(h), sizeof(b));
	const unsigned char *nets = (const unsigned char *)data + sizeof(h) + sizeof(b);
	size_t each = h.nets ? (len - sizeof(h) - sizeof(b)) / h.nets : 0;
	struct lstm_weights w = {
		.version = h.version, .seen_until_s = b.seen_until_s, .nets = h.nets};
	for (size_t k = 0; k < h.nets; k++)
		if (lstm_load(nets + k * each, each, &w.net[k]) < 0)
			return refuse(why, "weights of a network of another shape, or not finite");
	*ret_weights = w;
	*ret_record = (struct tune_record){b.made_ms, b.tried_ms, b.tried_span_s,
		{b.from_s, b.learn_until_s, b.seen_until_s, b.to_s, b.seed, b.steps, b.series,
			b.copies, b.wins, b.loss_before, b.loss_after, b.won != 0}};
	return 0;
}
