# SPDX-License-Identifier: Apache-2.0
"""10,000 connections at once against the aggregator's HTTP server, slow and silent ones among them, and large answers as gzip."""
import asyncio
import gzip
import json
import os
import resource
import threading
import time

import pytest

import running

CONNECTIONS, SILENT, SLOW = 10000, 1500, 1500
FILES = 16000  # the server takes at most three quarters of its files for HTTP
REQUEST = b"GET /healthz HTTP/1.1\r\nHost: petrel\r\n\r\n"


def open_connections(server):
    """Files of the server's process, its few others included."""
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


class Bystander(threading.Thread):
    """Another client, that asks for /healthz again and again; every answer has to be a good one."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.answers, self.slowest, self.stop = server, [], 0, threading.Event()

    def run(self):
        while not self.stop.wait(0.1):
            start = time.monotonic()
            try:
                self.answers.append(self.server.get("/healthz")[0])
            except OSError as error:
                self.answers.append(error)
            self.slowest = max(self.slowest, time.monotonic() - start)


async def crowd(port, server):
    """(connections open at the same time as the server counts them, good answers)"""
    gate = asyncio.Semaphore(200)
    writers, good = [], 0

    async def one(kind):
        nonlocal good
        async with gate:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writers.append(writer)
            if kind == "slow":
                writer.write(REQUEST[:5])
                return
            if kind == "silent":
                return
            writer.write(REQUEST)
            head = await reader.readuntil(b"\r\n\r\n")
            good += head.startswith(b"HTTP/1.1 200")

    kinds = ["asks"] * (CONNECTIONS - SILENT - SLOW) + ["silent"] * SILENT + ["slow"] * SLOW
    await asyncio.gather(*(one(kind) for kind in kinds))
    most = await asyncio.to_thread(open_connections, server)
    for writer in writers:
        writer.transport.abort()
    return most, good


def test_ten_thousand_connections_do_not_keep_others_from_an_answer():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = max(hard, FILES)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    except ValueError:
        pytest.skip(f"needs {FILES} open files, the hard limit is {hard}, and only root may raise it")
    try:
        with running.synthetic() as server:
            bystander = Bystander(server)
            bystander.start()
            most, good = asyncio.run(crowd(int(server.url.rsplit(":", 1)[1]), server))
            bystander.stop.set()
            bystander.join(30)
            print(f"{most} open at once, slowest /healthz {bystander.slowest * 1000:.0f} ms, {len(bystander.answers)} answers")
            assert good == CONNECTIONS - SILENT - SLOW
            assert most >= CONNECTIONS * 0.95  # a few silent ones may have met their deadline already
            assert bystander.answers and set(bystander.answers) == {200}
            running.wait_for(lambda: open_connections(server) < 100, 60, "connections are still held")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_large_answers_are_packed_for_those_who_take_it():
    with running.synthetic(2000) as server:
        _, plain_headers, plain = server.get("/api/v1/nodes")
        status, headers, packed = server.get("/api/v1/nodes", headers={"Accept-Encoding": "gzip"})
        assert status == 200 and headers["Content-Encoding"] == "gzip" and headers["Vary"] == "Accept-Encoding"
        assert plain_headers["Content-Encoding"] is None and plain_headers["Vary"] == "Accept-Encoding"
        assert len(packed) < len(plain) / 4
        assert len(json.loads(gzip.decompress(packed))["items"]) == len(json.loads(plain)["items"])
        refused = server.get("/api/v1/nodes", headers={"Accept-Encoding": "gzip;q=0"})
        assert refused[1]["Content-Encoding"] is None
        assert server.get("/healthz", headers={"Accept-Encoding": "gzip"})[1]["Content-Encoding"] is None
