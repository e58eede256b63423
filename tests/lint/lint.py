#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks what the compiler does not: the line, sizes, banned functions, licences, scripts, pages.

    tests/lint/run                 every rule on every file that git knows (or will know)
    tests/lint/run --list          the rules
    tests/lint/run --rule size …   some rules only;  --root DIR  another tree

Prints "file:line: rule: what is wrong" and exits 1 if anything is. A tool that is missing is a failure: what was
skipped has not passed.
"""
import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import rules_code  # noqa: E402
import rules_text  # noqa: E402
import rules_tool  # noqa: E402

RULES = {**rules_code.RULES, **rules_text.RULES, **rules_tool.RULES}
NOT_OURS = ("node_modules/", "/built/", "build/", "tests/lint/fixtures/")


class Tree:
    """The files of a repository, each read once."""

    def __init__(self, root):
        self.root = Path(root)
        self.files = sorted(f for f in self._names() if not any(part in f"/{f}" for part in NOT_OURS))
        self._texts = {}

    def _names(self):
        if (self.root / ".git").exists():
            git = ["git", "-C", str(self.root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
            names = subprocess.run(git, check=True, capture_output=True, text=True).stdout.split("\0")
            return {n for n in names if n and (self.root / n).is_file()}
        return {str(p.relative_to(self.root)) for p in self.root.rglob("*") if p.is_file()}

    def text(self, name):
        """The text of a file, or None if it is not text."""
        if name not in self._texts:
            data = (self.root / name).read_bytes()
            self._texts[name] = None if b"\0" in data[:8192] else data.decode("utf-8", "replace")
        return self._texts[name]

    def of_type(self, *suffixes):
        return [f for f in self.files if f.endswith(suffixes) and self.text(f) is not None]

    def texts(self):
        return [(f, self.text(f)) for f in self.files if self.text(f) is not None]

    def scripts(self, *interpreters):
        """Files that a shell or python runs, by suffix or by first line."""
        for name, text in self.texts():
            first = text.split("\n", 1)[0]
            if first.startswith("#!") and any(i in first for i in interpreters):
                yield name


def check(root, names=None):
    """All violations of a tree as (file, line, rule, message)."""
    tree = Tree(root)
    found = []
    for name in names or RULES:
        found += [(file, line, name, message) for file, line, message in RULES[name](tree)]
    return sorted(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default=Path(__file__).resolve().parents[2])
    parser.add_argument("--rule", action="append", choices=RULES, metavar="RULE")
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    if arguments.list:
        for name, rule in RULES.items():
            print(f"{name:20} {rule.__doc__.strip().splitlines()[0]}")
        return 0
    started = time.monotonic()
    found = check(arguments.root, arguments.rule)
    for file, line, name, message in found:
        print(f"{file}:{line}: {name}: {message}")
    seconds = time.monotonic() - started
    print(f"lint: {len(found)} found, {len(arguments.rule or RULES)} rules, {seconds:.1f} s", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    os.environ["LC_ALL"] = "C.UTF-8"
    sys.exit(main())
