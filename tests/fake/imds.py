#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A fake EC2 instance metadata service: many instances by address, IMDSv2 tokens, scripted faults, a log of requests.

As a library (tests):

    with FakeImds() as imds:
        node = imds.instance("i-0123", kind="spot")          # listens on an address of its own in 127.0.0.0/8
        node.spot_action("terminate", seconds=120)
        node.fault("hang", path="spot/instance-action", seconds=5)

By hand, or from a program in another process (hundreds of instances, each with an address of its own, scripted over HTTP):

    tests/fake/imds.py --port 1338 --notice-after 10         # one instance on 127.0.0.1
    tests/fake/imds.py --port 1338 --instances 500 --control 1339
    curl -d '{"instance": "i-0fake000000000007", "seconds": 120}' http://127.0.0.1:1339/spot_action

An instance may have a port of its own instead of an address (instance(…, own_port=True)): for clients that only know ports.

Status codes are those of the real service: 400 for a bad TTL, 401 for a missing or unknown token, 403 when turned off, 404 for an
absent path, 405 for another method. Like EC2's own service it answers "Connection: close" unless keep_alive is set.
"""
import argparse
import asyncio
import json
import random
import resource
import secrets
import threading
import time

DATA = "/latest/meta-data/"
FAULTS = ("status", "hang", "slow", "reset", "half-close", "truncate", "huge", "garbage", "no-token", "forget-tokens", "refuse")


def rfc3339(epoch):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch))


class Fault:
    def __init__(self, kind, path="", seconds=None, count=None, status=503, share=1.0, body=None):
        if kind not in FAULTS:
            raise ValueError(f"no fault {kind!r}; there are {FAULTS}")
        self.kind, self.path, self.status, self.share, self.body = kind, path, status, share, body
        self.until = None if seconds is None else time.monotonic() + seconds
        self.count = count

    def applies(self, path):
        if self.until is not None and time.monotonic() > self.until or self.count == 0:
            return False
        if self.path not in path or random.random() > self.share:
            return False
        if self.count is not None:
            self.count -= 1
        return True


class Instance:
    """One instance: what it would answer, and what it was asked."""

    VERBS = ("set", "remove", "spot_action", "withdraw", "rebalance", "maintenance", "role", "fault", "heal", "requests", "count", "turn", "where")

    def __init__(self, instance_id, address, port=0, kind="spot", zone_id="use1-az1", instance_type="m6i.large", keep_alive=False, v1=False):
        self.port = port
        self.id, self.address, self.keep_alive, self.v1, self.enabled = instance_id, address, keep_alive, v1, True
        self.tokens, self.faults, self.log, self.lock = {}, [], [], threading.Lock()
        self.data = {
            "instance-id": instance_id,
            "instance-type": instance_type,
            "instance-life-cycle": kind,
            "placement/availability-zone": "us-east-1a",
            "placement/availability-zone-id": zone_id,
            "placement/region": "us-east-1",
            "events/maintenance/scheduled": "[]",
            "autoscaling/target-lifecycle-state": "InService",
        }

    # what happens to the instance
    def set(self, path, body):
        with self.lock:
            self.data[path] = body

    def remove(self, path):
        with self.lock:
            self.data.pop(path, None)

    def spot_action(self, action="terminate", seconds=120.0, at=None):
        when = time.time() + seconds if at is None else at
        self.set("spot/instance-action", json.dumps({"action": action, "time": rfc3339(when)}))
        return when

    def withdraw(self):
        self.remove("spot/instance-action")

    def rebalance(self):
        self.set("events/recommendations/rebalance", json.dumps({"noticeTime": rfc3339(time.time())}))

    def maintenance(self, event_id="instance-event-1", code="system-reboot", seconds=3600.0, state="active"):
        before = time.strftime("%-d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + seconds))
        event = {"NotBefore": before, "Code": code, "Description": "scheduled", "EventId": event_id, "NotAfter": before, "State": state}
        self.set("events/maintenance/scheduled", json.dumps([event]))

    def role(self, name, access_key, secret_key, token, expires, code="Success"):
        """The instance profile's credentials; expires: seconds since the epoch."""
        self.set("iam/security-credentials/", name)
        given = {"Code": code, "LastUpdated": rfc3339(time.time()), "Type": "AWS-HMAC", "AccessKeyId": access_key, "SecretAccessKey": secret_key,
                 "Token": token, "Expiration": rfc3339(expires)}
        self.set(f"iam/security-credentials/{name}", json.dumps(given))

    # what happens to the service
    def turn(self, enabled=True, v1=False, keep_alive=False):
        self.enabled, self.v1, self.keep_alive = enabled, v1, keep_alive

    def where(self):
        return {"id": self.id, "address": self.address, "port": self.port, "url": f"http://{self.address}:{self.port}"}

    def fault(self, kind, **options):
        fault = Fault(kind, **options)
        with self.lock:
            if kind == "forget-tokens":
                self.tokens.clear()
            else:
                self.faults.append(fault)
        return fault

    def heal(self):
        with self.lock:
            self.faults.clear()

    def requests(self, path=""):
        with self.lock:
            return [entry for entry in self.log if path in entry["path"]]

    def count(self, path=""):
        return len(self.requests(path))

    def find_fault(self, path):
        with self.lock:
            return next((f for f in self.faults if f.applies(path)), None)

    def answer(self, method, path, headers):
        """Status, body and extra headers of a request that met no fault."""
        if not self.enabled:
            return 403, "", {}
        if path == "/latest/api/token":
            return self.give_token(method, headers)
        if method not in ("GET", "HEAD"):
            return 405, "", {}
        token = headers.get("x-aws-ec2-metadata-token")
        if token is None and not self.v1 or token is not None and self.tokens.get(token, 0) < time.monotonic():
            return 401, "", {}
        with self.lock:
            body = self.data.get(path[len(DATA):]) if path.startswith(DATA) else None
        if path == "/latest/dynamic/instance-identity/document":
            body = json.dumps({"instanceId": self.id, "region": "us-east-1", "instanceType": self.data["instance-type"], "version": "2017-09-30"})
        return (200, body, {}) if body is not None else (404, "<title>404 - Not Found</title>", {})

    def give_token(self, method, headers):
        if method != "PUT":
            return 405, "", {"Allow": "OPTIONS, PUT"}
        if "x-forwarded-for" in headers:
            return 403, "", {}
        ttl = headers.get("x-aws-ec2-metadata-token-ttl-seconds", "")
        if not ttl.isdigit() or not 1 <= int(ttl) <= 21600:
            return 400, "", {}
        token = secrets.token_urlsafe(40)
        self.tokens[token] = time.monotonic() + int(ttl)
        return 200, token, {"X-Aws-Ec2-Metadata-Token-Ttl-Seconds": ttl}


REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


async def serve(instance, reader, writer):
    try:
        while await serve_one(instance, reader, writer):
            pass
    except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, asyncio.CancelledError):
        pass
    finally:
        writer.close()


async def serve_one(instance, reader, writer):
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, version = head[0].split(" ")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    fault = instance.find_fault(path)
    entry = {"time": time.time(), "method": method, "path": path, "fault": fault.kind if fault else None}
    with instance.lock:
        instance.log.append(entry)
        del instance.log[:-100000]
    status, body, extra = instance.answer(method, path, headers)
    if fault:
        return await misbehave(fault, status, body, writer)
    keep = instance.keep_alive and version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
    entry["status"] = status
    writer.write(response(status, body, extra, keep))
    await writer.drain()
    return keep


def response(status, body, extra, keep):
    data = body.encode()
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}", "Content-Type: text/plain", f"Content-Length: {len(data)}", "Server: EC2ws"]
    lines += [f"{name}: {value}" for name, value in extra.items()] + [f"Connection: {'keep-alive' if keep else 'close'}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


async def misbehave(fault, status, body, writer):
    whole = response(status, body, {}, False)
    if fault.kind == "status":
        writer.write(response(fault.status, "", {}, False))
    elif fault.kind == "hang":
        await asyncio.sleep(3600 if fault.until is None else max(0, fault.until - time.monotonic()))
    elif fault.kind == "slow":
        for i in range(len(whole)):
            writer.write(whole[i : i + 1])
            await writer.drain()
            await asyncio.sleep(0.02)
    elif fault.kind == "reset":
        writer.transport.abort()
    elif fault.kind == "half-close":
        writer.write_eof()
        await asyncio.sleep(5)
    elif fault.kind == "truncate":
        writer.write(whole[: len(whole) - max(1, len(body) // 2)])
    elif fault.kind == "huge":
        writer.write(response(200, "x" * (fault.status if fault.status > 1000 else 1 << 20), {}, False))
    elif fault.kind == "garbage":
        writer.write(response(200, fault.body if fault.body is not None else '{"action": terminate', {}, False))
    elif fault.kind in ("no-token", "refuse"):
        writer.write(response(403 if fault.kind == "no-token" else 401, "", {}, False))
    try:
        await writer.drain()
    except ConnectionError:
        pass
    return False


class FakeImds:
    """The service of many instances, on a thread of its own."""

    def __init__(self, port=0):
        self.port, self.instances, self.servers = port, [], []
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # a thousand instances are a thousand listeners and more connections
        self.thread.start()
        return self

    def __exit__(self, *_):
        asyncio.run_coroutine_threadsafe(self.close(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)

    async def close(self):
        for server in self.servers:
            server.close()
        for task in asyncio.all_tasks():
            if task is not asyncio.current_task():
                task.cancel()

    def instance(self, instance_id, address=None, own_port=False, **options):
        """One more instance: at an address of its own, or at a port of its own of 127.0.0.1."""
        asyncio.run_coroutine_threadsafe(self.add(instance_id, address, own_port, options), self.loop).result(10)
        return self.instances[-1]

    async def add(self, instance_id, address, own_port, options):
        n = len(self.instances)
        instance = Instance(instance_id, address or ("127.0.0.1" if own_port else f"127.7.{n // 250}.{n % 250 + 1}"), **options)
        server = await asyncio.start_server(lambda r, w: serve(instance, r, w), instance.address, 0 if own_port else self.port, backlog=512)
        instance.port = server.sockets[0].getsockname()[1]
        if not own_port:
            self.port = instance.port  # the same for all, so that only addresses differ
        self.servers.append(server)
        self.instances.append(instance)
        return instance

    # the script, over HTTP
    def serve_control(self, port=0, address="127.0.0.1"):
        """POST /VERB with {"instance": id, list of ids, or null for all, …}; returns the port. GET /instances tells where everybody is."""
        async def start():
            server = await asyncio.start_server(self.control, address, port)
            self.servers.append(server)
            return server.sockets[0].getsockname()[1]
        return asyncio.run_coroutine_threadsafe(start(), self.loop).result(10)

    async def control(self, reader, writer):
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            length = next((int(line.partition(":")[2]) for line in head if line.lower().startswith("content-length:")), 0)
            options = json.loads(await reader.readexactly(length) or b"{}")
            status, result = 200, await self.run(head[0].split(" ")[1].strip("/"), options)
        except (ConnectionError, asyncio.IncompleteReadError):
            return writer.close()
        except (ValueError, TypeError, LookupError, OSError) as error:
            status, result = 400, {"error": f"{type(error).__name__}: {error}"}
        writer.write(response(status, json.dumps(result), {}, False))
        writer.close()

    async def run(self, verb, options):
        if verb == "instances":
            return [instance.where() for instance in self.instances]
        if verb == "instance":
            return (await self.add(options.pop("id"), options.pop("address", None), options.pop("own_port", False), options)).where()
        if verb not in Instance.VERBS:
            raise LookupError(f"no verb {verb!r}; there are {('instances', 'instance', *Instance.VERBS)}")
        wanted = options.pop("instance", None)
        several = wanted is None or isinstance(wanted, list)
        names = set(wanted) if isinstance(wanted, list) else {wanted}
        chosen = [instance for instance in self.instances if wanted is None or instance.id in names]
        if not chosen:
            raise LookupError(f"no instance {wanted!r}")
        results = {instance.id: getattr(instance, verb)(**options) for instance in chosen}
        results = {name: None if isinstance(result, Fault) else result for name, result in results.items()}
        return results if several else results[wanted]


def main():
    parser = argparse.ArgumentParser(description="Fake EC2 instance metadata service.", epilog="Example: tests/fake/imds.py --port 1338 --notice-after 10")
    parser.add_argument("--address", help="of the only instance; several have 127.7.x.y")
    parser.add_argument("--port", type=int, default=1338, help="the same for all instances")
    parser.add_argument("--instance", default="i-0fake0000000000a", help="id of the only instance")
    parser.add_argument("--instances", type=int, default=1, metavar="N", help="so many, i-0fake000000000000 and on")
    parser.add_argument("--control", type=int, metavar="PORT", help="serve the script's verbs here (0: any)")
    parser.add_argument("--notice-after", type=float, metavar="SECONDS", help="show a spot interruption on all after so long")
    parser.add_argument("--keep-alive", action="store_true")
    arguments = parser.parse_args()
    with FakeImds(arguments.port) as imds:
        for n in range(arguments.instances):
            only = arguments.instances == 1
            imds.instance(arguments.instance if only else f"i-0fake{n:012x}", address=arguments.address or ("127.0.0.1" if only else None), keep_alive=arguments.keep_alive)
        for instance in imds.instances[:3]:
            print(f"http://{instance.address}:{imds.port}/ as {instance.id}", flush=True)
        if arguments.control is not None:
            print(f"control: http://127.0.0.1:{imds.serve_control(arguments.control)}/", flush=True)
        try:
            if arguments.notice_after is not None:
                time.sleep(arguments.notice_after)
                for instance in imds.instances:
                    instance.spot_action()
                print("notice given", flush=True)
            threading.Event().wait()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
