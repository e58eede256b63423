// SPDX-License-Identifier: Apache-2.0
#include "proto/wire/notice.h"

#include <errno.h>
#include <string.h>

#include "proto/base/clock.h"
#include "proto/base/hash.h"
#include "proto/base/json.h"
#include "proto/base/text.h"
#include "proto/wire/arena.h"
#include "proto/wire/check.h"
#include "proto/wire/pb.h"
#include "proto/wire/petrel.pb-c.h"

enum { NOTICE_MAX_BYTES = 4096, PARSE_MAX_BYTES = 64 << 10 };

static const char *const kinds[NOTICE_KIND_COUNT] = {
	"SPOT_ITN",
	"REBALANCE_RECOMMENDATION",
	"SCHEDULED_EVENT",
	"ASG_LIFECYCLE",
	"STATE_CHANGE",
	"HEALTH",
};

// The parts are hashed with a NUL after each, so that no two triples run together.
void notice_make_id(
	const char *instance_id, enum notice_kind kind, const char *event_id, uint8_t ret[32])
{
	struct buf b;
	buf_init(&b, 4096);
	buf_append(&b, instance_id, strlen(instance_id) + 1);
	const char *name = (unsigned)kind < NOTICE_KIND_COUNT ? kinds[kind] : "";
	buf_append(&b, name, strlen(name) + 1); // none of them: a person has asked
	buf_append(&b, event_id, strlen(event_id) + 1);
	hash_sha256(b.data, b.len, ret);
	buf_done(&b);
}

const char *notice_kind_name(enum notice_kind kind)
{
	return (unsigned)kind < NOTICE_KIND_COUNT ? kinds[kind] : "UNKNOWN";
}

bool notice_equal(const struct notice *a, const struct notice *b)
{
	return memcmp(a->id, b->id, sizeof(a->id)) == 0 && a->kind == b->kind &&
	       a->action == b->action && !strcmp(a->cluster, b->cluster) &&
	       !strcmp(a->node, b->node) && !strcmp(a->instance_id, b->instance_id) &&
	       !strcmp(a->source, b->source) && !strcmp(a->event_id, b->event_id) &&
	       a->observed_ms == b->observed_ms && a->deadline_ms == b->deadline_ms &&
	       a->withdrawn == b->withdrawn && a->guessed == b->guessed;
}

void notice_print(const struct notice *n, struct buf *out)
{
	static const char *const actions[] = {"terminate", "stop", "hibernate", "reboot", "other"};
	char id[2 * sizeof(n->id) + 1];
	text_to_hex(n->id, sizeof(n->id), id);
	struct json j;
	json_init(&j, out);
	json_open(&j, '{');
	json_put_text(&j, "id", id);
	json_put_text(&j, "kind", notice_kind_name(n->kind));
	json_put_text(&j, "action", n->action <= NOTICE_OTHER ? actions[n->action] : "other");
	json_put_text(&j, "cluster", n->cluster);
	json_put_text(&j, "node", n->node);
	json_put_text(&j, "instance_id", n->instance_id);
	json_put_text(&j, "source", n->source);
	json_put_text(&j, "event_id", n->event_id);
	json_put_i64(&j, "observed_ms", n->observed_ms);
	json_put_i64(&j, "deadline_ms", n->deadline_ms);
	json_put_bool(&j, "withdrawn", n->withdrawn);
	json_put_bool(&j, "guessed", n->guessed);
	json_close(&j, '}');
}

int notice_encode(const struct notice *n, struct buf *out)
{
	pb_bytes(out, 1, n->id, sizeof(n->id));
	pb_uint(out, 2, n->kind);
	pb_uint(out, 3, n->action);
	pb_text(out, 4, n->cluster);
	pb_text(out, 5, n->node);
	pb_text(out, 6, n->instance_id);
	pb_text(out, 7, n->source);
	pb_text(out, 8, n->event_id);
	pb_uint(out, 9, (uint64_t)n->observed_ms);
	pb_uint(out, 10, (uint64_t)n->deadline_ms);
	pb_uint(out, 11, n->withdrawn);
	pb_uint(out, 12, n->guessed);
	return buf_failed(out) ? -E2BIG : 0;
}

static int get_names(const Petrel__V1__Notice *m, struct notice *n)
{
	int r = check_name(n->cluster, sizeof(n->cluster), m->cluster, CHECK_NEEDED);
	if (r == 0)
		r = check_name(n->node, sizeof(n->node), m->node, 0);
	if (r == 0)
		r = check_name(n->instance_id, sizeof(n->instance_id), m->instance_id, 0);
	if (r == 0)
		r = check_name(n->source, sizeof(n->source), m->source, CHECK_NEEDED);
	return r < 0 ? r : check_text(n->event_id, sizeof(n->event_id), m->event_id);
}

int notice_decode(const void *data, size_t len, struct notice *ret)
{
	autoarena a;
	arena_init(&a, PARSE_MAX_BYTES);
	if (len > NOTICE_MAX_BYTES)
		return -E2BIG;
	Petrel__V1__Notice *m = petrel__v1__notice__unpack(&a.allocator, len, data);
	if (!m || m->id.len != sizeof(ret->id))
		return -EBADMSG;
	if (m->kind >= NOTICE_KIND_COUNT) // a kind we cannot act on must not be taken for another
		return -EINVAL;
	struct notice n = {
		.kind = (enum notice_kind)m->kind,
		.action = m->action <= NOTICE_OTHER ? (enum notice_action)m->action : NOTICE_OTHER,
		.observed_ms = m->observed_ms,
		.deadline_ms = m->deadline_ms,
		.withdrawn = m->withdrawn,
		.guessed = m->guessed,
	};
	memcpy(n.id, m->id.data, sizeof(n.id));
	int r = get_names(m, &n);
	if (r < 0)
		return r;
	if (!n.node[0] && !n.instance_id[0])
		return -EINVAL;
	uint8_t id[sizeof(n.id)];
	notice_make_id(n.instance_id, n.kind, n.event_id, id);
	if (memcmp(id, n.id, sizeof(id)) != 0)
		return -EINVAL;
	*ret = n;
	return 0;
}
