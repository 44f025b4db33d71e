#!/usr/bin/env python3
"""Each rule of tidy.py with a sample that breaks it and one that keeps it."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import tidy  # noqa: E402

HEADER = "// What the sample is for.\n#pragma once\n"
SOURCE = "// What the sample is for.\n"
LAYERS = '[allowed]\ncore = []\nnet = ["core"]\ngateway = ["core", "net"]\nlifecycle = ["core"]\n'


def findings(check, files):
    """What a check finds in a tree of these files, as (path, line, rule)."""
    with tempfile.TemporaryDirectory() as folder:
        for path, text in files.items():
            at = pathlib.Path(folder) / path
            at.parent.mkdir(parents=True, exist_ok=True)
            at.write_text(text)
        subprocess.run(["git", "init", "-q", folder], check=True)
        tree = tidy.Tree(folder)
        check(tree)
        return [(f.path, f.line, f.rule) for f in tree.findings]


class Layers(unittest.TestCase):
    def test_an_include_that_the_table_does_not_allow(self):
        found = findings(tidy.check_layers, {
            "src/layers.toml": LAYERS,
            "src/gateway/a.cpp": '#include "net/x.hpp"\n#include "lifecycle/y.hpp"\n'})
        self.assertEqual(found, [("src/gateway/a.cpp", 2, "layers")])

    def test_an_unknown_module_and_main(self):
        found = findings(tidy.check_layers, {
            "src/layers.toml": LAYERS,
            "src/net/a.hpp": '#include "nett/x.hpp"\n',
            "src/main.cpp": '#include "core/x.hpp"\n'})
        self.assertEqual([f[0] for f in found], ["src/main.cpp", "src/net/a.hpp"])

    def test_the_fake_engine_uses_nothing_of_ours(self):
        found = findings(tidy.check_layers, {
            "src/layers.toml": LAYERS,
            "tests/fake_engine/a.cpp": '#include "net/x.hpp"\n#include "http.hpp"\n'})
        self.assertEqual(found, [("tests/fake_engine/a.cpp", 1, "layers")])

    def test_own_module_and_allowed_ones(self):
        self.assertEqual(findings(tidy.check_layers, {
            "src/layers.toml": LAYERS,
            "src/net/a.cpp": '#include "net/x.hpp"\n#include "core/y.hpp"\n#include <map>\n'}), [])


class Bans(unittest.TestCase):
    BROKEN = {
        "beast": ("src/net/a.cpp", "#include <boost/beast/core.hpp>"),
        "json-in-header": ("src/net/a.hpp", "#include <nlohmann/json.hpp>"),
        "dump": ("src/net/a.cpp", "return value.dump();"),
        "clock": ("src/net/a.cpp", "auto t = std::chrono::steady_clock::now();"),
        "getenv": ("src/net/a.cpp", 'auto* x = std::getenv("HOME");'),
        "thread": ("src/net/a.cpp", "std::thread worker;"),
        "detached": ("src/net/a.cpp", "co_spawn(x, f(), asio::detached);"),
        "shell": ("src/net/a.cpp", 'std::system("ls");'),
        "regex": ("src/net/a.cpp", "#include <regex>"),
        "sleep": ("src/net/a_test.cpp", "std::this_thread::sleep_for(1s);"),
        "todo": ("tools/a.py", "# TODO write this"),
    }
    KEPT = {
        "beast": ("src/net/a.cpp", "// boost/beast is not for us."),
        "json-in-header": ("src/net/a.cpp", "#include <nlohmann/json.hpp>"),
        "dump": ("src/net/a_test.cpp", "return value.dump();"),
        "clock": ("src/core/clock.cpp", "return std::chrono::steady_clock::now();"),
        "getenv": ("src/config/a.cpp", 'auto* x = std::getenv("HOME");'),
        "thread": ("src/app/a.cpp", "std::thread worker;"),
        "detached": ("src/net/a.cpp", "bool detached = true;"),
        "shell": ("src/net/a.cpp", "file.system(x); my_system(y);"),
        "regex": ("src/net/a.cpp", 'auto text = "std::regex";'),
        "sleep": ("src/net/a_test.cpp", "co_await clock.sleep_until(t);"),
        "todo": ("tools/a.py", "# TODO(#12) write this"),
    }

    def test_every_ban_bites(self):
        self.assertEqual(set(self.BROKEN), {ban.rule for ban in tidy.BANS})
        for rule, (path, line) in self.BROKEN.items():
            with self.subTest(rule):
                found = findings(tidy.check_bans, {path: SOURCE + line + "\n"})
                self.assertEqual(found, [(path, 2, rule)])

    def test_every_ban_knows_its_limits(self):
        self.assertEqual(set(self.KEPT), {ban.rule for ban in tidy.BANS})
        for rule, (path, line) in self.KEPT.items():
            with self.subTest(rule):
                self.assertEqual(findings(tidy.check_bans, {path: SOURCE + line + "\n"}), [])

    def test_a_test_may_read_its_seed_from_the_environment(self):
        line = 'auto* seed = std::getenv("SEED");\n'
        self.assertEqual(findings(tidy.check_bans, {"src/net/a_test.cpp": line}), [])

    def test_an_exception_needs_a_reason(self):
        line = 'auto* x = std::getenv("HOME");  // tidy-allow(getenv):'
        self.assertEqual(len(findings(tidy.check_bans, {"src/net/a.cpp": line + "\n"})), 1)
        line += " the loader is tested with it"
        self.assertEqual(findings(tidy.check_bans, {"src/net/a.cpp": line + "\n"}), [])

    def test_catch_all_without_a_comment(self):
        bare = "try {\n    f();\n} catch (...) {\n    g();\n}\n"
        said = "try {\n    f();\n} catch (...) {\n    // f is third party\n    g();\n}\n"
        self.assertEqual(findings(tidy.check_catch_all, {"src/net/a.cpp": bare}),
                         [("src/net/a.cpp", 3, "catch-all")])
        self.assertEqual(findings(tidy.check_catch_all, {"src/net/a.cpp": said}), [])


class Sizes(unittest.TestCase):
    def test_files_headers_and_lines(self):
        found = findings(tidy.check_sizes, {
            "src/net/a.cpp": "x\n" * 601, "src/net/b.hpp": "x\n" * 201, "c.py": "x" * 101 + "\n"})
        self.assertEqual(found, [("c.py", 1, "line-size"), ("src/net/a.cpp", 601, "file-size"),
                                 ("src/net/b.hpp", 201, "file-size")])
        self.assertEqual(findings(tidy.check_sizes, {
            "src/net/a.cpp": "x\n" * 600, "src/net/b.hpp": "x\n" * 200, "c.py": "x" * 100}), [])

    def test_a_long_function_in_each_language(self):
        body = "    f();\n" * 69
        samples = {
            "src/net/a.cpp": "int g(int x)\n{\n" + body + "}\n",
            "src/net/b.cpp": "A::A(int x) : a_(x), b_{x} {\n" + body + "}\n",
            "src/net/c_test.cpp": "TEST(A, Works) {\n" + body + "}\n",
            "src/net/d.cpp": "struct A {\n    int g() const override {\n" + body + "    }\n};\n",
            "e.py": "def g():\n" + "    f()\n" * 70,
            "f.sh": "#!/usr/bin/env bash\ng() {\n" + "    f\n" * 69 + "}\n",
        }
        for path, text in samples.items():
            with self.subTest(path):
                self.assertEqual([f[2] for f in findings(tidy.check_functions, {path: text})],
                                 ["function-size"])

    def test_what_is_not_a_long_function(self):
        rows = "    {1, f(2)},\n" * 90
        samples = {
            "src/net/a.cpp": "int g(int x) {\n" + "    f();\n" * 68 + "}\n",
            "src/net/b.cpp": "const Row kRows[] = {\n" + rows + "};\n",
            "src/net/c.cpp": "namespace nova {\n" + "int x();\n" * 90 + "}\n",
            "src/net/d.cpp": "class A : public B<int(int)> {\n" + "    int x();\n" * 90 + "};\n",
        }
        for path, text in samples.items():
            with self.subTest(path):
                self.assertEqual(findings(tidy.check_functions, {path: text}), [])


class Beside(unittest.TestCase):
    def test_a_source_without_a_test(self):
        self.assertEqual(findings(tidy.check_tests, {"src/net/a.cpp": SOURCE}),
                         [("src/net/a.cpp", 1, "test-beside")])

    def test_a_test_or_a_reason(self):
        self.assertEqual(findings(tidy.check_tests, {
            "src/net/a.cpp": SOURCE, "src/net/a_test.cpp": SOURCE, "src/net/b_fuzz.cpp": SOURCE,
            "src/main.cpp": SOURCE,
            "tools/untested.toml": '[untested]\n"src/main.cpp" = "three lines, run by all"\n'}), [])

    def test_a_list_that_is_out_of_date(self):
        found = findings(tidy.check_tests, {
            "src/net/a.cpp": SOURCE, "src/net/a_test.cpp": SOURCE,
            "tools/untested.toml": '[untested]\n"src/net/a.cpp" = "it was so small"\n'
                                   '"src/net/gone.cpp" = "it was so small"\n'})
        self.assertEqual(len(found), 2)


class Texts(unittest.TestCase):
    def test_a_path_of_one_machine(self):
        home = "/home/" + "alice/data"
        self.assertEqual(findings(tidy.check_paths, {"a.md": f"x\nsee {home}\n"}),
                         [("a.md", 2, "machine-path")])
        self.assertEqual(findings(tidy.check_paths, {"a.md": "see /usr/bin and ~/.cache\n"}), [])

    def test_the_folder_of_the_checkout(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["git", "init", "-q", folder], check=True)
            pathlib.Path(folder, "a.txt").write_text(f"built in {folder}/build\n")
            tree = tidy.Tree(folder)
            tidy.check_paths(tree)
            self.assertEqual(len(tree.findings), 1)

    def test_openings(self):
        broken = {"src/a.cpp": "#include <vector>\n", "src/b.hpp": "// Says it.\nint x;\n",
                  "c.py": "import os\n", "d.sh": "#!/bin/sh\nls\n"}
        self.assertEqual([(f[0], f[2]) for f in findings(tidy.check_openings, broken)],
                         [("c.py", "opening"), ("d.sh", "opening"), ("src/a.cpp", "opening"),
                          ("src/b.hpp", "pragma-once")])
        kept = {"src/a.cpp": SOURCE, "src/b.hpp": HEADER, "c.py": '"""Says what it is for."""\n',
                "d.sh": "#!/bin/sh\n# Says what it is for.\nls\n", "src/e_test.cpp": "int x;\n"}
        self.assertEqual(findings(tidy.check_openings, kept), [])

    def test_format(self):
        style = "BasedOnStyle: LLVM\n"
        bad = {".clang-format": style, "src/a.cpp": "int  x ;\n"}
        self.assertEqual({f[2] for f in findings(tidy.check_format, bad)}, {"format"})
        self.assertEqual(findings(tidy.check_format,
                                  {".clang-format": style, "src/a.cpp": "int x;\n"}), [])


class CommandLine(unittest.TestCase):
    def test_exit_codes_and_the_form_of_a_finding(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["git", "init", "-q", folder], check=True)
            path = pathlib.Path(folder, "a.py")
            path.write_text("import os\n")
            command = [sys.executable, tidy.__file__, "--root", folder]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stdout, r"^a\.py:1: opening: .*\.\n$")
            path.write_text('"""Says what it is for."""\n')
            done = subprocess.run(command, capture_output=True, check=False)
            self.assertEqual(done.returncode, 0)


if __name__ == "__main__":
    unittest.main()
