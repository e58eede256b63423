// SPDX-License-Identifier: Apache-2.0
// A range is put together from up to four sources, each for its own stretch of time:
//
//   1 h chunks | 5 min chunks | 10 s chunks and rows | live window
//
// The coarser resolution is taken where it is coarse enough for the step (it is made from the
// finer, up to where compaction has come) or where the finer is gone. Over the live window both
// memory and file have the data, each perhaps with holes (after a restart, after a disk was full):
// there, cell by cell of 10 s (or of the step, if shorter), the better covered is taken.
#include "aggregator/store/grid.h"
#include "aggregator/store/store_internal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BINS = 20000, CELL_MS = 10000, FUTURE_MS = 60000 };

// Checks and aligns; returns the number of bins or a negative errno.
static int64_t bins_of(struct store_times *t)
{
	if (t->step_ms < 1000 || t->step_ms % 1000 || t->from_ms < 0 || t->to_ms < t->from_ms)
		return -EINVAL;
	t->from_ms -= t->from_ms % t->step_ms;
	t->to_ms -= t->to_ms % t->step_ms;
	int64_t n = (t->to_ms - t->from_ms) / t->step_ms;
	return n > MAX_BINS ? -E2BIG : n;
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

// --- which resolution where -----------------------------------------------------------------

struct zone {
	enum store_resolution resolution;
	int64_t from_ms, to_ms;
};

// From where on a resolution has data, and up to where it has been rolled up into the next.
static void reach(const struct store_extent *e, enum store_resolution r, int64_t *ret_from_ms,
	int64_t *ret_rolled_ms)
{
	const struct store_resolution_info *info = &store_resolutions[r];
	int64_t from = INT64_MAX, rows = INT64_MAX;
	if (e->rows_to > e->rows_from)
		rows = e->rows_from - e->rows_from % info->span;
	if (e->chunks_to > e->chunks_from)
		from = e->chunks_from;
	from = least(from, rows);
	*ret_from_ms = from == INT64_MAX ? from : from * info->step_ms;
	*ret_rolled_ms = rows == INT64_MAX ? rows : rows * info->step_ms;
}

static int zones_of(struct store *s, int64_t from_ms, int64_t to_ms, int64_t step_ms,
	struct zone ret[STORE_RESOLUTIONS])
{
	int64_t end_ms = INT64_MAX; // of the resolution above, where r begins
	for (int r = STORE_10S; r < STORE_RESOLUTIONS; r++) {
		struct store_extent extent;
		int64_t has_ms = INT64_MAX, rolled_ms = INT64_MAX;
		int failed = store_reader_extent(s->reader, (enum store_resolution)r, &extent);
		if (failed)
			return failed;
		reach(&extent, (enum store_resolution)r, &has_ms, &rolled_ms);
		bool coarser_will_do =
			r + 1 < STORE_RESOLUTIONS && step_ms >= store_resolutions[r + 1].step_ms;
		int64_t begin_ms = coarser_will_do ? rolled_ms : least(has_ms, rolled_ms);
		if (r + 1 == STORE_RESOLUTIONS)
			begin_ms = 0;
		begin_ms = least(begin_ms, end_ms);
		ret[r] = (struct zone){
			(enum store_resolution)r, most(begin_ms, from_ms), least(end_ms, to_ms)};
		end_ms = begin_ms;
	}
	return 0;
}

// Reads a zone; columns.n is 0 if it is empty. *ret_first is the bin of column 0.
static int read_zone(struct store *s, const struct zone *z, uint32_t entity,
	struct store_wanted wanted, struct store_columns *ret)
{
	const struct store_resolution_info *info = &store_resolutions[z->resolution];
	int64_t span_ms = info->step_ms * info->span;
	int64_t first = z->from_ms / span_ms * info->span;
	int64_t end = (z->to_ms + info->step_ms - 1) / info->step_ms;
	struct store_extent extent;
	*ret = (struct store_columns){0};
	if (z->to_ms <= z->from_ms)
		return 0;
	int failed = store_reader_extent(s->reader, z->resolution, &extent);
	if (failed)
		return failed;
	end = least(end, most(extent.rows_to, extent.chunks_to)); // no memory for what cannot be
	if (end <= first)
		return 0;
	failed = store_columns_init(ret, (size_t)(end - first), wanted);
	if (failed)
		return failed;
	const struct store_stretch of = {z->resolution, entity, first};
	return store_reader_read(s->reader, &of, wanted, ret);
}

// Gives each window of the file in [from, to) that has what is wanted.
struct disk_query {
	struct store_wanted wanted;
	int64_t from_ms, to_ms, step_ms;
	void (*on_bin)(
		void *arg, const struct store_columns *c, size_t i, const struct store_window *w);
	void *arg;
};

static void give_zone(
	const struct disk_query *q, const struct zone *z, const struct store_columns *c)
{
	const struct store_resolution_info *info = &store_resolutions[z->resolution];
	int64_t first = z->from_ms / (info->step_ms * info->span) * info->span;
	for (size_t i = 0; i < c->n; i++) {
		struct store_window w = {.start_ms = (first + (int64_t)i) * info->step_ms};
		w.end_ms = w.start_ms + info->step_ms;
		// a bin belongs to the zone that its begin lies in; the first may begin before
		if ((w.start_ms >= z->from_ms || z->from_ms == q->from_ms) &&
			w.end_ms > z->from_ms && w.start_ms < z->to_ms)
			q->on_bin(q->arg, c, i, &w);
	}
}

static int read_disk(struct store *s, const struct store_entity *e, const struct disk_query *q)
{
	struct zone zones[STORE_RESOLUTIONS];
	uint32_t entity;
	if (e->ref->kind == ENTITY_POD)
		return 0;
	int failed = store_read_begin(s);
	if (!failed)
		failed = store_reader_entity(
			s->reader, e->ref->kind, e->cluster->name, store_entity_name(e), &entity);
	if (!failed)
		failed = zones_of(s, q->from_ms, q->to_ms, q->step_ms, zones);
	for (int r = STORE_RESOLUTIONS - 1; !failed && r >= 0; r--) {
		struct store_columns c;
		failed = read_zone(s, &zones[r], entity, q->wanted, &c);
		if (!failed)
			give_zone(q, &zones[r], &c);
		store_columns_done(&c);
	}
	store_reader_end(s->reader);
	return failed == -ENOENT || failed == -EAGAIN ? 0 : failed;
}

// --- series ---------------------------------------------------------------------------------

struct series_query {
	struct store_grid grid;       // the answer
	struct store_grid live, disk; // cells of the live window
	enum metric metric;
};

static int on_live(void *arg, const struct store_record *r)
{
	struct series_query *q = arg;
	if (!scope_has(&r->scope, q->metric))
		return 0;
	double v = (double)r->scope.values[q->metric];
	if (metric_kind(q->metric) == DELTA)
		v *= 1000.0 / r->window_ms;
	const struct store_window w = {.start_ms = r->wall_ms - r->window_ms,
		.end_ms = r->wall_ms,
		.covered_ms = r->window_ms,
		.mean = v,
		.max = v};
	store_grid_add(&q->live, &w);
	return 0;
}

static void on_bin(
	void *arg, const struct store_columns *c, size_t i, const struct store_window *window)
{
	struct series_query *q = arg;
	const struct store_column *column = &c->values[q->metric];
	if (!(c->metrics >> q->metric & 1) || !column->covered[i])
		return;
	struct store_window w = *window;
	w.covered_ms = (double)(w.end_ms - w.start_ms) * column->covered[i] / CHUNK_FULL;
	w.mean = column->mean[i];
	w.max = column->max[i];
	// what lies before the cells goes to the answer, what lies in them to the cells; a coarse
	// bin may do both
	struct store_grid before = q->grid;
	int64_t until_ms = q->disk.n ? q->disk.from_ms : INT64_MAX;
	if (w.start_ms < until_ms) {
		if (w.end_ms > until_ms) {
			w.covered_ms *=
				(double)(until_ms - w.start_ms) / (double)(w.end_ms - w.start_ms);
			w.end_ms = until_ms;
		}
		store_grid_add(&before, &w);
		if (w.end_ms == window->end_ms)
			return;
		w = (struct store_window){until_ms, window->end_ms,
			(double)(window->end_ms - until_ms) * column->covered[i] / CHUNK_FULL,
			w.mean, w.max};
	}
	store_grid_add(&q->disk, &w);
}

// True if memory has anything of the ten seconds around a cell: then its holes are holes.
static bool remembered(const struct store_grid *live, size_t cell)
{
	int64_t step_ms = live->step_ms, at_ms = live->from_ms + (int64_t)cell * step_ms;
	int64_t from_ms = at_ms - at_ms % CELL_MS;
	int64_t first = most((from_ms - live->from_ms) / step_ms, 0);
	for (int64_t i = first; i < (int64_t)live->n; i++) {
		if (live->from_ms + i * step_ms >= from_ms + CELL_MS)
			break;
		if (live->weight[i] > 0)
			return true;
	}
	return false;
}

// The better covered of both, cell by cell, into the answer. Finer than 10 s memory is better.
static void add_cells(struct series_query *q)
{
	for (size_t i = 0; i < q->live.n; i++) {
		double cell_ms = (double)q->live.step_ms;
		double live = q->live.weight[i], disk = q->disk.weight[i];
		bool memory = q->live.step_ms < CELL_MS ? remembered(&q->live, i)
							: live > disk + 0.02 * cell_ms;
		const struct store_grid *from = memory ? &q->live : &q->disk;
		struct store_window w = {.start_ms = from->from_ms + (int64_t)i * from->step_ms,
			.covered_ms = memory ? live : disk};
		if (!(w.covered_ms > 0))
			continue;
		w.end_ms = w.start_ms + from->step_ms;
		store_grid_get(from, i, &w.mean, &w.max);
		store_grid_add(&q->grid, &w);
	}
}

static int run_series(struct store *s, const struct store_entity *e, struct series_query *q,
	int64_t cells_from_ms)
{
	int64_t to_ms = q->grid.from_ms + (int64_t)q->grid.n * q->grid.step_ms;
	const struct disk_query disk = {
		{1ull << q->metric, 0}, q->grid.from_ms, to_ms, q->grid.step_ms, on_bin, q};
	int failed = read_disk(s, e, &disk);
	if (failed)
		return failed;
	if (q->live.n)
		store_live_each(
			&e->live, (struct live_part){cells_from_ms, to_ms, false}, on_live, q);
	add_cells(q);
	return 0;
}

// The cells: from the begin of the live window to the end of the range, as far as there can be
// data.
static int init_cells(struct store *s, const struct store_entity *e, struct series_query *q)
{
	int64_t cell_ms = least(q->grid.step_ms, CELL_MS);
	int64_t from_ms = most(s->now_ms - s->live_ms, 0), end_ms = s->now_ms + FUTURE_MS;
	int64_t to_ms = q->grid.from_ms + (int64_t)q->grid.n * q->grid.step_ms;
	if (!s->now_ms) { // before the first tick
		from_ms = most(e->live.tail_wall_ms - s->live_ms, 0);
		end_ms = e->live.tail_wall_ms;
	}
	from_ms = most(from_ms - from_ms % cell_ms, q->grid.from_ms);
	from_ms -= from_ms % cell_ms;
	end_ms = least(end_ms, to_ms);
	size_t n = end_ms > from_ms ? (size_t)((end_ms - from_ms + cell_ms - 1) / cell_ms) : 0;
	int failed = store_grid_init(&q->live, from_ms, cell_ms, n);
	return failed ? failed : store_grid_init(&q->disk, from_ms, cell_ms, n);
}

int store_range(struct store *s, const struct store_entity *e, enum metric m, struct store_times t,
	struct store_series *ret)
{
	int64_t n = bins_of(&t);
	if (n < 0 || m >= METRIC_COUNT)
		return n < 0 ? (int)n : -EINVAL;
	struct series_query q = {.metric = m};
	double *out = calloc(2 * (size_t)n + 1, sizeof(*out));
	int failed = out ? store_grid_init(&q.grid, t.from_ms, t.step_ms, (size_t)n) : -ENOMEM;
	if (!failed)
		failed = init_cells(s, e, &q);
	if (!failed)
		failed = run_series(s, e, &q, q.live.from_ms);
	for (size_t i = 0; !failed && i < (size_t)n; i++)
		store_grid_get(&q.grid, i, &out[i], &out[n + (int64_t)i]);
	store_grid_done(&q.grid);
	store_grid_done(&q.live);
	store_grid_done(&q.disk);
	if (failed) {
		free(out);
		return failed;
	}
	*ret = (struct store_series){t.from_ms, t.step_ms, (size_t)n, out, out + n};
	return 0;
}

void store_series_done(struct store_series *r)
{
	free(r->mean);
	*r = (struct store_series){0};
}

// --- histograms -----------------------------------------------------------------------------

struct hist_query {
	struct store_hists *out;
	enum hist_id hist;
	int64_t cells_from_ms;
	size_t n_cells;
	uint64_t *live, *disk; // counts per cell of 10 s
	bool choosing;         // first count, then add
};

static void add_at(struct hist_query *q, int64_t middle_ms, const struct hist *h)
{
	if (middle_ms < q->out->from_ms)
		return;
	size_t i = (size_t)((middle_ms - q->out->from_ms) / q->out->step_ms);
	if (i < q->out->n)
		hist_merge(&q->out->bins[i], h);
}

static size_t cell_of(const struct hist_query *q, int64_t middle_ms)
{
	return middle_ms < q->cells_from_ms ? SIZE_MAX
					    : (size_t)((middle_ms - q->cells_from_ms) / CELL_MS);
}

static bool from_memory(const struct hist_query *q, size_t cell)
{
	return cell < q->n_cells && q->live[cell] >= q->disk[cell];
}

static int on_live_hist(void *arg, const struct store_record *r)
{
	struct hist_query *q = arg;
	int64_t middle_ms = r->wall_ms - (r->window_ms + 1) / 2;
	size_t cell = cell_of(q, middle_ms);
	if (!(r->scope.hists_present >> q->hist & 1) || cell >= q->n_cells)
		return 0;
	if (q->choosing)
		q->live[cell] += hist_count(&r->scope.hists[q->hist]);
	else if (from_memory(q, cell))
		add_at(q, middle_ms, &r->scope.hists[q->hist]);
	return 0;
}

static void on_hist_bin(
	void *arg, const struct store_columns *c, size_t i, const struct store_window *w)
{
	struct hist_query *q = arg;
	if (!(c->hists >> q->hist & 1) || !c->counted[q->hist][i])
		return;
	int64_t middle_ms = w->start_ms + (w->end_ms - w->start_ms) / 2;
	size_t cell = cell_of(q, middle_ms);
	if (q->choosing && cell < q->n_cells)
		q->disk[cell] += hist_count(&c->counts[q->hist][i]);
	else if (!q->choosing && !from_memory(q, cell))
		add_at(q, middle_ms, &c->counts[q->hist][i]);
}

static int run_hists(struct store *s, const struct store_entity *e, struct hist_query *q)
{
	int64_t to_ms = q->out->from_ms + (int64_t)q->out->n * q->out->step_ms;
	const struct disk_query disk = {
		{0, 1u << q->hist}, q->out->from_ms, to_ms, q->out->step_ms, on_hist_bin, q};
	for (int pass = 0; pass < 2; pass++) {
		q->choosing = pass == 0;
		int failed = read_disk(s, e, &disk);
		if (failed)
			return failed;
		store_live_each(&e->live, (struct live_part){q->out->from_ms, to_ms, true},
			on_live_hist, q);
	}
	return 0;
}

int store_hist_range(struct store *s, const struct store_entity *e, enum hist_id h,
	struct store_times t, struct store_hists *ret)
{
	int64_t n = bins_of(&t);
	if (n < 0 || h >= HIST_COUNT)
		return n < 0 ? (int)n : -EINVAL;
	int64_t newest_ms = s->now_ms ? s->now_ms : e->live.tail_wall_ms;
	int64_t cells_from_ms = most(newest_ms - s->live_ms, 0) / CELL_MS * CELL_MS;
	size_t n_cells = (size_t)((s->live_ms + FUTURE_MS) / CELL_MS + 2);
	struct hist *bins = calloc((size_t)n + 1, sizeof(*bins));
	uint64_t *cells = calloc(2 * n_cells, sizeof(*cells));
	struct store_hists out = {t.from_ms, t.step_ms, (size_t)n, bins};
	struct hist_query q = {
		&out, h, cells_from_ms, n_cells, cells, cells ? cells + n_cells : NULL, true};
	int failed = bins && cells ? run_hists(s, e, &q) : -ENOMEM;
	free(cells);
	if (failed)
		free(bins);
	else
		*ret = out;
	return failed;
}

void store_hists_done(struct store_hists *r)
{
	free(r->bins);
	*r = (struct store_hists){0};
}
