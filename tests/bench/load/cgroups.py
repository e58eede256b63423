# SPDX-License-Identifier: Apache-2.0
"""Cgroups for benchmarks, the same on v2, hybrid and v1: a path that is made in every hierarchy that matters. Root."""
import os

ROOT = "/sys/fs/cgroup"
V2 = os.path.exists(f"{ROOT}/cgroup.controllers")
FOLDERS = [""] if V2 else [f"/{h}" for h in ("unified", "cpu", "cpuacct", "cpuset", "memory", "blkio") if os.path.isdir(f"{ROOT}/{h}")]


def write(path, text):
    with open(path, "w") as f:
        f.write(str(text))


def read(path):
    with open(path) as f:
        return f.read()


class Cgroup:
    """With a CPU weight far above everybody else's, so that a busy machine does not change what is measured."""

    def __init__(self, path, heavy=False):
        self.path = path
        for folder in FOLDERS:
            at = f"{ROOT}{folder}{path}"
            if V2:
                self._enable(os.path.dirname(at))
            os.makedirs(at, exist_ok=True)
            if folder == "/cpuset":
                self._open_cpuset(at)
        if heavy and V2:
            write(self._at("cpu") + "/cpu.weight", 10000)
        elif heavy:
            write(self._at("cpu") + "/cpu.shares", 262144)

    def _at(self, controller):
        return f"{ROOT}{'' if V2 else '/' + controller}{self.path}"

    @staticmethod
    def _enable(at):
        while len(at) >= len(ROOT):
            for controller in ("cpu", "cpuset", "memory", "io"):
                try:
                    write(f"{at}/cgroup.subtree_control", f"+{controller}")
                except OSError:
                    pass
            at = os.path.dirname(at)

    @staticmethod
    def _open_cpuset(at):
        """v1: a cpuset is empty until it is given something; parents first."""
        parts = at[len(f"{ROOT}/cpuset") :].strip("/").split("/")
        here = f"{ROOT}/cpuset"
        for part in parts:
            above, here = here, f"{here}/{part}"
            for name in ("cpuset.cpus", "cpuset.mems"):
                if not read(f"{here}/{name}").strip():
                    write(f"{here}/{name}", read(f"{above}/{name}"))

    def quota(self, millicores):
        """None takes it away."""
        if V2:
            write(self._at("cpu") + "/cpu.max", f"{millicores * 100} 100000" if millicores else "max 100000")
        else:
            write(self._at("cpu") + "/cpu.cfs_quota_us", millicores * 100 if millicores else -1)

    def pin(self, cpus):
        write(self._at("cpuset") + "/cpuset.cpus", cpus)

    def enter(self):
        """For preexec_fn: the calling process moves in."""
        for folder in FOLDERS:
            write(f"{ROOT}{folder}{self.path}/cgroup.procs", os.getpid())

    def remove(self):
        for folder in FOLDERS:
            try:
                os.rmdir(f"{ROOT}{folder}{self.path}")
            except OSError:
                pass
