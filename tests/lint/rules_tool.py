# SPDX-License-Identifier: Apache-2.0
"""Rules that a tool of its own checks: clang-format, shellcheck, mandoc, python's parser."""
import ast
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

BATCH = 12  # files per process: short enough that two cores stay busy to the end


def _run(tool, arguments, cwd):
    return subprocess.run([tool, *arguments], cwd=cwd, capture_output=True, text=True, errors="replace")


def _in_batches(tree, tool, arguments, files):
    """Output of the tool over the files, in two processes at a time; None if the tool is missing."""
    if not shutil.which(tool):
        return None
    batches = [files[i : i + BATCH] for i in range(0, len(files), BATCH)]
    with ThreadPoolExecutor(2) as pool:
        runs = pool.map(lambda batch: _run(tool, [*arguments, *batch], tree.root), batches)
        return "".join(run.stdout + run.stderr for run in runs)


def _findings(output, tool, pattern):
    if output is None:
        yield tool, 0, f"{tool} is not installed: what was skipped has not passed"
        return
    for match in re.finditer(pattern, output, re.M):
        yield match.group(1), int(match.group(2)), match.group(3)


def clang_format(tree):
    """C is formatted by clang-format 14 with the .clang-format of the tree; the first place per file is shown"""
    files = tree.of_type(".c", ".h")
    if not files:
        return
    if shutil.which("clang-format"):
        version = _run("clang-format", ["--version"], tree.root).stdout
        if " 14." not in version:
            yield "clang-format", 0, f"version 14 is needed, this is {version.strip()}"
            return
    output = _in_batches(tree, "clang-format", ["--dry-run", "-Werror", "--ferror-limit=1"], files)
    for file, line, _ in _findings(output, "clang-format", r"^([^:\n]+):(\d+):\d+: error: (.*)$"):
        yield file, line, "not formatted: clang-format -i"


def shellcheck(tree):
    """scripts pass shellcheck"""
    files = sorted({*tree.scripts("bash", "/sh", "env sh"), *tree.of_type(".sh")})
    if files:
        output = _in_batches(tree, "shellcheck", ["-x", "-f", "gcc", "-S", "style"], files)
        yield from _findings(output, "shellcheck", r"^([^:\n]+):(\d+):\d+: (.*)$")


def man_pages(tree):
    """man pages render without a complaint of mandoc"""
    files = [f for f in tree.files if re.fullmatch(r"deploy/man/[^/]+\.[1-8]", f)]
    if files:
        output = _in_batches(tree, "mandoc", ["-T", "lint", "-W", "warning"], files)
        yield from _findings(output, "mandoc", r"^mandoc: ([^:\n]+):(\d+):\d+: (.*)$")


def python(tree):
    """python files parse"""
    for name in sorted({*tree.of_type(".py"), *tree.scripts("python")}):
        try:
            ast.parse(tree.text(name))
        except SyntaxError as error:
            yield name, error.lineno or 1, error.msg


RULES = {"clang-format": clang_format, "shellcheck": shellcheck, "man": man_pages, "python": python}
