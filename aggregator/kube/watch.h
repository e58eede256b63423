// SPDX-License-Identifier: Apache-2.0
// Lists one kind of object and then watches it, for ever. Part of the client.
//
// List: pages without resourceVersion (with resourceVersion=0 the server ignores the limit), a
// page that is too large is asked for again by half. Watch: from the list's version, with
// bookmarks and a time limit; its end is normal and it goes on from the last version seen. 410,
// as a status or as an ERROR event, and a continue token that has expired lead to a new list. A
// watch that says nothing for silence_ms is cut and taken up again (a half-open connection says
// nothing for ever). Everything else that fails is tried again after a back-off with full jitter,
// 0.2 s doubling up to 30 s, and counts as trouble in the stats until something is heard.
// Source: kubernetes.io "API Concepts", efficient detection of changes.
#pragma once

#include "aggregator/kube/mirror.h"

struct kube_client;
struct kube_watch;
int kube_watch_start(struct kube_watch **ret, struct kube_client *c, enum mirror_kind kind);
// Ends; kube_client_watch_closed() when it is gone.
void kube_watch_stop(struct kube_watch *w);
bool kube_watch_ready(const struct kube_watch *w); // first list is in, or may be left out
