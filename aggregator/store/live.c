// SPDX-License-Identifier: Apache-2.0
// A row: head (flags byte, end of the window as difference to the row before, perhaps its length,
// perhaps the presence word), one bit per present value "changed", the changed codes as folded
// differences, and perhaps a length and that many bytes of histograms.
#include "aggregator/store/live.h"
#include "aggregator/store/varint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ROW_WINDOW = 1, ROW_PRESENT = 2, ROW_HISTS = 4 };
enum {
	CODE_BITS = 9, // bits kept below the leading one
	ROW_MAX_BYTES = 1 + 10 + 5 + 10 + 8 + 3 * METRIC_COUNT + 3 + RECORD_MAX_BYTES,
	PAGE_FIRST_BYTES = 128,
	PAGE_MAX_BYTES = 16384, // a page past it is full
};

struct live_page {
	struct live_page *next;
	int64_t first_ms, last_ms;    // start of the first window, end of the last
	uint32_t len, cap;            // of data
	uint16_t n;                   // rows
	uint32_t longest_ms, thin_ms; // longest window; what it was thinned to, 0 if it was not
	uint8_t data[];
};

struct live_codes {
	int64_t wall_ms;
	uint64_t present;
	uint32_t window_ms;
	int16_t codes[METRIC_COUNT];
};

int32_t store_live_code(int64_t value)
{
	uint64_t v = value < 0 ? -(uint64_t)value : (uint64_t)value;
	int32_t code = (int32_t)v;
	if (v >> (CODE_BITS + 1)) {
		unsigned e = 63u - (unsigned)__builtin_clzll(v) - CODE_BITS;
		uint64_t half = 1ull << (e - 1);
		if (v <= UINT64_MAX - half)
			v += half; // to the nearest
		e = 63u - (unsigned)__builtin_clzll(v) - CODE_BITS;
		code = (int32_t)((uint64_t)e << CODE_BITS) + (int32_t)(v >> e);
	}
	return value < 0 ? -code : code;
}

int64_t store_live_value(int32_t code)
{
	uint64_t c = (uint64_t)(code < 0 ? -code : code), v = c;
	if (c >> (CODE_BITS + 1)) {
		unsigned e = (unsigned)(c >> CODE_BITS) - 1;
		v = ((c & ((1u << CODE_BITS) - 1)) | 1u << CODE_BITS) << e;
	}
	if (v > INT64_MAX)
		v = INT64_MAX;
	return code < 0 ? -(int64_t)v : (int64_t)v;
}

static uint8_t *row_encode(const struct store_record *r, struct live_codes *c, uint8_t *p)
{
	uint8_t *flags = p++;
	*flags = 0;
	p = varint_put(p, varint_fold(r->wall_ms - c->wall_ms));
	if (r->window_ms != c->window_ms) {
		*flags |= ROW_WINDOW;
		p = varint_put(p, r->window_ms);
	}
	if (r->scope.present != c->present) {
		*flags |= ROW_PRESENT;
		p = varint_put(p, r->scope.present);
	}
	uint8_t *changed = p;
	unsigned n = (unsigned)__builtin_popcountll(r->scope.present), i = 0;
	memset(changed, 0, (n + 7) / 8);
	p += (n + 7) / 8;
	for (uint64_t left = r->scope.present; left; left &= left - 1, i++) {
		unsigned m = (unsigned)__builtin_ctzll(left);
		int32_t code = store_live_code(r->scope.values[m]);
		if (code == c->codes[m])
			continue;
		changed[i / 8] |= (uint8_t)(1u << i % 8);
		p = varint_put(p, varint_fold(code - c->codes[m]));
		c->codes[m] = (int16_t)code;
	}
	if (r->scope.hists_present) {
		uint8_t hists[RECORD_MAX_BYTES];
		size_t len = (size_t)(store_hists_encode(&r->scope, hists) - hists);
		*flags |= ROW_HISTS;
		p = varint_put(p, len);
		memcpy(p, hists, len);
		p += len;
	}
	c->wall_ms = r->wall_ms;
	c->window_ms = r->window_ms;
	c->present = r->scope.present;
	return p;
}

static const uint8_t *values_decode(
	const uint8_t *p, const uint8_t *end, struct live_codes *c, struct scope *ret)
{
	uint64_t v;
	unsigned n = (unsigned)__builtin_popcountll(c->present), i = 0;
	const uint8_t *changed = p;
	if (!p || (size_t)(end - p) < (n + 7) / 8)
		return NULL;
	p += (n + 7) / 8;
	for (uint64_t left = c->present; left; left &= left - 1, i++) {
		unsigned m = (unsigned)__builtin_ctzll(left);
		if (changed[i / 8] >> i % 8 & 1 && (p = varint_get(p, end, &v)))
			c->codes[m] = (int16_t)(c->codes[m] + varint_unfold(v));
		ret->values[m] = store_live_value(c->codes[m]);
	}
	return p;
}

// Reads one row; values of r->scope are filled for what is present. c is the row before.
static const uint8_t *row_decode(const uint8_t *p, const uint8_t *end, struct live_codes *c,
	struct store_record *r, bool with_hists)
{
	uint64_t v;
	if (p >= end)
		return NULL;
	uint8_t flags = *p++;
	p = varint_get(p, end, &v);
	if (!p)
		return NULL;
	r->wall_ms = c->wall_ms += varint_unfold(v);
	if (flags & ROW_WINDOW && (p = varint_get(p, end, &v)))
		c->window_ms = (uint32_t)v;
	if (flags & ROW_PRESENT && (p = varint_get(p, end, &v)))
		c->present = v;
	r->window_ms = c->window_ms;
	r->scope.present = c->present;
	p = values_decode(p, end, c, &r->scope);
	if (!p)
		return NULL;
	r->scope.hists_present = 0;
	if (flags & ROW_HISTS) {
		p = varint_get(p, end, &v);
		if (!p || v > (uint64_t)(end - p))
			return NULL;
		if (with_hists)
			store_hists_decode(p, p + v, &r->scope);
		p += v;
	}
	return p;
}

static int page_each(const struct live_page *page, bool with_hists,
	int (*on_record)(void *arg, const struct store_record *r), void *arg)
{
	struct live_codes c = {0};
	struct store_record r;
	const uint8_t *p = page->data, *end = p + page->len;
	for (unsigned i = 0; i < page->n; i++) {
		p = row_decode(p, end, &c, &r, with_hists);
		if (!p)
			return -EIO; // cannot be: nobody else writes pages
		int stop = on_record(arg, &r);
		if (stop)
			return stop;
	}
	return 0;
}

static void page_note(struct live_page *page, const struct store_record *r)
{
	int64_t start = r->wall_ms - r->window_ms;
	if (page->n == 0 || start < page->first_ms)
		page->first_ms = start;
	if (page->n == 0 || r->wall_ms > page->last_ms)
		page->last_ms = r->wall_ms;
	if (r->window_ms > page->longest_ms)
		page->longest_ms = r->window_ms;
	page->n++;
}

// Appends a row to *page, which may move. -ENOMEM leaves everything as it was.
static int page_append(struct live_page **page, struct live_codes *c, const struct store_record *r)
{
	uint8_t row[ROW_MAX_BYTES];
	struct live_codes after = *c;
	size_t len = (size_t)(row_encode(r, &after, row) - row);
	struct live_page *p = *page;
	if (!p || p->len + len > p->cap) {
		size_t cap = p ? p->cap + p->cap / 2 + len : PAGE_FIRST_BYTES + len;
		struct live_page *bigger = realloc(p, sizeof(*p) + cap);
		if (!bigger)
			return -ENOMEM;
		if (!p)
			memset(bigger, 0, sizeof(*p));
		*page = p = bigger;
		p->cap = (uint32_t)cap;
	}
	memcpy(p->data + p->len, row, len);
	p->len += (uint32_t)len;
	page_note(p, r);
	*c = after;
	return 0;
}

static struct live_page *page_fitted(struct live_page *page)
{
	struct live_page *smaller = realloc(page, sizeof(*page) + page->len);
	if (!smaller)
		return page;
	smaller->cap = smaller->len;
	return smaller;
}

static size_t page_bytes(const struct live_page *page)
{
	return page ? sizeof(*page) + page->cap : 0;
}

// The pointer that points at page.
static struct live_page **link_to(struct store_live *l, const struct live_page *page)
{
	struct live_page **link = &l->first;
	while (*link && *link != page)
		link = &(*link)->next;
	return link;
}

static void close_last(struct store_live *l)
{
	if (!l->codes)
		return;
	struct live_page **link = link_to(l, l->last);
	l->bytes -= (uint32_t)(page_bytes(l->last) + sizeof(*l->codes));
	*link = l->last = page_fitted(l->last);
	l->bytes += (uint32_t)page_bytes(l->last);
	free(l->codes);
	l->codes = NULL;
}

static int open_last(struct store_live *l)
{
	l->codes = calloc(1, sizeof(*l->codes));
	if (!l->codes)
		return -ENOMEM;
	l->bytes += (uint32_t)sizeof(*l->codes);
	return 0;
}

// Appends to the pages; r is later than all of them.
static int append(struct store_live *l, const struct store_record *r)
{
	if (l->codes && (l->last->n >= LIVE_PAGE_ROWS || l->last->len > PAGE_MAX_BYTES))
		close_last(l);
	bool fresh = !l->codes;
	if (fresh && open_last(l) < 0)
		return -ENOMEM;
	struct live_page *page = fresh ? NULL : l->last, **link = fresh ? NULL : link_to(l, page);
	size_t before = page_bytes(page);
	if (page_append(&page, l->codes, r) < 0) {
		if (fresh) {
			l->bytes -= (uint32_t)sizeof(*l->codes);
			free(l->codes);
			l->codes = NULL;
		}
		return -ENOMEM;
	}
	l->bytes += (uint32_t)(page_bytes(page) - before);
	if (!link)
		link = l->last ? &l->last->next : &l->first;
	*link = l->last = page;
	return 0;
}

static int set_tail(struct store_live *l, const struct store_record *r)
{
	uint8_t data[RECORD_MAX_BYTES];
	size_t len = (size_t)(store_record_encode(&r->scope, data) - data);
	if (len != l->tail_len) {
		uint8_t *tail = realloc(l->tail, len);
		if (!tail)
			return -ENOMEM;
		l->bytes += (uint32_t)(len - l->tail_len);
		l->tail = tail;
		l->tail_len = (uint16_t)len;
	}
	memcpy(l->tail, data, len);
	l->tail_wall_ms = r->wall_ms;
	l->tail_window_ms = r->window_ms;
	return 0;
}

int store_live_tail(const struct store_live *l, struct store_record *ret)
{
	if (!l->tail)
		return -ENOENT;
	ret->wall_ms = l->tail_wall_ms;
	ret->window_ms = l->tail_window_ms;
	store_record_decode(l->tail, l->tail + l->tail_len, &ret->scope);
	return 0;
}

// Writes a page anew with one more record or with its rows merged.
struct rewrite {
	struct live_page *page; // being made
	struct live_codes codes;
	const struct store_record *insert; // not yet inserted, or NULL
	struct store_record pending;       // being merged; has no window when there is none
	uint32_t merge_ms;
	int error;
};

static int emit(struct rewrite *w, const struct store_record *r)
{
	w->error = page_append(&w->page, &w->codes, r);
	return w->error;
}

static int on_rewrite(void *arg, const struct store_record *r)
{
	struct rewrite *w = arg;
	if (w->insert && w->insert->wall_ms <= r->wall_ms) {
		const struct store_record *insert = w->insert;
		w->insert = NULL;
		if (emit(w, insert) < 0)
			return w->error;
		if (insert->wall_ms == r->wall_ms)
			return 0;
	}
	if (!w->merge_ms)
		return emit(w, r);
	bool follows = w->pending.window_ms &&
		       r->wall_ms - r->window_ms - w->pending.wall_ms < w->merge_ms &&
		       w->pending.window_ms + r->window_ms <= w->merge_ms + r->window_ms / 2;
	if (follows) {
		store_record_merge(&w->pending, r);
		return 0;
	}
	int failed = w->pending.window_ms ? emit(w, &w->pending) : 0;
	w->pending = *r;
	return failed;
}

// Replaces the page behind link by its rewriting.
static int rewrite(struct store_live *l, struct live_page **link, struct rewrite *w)
{
	struct live_page *old = *link;
	page_each(old, true, on_rewrite, w);
	if (!w->error && w->insert)
		emit(w, w->insert);
	if (!w->error && w->pending.window_ms)
		emit(w, &w->pending);
	if (w->error) {
		free(w->page);
		return w->error;
	}
	struct live_page *page = page_fitted(w->page);
	l->bytes -= (uint32_t)page_bytes(old);
	l->bytes += (uint32_t)page_bytes(page);
	page->next = old->next;
	page->thin_ms = w->merge_ms > old->thin_ms ? w->merge_ms : old->thin_ms;
	*link = page;
	if (l->last == old)
		l->last = page;
	if (l->last == page && l->codes)
		*l->codes = w->codes;
	free(old);
	return 0;
}

// A record older than the tail: into the page whose time it is, or one of its own before all.
static int insert(struct store_live *l, const struct store_record *r)
{
	struct live_page **link = &l->first, **at = NULL;
	for (; *link && (*link)->first_ms <= r->wall_ms; link = &(*link)->next)
		at = link;
	if (at && *at == l->last && r->wall_ms > l->last->last_ms)
		return append(l, r);
	if (at && (*at)->n >= 4 * LIVE_PAGE_ROWS && r->wall_ms <= (*at)->last_ms)
		return -ENOSPC;
	if (at && ((*at)->n < 2 * LIVE_PAGE_ROWS || r->wall_ms <= (*at)->last_ms)) {
		struct rewrite w = {.insert = r};
		return rewrite(l, at, &w);
	}
	struct live_codes c = {0};
	struct live_page *page = NULL;
	if (page_append(&page, &c, r) < 0)
		return -ENOMEM;
	link = at ? &(*at)->next : &l->first;
	page->next = *link;
	*link = page;
	if (!page->next)
		l->last = page;
	l->bytes += (uint32_t)page_bytes(page);
	return 0;
}

int store_live_put(struct store_live *l, const struct store_record *r, uint32_t least_window_ms)
{
	if (!l->tail || r->wall_ms == l->tail_wall_ms)
		return set_tail(l, r);
	if (r->wall_ms < l->tail_wall_ms)
		return insert(l, r);
	struct store_record before;
	store_live_tail(l, &before);
	uint64_t together = (uint64_t)before.window_ms + r->window_ms;
	int64_t gap = r->wall_ms - r->window_ms - before.wall_ms;
	if (together <= least_window_ms && gap < least_window_ms) {
		store_record_merge(&before, r);
		return set_tail(l, &before);
	}
	int failed = append(l, &before);
	return failed ? failed : set_tail(l, r);
}

struct each {
	struct live_part part;
	int (*on_record)(void *arg, const struct store_record *r);
	void *arg;
};

static int on_each(void *arg, const struct store_record *r)
{
	struct each *e = arg;
	if (r->wall_ms <= e->part.from_ms || r->wall_ms - r->window_ms >= e->part.to_ms)
		return 0;
	return e->on_record(e->arg, r);
}

int store_live_each(const struct store_live *l, struct live_part part,
	int (*on_record)(void *arg, const struct store_record *r), void *arg)
{
	struct each e = {part, on_record, arg};
	for (const struct live_page *p = l->first; p; p = p->next) {
		if (p->last_ms <= part.from_ms || p->first_ms >= part.to_ms)
			continue;
		int stop = page_each(p, part.with_hists, on_each, &e);
		if (stop)
			return stop;
	}
	struct store_record tail;
	return store_live_tail(l, &tail) < 0 ? 0 : on_each(&e, &tail);
}

void store_live_drop(struct store_live *l, int64_t before_ms)
{
	if (l->tail && l->tail_wall_ms < before_ms) {
		store_live_done(l);
		return;
	}
	while (l->first && l->first->last_ms < before_ms) {
		struct live_page *old = l->first;
		if (old == l->last)
			close_last(l);
		old = l->first;
		l->first = old->next;
		if (!l->first)
			l->last = NULL;
		l->bytes -= (uint32_t)page_bytes(old);
		free(old);
	}
}

void store_live_thin(struct store_live *l, int64_t before_ms, uint32_t window_ms)
{
	for (struct live_page **link = &l->first; *link; link = &(*link)->next) {
		struct live_page *p = *link;
		if (p->last_ms >= before_ms || (p == l->last && l->codes))
			return;
		if (p->thin_ms >= window_ms)
			continue;
		struct rewrite w = {.merge_ms = window_ms};
		if (rewrite(l, link, &w) < 0)
			return;
	}
}

void store_live_done(struct store_live *l)
{
	while (l->first) {
		struct live_page *old = l->first;
		l->first = old->next;
		free(old);
	}
	free(l->codes);
	free(l->tail);
	*l = (struct store_live){0};
}
