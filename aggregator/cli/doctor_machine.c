// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>
#include <unistd.h>

#include "aggregator/cli/doctor.h"
#include "proto/base/text.h"

// First bytes of root/path, NUL-terminated, without its last line end; negative errno.
static int read_file(const char *root, const char *path, char *ret, size_t size)
{
	char full[512];
	if (snprintf(full, sizeof(full), "%s%s", root, path) >= (int)sizeof(full))
		return -ENAMETOOLONG;
	int fd = open(full, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t n = read(fd, ret, size - 1);
	int error = n < 0 ? -errno : 0;
	close(fd);
	if (error)
		return error;
	ret[n] = '\0';
	if (n > 0 && ret[n - 1] == '\n')
		ret[n - 1] = '\0';
	return 0;
}

static bool there(const char *root, const char *path)
{
	char full[512];
	int len = snprintf(full, sizeof(full), "%s%s", root, path);
	return len < (int)sizeof(full) && access(full, R_OK) == 0;
}

static void check_kernel(struct findings *f, const char *root)
{
	char release[128] = "?";
	read_file(root, "/proc/sys/kernel/osrelease", release, sizeof(release));
	finding_add(f, FINDING_OK, "kernel", "Linux %s", release);
}

static void check_btf(struct findings *f, const char *root)
{
	if (there(root, "/sys/kernel/btf/vmlinux")) {
		finding_add(f, FINDING_OK, "btf", "the kernel describes its types (BTF)");
		return;
	}
	struct finding *one = finding_add(f, FINDING_WARN, "btf",
		"the kernel has no BTF: eBPF programs cannot be fitted to it; the agent measures "
		"by "
		"/proc only, without run-queue latency");
	finding_advice(one,
		"a kernel with CONFIG_DEBUG_INFO_BTF=y: Amazon Linux 2023, Bottlerocket, "
		"Debian 11+, Ubuntu 20.10+");
}

static void check_psi(struct findings *f, const char *root)
{
	char text[256];
	int r = read_file(root, "/proc/pressure/cpu", text, sizeof(text));
	if (r == 0) {
		finding_add(f, FINDING_OK, "psi", "pressure stall information is on");
		return;
	}
	struct finding *one = finding_add(f, FINDING_WARN, "psi",
		"no pressure stall information (%s): no PSI figures, no early arming of the "
		"programs",
		strerror(-r));
	finding_advice(one, "boot with psi=1 (needs CONFIG_PSI=y)");
}

static void check_cgroups(struct findings *f, const char *root)
{
	if (there(root, "/sys/fs/cgroup/cgroup.controllers")) {
		finding_add(f, FINDING_OK, "cgroup", "version 2: pods are measured in full");
		return;
	}
	bool hybrid = there(root, "/sys/fs/cgroup/unified/cgroup.controllers");
	if (!hybrid && !there(root, "/sys/fs/cgroup/cpu")) {
		finding_add(f, FINDING_FAIL, "cgroup",
			"no cgroup hierarchy at /sys/fs/cgroup: pods "
			"cannot be measured");
		return;
	}
	struct finding *one = finding_add(f, FINDING_WARN, "cgroup",
		"%s: pods have no PSI of their own, throttling and memory come from version 1",
		hybrid ? "hybrid hierarchy" : "version 1");
	finding_advice(one, "boot with systemd.unified_cgroup_hierarchy=1");
}

static void check_lockdown(struct findings *f, const char *root)
{
	char text[128];
	if (read_file(root, "/sys/kernel/security/lockdown", text, sizeof(text)) < 0) {
		finding_add(f, FINDING_OK, "lockdown", "not in force");
		return;
	}
	char *open_bracket = strchr(text, '['), *close_bracket = strchr(text, ']');
	const char *mode = open_bracket ? open_bracket + 1 : text;
	if (close_bracket)
		*close_bracket = '\0';
	if (strcmp(mode, "confidentiality") == 0)
		finding_advice(finding_add(f, FINDING_WARN, "lockdown",
				       "confidentiality: the kernel lets no program read its "
				       "memory; eBPF tracing is refused"),
			"boot with lockdown=integrity, or accept figures from /proc only");
	else
		finding_add(f, FINDING_OK, "lockdown", "%.40s", mode);
}

// Effective capabilities of this process; 0 if unknown.
static uint64_t effective(const char *root)
{
	char text[4096];
	if (read_file(root, "/proc/self/status", text, sizeof(text)) < 0)
		return 0;
	const char *line = strstr(text, "\nCapEff:\t");
	uint8_t bytes[8];
	char hex[17];
	if (!line)
		return 0;
	snprintf(hex, sizeof(hex), "%.16s", line + 9);
	if (text_from_hex(hex, bytes, sizeof(bytes)) < 0)
		return 0;
	uint64_t caps = 0;
	for (size_t i = 0; i < sizeof(bytes); i++)
		caps = caps << 8 | bytes[i];
	return caps;
}

static void check_capabilities(struct findings *f, const char *root)
{
	uint64_t caps = effective(root);
	bool admin = caps >> 21 & 1, perfmon = caps >> 38 & 1, bpf = caps >> 39 & 1;
	if (admin || (bpf && perfmon)) {
		finding_add(f, FINDING_OK, "capabilities",
			"this process could load eBPF programs (%s)",
			bpf && perfmon ? "CAP_BPF, CAP_PERFMON" : "CAP_SYS_ADMIN");
		return;
	}
	struct finding *one = finding_add(f, FINDING_INFO, "capabilities",
		"this process has no CAP_BPF and CAP_PERFMON; it does not need them, an agent "
		"does");
	finding_advice(one,
		"an agent started from here measures by /proc only; run it as root or with "
		"AmbientCapabilities=CAP_BPF CAP_PERFMON");
}

static void check_jit(struct findings *f, const char *root)
{
	char text[32];
	if (read_file(root, "/proc/sys/net/core/bpf_jit_enable", text, sizeof(text)) < 0 ||
		strcmp(text, "0") != 0)
		return;
	finding_advice(finding_add(f, FINDING_WARN, "bpf-jit",
			       "eBPF programs are interpreted: each scheduler event costs "
			       "several times more"),
		"sysctl net.core.bpf_jit_enable=1");
}

void doctor_machine(struct findings *f, const char *root)
{
	check_kernel(f, root);
	check_btf(f, root);
	check_psi(f, root);
	check_cgroups(f, root);
	check_lockdown(f, root);
	check_capabilities(f, root);
	check_jit(f, root);
}

void doctor_clock(struct findings *f)
{
	struct timex t = {0};
	int state = ntp_adjtime(&t);
	if (state < 0)
		return; // not readable here (a container's filter): say nothing
	if (state == TIME_ERROR || (t.status & STA_UNSYNC))
		finding_advice(finding_add(f, FINDING_WARN, "ntp",
				       "nothing keeps this machine's clock in step (the kernel "
				       "says it is not synchronised)"),
			"run chrony or systemd-timesyncd; on EC2 the server is 169.254.169.123");
	else
		finding_add(f, FINDING_OK, "ntp", "the clock is kept in step");
}
