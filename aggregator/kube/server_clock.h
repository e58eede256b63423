// SPDX-License-Identifier: Apache-2.0
// The right time, as the API server's answers tell it.
//
// A deadline comes from AWS as a time of day, and a machine whose clock is five minutes ahead would
// take every notice for one that is past, and kill pods that had two minutes. The API server's
// clock is kept by AWS, and each of its answers has a Date: between the sending of the request (s)
// and the end of its answer (h) the server's clock showed that second. So off, the distance from
// our monotonic clock to the right time, lies between date - h and date + 1 s - s. A machine's
// clock that agrees with that, within the slack, is taken as it is; otherwise the server's time is,
// and stays, whatever the machine's clock does until the next answer. One that took longer than the
// slack says too little to change what is known. Pure.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { SERVER_CLOCK_SLACK_MS = 2000 };

struct server_clock {
	bool known, wrong; // wrong: the machine's clock is not the server's
	int64_t off_ms;    // right time less monotonic time
	int64_t ahead_ms;  // the machine's clock less the right time
};
struct server_date {
	int64_t date_ms;          // as answered: whole seconds
	int64_t sent_ms, took_ms; // monotonic; from the request to the end of its answer
	int64_t machine_ms;       // the machine's wall clock when the answer had come
};
// True if wrong has changed.
bool server_clock_hear(struct server_clock *c, const struct server_date *d);
