// SPDX-License-Identifier: Apache-2.0
#include "aggregator/show/metrics.h"

#include "aggregator/show/api.h"

static void about(struct show_core *c, struct prom *p)
{
	const struct show_status *s = c->sources.status;
	prom_family(p, "petrel_build_info", "gauge", "Version of this program, always 1.");
	prom_sample(p, PROM_LABELS({"version", c->options.version}), 1);
	prom_single(p, "petrel_ready", "gauge", "Whether /readyz says ok.", s->ready);
	prom_single(
		p, "petrel_paused", "gauge", "Whether an operator has paused all acts.", s->paused);
	prom_single(p, "petrel_audit_writable", "gauge",
		"Whether the audit file can be written; no voluntary act while it is 0.",
		s->audit_ok);
	prom_single(p, "petrel_last_tick_timestamp_seconds", "gauge",
		"When the line last ticked (it does every second).",
		(double)c->last_tick_ms / 1000);
}

static void line(struct show_core *c, struct prom *p)
{
	const struct show_status *s = c->sources.status;
	prom_single(
		p, "petrel_line_ticks_total", "counter", "Ticks of the line.", (double)s->ticks);
	prom_single(p, "petrel_plans_total", "counter", "Plans decided.", (double)s->plans);
	prom_single(p, "petrel_plan_seconds_total", "counter", "Time spent deciding.",
		(double)s->plan_us / 1e6);
	prom_single(
		p, "petrel_forecasts_total", "counter", "Forecasts made.", (double)s->forecasts);
	prom_single(p, "petrel_forecast_failures_total", "counter",
		"Forecasts that could not be made.", (double)s->forecasts_failed);
	prom_single(p, "petrel_forecast_seconds_total", "counter", "CPU time spent forecasting.",
		(double)s->forecast_us / 1e6);
	prom_single(p, "petrel_audit_entries_total", "counter",
		"Entries written to the audit file.", (double)s->audit_entries);
	prom_single(p, "petrel_audit_lost_lines_total", "counter",
		"Lines that the audit file could not take: a full disk.", (double)s->audit_lost);
	prom_single(p, "petrel_feed_lines_total", "counter", "Lines sent on the debug feed.",
		(double)s->feed_lines);
	prom_single(p, "petrel_feed_dropped_lines_total", "counter",
		"Lines of the debug feed over its rate.", (double)s->feed_dropped);
}

static void history(struct show_core *c, struct prom *p)
{
	struct store_stats s;
	store_stats(c->sources.store, &s);
	prom_single(
		p, "petrel_store_entities", "gauge", "Things with a history.", (double)s.entities);
	prom_family(p, "petrel_store_refused_total", "counter", "What the store did not take.");
	prom_sample(p, PROM_LABELS({"reason", "entities"}), (double)s.entities_refused);
	prom_sample(p, PROM_LABELS({"reason", "stale"}), (double)s.puts_stale);
	prom_sample(p, PROM_LABELS({"reason", "future"}), (double)s.puts_future);
	prom_single(p, "petrel_store_windows_total", "counter", "Windows stored.", (double)s.puts);
	prom_single(p, "petrel_store_chunks_total", "counter", "Chunks written to the file.",
		(double)s.chunks_written);
	prom_single(p, "petrel_store_written_bytes_total", "counter", "Bytes of those chunks.",
		(double)s.bytes_written);
	prom_single(p, "petrel_store_dropped_bins_total", "counter",
		"Bins not written: the disk was full or the writer too far behind.",
		(double)s.dropped_bins);
	prom_single(p, "petrel_store_file_bytes", "gauge", "Size of the store's file.",
		(double)s.file_bytes);
	prom_single(p, "petrel_store_live_bytes", "gauge", "Memory of the live window.",
		(double)s.live_bytes);
	prom_single(p, "petrel_store_storing", "gauge", "0 while the disk refuses.", s.storing);
}

static void http(struct show_core *c, struct prom *p)
{
	static const char *const classes[] = {NULL, NULL, "2xx", "3xx", "4xx", "5xx"};
	prom_family(p, "petrel_http_answers_total", "counter", "HTTP answers by class of status.");
	for (int i = 2; i < 6; i++)
		prom_sample(p, PROM_LABELS({"class", classes[i]}), (double)c->http.answers[i]);
	prom_single(p, "petrel_event_streams", "gauge", "Open event streams.", c->http.streams);
	prom_single(p, "petrel_event_streams_opened_total", "counter", "Event streams opened.",
		(double)c->http.streams_opened);
	prom_single(p, "petrel_event_streams_refused_total", "counter",
		"Event streams refused because all were taken.", (double)c->http.streams_refused);
	prom_single(p, "petrel_event_streams_dropped_total", "counter",
		"Event streams dropped because their reader was too slow.",
		(double)c->http.streams_dropped);
	prom_single(p, "petrel_event_bytes_total", "counter", "Bytes put on event streams.",
		(double)c->http.event_bytes);
}

void metrics_write(struct show_core *c, int64_t now_ms, struct buf *out)
{
	struct prom p;
	prom_init(&p, out);
	about(c, &p);
	metrics_fleet(c, now_ms, &p);
	metrics_groups(c, now_ms, &p);
	metrics_drains(c, now_ms, &p);
	line(c, &p);
	metrics_forecast(c, &p);
	metrics_door(c, &p);
	if (c->sources.metrics)
		c->sources.metrics(c->sources.arg, &p);

	history(c, &p);
	http(c, &p);
	metrics_process(c->sources.status->started_ms, &p);
}
