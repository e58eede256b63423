# SPDX-License-Identifier: Apache-2.0
"""The script's hands: every method here is a verb, as aws.VERB(…) in Python and as POST /_control/VERB with a JSON object.

A verb answers with plain values. region and account default to the server's own.
"""
import json
import time
import uuid

from . import faults
from .autoscaling import Group
from .eks import Cluster, Nodegroup
from .elb import ClassicBalancer, TargetGroup
from .model import Refused
from .sqs import Queue
from .sts import Role
from .world import Capacity

SPOT_NOTICE_S = 120


class Control:
    def __init__(self, server):
        self._server, self._world = server, server.world

    def run(self, verb, options):
        call = None if verb.startswith("_") or verb == "run" else getattr(self, verb, None)
        if call is None:
            raise LookupError(f"no verb {verb!r}; there are {[name for name in dir(self) if not name.startswith('_')]}")
        return call(**options)

    def _region(self, region=None, account=None):
        return self._world.region(account or self._server.default_account, region or self._server.default_region)

    def _scaler(self, region):
        return self._server.services["autoscaling"].scaler(region)

    def _group(self, name, region=None, account=None):
        return self._region(region, account).groups[name]

    # --- time --------------------------------------------------------------------------------------------------------------

    def now(self):
        return self._world.clock.now()

    def advance(self, seconds):
        """Lets so many seconds pass at once; everything that falls due happens in its order."""
        self._world.clock.advance(float(seconds))
        return self._world.clock.now()

    def speed(self, factor):
        """How fast the world's clock runs; 0 stops it."""
        self._world.clock.set_speed(float(factor))

    def skew(self, seconds):
        """How far AWS's clock is ahead of this machine's, for signatures and credentials."""
        self._server.sts.skew_s = float(seconds)

    # --- identities ----------------------------------------------------------------------------------------------------------

    def key(self, principal="arn:aws:iam::123456789012:user/petrel", account=None, key=None, secret=None):
        """A long-lived access key."""
        made = self._server.sts.add_key(principal, account or self._server.default_account, key=key or None, secret=secret)
        if not key:
            made.key = made.key.replace("ASIA", "AKIA")
            self._server.sts.keys[made.key] = made
        return made.as_dict()

    def role(self, arn, external_id=None, trusted=None, credentials_s=None):
        """credentials_s: their lifetime whatever is asked for, so that a test sees them end."""
        self._server.sts.roles[arn] = Role(arn, external_id, trusted, credentials_s)

    def web_token(self, role, token, seconds=None):
        """The token file of a pod may hold this, for so long."""
        self._server.sts.roles[role].web_tokens[token] = None if seconds is None else self._server.sts.now() + seconds

    def session(self, role, name="session", seconds=3600):
        """Credentials of the role without asking STS: what an instance profile hands out."""
        return self._server.sts.session(self._server.sts.roles[role], name, seconds).as_dict()

    def pod_identity(self, token, role):
        self._server.pod_identity = (token, role)

    def expire_keys(self, principal="*"):
        """Every session's credentials end now."""
        for key in self._server.sts.keys.values():
            if key.token and principal in ("*", key.principal):
                key.expires = 0

    def eks_token(self, token, cluster):
        """Who the bearer of a token for that cluster's API server is."""
        from .server import Request
        try:
            return {"arn": self._server.sts.check_eks_token(token, cluster, lambda url, headers: Request("GET", f"{url.path or '/'}?{url.query}", headers, b""))}
        except Refused as refused:
            return {"arn": None, "code": refused.code, "message": refused.message}

    # --- capacity and groups ---------------------------------------------------------------------------------------------------

    def pool(self, zone="*", instance_type="*", market="*", left=None, code="InsufficientInstanceCapacity", text=None, region=None, account=None):
        """What a pool has left; 0 refuses, None is endless. market: spot, on-demand or *."""
        self._region(region, account).pools[zone, instance_type, market] = Capacity(left, code, text)

    def delays(self, launch_s=None, stop_s=None, region=None, account=None):
        home = self._region(region, account)
        home.launch_s = home.launch_s if launch_s is None else launch_s
        home.stop_s = home.stop_s if stop_s is None else stop_s

    def group(self, name, desired=1, minimum=0, maximum=10, zones=None, types=("m6i.large",), spot=True, tags=None, running=True, hooks=(),
              region=None, account=None, **options):
        """A group, its members in service already unless running is False. Returns the instances' ids."""
        home = self._region(region, account)
        made = Group(home, name, minimum, maximum, desired, list(zones or home.zones()), list(types), spot, tags or {}, options)
        home.groups[name] = made
        scaler = self._scaler(home)
        for n in range(desired if running else 0):
            member = scaler.launch(made, made.zones[n % len(made.zones)], "At an instance was started for the first time.")
            home.set_state(member.instance, "running")
        for hook in hooks:  # only now, so that the first members do not wait for them
            self.hook(name, region=region, account=account, **hook)
        if not running:
            scaler.later(made)
        return list(made.members)

    def hook(self, group, name="drain", transition="TERMINATING", heartbeat_s=3600, default="ABANDON", metadata=None, target=None, region=None, account=None):
        params = {"AutoScalingGroupName": group, "LifecycleHookName": name, "LifecycleTransition": f"autoscaling:EC2_INSTANCE_{transition}",
                  "HeartbeatTimeout": heartbeat_s, "DefaultResult": default}
        params.update({"NotificationMetadata": metadata} if metadata else {}, **({"NotificationTargetARN": target} if target else {}))
        self._server.services["autoscaling"].PutLifecycleHook(self._region(region, account), params, None)

    def az_rebalance(self, group, region=None, account=None):
        home = self._region(region, account)
        return self._scaler(home).az_rebalance(home.groups[group])

    def scale(self, group, desired, region=None, account=None):
        """Somebody else changes the desired capacity."""
        home = self._region(region, account)
        home.groups[group].desired = desired
        self._scaler(home).later(home.groups[group])

    def group_state(self, name, region=None, account=None):
        group = self._group(name, region, account)
        return {"name": name, "min": group.min, "max": group.max, "desired": group.desired, "tags": group.tags, "zones": group.zones,
                "suspended": sorted(group.suspended), "log": [list(each) for each in group.log], "members": {m.instance.id: {
                    "state": m.state, "history": m.history, "health": m.health, "zone": m.instance.zone, "type": m.instance.type, "ec2": m.instance.state,
                    "hook": m.action.hook.name if m.action else None, "token": m.action.token if m.action else None,
                    "heartbeats": m.action.heartbeats if m.action else 0} for m in group.members.values()}}

    # --- EKS -----------------------------------------------------------------------------------------------------------------

    def cluster(self, name, endpoint="https://127.0.0.1:6443", certificate="", version="1.36", region=None, account=None):
        home = self._region(region, account)
        home.clusters[name] = Cluster(home, name, endpoint, certificate, version)
        return home.clusters[name].arn

    def nodegroup(self, cluster, name, labels=None, region=None, account=None, **options):
        """A managed node group and the Auto Scaling group behind it; options as for group(). Returns the group's name and the instances' ids."""
        home = self._region(region, account)
        owner = home.clusters[cluster]
        tags = {"eks:cluster-name": cluster, "eks:nodegroup-name": name, f"kubernetes.io/cluster/{cluster}": "owned",
                f"k8s.io/cluster-autoscaler/{cluster}": "owned", "k8s.io/cluster-autoscaler/enabled": "true", **options.pop("tags", {})}
        behind = f"eks-{name}-{uuid.uuid5(uuid.NAMESPACE_DNS, cluster + name)}"
        ids = self.group(behind, tags=tags, region=region, account=account, **options)
        owner.nodegroups[name] = Nodegroup(owner, name, home.groups[behind], labels or {})
        return {"group": behind, "instances": ids}

    def nodegroup_set(self, cluster, name, status=None, issues=None, update_s=None, region=None, account=None):
        """status as EKS has it; issues: [{"code": …, "message": …, "resourceIds": […]}]; update_s: how long the next updates run."""
        it = self._region(region, account).clusters[cluster].nodegroups[name]
        it.status = status or it.status
        it.issues = it.issues if issues is None else issues
        it.update_s = it.update_s if update_s is None else update_s

    def fail_update(self, cluster, name, code="PodEvictionFailure", message="Reached max retries while trying to evict pods", region=None, account=None):
        """The update that runs ends in failure."""
        it = self._region(region, account).clusters[cluster].nodegroups[name]
        self._server.services["eks"].finish(it, it.update, "Failed", [{"errorCode": code, "errorMessage": message, "resourceIds": []}])

    # --- load balancers --------------------------------------------------------------------------------------------------------

    def target_group(self, name, targets=(), region=None, account=None, **options):
        home = self._region(region, account)
        made = TargetGroup(home, name, targets, **options)
        home.target_groups[made.arn] = made
        return made.arn

    def target(self, group, target, state, region=None, account=None):
        """What a target's health is from now on; "draining" begins a deregistration that ends by itself."""
        it = self._region(region, account).target_groups[group]
        if state == "draining":
            it.deregister(target)
        else:
            it.targets[target] = state

    def classic_balancer(self, name, instances=(), region=None, account=None):
        home = self._region(region, account)
        home.load_balancers[name] = ClassicBalancer(home, name, instances)

    def classic_state(self, name, instance_id, state=None, region=None, account=None):
        """InService, OutOfService; None takes the instance out of the load balancer."""
        instances = self._region(region, account).load_balancers[name].instances
        if state is None:
            instances.pop(instance_id, None)
        else:
            instances[instance_id] = state

    # --- instances -----------------------------------------------------------------------------------------------------------

    def instance(self, zone=None, instance_type="m6i.large", market="spot", tags=None, instance_id=None, state="running", region=None, account=None):
        """One instance that belongs to no group. Returns what instance_state() does."""
        home = self._region(region, account)
        made = home.start_instance(zone or home.zones()[0], instance_type, market, tags or {})
        if instance_id:
            del home.instances[made.id]
            made.id = instance_id
            home.instances[made.id] = made
        home.set_state(made, state)
        return self.instance_state(made.id)

    def instance_state(self, instance_id):
        found = self._world.find_instance(instance_id)
        return {"id": found.id, "state": found.state, "zone": found.zone, "type": found.type, "market": found.market, "address": found.address,
                "dns": found.dns, "provider_id": f"aws:///{found.zone}/{found.id}", "reason": found.reason_code, "tags": found.tags}

    def interrupt(self, instance_id, action="terminate", seconds=SPOT_NOTICE_S):
        """A spot interruption: the event now, the end after so many seconds (hibernation: at once)."""
        found = self._world.find_instance(instance_id)
        resource = f"arn:aws:ec2:{found.zone}:instance/{found.id}"  # the zone in the region's place and no account: as the real event has it
        found.region.event("EC2 Spot Instance Interruption Warning", "aws.ec2", {"instance-id": found.id, "instance-action": action}, [resource])
        final = "terminated" if action == "terminate" else "stopped"
        found.region.clock.after(0 if action == "hibernate" else seconds, found.region.stop_instance, found, "Server.SpotInstanceTermination", final)
        return found.region.clock.now() + seconds

    def warn(self, queue, instance_ids, action="terminate", region=None, account=None):
        """The events of many interruptions at once, to one queue only; the instances stay."""
        home = self._region(region, account)
        for each in instance_ids:
            body = home.make_event("EC2 Spot Instance Interruption Warning", "aws.ec2", {"instance-id": each, "instance-action": action})
            home.queues[queue].send_later(json.dumps(body))

    def rebalance(self, instance_id):
        """A rebalance recommendation; a group with capacity rebalancing acts on it by itself."""
        found = self._world.find_instance(instance_id)
        found.region.event("EC2 Instance Rebalance Recommendation", "aws.ec2", {"instance-id": found.id}, [f"arn:aws:ec2:{found.zone}:instance/{found.id}"])
        self._scaler(found.region).rebalance_recommended(found)

    def vanish(self, instance_id, reason="Server.InternalError"):
        """The instance dies with no notice."""
        found = self._world.find_instance(instance_id)
        found.reason_code = reason
        found.region.set_state(found, "shutting-down")
        found.region.clock.after(found.region.stop_s, found.region.set_state, found, "terminated", "shutting-down")

    def impair(self, instance_id, status="impaired"):
        self._world.find_instance(instance_id).status = status

    def maintenance(self, instance_id, code="instance-retirement", seconds=86400, event_id="instance-event-0d59937288b749b32", cancelled=False):
        """A scheduled event as DescribeInstanceStatus shows it."""
        found = self._world.find_instance(instance_id)
        start = found.region.clock.now() + seconds
        found.events[event_id] = {"Code": code, "Description": ("[Canceled] " if cancelled else "") + "The instance is scheduled for " + code, "NotBefore": start, "NotAfter": start + 7200}

    def health(self, instance_ids, code="AWS_EC2_INSTANCE_RETIREMENT_SCHEDULED", category="scheduledChange", seconds=86400, service="EC2", region=None, account=None):
        """An AWS Health event about these instances."""
        home = self._region(region, account)
        when = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(home.clock.now() + seconds))
        detail = {"eventArn": f"arn:aws:health:{home.name}::event/{service}/{code}/{code}_1", "service": service, "eventTypeCode": code, "eventTypeCategory": category,
                  "startTime": when, "statusCode": "upcoming", "eventDescription": [{"language": "en_US", "latestDescription": "scripted"}],
                  "affectedEntities": [{"entityValue": each} for each in instance_ids]}
        return home.event("AWS Health Event", "aws.health", detail, instance_ids)

    # --- queues --------------------------------------------------------------------------------------------------------------

    def queue(self, name, events=("*",), region=None, account=None, **options):
        """A queue that the rules fill with these detail types. options: see sqs.Queue. Returns url path and arn."""
        home = self._region(region, account)
        home.queues[name] = Queue(home, name, events and list(events), **options)
        return {"path": f"/{home.account}/{name}", "arn": home.queues[name].arn}

    def send(self, queue, body, region=None, account=None):
        return self._region(region, account).queues[queue].send(body).id

    def event(self, detail_type, source, detail, resources=(), region=None, account=None):
        return self._region(region, account).event(detail_type, source, detail, resources)

    def queue_state(self, name, region=None, account=None):
        queue = self._region(region, account).queues[name]
        return {"messages": [{"id": m.id, "body": m.body, "receives": m.receives, "visible": m.visible_at <= queue.clock.now()} for m in queue.messages.values()],
                "deleted": queue.deleted}

    # --- what goes wrong -------------------------------------------------------------------------------------------------------

    def fault(self, kind, **options):
        """See faults.KINDS and faults.Fault."""
        self._server.faults.append(faults.Fault(kind, **options))
        return len(self._server.faults)

    def outage(self, region="*", seconds=None):
        """Nothing in the region answers with anything but 503."""
        self.fault("unavailable", region=region, seconds=seconds)

    def heal(self):
        self._server.faults.clear()

    def limit(self, service, operation="*", rate=20, burst=100):
        """The bucket of one API; of all of a service with *."""
        self._server.throttles.configure(service, operation, rate, burst)

    def limits(self, on=True):
        self._server.throttles.off = not on

    # --- what was asked --------------------------------------------------------------------------------------------------------

    def requests(self, operation="", service="", since=0, status=None):
        return [{"n": n, **entry} for n, entry in enumerate(self._server.log) if n >= int(since) and operation in (entry["operation"] or "") and
                service in (entry["service"] or "") and (status is None or entry["status"] == int(status))]

    def count(self):
        counts = {}
        for entry in self._server.log:
            name = f"{entry['service']}:{entry['operation']}"
            counts[name] = counts.get(name, 0) + 1
        return counts

    def violations(self):
        """Requests that broken clients make: unknown members, missing ones, wrong types. An honest test ends with none."""
        return [{"n": n, **entry} for n, entry in enumerate(self._server.log) if entry["violation"]]

    def forget(self):
        self._server.log.clear()
