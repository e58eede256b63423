// SPDX-License-Identifier: Apache-2.0
#include "agent/imds/known.h"

#include <string.h>

static int find(const struct known *k, const uint8_t id[32])
{
	for (size_t i = 0; i < k->n; i++)
		if (memcmp(k->items[i].notice.id, id, 32) == 0)
			return (int)i;
	return -1;
}

static void forget(struct known *k, size_t index)
{
	memmove(&k->items[index], &k->items[index + 1], (k->n - index - 1) * sizeof(k->items[0]));
	k->n--;
}

static void make_room(struct known *k)
{
	size_t victim = 0;
	for (size_t i = 0; i < k->n; i++) {
		if (k->items[i].notice.withdrawn) {
			victim = i;
			break;
		}
	}
	forget(k, victim);
}

bool known_take(struct known *k, int question, const struct notice *n)
{
	int at = find(k, n->id);
	if (at < 0) {
		if (k->n == KNOWN_MAX)
			make_room(k);
		k->items[k->n].notice = *n;
		k->items[k->n++].shown_by = 1u << question;
		return true;
	}
	struct notice *old = &k->items[at].notice;
	k->items[at].shown_by |= 1u << question;
	if (n->guessed &&
		!old->withdrawn) // says nothing new, and its time would slide with every look
		return false;
	bool changed = old->deadline_ms != n->deadline_ms || old->action != n->action ||
		       old->withdrawn != n->withdrawn || old->guessed != n->guessed;
	// hibernation's deadline is "now": the first one stands
	if (n->action == NOTICE_HIBERNATE && old->action == NOTICE_HIBERNATE &&
		old->withdrawn == n->withdrawn)
		return false;
	if (changed)
		*old = *n;
	return changed;
}

static bool is_shown(const struct known_shown *shown, const uint8_t id[32])
{
	for (size_t i = 0; i < shown->n; i++)
		if (memcmp(shown->notices[i].id, id, 32) == 0)
			return true;
	return false;
}

bool known_missing(
	struct known *k, const struct known_shown *shown, int64_t now_ms, struct notice *ret)
{
	const uint32_t mine = 1u << shown->question;
	for (size_t i = 0; i < k->n; i++) {
		struct notice *n = &k->items[i].notice;
		if (!(k->items[i].shown_by & mine) || is_shown(shown, n->id))
			continue;
		k->items[i].shown_by &= ~mine;
		if (k->items[i].shown_by || n->withdrawn)
			continue;
		n->withdrawn = true;
		n->observed_ms = now_ms;
		*ret = *n;
		return true;
	}
	return false;
}
