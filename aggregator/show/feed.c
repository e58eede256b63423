// SPDX-License-Identifier: Apache-2.0
#include "aggregator/show/feed.h"

#include "aggregator/forecast/outlook.h"
#include "proto/base/json.h"
#include "proto/loop/publish.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { TOPIC_MAX_BYTES = 700, LINE_MAX_BYTES = PUBLISH_MAX_LINE_BYTES };

// Names are checked when they come in; here is only made sure that a topic stays one word.
static void keep_one_word(char *topic)
{
	for (; *topic; topic++)
		if (!isgraph((unsigned char)*topic))
			*topic = '_';
}

static int publish(struct publish *f, char *topic, const struct buf *line, uint64_t now_ns)
{
	keep_one_word(topic);
	if (buf_failed(line))
		return -E2BIG;
	return publish_line(f, topic, line->data, line->len, now_ns);
}

int feed_sample(struct publish *f, const struct sample *s, uint64_t now_ns)
{
	if (!f)
		return 0;
	char topic[TOPIC_MAX_BYTES];
	snprintf(topic, sizeof(topic), "sample.%s.%s", s->cluster, s->node);
	autobuf line;
	buf_init(&line, LINE_MAX_BYTES);
	sample_print(s, &line);
	return publish(f, topic, &line, now_ns);
}

int feed_notice(struct publish *f, const struct notice *n, uint64_t now_ns)
{
	if (!f)
		return 0;
	char topic[TOPIC_MAX_BYTES];
	snprintf(topic, sizeof(topic), "notice.%s.%s", n->cluster, n->node);
	autobuf line;
	buf_init(&line, LINE_MAX_BYTES);
	notice_print(n, &line);
	return publish(f, topic, &line, now_ns);
}

int feed_forecast(struct publish *f, const struct show_series *series, const struct outlook *o,
	uint64_t now_ns)
{
	if (!f)
		return 0;
	char topic[TOPIC_MAX_BYTES];
	snprintf(topic, sizeof(topic), "forecast.%s.%s.%s", series->cluster,
		entity_kind_name(series->kind), series->name);
	autobuf line;
	buf_init(&line, LINE_MAX_BYTES);
	outlook_print(o, &line);
	return publish(f, topic, &line, now_ns);
}

static void print_step(const struct plan_step *s, struct json *j)
{
	json_open(j, '{');
	json_put_text(j, "group", s->group);
	json_put_text(j, "kind", step_kind_name(s->kind));
	json_put_i64(j, "from", s->from);
	json_put_i64(j, "to", s->to);
	json_put_bool(j, "would_act", s->would_act);
	json_key(j, "reasons");
	json_open(j, '[');
	for (size_t i = 0; i < s->n_reasons; i++)
		json_text(j, reason_code(s->reasons[i]));
	json_close(j, ']');
	json_put_text(j, "text", s->text);
	json_close(j, '}');
}

int feed_plan(struct publish *f, const struct plan *p, uint64_t now_ns)
{
	if (!f)
		return 0;
	char topic[TOPIC_MAX_BYTES];
	snprintf(topic, sizeof(topic), "plan.%s", p->cluster);
	autobuf line;
	struct json j;
	buf_init(&line, LINE_MAX_BYTES);
	json_init(&j, &line);
	json_open(&j, '{');
	json_put_text(&j, "id", p->id);
	json_put_i64(&j, "now_ms", p->now_ms);
	json_put_text(&j, "mode", p->mode);
	json_key(&j, "steps");
	json_open(&j, '[');
	for (size_t i = 0; i < p->n_steps; i++)
		print_step(&p->steps[i], &j);
	json_close(&j, ']');
	json_close(&j, '}');
	return publish(f, topic, &line, now_ns);
}
