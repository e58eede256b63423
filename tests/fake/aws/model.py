# SPDX-License-Identifier: Apache-2.0
"""Requests read, and answers written, by the service models that botocore ships: AWS's own description of every operation.

Three protocols: query (Auto Scaling, STS, load balancers) with its sister ec2, json (SQS) and rest-json (EKS). decode() refuses what the
real service might let pass: an unknown member, a missing one, a wrong type, a value out of range; each is a bug of the client.
encode() is as strict with our own answers. Nothing here knows what an operation does.
"""
import datetime
import json
import re
import urllib.parse
import xml.sax.saxutils

import botocore.loaders
import botocore.model

SERVICES = {  # signing name and protocol family -> name of the model
    "autoscaling": "autoscaling", "ec2": "ec2", "eks": "eks", "sts": "sts", "sqs": "sqs", "elasticloadbalancing": "elbv2",
}
VERSIONS = {"2012-06-01": "elb"}  # the classic load balancer signs as the new one does: the version tells them apart


class Refused(Exception):
    """An answer that is an error: AWS's code, status and words. more: further members of the error's body."""

    def __init__(self, code, message, status=400, **more):
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status, self.more = code, message, status, more


class Violation(Refused):
    """The request breaks the model: refused, and kept for the test that asks for violations()."""


def broken(place, what):
    return Violation("ValidationError", f"{place}: {what}")


class Models:
    def __init__(self):
        self.loader, self.cache = botocore.loaders.Loader(), {}

    def get(self, name):
        if name not in self.cache:
            self.cache[name] = botocore.model.ServiceModel(self.loader.load_service_model(name, "service-2"), name)
        return self.cache[name]


class Query(dict):
    """Name=value pairs, each to be taken exactly once."""

    def under(self, prefix):
        return any(key == prefix or key.startswith(prefix + ".") for key in self)


def parse_form(text, place):
    pairs = urllib.parse.parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text))
    fields = Query(pairs)
    if len(fields) != len(pairs):
        raise broken(place, "a parameter comes twice")
    return fields


# --- values --------------------------------------------------------------------------------------------------------------

BOOLEANS = {"true": True, "false": False}


def parse_time(text, place):
    for form in ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.%fZ"):
        try:
            return datetime.datetime.strptime(text, form).replace(tzinfo=datetime.timezone.utc).timestamp()
        except ValueError:
            pass
    raise broken(place, f"{text!r} is no time")


def from_text(shape, text, place):
    """A value that travelled as text: in a form, a URI, a query or a header."""
    kind = shape.type_name
    if kind in ("integer", "long"):
        if not re.fullmatch(r"-?[0-9]{1,19}", text):
            raise broken(place, f"{text!r} is no integer")
        return int(text)
    if kind == "boolean":
        if text not in BOOLEANS:
            raise broken(place, f"{text!r} is no boolean")
        return BOOLEANS[text]
    if kind in ("double", "float"):
        return float(text)
    if kind == "timestamp":
        return parse_time(text, place)
    return text


JSON_TYPES = {"string": str, "integer": int, "long": int, "boolean": bool, "double": (int, float), "float": (int, float),
              "timestamp": (int, float), "blob": str, "structure": dict, "list": list, "map": dict}


def from_json(shape, value, place):
    kind = shape.type_name
    if not isinstance(value, JSON_TYPES[kind]) or isinstance(value, bool) and kind != "boolean":
        raise broken(place, f"{json.dumps(value)[:60]} is no {kind}")
    if kind == "structure":
        names = {member.serialization.get("name", name): (name, member) for name, member in shape.members.items()}
        unknown = sorted(set(value) - set(names))
        if unknown:
            raise broken(place, f"unknown member {unknown[0]!r}")
        return {names[key][0]: from_json(names[key][1], inner, f"{place}.{key}") for key, inner in value.items()}
    if kind == "list":
        return [from_json(shape.member, inner, f"{place}[{n}]") for n, inner in enumerate(value)]
    if kind == "map":
        return {key: from_json(shape.value, inner, f"{place}.{key}") for key, inner in value.items()}
    return value


# The model has this member with the names of queue attributes; SQS takes those of messages, which is all that clients ask for.
MORE_NAMES = {"ReceiveMessage.AttributeNames": ("SentTimestamp", "SenderId", "ApproximateReceiveCount", "ApproximateFirstReceiveTimestamp")}


def check(shape, value, place):
    """Required members, ranges, lengths, enumerations and patterns."""
    kind = shape.type_name
    if kind == "structure":
        missing = [name for name in shape.required_members if name not in value]
        if missing:
            raise broken(place, f"member {missing[0]!r} is missing")
        for name, inner in value.items():
            check(shape.members[name], inner, f"{place}.{name}")
    elif kind == "list":
        check_range(shape, len(value), place, "length")
        for n, inner in enumerate(value):
            check(shape.member, inner, f"{place}[{n}]")
    elif kind == "map":
        for key, inner in value.items():
            check(shape.value, inner, f"{place}.{key}")
    elif kind == "string":
        check_range(shape, len(value), place, "length")
        if shape.enum and value not in shape.enum and value not in MORE_NAMES.get(place.partition("[")[0], ()):
            raise broken(place, f"{value!r} is none of {shape.enum}")
        pattern = shape.metadata.get("pattern")
        if pattern and not matches(pattern, value):
            raise broken(place, f"{value!r} does not match {pattern}")
    elif kind in ("integer", "long"):
        check_range(shape, value, place, "value")


def matches(pattern, value):
    try:
        return re.fullmatch(pattern, value, re.DOTALL) is not None
    except re.error:
        return True  # a few patterns are Java's (surrogates in a class), which Python cannot read


def check_range(shape, number, place, what):
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and number < low or high is not None and number > high:
        raise broken(place, f"{what} {number} is not in {low}..{high}")


# --- query and ec2: reading ------------------------------------------------------------------------------------------------


def ec2_name(name, member):
    return member.serialization.get("queryName") or upper_first(member.serialization.get("name", name))


def upper_first(name):
    return name[0].upper() + name[1:]


class Form:
    """Takes a shape's members out of the pairs; what is left over at the end nobody knows."""

    def __init__(self, fields, ec2):
        self.fields, self.ec2 = fields, ec2

    def take(self, shape, prefix, place):
        kind = shape.type_name
        if kind == "structure":
            return self.structure(shape, prefix + "." if prefix else "", place)
        if kind == "list":
            return self.sequence(shape, prefix, place)
        if kind == "map":
            return self.mapping(shape, prefix, place)
        return from_text(shape, self.fields.pop(prefix), place)

    def structure(self, shape, prefix, place):
        found = {}
        for name, member in shape.members.items():
            key = prefix + (ec2_name(name, member) if self.ec2 else self.query_name(name, member))
            if self.fields.under(key):
                found[name] = self.take(member, key, f"{place}.{name}")
        return found

    @staticmethod
    def query_name(name, member):
        if member.type_name == "list" and member.serialization.get("flattened"):
            return member.member.serialization.get("name", member.serialization.get("name", name))
        return member.serialization.get("name", name)

    def sequence(self, shape, prefix, place):
        if self.fields.get(prefix) == "":
            del self.fields[prefix]
            return []
        if not self.ec2 and not shape.serialization.get("flattened"):
            prefix += "." + shape.member.serialization.get("name", "member")
        found = []
        while self.fields.under(f"{prefix}.{len(found) + 1}"):
            found.append(self.take(shape.member, f"{prefix}.{len(found) + 1}", f"{place}[{len(found)}]"))
        return found

    def mapping(self, shape, prefix, place):
        found, n = {}, 1
        while self.fields.under(f"{prefix}.entry.{n}"):
            key = self.fields.pop(f"{prefix}.entry.{n}.key")
            found[key] = self.take(shape.value, f"{prefix}.entry.{n}.value", f"{place}.{key}")
            n += 1
        return found


def decode_form(service, fields):
    """(operation model, parameters) of the pairs of a query or ec2 request."""
    fields = Query(fields)
    name, version = fields.pop("Action", None), fields.pop("Version", None)
    if name not in service.operation_names:
        raise Violation("InvalidAction", f"The action {name} is not valid for this web service.")
    if version != service.api_version:
        raise Violation("InvalidAction", f"Version {version} where {service.service_name} has {service.api_version}")
    operation = service.operation_model(name)
    params = {}
    if operation.input_shape:
        params = Form(fields, service.metadata["protocol"] == "ec2").take(operation.input_shape, "", name)
    if fields:
        raise broken(name, f"unknown member {sorted(fields)[0]!r}")
    if operation.input_shape:
        check(operation.input_shape, params, name)
    return operation, params


# --- json and rest-json: reading ---------------------------------------------------------------------------------------------


def parse_body(body, place):
    try:
        value = json.loads(body) if body else {}
    except ValueError as error:
        raise Violation("SerializationException", f"{place}: {error}") from None
    return value


def decode_json(service, headers, body):
    target = headers.get("x-amz-target", "")
    prefix, _, name = target.partition(".")
    if prefix != service.metadata["targetPrefix"] or name not in service.operation_names:
        raise Violation("UnknownOperationException", f"no operation {target!r}")
    wanted = f"application/x-amz-json-{service.metadata['jsonVersion']}"
    if headers.get("content-type") != wanted:
        raise broken(name, f"content type {headers.get('content-type')!r} is not {wanted!r}")
    operation = service.operation_model(name)
    params = from_json(operation.input_shape, parse_body(body, name), name)
    check(operation.input_shape, params, name)
    return operation, params


def uri_pattern(template):
    return re.compile(re.sub(r"\\{([^}]+?)(\\\+)?\\}", lambda m: f"(?P<{m[1]}>[^/]+)", re.escape(template)))


def find_rest(service, method, path):
    for name in service.operation_names:
        operation = service.operation_model(name)
        if operation.http["method"] == method:
            found = uri_pattern(operation.http["requestUri"]).fullmatch(path)
            if found:
                return operation, {key: urllib.parse.unquote(value) for key, value in found.groupdict().items()}
    raise Violation("UnknownOperationException", f"no operation is {method} {path}", 404)


def decode_rest(service, method, path, query, body):
    operation, in_uri = find_rest(service, method, path)
    shape, params, in_body = operation.input_shape, {}, {}
    place, query = operation.name, Query(query)
    for name, member in shape.members.items() if shape else ():
        where, key = member.serialization.get("location"), member.serialization.get("name", name)
        if where == "uri":
            params[name] = from_text(member, in_uri[key], f"{place}.{name}")
        elif where == "querystring" and key in query:
            text = query.pop(key)
            params[name] = [text] if member.type_name == "list" else from_text(member, text, f"{place}.{name}")
        elif where is None:
            in_body[key] = (name, member)
    if query:
        raise broken(place, f"unknown query parameter {sorted(query)[0]!r}")
    sent = parse_body(body, place)
    if not isinstance(sent, dict):
        raise broken(place, "the body is no object")
    for key, value in sent.items():
        if key not in in_body:
            raise broken(place, f"unknown member {key!r}")
        params[in_body[key][0]] = from_json(in_body[key][1], value, f"{place}.{key}")
    if shape:
        check(shape, params, place)
    return operation, params


# --- answers -------------------------------------------------------------------------------------------------------------


def iso(epoch):
    return datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def to_text(shape, value):
    if shape.type_name == "boolean":
        return "true" if value else "false"
    if shape.type_name == "timestamp":
        return iso(value)
    return xml.sax.saxutils.escape(str(value))


def to_xml(tag, shape, value):
    if shape.type_name == "structure":
        inner = "".join(to_xml(member.serialization.get("name", name), member, value[name]) for name, member in known(shape, value))
    elif shape.type_name == "list":
        item = shape.member.serialization.get("name", "member")
        if shape.serialization.get("flattened"):
            return "".join(to_xml(tag, shape.member, each) for each in value)
        inner = "".join(to_xml(item, shape.member, each) for each in value)
    else:
        inner = to_text(shape, value)
    return f"<{tag}>{inner}</{tag}>"


def known(shape, value):
    wrong = set(value) - set(shape.members)
    if wrong:
        raise AssertionError(f"the fake's own answer has {wrong}, which {shape.name} has not")
    return [(name, member) for name, member in shape.members.items() if value.get(name) is not None]


def to_json(shape, value):
    if shape.type_name == "structure":
        return {member.serialization.get("name", name): to_json(member, value[name]) for name, member in known(shape, value)}
    if shape.type_name == "list":
        return [to_json(shape.member, each) for each in value]
    if shape.type_name == "map":
        return {key: to_json(shape.value, each) for key, each in value.items()}
    return value


def encode(service, operation, result, request_id):
    """(content type, body) of a success."""
    protocol, shape, result = service.metadata["protocol"], operation.output_shape, result or {}
    if protocol in ("json", "rest-json"):
        version = service.metadata.get("jsonVersion", "1.1")
        kind = "application/json" if protocol == "rest-json" else f"application/x-amz-json-{version}"
        return kind, json.dumps(to_json(shape, result) if shape else {})
    space = service.metadata.get("xmlNamespace", "http://ec2.amazonaws.com/doc/2016-11-15")
    space = (space["uri"] if isinstance(space, dict) else space).rstrip("/") + "/"
    members = "".join(to_xml(m.serialization.get("name", n), m, result[n]) for n, m in known(shape, result)) if shape else ""
    if protocol == "ec2":
        body = f"<requestId>{request_id}</requestId>{members or '<return>true</return>' * (shape is None)}"
    else:
        wrapper = shape.serialization.get("resultWrapper") if shape else None
        body = f"<{wrapper}>{members}</{wrapper}>" if wrapper else members
        body += f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
    return "text/xml", f'<{operation.name}Response xmlns="{space}">{body}</{operation.name}Response>'


def encode_error(protocol, refused, request_id, service_name=""):
    """(content type, body, headers) of an error in the shape of the protocol."""
    code, message = refused.code, refused.message
    side = "Receiver" if refused.status >= 500 else "Sender"
    if protocol == "ec2":
        inner = f"<Error><Code>{code}</Code><Message>{xml.sax.saxutils.escape(message)}</Message></Error>"
        body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors>{inner}</Errors><RequestID>{request_id}</RequestID></Response>'
        return "text/xml;charset=UTF-8", body, {}
    if protocol == "query":
        inner = f"<Type>{side}</Type><Code>{code}</Code><Message>{xml.sax.saxutils.escape(message)}</Message>"
        return "text/xml", f"<ErrorResponse><Error>{inner}</Error><RequestId>{request_id}</RequestId></ErrorResponse>", {}
    if protocol == "json":
        old = refused.more.get("query_code", code)
        body = {"__type": f"com.amazonaws.{service_name}#{code}", "message": message}
        return "application/x-amz-json-1.0", json.dumps(body), {"x-amzn-query-error": f"{old};{side}"}
    return "application/json", json.dumps({"message": message, **refused.more}), {"x-amzn-ErrorType": code}
