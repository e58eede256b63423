// SPDX-License-Identifier: Apache-2.0
// Keeps the scheduler or the loopback's TCP busy.
//
//	busy-load switch PAIRS SECONDS    pairs of processes that hand one byte to and fro
//	busy-load tcp CONNECTIONS SECONDS processes that connect, send 64 KiB, read them back, close
//
// Prints one JSON object: how often that was done in all.
#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_WORKERS = 64, PIECE = 64 << 10, PAUSE_EVERY = 100, PAUSE_US = 1000 };

static uint64_t until_ns;
static uint64_t *counts; // shared, one per worker

static bool over(void)
{
	return clock_mono_ns() >= until_ns;
}

static void switch_worker(int own)
{
	int ends[2];
	char byte = 0;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
		_exit(1);
	if (fork() == 0) {
		close(ends[0]);
		while (read(ends[1], &byte, 1) == 1 && write(ends[1], &byte, 1) == 1)
			;
		_exit(0);
	}
	close(ends[1]);
	// The pause is needed: pairs that never sleep starve every other task of a two-CPU machine
	// for up to 15 s at a time (seen on 6.18), and then nothing is measured.
	while (!over() && write(ends[0], &byte, 1) == 1 && read(ends[0], &byte, 1) == 1)
		if (++counts[own] % PAUSE_EVERY == 0)
			usleep(PAUSE_US);
}

static bool transfer(int fd, char *piece, bool write_it)
{
	for (size_t done = 0; done < PIECE;) {
		ssize_t n =
			write_it ? write(fd, piece, PIECE - done) : read(fd, piece, PIECE - done);
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

static void echo(int listener, char *piece)
{
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		if (fd < 0)
			_exit(0);
		if (transfer(fd, piece, false))
			transfer(fd, piece, true);
		close(fd);
	}
}

static void tcp_worker(int own)
{
	static char piece[PIECE];
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&at, len) < 0 || listen(listener, 16) < 0 ||
		getsockname(listener, (struct sockaddr *)&at, &len) < 0)
		_exit(1);
	pid_t child = fork();
	if (child == 0)
		echo(listener, piece);
	while (!over()) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0 &&
			transfer(fd, piece, true) && transfer(fd, piece, false))
			counts[own]++;
		close(fd);
	}
	kill(child, SIGKILL);
}

int main(int argc, char **argv)
{
	uint64_t n, seconds, sum = 0;
	if (argc != 4 || text_to_u64(argv[2], &n) < 0 || text_to_u64(argv[3], &seconds) < 0 ||
		n == 0 || n > MAX_WORKERS) {
		fprintf(stderr, "usage: busy-load switch|tcp WORKERS SECONDS\n");
		return 2;
	}
	void (*work)(int) = strcmp(argv[1], "tcp") == 0 ? tcp_worker : switch_worker;
	counts = mmap(NULL, MAX_WORKERS * sizeof(*counts), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (counts == MAP_FAILED)
		return 1;
	until_ns = clock_mono_ns() + seconds * 1000000000;
	for (int i = 0; i < (int)n; i++) {
		if (fork() == 0) {
			work(i);
			_exit(0);
		}
	}
	while (wait(NULL) > 0 || errno == EINTR)
		;
	for (uint64_t i = 0; i < n; i++)
		sum += counts[i];
	printf("{\"done\":%llu}\n", (unsigned long long)sum);
	return 0;
}
