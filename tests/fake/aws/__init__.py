# SPDX-License-Identifier: Apache-2.0
"""A fake AWS: stateful, strict, with a clock of its own, and it fails as told.

    with FakeAws(speed=0) as aws:                       # the world's clock stands still until told
        aws.queue("petrel")
        node, *_ = aws.group("spot", desired=3, hooks=[{"heartbeat_s": 300}])
        … point a client at aws.url with the keys aws.access_key and aws.secret_key …
        aws.interrupt(node)
        aws.advance(120)
        assert aws.group_state("spot")["members"][node]["state"] == "Terminating:Wait"
        assert aws.violations() == []

Every request is checked against AWS's own service models (botocore) and its signature computed again. aws.VERB(…) and
POST /_control/VERB are the same (control.py). By hand: python3 tests/fake/aws --help.
"""
import asyncio
import threading

from .control import Control
from .model import Refused, Violation  # noqa: F401
from .server import HEAD_MAX, Server

__all__ = ["FakeAws", "Refused", "Violation"]


class FakeAws:
    """The service on a thread of its own; what is not an attribute here is a verb of control.Control."""

    def __init__(self, port=0, address="127.0.0.1", **options):
        self.port, self.address, self.options = port, address, options
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        self.wait(self.open())
        identity = self.key(key="AKIAFAKEPETREL000001", secret="fake-secret-of-petrel-0000000000000000001")
        self.access_key, self.secret_key = identity["access_key"], identity["secret_key"]
        return self

    def wait(self, coroutine, seconds=60):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(seconds)

    async def open(self):
        self.server = Server(**self.options)
        self.server.control = Control(self.server)
        self.listener = await asyncio.start_server(self.server.serve, self.address, self.port, backlog=1024, limit=HEAD_MAX)
        self.port = self.listener.sockets[0].getsockname()[1]
        self.turning = asyncio.ensure_future(self.server.turn_clock())

    def __exit__(self, *_):
        self.wait(self.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)

    async def close(self):
        self.listener.close()
        for task in asyncio.all_tasks():
            if task is not asyncio.current_task():
                task.cancel()

    @property
    def url(self):
        return f"http://{self.address}:{self.port}"

    @property
    def environment(self):
        """What a program needs to use this AWS and no other."""
        return {"AWS_ENDPOINT_URL": self.url, "AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key,
                "AWS_REGION": self.server.default_region, "AWS_DEFAULT_REGION": self.server.default_region, "AWS_EC2_METADATA_DISABLED": "true"}

    def __getattr__(self, verb):
        if verb.startswith("_") or not hasattr(Control, verb):
            raise AttributeError(verb)

        def call(*values, **options):
            async def there():
                return getattr(self.server.control, verb)(*values, **options)
            return self.wait(there())
        return call
