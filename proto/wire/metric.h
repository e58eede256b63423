// SPDX-License-Identifier: Apache-2.0
// Every quantity that Petrel measures, one line each: this table makes the wire ids, the store's
// keys, the API's names and the Prometheus names. To add a metric: a line at the end of its list
// (ids are positions and never change), then fill it in agent/proc or agent/probe.
//
// Columns: M(ID, "name", kind, scopes). The unit is in the name (_ns, _us, _bytes, _millicores,
// _permille, none = a count). Kinds: DELTA = increase within the sample's window (never negative);
// GAUGE = value at its end. Scopes: N node, C cgroup (pod, container, systemd unit).
#pragma once

#include <stdint.h>

#define METRICS(M)                                                                                 \
	/* CPU: node counters are summed over all CPUs */                                          \
	M(CPU_USAGE, "cpu_usage_ns", DELTA, SCOPE_N | SCOPE_C)                                     \
	M(CPU_USER, "cpu_user_ns", DELTA, SCOPE_N | SCOPE_C)                                       \
	M(CPU_SYSTEM, "cpu_system_ns", DELTA, SCOPE_N | SCOPE_C)                                   \
	M(CPU_IDLE, "cpu_idle_ns", DELTA, SCOPE_N)                                                 \
	M(CPU_IOWAIT, "cpu_iowait_ns", DELTA, SCOPE_N)                                             \
	M(CPU_STEAL, "cpu_steal_ns", DELTA, SCOPE_N)                                               \
	M(CPU_SOFTIRQ, "cpu_softirq_ns", DELTA, SCOPE_N)                                           \
	M(CPU_CAPACITY, "cpu_capacity_millicores", GAUGE,                                          \
		SCOPE_N | SCOPE_C)                    /* C: the limit, absent if none */           \
	M(CPU_PERIODS, "cpu_periods", DELTA, SCOPE_C) /* CFS bandwidth periods */                  \
	M(CPU_THROTTLED_PERIODS, "cpu_throttled_periods", DELTA, SCOPE_C)                          \
	M(CPU_THROTTLED, "cpu_throttled_ns", DELTA, SCOPE_C)                                       \
	M(CONTEXT_SWITCHES, "context_switches", DELTA, SCOPE_N)                                    \
	M(RUNNABLE, "runnable_tasks", GAUGE, SCOPE_N)                                              \
	/* scheduler, from bpf/sched: scaled to the whole window by on-time */                     \
	M(RUNQ_WAIT, "runq_wait_ns", DELTA, SCOPE_N | SCOPE_C)                                     \
	M(ONCPU, "oncpu_ns", DELTA, SCOPE_N | SCOPE_C)                                             \
	M(INVOLUNTARY_SWITCHES, "involuntary_switches", DELTA, SCOPE_N | SCOPE_C)                  \
	M(FOREIGN_PREEMPTIONS, "foreign_preemptions", DELTA, SCOPE_N | SCOPE_C)                    \
	/* memory */                                                                               \
	M(MEM_TOTAL, "mem_total_bytes", GAUGE, SCOPE_N)                                            \
	M(MEM_AVAILABLE, "mem_available_bytes", GAUGE, SCOPE_N)                                    \
	M(MEM_USED, "mem_used_bytes", GAUGE, SCOPE_N | SCOPE_C)                                    \
	M(MEM_LIMIT, "mem_limit_bytes", GAUGE, SCOPE_C) /* absent if none */                       \
	M(OOM_KILLS, "oom_kills", DELTA, SCOPE_N | SCOPE_C)                                        \
	M(RECLAIM_STALL, "reclaim_stall_ns", DELTA, SCOPE_N | SCOPE_C)                             \
	/* PSI totals */                                                                           \
	M(PSI_CPU_SOME, "psi_cpu_some_us", DELTA, SCOPE_N | SCOPE_C)                               \
	M(PSI_CPU_FULL, "psi_cpu_full_us", DELTA, SCOPE_N | SCOPE_C)                               \
	M(PSI_MEM_SOME, "psi_mem_some_us", DELTA, SCOPE_N | SCOPE_C)                               \
	M(PSI_MEM_FULL, "psi_mem_full_us", DELTA, SCOPE_N | SCOPE_C)                               \
	M(PSI_IO_SOME, "psi_io_some_us", DELTA, SCOPE_N | SCOPE_C)                                 \
	M(PSI_IO_FULL, "psi_io_full_us", DELTA, SCOPE_N | SCOPE_C)                                 \
	/* disk */                                                                                 \
	M(FS_USED, "fs_used_permille", GAUGE, SCOPE_N)     /* fullest local file system */         \
	M(DISK_IO_TIME, "disk_io_time_ms", DELTA, SCOPE_N) /* busiest device */                    \
	M(DISK_READ, "disk_read_bytes", DELTA, SCOPE_N | SCOPE_C)                                  \
	M(DISK_WRITE, "disk_write_bytes", DELTA, SCOPE_N | SCOPE_C)                                \
	M(DISK_IOS, "disk_ios", DELTA, SCOPE_N | SCOPE_C)                                          \
	/* network */                                                                              \
	M(NET_RX, "net_rx_bytes", DELTA, SCOPE_N)                                                  \
	M(NET_TX, "net_tx_bytes", DELTA, SCOPE_N)                                                  \
	M(TCP_ESTABLISHED, "tcp_established", GAUGE, SCOPE_N)                                      \
	M(TCP_TIME_WAIT, "tcp_time_wait", GAUGE, SCOPE_N)                                          \
	M(TCP_RETRANSMITS, "tcp_retransmits", DELTA, SCOPE_N | SCOPE_C)                            \
	M(TCP_RESETS, "tcp_resets", DELTA, SCOPE_N | SCOPE_C)                                      \
	M(TCP_CONNECTIONS, "tcp_connections", DELTA,                                               \
		SCOPE_N | SCOPE_C)                          /* closed within the window */         \
	M(TCP_BYTES, "tcp_bytes", DELTA, SCOPE_N | SCOPE_C) /* of those connections */             \
	/* demand: what the workload wanted, bounded from both sides (DESIGN 6), made by           \
	 * agent/window */                                                                         \
	M(DEMAND_LOW, "cpu_demand_low_millicores", GAUGE, SCOPE_N | SCOPE_C) /* = usage */         \
	M(DEMAND_HIGH, "cpu_demand_high_millicores", GAUGE,                                        \
		SCOPE_N | SCOPE_C)                              /* usage + wait + throttled */     \
	M(SATURATED, "cpu_saturated", GAUGE, SCOPE_N | SCOPE_C) /* 0 or 1 */                       \
	/* what the cluster asked for: filled by the aggregator from Kubernetes or the simulator   \
	 */                                                                                        \
	M(CPU_REQUESTED, "cpu_requested_millicores", GAUGE, SCOPE_N | SCOPE_C)                     \
	M(PODS, "pods", GAUGE, SCOPE_N)                                                            \
	M(NODES, "nodes", GAUGE, SCOPE_N)

// Histograms: HIST_BUCKETS log2 buckets; bucket b counts values v with 2^(b+shift) <= v <
// 2^(b+1+shift), the first also all below, the last all above. H(ID, "name", shift)
#define HISTS(H)                                                                                   \
	H(RUNQ_LATENCY, "runq_latency_ns", 8)                                                      \
	H(ONCPU_BURST, "oncpu_burst_ns", 8)                                                        \
	H(BLOCK_LATENCY, "block_latency_ns", 10) /* queue + device */                              \
	H(BLOCK_DEVICE, "block_device_ns", 10)   /* device only */                                 \
	H(TCP_SRTT, "tcp_srtt_us", 0)            /* smoothed RTT at close */                       \
	H(RECLAIM, "reclaim_stall_ns", 8)

enum { SCOPE_N = 1, SCOPE_C = 2 };
enum metric_kind { DELTA, GAUGE };

#define M(id, name, kind, scopes) METRIC_##id,
enum metric { METRICS(M) METRIC_COUNT };
#undef M
#define H(id, name, shift) HIST_##id,
enum hist_id { HISTS(H) HIST_COUNT };
#undef H

enum { HIST_BUCKETS = 32 };
_Static_assert(METRIC_COUNT <= 64, "struct scope keeps presence in one 64-bit word");

const char *metric_name(enum metric m);
enum metric_kind metric_kind(enum metric m);
unsigned metric_scopes(enum metric m);
int metric_by_name(const char *name, enum metric *ret); // -ENOENT
const char *hist_name(enum hist_id h);
int hist_by_name(const char *name, enum hist_id *ret); // -ENOENT
unsigned hist_shift(enum hist_id h);

struct hist {
	uint32_t buckets[HIST_BUCKETS]; // counts; saturate at UINT32_MAX
};

unsigned hist_bucket(enum hist_id h, uint64_t value);
uint64_t hist_count(const struct hist *h);
// Value below which the share permille/1000 of the counts lies, interpolated inside its bucket; 0
// when empty.
uint64_t hist_quantile(enum hist_id id, const struct hist *h, unsigned permille);
void hist_merge(struct hist *into, const struct hist *from);
