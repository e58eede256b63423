// SPDX-License-Identifier: Apache-2.0
// The client's inside, for client.c, request.c, watch.c, calls.c and leader.c.
#pragma once

#include "aggregator/kube/client.h"
#include "aggregator/kube/config.h"
#include "aggregator/kube/request.h"

struct transport { // two HTTP clients with one set of files; replaced when a file changes
	struct kube_client *client;
	struct http_client *calls, *watches; // a watch holds a connection of its own
	unsigned users, stopping;
	bool retired;
	struct transport *next;
};

struct kube_watch; // watch.h

struct kube_client {
	uv_loop_t *loop;
	uv_timer_t timer; // the budget's, and whatever must not happen inside a call
	struct kube_client_options o;
	char cluster[64], identity[NAME_MAX_BYTES];
	struct kube_config *config;
	struct transport *transports; // the head is the present one
	struct budget budget;
	struct kube_request *requests, *refused; // all but, and those that only wait to be told so
	struct mirror *mirror;                   // NULL until watch()
	struct kube_sink sink;
	struct kube_watch *watches[MIRROR_KIND_COUNT];
	bool synced, stopping, timer_closed;
	unsigned watches_open;
	bool (*may_change)(void *arg);
	void *may_change_arg;
	void (*on_stopped)(void *arg);
	void *on_stopped_arg;
	struct kube_client_stats stats;
	uint64_t events; // told so far, for their names
};

// client.c
void kube_client_pump(struct kube_client *c);                   // sends what may go, sets the timer
void kube_client_pump_soon(struct kube_client *c);              // the same from the loop
void kube_client_watch_closed(struct kube_client *c);           // a watch has freed itself
void kube_client_heard(struct kube_client *c);                  // a list is in: perhaps all are
struct transport *kube_client_transport(struct kube_client *c); // the present one; NULL: -ENOMEM
enum { KUBE_MICRO_TIME = 32 };
// "2026-11-24T06:12:14.123000Z": leases and events take exactly six digits.
void kube_micro_time(int64_t wall_ms, char ret[KUBE_MICRO_TIME]);
// request.c
void kube_request_send(struct kube_client *c, struct budget_item *item);
void kube_request_refuse(
	struct kube_client *c, struct budget_item *item, int error, const char *text);
void kube_request_end_refused(struct kube_client *c);
void kube_request_end_waiting(struct kube_client *c);
// calls.c
extern const struct kube_ops kube_client_ops;
int kube_client_watch(void *self, const struct kube_sink *sink); // client.c
