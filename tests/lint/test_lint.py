#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each rule fires on what it forbids, at the right line, and is silent on what is right."""
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import cscan  # noqa: E402
import lint  # noqa: E402

SPDX = "// SPDX-License-Identifier: Apache-2.0\n"
# In two pieces, so that the linter does not find its own tests.
NOTE = "TO" + "DO"
HOME = "/wo" + "rk/main"


def tree(files):
    root = tempfile.TemporaryDirectory()
    for name, content in files.items():
        path = Path(root.name) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


class RuleTest(unittest.TestCase):
    def fires(self, rule, name, content, line=None, others=None, says=""):
        with tree({name: content, **(others or {})}) as root:
            found = [f for f in lint.check(root, [rule]) if f[0] == name]
        self.assertTrue(found, f"{rule} is silent on {content!r}")
        if line is not None:
            self.assertIn(line, [f[1] for f in found])
        self.assertTrue(any(says in f[3] for f in found), found)

    def silent(self, rule, name, content, others=None):
        with tree({name: content, **(others or {})}) as root:
            self.assertEqual(lint.check(root, [rule]), [])


class TheLine(RuleTest):
    def test_a_module_may_not_look_down_the_line(self):
        self.fires("includes", "aggregator/store/a.c", '\n#include "aggregator/forecast/outlook.h"\n', 2, says="may not know")
        self.fires("includes", "proto/base/a.c", '#include "proto/wire/sample.h"\n', 1)
        self.silent("includes", "aggregator/forecast/a.c", '#include "aggregator/store/store.h"\n')

    def test_agent_and_aggregator_do_not_know_each_other(self):
        self.fires("includes", "agent/send/a.c", '#include "aggregator/intake/intake.h"\n', 1)
        self.fires("includes", "aggregator/intake/a.c", '#include "agent/send/send.h"\n', 1)

    def test_modules_side_by_side_do_not_know_each_other(self):
        self.fires("includes", "agent/probe/a.c", '#include "agent/proc/proc.h"\n', 1)
        self.silent("includes", "agent/window/a.c", '#include "agent/proc/proc.h"\n#include "agent/probe/probe.h"\n')

    def test_a_folder_inside_a_module_belongs_to_it_unless_it_is_a_module(self):
        self.silent("includes", "aggregator/cloud/aws/a.c", '#include "aggregator/cloud/cloud.h"\n')
        self.fires("includes", "aggregator/forecast/model/a.c", '#include "aggregator/forecast/outlook.h"\n', 1)

    def test_a_folder_outside_the_line_is_named(self):
        self.fires("includes", "aggregator/extra/a.c", "int x;\n", 1, says="no module")

    def test_the_files_that_know_all_are_exempt_and_nobody_includes_them(self):
        self.silent("includes", "aggregator/line.c", '#include "aggregator/show/show.h"\n')
        self.fires("includes", "aggregator/show/a.c", '#include "aggregator/line.h"\n', 1)

    def test_nng_stays_inside_the_loop(self):
        self.fires("nng", "agent/send/a.c", "#include <nng/nng.h>\n", 1)
        self.silent("nng", "proto/loop/a.c", "#include <nng/nng.h>\n")

    def test_decide_reaches_no_clock_file_or_randomness(self):
        self.fires("purity", "aggregator/decide/a.c", '#include "proto/loop/loop.h"\n', 1)
        self.fires("purity", "aggregator/decide/a.c", "#include <unistd.h>\n", 1)
        self.fires("purity", "aggregator/decide/a.c", "void f(void)\n{\n\tfopen(0, 0);\n}\n", 3)
        self.silent("purity", "aggregator/decide/a.c", '// time(NULL) is not called\nint f(void)\n{\n\treturn v.read(1);\n}\n')
        self.silent("purity", "aggregator/store/a.c", "#include <unistd.h>\n")

    def test_the_own_header_comes_first(self):
        header = {"proto/base/a.h": "#pragma once\n"}
        self.fires("own-header-first", "proto/base/a.c", '#include <stdio.h>\n#include "proto/base/a.h"\n', 1, header)
        self.silent("own-header-first", "proto/base/a.c", '#include "proto/base/a.h"\n#include <stdio.h>\n', header)


def function(body, head="static int f(int a)"):
    return f"{head}\n{{\n{body}}}\n"


class Sizes(RuleTest):
    def test_a_long_file(self):
        self.fires("size", "a.c", "\n" * 601, says="601 lines")
        self.silent("size", "a.c", "\n" * 600)

    def test_a_long_function(self):
        self.fires("size", "a.c", "\n\n" + function("\tg();\n" * 58), 3, says="f() has 61 lines")
        self.silent("size", "a.c", function("\tg();\n" * 57))

    def test_a_tangled_function(self):
        self.fires("complexity", "a.c", function("\tif (a)\n\t\tg();\n" * 15), 1, says="complexity 16")
        self.silent("complexity", "a.c", function("\tif (a)\n\t\tg();\n" * 14))
        self.fires("complexity", "a.c", function("\treturn a " + "&& a || a ? 1 : " * 8 + "0;\n"), 1)

    def test_a_switch_counts_once(self):
        cases = "\tswitch (a) {\n" + "".join(f"\tcase {i}: return {i};\n" for i in range(30)) + "\t}\n"
        self.silent("complexity", "a.c", function(cases))

    def test_six_parameters(self):
        self.fires("complexity", "a.c", function("", "void f(int a, int b, int c, int d, int e, int g)"), 1, says="6 parameters")
        self.silent("complexity", "a.c", function("", "void f(int a, int (*b)(int, int, int), int c, int d, int e)"))


class Scanner(unittest.TestCase):
    def names(self, source):
        return [(f.name, f.line, f.parameters) for f in cscan.functions(source)]

    def test_finds_functions_among_what_looks_like_them(self):
        source = """#define X(a) if (a) {
static const struct t table[] = {{"f(", 1}, ROW(2)};
enum { A = 1 };
struct s { int (*call)(int); };
/* int not_me(void) { */
LIST(A)
static int me(struct s *s, const char *text)
{
	const char *brace = "}{", c = '{';
	if (c) { return 1; }
	return 0;
}
__attribute__((format(printf, 1, 2))) void me_too(const char *f, ...)
{
}
int declared(void);
"""
        self.assertEqual(self.names(source), [("me", 7, 2), ("me_too", 13, 2)])

    def test_reads_what_others_wrote(self):
        base = Path(__file__).resolve().parents[2] / "proto/base"
        found = {f.name for f in cscan.functions((base / "ring.c").read_text())}
        self.assertLessEqual({"ring_new", "ring_free", "ring_push", "ring_pop"}, found)


class Calls(RuleTest):
    def test_banned_functions(self):
        for call in ("strcpy(a, b)", "sprintf(a, b)", "atoi(a)", "system(a)", "localtime(a)", "rand()", "strtod(a, 0)", "gets (a)"):
            self.fires("banned", "proto/base/a.c", function(f"\t{call};\n"), 3, says=call.split("(")[0].strip())

    def test_what_only_looks_like_one(self):
        body = '\tlocaltime_r(a, b);\n\tx->system(a);\n\t// strcpy(a, b)\n\tg("rand()");\n\tmy_atoi(a);\n'
        self.silent("banned", "proto/base/a.c", function(body))
        self.silent("banned", "proto/base/text.c", function("\tstrtol(a, 0, 10);\n"))

    def test_a_ban_holds_inside_macros(self):
        self.fires("banned", "a.h", "#define F(a) atoi(a)\n", 1)

    def test_sscanf_on_the_sampling_path(self):
        self.fires("banned", "agent/proc/a.c", function('\tsscanf(a, "x");\n'))

    def test_only_main_exits(self):
        self.fires("exits", "proto/base/a.c", function("\texit(1);\n"), 3)
        self.silent("exits", "agent/main.c", function("\texit(1);\n"))
        self.silent("exits", "proto/base/a.c", function("\ton_exit_seen(1);\n"))

    def test_typedef_of_a_struct(self):
        self.fires("typedefs", "a.h", "\ntypedef struct a { int b; } a;\n", 2)
        self.silent("typedefs", "a.h", "typedef void (*on_tick)(void *arg);\n")

    def test_a_header_read_twice(self):
        self.fires("pragma-once", "a.h", SPDX + "int a;\n")
        self.silent("pragma-once", "a.h", "#pragma once\n")
        self.silent("pragma-once", "b.h", "#ifndef B_H\n#define B_H\n#endif\n")

    def test_code_that_is_commented_out(self):
        for line in ("// return x;", "//\tx = y + 1;", "// if (a) {", "// call(a, b);", "// #include <a.h>", "#if 0"):
            self.fires("dead-code", "a.c", f"int a;\n{line}\n", 2)
        for line in ("// 0 if it is not known; the caller asks again", "// returns -EINVAL; free() it", "// x = y, said the paper"):
            self.silent("dead-code", "a.c", line + "\n")


class Texts(RuleTest):
    def test_the_licence_comes_first(self):
        self.fires("spdx", "a.c", "int a;\n" + SPDX, 1)
        self.fires("spdx", "bpf/a.bpf.c", SPDX)
        self.fires("spdx", "deploy/local/up", "#!/bin/bash\nset -e\n")
        self.silent("spdx", "deploy/local/up", "#!/bin/bash\n# SPDX-License-Identifier: Apache-2.0\n")
        self.silent("spdx", "bpf/a.bpf.c", "// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause\n")

    def test_notes_to_oneself(self):
        self.fires("leftovers", "README.md", f"fine\n{NOTE}: later\n", 2)
        self.silent("leftovers", "README.md", "a mastodon\n")

    def test_paths_of_one_machine(self):
        self.fires("private-paths", "run.md", f"cd {HOME}\n", 1)
        self.silent("private-paths", "run.md", "sample/wo" + "rk/a and ./wo" + "rk/a\n")

    def test_registries(self):
        self.fires("registries", "package-lock.json", '{"resolved": "https://registry.npm' + 'js.org/a"}\n', 1)

    def test_blanks_and_ends(self):
        self.fires("whitespace", "a.py", "a = 1 \n", 1)
        self.fires("whitespace", "a.py", "a = 1")
        self.fires("whitespace", "a.py", "a = 1\n\n")
        self.fires("whitespace", "a.py", "a = 1\r\n", 1)
        self.silent("whitespace", "a.py", "a = 1\n")

    def test_a_broken_api_description(self):
        good = '{"openapi": "3.1.0", "info": {"title": "t"}, "paths": {"/a": {"get": {"responses": {"200": {}}}}}}\n'
        self.silent("openapi", "a/openapi.json", good)
        self.fires("openapi", "a/openapi.json", good[:-3], says="not JSON")
        self.fires("openapi", "a/openapi.json", good.replace('{"200": {}}', "{}"), says="no responses")
        self.fires("openapi", "a/openapi.json", good.replace('{"200": {}}', '{"200": {"$ref": "#/x"}}'), says="#/x")

    def test_broken_json(self):
        self.fires("json", "a.json", '{"a": 1,\n}\n', 2)


class Tools(RuleTest):
    STYLE = {".clang-format": (Path(__file__).resolve().parents[2] / ".clang-format").read_text()}

    def test_unformatted_c(self):
        self.fires("clang-format", "a.c", "int   a;\n", 1, self.STYLE)
        self.silent("clang-format", "a.c", "int a;\n", self.STYLE)

    def test_a_careless_script(self):
        self.fires("shellcheck", "up", "#!/bin/bash\nrm -rf $1\n", 2)
        self.silent("shellcheck", "up", '#!/bin/bash\nrm -rf "$1"\n')

    def test_a_broken_man_page(self):
        head = ".TH X 1 2026-01-01\n.SH NAME\nx \\- y\n"
        self.fires("man", "deploy/man/x.1", head + ".SH DESCRIPTION\n.nosuchmacro\n", 5)
        self.silent("man", "deploy/man/x.1", head + ".SH DESCRIPTION\nText.\n")

    def test_broken_python(self):
        self.fires("python", "a.py", "a = 1\ndef\n", 2)

    def test_a_missing_tool_is_a_failure(self):
        import rules_tool

        found = list(rules_tool._findings(None, "shellcheck", ""))
        self.assertIn("not installed", found[0][2])


class TheProgram(unittest.TestCase):
    def test_it_fails_when_anything_is_found_and_says_where(self):
        with tree({"a.c": SPDX + "typedef struct a a;\n", ".clang-format": ""}) as root:
            program = [sys.executable, str(Path(__file__).parent / "lint.py"), "--root", root]
            run = subprocess.run(program, capture_output=True, text=True)
            self.assertEqual(run.returncode, 1)
            self.assertIn("a.c:2: typedefs: ", run.stdout)
            run = subprocess.run([*program, "--rule", "size"], capture_output=True, text=True)
            self.assertEqual((run.returncode, run.stdout), (0, ""))

    def test_every_rule_is_tested_here(self):
        source = Path(__file__).read_text()
        for rule in lint.RULES:
            self.assertIn(f'self.fires("{rule}"', source)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *(a for a in sys.argv[1:])])
