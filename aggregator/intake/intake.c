// SPDX-License-Identifier: Apache-2.0
#include "aggregator/intake/intake.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/intake/nodes.h"
#include "proto/base/text.h"
#include "proto/wire/frame.h"

enum {
	MAX_NODES = 20000,
	RATE_PER_S = 20,
	BURST = 900,
	NOTICE_RATE_PER_S = 2, // a node has few events, each seen every few seconds at most
	NOTICE_BURST = 100,
	FLOOD_HOLD_MS = 1000,
	SINK_CREDIT_MS = 5000, // a sink that refuses (a full queue) needs a while
	LATE_MS = 60 * 1000,
	MAX_AGE_MS = 24 * 3600 * 1000,
};
static const char uri_scheme[] = "petrel://";

struct intake {
	struct intake_options o;
	char **clusters;
	struct nodes nodes;
	struct intake_counters counters;
	struct buf scratch; // of decompression
};

// One frame on its way through.
struct passage {
	struct intake *intake;
	struct node *node;
	char cluster[64], name[NAME_MAX_BYTES]; // as authenticated; "" if insecure
	struct frame frame;
	struct receipt receipt;
	int64_t now_ms;
	uint64_t now_ns;
	int hold_ms; // or a negative errno: the connection goes
};

const char *intake_refusal_name(enum intake_refusal r)
{
	static const char *const names[INTAKE_REFUSAL_COUNT] = {"bad_frame", "bad_version",
		"bad_body", "too_big", "foreign", "cluster", "flood", "nodes", "sink"};
	return names[r];
}

static void count_refusal(struct intake *i, struct node *n, enum intake_refusal r)
{
	i->counters.refused[r]++;
	if (n)
		n->refused++;
}

// Refused for good: the receipt says so.
static void refuse(struct passage *p, enum intake_refusal r, int error)
{
	count_refusal(p->intake, p->node, r);
	p->receipt.refused = (uint32_t)-error;
}

static bool serves(const struct intake *i, const char *cluster)
{
	for (size_t k = 0; k < i->o.n_clusters; k++)
		if (strcmp(i->clusters[k], cluster) == 0)
			return true;
	return i->o.n_clusters == 0;
}

// Who the certificate says this is. -EACCES: nobody we know how to name.
static int identify(const struct intake *i, const struct tls_identity *id, struct passage *p)
{
	if (!id->uri[0]) {
		if (i->o.n_clusters == 0 || !id->cn[0] || strchr(id->cn, '/'))
			return -EACCES;
		text_copy(p->cluster, sizeof(p->cluster), i->clusters[0]);
		text_copy(p->name, sizeof(p->name), id->cn);
		return 0;
	}
	if (strncmp(id->uri, uri_scheme, sizeof(uri_scheme) - 1) != 0)
		return -EACCES;
	const char *cluster = id->uri + sizeof(uri_scheme) - 1, *slash = strchr(cluster, '/');
	size_t len = slash ? (size_t)(slash - cluster) : 0;
	if (len == 0 || len >= sizeof(p->cluster) || !slash[1] || strchr(slash + 1, '/') ||
		!text_copy(p->name, sizeof(p->name), slash + 1))
		return -EACCES;
	memcpy(p->cluster, cluster, len);
	p->cluster[len] = '\0';
	return 0;
}

// Finds the node and lets it pass at its rate. false: the receipt or hold_ms says why not.
static bool admit(struct passage *p, const char *cluster, const char *name, enum stream s)
{
	struct intake *i = p->intake;
	p->node = nodes_get(&i->nodes, cluster, name, p->now_ms);
	if (!p->node) {
		count_refusal(i, NULL, INTAKE_NODES);
		p->hold_ms = FLOOD_HOLD_MS;
		p->receipt.credit_ms = SINK_CREDIT_MS;
		return false;
	}
	p->node->heard_ms = p->now_ms;
	double rate = s == STREAM_NOTICE ? NOTICE_RATE_PER_S : i->o.rate_per_s;
	double burst = s == STREAM_NOTICE ? NOTICE_BURST : i->o.burst;
	if (node_allows(p->node, s, rate, burst, p->now_ns))
		return true;
	count_refusal(i, p->node, INTAKE_FLOOD);
	p->hold_ms = FLOOD_HOLD_MS;
	p->receipt.credit_ms = FLOOD_HOLD_MS;
	return false;
}

// The record must speak for the node that brought it.
static bool belongs(struct passage *p, const char *cluster, const char *name)
{
	if (p->name[0] && (strcmp(cluster, p->cluster) != 0 || strcmp(name, p->name) != 0)) {
		refuse(p, INTAKE_FOREIGN, -EACCES);
		p->hold_ms = FLOOD_HOLD_MS;
		return false;
	}
	if (!serves(p->intake, cluster)) {
		refuse(p, INTAKE_CLUSTER, -EACCES);
		p->hold_ms = FLOOD_HOLD_MS;
		return false;
	}
	return true;
}

// Looks up the sequence. false: seen before, or nonsense.
static bool is_new(struct passage *p, struct boot *b, enum stream s)
{
	if (p->frame.sequence == 0) {
		refuse(p, INTAKE_BAD_BODY, -EINVAL);
		return false;
	}
	if (p->frame.sequence > b->highest[s])
		return true;
	p->intake->counters.duplicates++;
	p->node->duplicates++;
	return false;
}

static void advance(struct passage *p, struct boot *b, enum stream s)
{
	uint64_t before = b->highest[s], gap = p->frame.sequence - before - 1;
	if (before > 0 && gap > 0 && s == STREAM_SAMPLE) { // the first may be late in its boot
		p->intake->counters.lost += gap;
		p->node->lost += gap;
	}
	b->highest[s] = p->frame.sequence;
}

static void place_in_time(struct intake *i, struct node *n, struct sample *s, int64_t arrival_ms)
{
	node_learn_clock(n, s->wall_ms, arrival_ms);
	if (n->offset_ms > INTAKE_CLOCK_SLACK_MS || n->offset_ms < -INTAKE_CLOCK_SLACK_MS) {
		s->wall_ms += n->offset_ms;
		i->counters.moved++;
	}
}

static int give_sample(struct intake *i, struct node *n, const struct sample *s, int64_t now_ms)
{
	int r = i->o.on_sample(i->o.arg, s, now_ms);
	if (r < 0) {
		count_refusal(i, n, INTAKE_SINK);
		return r;
	}
	i->counters.samples++;
	i->counters.late += now_ms - s->wall_ms > LATE_MS;
	n->samples++;
	n->last_ms = now_ms;
	return 0;
}

static void take_sample(struct passage *p, struct sample *s)
{
	struct intake *i = p->intake;
	if (!belongs(p, s->cluster, s->node))
		return;
	if (!p->node && !admit(p, s->cluster, s->node, STREAM_SAMPLE))
		return;
	if (p->node->simulated || p->frame.age_ms > MAX_AGE_MS) {
		refuse(p, p->node->simulated ? INTAKE_FOREIGN : INTAKE_BAD_BODY, -EINVAL);
		return;
	}
	struct boot *b = node_boot(p->node, p->frame.boot_id, p->now_ms);
	if (is_new(p, b, STREAM_SAMPLE)) {
		memcpy(s->boot_id, p->frame.boot_id, sizeof(s->boot_id));
		s->sequence = p->frame.sequence;
		place_in_time(i, p->node, s, p->now_ms - p->frame.age_ms);
		if (give_sample(i, p->node, s, p->now_ms) < 0)
			p->receipt.credit_ms = SINK_CREDIT_MS;
		else
			advance(p, b, STREAM_SAMPLE);
	}
	p->receipt.contiguous = b->highest[STREAM_SAMPLE];
}

static enum intake_refusal kind_of(int error)
{
	return error == -E2BIG ? INTAKE_TOO_BIG : INTAKE_BAD_BODY;
}

static void on_sample_frame(struct passage *p)
{
	struct sample *s;
	int r = sample_decode(p->frame.body, p->frame.body_len, &s);
	if (r == -ENOMEM) {
		p->hold_ms = FLOOD_HOLD_MS; // not receipted: it comes again
		return;
	}
	if (r < 0) {
		refuse(p, kind_of(r), r);
		return;
	}
	take_sample(p, s);
	sample_free(s);
}

// An agent's clock may be wrong. What it has read of AWS is right all the same; what it has taken
// from its own clock is moved: the frame's age is measured, so when it was made is known.
static void place_notice(struct intake *i, struct notice *n, int64_t made_ms)
{
	int64_t off_ms = made_ms - n->observed_ms;
	if (off_ms <= INTAKE_CLOCK_SLACK_MS && off_ms >= -INTAKE_CLOCK_SLACK_MS)
		return;
	if (n->deadline_ms && (n->guessed || n->action == NOTICE_HIBERNATE))
		n->deadline_ms += off_ms;
	n->observed_ms = made_ms;
	i->counters.moved++;
}

static void on_notice_frame(struct passage *p)
{
	struct intake *i = p->intake;
	struct notice n;
	int r = notice_decode(p->frame.body, p->frame.body_len, &n);
	if (r < 0) {
		refuse(p, kind_of(r), r);
		return;
	}
	if (!belongs(p, n.cluster, n.node) ||
		(!p->node && !admit(p, n.cluster, n.node, STREAM_NOTICE)))
		return;
	struct boot *b = node_boot(p->node, p->frame.boot_id, p->now_ms);
	if (is_new(p, b, STREAM_NOTICE)) {
		place_notice(i, &n, p->now_ms - p->frame.age_ms);
		if (i->o.on_notice(i->o.arg, &n, p->now_ms) < 0) {
			count_refusal(i, p->node, INTAKE_SINK);
			p->receipt.credit_ms = 100; // it is urgent
		} else {
			i->counters.notices++;
			advance(p, b, STREAM_NOTICE);
		}
	}
	p->receipt.contiguous = b->highest[STREAM_NOTICE];
}

static void on_frame(struct passage *p)
{
	switch (p->frame.type) {
	case FRAME_SAMPLE: on_sample_frame(p); break;
	case FRAME_NOTICE: on_notice_frame(p); break;
	case FRAME_HELLO:
		p->intake->counters.hellos++;
		p->receipt.contiguous = p->frame.sequence;
		break;
	default: // of a later version: known to be of no use to us
		p->intake->counters.unknown++;
		p->receipt.contiguous = p->frame.sequence;
		break;
	}
}

// What a refusal by rate still may say: how far we are with this boot.
static void fill_contiguous(struct passage *p)
{
	enum stream s = p->frame.type == FRAME_NOTICE ? STREAM_NOTICE : STREAM_SAMPLE;
	if (p->node)
		p->receipt.contiguous = node_boot(p->node, p->frame.boot_id, p->now_ms)->highest[s];
}

// Everything up to the frame's content. 0, or a negative errno for which the connection goes.
static int check_envelope(struct passage *p, const struct lane_peer *peer,
	const struct intake_frame *f, bool *ret_go_on)
{
	struct intake *i = p->intake;
	*ret_go_on = false;
	int r = frame_header(f->data, f->len, &p->frame);
	if (r == -EPROTO) { // a later agent: tell it instead of dropping the connection
		memcpy(p->receipt.boot_id, f->data + 24, sizeof(p->receipt.boot_id));
		refuse(p, INTAKE_BAD_VERSION, -EPROTO);
		return 0;
	}
	if (r < 0) {
		count_refusal(i, NULL, INTAKE_BAD_FRAME);
		return r;
	}
	memcpy(p->receipt.boot_id, p->frame.boot_id, sizeof(p->receipt.boot_id));
	if (!i->o.insecure) {
		if (!peer->authenticated || identify(i, &peer->id, p) < 0) {
			count_refusal(i, NULL, INTAKE_FOREIGN);
			return -EACCES;
		}
		enum stream s = p->frame.type == FRAME_NOTICE ? STREAM_NOTICE : STREAM_SAMPLE;
		if (!admit(p, p->cluster, p->name, s)) {
			fill_contiguous(p);
			return 0;
		}
	}
	*ret_go_on = true;
	return 0;
}

int intake_message(struct intake *i, const struct lane_peer *peer, const struct intake_frame *f,
	struct buf *reply)
{
	struct passage p = {.intake = i, .now_ms = f->now_ms, .now_ns = f->now_ns};
	bool go_on;
	int r = check_envelope(&p, peer, f, &go_on);
	if (r < 0)
		return r;
	if (go_on) {
		r = frame_decode(f->data, f->len, &i->scratch, &p.frame);
		if (r < 0 && r != -ENOMEM) {
			count_refusal(i, p.node, INTAKE_BAD_FRAME);
			return r;
		}
		if (r == 0)
			on_frame(&p);
	}
	p.receipt.server_ms = p.now_ms;
	struct frame answer = {.type = FRAME_RECEIPT, .sequence = p.frame.sequence};
	memcpy(answer.boot_id, p.receipt.boot_id, sizeof(answer.boot_id));
	char storage[128];
	struct buf body = {.data = storage, .cap = sizeof(storage), .max = sizeof(storage) - 1};
	r = receipt_encode(&p.receipt, &body);
	answer.body = (const uint8_t *)body.data;
	answer.body_len = body.len;
	if (r == 0)
		r = frame_encode(&answer, reply);
	return r < 0 ? r : p.hold_ms;
}

int intake_accept_sample(struct intake *i, const struct sample *s, int64_t now_ms)
{
	if (!s->simulated || s->sequence == 0 ||
		!text_is_name(s->cluster, strlen(s->cluster), 63) ||
		!text_is_name(s->node, strlen(s->node), NAME_MAX_BYTES - 1))
		return -EINVAL;
	struct node *n = nodes_find(&i->nodes, s->cluster, s->node);
	if (n && !n->simulated) {
		count_refusal(i, n, INTAKE_FOREIGN);
		return -EACCES;
	}
	n = nodes_get(&i->nodes, s->cluster, s->node, now_ms);
	if (!n) {
		count_refusal(i, NULL, INTAKE_NODES);
		return -ENOSPC;
	}
	struct passage p = {.intake = i, .node = n, .frame.sequence = s->sequence};
	n->simulated = true;
	n->heard_ms = now_ms;
	struct boot *b = node_boot(n, s->boot_id, now_ms);
	if (!is_new(&p, b, STREAM_SAMPLE))
		return -EEXIST;
	int r = give_sample(i, n, s, now_ms);
	if (r == 0)
		advance(&p, b, STREAM_SAMPLE);
	return r;
}

int intake_accept_notice(struct intake *i, const struct notice *n, int64_t now_ms)
{
	if (!serves(i, n->cluster)) {
		count_refusal(i, NULL, INTAKE_CLUSTER);
		return -EACCES;
	}
	int r = i->o.on_notice(i->o.arg, n, now_ms);
	if (r < 0)
		count_refusal(i, NULL, INTAKE_SINK);
	else
		i->counters.notices++;
	return r < 0 ? r : 0;
}

const struct intake_counters *intake_counters(const struct intake *i)
{
	return &i->counters;
}

void intake_each_node(
	const struct intake *i, void (*each)(void *arg, const struct intake_node *n), void *arg)
{
	for (const struct node *n = i->nodes.table; n; n = n->hh.next) {
		const struct intake_node said = {
			.cluster = n->cluster,
			.node = n->name,
			.simulated = n->simulated,
			.clock_offset_ms = n->offset_ms,
			.clock_offset_known = n->n_delays > 0,
			.last_ms = n->last_ms,
			.samples = n->samples,
			.duplicates = n->duplicates,
			.lost = n->lost,
			.refused = n->refused,
		};
		each(arg, &said);
	}
}

size_t intake_nodes(const struct intake *i)
{
	return HASH_COUNT(i->nodes.table);
}

static int copy_clusters(struct intake *i, const struct intake_options *o)
{
	i->clusters = calloc(o->n_clusters + 1, sizeof(*i->clusters));
	if (!i->clusters)
		return -ENOMEM;
	for (size_t k = 0; k < o->n_clusters; k++) {
		i->clusters[k] = strdup(o->clusters[k]);
		if (!i->clusters[k])
			return -ENOMEM;
	}
	return 0;
}

int intake_new(struct intake **ret, const struct intake_options *o)
{
	if (!o->on_sample || !o->on_notice)
		return -EINVAL;
	struct intake *i = calloc(1, sizeof(*i));
	if (!i)
		return -ENOMEM;
	i->o = *o;
	i->o.rate_per_s = o->rate_per_s ? o->rate_per_s : RATE_PER_S;
	i->o.burst = o->burst ? o->burst : BURST;
	i->nodes.max = o->max_nodes ? o->max_nodes : MAX_NODES;
	buf_init(&i->scratch, FRAME_MAX_BODY_BYTES);
	int r = copy_clusters(i, o);
	if (r < 0) {
		intake_free(i);
		return r;
	}
	*ret = i;
	return 0;
}

void intake_free(struct intake *i)
{
	if (!i)
		return;
	for (size_t k = 0; i->clusters && i->clusters[k]; k++)
		free(i->clusters[k]);
	free(i->clusters);
	nodes_done(&i->nodes);
	buf_done(&i->scratch);
	free(i);
}
