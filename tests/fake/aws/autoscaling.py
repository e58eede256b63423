# SPDX-License-Identifier: Apache-2.0
"""Auto Scaling: groups that really scale, with delays, lifecycle hooks that time out, activities, and victims of their own choice."""
import uuid

from .model import Refused
from .world import hex_id, page, zone_id

RECONCILE_S = 3.0  # between a change of the desired capacity and what the group does about it
RETRY_S = 30.0  # after a launch that found no capacity
HOOK_MAX_S = 48 * 3600
TRANSITIONS = {"autoscaling:EC2_INSTANCE_LAUNCHING": "Pending", "autoscaling:EC2_INSTANCE_TERMINATING": "Terminating"}
EVENTS = {"autoscaling:EC2_INSTANCE_LAUNCHING": "EC2 Instance-launch Lifecycle Action",
          "autoscaling:EC2_INSTANCE_TERMINATING": "EC2 Instance-terminate Lifecycle Action"}


class Hook:
    def __init__(self, name, transition, heartbeat_s=3600, default="ABANDON", metadata=None, target=None):
        self.name, self.transition, self.heartbeat_s = name, transition, heartbeat_s
        self.default, self.metadata, self.target = default, metadata, target


class Action:
    """An instance that waits for a hook."""

    def __init__(self, hook, started):
        self.hook, self.token, self.started, self.timer = hook, str(uuid.uuid4()), started, None
        self.heartbeats = 0


class Member:
    def __init__(self, instance, state):
        self.instance, self.state, self.health, self.protected = instance, state, "Healthy", False
        self.action, self.hooks_left, self.activity, self.replaced_by = None, [], None, None
        self.history = [state]

    def to(self, state):
        self.state = state
        self.history.append(state)

    @property
    def leaving(self):
        return self.state.startswith("Terminat")


class Group:
    def __init__(self, region, name, minimum, maximum, desired, zones, types, spot, tags, options):
        self.region, self.name, self.min, self.max, self.desired = region, name, minimum, maximum, desired
        self.zones, self.types, self.spot, self.tags = zones, types, spot, dict(tags)
        self.subnets = {zone: hex_id("subnet") for zone in zones}
        self.members, self.hooks, self.activities, self.tokens, self.suspended = {}, {}, [], {}, set()
        self.created, self.timer, self.operator = region.clock.now(), None, options.pop("operator", None)
        self.capacity_rebalance = options.pop("capacity_rebalance", False)
        self.can_launch = options.pop("launch_instances", True)  # False: a partition that does not have LaunchInstances yet
        self.log = []  # (time, what) for tests that judge the order of things
        if options:
            raise TypeError(f"a group has no {sorted(options)}")

    @property
    def arn(self):
        return f"arn:aws:autoscaling:{self.region.name}:{self.region.account}:autoScalingGroup:{uuid.uuid5(uuid.NAMESPACE_DNS, self.name)}:autoScalingGroupName/{self.name}"

    @property
    def market(self):
        return "spot" if self.spot else "on-demand"

    @property
    def market_type(self):  # the same in the words of LaunchInstances
        return "Spot" if self.spot else "OnDemand"

    def staying(self):
        return [member for member in self.members.values() if not member.leaving]

    def activity(self, description, cause, status="InProgress", message=None):
        now = self.region.clock.now()
        made = {"ActivityId": str(uuid.uuid4()), "AutoScalingGroupName": self.name, "Description": description, "Cause": cause,
                "StartTime": now, "StatusCode": status, "Progress": 0, "AutoScalingGroupARN": self.arn}
        if message:
            made["StatusMessage"] = message[:255]
        if status == "Failed":
            made.update(EndTime=now, Progress=100)
        self.activities.insert(0, made)
        del self.activities[1000:]
        return made

    def finish(self, activity, status="Successful", message=None):
        if activity and "EndTime" not in activity:
            activity.update(StatusCode=status, EndTime=self.region.clock.now(), Progress=100)
            if message:
                activity["StatusMessage"] = message


class Scaler:
    """What makes the groups move."""

    def __init__(self, region):
        self.region, self.clock = region, region.clock
        region.on_state.append(self.on_instance)

    def member_of(self, instance_id):
        for group in self.region.groups.values():
            if instance_id in group.members:
                return group, group.members[instance_id]
        return None, None

    def later(self, group, seconds=RECONCILE_S):
        self.clock.cancel(group.timer)
        group.timer = self.clock.after(seconds, self.reconcile, group)

    # launching
    def launch(self, group, zone, cause):
        """One member in the zone, of the first type that has capacity; Refused with the last reason if none has."""
        refused = None
        for instance_type in group.types:
            try:
                instance = self.region.start_instance(zone, instance_type, group.market, {**group.tags, "aws:autoscaling:groupName": group.name})
                return self.admit(group, instance, cause)
            except Refused as error:
                refused = error
                error.more["type"] = instance_type
        raise refused

    def admit(self, group, instance, cause):
        member = group.members[instance.id] = Member(instance, "Pending")
        member.activity = group.activity(f"Launching a new EC2 instance: {instance.id}", cause)
        group.log.append((self.clock.now(), f"launch {instance.id} {instance.zone}"))
        return member

    def pick_zone(self, group):
        count = {zone: 0 for zone in group.zones}
        for member in group.staying():
            count[member.instance.zone] += 1
        return sorted(group.zones, key=lambda zone: count[zone])

    def launch_anywhere(self, group, cause):
        for zone in self.pick_zone(group):
            try:
                return self.launch(group, zone, cause)
            except Refused as error:
                text = f"{error.message} Launching EC2 instance failed." if not group.spot else \
                    f"Could not launch Spot Instances. {error.code} - {error.message} Launching EC2 instance failed."
                group.activity("Launching a new EC2 instance.  Status Reason: " + text, cause, "Failed", text)
        return None

    def on_instance(self, instance):
        group, member = self.member_of(instance.id)
        if not member:
            return
        if instance.state == "running" and member.state == "Pending":
            self.begin_hooks(group, member, "autoscaling:EC2_INSTANCE_LAUNCHING")
        elif instance.state in ("shutting-down", "stopping") and not member.leaving:
            member.health = "Unhealthy"
            self.clock.after(RECONCILE_S, self.replace_unhealthy, group, member)
        elif instance.state == "terminated" and member.state == "Terminating:Proceed":
            self.remove(group, member)

    def replace_unhealthy(self, group, member):
        if member.instance.id in group.members and not member.leaving and "ReplaceUnhealthy" not in group.suspended:
            self.terminate(group, member, "an instance was taken out of service in response to an EC2 health check indicating it has been terminated or stopped.")
            self.later(group)

    # hooks
    def begin_hooks(self, group, member, transition):
        member.hooks_left = [hook for hook in group.hooks.values() if hook.transition == transition]
        self.next_hook(group, member, transition)

    def next_hook(self, group, member, transition):
        prefix = TRANSITIONS[transition]
        if not member.hooks_left:
            member.action = None
            if prefix == "Pending":
                member.to("InService")
                group.finish(member.activity)
                group.log.append((self.clock.now(), f"in service {member.instance.id}"))
                self.after_in_service(group, member)
            else:
                self.proceed_to_end(group, member)
            return
        hook = member.hooks_left.pop(0)
        member.to(prefix + ":Wait")
        if member.activity:
            member.activity["StatusCode"] = "MidLifecycleAction"
        action = member.action = Action(hook, self.clock.now())
        action.timer = self.clock.after(hook.heartbeat_s, self.end_action, group, member, action, hook.default, "timed out")
        self.notify(group, member, action)

    def notify(self, group, member, action):
        hook = action.hook
        detail = {"LifecycleActionToken": action.token, "AutoScalingGroupName": group.name, "LifecycleHookName": hook.name,
                  "EC2InstanceId": member.instance.id, "LifecycleTransition": hook.transition,
                  "Origin": "AutoScalingGroup" if hook.transition.endswith("TERMINATING") else "EC2",
                  "Destination": "EC2" if hook.transition.endswith("TERMINATING") else "AutoScalingGroup"}
        if hook.metadata:
            detail["NotificationMetadata"] = hook.metadata
        self.region.event(EVENTS[hook.transition], "aws.autoscaling", detail, [group.arn])
        if hook.target:
            queue_by_arn(self.region, hook.target).send_direct(group, detail)

    def end_action(self, group, member, action, result, how):
        if member.action is not action:
            return
        self.clock.cancel(action.timer)
        transition = action.hook.transition
        group.log.append((self.clock.now(), f"hook {action.hook.name} {member.instance.id} {result} {how}"))
        member.action = None
        if TRANSITIONS[transition] == "Pending" and result == "ABANDON":
            group.finish(member.activity, "Cancelled", "Instance failed to complete user's Lifecycle Action: "
                         f"Lifecycle Action with token {action.token} was abandoned: {how}")
            self.terminate(group, member, "an instance was abandoned by a lifecycle hook.", hooks=False)
            self.later(group)
            return
        if result == "ABANDON":
            member.hooks_left = []
        member.to(TRANSITIONS[transition] + ":Proceed")
        self.next_hook(group, member, transition)

    def after_in_service(self, group, member):
        if member.replaced_by:
            self.terminate(group, member, "an instance was taken out of service after its replacement came into service.")
        for old in group.staying():
            if old.replaced_by == member.instance.id and old is not member:
                self.terminate(group, old, "an instance was taken out of service in response to an EC2 instance rebalance recommendation.")

    # terminating
    def terminate(self, group, member, cause, hooks=True):
        self.clock.cancel(member.action.timer if member.action else None)
        member.action = None
        member.to("Terminating")
        member.activity = group.activity(f"Terminating EC2 instance: {member.instance.id}", "At " + cause)
        group.log.append((self.clock.now(), f"terminate {member.instance.id} {member.instance.zone}"))
        if hooks:
            self.begin_hooks(group, member, "autoscaling:EC2_INSTANCE_TERMINATING")
        else:
            self.proceed_to_end(group, member)
        return member.activity

    def proceed_to_end(self, group, member):
        if member.state != "Terminating:Proceed":
            member.to("Terminating:Proceed")
        if member.instance.state == "terminated":
            self.remove(group, member)
        else:
            self.region.stop_instance(member.instance)

    def remove(self, group, member):
        group.members.pop(member.instance.id, None)
        group.finish(member.activity)
        group.log.append((self.clock.now(), f"gone {member.instance.id}"))

    def victims(self, group, n):
        """The default policy in its main lines: from the zone with most members, the oldest first."""
        left = [member for member in group.staying() if not member.protected and not member.replaced_by]
        chosen = []
        while left and len(chosen) < n:
            count = {}
            for member in left:
                count[member.instance.zone] = count.get(member.instance.zone, 0) + 1
            zone = max(sorted(count), key=count.get)
            oldest = min((m for m in left if m.instance.zone == zone), key=lambda m: m.instance.launched)
            left.remove(oldest)
            chosen.append(oldest)
        return chosen

    def reconcile(self, group):
        group.timer = None
        staying = [member for member in group.staying() if not member.replaced_by]
        missing = group.desired - len(staying)
        if missing > 0 and "Launch" not in group.suspended:
            cause = f"At an instance was started in response to a difference between desired and actual capacity, increasing the capacity from {len(staying)} to {group.desired}."
            for _ in range(missing):
                if not self.launch_anywhere(group, cause):
                    self.later(group, RETRY_S)
                    break
        elif missing < 0 and "Terminate" not in group.suspended:
            for member in self.victims(group, -missing):
                self.terminate(group, member, f"an instance was taken out of service in response to a difference between desired and actual capacity, shrinking the capacity from {len(staying)} to {group.desired}.")

    def rebalance_recommended(self, instance):
        group, member = self.member_of(instance.id)
        if member and group.capacity_rebalance and not member.leaving and not member.replaced_by:
            new = self.launch_anywhere(group, "At an instance was launched in response to an EC2 instance rebalance recommendation.")
            if new:
                member.replaced_by = new.instance.id

    def az_rebalance(self, group):
        """As the real one does: launch in the zone with fewest, then terminate in the zone with most."""
        if "AZRebalance" in group.suspended:
            return None
        zones = self.pick_zone(group)
        old = [member for member in group.staying() if member.instance.zone == zones[-1] and not member.protected]
        if not old:
            return None
        new = self.launch(group, zones[0], "At an instance was launched to aid in balancing the group's zones.")
        old[0].replaced_by = new.instance.id
        return {"launched": new.instance.id, "doomed": old[0].instance.id}


def queue_by_arn(region, arn):
    for queue in region.queues.values():
        if queue.arn == arn:
            return queue
    raise Refused("ValidationError", f"Unable to publish test message to notification target {arn}.")


class AutoScaling:
    """The operations. Each takes (region, parameters, caller) and returns the answer's members."""

    def __init__(self, world):
        self.scalers = {}
        world.on_region.append(lambda region: self.scalers.update({id(region): Scaler(region)}))

    def scaler(self, region):
        return self.scalers[id(region)]

    @staticmethod
    def group(region, params):
        name = params["AutoScalingGroupName"]
        if name not in region.groups:
            raise Refused("ValidationError", f"AutoScalingGroup name not found - AutoScalingGroup {name} not found")
        return region.groups[name]

    def own_group(self, region, params):
        group = self.group(region, params)
        if group.operator:
            raise Refused("ValidationError", f"The Auto Scaling group {group.name} is managed by {group.operator} and cannot be changed")
        return group

    # reading
    def DescribeAutoScalingGroups(self, region, params, caller):
        names, filters = params.get("AutoScalingGroupNames"), params.get("Filters", [])
        found = [group for name, group in sorted(region.groups.items()) if (not names or name in names) and all(matches(group, f) for f in filters)]
        if params.get("MaxRecords", 50) > 100:
            raise Refused("ValidationError", "1 validation error detected: Value at 'maxRecords' failed to satisfy constraint: Member must have value less than or equal to 100")
        some, token = page(found, params, 50)
        with_instances = params.get("IncludeInstances", True)
        return {"AutoScalingGroups": [describe(group, with_instances) for group in some], "NextToken": token}

    def DescribeAutoScalingInstances(self, region, params, caller):
        wanted, found = params.get("InstanceIds"), []
        for group in region.groups.values():
            for member in group.members.values():
                if not wanted or member.instance.id in wanted:
                    found.append({**describe_member(member), "AutoScalingGroupName": group.name, "HealthStatus": member.health.upper()})
        some, token = page(found, params, 50)
        return {"AutoScalingInstances": some, "NextToken": token}

    def DescribeScalingActivities(self, region, params, caller):
        if "AutoScalingGroupName" in params:
            found = self.group(region, params).activities
        else:
            found = [activity for group in region.groups.values() for activity in group.activities]
        if params.get("ActivityIds"):
            found = [activity for activity in found if activity["ActivityId"] in params["ActivityIds"]]
        some, token = page(found, params, 100)
        return {"Activities": some, "NextToken": token}

    def DescribeLifecycleHooks(self, region, params, caller):
        group, wanted = self.group(region, params), params.get("LifecycleHookNames")
        return {"LifecycleHooks": [{
            "LifecycleHookName": hook.name, "AutoScalingGroupName": group.name, "LifecycleTransition": hook.transition,
            "HeartbeatTimeout": hook.heartbeat_s, "GlobalTimeout": min(HOOK_MAX_S, 100 * hook.heartbeat_s), "DefaultResult": hook.default,
            "NotificationMetadata": hook.metadata, "NotificationTargetARN": hook.target,
        } for hook in group.hooks.values() if not wanted or hook.name in wanted]}

    def DescribeTags(self, region, params, caller):
        found = [tag for group in region.groups.values() for tag in describe_tags(group)]
        for each in params.get("Filters", []):
            key = {"auto-scaling-group": "ResourceId", "key": "Key", "value": "Value"}.get(each.get("Name"))
            if key is None:
                raise Refused("ValidationError", f"Filter type {each.get('Name')} is not correct.")
            found = [tag for tag in found if tag[key] in each.get("Values", [])]
        some, token = page(found, params, 50)
        return {"Tags": some, "NextToken": token}

    # scaling
    def SetDesiredCapacity(self, region, params, caller):
        group, wanted = self.own_group(region, params), params["DesiredCapacity"]
        if wanted > group.max:
            raise Refused("ValidationError", f"New SetDesiredCapacity value {wanted} is above max value {group.max} for the AutoScalingGroup.")
        if wanted < group.min:
            raise Refused("ValidationError", f"New SetDesiredCapacity value {wanted} is below min value {group.min} for the AutoScalingGroup.")
        if params.get("HonorCooldown") and any("EndTime" not in activity for activity in group.activities):
            raise Refused("ScalingActivityInProgress", "Scaling activity is in progress and blocked by a cooldown")
        group.desired = wanted
        group.log.append((region.clock.now(), f"desired {wanted}"))
        self.scaler(region).later(group)

    def UpdateAutoScalingGroup(self, region, params, caller):
        group = self.own_group(region, params)
        low, high = params.get("MinSize", group.min), params.get("MaxSize", group.max)
        desired = params.get("DesiredCapacity", max(low, min(high, group.desired)))
        if not low <= desired <= high:
            raise Refused("ValidationError", f"Desired capacity:{desired} must be between the specified min size:{low} and max size:{high}")
        group.min, group.max, group.desired = low, high, desired
        self.scaler(region).later(group)

    def LaunchInstances(self, region, params, caller):
        group, token = self.own_group(region, params), params["ClientToken"]
        if not group.can_launch:
            raise Refused("InvalidAction", "The action LaunchInstances is not valid for this web service.")
        asked = {key: value for key, value in params.items() if key != "ClientToken"}
        if token in group.tokens:
            before, answer = group.tokens[token]
            if before != asked:
                raise Refused("IdempotentParameterMismatch", "The client token was used before with other parameters", 400)
            return answer
        zone, n = self.launch_zone(group, params), params["RequestedCapacity"]
        if n > 100:
            raise Refused("ValidationError", "RequestedCapacity may not exceed 100 instances")
        if "Launch" in group.suspended:
            raise Refused("ValidationError", f"The Launch process of {group.name} is suspended")
        if group.desired + n > group.max:
            raise Refused("ValidationError", f"Requested capacity {n} would raise the desired capacity {group.desired} above max value {group.max} for the AutoScalingGroup.")
        answer = self.launch_now(region, group, zone, n)
        answer.update(AutoScalingGroupName=group.name, ClientToken=token)
        launched = sum(len(each["InstanceIds"]) for each in answer["Instances"])
        group.desired += n if params.get("RetryStrategy") == "retry-with-group-configuration" else launched
        if launched < n:
            self.scaler(region).later(group)
        group.tokens[token] = (asked, answer)
        return answer

    @staticmethod
    def launch_zone(group, params):
        chosen = [key for key in ("AvailabilityZones", "AvailabilityZoneIds", "SubnetIds") if params.get(key)]
        if "AvailabilityZones" in chosen and "AvailabilityZoneIds" in chosen:
            raise Refused("ValidationError", "You cannot specify both AvailabilityZones and AvailabilityZoneIds")
        if not chosen:
            if len(group.zones) > 1:
                raise Refused("ValidationError", "AvailabilityZones or SubnetIds must be specified for a group with several Availability Zones")
            return group.zones[0]
        wanted = params[chosen[0]][0]
        for zone in group.zones:
            if wanted in (zone, zone_id(zone), group.subnets[zone]):
                return zone
        raise Refused("ValidationError", f"{wanted} is not in the configuration of {group.name}")

    def launch_now(self, region, group, zone, n):
        place = {"SubnetId": group.subnets[zone], "AvailabilityZone": zone, "AvailabilityZoneId": zone_id(zone)}
        made, errors = {}, []
        for _ in range(n):
            try:
                member = self.scaler(region).launch(group, zone, "At an instance was launched by LaunchInstances.")
                made.setdefault(member.instance.type, []).append(member.instance.id)
            except Refused as error:
                errors.append({"InstanceType": error.more["type"], "MarketType": group.market_type, **place, "ErrorCode": error.code, "ErrorMessage": error.message})
                break
        instances = [{"InstanceType": kind, "MarketType": group.market_type, **place, "InstanceIds": ids} for kind, ids in made.items()]
        return {"Instances": instances, "Errors": errors}

    def TerminateInstanceInAutoScalingGroup(self, region, params, caller):
        scaler = self.scaler(region)
        group, member = scaler.member_of(params["InstanceId"])
        if not member:
            raise Refused("ValidationError", f"Instance Id not found - No managed instance found for instance ID: {params['InstanceId']}")
        self.own_group(region, {"AutoScalingGroupName": group.name})
        if member.leaving:
            raise Refused("ScalingActivityInProgress", f"Instance {member.instance.id} is being terminated already")
        if params["ShouldDecrementDesiredCapacity"]:
            if group.desired <= group.min:
                raise Refused("ValidationError", f"Currently, desiredSize equals minSize ({group.min}). Terminating instance without replacement will "
                              "violate group's min size constraint. Either set shouldDecrementDesiredCapacity flag to false or lower group's min size.")
            group.desired -= 1
        activity = dict(scaler.terminate(group, member, "an instance was taken out of service in response to a user request."))
        scaler.later(group)
        return {"Activity": activity}

    def SetInstanceProtection(self, region, params, caller):
        group = self.group(region, params)
        unknown = [each for each in params["InstanceIds"] if each not in group.members]
        if unknown:
            raise Refused("ValidationError", f"The instance {unknown[0]} is not part of Auto Scaling group {group.name}.")
        for each in params["InstanceIds"]:
            group.members[each].protected = params["ProtectedFromScaleIn"]

    def SuspendProcesses(self, region, params, caller):
        self.group(region, params).suspended |= set(params.get("ScalingProcesses", ["Launch", "Terminate", "AZRebalance", "ReplaceUnhealthy"]))

    def ResumeProcesses(self, region, params, caller):
        group = self.group(region, params)
        group.suspended -= set(params.get("ScalingProcesses", group.suspended))
        self.scaler(region).later(group)

    # hooks
    def PutLifecycleHook(self, region, params, caller):
        group, transition = self.group(region, params), params.get("LifecycleTransition", "")
        heartbeat, default, target = params.get("HeartbeatTimeout", 3600), params.get("DefaultResult", "ABANDON"), params.get("NotificationTargetARN")
        if transition not in TRANSITIONS:
            raise Refused("ValidationError", f"Unknown lifecycle transition '{transition}'")
        if not 30 <= heartbeat <= 7200:
            raise Refused("ValidationError", "Heartbeat timeout must be between 30 and 7200 seconds")
        if default not in ("ABANDON", "CONTINUE"):
            raise Refused("ValidationError", f"Unknown default result '{default}'")
        if target:
            queue_by_arn(region, target).send_test(group)
        name = params["LifecycleHookName"]
        group.hooks[name] = Hook(name, transition, heartbeat, default, params.get("NotificationMetadata"), target)

    def DeleteLifecycleHook(self, region, params, caller):
        group, name = self.group(region, params), params["LifecycleHookName"]
        group.hooks.pop(name, None)
        for member in list(group.members.values()):
            if member.action and member.action.hook.name == name:
                self.scaler(region).end_action(group, member, member.action, "CONTINUE", "hook deleted")

    def find_action(self, region, params):
        if "InstanceId" not in params and "LifecycleActionToken" not in params:
            raise Refused("ValidationError", "Either LifecycleActionToken or InstanceId must be specified")
        group = self.group(region, params)
        if params["LifecycleHookName"] not in group.hooks:
            raise Refused("ValidationError", f"No Lifecycle Hook found with name {params['LifecycleHookName']}")
        for member in group.members.values():
            if member.action and member.action.hook.name == params["LifecycleHookName"]:
                if params.get("LifecycleActionToken", member.action.token) == member.action.token and params.get("InstanceId", member.instance.id) == member.instance.id:
                    return group, member
        what = f"token {params['LifecycleActionToken']}" if "LifecycleActionToken" in params else f"instance ID {params['InstanceId']}"
        raise Refused("ValidationError", f"No active Lifecycle Action found with {what}")

    def RecordLifecycleActionHeartbeat(self, region, params, caller):
        group, member = self.find_action(region, params)
        action, scaler = member.action, self.scaler(region)
        end = min(region.clock.now() + action.hook.heartbeat_s, action.started + min(HOOK_MAX_S, 100 * action.hook.heartbeat_s))
        action.heartbeats += 1
        region.clock.cancel(action.timer)
        action.timer = region.clock.after(end - region.clock.now(), scaler.end_action, group, member, action, action.hook.default, "timed out")
        return {}

    def CompleteLifecycleAction(self, region, params, caller):
        if params["LifecycleActionResult"] not in ("CONTINUE", "ABANDON"):
            raise Refused("ValidationError", f"Unknown lifecycle action result '{params['LifecycleActionResult']}'")
        group, member = self.find_action(region, params)
        self.scaler(region).end_action(group, member, member.action, params["LifecycleActionResult"], "completed")
        return {}


# --- answers -----------------------------------------------------------------------------------------------------------------


def matches(group, each):
    name, values = each.get("Name", ""), each.get("Values", [])
    if name.startswith("tag:"):
        return group.tags.get(name[4:]) in values
    if name == "tag-key":
        return any(key in values for key in group.tags)
    if name == "tag-value":
        return any(value in values for value in group.tags.values())
    raise Refused("ValidationError", f"Filter type {name} is not correct. Allowed Filter types are: tag-key, tag-value, tag:<key>")


def describe_tags(group):
    return [{"ResourceId": group.name, "ResourceType": "auto-scaling-group", "Key": key, "Value": value, "PropagateAtLaunch": True}
            for key, value in sorted(group.tags.items())]


def describe_member(member):
    instance = member.instance
    return {"InstanceId": instance.id, "InstanceType": instance.type, "AvailabilityZone": instance.zone, "LifecycleState": member.state,
            "ProtectedFromScaleIn": member.protected, "LaunchTemplate": {"LaunchTemplateId": "lt-0fake0000000000a", "LaunchTemplateName": "nodes", "Version": "1"}}


def describe(group, with_instances=True):
    percent = 0 if group.spot else 100
    return {
        "AutoScalingGroupName": group.name, "AutoScalingGroupARN": group.arn, "MinSize": group.min, "MaxSize": group.max,
        "DesiredCapacity": group.desired, "DefaultCooldown": 300, "AvailabilityZones": group.zones, "HealthCheckType": "EC2",
        "HealthCheckGracePeriod": 15, "CreatedTime": group.created, "VPCZoneIdentifier": ",".join(group.subnets.values()),
        "MixedInstancesPolicy": {
            "LaunchTemplate": {"LaunchTemplateSpecification": {"LaunchTemplateId": "lt-0fake0000000000a", "LaunchTemplateName": "nodes", "Version": "1"},
                               "Overrides": [{"InstanceType": kind} for kind in group.types]},
            "InstancesDistribution": {"OnDemandAllocationStrategy": "prioritized", "OnDemandBaseCapacity": 0,
                                      "OnDemandPercentageAboveBaseCapacity": percent, "SpotAllocationStrategy": "capacity-optimized"}},
        "Instances": [{**describe_member(m), "HealthStatus": m.health} for m in group.members.values()] if with_instances else [],
        "SuspendedProcesses": [{"ProcessName": name, "SuspensionReason": "User suspended"} for name in sorted(group.suspended)],
        "Tags": describe_tags(group), "TerminationPolicies": ["Default"], "NewInstancesProtectedFromScaleIn": False,
        "CapacityRebalance": group.capacity_rebalance, "TrafficSources": [],
    }
