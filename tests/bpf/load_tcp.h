// SPDX-License-Identifier: Apache-2.0
// TCP connections of known content over loopback, for processes of their own: a failure ends the
// process with a status over 90.
#pragma once

#include <netinet/in.h>
#include <stddef.h>

struct tcp_traffic {
	int connections;
	size_t there, back; // payload per connection: client to server and back
};

int tcp_listen(struct sockaddr_in *ret); // descriptor, on a port of the kernel's choice
void tcp_pair(int listener, const struct sockaddr_in *at, int ret[2]); // client, server
void tcp_close(int first, int second);                                 // the whole orderly end
int tcp_talk(const struct tcp_traffic *t);
