// SPDX-License-Identifier: Apache-2.0
// From the bodies of the metadata service to notices. Pure.
//
// Every function fills notices that name instance, cluster and node as given in the template; what
// they cannot understand they say. Sources: EC2 user guide (spot instance termination notices,
// rebalance recommendations, instance metadata categories).
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "proto/wire/notice.h"

enum { EVENT_MAX_NOTICES = 16, EVENT_GUESS_MS = 120000 };

// All: from is the template (cluster, node, instance_id, source, observed_ms = now). Return how
// many notices ret holds now (at most EVENT_MAX_NOTICES), or -EBADMSG for a body that is no answer
// to the question.

// meta-data/spot/instance-action:
// {"action":"terminate|stop|hibernate","time":"2017-09-18T08:22:00Z"}. A body that cannot be
// understood is taken as a termination two minutes from now (guessed is set): never -EBADMSG.
// hibernate begins at once.
int event_spot_action(const char *body, size_t len, const struct notice *from,
	struct notice ret[EVENT_MAX_NOTICES]);
// meta-data/spot/termination-time: a time, or text that is none (then -EBADMSG: the legacy path may
// hold such).
int event_termination_time(const char *body, size_t len, const struct notice *from,
	struct notice ret[EVENT_MAX_NOTICES]);
// meta-data/events/recommendations/rebalance: {"noticeTime":"2020-10-27T08:22:00Z"}; no deadline.
int event_rebalance(const char *body, size_t len, const struct notice *from,
	struct notice ret[EVENT_MAX_NOTICES]);
// meta-data/events/maintenance/scheduled: an array; completed or canceled events come as withdrawn.
int event_maintenance(const char *body, size_t len, const struct notice *from,
	struct notice ret[EVENT_MAX_NOTICES]);
// meta-data/autoscaling/target-lifecycle-state: a word; "Terminated" (also out of a warm pool) is a
// notice.
int event_lifecycle(const char *body, size_t len, const struct notice *from,
	struct notice ret[EVENT_MAX_NOTICES]);

// "21 Jan 2019 09:00:43 GMT" -> ms since the epoch; -EINVAL.
int event_parse_maintenance_time(const char *text, int64_t *ret_ms);
