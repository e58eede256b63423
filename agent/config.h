// SPDX-License-Identifier: Apache-2.0
// The configuration of petrel-agent: its struct, and the table that fills it (proto/base/config.h).
#pragma once

#include "proto/base/config.h"

struct agent_config {
	char *cluster, *node, *group, *instance_id, *instance_type, *zone_id;
	uint64_t interval_ms, slow_interval_ms, max_cgroups;
	unsigned duty; // 0 off, 1 cycle, 2 full
	uint64_t cycle_ms, cycle_on_ms, armed_ms;
	uint64_t psi_stall_ms, psi_window_ms;
	char *proc, *sys, *cgroup, *root;
	struct config_list aggregators;
	uint64_t data_port, urgent_port, spool_bytes, spool_ms;
	bool insecure;
	char *ca, *cert, *key, *crl;
	bool imds, imds_allow_v1;
	char *imds_address;
	uint64_t imds_port;
	uint64_t imds_spot_ms, imds_lifecycle_ms, imds_rebalance_ms, imds_maintenance_ms,
		imds_termination_ms;
	char *http_address;
	uint64_t http_port;
	uint64_t cpu_budget_permille;
	bool drop_privileges;
	uint64_t uid;
	unsigned log_level, log_format;
	bool print;
};

extern const struct config_table agent_config_table;

// What no single key can say: -EINVAL with the reason (no certificate for a secure lane …).
int agent_config_check(const struct agent_config *c, struct why *why);
