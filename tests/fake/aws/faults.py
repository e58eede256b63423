# SPDX-License-Identifier: Apache-2.0
"""What goes wrong: throttles by API and scripted faults.

The buckets' defaults are those of Karpenter's own EC2 simulator (rate a second, burst); they count real seconds, because it is the
client's rate that is judged. A fault matches by service, operation and region ("" matches all), for so many requests or seconds, or for
a share of the requests.
"""
import fnmatch
import random
import time

from .model import Refused

MUTATING, READING = (5, 50), (20, 100)
BUCKETS = {("ec2", "RunInstances"): (2, 5), ("ec2", "TerminateInstances"): (5, 100), ("ec2", "CreateTags"): (10, 100)}
UNLIMITED = {"sqs", "sts"}  # far beyond what one client does
READS = ("Describe", "List", "Get")

KINDS = {
    "throttle": "the service's own throttling error",
    "deny": "the service's own access-denied error",
    "error": "any code and status",
    "unavailable": "503 with a body that no parser knows",
    "hang": "no answer for so long",
    "slow": "one byte each 20 ms",
    "reset": "the connection is reset before anything is done",
    "lost": "done, and then the connection is reset: the client cannot know",
    "truncate": "done, and half of the answer arrives",
    "garbage": "a 200 with a body that is no answer",
    "huge": "a 200 with a body of 64 MB",
}
BEFORE = ("throttle", "deny", "error", "unavailable", "hang", "reset", "garbage", "huge")

THROTTLED = {"ec2": ("RequestLimitExceeded", "Request limit exceeded.", 503), "eks": ("ThrottlingException", "Rate exceeded", 429),
             "sqs": ("RequestThrottled", "Request is throttled.", 403)}
DENIED = {"ec2": "UnauthorizedOperation", "eks": "AccessDeniedException", "sqs": "AccessDeniedException"}


def throttled(service):
    return Refused(*THROTTLED.get(service, ("Throttling", "Rate exceeded", 400)))


def denied(service, operation, principal):
    text = f"User: {principal} is not authorized to perform: {service}:{operation} because no identity-based policy allows the {service}:{operation} action"
    return Refused(DENIED.get(service, "AccessDenied"), text, 400 if service == "sqs" else 403)


class Fault:
    def __init__(self, kind, service="", operation="", region="", count=None, seconds=None, share=1.0, hang_s=3600.0,
                 code="InternalFailure", message="scripted", status=500, principal=""):
        if kind not in KINDS:
            raise ValueError(f"no fault {kind!r}; there are {sorted(KINDS)}")
        self.kind, self.service, self.operation, self.region, self.principal = kind, service, operation, region, principal
        self.count, self.share, self.hang_s = count, share, hang_s
        self.code, self.message, self.status = code, message, status
        self.until = None if seconds is None else time.monotonic() + seconds

    def applies(self, service, operation, region, principal):
        if self.until is not None and time.monotonic() > self.until or self.count == 0:
            return False
        for wanted, is_one in ((self.service, service), (self.operation, operation), (self.region, region), (self.principal, principal)):
            if wanted and not fnmatch.fnmatchcase(is_one or "", wanted):
                return False
        if random.random() > self.share:
            return False
        if self.count is not None:
            self.count -= 1
        return True

    def refusal(self, service, operation, principal):
        if self.kind == "throttle":
            return throttled(service)
        if self.kind == "deny":
            return denied(service, operation, principal)
        return Refused(self.code, self.message, self.status)


class Bucket:
    def __init__(self, rate, burst):
        self.rate, self.burst, self.level, self.at = rate, burst, float(burst), time.monotonic()

    def take(self):
        now = time.monotonic()
        self.level = min(self.burst, self.level + (now - self.at) * self.rate)
        self.at = now
        if self.level < 1:
            return False
        self.level -= 1
        return True


class Throttles:
    """A bucket per account, region, service and operation."""

    def __init__(self):
        self.buckets, self.set, self.off = {}, {}, False

    def configure(self, service, operation, rate, burst):
        self.set[service, operation] = (rate, burst)
        self.buckets = {key: bucket for key, bucket in self.buckets.items() if key[2:] != (service, operation)}

    def limit(self, service, operation):
        for key in ((service, operation), (service, "*")):
            if key in self.set:
                return self.set[key]
        if service in UNLIMITED:
            return None
        return BUCKETS.get((service, operation), READING if operation.startswith(READS) else MUTATING)

    def allow(self, account, region, service, operation):
        limit = None if self.off else self.limit(service, operation)
        if limit is None:
            return True
        key = (account, region, service, operation)
        if key not in self.buckets:
            self.buckets[key] = Bucket(*limit)
        return self.buckets[key].take()
