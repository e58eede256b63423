// SPDX-License-Identifier: Apache-2.0
#include "agent/proc/parse.h"

#include "agent/proc/scan.h"

static void set(struct scope *s, enum metric m, uint64_t value)
{
	if (value <= INT64_MAX)
		scope_set(s, m, (int64_t)value);
}

struct key {
	const char *name;
	enum metric metric;
	uint64_t factor;
};

// Lines "key value".
static void parse_keys(
	const char *text, size_t len, const struct key *keys, int n_keys, struct scope *ret)
{
	struct scan s = scan_text(text, len);
	do {
		const char *name;
		size_t n;
		uint64_t value;
		if (!scan_word(&s, &name, &n) || !scan_u64(&s, &value))
			continue;
		for (int i = 0; i < n_keys; i++) {
			if (!scan_is(name, n, keys[i].name))
				continue;
			if (!__builtin_mul_overflow(value, keys[i].factor, &value))
				set(ret, keys[i].metric, value);
			break;
		}
	} while (scan_next_line(&s));
}

void parse_cpu_stat(const char *text, size_t len, struct scope *ret)
{
	static const struct key keys[] = {
		{"usage_usec", METRIC_CPU_USAGE, 1000}, {"user_usec", METRIC_CPU_USER, 1000},
		{"system_usec", METRIC_CPU_SYSTEM, 1000}, {"nr_periods", METRIC_CPU_PERIODS, 1},
		{"nr_throttled", METRIC_CPU_THROTTLED_PERIODS, 1},
		{"throttled_usec", METRIC_CPU_THROTTLED, 1000},
		{"throttled_time", METRIC_CPU_THROTTLED, 1}, // v1, ns
	};
	parse_keys(text, len, keys, sizeof(keys) / sizeof(keys[0]), ret);
}

static void parse_one(const char *text, size_t len, enum metric m, struct scope *ret)
{
	struct scan s = scan_text(text, len);
	uint64_t value;
	if (scan_u64(&s, &value))
		set(ret, m, value);
}

void parse_cpuacct_usage(const char *text, size_t len, struct scope *ret)
{
	parse_one(text, len, METRIC_CPU_USAGE, ret);
}

void parse_memory_current(const char *text, size_t len, struct scope *ret)
{
	parse_one(text, len, METRIC_MEM_USED, ret);
}

void parse_memory_events(const char *text, size_t len, struct scope *ret)
{
	static const struct key keys[] = {{"oom_kill", METRIC_OOM_KILLS, 1}};
	parse_keys(text, len, keys, 1, ret);
}

void parse_memory_max(const char *text, size_t len, struct scope *ret)
{
	struct scan s = scan_text(text, len);
	uint64_t value;
	// v2 without a limit says "max"; v1 says INT64_MAX rounded down to a page
	if (scan_u64(&s, &value) && value < (1ull << 62))
		set(ret, METRIC_MEM_LIMIT, value);
}

// "8:16 rbytes=1459200 wbytes=314773504 rios=192 wios=353 dbytes=0 dios=0"
void parse_io_stat(const char *text, size_t len, struct scope *ret)
{
	struct scan s = scan_text(text, len);
	uint64_t read = 0, write = 0, ios = 0;
	do {
		const char *word;
		size_t n;
		if (!scan_skip(&s, 1))
			continue;
		while (scan_word(&s, &word, &n)) {
			const char *equals = memchr(word, '=', n);
			if (!equals)
				continue;
			struct scan number = scan_text(equals + 1, n - (size_t)(equals + 1 - word));
			size_t key = (size_t)(equals - word);
			uint64_t value;
			if (!scan_u64(&number, &value))
				continue;
			if (scan_is(word, key, "rbytes"))
				read += value;
			else if (scan_is(word, key, "wbytes"))
				write += value;
			else if (scan_is(word, key, "rios") || scan_is(word, key, "wios"))
				ios += value;
		}
	} while (scan_next_line(&s));
	// an empty file is a cgroup that has done no I/O yet
	set(ret, METRIC_DISK_READ, read);
	set(ret, METRIC_DISK_WRITE, write);
	set(ret, METRIC_DISK_IOS, ios);
}

// Lines "254:0 Read 4096" per device, then "Total 4096".
static void parse_blkio(const char *text, size_t len, uint64_t *ret_read, uint64_t *ret_write)
{
	struct scan s = scan_text(text, len);
	*ret_read = *ret_write = 0;
	do {
		const char *op;
		size_t n;
		uint64_t value;
		if (!scan_skip(&s, 1) || !scan_word(&s, &op, &n) || !scan_u64(&s, &value))
			continue;
		if (scan_is(op, n, "Read"))
			*ret_read += value;
		else if (scan_is(op, n, "Write"))
			*ret_write += value;
	} while (scan_next_line(&s));
}

void parse_blkio_bytes(const char *text, size_t len, struct scope *ret)
{
	uint64_t read, write;
	parse_blkio(text, len, &read, &write);
	set(ret, METRIC_DISK_READ, read);
	set(ret, METRIC_DISK_WRITE, write);
}

void parse_blkio_ios(const char *text, size_t len, struct scope *ret)
{
	uint64_t read, write;
	parse_blkio(text, len, &read, &write);
	set(ret, METRIC_DISK_IOS, read + write);
}

static void set_limit(uint64_t quota, uint64_t period, struct scope *ret)
{
	uint64_t millicores;
	if (period > 0 && !__builtin_mul_overflow(quota, 1000, &millicores))
		set(ret, METRIC_CPU_CAPACITY, millicores / period);
}

void parse_cpu_max(const char *text, size_t len, struct scope *ret)
{
	struct scan s = scan_text(text, len);
	uint64_t quota, period;
	if (scan_u64(&s, &quota) && scan_u64(&s, &period))
		set_limit(quota, period, ret);
}

void parse_cfs_quota(const char *quota, size_t quota_len, const char *period, size_t period_len,
	struct scope *ret)
{
	struct scan q = scan_text(quota, quota_len), p = scan_text(period, period_len);
	uint64_t quota_us, period_us;
	if (scan_u64(&q, &quota_us) && scan_u64(&p, &period_us))
		set_limit(quota_us, period_us, ret);
}

unsigned parse_cpu_list(const char *text, size_t len)
{
	struct scan s = scan_text(text, len);
	uint64_t total = 0, first, last;
	do {
		if (!scan_u64(&s, &first))
			return 0;
		last = first;
		if (scan_char(&s, '-') && !scan_u64(&s, &last))
			return 0;
		if (last < first || last > 65535)
			return 0;
		total += last - first + 1;
	} while (scan_char(&s, ','));
	return total > 65536 ? 0 : (unsigned)total;
}
