#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random requests signed by botocore, one JSON object a line: tests/golden/aws/sign.jsonl

    pip install botocore==1.44.5 && tests/golden/aws/make_sign.py > tests/golden/aws/sign.jsonl

Each line: what is signed (method, path, query, headers without those that a signer adds, body in hex, keys, time), and
what botocore made of it: "authorization" of SigV4Auth, "query" of SigV4QueryAuth, "token" of an EKS cluster.
"""
import base64
import datetime
import json
import random
from unittest import mock
from urllib.parse import quote

from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

RANDOM = random.Random(20261124)
CHARS = "abzAZ09-_.~ /?#[]@!$&'()*+,;=:%\"<>\\^`{|}\u00e9\u1234\U0001f426"
SERVICES = ["ec2", "autoscaling", "eks", "sts", "sqs", "elasticloadbalancing", "monitoring", "pricing"]


def word(low, high, chars=CHARS):
    return "".join(RANDOM.choice(chars) for _ in range(RANDOM.randint(low, high)))


def plain(low, high):
    return word(low, high, "abcdefghijABCDEFGHIJ0123456789-")


def path():
    return "/" + "/".join(RANDOM.choice([quote(word(1, 12), safe="~"), plain(1, 9), "", ".", ".."]) for _ in range(RANDOM.randint(0, 5)))


def query():
    pairs = [(word(1, 8), word(0, 12)) for _ in range(RANDOM.randint(0, 7))]
    if pairs and RANDOM.random() < 0.3:
        pairs.append((pairs[0][0], word(0, 3)))
    return "&".join(f"{quote(n, safe='-_.~')}={quote(v, safe='-_.~')}" for n, v in pairs)


def headers(host):
    result = {"Host": host}
    for _ in range(RANDOM.randint(0, 5)):
        value = "".join(RANDOM.choice("abc  \tWYZ,;=/09") for _ in range(RANDOM.randint(1, 30)))
        result["X-" + plain(1, 10)] = value.strip() or "v"
    if RANDOM.random() < 0.5:
        result["Content-Type"] = "application/x-www-form-urlencoded; charset=utf-8"
    return result


def case():
    now = datetime.datetime(2026, 11, 24, tzinfo=datetime.timezone.utc) + datetime.timedelta(seconds=RANDOM.randint(-(10**8), 10**9))
    host = plain(1, 8).lower().strip("-") + ".eu-central-1.amazonaws.com"
    keys = Credentials("AKIA" + plain(16, 16), word(40, 40, "abcWYZ019+/"), word(1, 200, "abcWYZ019+/=") if RANDOM.random() < 0.7 else None)
    region, service = RANDOM.choice(["us-east-1", "eu-central-1", "cn-north-1"]), RANDOM.choice(SERVICES)
    c = {
        "method": RANDOM.choice(["GET", "POST", "PUT", "DELETE"]), "path": path(), "query": query(), "headers": headers(host),
        "body": word(0, 60).encode(), "access_key_id": keys.access_key, "secret_access_key": keys.secret_key,
        "session_token": keys.token or "", "region": region, "service": service, "now_ms": int(now.timestamp()) * 1000,
    }
    url = f"https://{host}{c['path']}" + (f"?{c['query']}" if c["query"] else "")
    # SigV4QueryAuth keeps one pair of a name only.
    c["presign_query"] = "&".join({p.partition("=")[0]: p for p in reversed(c["query"].split("&"))}.values()) if c["query"] else ""
    presign_url = url.partition("?")[0] + (f"?{c['presign_query']}" if c["presign_query"] else "")
    with mock.patch.object(auth, "get_current_datetime", lambda *a, **k: now.replace(tzinfo=None)):
        request = AWSRequest(c["method"], url, data=c["body"], headers=c["headers"])
        auth.SigV4Auth(keys, service, region).add_auth(request)
        c["authorization"] = request.headers["Authorization"]
        request = AWSRequest(c["method"], presign_url, headers={"Host": host})
        c["expires_s"] = RANDOM.choice([60, 900, 604800])
        auth.SigV4QueryAuth(keys, service, region, expires=c["expires_s"]).add_auth(request)
        c["presigned"] = request.url.partition("?")[2]
        cluster, sts = plain(1, 30), f"sts.{region}.amazonaws.com"
        request = AWSRequest(
            "GET", f"https://{sts}/?Action=GetCallerIdentity&Version=2011-06-15", headers={"Host": sts, "x-k8s-aws-id": cluster}
        )
        auth.SigV4QueryAuth(keys, "sts", region, expires=60).add_auth(request)
        c["sts_host"], c["cluster"] = sts, cluster
        c["eks_token"] = "k8s-aws-v1." + base64.urlsafe_b64encode(request.url.encode()).decode().rstrip("=")
    c["body"] = c["body"].hex()
    return c


for _ in range(200):
    print(json.dumps(case()))
