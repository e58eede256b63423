// SPDX-License-Identifier: Apache-2.0
// Texts are as real kernels wrote them (5.10, 6.1, 6.18; v1 and v2), shortened.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/proc/parse.h"

#include <stdio.h>
#include <string.h>

#define TEXT(t) (t), (sizeof(t) - 1)
#define assert_value(s, m, v)                                                                      \
	do {                                                                                       \
		assert_true(scope_has(&(s), METRIC_##m));                                          \
		assert_int_equal((s).values[METRIC_##m], (v));                                     \
	} while (0)
#define assert_absent(s, m) assert_false(scope_has(&(s), METRIC_##m))

static void cpu_time_of_the_node_comes_in_nanoseconds(void **state)
{
	struct scope s = {0};
	parse_stat(TEXT("cpu  7326 19820 7791 247916 1175 3 135 31 5 6\n"
			"cpu0 2406 5965 2522 131106 65 0 10 10 0 0\n"
			"cpu1 4919 13854 5269 116809 1109 0 125 20 0 0\n"
			"intr 4242 0 0 0 9\nctxt 761345\nbtime 1790000000\nprocesses 16255\n"
			"procs_running 3\nprocs_blocked 0\n"),
		100, &s);
	assert_value(s, CPU_USER, 271460000000);
	assert_value(s, CPU_SYSTEM, 77910000000);
	assert_value(s, CPU_IDLE, 2479160000000);
	assert_value(s, CPU_IOWAIT, 11750000000);
	assert_value(s, CPU_SOFTIRQ, 1350000000);
	assert_value(s, CPU_STEAL, 310000000);
	assert_value(s, CPU_USAGE, (int64_t)(7326 + 19820 + 7791 + 3 + 135) * 10000000);
	assert_value(s, CPU_CAPACITY, 2000);
	assert_value(s, CONTEXT_SWITCHES, 761345);
	assert_value(s, RUNNABLE, 3);
}

static void memory_is_used_when_it_is_not_available(void **state)
{
	struct scope s = {0};
	parse_meminfo(TEXT("MemTotal:       24682416 kB\nMemFree:        23445720 kB\n"
			   "MemAvailable:   24251676 kB\nBuffers:           32376 kB\n"),
		&s);
	assert_value(s, MEM_TOTAL, 24682416ll * 1024);
	assert_value(s, MEM_AVAILABLE, 24251676ll * 1024);
	assert_value(s, MEM_USED, (24682416ll - 24251676) * 1024);
	struct scope none = {0};
	parse_meminfo(TEXT("MemTotal:       100 kB\nMemAvailable:   200 kB\n"), &none);
	assert_absent(none, MEM_USED);
}

static void network_counters_are_found_by_name_not_by_place(void **state)
{
	struct scope s = {0};
	parse_snmp(
		TEXT("Ip: Forwarding DefaultTTL\nIp: 2 64\n"
		     "Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens "
		     "AttemptFails EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts "
		     "InCsumErrors\nTcp: 1 200 120000 -1 35 3 0 0 7 13714 7700 11 0 38 0\n"
		     "Udp: InDatagrams\nUdp: 64\n"),
		&s);
	assert_value(s, TCP_ESTABLISHED, 7);
	assert_value(s, TCP_RETRANSMITS, 11);
	assert_value(s, TCP_RESETS, 38);
	parse_sockstat(TEXT("sockets: used 16\nTCP: inuse 1 orphan 0 tw 5 alloc 1 mem 436\n"), &s);
	assert_value(s, TCP_TIME_WAIT, 5);
	parse_vmstat(TEXT("nr_free_pages 1\noom_kill 4\nunevictable_pgs 0\n"), &s);
	assert_value(s, OOM_KILLS, 4);
}

static void pressure_may_have_one_line_or_two(void **state)
{
	struct scope s = {0};
	parse_pressure(TEXT("some avg10=0.19 avg60=0.50 avg300=0.32 total=5971564\n"
			    "full avg10=0.00 avg60=0.00 avg300=0.00 total=17\n"),
		METRIC_PSI_CPU_SOME, METRIC_PSI_CPU_FULL, &s);
	assert_value(s, PSI_CPU_SOME, 5971564);
	assert_value(s, PSI_CPU_FULL, 17);
	struct scope old = {0}; // before 5.13
	parse_pressure(TEXT("some avg10=0.19 avg60=0.50 avg300=0.32 total=5\n"),
		METRIC_PSI_CPU_SOME, METRIC_PSI_CPU_FULL, &old);
	assert_value(old, PSI_CPU_SOME, 5);
	assert_absent(old, PSI_CPU_FULL);
}

struct seen {
	char text[1024];
};

static void on_disk(void *arg, const struct parse_disk *d)
{
	struct seen *s = arg;
	size_t n = strlen(s->text);
	snprintf(s->text + n, sizeof(s->text) - n, "%.*s %llu %llu %llu %llu;", (int)d->name_len,
		d->name, (unsigned long long)d->ios, (unsigned long long)d->read_bytes,
		(unsigned long long)d->write_bytes, (unsigned long long)d->io_ms);
}

static void on_interface(void *arg, const struct parse_interface *i)
{
	struct seen *s = arg;
	size_t n = strlen(s->text);
	snprintf(s->text + n, sizeof(s->text) - n, "%.*s %llu %llu;", (int)i->name_len, i->name,
		(unsigned long long)i->rx_bytes, (unsigned long long)i->tx_bytes);
}

static void disks_and_interfaces_are_listed(void **state)
{
	struct seen s = {""};
	parse_diskstats(
		TEXT("   7       0 loop0 0 0 0 0 0 0 0 0 0 0 0\n"
		     " 254       0 vda 144578 32468 6864770 65627 37414 64778 6211408 17654 0 "
		     "19024 84408 9170 37 1051240 960 3326 166\n"
		     " 254       1 broken 1 2\n"),
		on_disk, &s);
	assert_string_equal(s.text, "loop0 0 0 0 0;vda 181992 3514762240 3180240896 19024;");
	struct seen i = {""};
	parse_net_dev(
		TEXT("Inter-|   Receive                                                |  "
		     "Transmit\n"
		     " face |bytes    packets errs drop fifo frame compressed multicast|bytes    "
		     "packets errs drop fifo colls carrier compressed\n"
		     "    lo:    3193      29    0    0    0     0          0         0     3193   "
		     "   29    0    0    0     0       0          0\n"
		     "  eth0:644239628   13762    0    0    0     0          0         0   659919  "
		     "  7748    0    0    0     0       0          0\n"),
		on_interface, &i);
	assert_string_equal(i.text, "lo 3193 3193;eth0 644239628 659919;");
}

static void on_mount(void *arg, const struct parse_mount *m)
{
	struct seen *s = arg;
	size_t n = strlen(s->text);
	snprintf(s->text + n, sizeof(s->text) - n, "%s %s;", m->path, m->type);
}

static void on_hierarchy(void *arg, const struct parse_hierarchy *h)
{
	struct seen *s = arg;
	size_t n = strlen(s->text);
	snprintf(s->text + n, sizeof(s->text) - n, "%u=%.*s;", h->id, (int)h->controllers_len,
		h->controllers);
}

static void mounts_and_hierarchies_are_listed(void **state)
{
	struct seen s = {""};
	parse_mountinfo(TEXT("22 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw\n"
			     "31 23 0:28 / /mnt/a\\040b rw - xfs /dev/vdb rw\nnonsense\n"
			     "33 23 0:28 / /nodash rw xfs /dev/vdb rw\n"),
		on_mount, &s);
	assert_string_equal(s.text, "/ ext4;/mnt/a b xfs;");
	struct seen h = {""};
	parse_self_cgroup(
		TEXT("9:name=systemd:/\n2:cpu,cpuacct:/a:b\n0::/x\nbad\n"), on_hierarchy, &h);
	assert_string_equal(h.text, "9=name=systemd;2=cpu,cpuacct;0=;");
}

static void cgroup_files_of_v2_and_v1_give_the_same_values(void **state)
{
	struct scope v2 = {0}, v1 = {0};
	parse_cpu_stat(TEXT("usage_usec 5000000\nuser_usec 3000000\nsystem_usec 2000000\n"
			    "core_sched.force_idle_usec 0\nnr_periods 10\nnr_throttled 4\n"
			    "throttled_usec 2500\nnr_bursts 0\nburst_usec 0\n"),
		&v2);
	parse_cpu_stat(TEXT("nr_periods 10\nnr_throttled 4\nthrottled_time 2500000\n"), &v1);
	parse_cpuacct_usage(TEXT("5000000000\n"), &v1);
	parse_memory_current(TEXT("4096\n"), &v2);
	parse_memory_current(TEXT("4096\n"), &v1);
	parse_memory_events(
		TEXT("low 0\nhigh 0\nmax 9\noom 1\noom_kill 2\noom_group_kill 0\n"), &v2);
	parse_memory_events(TEXT("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"), &v1);
	parse_io_stat(TEXT("254:0 rbytes=8192 wbytes=4096 rios=2 wios=1 dbytes=0 dios=0\n"
			   "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n"),
		&v2);
	parse_blkio_bytes(TEXT("254:0 Read 8193\n254:0 Write 4098\n254:0 Sync 0\n254:0 Async 1\n"
			       "254:0 Discard 0\n254:0 Total 12291\nTotal 12291\n"),
		&v1);
	parse_blkio_ios(TEXT("254:0 Read 5\n254:0 Write 5\nTotal 10\n"), &v1);
	parse_cpu_max(TEXT("50000 100000\n"), &v2);
	parse_cfs_quota(TEXT("50000\n"), TEXT("100000\n"), &v1);
	parse_memory_max(TEXT("1048576\n"), &v2);
	parse_memory_max(TEXT("1048576\n"), &v1);
	v2.present &= ~(1ull << METRIC_CPU_USER | 1ull << METRIC_CPU_SYSTEM); // not read of v1
	assert_int_equal(v2.present, v1.present);
	for (int m = 0; m < METRIC_COUNT; m++)
		if (scope_has(&v2, (enum metric)m))
			assert_int_equal(v2.values[m], v1.values[m]);
	assert_value(v2, CPU_THROTTLED, 2500000);
	assert_value(v2, CPU_CAPACITY, 500);
	assert_value(v2, OOM_KILLS, 2);
	assert_value(v2, DISK_READ, 8193);
}

static void no_limit_is_absent(void **state)
{
	struct scope s = {0};
	parse_cpu_max(TEXT("max 100000\n"), &s);
	parse_cfs_quota(TEXT("-1\n"), TEXT("100000\n"), &s);
	parse_cfs_quota(TEXT("5000\n"), TEXT("0\n"), &s);
	parse_memory_max(TEXT("max\n"), &s);
	parse_memory_max(TEXT("9223372036854771712\n"), &s);
	assert_int_equal(s.present, 0);
}

static void broken_text_leaves_values_absent(void **state)
{
	struct scope s = {0};
	static const char *const texts[] = {"", "\n", " ", "cpu\n", "cpu 1 2\n",
		"cpu -1 -2 -3 -4\n", "usage_usec\n", "usage_usec 99999999999999999999999\n",
		"usage_usec -5\n", "some total=\n", "some total=x\n", "MemTotal: kB\n", "Tcp:\n",
		"Tcp: a\nTcp: b\n", "TCP: inuse\n", "oom_kill",
		"cpu 18446744073709551615 1 1 18446744073709551615\n"};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		size_t len = strlen(texts[i]);
		parse_stat(texts[i], len, 100, &s);
		parse_meminfo(texts[i], len, &s);
		parse_vmstat(texts[i], len, &s);
		parse_sockstat(texts[i], len, &s);
		parse_snmp(texts[i], len, &s);
		parse_pressure(texts[i], len, METRIC_PSI_CPU_SOME, METRIC_PSI_CPU_FULL, &s);
		parse_cpu_stat(texts[i], len, &s);
	}
	s.present &= ~(1ull << METRIC_CPU_SYSTEM); // "1" of the last line is a number
	assert_int_equal(s.present & ~(1ull << METRIC_CPU_USER | 1ull << METRIC_CPU_USAGE), 0);
	assert_int_equal(parse_cpu_list(TEXT("0-3,8\n")), 5);
	assert_int_equal(parse_cpu_list(TEXT("\n")), 0);
	assert_int_equal(parse_cpu_list(TEXT("3-0\n")), 0);
	assert_int_equal(parse_cpu_list(TEXT("0-99999999\n")), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cpu_time_of_the_node_comes_in_nanoseconds),
		cmocka_unit_test(memory_is_used_when_it_is_not_available),
		cmocka_unit_test(network_counters_are_found_by_name_not_by_place),
		cmocka_unit_test(pressure_may_have_one_line_or_two),
		cmocka_unit_test(disks_and_interfaces_are_listed),
		cmocka_unit_test(mounts_and_hierarchies_are_listed),
		cmocka_unit_test(cgroup_files_of_v2_and_v1_give_the_same_values),
		cmocka_unit_test(no_limit_is_absent),
		cmocka_unit_test(broken_text_leaves_values_absent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
