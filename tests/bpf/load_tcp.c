// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/load_tcp.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

int tcp_listen(struct sockaddr_in *ret)
{
	socklen_t len = sizeof(*ret);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	*ret = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (bind(fd, (struct sockaddr *)ret, sizeof(*ret)) < 0 || listen(fd, 16) < 0 ||
		getsockname(fd, (struct sockaddr *)ret, &len) < 0)
		_exit(97);
	return fd;
}

void tcp_pair(int listener, const struct sockaddr_in *at, int ret[2])
{
	ret[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(ret[0], (const struct sockaddr *)at, sizeof(*at)) < 0)
		_exit(96);
	ret[1] = accept(listener, NULL, NULL);
	if (ret[1] < 0)
		_exit(95);
}

static void pass(int from, int to, size_t bytes)
{
	static char block[8192];
	while (bytes > 0) {
		size_t n = bytes < sizeof(block) ? bytes : sizeof(block);
		if (write(from, block, n) != (ssize_t)n)
			_exit(94);
		for (size_t got = 0; got < n;) {
			ssize_t r = read(to, block, n - got);
			if (r <= 0)
				_exit(93);
			got += (size_t)r;
		}
		bytes -= n;
	}
}

// first closes, second when it has seen that.
void tcp_close(int first, int second)
{
	char byte;
	shutdown(first, SHUT_WR);
	if (read(second, &byte, 1) != 0)
		_exit(92);
	close(second);
	if (read(first, &byte, 1) != 0)
		_exit(91);
	close(first);
}

int tcp_talk(const struct tcp_traffic *t)
{
	struct sockaddr_in at;
	int listener = tcp_listen(&at), fds[2];
	for (int i = 0; i < t->connections; i++) {
		tcp_pair(listener, &at, fds);
		pass(fds[0], fds[1], t->there);
		pass(fds[1], fds[0], t->back);
		tcp_close(fds[i % 2], fds[1 - i % 2]);
	}
	close(listener);
	return 0;
}
