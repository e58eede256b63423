# SPDX-License-Identifier: Apache-2.0
"""Load balancers, new (target groups) and classic: who is still sent requests, and for how long a leaving one is drained."""
import secrets

from .model import Refused
from .world import page

DRAIN_S = 300.0  # deregistration_delay.timeout_seconds
DESCRIPTIONS = {"draining": ("Target.DeregistrationInProgress", "Target deregistration is in progress"),
                "unused": ("Target.NotRegistered", "Target is not registered to the target group"),
                "unhealthy": ("Target.FailedHealthChecks", "Health checks failed"), "initial": ("Elb.RegistrationInProgress", "Target registration is in progress")}


class TargetGroup:
    def __init__(self, region, name, targets, kind="instance", port=30080, drain_s=DRAIN_S):
        base = f"arn:aws:elasticloadbalancing:{region.name}:{region.account}"
        self.region, self.name, self.kind, self.port, self.drain_s = region, name, kind, port, drain_s
        self.arn = f"{base}:targetgroup/{name}/{secrets.token_hex(8)}"
        self.balancer, self.balancer_arn = name + "-lb", f"{base}:loadbalancer/app/{name}-lb/{secrets.token_hex(8)}"
        self.targets = {each: "healthy" for each in targets}

    def deregister(self, target):
        if self.targets.get(target) not in (None, "draining"):
            self.targets[target] = "draining"
            self.region.clock.after(self.drain_s, self.forget, target)

    def forget(self, target):
        if self.targets.get(target) == "draining":
            del self.targets[target]

    def describe_target(self, target):
        state = self.targets.get(target, "unused")
        health = {"State": state}
        if state in DESCRIPTIONS:
            health["Reason"], health["Description"] = DESCRIPTIONS[state]
        return {"Target": {"Id": target, "Port": self.port}, "HealthCheckPort": str(self.port), "TargetHealth": health}


class Elbv2:
    def __init__(self, world):
        self.world = world

    @staticmethod
    def group(region, arn):
        if arn not in region.target_groups:
            raise Refused("TargetGroupNotFound", "One or more target groups not found", 400)
        return region.target_groups[arn]

    def DescribeTargetGroups(self, region, params, caller):
        for arn in params.get("TargetGroupArns", []):
            self.group(region, arn)
        wanted = {"TargetGroupArns": lambda g: g.arn, "Names": lambda g: g.name}
        found = [g for g in region.target_groups.values() if all(get(g) in params[key] for key, get in wanted.items() if params.get(key))]
        if "LoadBalancerArn" in params:
            found = [g for g in found if g.balancer_arn == params["LoadBalancerArn"]]
            if not found:
                raise Refused("LoadBalancerNotFound", "One or more load balancers not found", 400)
        some, marker = page(found, params, 400, "Marker", "PageSize", "ValidationError")
        return {"NextMarker": marker, "TargetGroups": [
            {"TargetGroupArn": g.arn, "TargetGroupName": g.name, "Protocol": "HTTP", "Port": g.port, "VpcId": "vpc-0fake0000000000a", "TargetType": g.kind,
             "LoadBalancerArns": [g.balancer_arn], "HealthCheckEnabled": True} for g in some]}

    def DescribeLoadBalancers(self, region, params, caller):
        found = {g.balancer_arn: g for g in region.target_groups.values()}
        if set(params.get("LoadBalancerArns", [])) - set(found):
            raise Refused("LoadBalancerNotFound", "One or more load balancers not found", 400)
        chosen = [g for arn, g in found.items() if arn in params.get("LoadBalancerArns", found)]
        some, marker = page(chosen, params, 400, "Marker", "PageSize", "ValidationError")
        return {"NextMarker": marker, "LoadBalancers": [
            {"LoadBalancerArn": g.balancer_arn, "LoadBalancerName": g.balancer, "DNSName": f"{g.balancer}.{region.name}.elb.amazonaws.com", "Type": "application",
             "Scheme": "internal", "VpcId": "vpc-0fake0000000000a", "State": {"Code": "active"}} for g in some]}

    def DescribeTargetHealth(self, region, params, caller):
        group = self.group(region, params["TargetGroupArn"])
        wanted = [each["Id"] for each in params["Targets"]] if params.get("Targets") else list(group.targets)
        return {"TargetHealthDescriptions": [group.describe_target(each) for each in wanted]}

    def DescribeTargetGroupAttributes(self, region, params, caller):
        group = self.group(region, params["TargetGroupArn"])
        return {"Attributes": [{"Key": "deregistration_delay.timeout_seconds", "Value": str(int(group.drain_s))}]}

    def DeregisterTargets(self, region, params, caller):
        group = self.group(region, params["TargetGroupArn"])
        for each in params["Targets"]:
            group.deregister(each["Id"])
        return {}


class ClassicBalancer:
    def __init__(self, region, name, instances):
        self.region, self.name, self.instances = region, name, {each: "InService" for each in instances}


class Elb:
    def __init__(self, world):
        self.world = world

    @staticmethod
    def balancer(region, name):
        if name not in region.load_balancers:
            raise Refused("LoadBalancerNotFound", f"There is no ACTIVE Load Balancer named '{name}'", 400)
        return region.load_balancers[name]

    def DescribeLoadBalancers(self, region, params, caller):
        names = params.get("LoadBalancerNames") or list(region.load_balancers)
        some, marker = page([self.balancer(region, name) for name in names], params, 400, "Marker", "PageSize", "ValidationError")
        return {"NextMarker": marker, "LoadBalancerDescriptions": [
            {"LoadBalancerName": b.name, "DNSName": f"{b.name}.{region.name}.elb.amazonaws.com", "VPCId": "vpc-0fake0000000000a", "Scheme": "internal",
             "Instances": [{"InstanceId": each} for each in b.instances]} for b in some]}

    def DescribeInstanceHealth(self, region, params, caller):
        balancer = self.balancer(region, params["LoadBalancerName"])
        wanted = [each["InstanceId"] for each in params["Instances"]] if params.get("Instances") else list(balancer.instances)
        unknown = [each for each in wanted if each not in balancer.instances]
        if unknown:
            raise Refused("InvalidInstance", f"Could not find EC2 instance {unknown[0]}.", 400)
        return {"InstanceStates": [{"InstanceId": each, "State": balancer.instances[each], "ReasonCode": "N/A", "Description": "N/A"} for each in wanted]}
