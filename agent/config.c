// SPDX-License-Identifier: Apache-2.0
#include "agent/config.h"

#include <errno.h>

#define KEY(type, field, name, ...) CONFIG_KEY_##type(struct agent_config, field, name, __VA_ARGS__)

static const struct config_key keys[] = {
	KEY(TEXT, cluster, "cluster.name", .initial = "local", .least = 1, .most = 63,
		.help = "Name of the cluster this node belongs to."),
	KEY(TEXT, node, "node.name", .most = 253,
		.help = "Name of this node as Kubernetes knows it; empty: the host name.",
		.example = "ip-10-0-3-17.eu-central-1.compute.internal"),
	KEY(TEXT, group, "node.group", .most = 253,
		.help = "Node group, as far as it is known here."),
	KEY(TEXT, instance_id, "node.instance_id", .most = 31,
		.help = "EC2 instance id; empty: asked of the instance metadata service, if there "
			"is one."),
	KEY(TEXT, instance_type, "node.instance_type", .most = 31, .help = "EC2 instance type."),
	KEY(TEXT, zone_id, "node.zone_id", .most = 31,
		.help = "Availability zone id (not its name)."),
	KEY(DURATION, interval_ms, "sample.interval", .initial = "1s", .least = 200, .most = 60000,
		.help = "How often the node and the pods' CPU are sampled."),
	KEY(DURATION, slow_interval_ms, "sample.slow_interval", .initial = "10s", .least = 1000,
		.most = 300000,
		.help = "How often containers, and the dearer values of pods, are sampled."),
	KEY(U64, max_cgroups, "sample.max_cgroups", .initial = "1024", .least = 1, .most = 1024,
		.help = "Rows in one sample; the busiest are sent, the others are counted."),
	KEY(ENUM, duty, "probe.duty", .initial = "cycle", .choices = "off cycle full",
		.help = "When the scheduler and block programs are attached: never, in a duty "
			"cycle "
			"(and while there is pressure), or always."),
	KEY(DURATION, cycle_ms, "probe.cycle", .initial = "10s", .least = 1000, .most = 300000,
		.help = "Length of the duty cycle."),
	KEY(DURATION, cycle_on_ms, "probe.on", .initial = "1s", .least = 100, .most = 300000,
		.help = "How long the programs are attached within it."),
	KEY(DURATION, armed_ms, "probe.armed", .initial = "30s", .least = 1000, .most = 3600000,
		.help = "How long pressure keeps them attached."),
	KEY(DURATION, psi_stall_ms, "psi.stall", .initial = "200ms", .least = 1, .most = 10000,
		.help = "Stall within psi.window that counts as pressure."),
	KEY(DURATION, psi_window_ms, "psi.window", .initial = "2s", .least = 2000, .most = 10000,
		.help = "Window of the pressure triggers; a multiple of 2s."),
	KEY(PATH, proc, "paths.proc", .initial = "/proc", .least = 1, .help = "Where /proc is."),
	KEY(PATH, sys, "paths.sys", .initial = "/sys", .least = 1, .help = "Where /sys is."),
	KEY(PATH, cgroup, "paths.cgroup", .initial = "/sys/fs/cgroup", .least = 1,
		.help = "Where the cgroup hierarchies of the node are."),
	KEY(PATH, root, "paths.root",
		.help = "Put before mount points when the fill of file systems is read."),
	KEY(LIST, aggregators, "send.aggregators", .most = 4,
		.help = "Hosts of the aggregator's replicas; empty: nothing is sent.",
		.example = "[petrel-0.petrel, petrel-1.petrel]"),
	KEY(U64, data_port, "send.data_port", .initial = "7450", .least = 1, .most = 65535,
		.help = "Port of the data lane."),
	KEY(U64, urgent_port, "send.urgent_port", .initial = "7451", .least = 1, .most = 65535,
		.help = "Port of the urgent lane, for notices."),
	KEY(BYTES, spool_bytes, "send.spool_size", .initial = "4MiB", .least = 64 << 10,
		.most = 1 << 30, .help = "Memory for samples that were not receipted yet."),
	KEY(DURATION, spool_ms, "send.spool_age", .initial = "10m", .least = 1000, .most = 86400000,
		.help = "How old a sample gets before it is dropped."),
	KEY(BOOL, insecure, "send.insecure", .initial = "false",
		.help = "Plaintext lanes without any proof of identity. Not for production."),
	KEY(PATH, ca, "tls.ca", .help = "Certificates the aggregator's own must end in (PEM)."),
	KEY(PATH, cert, "tls.cert", .help = "This node's certificate (PEM)."),
	KEY(PATH, key, "tls.key", .help = "Its key (PEM)."),
	KEY(PATH, crl, "tls.crl", .help = "Revoked certificates (PEM); empty: none are looked up."),
	KEY(BOOL, imds, "imds.enabled", .initial = "no",
		.help = "Watch the EC2 instance metadata service for interruption notices."),
	KEY(TEXT, imds_address, "imds.address", .initial = "169.254.169.254", .least = 1,
		.most = 63, .help = "Its IPv4 or IPv6 address.", .example = "fd00:ec2::254"),
	KEY(U64, imds_port, "imds.port", .initial = "80", .least = 1, .most = 65535,
		.help = "Its port."),
	KEY(DURATION, imds_spot_ms, "imds.spot_action_every", .initial = "1s", .least = 200,
		.most = 3600000, .help = "How often it is asked for spot interruptions."),
	KEY(DURATION, imds_lifecycle_ms, "imds.lifecycle_every", .initial = "2s", .least = 200,
		.most = 3600000, .help = "… for the life cycle that Auto Scaling wants."),
	KEY(DURATION, imds_rebalance_ms, "imds.rebalance_every", .initial = "5s", .least = 200,
		.most = 3600000, .help = "… for rebalance recommendations."),
	KEY(DURATION, imds_maintenance_ms, "imds.maintenance_every", .initial = "60s", .least = 200,
		.most = 3600000, .help = "… for scheduled maintenance."),
	KEY(DURATION, imds_termination_ms, "imds.termination_time_every", .initial = "5s",
		.least = 200, .most = 3600000,
		.help = "… for the older form of spot interruptions."),
	KEY(BOOL, imds_allow_v1, "imds.allow_v1", .initial = "no",
		.help = "Ask without a token where none can be had (IMDSv1)."),
	KEY(TEXT, http_address, "http.address", .initial = "127.0.0.1", .least = 1, .most = 63,
		.help = "Address of /metrics, /healthz and /readyz."),
	KEY(U64, http_port, "http.port", .initial = "7481", .most = 65535,
		.help = "Their port; 0: they are off."),
	KEY(U64, cpu_budget_permille, "self.cpu_budget_permille", .initial = "5", .least = 1,
		.most = 1000,
		.help = "CPU the agent may use, in thousandths of one core. Over it for a minute, "
			"it "
			"lowers its own detail."),
	KEY(BOOL, drop_privileges, "privilege.drop", .initial = "true",
		.help = "Give up every right but CAP_BPF and CAP_PERFMON after the start."),
	KEY(U64, uid, "privilege.uid", .initial = "65532", .most = 4294967294,
		.help = "User (and group) to become when started as root."),
	KEY(ENUM, log_level, "log.level", .initial = "info", .choices = "debug info warn error",
		.help = "Least level that is logged.", .option = "log-level"),
	KEY(ENUM, log_format, "log.format", .initial = "json", .choices = "json text",
		.help = "A JSON object per line, or text for people.", .option = "log-format"),
	KEY(BOOL, print, "print", .initial = "false",
		.help = "Print each sample as one JSON line on standard output.",
		.option = "print"),
};

const struct config_table agent_config_table = {
	.program = "petrel-agent",
	.summary = "measures CPU, IO and network pressure of this node with eBPF and streams it",
	.examples = "  petrel-agent --print                          what this node does, as JSON "
		    "lines\n"
		    "  petrel-agent --config /etc/petrel/agent.yaml  stream to the aggregators "
		    "named there\n"
		    "  petrel-agent --config agent.yaml --check-config\n"
		    "  petrel-agent --print --set probe.duty=full    with eBPF on all the time\n",
	.keys = keys,
	.n_keys = sizeof(keys) / sizeof(keys[0]),
};

int agent_config_check(const struct agent_config *c, struct why *why)
{
	if (c->cycle_on_ms > c->cycle_ms)
		return why_set(why, -EINVAL, WHY_DENIED, "probe.on is longer than probe.cycle");
	if (c->psi_window_ms % 2000 != 0 || c->psi_stall_ms >= c->psi_window_ms)
		return why_set(why, -EINVAL, WHY_DENIED,
			"psi.window must be a multiple of 2s and longer than psi.stall");
	if (c->slow_interval_ms < c->interval_ms)
		return why_set(why, -EINVAL, WHY_DENIED,
			"sample.slow_interval is shorter than sample.interval");
	if (c->aggregators.n > 0 && !c->insecure && !(c->ca[0] && c->cert[0] && c->key[0]))
		return why_set(why, -EINVAL, WHY_DENIED,
			"send.aggregators needs tls.ca, tls.cert and tls.key (or "
			"send.insecure=true)");
	return 0;
}
