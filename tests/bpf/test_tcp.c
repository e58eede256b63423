// SPDX-License-Identifier: Apache-2.0
// TCP accounting with connections of known content, over loopback.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bpf/load.h"
#include "tests/bpf/load_probe.h"
#include "tests/bpf/load_tcp.h"

enum { RETRANSMITS, RESETS, CONNECTIONS, BYTES }; // columns of PROBE_TCP

static char cgroup[LOAD_PATH];

// Runs inside the test's v2 cgroup, so that nobody else's connections count; exits with its result.
static int in_cgroup(int (*run)(void *arg), void *arg)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(cgroup_enter(cgroup, 0) < 0 ? 99 : run(arg));
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

static int talk(void *arg)
{
	return tcp_talk(arg) < 0;
}

static void closed_connections_and_their_bytes_are_counted_to_the_byte(void **state)
{
	struct tcp_traffic t = {.connections = 20, .there = 123457, .back = 7};
	struct probe *p = watch_new(DUTY_OFF, 0);
	assert_int_equal(in_cgroup(talk, &t), 0);
	const struct probe_row *row = watch_row(p, PROBE_TCP, cgroup_inode(cgroup));
	assert_int_equal(row->values[CONNECTIONS], 2 * 20); // both ends live in the cgroup
	assert_int_equal(row->values[BYTES], 2 * 20 * (123457 + 7));
	assert_int_equal(row->values[RESETS], 0);
	assert_in_range(watch_hist(row, 0), 1, 2 * 20); // round trip, where one was measured
	probe_free(p);
}

// The receiver's filter drops everything for a while.
static int talk_through_loss(void *arg)
{
	struct sock_filter drop = {.code = BPF_RET | BPF_K, .k = 0};
	struct sock_fprog filter = {.len = 1, .filter = &drop};
	struct sockaddr_in at;
	struct tcp_info info;
	socklen_t len = sizeof(info);
	char block[1000];
	int zero = 0;
	int listener = tcp_listen(&at), fds[2];
	tcp_pair(listener, &at, fds);
	memset(block, 1, sizeof(block));
	if (setsockopt(fds[1], SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) < 0)
		return 1;
	if (write(fds[0], block, sizeof(block)) != sizeof(block))
		return 2;
	sleep_ms(800);
	if (setsockopt(fds[1], SOL_SOCKET, SO_DETACH_FILTER, &zero, sizeof(zero)) < 0)
		return 6;
	for (size_t got = 0; got < sizeof(block);) {
		ssize_t n = read(fds[1], block, sizeof(block));
		if (n <= 0)
			return 3;
		got += (size_t)n;
	}
	if (getsockopt(fds[0], IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return 4;
	tcp_close(fds[0], fds[1]);
	return info.tcpi_total_retrans > 0 && info.tcpi_total_retrans < 80
		       ? 10 + (int)info.tcpi_total_retrans
		       : 5;
}

static void retransmits_are_those_of_the_kernel_and_do_not_count_as_bytes(void **state)
{
	struct probe *p = watch_new(DUTY_OFF, 0);
	int result = in_cgroup(talk_through_loss, NULL);
	assert_in_range(result, 11, 89);
	const struct probe_row *row = watch_row(p, PROBE_TCP, cgroup_inode(cgroup));
	assert_int_equal(row->values[RETRANSMITS], result - 10);
	assert_int_equal(row->values[BYTES], 2 * 1000);
	assert_int_equal(row->values[CONNECTIONS], 2);
	probe_free(p);
}

static int be_refused(void *arg)
{
	struct sockaddr_in at;
	close(tcp_listen(&at)); // a port where nobody listens
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r = connect(fd, (struct sockaddr *)&at, sizeof(at));
	return r < 0 && errno == ECONNREFUSED ? 0 : 1;
}

static void a_refused_connection_is_a_reset_and_no_connection(void **state)
{
	struct probe *p = watch_new(DUTY_OFF, 0);
	assert_int_equal(in_cgroup(be_refused, NULL), 0);
	const struct probe_row *row = watch_row(p, PROBE_TCP, cgroup_inode(cgroup));
	assert_int_equal(row->values[CONNECTIONS], 0);
	assert_int_equal(row->values[RESETS], 1); // received
	row = watch_row(p, PROBE_TCP, PROBE_OVERFLOW);
	assert_true(row->values[RESETS] >= 1); // sent, by no socket
	probe_free(p);
}

static int abort_connection(void *arg)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};
	struct sockaddr_in at;
	int listener = tcp_listen(&at), fds[2];
	char byte;
	tcp_pair(listener, &at, fds);
	setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fds[0]);
	return read(fds[1], &byte, 1) < 0 && errno == ECONNRESET ? 0 : 1;
}

static void an_aborted_connection_counts_at_both_ends(void **state)
{
	struct probe *p = watch_new(DUTY_OFF, 0);
	assert_int_equal(in_cgroup(abort_connection, NULL), 0);
	const struct probe_row *row = watch_row(p, PROBE_TCP, cgroup_inode(cgroup));
	assert_int_equal(row->values[CONNECTIONS], 2);
	assert_true(row->values[RESETS] >= 1); // received; sent too where the kernel traces it
	probe_free(p);
}

static void the_entry_of_a_removed_cgroup_is_forgotten_after_one_more_reading(void **state)
{
	char keep[LOAD_PATH];
	struct tcp_traffic t = {.connections = 1, .there = 10, .back = 0};
	struct probe *p = watch_new(DUTY_OFF, 0);
	memcpy(keep, cgroup, sizeof(keep));
	assert_int_equal(cgroup_make("", "petrel-tcp-gone", cgroup), 0);
	uint64_t inode = cgroup_inode(cgroup);
	assert_int_equal(in_cgroup(talk, &t), 0);
	cgroup_remove(cgroup);
	memcpy(cgroup, keep, sizeof(keep));
	assert_true(probe_events(p, NULL, NULL) > 0);
	assert_int_equal(watch_row(p, PROBE_TCP, inode)->values[CONNECTIONS], 2);
	assert_int_equal(watch_row(p, PROBE_TCP, inode)->values[CONNECTIONS], 0);
	probe_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(closed_connections_and_their_bytes_are_counted_to_the_byte),
		cmocka_unit_test(retransmits_are_those_of_the_kernel_and_do_not_count_as_bytes),
		cmocka_unit_test(a_refused_connection_is_a_reset_and_no_connection),
		cmocka_unit_test(an_aborted_connection_counts_at_both_ends),
		cmocka_unit_test(the_entry_of_a_removed_cgroup_is_forgotten_after_one_more_reading),
	};
	load_need_root();
	if (cgroup_make("", "petrel-tcp", cgroup) < 0)
		load_skip("no v2 cgroup hierarchy is mounted");
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	cgroup_remove(cgroup);
	return failed;
}
