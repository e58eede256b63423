# SPDX-License-Identifier: Apache-2.0
"""Signature Version 4, checked by letting botocore's own signer compute it again from what arrived.

Nothing of the client under test is used. A header that should be signed and is not, a date outside the five minutes, an expired or
unknown key, a scope for another day: each is refused with the code that the protocol's services use.
"""
import base64
import calendar
import hashlib
import re
import time
import urllib.parse

import botocore.auth
import botocore.awsrequest
import botocore.credentials

from .model import Refused

TOLERANCE_S = 300  # of the client's clock
AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/,]+)/(?P<day>[0-9]{8})/(?P<region>[^/,]+)/(?P<service>[^/,]+)/aws4_request, *"
    r"SignedHeaders=(?P<headers>[a-z0-9;-]+), *Signature=(?P<signature>[0-9a-f]{64})")


class Scope:
    """What a request says about who signed it and for whom."""

    def __init__(self, key=None, day=None, region=None, service=None, headers="", signature=None, presigned=False):
        self.key, self.day, self.region, self.service = key, day, region, service
        self.headers, self.signature, self.presigned = headers.split(";") if headers else [], signature, presigned


def find_scope(headers, query):
    """None if the request is not signed."""
    if "authorization" in headers:
        found = AUTHORIZATION.fullmatch(headers["authorization"])
        if not found:
            raise Refused("IncompleteSignature", "Authorization header requires 'Credential', 'SignedHeaders' and 'Signature'.", 400)
        return Scope(**found.groupdict())
    if "X-Amz-Signature" in query:
        parts = query.get("X-Amz-Credential", "").split("/")
        if len(parts) != 5 or parts[4] != "aws4_request":
            raise Refused("IncompleteSignature", "Credential must have exactly 5 slash-delimited elements.", 400)
        return Scope(*parts[:4], query.get("X-Amz-SignedHeaders", ""), query["X-Amz-Signature"], True)
    return None


def verify(request, scope, keys, now):
    """The principal whose key signed it. keys: access key -> object with secret, token, expires, principal."""
    stamp = request.query.get("X-Amz-Date", "") if scope.presigned else request.headers.get("x-amz-date", "")
    check_time(request, scope, stamp, now)
    key = keys.get(scope.key)
    if key is None:
        raise Refused("InvalidClientTokenId", "The security token included in the request is invalid.", 403)
    token = request.query.get("X-Amz-Security-Token") if scope.presigned else request.headers.get("x-amz-security-token")
    if token != key.token:
        raise Refused("InvalidClientTokenId", "The security token included in the request is invalid.", 403)
    if key.expires is not None and now >= key.expires:
        raise Refused("ExpiredToken", "The security token included in the request is expired", 403)
    check_headers(request, scope)
    canonical, wanted = recompute(request, scope, key, stamp)
    if wanted != scope.signature:
        raise Refused("SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. "
                      f"The Canonical String for this request should have been\n'{canonical}'", 403)
    return key.principal


def check_time(request, scope, stamp, now):
    if not re.fullmatch(r"[0-9]{8}T[0-9]{6}Z", stamp):
        raise Refused("IncompleteSignature", "Date must be in ISO-8601 'basic format'.", 400)
    if stamp[:8] != scope.day:
        raise Refused("SignatureDoesNotMatch", f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date: {stamp}", 403)
    when = calendar.timegm(time.strptime(stamp, "%Y%m%dT%H%M%SZ"))
    late = int(request.query.get("X-Amz-Expires", "0")) if scope.presigned else TOLERANCE_S
    if request.eks_token:
        late = 900  # whatever X-Amz-Expires says: the EKS authenticator takes a token for 15 minutes
    if now > when + late or now < when - TOLERANCE_S:
        word = "expired" if now > when else "not yet current"
        raise Refused("SignatureDoesNotMatch", f"Signature {word}: {stamp} is not within {late} s of the server's time", 403)


def check_headers(request, scope):
    must = {"host"} | {name for name in request.headers if name.startswith("x-amz-") or name == "x-k8s-aws-id"}
    if not scope.presigned and request.body:
        must |= {"content-type"} & set(request.headers)
    missing = sorted(must - set(scope.headers) - {"x-amzn-trace-id"})
    if missing:
        raise Refused("SignatureDoesNotMatch", f"'{missing[0]}' must be a signed header", 403)
    absent = sorted(name for name in scope.headers if name not in request.headers)
    if absent:
        raise Refused("SignatureDoesNotMatch", f"signed header '{absent[0]}' did not arrive", 403)
    told = request.headers.get("x-amz-content-sha256")
    if told is not None and told != hashlib.sha256(request.body).hexdigest():
        raise Refused("SignatureDoesNotMatch", "x-amz-content-sha256 is not the hash of the body", 403)
    if scope.headers != sorted(scope.headers):
        raise Refused("SignatureDoesNotMatch", "SignedHeaders are not sorted", 403)


def recompute(request, scope, key, stamp):
    credentials = botocore.credentials.Credentials(key.key, key.secret, key.token)
    kind = botocore.auth.SigV4QueryAuth if scope.presigned else botocore.auth.SigV4Auth
    signer = kind(credentials, scope.service, scope.region)
    url = f"http://{request.headers['host']}{request.path}"
    if request.raw_query:
        kept = [pair for pair in request.raw_query.split("&") if not pair.startswith("X-Amz-Signature=")]
        url += "?" + "&".join(kept)
    again = botocore.awsrequest.AWSRequest(method=request.method, url=url, data=request.body)
    for name in scope.headers:
        again.headers[name] = request.headers[name]
    again.context["timestamp"] = stamp
    canonical = signer.canonical_request(again)
    return canonical, signer.signature(signer.string_to_sign(again, canonical), again)


def presigned_of_token(token):
    """The URL inside a token for the EKS API server."""
    prefix = "k8s-aws-v1."
    if not token.startswith(prefix) or len(token) > 4096:
        raise Refused("InvalidToken", "token has no prefix k8s-aws-v1. or is too long", 401)
    text = token[len(prefix):]
    if "=" in text:
        raise Refused("InvalidToken", "token is padded", 401)
    return urllib.parse.urlsplit(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode())
