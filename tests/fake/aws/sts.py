# SPDX-License-Identifier: Apache-2.0
"""STS: who holds which key, and who may become whom.

Credentials live by the wall clock and not by the world's: their holder has only that one.
"""
import secrets
import time

from .model import Refused
from .sign import find_scope, presigned_of_token, verify


class Key:
    def __init__(self, principal, account, key=None, secret=None, token=None, expires=None):
        self.key = key or f"ASIA{secrets.token_hex(8).upper()}"
        self.secret = secret or secrets.token_urlsafe(30)
        self.principal, self.account, self.token, self.expires = principal, account, token, expires

    def as_dict(self):
        return {"access_key": self.key, "secret_key": self.secret, "token": self.token, "principal": self.principal, "account": self.account, "expires": self.expires}


class Role:
    def __init__(self, arn, external_id=None, trusted=None, credentials_s=None):
        self.arn, self.external_id, self.trusted = arn, external_id, trusted  # trusted: principals, None everybody
        self.credentials_s, self.web_tokens = credentials_s, {}  # token -> time until which it is good, None for ever

    @property
    def account(self):
        return self.arn.split(":")[4]


class Sts:
    def __init__(self, world):
        self.world, self.keys, self.roles, self.skew_s = world, {}, {}, 0.0

    def now(self):
        return time.time() + self.skew_s

    def add_key(self, principal, account, **options):
        key = Key(principal, account, **options)
        self.keys[key.key] = key
        return key

    def session(self, role, name, seconds):
        lifetime = role.credentials_s or seconds
        principal = f"arn:aws:sts::{role.account}:assumed-role/{role.arn.rpartition('/')[2]}/{name}"
        return self.add_key(principal, role.account, token=secrets.token_urlsafe(120), expires=self.now() + lifetime)

    @staticmethod
    def answer(key):
        return {"Credentials": {"AccessKeyId": key.key, "SecretAccessKey": key.secret, "SessionToken": key.token, "Expiration": int(key.expires)},
                "AssumedRoleUser": {"AssumedRoleId": f"AROAFAKE:{key.principal.rpartition('/')[2]}", "Arn": key.principal}}

    def AssumeRole(self, region, params, caller):
        role = self.roles.get(params["RoleArn"])
        refusal = Refused("AccessDenied", f"User: {caller.principal} is not authorized to perform: sts:AssumeRole on resource: {params['RoleArn']}", 403)
        if role is None or role.trusted is not None and caller.principal not in role.trusted:
            raise refusal
        if role.external_id is not None and params.get("ExternalId") != role.external_id:
            raise refusal
        return self.answer(self.session(role, params["RoleSessionName"], params.get("DurationSeconds", 3600)))

    def AssumeRoleWithWebIdentity(self, region, params, caller):
        role = self.roles.get(params["RoleArn"])
        token = params["WebIdentityToken"]
        if role is None:
            raise Refused("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity", 403)
        if token not in role.web_tokens:
            raise Refused("InvalidIdentityToken", "Couldn't retrieve verification key from your identity provider", 400)
        until = role.web_tokens[token]
        if until is not None and self.now() > until:
            raise Refused("ExpiredTokenException", "Token expired: current date/time must be before the expiration date/time", 400)
        answer = self.answer(self.session(role, params["RoleSessionName"], params.get("DurationSeconds", 3600)))
        return {**answer, "SubjectFromWebIdentityToken": "system:serviceaccount:petrel:petrel-aggregator", "Audience": "sts.amazonaws.com", "Provider": "oidc"}

    def GetCallerIdentity(self, region, params, caller):
        return {"UserId": "AIDAFAKE", "Account": caller.account, "Arn": caller.principal}

    def check_eks_token(self, token, cluster, request_of):
        """Who the bearer is, as the authenticator of an EKS API server finds it out. request_of makes a request of a URL and headers."""
        url = presigned_of_token(token)
        request = request_of(url, {"host": url.netloc, "x-k8s-aws-id": cluster})
        request.eks_token = True
        wanted = {"Action", "Version", "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Security-Token", "X-Amz-Signature"}
        strange = sorted(set(request.query) - wanted)
        if strange or request.query.get("Action") != "GetCallerIdentity" or url.path not in ("", "/"):
            raise Refused("InvalidToken", f"the URL in the token is not allowed: {strange or url.query[:80]}", 401)
        scope = find_scope(request.headers, request.query)
        if scope is None or scope.headers != ["host", "x-k8s-aws-id"] or scope.service != "sts":
            raise Refused("InvalidToken", "the URL in the token does not sign host and x-k8s-aws-id for sts", 401)
        if url.netloc not in (f"sts.{scope.region}.amazonaws.com", "sts.amazonaws.com"):
            raise Refused("InvalidToken", f"{url.netloc} is no STS endpoint", 401)
        return verify(request, scope, self.keys, self.now())
