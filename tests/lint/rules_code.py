# SPDX-License-Identifier: Apache-2.0
"""Rules on C: the line, sizes, complexity, calls that are not allowed."""
import re

import cscan
import line_map

MAX_FILE_LINES, MAX_FUNCTION_LINES, MAX_COMPLEXITY, MAX_PARAMETERS = 600, 60, 15, 5
GIVEN_BY_A_LIBRARY = ("http_request_on_data",)  # MHD_AccessHandlerCallback of libmicrohttpd has eight parameters

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)
_OURS = ("agent/", "aggregator/", "bpf/", "proto/")


def _line(text, position):
    return text.count("\n", 0, position) + 1


def _includes(text):
    for match in _INCLUDE.finditer(text):
        yield _line(text, match.start()), match.group(1), match.group(2)


def includes(tree):
    """a module includes only what stands before it in the line (DESIGN 2); line_map.py is the map"""
    for name in tree.of_type(".c", ".h"):
        if not name.startswith(_OURS) or name in line_map.KNOWS_ALL:
            continue
        module = line_map.module_of(name)
        if module is None:
            yield name, 1, "this folder is no module of the line: add it to tests/lint/line_map.py"
            continue
        for line, quote, header in _includes(tree.text(name)):
            if quote != '"' or not header.startswith(_OURS):
                continue
            other = line_map.module_of(header)
            if header in line_map.KNOWS_ALL or other is None:
                yield name, line, f"{header} belongs to no module that may be included"
            elif not line_map.may_include(module, other):
                yield name, line, f"{module} may not know {other}: it does not stand before it in the line"


def nng(tree):
    """nng is included in proto/loop only"""
    for name in tree.of_type(".c", ".h"):
        if name.startswith(("proto/loop/", "tests/")):
            continue
        for line, _, header in _includes(tree.text(name)):
            if header.startswith("nng/"):
                yield name, line, f"{header}: nng is known to proto/loop only"


def purity(tree):
    """decide, risk, the forecast's members and the agent's window reach no clock, file, network or randomness"""
    calls = re.compile(rf"(?<![\w.>])({'|'.join(line_map.IMPURE_CALLS)})\s*\(")
    for name in tree.of_type(".c", ".h"):
        if line_map.module_of(name) not in line_map.PURE:
            continue
        text = tree.text(name)
        for line, _, header in _includes(text):
            if header.startswith(line_map.IMPURE_HEADERS):
                yield name, line, f"{header}: {line_map.module_of(name)} is pure"
        code = cscan.code(text)
        for match in calls.finditer(code):
            yield name, _line(code, match.start()), f"{match.group(1)}(): {line_map.module_of(name)} is pure"


def own_header_first(tree):
    """x.c includes its own x.h before anything else, so that a header stands on its own"""
    for name in tree.of_type(".c"):
        own = name[:-2] + ".h"
        if own in tree.files:
            first = next(_includes(tree.text(name)), (1, "", ""))
            if first[2] != own:
                yield name, first[0], f'the first include is "{own}"'


def size(tree):
    """a .c file has at most 600 lines, a function at most 60"""
    for name in tree.of_type(".c"):
        text = tree.text(name)
        lines = text.count("\n")
        if lines > MAX_FILE_LINES:
            yield name, 1, f"{lines} lines, at most {MAX_FILE_LINES}"
        for f in cscan.functions(text):
            if f.lines > MAX_FUNCTION_LINES:
                yield name, f.line, f"{f.name}() has {f.lines} lines, at most {MAX_FUNCTION_LINES}"


def complexity(tree):
    """a function has a cyclomatic complexity of at most 15 (a switch counts once) and at most 5 parameters"""
    for name in tree.of_type(".c", ".h"):
        for f in cscan.functions(tree.text(name)):
            if f.complexity > MAX_COMPLEXITY:
                yield name, f.line, f"{f.name}() has complexity {f.complexity}, at most {MAX_COMPLEXITY}"
            if f.parameters > MAX_PARAMETERS and f.name not in GIVEN_BY_A_LIBRARY:
                yield name, f.line, f"{f.name}() has {f.parameters} parameters, at most {MAX_PARAMETERS}"


# name -> (what to use, the only files that may call it)
_BANNED = {
    **dict.fromkeys(("strcpy", "strcat", "sprintf", "vsprintf"), ("snprintf or struct buf", ())),
    "gets": ("fgets", ()),
    **dict.fromkeys(("atoi", "atol", "atoll", "atof"), ("proto/base/text.h", ())),
    **dict.fromkeys(("strtol", "strtoll", "strtoul", "strtoull", "strtod"), ("proto/base/text.h", ("proto/base/text.c",))),
    "strtok": ("proto/base/text.h", ()),
    **dict.fromkeys(("system", "popen"), ("posix_spawn or uv_spawn with an argument list", ())),
    **dict.fromkeys(("localtime", "gmtime", "ctime", "asctime"), ("the _r form, or proto/base/clock.h", ())),
    **dict.fromkeys(("rand", "srand", "random", "srandom"), ("proto/base/rng.h", ())),
    "alloca": ("the heap or an array of known size", ()),
}
_EXIT = re.compile(r"(?<![\w.>])(exit|_exit|abort)\s*\(")


def banned(tree):
    """functions that overflow, guess or hide: strcpy, sprintf, atoi, raw strtol, gets, system, localtime, rand, …"""
    call = re.compile(rf"(?<![\w.>])({'|'.join(_BANNED)})\s*\(")
    for name in tree.of_type(".c", ".h"):
        code = cscan.code(tree.text(name), keep_preprocessor=True)
        for match in call.finditer(code):
            instead, allowed = _BANNED[match.group(1)]
            if name not in allowed:
                yield name, _line(code, match.start()), f"{match.group(1)}() is banned: use {instead}"
        if name.startswith("agent/proc/") and re.search(r"\bsscanf\s*\(", code):
            yield name, 1, "sscanf() in agent/proc: parse by hand, it runs on every tick"


def exits(tree):
    """nothing but main.c ends the program"""
    for name in tree.of_type(".c", ".h"):
        if not name.startswith(_OURS) or name.endswith("/main.c"):
            continue
        code = cscan.code(tree.text(name))
        for match in _EXIT.finditer(code):
            yield name, _line(code, match.start()), f"{match.group(1)}(): return an error; only main.c ends the program"


def typedefs(tree):
    """structs, unions and enums have no typedef"""
    for name in tree.of_type(".c", ".h"):
        if name.startswith("bpf/"):
            continue  # kernel types come as the kernel names them
        code = cscan.code(tree.text(name))
        for match in re.finditer(r"\btypedef\s+(struct|union|enum)\b", code):
            yield name, _line(code, match.start()), f"typedef of a {match.group(1)}: write {match.group(1)} where it is used"


def once(tree):
    """a header is read once: #pragma once, or an include guard"""
    guard = re.compile(r"^#pragma once$|^#ifndef (\w+)\n#define \1$", re.M)
    for name in tree.of_type(".h"):
        if not guard.search(tree.text(name)):
            yield name, 1, "no #pragma once"


_DEAD_CODE = re.compile(
    r"^\s*//\s*(?:"
    r"(?:if|for|while|switch)\s*\(.*[{;]\s*$"
    r"|return\b[^.,]*;\s*$"
    r"|[\w.\->\[\]]+\s*(?:[-+|&]?=)\s*[^=].*;\s*$"
    r"|\w+\([^)]*\);\s*$"
    r"|#\s*(?:include|define|if|endif)\b"
    r")"
)


def dead_code(tree):
    """no code that is commented out, no #if 0"""
    for name in tree.of_type(".c", ".h"):
        text = tree.text(name)
        for line, comment in cscan.comments(text):
            if _DEAD_CODE.match(comment):
                yield name, line, "code that is commented out: delete it, git remembers"
        for match in re.finditer(r"^[ \t]*#[ \t]*if[ \t]+0\b", text, re.M):
            yield name, _line(text, match.start()), "#if 0: delete it, git remembers"


RULES = {
    "includes": includes,
    "nng": nng,
    "purity": purity,
    "own-header-first": own_header_first,
    "size": size,
    "complexity": complexity,
    "banned": banned,
    "exits": exits,
    "typedefs": typedefs,
    "pragma-once": once,
    "dead-code": dead_code,
}
