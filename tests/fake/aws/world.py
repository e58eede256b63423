# SPDX-License-Identifier: Apache-2.0
"""What all services share: accounts' regions, their instances, the pools the capacity comes from, and the events that go to queues."""
import base64
import json
import secrets
import uuid

from .clock import Clock
from .model import Refused, iso

ZONE_NUMBERS = {"a": 4, "b": 6, "c": 1, "d": 2, "e": 3, "f": 5}  # names and ids do not go together, as in real accounts
DIRECTIONS = {"north": "n", "south": "s", "east": "e", "west": "w", "central": "c", "northeast": "ne", "northwest": "nw", "southeast": "se", "southwest": "sw"}
KEPT_S = 3600  # a terminated instance can be described for an hour
CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}


def zone_id(zone):
    continent, direction, number = zone[:-1].split("-")[-3:]
    return f"{continent}{DIRECTIONS[direction]}{number}-az{ZONE_NUMBERS[zone[-1]]}"


def hex_id(prefix):
    return f"{prefix}-0{secrets.token_hex(8)}"


def page(items, params, maximum, token_name="NextToken", max_name="MaxRecords", code="InvalidNextToken"):
    """One page of the items, and the token of the next or None."""
    start, token, size = 0, params.get(token_name), params.get(max_name) or maximum
    if token:
        try:
            start = json.loads(base64.urlsafe_b64decode(token))["from"]
        except (ValueError, KeyError, TypeError):
            raise Refused(code, f"The token '{token}' is invalid.") from None
    left = items[start + size:]
    more = base64.urlsafe_b64encode(json.dumps({"from": start + size}).encode()).decode() if left else None
    return items[start:start + size], more


class Instance:
    def __init__(self, region, zone, instance_type, market, tags):
        self.id, self.region, self.zone, self.type, self.market = hex_id("i"), region, zone, instance_type, market
        self.tags, self.launched, self.state, self.reason = dict(tags), region.clock.now(), "pending", ""
        self.reason_code, self.events, self.status, self.ended = "", {}, "ok", None
        number = region.next_address()
        self.address = f"10.0.{number // 250}.{number % 250 + 4}"
        dots = self.address.replace(".", "-")
        self.dns = f"ip-{dots}.ec2.internal" if region.name == "us-east-1" else f"ip-{dots}.{region.name}.compute.internal"

    @property
    def arn(self):
        return f"arn:aws:ec2:{self.region.name}:{self.region.account}:instance/{self.id}"


class Capacity:
    """What one pool has left: None is endless. code and text are what a launch that finds none is told."""

    def __init__(self, left=None, code="InsufficientInstanceCapacity", text=None):
        self.left, self.code, self.text = left, code, text


class Region:
    """One region of one account."""

    def __init__(self, world, account, name):
        self.world, self.account, self.name, self.clock = world, account, name, world.clock
        self.instances, self.groups, self.queues, self.clusters = {}, {}, {}, {}
        self.target_groups, self.load_balancers, self.pools, self.addresses = {}, {}, {}, 0
        self.launch_s, self.stop_s = 20.0, 15.0  # pending -> running, shutting-down -> terminated
        self.on_state = []  # called with an instance whose state has changed

    def next_address(self):
        self.addresses += 1
        return self.addresses

    def zones(self):
        return [self.name + letter for letter in "abc"]

    # capacity
    def pool(self, zone, instance_type, market):
        for key in ((zone, instance_type, market), (zone, instance_type, "*"), (zone, "*", market), (zone, "*", "*"), ("*", "*", "*")):
            if key in self.pools:
                return self.pools[key]
        return Capacity()

    def start_instance(self, zone, instance_type, market, tags=()):
        pool = self.pool(zone, instance_type, market)
        if pool.left == 0:
            raise Refused(pool.code, pool.text or no_capacity(self, zone, instance_type, market), 500)
        if pool.left is not None:
            pool.left -= 1
        instance = Instance(self, zone, instance_type, market, tags)
        self.instances[instance.id] = instance
        self.tell_state(instance)
        self.clock.after(self.launch_s, self.set_state, instance, "running", "pending")
        return instance

    def stop_instance(self, instance, reason_code="Client.UserInitiatedShutdown", final="terminated"):
        if instance.state in ("terminated", "stopped", "shutting-down", "stopping"):
            return
        instance.reason_code = reason_code
        going = "shutting-down" if final == "terminated" else "stopping"
        self.set_state(instance, going)
        self.clock.after(self.stop_s, self.set_state, instance, final, going)

    def set_state(self, instance, state, only_from=None):
        if only_from is not None and instance.state != only_from or instance.state == state:
            return
        instance.state = state
        if state == "terminated":
            instance.ended = self.clock.now()
            self.clock.after(KEPT_S, self.instances.pop, instance.id, None)
        self.tell_state(instance)
        for call in self.on_state:
            call(instance)

    # events
    def tell_state(self, instance):
        self.event("EC2 Instance State-change Notification", "aws.ec2", {"instance-id": instance.id, "state": instance.state}, [instance.arn])

    def make_event(self, detail_type, source, detail, resources=()):
        return {"version": "0", "id": str(uuid.uuid4()), "detail-type": detail_type, "source": source, "account": self.account,
                "time": iso(self.clock.now())[:19] + "Z", "region": self.name, "resources": list(resources), "detail": detail}

    def event(self, detail_type, source, detail, resources=()):
        """An EventBridge event to every queue whose rules let it through."""
        body = self.make_event(detail_type, source, detail, resources)
        for queue in self.queues.values():
            if queue.wants(detail_type):
                queue.send_later(json.dumps(body))
        return body


def no_capacity(region, zone, instance_type, market):
    if market == "spot":
        return "There is no Spot capacity available that matches your request."
    others = ", ".join(z for z in region.zones() if z != zone)
    return (f"We currently do not have sufficient {instance_type} capacity in the Availability Zone you requested ({zone}). Our system will be "
            f"working on provisioning additional capacity. You can currently get {instance_type} capacity by not specifying an Availability "
            f"Zone in your request or choosing {others}.")


class World:
    def __init__(self, start=None, speed=1.0):
        self.clock, self.regions = Clock(start, speed), {}
        self.on_region = []  # called with each new region: services hook themselves in

    def region(self, account, name):
        if (account, name) not in self.regions:
            region = self.regions[account, name] = Region(self, account, name)
            for call in self.on_region:
                call(region)
        return self.regions[account, name]

    def find_instance(self, instance_id):
        for region in self.regions.values():
            if instance_id in region.instances:
                return region.instances[instance_id]
        raise KeyError(f"no instance {instance_id}")
