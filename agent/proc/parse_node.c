// SPDX-License-Identifier: Apache-2.0
#include "agent/proc/parse.h"

#include "agent/proc/scan.h"

static void set(struct scope *s, enum metric m, uint64_t value)
{
	if (value <= INT64_MAX)
		scope_set(s, m, (int64_t)value);
}

static void set_scaled(struct scope *s, enum metric m, uint64_t value, uint64_t factor)
{
	if (!__builtin_mul_overflow(value, factor, &value))
		set(s, m, value);
}

// user nice system idle iowait irq softirq steal; guest time is in user already.
static void stat_cpu(struct scan *s, uint64_t tick_ns, struct scope *ret)
{
	uint64_t v[8] = {0};
	int n = 0;
	while (n < 8 && scan_u64(s, &v[n]))
		n++;
	if (n < 4)
		return;
	set_scaled(ret, METRIC_CPU_USER, v[0] + v[1], tick_ns);
	set_scaled(ret, METRIC_CPU_SYSTEM, v[2], tick_ns);
	set_scaled(ret, METRIC_CPU_IDLE, v[3], tick_ns);
	set_scaled(ret, METRIC_CPU_USAGE, v[0] + v[1] + v[2] + v[5] + v[6], tick_ns);
	if (n > 4)
		set_scaled(ret, METRIC_CPU_IOWAIT, v[4], tick_ns);
	if (n > 6)
		set_scaled(ret, METRIC_CPU_SOFTIRQ, v[6], tick_ns);
	if (n > 7)
		set_scaled(ret, METRIC_CPU_STEAL, v[7], tick_ns);
}

void parse_stat(const char *text, size_t len, uint64_t ticks_per_s, struct scope *ret)
{
	struct scan s = scan_text(text, len);
	uint64_t cpus = 0, value;
	do {
		const char *key;
		size_t n;
		if (!scan_word(&s, &key, &n))
			continue;
		if (scan_is(key, n, "cpu"))
			stat_cpu(&s, 1000000000 / ticks_per_s, ret);
		else if (n > 3 && memcmp(key, "cpu", 3) == 0)
			cpus++;
		else if (scan_is(key, n, "ctxt") && scan_u64(&s, &value))
			set(ret, METRIC_CONTEXT_SWITCHES, value);
		else if (scan_is(key, n, "procs_running") && scan_u64(&s, &value))
			set(ret, METRIC_RUNNABLE, value);
	} while (scan_next_line(&s));
	if (cpus > 0)
		set(ret, METRIC_CPU_CAPACITY, cpus * 1000);
}

void parse_meminfo(const char *text, size_t len, struct scope *ret)
{
	struct scan s = scan_text(text, len);
	do {
		const char *key;
		size_t n;
		uint64_t kb;
		if (!scan_word(&s, &key, &n) || !scan_u64(&s, &kb))
			continue;
		if (scan_is(key, n, "MemTotal:"))
			set_scaled(ret, METRIC_MEM_TOTAL, kb, 1024);
		else if (scan_is(key, n, "MemAvailable:"))
			set_scaled(ret, METRIC_MEM_AVAILABLE, kb, 1024);
		if (scope_has(ret, METRIC_MEM_AVAILABLE))
			break; // both stand in the first lines
	} while (scan_next_line(&s));
	int64_t total = scope_get(ret, METRIC_MEM_TOTAL, 0);
	int64_t available = scope_get(ret, METRIC_MEM_AVAILABLE, 0);
	if (available > 0 && available <= total)
		scope_set(ret, METRIC_MEM_USED, total - available);
}

void parse_vmstat(const char *text, size_t len, struct scope *ret)
{
	// one value out of 190 lines: look for it instead of reading all
	static const char key[] = "\noom_kill ";
	const char *at = memmem(text, len, key, sizeof(key) - 1);
	if (!at)
		return;
	struct scan s =
		scan_text(at + sizeof(key) - 1, (size_t)(text + len - at) - sizeof(key) + 1);
	uint64_t value;
	if (scan_u64(&s, &value))
		set(ret, METRIC_OOM_KILLS, value);
}

void parse_sockstat(const char *text, size_t len, struct scope *ret)
{
	struct scan s = scan_text(text, len);
	do {
		const char *key;
		size_t n;
		uint64_t value;
		if (!scan_word(&s, &key, &n) || !scan_is(key, n, "TCP:"))
			continue;
		while (scan_word(&s, &key, &n) && scan_u64(&s, &value))
			if (scan_is(key, n, "tw"))
				set(ret, METRIC_TCP_TIME_WAIT, value);
	} while (scan_next_line(&s));
}

// The n-th word of one line names the n-th value of the next; the order differs between kernels.
static void snmp_tcp(struct scan names, struct scan values, struct scope *ret)
{
	const char *key;
	size_t n;
	for (;;) {
		uint64_t value = 0;
		if (!scan_word(&names, &key, &n))
			return;
		if (!scan_u64(&values, &value)) {
			if (!scan_skip(&values, 1)) // "-1", of MaxConn
				return;
			continue;
		}
		if (scan_is(key, n, "CurrEstab"))
			set(ret, METRIC_TCP_ESTABLISHED, value);
		else if (scan_is(key, n, "RetransSegs"))
			set(ret, METRIC_TCP_RETRANSMITS, value);
		else if (scan_is(key, n, "OutRsts"))
			set(ret, METRIC_TCP_RESETS, value);
	}
}

void parse_snmp(const char *text, size_t len, struct scope *ret)
{
	struct scan s = scan_text(text, len);
	do {
		const char *key;
		size_t n;
		if (!scan_word(&s, &key, &n) || !scan_is(key, n, "Tcp:"))
			continue;
		struct scan values = s;
		if (!scan_next_line(&values) || !scan_word(&values, &key, &n) ||
			!scan_is(key, n, "Tcp:"))
			return;
		snmp_tcp(s, values, ret);
		return;
	} while (scan_next_line(&s));
}

void parse_pressure(
	const char *text, size_t len, enum metric some, enum metric full, struct scope *ret)
{
	struct scan s = scan_text(text, len);
	do {
		const char *key, *word;
		size_t n, m;
		uint64_t value;
		if (!scan_word(&s, &key, &n))
			continue;
		while (scan_word(&s, &word, &m)) {
			if (m <= 6 || memcmp(word, "total=", 6) != 0)
				continue;
			struct scan number = scan_text(word + 6, m - 6);
			if (!scan_u64(&number, &value))
				continue;
			if (scan_is(key, n, "some"))
				set(ret, some, value);
			else if (scan_is(key, n, "full"))
				set(ret, full, value);
		}
	} while (scan_next_line(&s));
}

// major minor name | reads merged sectors ms | writes merged sectors ms | in flight, io ms, …
void parse_diskstats(const char *text, size_t len,
	void (*each)(void *arg, const struct parse_disk *d), void *arg)
{
	struct scan s = scan_text(text, len);
	do {
		struct parse_disk d;
		uint64_t v[10];
		int n = 0;
		if (!scan_skip(&s, 2) || !scan_word(&s, &d.name, &d.name_len))
			continue;
		while (n < 10 && scan_u64(&s, &v[n]))
			n++;
		if (n < 10)
			continue;
		d.ios = v[0] + v[4];
		d.io_ms = v[9];
		if (__builtin_mul_overflow(v[2], 512, &d.read_bytes) ||
			__builtin_mul_overflow(v[6], 512, &d.write_bytes))
			continue;
		each(arg, &d);
	} while (scan_next_line(&s));
}

void parse_net_dev(const char *text, size_t len,
	void (*each)(void *arg, const struct parse_interface *i), void *arg)
{
	struct scan s = scan_text(text, len);
	do {
		scan_blanks(&s);
		struct parse_interface i = {.name = s.at};
		while (s.at < s.end && *s.at != ':' && *s.at != '\n')
			s.at++;
		i.name_len = (size_t)(s.at - i.name);
		if (i.name_len == 0 || !scan_char(&s, ':'))
			continue;
		uint64_t skipped;
		bool ok = scan_u64(&s, &i.rx_bytes);
		for (int n = 0; ok && n < 7; n++)
			ok = scan_u64(&s, &skipped);
		if (ok && scan_u64(&s, &i.tx_bytes))
			each(arg, &i);
	} while (scan_next_line(&s));
}

// The kernel writes blank, tab, newline and backslash as \ooo.
static void unescape(const char *word, size_t len, char *ret, size_t size)
{
	size_t n = 0;
	for (size_t i = 0; i < len && n + 1 < size; n++) {
		if (word[i] == '\\' && i + 3 < len && word[i + 1] >= '0' && word[i + 1] <= '3') {
			ret[n] = (char)((word[i + 1] - '0') << 6 | ((word[i + 2] - '0') & 7) << 3 |
					((word[i + 3] - '0') & 7));
			i += 4;
		} else {
			ret[n] = word[i++];
		}
	}
	ret[n] = '\0';
}

// id parent major:minor root PATH options … - TYPE source super-options
void parse_mountinfo(const char *text, size_t len,
	void (*each)(void *arg, const struct parse_mount *m), void *arg)
{
	struct scan s = scan_text(text, len);
	do {
		struct parse_mount m;
		const char *path, *word;
		size_t path_len, n;
		if (!scan_skip(&s, 4) || !scan_word(&s, &path, &path_len) ||
			path_len >= sizeof(m.path))
			continue;
		bool dash = false;
		while (!dash && scan_word(&s, &word, &n))
			dash = n == 1 && *word == '-';
		if (!dash || !scan_word(&s, &word, &n) || n >= sizeof(m.type))
			continue;
		unescape(path, path_len, m.path, sizeof(m.path));
		memcpy(m.type, word, n);
		m.type[n] = '\0';
		each(arg, &m);
	} while (scan_next_line(&s));
}

void parse_self_cgroup(const char *text, size_t len,
	void (*each)(void *arg, const struct parse_hierarchy *h), void *arg)
{
	struct scan s = scan_text(text, len);
	do {
		uint64_t id;
		if (!scan_u64(&s, &id) || id > UINT32_MAX || !scan_char(&s, ':'))
			continue;
		struct parse_hierarchy h = {.id = (uint32_t)id, .controllers = s.at};
		while (s.at < s.end && *s.at != ':' && *s.at != '\n')
			s.at++;
		h.controllers_len = (size_t)(s.at - h.controllers);
		if (scan_char(&s, ':'))
			each(arg, &h);
	} while (scan_next_line(&s));
}
