# SPDX-License-Identifier: Apache-2.0
"""EKS: clusters and managed node groups, each with an Auto Scaling group behind it; one update at a time, and it takes its time."""
import json
import uuid

from .model import Refused
from .world import page

UPDATE_S = 30.0  # how long an update of the configuration runs


class Cluster:
    def __init__(self, region, name, endpoint, certificate, version):
        self.region, self.name, self.endpoint, self.certificate, self.version = region, name, endpoint, certificate, version
        self.status, self.created, self.nodegroups, self.updates = "ACTIVE", region.clock.now(), {}, {}

    @property
    def arn(self):
        return f"arn:aws:eks:{self.region.name}:{self.region.account}:cluster/{self.name}"


class Nodegroup:
    def __init__(self, cluster, name, group, labels):
        self.cluster, self.name, self.group, self.labels, self.taints = cluster, name, group, dict(labels), []
        self.status, self.issues, self.update, self.tokens = "ACTIVE", [], None, {}
        self.update_config, self.update_s = {"maxUnavailable": 1}, UPDATE_S
        self.created = self.modified = cluster.region.clock.now()


class Update:
    def __init__(self, kind, params, now):
        self.id, self.type, self.params, self.created = str(uuid.uuid4()), kind, params, now
        self.status, self.errors = "InProgress", []

    def describe(self):
        return {"id": self.id, "status": self.status, "type": self.type, "createdAt": self.created, "errors": self.errors,
                "params": [{"type": kind, "value": value} for kind, value in self.params]}


def invalid(message, nodegroup):
    return Refused("InvalidParameterException", message, 400, clusterName=nodegroup.cluster.name, nodegroupName=nodegroup.name)


class Eks:
    def __init__(self, world, autoscaling):
        self.world, self.autoscaling = world, autoscaling

    @staticmethod
    def cluster(region, name):
        if name not in region.clusters:
            raise Refused("ResourceNotFoundException", f"No cluster found for name: {name}.", 404, clusterName=name)
        return region.clusters[name]

    def nodegroup(self, region, params):
        cluster = self.cluster(region, params["clusterName"])
        name = params["nodegroupName"]
        if name not in cluster.nodegroups:
            raise Refused("ResourceNotFoundException", f"No node group found for name: {name}.", 404, clusterName=cluster.name, nodegroupName=name)
        return cluster.nodegroups[name]

    def ListClusters(self, region, params, caller):
        some, token = page(sorted(region.clusters), params, 100, "nextToken", "maxResults", "InvalidParameterException")
        return {"clusters": some, "nextToken": token}

    def DescribeCluster(self, region, params, caller):
        cluster = self.cluster(region, params["name"])
        return {"cluster": {
            "name": cluster.name, "arn": cluster.arn, "createdAt": cluster.created, "version": cluster.version, "endpoint": cluster.endpoint,
            "roleArn": f"arn:aws:iam::{region.account}:role/eks-cluster", "status": cluster.status, "platformVersion": "eks.1",
            "certificateAuthority": {"data": cluster.certificate}, "tags": {}, "accessConfig": {"authenticationMode": "API_AND_CONFIG_MAP"},
            "computeConfig": {"enabled": False}, "resourcesVpcConfig": {"vpcId": "vpc-0fake0000000000a", "endpointPublicAccess": True}}}

    def ListNodegroups(self, region, params, caller):
        cluster = self.cluster(region, params["clusterName"])
        some, token = page(sorted(cluster.nodegroups), params, 100, "nextToken", "maxResults", "InvalidParameterException")
        return {"nodegroups": some, "nextToken": token}

    def DescribeNodegroup(self, region, params, caller):
        it = self.nodegroup(region, params)
        group = it.group
        return {"nodegroup": {
            "nodegroupName": it.name, "clusterName": it.cluster.name, "version": it.cluster.version, "releaseVersion": it.cluster.version + ".0-20260801",
            "nodegroupArn": f"{it.cluster.arn.replace(':cluster/', ':nodegroup/')}/{it.name}/{uuid.uuid5(uuid.NAMESPACE_DNS, it.name)}",
            "createdAt": it.created, "modifiedAt": it.modified, "status": it.status, "capacityType": "SPOT" if group.spot else "ON_DEMAND",
            "scalingConfig": {"minSize": group.min, "maxSize": group.max, "desiredSize": group.desired}, "instanceTypes": group.types,
            "subnets": list(group.subnets.values()), "amiType": "AL2023_x86_64_STANDARD", "nodeRole": f"arn:aws:iam::{region.account}:role/nodes",
            "labels": it.labels, "taints": it.taints, "resources": {"autoScalingGroups": [{"name": group.name}]}, "diskSize": 20,
            "health": {"issues": it.issues}, "updateConfig": it.update_config, "tags": {}}}

    def UpdateNodegroupConfig(self, region, params, caller):
        it, token = self.nodegroup(region, params), params.get("clientRequestToken")
        asked = {key: value for key, value in params.items() if key != "clientRequestToken"}
        if token in it.tokens:
            if it.tokens[token][0] != asked:
                raise Refused("InvalidParameterException", "clientRequestToken was used before with other parameters", 400)
            return {"update": it.tokens[token][1].describe()}
        if it.status not in ("ACTIVE", "DEGRADED"):
            raise Refused("ResourceInUseException", f"Nodegroup cannot be updated as it is currently not in Active State: {it.status}", 409,
                          clusterName=it.cluster.name, nodegroupName=it.name)
        wanted = self.check_sizes(it, params.get("scalingConfig"))
        if not set(asked) - {"clusterName", "nodegroupName"}:
            raise invalid("No changes needed for the node group configuration", it)
        update = self.begin(it, asked)
        if token:
            it.tokens[token] = (asked, update)
        self.apply(region, it, params, wanted)
        return {"update": update.describe()}

    @staticmethod
    def check_sizes(it, scaling):
        group = it.group
        if not scaling:
            return None
        low, high, desired = scaling.get("minSize", group.min), scaling.get("maxSize", group.max), scaling.get("desiredSize", group.desired)
        if low > high:
            raise invalid(f"Minimum capacity {low} can't be greater than maximum capacity {high}", it)
        if low > desired:
            raise invalid(f"Minimum capacity {low} can't be greater than desired size {desired}", it)
        if desired > high:
            raise invalid(f"desired capacity {desired} can't be greater than max size {high}", it)
        return low, high, desired

    def begin(self, it, asked):
        names = {"minSize": "MinSize", "maxSize": "MaxSize", "desiredSize": "DesiredSize"}
        params = [(names[key], str(value)) for key, value in asked.get("scalingConfig", {}).items()]
        if "labels" in asked:
            params.append(("LabelsToAdd", json.dumps(asked["labels"].get("addOrUpdateLabels", {}))))
        update = Update("ConfigUpdate", params, it.cluster.region.clock.now())
        it.cluster.updates[update.id] = (it, update)
        it.status, it.update = "UPDATING", update
        it.cluster.region.clock.after(it.update_s, self.finish, it, update)
        return update

    @staticmethod
    def finish(it, update, status="Successful", errors=()):
        if update.status == "InProgress":
            update.status, update.errors = status, list(errors)
            it.status, it.update, it.modified = "DEGRADED" if it.issues else "ACTIVE", None, it.cluster.region.clock.now()

    def apply(self, region, it, params, wanted):
        if wanted:
            it.group.min, it.group.max, it.group.desired = wanted
            self.autoscaling.scaler(region).later(it.group)
        labels = params.get("labels", {})
        it.labels.update(labels.get("addOrUpdateLabels", {}))
        for key in labels.get("removeLabels", []):
            it.labels.pop(key, None)
        taints = params.get("taints", {})
        gone = {(t.get("key"), t.get("effect")) for t in taints.get("removeTaints", []) + taints.get("addOrUpdateTaints", [])}
        it.taints = [t for t in it.taints if (t.get("key"), t.get("effect")) not in gone] + taints.get("addOrUpdateTaints", [])
        it.update_config = params.get("updateConfig", it.update_config)

    def DescribeUpdate(self, region, params, caller):
        cluster = self.cluster(region, params["name"])
        it, update = cluster.updates.get(params["updateId"], (None, None))
        if update is None or params.get("nodegroupName") != it.name:
            raise Refused("ResourceNotFoundException", f"No update found for ID: {params['updateId']}", 404, clusterName=cluster.name)
        return {"update": update.describe()}

    def ListUpdates(self, region, params, caller):
        cluster = self.cluster(region, params["name"])
        found = [key for key, (it, _) in cluster.updates.items() if it.name == params.get("nodegroupName")]
        some, token = page(found, params, 100, "nextToken", "maxResults", "InvalidParameterException")
        return {"updateIds": some, "nextToken": token}
