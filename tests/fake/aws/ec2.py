# SPDX-License-Identifier: Apache-2.0
"""EC2: what is asked about instances. They are started and stopped by the groups and by the script."""
import fnmatch
import re

from .model import Refused
from .world import CODES, page, zone_id

STATUS_OK = {"Status": "ok", "Details": [{"Name": "reachability", "Status": "passed"}]}


def check_ids(region, ids):
    for each in ids:
        if not re.fullmatch(r"i-[0-9a-f]{8}([0-9a-f]{9})?", each):
            raise Refused("InvalidInstanceID.Malformed", f"Invalid id: \"{each}\"")
    unknown = [each for each in ids if each not in region.instances]
    if unknown:
        which = f"ID '{unknown[0]}' does" if len(unknown) == 1 else f"IDs '{', '.join(unknown)}' do"
        raise Refused("InvalidInstanceID.NotFound", f"The instance {which} not exist")


def field(instance, name):
    """The values that a filter of this name looks at."""
    if name.startswith("tag:"):
        return [instance.tags[name[4:]]] if name[4:] in instance.tags else []
    simple = {"instance-id": instance.id, "instance-state-name": instance.state, "instance-state-code": str(CODES[instance.state]),
              "availability-zone": instance.zone, "availability-zone-id": zone_id(instance.zone), "instance-type": instance.type,
              "private-dns-name": instance.dns, "private-ip-address": instance.address, "vpc-id": "vpc-0fake0000000000a",
              "instance-lifecycle": instance.market if instance.market == "spot" else ""}
    if name in simple:
        return [simple[name]]
    if name == "tag-key":
        return list(instance.tags)
    if name == "event.code":
        return [event["Code"] for event in instance.events.values()]
    raise Refused("InvalidParameterValue", f"The filter '{name}' is invalid")


def select(region, params):
    ids, filters = params.get("InstanceIds", []), params.get("Filters", [])
    if ids and "MaxResults" in params:
        raise Refused("InvalidParameterCombination", "The parameter instancesSet cannot be used with the parameter maxResults")
    if len(filters) > 200 or any(len(f.get("Values", [])) > 200 for f in filters):
        raise Refused("FilterLimitExceeded", "The maximum number of filter values specified on a single call is 200")
    check_ids(region, ids)
    found = [region.instances[each] for each in ids] if ids else list(region.instances.values())
    for each in filters:
        found = [i for i in found if any(fnmatch.fnmatchcase(have, want) for have in field(i, each.get("Name", "")) for want in each.get("Values", []))]
    return found


def page_of(found, params):
    if "MaxResults" in params and not 5 <= params["MaxResults"] <= 1000:
        raise Refused("InvalidParameterValue", f"Value ( {params['MaxResults']} ) for parameter maxResults is invalid. Expecting a value greater than 5.")
    return page(found, params, 1000, max_name="MaxResults", code="InvalidParameterValue")


def describe(instance):
    made = {
        "InstanceId": instance.id, "InstanceType": instance.type, "State": {"Code": CODES[instance.state], "Name": instance.state},
        "Placement": {"AvailabilityZone": instance.zone, "Tenancy": "default"}, "PrivateIpAddress": instance.address,
        "PrivateDnsName": instance.dns if instance.state not in ("terminated", "shutting-down") else "", "LaunchTime": instance.launched,
        "VpcId": "vpc-0fake0000000000a", "Architecture": "x86_64", "Tags": [{"Key": key, "Value": value} for key, value in sorted(instance.tags.items())],
    }
    if instance.market == "spot":
        made["InstanceLifecycle"] = "spot"
    if instance.reason_code:
        made["StateTransitionReason"] = instance.reason_code
        made["StateReason"] = {"Code": instance.reason_code, "Message": f"{instance.reason_code}: {instance.reason or 'scripted'}"}
    return made


class Ec2:
    def __init__(self, world):
        self.world = world

    def DescribeInstances(self, region, params, caller):
        some, token = page_of(select(region, params), params)
        return {"NextToken": token, "Reservations": [
            {"ReservationId": "r-" + instance.id[2:], "OwnerId": region.account, "Groups": [], "Instances": [describe(instance)]} for instance in some]}

    def DescribeInstanceStatus(self, region, params, caller):
        found = select(region, params)
        if not params.get("IncludeAllInstances"):
            found = [instance for instance in found if instance.state == "running"]
        some, token = page_of(found, params)
        return {"NextToken": token, "InstanceStatuses": [self.status(instance) for instance in some]}

    @staticmethod
    def status(instance):
        events = [{**event, "InstanceEventId": name} for name, event in instance.events.items()]
        one = STATUS_OK if instance.status == "ok" else {"Status": instance.status, "Details": [{"Name": "reachability", "Status": "failed"}]}
        if instance.state != "running":
            one = {"Status": "not-applicable"}
        return {"InstanceId": instance.id, "AvailabilityZone": instance.zone, "InstanceState": {"Code": CODES[instance.state], "Name": instance.state},
                "InstanceStatus": one, "SystemStatus": one, "Events": events}
