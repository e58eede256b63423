// SPDX-License-Identifier: Apache-2.0
// The list of links in the making, for links.c and links_fleet.c.
#pragma once

#include "aggregator/show/links.h"

struct link_list {
	struct show_link *items; // SHOW_MAX_LINKS of them
	size_t n;
	const char *cluster;
};
struct show_link *link_add(struct link_list *l, const char *name, enum show_link_state state,
	const char *format, ...) __attribute__((format(printf, 4, 5)));
void link_advise(struct show_link *link, const char *advice);

void links_add_fleet(struct link_list *l, const struct link_sources *s); // links_fleet.c
