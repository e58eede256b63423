# SPDX-License-Identifier: Apache-2.0
"""HTTP in front of the world: reads a request, finds the service, checks signature and shape, meets faults, answers, writes it down.

One port serves every service; which one, the signature's scope tells (as at AWS the host name does). /_control/VERB with a JSON body
scripts the world, see control.py; it is not signed and not logged.
"""
import asyncio
import hmac
import inspect
import json
import time
import traceback
import urllib.parse
import uuid

from . import faults, model, sign
from .autoscaling import AutoScaling
from .ec2 import Ec2
from .eks import Eks
from .elb import Elb, Elbv2
from .model import Refused, Violation
from .sqs import Sqs
from .sts import Sts
from .world import World

REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 409: "Conflict",
           429: "Too Many Requests", 500: "Internal Server Error", 503: "Service Unavailable"}
HEAD_MAX, BODY_MAX, LOG_MAX = 64 << 10, 4 << 20, 200000


class Request:
    eks_token = False

    def __init__(self, method, target, headers, body):
        self.method, self.headers, self.body = method, headers, body
        self.path, _, self.raw_query = target.partition("?")
        self.query = dict(urllib.parse.parse_qsl(self.raw_query, keep_blank_values=True))


class Caller:
    def __init__(self, principal, account, host):
        self.principal, self.account, self.host = principal, account, host


class Answer:
    def __init__(self, status, kind, body, headers=None):
        self.status, self.kind, self.headers = status, kind, headers or {}
        self.body = body if isinstance(body, bytes) else body.encode()


class Server:
    def __init__(self, start=None, speed=1.0, region="us-east-1", account="123456789012"):
        self.world, self.models = World(start, speed), model.Models()
        self.default_region, self.default_account = region, account
        self.sts, self.throttles, self.faults, self.log = Sts(self.world), faults.Throttles(), [], []
        scaling = AutoScaling(self.world)
        self.services = {"autoscaling": scaling, "ec2": Ec2(self.world), "eks": Eks(self.world, scaling), "sqs": Sqs(self.world), "sts": self.sts,
                         "elb": Elb(self.world), "elbv2": Elbv2(self.world)}
        self.control, self.woken = None, asyncio.Event()
        self.world.clock.on_change = self.woken.set
        self.pod_identity = None  # (token, role) of the Pod Identity agent, which this port plays too

    # --- one request ---------------------------------------------------------------------------------------------------------

    async def answer(self, request, writer):
        """An Answer, or None when a fault has said its last word."""
        if request.path.startswith("/_control/"):
            return await self.answer_control(request)
        if request.path == "/v1/credentials":
            return self.answer_pod_identity(request)
        entry = {"time": self.world.clock.now(), "wall": time.time(), "service": None, "operation": None, "region": None, "principal": None,
                 "params": None, "status": None, "code": None, "fault": None, "violation": None, "agent": request.headers.get("user-agent"),
                 "from": writer.get_extra_info("peername")}
        self.log.append(entry)
        del self.log[:-LOG_MAX]
        request_id = str(uuid.uuid4())
        protocol, name = "query", ""
        try:
            scope = sign.find_scope(request.headers, request.query)
            name, service = self.find_service(request, scope)
            protocol = service.metadata["protocol"]
            entry.update(service=name, region=scope.region if scope else self.default_region)
            caller = self.identify(request, scope, name, service)
            entry["principal"] = caller.principal
            operation, params = self.decode(request, service, protocol)
            entry.update(operation=operation.name, params=params)
            return await self.perform(request, writer, entry, name, service, operation, params, caller, request_id)
        except Refused as refused:
            refused = in_words_of(protocol, refused)
            entry.update(status=refused.status, code=refused.code)
            if isinstance(refused, Violation):
                entry["violation"] = refused.message
            kind, body, headers = model.encode_error(protocol, refused, request_id, name)
            return Answer(refused.status, kind, body, {**headers, "x-amzn-RequestId": request_id})

    def find_service(self, request, scope):
        form = request.query
        if request.method == "POST" and request.body[:1] not in (b"{", b""):
            form = dict(urllib.parse.parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
        if scope is None:
            if form.get("Action") != "AssumeRoleWithWebIdentity":
                raise Refused("MissingAuthenticationToken", "Request is missing Authentication Token", 403)
            return "sts", self.models.get("sts")
        if scope.service not in model.SERVICES:
            raise Violation("InvalidSignatureException", f"Credential should be scoped to a service that is here, not {scope.service!r}", 403)
        return scope.service, self.models.get(model.VERSIONS.get(form.get("Version"), model.SERVICES[scope.service]))

    def identify(self, request, scope, name, service):
        host = request.headers.get("host", "")
        if scope is None:
            return Caller(None, self.default_account, host)
        principal = sign.verify(request, scope, self.sts.keys, self.sts.now())
        return Caller(principal, self.sts.keys[scope.key].account, host)

    @staticmethod
    def decode(request, service, protocol):
        if protocol == "json":
            if request.method != "POST" or request.path != "/":
                raise Violation("UnknownOperationException", f"{request.method} {request.path} where POST / is wanted", 404)
            return model.decode_json(service, request.headers, request.body)
        if protocol == "rest-json":
            return model.decode_rest(service, request.method, request.path, request.query, request.body)
        if request.method == "POST":
            kind = request.headers.get("content-type", "")
            if not kind.startswith("application/x-www-form-urlencoded"):
                raise Violation("InvalidParameterValue", f"content type {kind!r} is not application/x-www-form-urlencoded")
            if request.raw_query:
                raise Violation("InvalidParameterValue", "a POST with a query string")
            return model.decode_form(service, model.parse_form(request.body.decode("utf-8"), "body"))
        fields = {key: value for key, value in request.query.items() if not key.startswith("X-Amz-")}
        return model.decode_form(service, fields)

    async def perform(self, request, writer, entry, name, service, operation, params, caller, request_id):
        fault = next((f for f in self.faults if f.applies(name, operation.name, entry["region"], caller.principal)), None)
        entry["fault"] = fault.kind if fault else None
        if fault and fault.kind in faults.BEFORE:
            return await self.misbehave(fault, name, operation, caller, writer)
        if not self.throttles.allow(caller.account, entry["region"], name, operation.name):
            entry["fault"] = "bucket"
            raise faults.throttled(name)
        call = getattr(self.services[service.service_name], operation.name, None)
        if call is None:
            raise Refused("InternalFailure", f"the fake has no {name}:{operation.name}", 501)
        result = call(self.world.region(caller.account, entry["region"]), params, caller)
        if inspect.isawaitable(result):
            result = await result
        wants_json = service.metadata["protocol"] == "query" and request.headers.get("accept") == "application/json"
        kind, body = encode_as_json(service, operation, result, request_id) if wants_json else model.encode(service, operation, result, request_id)
        entry["status"] = 200
        answer = Answer(200, kind, body, {"x-amzn-RequestId": request_id})
        return await self.spoil(fault, answer, writer) if fault else answer

    # --- faults --------------------------------------------------------------------------------------------------------------

    async def misbehave(self, fault, name, operation, caller, writer):
        if fault.kind == "unavailable":
            return Answer(503, "text/html", "<html><body><h1>503 Service Unavailable</h1></body></html>")
        if fault.kind == "garbage":
            return Answer(200, "text/xml", "<DescribeNothing><a>&nope;</b>")
        if fault.kind == "huge":
            return Answer(200, "text/xml", b"<a>" + b"x" * (64 << 20))
        if fault.kind == "hang":
            await asyncio.sleep(fault.hang_s)
        if fault.kind in ("hang", "reset"):
            writer.transport.abort()
            return None
        raise fault.refusal(name, operation.name, caller.principal)

    @staticmethod
    async def spoil(fault, answer, writer):
        whole = respond(answer, False)
        if fault.kind == "truncate":
            writer.write(whole[: len(whole) - max(1, len(answer.body) // 2)])
            await writer.drain()
            writer.close()
        elif fault.kind == "slow":
            for i in range(len(whole)):
                writer.write(whole[i:i + 1])
                await writer.drain()
                await asyncio.sleep(0.02)
            writer.close()
        else:
            writer.transport.abort()
        return None

    # --- what is not AWS's API ---------------------------------------------------------------------------------------------------

    async def answer_control(self, request):
        try:
            options = json.loads(request.body) if request.body else dict(request.query)
            result = self.control.run(request.path.removeprefix("/_control/"), options)
            return Answer(200, "application/json", json.dumps(result, default=str))
        except Exception as error:  # a mistake of the script: told to its author, the world goes on
            return Answer(400, "application/json", json.dumps({"error": f"{type(error).__name__}: {error}", "trace": traceback.format_exc()}))

    def answer_pod_identity(self, request):
        token, role = self.pod_identity or (None, None)
        if token is None or not hmac.compare_digest(request.headers.get("authorization", ""), token):
            return Answer(401, "application/json", json.dumps({"message": "unauthorized"}))
        key = self.sts.session(self.sts.roles[role], "pod", 6 * 3600)
        return Answer(200, "application/json", json.dumps({
            "AccessKeyId": key.key, "SecretAccessKey": key.secret, "Token": key.token, "AccountId": key.account,
            "Expiration": model.iso(key.expires)[:19] + "Z"}))

    # --- the wire --------------------------------------------------------------------------------------------------------------

    async def serve(self, reader, writer):
        try:
            while await self.serve_one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError, TimeoutError):
            pass
        finally:
            writer.close()

    async def serve_one(self, reader, writer):
        request, version = await read_request(reader)
        try:
            answer = await self.answer(request, writer)
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception:  # a mistake of the fake: visible in the answer, and in the log of violations
            self.log[-1].update(status=500, violation="the fake failed: " + traceback.format_exc())
            answer = Answer(500, "text/plain", traceback.format_exc())
        if answer is None:
            return False
        keep = version == "HTTP/1.1" and request.headers.get("connection", "").lower() != "close"
        answer.headers["Date"] = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(self.sts.now()))
        writer.write(respond(answer, keep))
        await writer.drain()
        return keep

    async def turn_clock(self):
        """Runs what is due; sleeps in between."""
        while True:
            self.woken.clear()
            self.world.clock.run_until(self.world.clock.now())
            try:
                await asyncio.wait_for(self.woken.wait(), self.world.clock.wait_s())
            except asyncio.TimeoutError:
                pass


def in_words_of(protocol, refused):
    """The same refusal under the name that this protocol's services give it."""
    if protocol in ("json", "rest-json"):
        names = {"SignatureDoesNotMatch": "InvalidSignatureException", "InvalidClientTokenId": "UnrecognizedClientException",
                 "ExpiredToken": "ExpiredTokenException", "IncompleteSignature": "IncompleteSignatureException",
                 "MissingAuthenticationToken": "MissingAuthenticationTokenException"}
        if refused.code == "ValidationError":
            refused.code = "InvalidParameterException" if protocol == "rest-json" else "ValidationException"
        refused.code = names.get(refused.code, refused.code)
    elif protocol == "ec2":
        names = {"InvalidClientTokenId": "AuthFailure", "SignatureDoesNotMatch": "AuthFailure", "ExpiredToken": "RequestExpired", "ValidationError": "InvalidParameterValue"}
        if refused.code in ("InvalidClientTokenId", "SignatureDoesNotMatch") and refused.status == 403:
            refused.status = 401
        if refused.code == "ExpiredToken":
            refused.status = 400
        refused.code = names.get(refused.code, refused.code)
    return refused


def encode_as_json(service, operation, result, request_id):
    """STS and its kind speak JSON to who asks for it; the EKS authenticator does."""
    shape = operation.output_shape
    inner = {f"{operation.name}Result": model.to_json(shape, result or {}), "ResponseMetadata": {"RequestId": request_id}}
    return "application/json", json.dumps({f"{operation.name}Response": inner})


async def read_request(reader):
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, version = head[0].split(" ")
    headers = {}
    for line in head[1:]:
        name, colon, value = line.partition(":")
        if colon:
            name = name.strip().lower()
            headers[name] = f"{headers[name]},{value.strip()}" if name in headers else value.strip()
    length = int(headers.get("content-length", "0"))
    if length > BODY_MAX:
        raise ConnectionError("body too long")
    return Request(method, target, headers, await reader.readexactly(length)), version


def respond(answer, keep):
    lines = [f"HTTP/1.1 {answer.status} {REASONS.get(answer.status, 'Status')}", f"Content-Type: {answer.kind}", f"Content-Length: {len(answer.body)}"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()] + [f"Connection: {'keep-alive' if keep else 'close'}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + answer.body
