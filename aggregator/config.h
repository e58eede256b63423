// SPDX-License-Identifier: Apache-2.0
// Settings of the aggregator: one table (config.c) makes the file's keys, the options, --help and
// the reference.
#pragma once

#include "proto/base/config.h"

struct aggregator_config {
	char *name;                  // of this replica
	struct config_list clusters; // served; agents of others are refused
	unsigned mode;               // enum petrel_mode
	bool insecure;
	char *data_url, *urgent_url, *feed_url;
	char *tls_ca, *tls_cert, *tls_key, *tls_crl;
	char *http_address;
	uint64_t http_port;
	char *store_path, *audit_path, *audit_key;
	uint64_t audit_max_mb;
	uint64_t max_nodes, max_pods;
	uint64_t decide_every_ms;
	uint64_t forecast_budget_permille;
	uint64_t forecast_train_every_ms;
	bool aws;
	char *aws_region, *aws_endpoint, *aws_role, *aws_external_id, *aws_queue;
	char *webhook_url, *webhook_template, *webhook_secret, *webhook_ca;
	bool drain_replace, drain_delete_blocked, drain_delete_voluntary, drain_daemonsets;
	bool drain_take_karpenter, drain_take_autoscaler;
	uint64_t drain_patience_ms, drain_scheduled_window_ms, drain_rebalance_per_hour;
	uint64_t max_drains;
	bool kube;
	char *kube_config, *kube_namespace, *kube_lease;
	bool kube_fast_lease;
	bool demo;
	unsigned demo_mode; // enum petrel_mode
	uint64_t demo_history_ms;
	unsigned log_level, log_format;
};

extern const struct config_table aggregator_config_table;
