#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the golden vectors beside it, without any code of Petrel: protoc's Python, struct, zstandard.

usage: proto/wire/golden/make.py     (needs: pip install grpcio-tools zstandard)
Each NAME.frame is a whole message as it travels, NAME.json what *_print() must say of it.
"""
import hashlib
import json
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

import zstandard

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
BOOT = bytes(range(16))


def load_proto():
    with tempfile.TemporaryDirectory() as out:
        subprocess.run([sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={ROOT}", f"--python_out={out}", "proto/wire/petrel.proto"], check=True)
        sys.path.insert(0, f"{out}/proto/wire")
        import petrel_pb2
        return petrel_pb2


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def frame(kind, sequence, body, zstd=False, age_ms=0, version=1):
    packed = zstandard.ZstdCompressor(level=3).compress(body) if zstd else body
    rest = struct.pack("<BBHIII16sQ", version, kind, 1 if zstd else 0, len(packed), len(body), age_ms, BOOT, sequence)
    rest += packed
    return b"PTRL" + struct.pack("<I", crc32c(rest)) + rest


def names(table):
    text = (ROOT / "proto/wire/metric.h").read_text()
    part = text[text.index(f"#define {table}("):]
    part = part[:part.index("\n\n")]
    letter = table[0]
    return re.findall(rf"\b{letter}\((\w+),\s*\"(\w+)\"", part)


METRICS = [n for _, n in names("METRICS")]
HISTS = [n for _, n in names("HISTS")]
METRIC_ID = {i: k for k, (i, _) in enumerate(names("METRICS"))}
HIST_ID = {i: k for k, (i, _) in enumerate(names("HISTS"))}


def fill_scope(scope, values, hists):
    for key, value in sorted((METRIC_ID[k], v) for k, v in values.items()):
        scope.ids.append(key)
        scope.values.append(value)
    for key, counts in sorted((HIST_ID[k], c) for k, c in hists.items()):
        scope.hists.add(id=key, counts=counts)


def print_scope(scope):
    return {
        "values": {METRICS[i]: v for i, v in zip(scope.ids, scope.values)},
        "hists": {HISTS[h.id]: list(h.counts) for h in scope.hists},
    }


def sample(pb, pods):
    s = pb.Sample(
        cluster="prod-eu-1", node="ip-10-0-3-7.eu-central-1.compute.internal", group="workers-spot",
        instance_id="i-0123456789abcdef0", instance_type="m7g.2xlarge", zone_id="euc1-az2", version="0.1.0",
        wall_ms=1795500734123, mono_ns=86400000000000, window_ms=1000, duty=1, duty_on_ms=100,
        self_cpu_ns=1234567, self_rss_bytes=7340032, self_wakeups=12, self_lost_events=0, self_bpf_ns=45678,
        cgroups_left_out=3, spool_dropped=0)
    fill_scope(s.node_scope, {"CPU_USAGE": 3_512_000_000, "CPU_CAPACITY": 8000, "RUNNABLE": 5, "PSI_CPU_SOME": 12345,
                              "MEM_TOTAL": 33_285_996_544, "TCP_ESTABLISHED": 200, "DEMAND_LOW": 3512, "NODES": 1},
               {"RUNQ_LATENCY": [0, 5, 1000, 70000, 3], "TCP_SRTT": [0] * 31 + [4294967295]})
    s.hooks.add(name="sched", state=1)
    s.hooks.add(name="block", state=3, error=-13, detail="block_rq_complete: permission denied, needs CAP_PERFMON")
    for k in range(pods):
        c = s.cgroups.add(kind=0, pod_uid=f"6ba7b810-9dad-11d1-80b4-{k:012x}", window_ms=1000)
        fill_scope(c.scope, {"CPU_USAGE": 10_000_000 * k, "CPU_THROTTLED": k * k, "MEM_USED": 1 << 28},
                   {"RUNQ_LATENCY": [k, 2 * k, 3]} if k % 2 else {})
    unit = s.cgroups.add(kind=2, name="systemd-journal\u00e9.service", window_ms=10000)
    fill_scope(unit.scope, {"MEM_USED": 5 << 20, "SATURATED": 0}, {})
    return s


def print_sample(s, sequence):
    duty = ["off", "cycle", "armed", "full"]
    state = ["off", "attached", "fallback", "refused"]
    kind = ["pod", "container", "unit", "other"]
    text = ["cluster", "node", "group", "instance_id", "instance_type", "zone_id", "version"]
    self_ = ["self_cpu_ns", "self_rss_bytes", "self_wakeups", "self_lost_events", "self_bpf_ns", "cgroups_left_out",
             "spool_dropped"]
    return {
        **{k: getattr(s, k) for k in text}, "boot_id": BOOT.hex(), "sequence": sequence, "simulated": s.simulated,
        "wall_ms": s.wall_ms, "mono_ns": s.mono_ns, "window_ms": s.window_ms, "duty": duty[s.duty],
        "duty_on_ms": s.duty_on_ms, **{k: getattr(s, k) for k in self_}, **print_scope(s.node_scope),
        "hooks": [{"name": h.name, "state": state[h.state], "error": h.error, "detail": h.detail} for h in s.hooks],
        "cgroups": [{"kind": kind[c.kind], "name": c.name, "pod_uid": c.pod_uid, "container_id": c.container_id,
                     "window_ms": c.window_ms, **print_scope(c.scope)} for c in s.cgroups],
    }


def notice(pb):
    instance, event = "i-0123456789abcdef0", ""
    ident = hashlib.sha256(b"\0".join([instance.encode(), b"SPOT_ITN", event.encode(), b""])).digest()
    n = pb.Notice(id=ident, kind=0, action=0, cluster="prod-eu-1", node="ip-10-0-3-7.eu-central-1.compute.internal",
                  instance_id=instance, source="imds", event_id=event, observed_ms=1795500734123,
                  deadline_ms=1795500854000)
    said = {"id": ident.hex(), "kind": "SPOT_ITN", "action": "terminate", "cluster": n.cluster, "node": n.node,
            "instance_id": instance, "source": "imds", "event_id": "", "observed_ms": n.observed_ms,
            "deadline_ms": n.deadline_ms, "withdrawn": False, "guessed": False}
    return n, said


def save(name, data, said=None):
    (HERE / f"{name}.frame").write_bytes(data)
    if said is not None:
        text = json.dumps(said, separators=(",", ":"), ensure_ascii=False)
        (HERE / f"{name}.json").write_text(text + "\n")


def main():
    pb = load_proto()
    small, big = sample(pb, 2), sample(pb, 30)
    save("sample", frame(1, 42, small.SerializeToString(), age_ms=1500), print_sample(small, 42))
    save("sample_zstd", frame(1, 43, big.SerializeToString(), zstd=True), print_sample(big, 43))
    n, said = notice(pb)
    save("notice", frame(2, 1, n.SerializeToString()), said)
    receipt = pb.Receipt(boot_id=BOOT, contiguous=42, server_ms=1795500734456, credit_ms=250, refused=22)
    save("receipt", frame(3, 42, receipt.SerializeToString()))
    save("future_version", frame(1, 44, small.SerializeToString(), version=2))
    save("unknown_type", frame(99, 1, b"whatever a later version says"))


if __name__ == "__main__":
    main()
