# SPDX-License-Identifier: Apache-2.0
"""Rules on every text file: licences, leftovers, places that mean nothing to a stranger."""
import json
import re

_SPDX_SUFFIXES = (
    ".c", ".h", ".S", ".sh", ".py", ".cmake", ".js", ".mjs", ".jsx", ".css", ".proto", ".bash", ".fish", "CMakeLists.txt",
)
_BPF_LICENCE, _LICENCE = "GPL-2.0-only OR BSD-2-Clause", "Apache-2.0"
# Words and hosts are put together here so that this file does not find itself.
_LEFTOVER = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X")) + r")\b")
_PRIVATE_PATH = re.compile(r"(?<![\w.~-])/" + r"work/(?=[\w.])")
_REGISTRIES = re.compile(
    "|".join(
        re.escape(host)
        for host in (
            "registry.npm" + "js.org", "registry.yarn" + "pkg.com", "files.python" + "hosted.org", "py" + "pi.org",
            "crates" + ".io", "proxy.go" + "lang.org", "repo.maven" + ".apache.org", "repo1.maven" + ".org", "deb.debian" + ".org",
        )
    )
)


def spdx(tree):
    """the first line (the second after #!) names the licence: Apache-2.0; in bpf/ and for *.bpf.c GPL-2.0-only OR BSD-2-Clause"""
    scripts = set(tree.scripts("sh", "python", "node"))
    for name, text in tree.texts():
        if not (name.endswith(_SPDX_SUFFIXES) or name in scripts):
            continue
        lines = text.split("\n", 2)
        line = lines[1] if lines[0].startswith("#!") and len(lines) > 1 else lines[0]
        licence = _BPF_LICENCE if name.startswith("bpf/") or name.endswith(".bpf.c") else _LICENCE
        if f"SPDX-License-Identifier: {licence}" not in line:
            yield name, 1, f"the first line is not SPDX-License-Identifier: {licence}"


def _each_line(tree, pattern, message):
    for name, text in tree.texts():
        if not pattern.search(text):
            continue
        for number, line in enumerate(text.split("\n"), 1):
            match = pattern.search(line)
            if match:
                yield name, number, f"{match.group(0)}: {message}"


def leftovers(tree):
    """no notes to oneself in the code: do it, or file an issue"""
    yield from _each_line(tree, _LEFTOVER, "do it, or file an issue")


def private_paths(tree):
    """no path of the place where it was written"""
    yield from _each_line(tree, _PRIVATE_PATH, "a path of one machine")


def registries(tree):
    """no package registry's host name: lock files work with whatever registry the machine is set to"""
    yield from _each_line(tree, _REGISTRIES, "a registry's host name")


def whitespace(tree):
    """lines end without blanks, files with one newline, and there is no CR"""
    for name, text in tree.texts():
        if name.endswith((".csv", ".svg", ".pem", ".golden")) or "/golden" in name or "/seeds/" in name or "/forecast_data/" in name:
            continue
        if "\r" in text:
            yield name, text.count("\n", 0, text.index("\r")) + 1, "a carriage return"
        match = re.search(r"[ \t]+$", text, re.M)
        if match and not name.endswith(".md"):
            yield name, text.count("\n", 0, match.start()) + 1, "blanks at the end of the line"
        if text and (not text.endswith("\n") or text.endswith("\n\n")):
            yield name, text.count("\n"), "the file does not end with one newline"


def _references(node):
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from _references(child)


def _resolves(document, reference):
    if not reference.startswith("#/"):
        return False
    for part in reference[2:].split("/"):
        part = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(document, dict) or part not in document:
            return False
        document = document[part]
    return True


def openapi(tree):
    """every openapi.json parses, its references resolve, and each operation says what it answers"""
    for name in tree.of_type("openapi.json"):
        try:
            document = json.loads(tree.text(name))
        except ValueError as error:
            yield name, getattr(error, "lineno", 1), f"not JSON: {error}"
            continue
        if not str(document.get("openapi", "")).startswith("3."):
            yield name, 1, "no version: openapi 3.x"
        if not document.get("info", {}).get("title") or not document.get("paths"):
            yield name, 1, "no title or no paths"
        for path, item in document.get("paths", {}).items():
            for method, operation in item.items():
                if method in ("get", "post", "put", "delete", "patch") and not operation.get("responses"):
                    yield name, 1, f"{method} {path} has no responses"
        for reference in _references(document):
            if not _resolves(document, reference):
                yield name, 1, f"{reference} does not resolve"


def json_files(tree):
    """every .json file parses"""
    for name in tree.of_type(".json"):
        if name.endswith("openapi.json") or name.startswith("tests/") and "/bad" in name:
            continue
        try:
            json.loads(tree.text(name))
        except ValueError as error:
            yield name, getattr(error, "lineno", 1), f"not JSON: {error}"


RULES = {
    "spdx": spdx,
    "leftovers": leftovers,
    "private-paths": private_paths,
    "registries": registries,
    "whitespace": whitespace,
    "openapi": openapi,
    "json": json_files,
}
