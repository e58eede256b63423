# SPDX-License-Identifier: Apache-2.0
"""A small C scanner: enough of the language to find functions and calls, without a compiler.

It blanks what is not code (comments, strings, preprocessor lines) and keeps every line number, then walks
the braces. It knows no macros: a function made by one is not seen, and a brace hidden in one is not counted.
"""
import re
from dataclasses import dataclass

_NOT_CODE = re.compile(
    r"//(?:[^\n\\]|\\.|\\\n)*"  # line comment
    r"|/\*.*?\*/"  # block comment
    r'|"(?:[^"\\\n]|\\.|\\\n)*"'  # string
    r"|'(?:[^'\\\n]|\\.)*'",  # character
    re.S,
)
_PREPROCESSOR = re.compile(r"^[ \t]*#(?:[^\n\\]|\\\n|\\.)*", re.M)
_LOOP_MACROS = "json_for_each|DL_FOREACH|LL_FOREACH|HASH_ITER|cJSON_ArrayForEach|HASH_FOREACH"
_DECISION = re.compile(rf"\b(?:if|for|while|switch|{_LOOP_MACROS})\b|&&|\|\||\?")
_HEAD = re.compile(r"(\w+)\s*\(")
_NO_FUNCTION = {"if", "for", "while", "switch", "return", "sizeof", "__attribute__", "__asm__", "asm", "_Static_assert"}


def _blank(match):
    text = match.group(0)
    lines = text.count("\n")
    if text.startswith(("//", "/*")):
        return " " + "\n" * lines
    return text[0] + " " * 0 + "\n" * lines + text[0]


def comments(source):
    """(line number, text) of every comment line."""
    for match in _NOT_CODE.finditer(source):
        text = match.group(0)
        if text.startswith(("//", "/*")):
            first = source.count("\n", 0, match.start()) + 1
            for i, line in enumerate(text.split("\n")):
                yield first + i, line


def code(source, keep_preprocessor=False):
    """The source with comments and literals blanked, and preprocessor lines too unless asked not to."""
    text = _NOT_CODE.sub(_blank, source)
    if keep_preprocessor:
        return text
    return _PREPROCESSOR.sub(lambda m: "\n" * m.group(0).count("\n"), text)


@dataclass
class Function:
    name: str
    line: int  # of the name
    last: int  # of the closing brace
    parameters: int
    complexity: int

    @property
    def lines(self):
        return self.last - self.line + 1


def _matching(text, start, opening, closing):
    depth = 0
    for i in range(start, len(text)):
        if text[i] == opening:
            depth += 1
        elif text[i] == closing:
            depth -= 1
            if depth == 0:
                return i
    return len(text) - 1


def _parameters(inside):
    if inside.strip() in ("", "void"):
        return 0
    depth, n = 0, 1
    for c in inside:
        depth += (c in "([{") - (c in ")]}")
        n += c == "," and depth == 0
    return n


def _head(text):
    """(name, position of the name, parameter list) of a declarator before a brace, or None."""
    text = re.sub(r"__attribute__\s*\(\(.*?\)\)", lambda m: " " * len(m.group(0)), text, flags=re.S)
    for match in _HEAD.finditer(text):
        if match.group(1) in _NO_FUNCTION:
            continue
        end = _matching(text, match.end() - 1, "(", ")")
        if text[end + 1 :].strip() == "" and "=" not in text[: match.start()]:
            return match.group(1), match.start(), text[match.end() : end]
    return None


def functions(source):
    """Every function definition. Complexity is McCabe's with a switch counted once, however many its cases:
    a table written as a switch is long, not complicated."""
    text = code(source)
    position = 0
    while True:
        brace = text.find("{", position)
        if brace < 0:
            return
        start = max(text.rfind(c, position, brace) for c in ";}{") + 1
        start = max(start, position)
        end = _matching(text, brace, "{", "}")
        found = _head(text[start:brace])
        if found:
            name, at, inside = found
            body = text[brace : end + 1]
            yield Function(
                name,
                text.count("\n", 0, start + at) + 1,
                text.count("\n", 0, end) + 1,
                _parameters(inside),
                1 + len(_DECISION.findall(body)),
            )
        position = end + 1
