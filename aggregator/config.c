// SPDX-License-Identifier: Apache-2.0
#include "aggregator/config.h"

#define KEY(type, field, name, ...)                                                                \
	CONFIG_KEY_##type(struct aggregator_config, field, name, __VA_ARGS__)

static const struct config_key keys[] = {
	KEY(TEXT, name, "name", .initial = "aggregator-0", .most = 127,
		.help = "Name of this replica, shown as the leader where there is only one."),
	KEY(LIST, clusters, "clusters", .initial = "local",
		.help = "Clusters whose agents are served; a certificate with only a common name "
			"speaks for the first."),
	KEY(ENUM, mode, "mode", .initial = "observe", .choices = "observe recommend act",
		.help = "observe: everything is computed and shown, nothing is done."),
	KEY(TEXT, data_url, "lanes.data", .initial = "tls+tcp://127.0.0.1:7450",
		.help = "Where samples arrive.", .example = "tls+tcp://0.0.0.0:7450"),
	KEY(TEXT, urgent_url, "lanes.urgent", .initial = "tls+tcp://127.0.0.1:7451",
		.help = "Where interruption notices arrive, so that they never queue behind "
			"samples."),
	KEY(BOOL, insecure, "lanes.insecure", .initial = "no",
		.help = "Accept plaintext lanes without authentication (tcp:// URLs). Never in "
			"production."),
	KEY(TEXT, feed_url, "feed.url", .initial = "tcp://127.0.0.1:7452",
		.help = "Debug feed for nngcat; empty: none. Without authentication, so keep it on "
			"loopback."),
	KEY(PATH, tls_ca, "tls.ca", .initial = "",
		.help = "CA that agents' certificates must come from (PEM)."),
	KEY(PATH, tls_cert, "tls.cert", .initial = "", .help = "Own certificate (PEM)."),
	KEY(PATH, tls_key, "tls.key", .initial = "", .help = "Its private key (PEM)."),
	KEY(PATH, tls_crl, "tls.crl", .initial = "",
		.help = "Revocation list of the CA (PEM); empty: none."),
	KEY(TEXT, http_address, "http.address", .initial = "127.0.0.1",
		.help = "Address of the API, the dashboard and /metrics."),
	KEY(U64, http_port, "http.port", .initial = "7480", .most = 65535, .help = "Its port."),
	KEY(PATH, store_path, "store.path", .initial = "petrel.db",
		.help = "History (SQLite file); empty: in memory only."),
	KEY(PATH, audit_path, "audit.path", .initial = "petrel-audit.jsonl",
		.help = "Audit file: one hash-chained JSON line per plan and outcome."),
	KEY(PATH, audit_key, "audit.key", .initial = "petrel-audit.key",
		.help = "Ed25519 key that signs its checkpoints (PEM; made if missing, with the "
			"public half at PATH.pub); empty: unsigned."),
	KEY(U64, audit_max_mb, "audit.max_mb", .initial = "256", .most = 65536,
		.help = "Larger files are moved to PATH.SEQ and the chain goes on; 0: never."),
	KEY(U64, max_nodes, "limits.nodes", .initial = "20000", .least = 1, .most = 200000,
		.help = "Most nodes kept; further ones are refused and counted."),
	KEY(U64, max_pods, "limits.pods", .initial = "400000", .least = 1, .most = 4000000,
		.help = "Most pods kept."),
	KEY(DURATION, decide_every_ms, "decide.every", .initial = "30s", .least = 1000,
		.most = 3600000, .help = "How often a plan is made for each cluster."),
	KEY(U64, forecast_budget_permille, "forecast.budget_permille", .initial = "50", .least = 1,
		.most = 1000,
		.help = "Share of one core for forecasts; overload makes them rarer, never late "
			"for others."),
	KEY(DURATION, forecast_train_every_ms, "forecast.train_every", .initial = "1d",
		.least = 60000, .most = 2592000000,
		.help = "How often the LSTM is trained on a cluster's own series, for a fifth of "
			"that share, while no forecast waits."),
	KEY(BOOL, aws, "aws.enabled", .initial = "no",
		.help = "Ask AWS for the node groups of the first of clusters, for replacements "
			"and "
			"for the end of drained instances."),
	KEY(TEXT, aws_region, "aws.region", .initial = "",
		.help = "Empty: AWS_REGION of the environment."),
	KEY(TEXT, aws_endpoint, "aws.endpoint", .initial = "",
		.help = "One endpoint for every service; empty: AWS's own.",
		.example = "http://127.0.0.1:4566"),
	KEY(TEXT, aws_role, "aws.role_arn", .initial = "",
		.help = "Role to assume on top of the environment's credentials; empty: none."),
	KEY(TEXT, aws_external_id, "aws.external_id", .initial = "",
		.help = "External id of that role; empty: none."),
	KEY(TEXT, aws_queue, "aws.queue", .initial = "",
		.help = "URL of the SQS queue that EventBridge and the scaling groups send to; "
			"empty: none."),
	KEY(TEXT, webhook_url, "webhook.url", .initial = "",
		.help = "POSTed to at the moment of a notice and at each phase; empty: none."),
	KEY(TEXT, webhook_template, "webhook.template", .initial = "", .most = 16384,
		.help = "Body of a webhook: JSON in which {{text}}, {{event}}, {{phase}}, "
			"{{cluster}}, {{node}}, {{kind}}, {{drain}}, {{at}}, {{deadline}} and "
			"{{left_s}} are replaced; empty: {\"text\":\"{{text}}\"}."),
	KEY(TEXT, webhook_secret, "webhook.secret", .initial = "", .secret = true,
		.help = "Signs webhooks (HMAC-SHA256); empty: unsigned."),
	KEY(PATH, webhook_ca, "webhook.ca", .initial = "",
		.help = "CA of the webhook's server (PEM); empty: the system's."),
	KEY(BOOL, drain_replace, "drain.replace", .initial = "yes",
		.help = "Ask for a replacement node when one is going to be lost."),
	KEY(BOOL, drain_delete_blocked, "drain.delete_blocked", .initial = "yes",
		.help = "An interruption deletes what a disruption budget still blocks 25 s before "
			"the end."),
	KEY(BOOL, drain_delete_voluntary, "drain.delete_blocked_voluntary", .initial = "no",
		.help = "The same for drains that people or recommendations ask for."),
	KEY(BOOL, drain_daemonsets, "drain.daemonsets", .initial = "no",
		.help = "Evict the pods of DaemonSets too, last; they come back."),
	KEY(BOOL, drain_take_karpenter, "drain.take_karpenter", .initial = "no",
		.help = "Drain nodes that Karpenter owns, too."),
	KEY(BOOL, drain_take_autoscaler, "drain.take_cluster_autoscaler", .initial = "no",
		.help = "Drain nodes that Cluster Autoscaler is deleting, too."),
	KEY(DURATION, drain_patience_ms, "drain.patience", .initial = "5m", .least = 1000,
		.most = 3600000,
		.help = "How long a recommendation or a scheduled event waits for the "
			"replacement."),
	KEY(DURATION, drain_scheduled_window_ms, "drain.scheduled_window", .initial = "1h",
		.least = 60000, .most = 86400000,
		.help = "How long before scheduled maintenance the drain begins."),
	KEY(U64, drain_rebalance_per_hour, "drain.rebalance_per_hour", .initial = "4", .most = 1000,
		.help = "Most nodes of one group that are replaced on recommendation in an hour."),
	KEY(U64, max_drains, "limits.drains", .initial = "4000", .least = 1, .most = 100000,
		.help = "Most drains kept, those that have ended included."),
	KEY(BOOL, kube, "kube.enabled", .initial = "no",
		.help = "Watch the first of clusters through its API server, and drain its nodes."),
	KEY(PATH, kube_config, "kube.config", .initial = "",
		.help = "kubeconfig file; empty: this pod's own service account."),
	KEY(TEXT, kube_namespace, "kube.namespace", .initial = "petrel", .least = 1, .most = 63,
		.help = "Where the Lease is."),
	KEY(TEXT, kube_lease, "kube.lease", .initial = "petrel-aggregator", .least = 1, .most = 253,
		.help = "Name of the Lease that decides which replica acts."),
	KEY(BOOL, kube_fast_lease, "kube.fast_lease", .initial = "no",
		.help = "Fail over within 5 s instead of 17 s, for more requests."),
	KEY(BOOL, demo, "demo.enabled", .initial = "no",
		.help = "Run a simulated fleet of 24 nodes in a cluster of its own, labelled as "
			"simulated."),
	KEY(ENUM, demo_mode, "demo.mode", .initial = "act", .choices = "observe recommend act",
		.help = "What is done to the simulated fleet: its drains are real in act."),
	KEY(DURATION, demo_history_ms, "demo.history", .initial = "15d", .most = 34560000000,
		.help = "History that the simulated fleet gets at the first start."),
	KEY(ENUM, log_level, "log.level", .initial = "info", .choices = "debug info warn error",
		.option = "log-level", .help = "Least level that is logged."),
	KEY(ENUM, log_format, "log.format", .initial = "json", .choices = "json text",
		.option = "log-format", .help = "json for machines, text for people."),
};

const struct config_table aggregator_config_table = {
	.program = "petrel-aggregator",
	.summary = "Receives the agents' samples, stores, forecasts, decides and explains.",
	.examples =
		"  petrel-aggregator --config /etc/petrel/aggregator.yaml\n"
		"  petrel-aggregator --config aggregator.yaml --check-config\n"
		"  petrel-aggregator --set demo.enabled=yes --set store.path= --log-format text\n",
	.keys = keys,
	.n_keys = sizeof(keys) / sizeof(keys[0]),
};
