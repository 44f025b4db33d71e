#!/usr/bin/env python3
"""Checks what the compiler cannot: layers, banned text, sizes, tests beside sources, format.

Prints `file:line: rule: sentence` for each finding and exits with 1 when there is one.
A line may carry `tidy-allow(rule): reason` in a comment; the reason is not optional.

usage: tools/tidy.py [--root FOLDER] [--no-format]
"""
import argparse
import ast
import dataclasses
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib

FILE_LINES = 600
HEADER_LINES = 200
FUNCTION_LINES = 70
COLUMNS = 100
CPP = (".cpp", ".hpp")
SOURCES = (".cpp", ".hpp", ".py", ".sh", ".cmake", ".mjs", ".js", ".ts", ".tsx")
CPP_ROOTS = ("src/", "tests/", "bench/", "fuzz/")


@dataclasses.dataclass(frozen=True)
class Finding:
    """One broken rule at one line."""

    path: str
    line: int
    rule: str
    sentence: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.rule}: {self.sentence}"


@dataclasses.dataclass(frozen=True)
class Ban:
    """Text that may not occur in code, and where it may after all."""

    rule: str
    pattern: str
    sentence: str
    where: tuple = CPP_ROOTS
    allowed: tuple = ()
    allowed_ends: tuple = ()
    suffixes: tuple = CPP


BANS = (
    Ban("beast", r"boost/beast", "Boost.Beast is not used; HTTP is ours (net/http_codec)."),
    Ban("json-in-header", r"nlohmann/json\.hpp",
        "a header includes nlohmann/json_fwd.hpp only; the whole costs seconds per file.",
        suffixes=(".hpp",)),
    Ban("dump", r"(?:\.|->)dump\(",
        "json_text() of core/json.hpp: dump() throws at a byte that is no UTF-8.",
        where=("src/",), allowed=("src/core/json.cpp", "src/dialect/json_text.cpp"),
        allowed_ends=("_test.cpp",)),
    Ban("clock", r"_clock::now\(", "take time from a core::Clock, so that tests can move it.",
        where=("src/",), allowed=("src/core/clock.cpp",)),
    Ban("getenv", r"\b(?:secure_)?getenv\(", "the environment is read in config/ only.",
        where=("src/",), allowed=("src/config/",),
        allowed_ends=("_test.cpp", "_benchmark.cpp")),
    Ban("thread", r"\bstd::j?thread\b(?!::)", "threads are made in app/ and store/ only.",
        where=("src/",), allowed=("src/app/", "src/store/")),
    Ban("detached", r"\basio::detached\b|(?<![\w:.>])detached\s*\)",
        "every coroutine has an owner; spawn it in a TaskGroup."),
    Ban("shell", r"(?<![\w.>])(?:std::)?(?:system|popen)\(",
        "no shell; start programs through process/."),
    Ban("regex", r"\bstd::regex\b|#include <regex>", "std::regex is not used anywhere."),
    Ban("sleep", r"\bthis_thread::sleep|(?<![\w.>])(?:u|nano)?sleep\(",
        "a test waits for a condition with a deadline, never for time.",
        where=("src/", "tests/component/", "tests/sim/")),
    Ban("todo", r"\b(?:TODO|FIXME|XXX)\b(?!\(#\d+\))", "a TODO names its issue: TODO(#12).",
        where=("",), suffixes=SOURCES),
)


def blank(text, keep_comments=False):
    """The C++ text with strings (and comments) replaced by spaces; lines stay where they are."""
    def spaces(match):
        found = match.group(0)
        if found.startswith(("//", "/*")) and keep_comments:
            return found
        if found.startswith("#include"):
            return found
        return re.sub(r"[^\n]", " ", found)

    return re.sub(
        r'#include [^\n]*|//[^\n]*|/\*.*?\*/|R"([^(]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|'
        r"(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'",
        spaces, text, flags=re.DOTALL)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


class Tree:
    """The files under check and the findings about them."""

    def __init__(self, root):
        self.root = pathlib.Path(root).resolve()
        self.findings = []
        self.files = self._list()
        self._texts = {}

    def _list(self):
        listed = subprocess.run(
            ["git", "-C", self.root, "ls-files", "-zco", "--exclude-standard"],
            capture_output=True, check=False)
        if listed.returncode == 0:
            names = listed.stdout.decode().split("\0")
        else:
            names = [str(p.relative_to(self.root)) for p in self.root.rglob("*")]
            names = [n for n in names if not n.startswith((".git/", "build/"))]
        return sorted({n for n in names if n and (self.root / n).is_file()})

    def text(self, path):
        if path not in self._texts:
            try:
                self._texts[path] = (self.root / path).read_text(encoding="utf-8")
            except UnicodeDecodeError:
                self._texts[path] = ""  # not text: nothing of it is ours to judge
        return self._texts[path]

    def cpp(self, where=CPP_ROOTS):
        return [f for f in self.files if f.endswith(CPP) and f.startswith(where)]

    def sources(self):
        return [f for f in self.files if f.endswith(SOURCES) or pathlib.Path(f).suffix == ""
                and self.text(f).startswith("#!")]

    def report(self, path, line, rule, sentence):
        lines = self.text(path).splitlines()
        at = lines[line - 1] if 0 < line <= len(lines) else ""
        if not re.search(rf"tidy-allow\({re.escape(rule)}\): \S", at):
            self.findings.append(Finding(path, line, rule, sentence))


def check_layers(tree):
    table = tree.root / "src" / "layers.toml"
    if not table.exists():
        return
    allowed = tomllib.loads(table.read_text())["allowed"]
    for path in tree.cpp(("src/", "tests/fake_engine/")):
        parts = path.split("/")
        module = parts[1] if len(parts) > 2 else "main"
        own = {module, *allowed.get(module, [])} if parts[0] == "src" else {"nothing of src/"}
        if module == "main":
            own = {"app"}
        for number, line in enumerate(tree.text(path).splitlines(), 1):
            match = re.match(r'\s*#include "([a-z_]+)/', line)
            if not match or match.group(1) == "embedded":
                continue
            other = match.group(1)
            if parts[0] == "src" and other not in allowed:
                tree.report(path, number, "layers", f"{other} is not a module of layers.toml.")
            elif other not in own:
                tree.report(path, number, "layers",
                            f"{module} may not include {other}; it may: {', '.join(sorted(own))}.")


def check_bans(tree):
    for ban in BANS:
        pattern = re.compile(ban.pattern)
        for path in tree.files:
            if not path.endswith(ban.suffixes) or not path.startswith(ban.where):
                continue
            if path.startswith(ban.allowed) or path.endswith(ban.allowed_ends):
                continue
            if path in ("tools/tidy.py", "tools/tidy_test.py"):
                continue
            text = tree.text(path)
            code = text if ban.rule == "todo" else blank(text)
            for match in pattern.finditer(code):
                tree.report(path, line_of(code, match.start()), ban.rule, ban.sentence)


def check_catch_all(tree):
    for path in tree.cpp():
        text = blank(tree.text(path), keep_comments=True)
        lines = text.splitlines()
        for number, line in enumerate(lines, 1):
            if re.search(r"\bcatch \(\.\.\.\)", line):
                near = lines[max(0, number - 2):number + 1]
                if not any("//" in text_near for text_near in near):
                    tree.report(path, number, "catch-all", "catch (...) says why in a comment.")


def check_sizes(tree):
    for path in tree.sources():
        lines = tree.text(path).splitlines()
        limit = HEADER_LINES if path.endswith(".hpp") else FILE_LINES
        if len(lines) > limit:
            tree.report(path, len(lines), "file-size", f"{len(lines)} lines; at most {limit}.")
        for number, line in enumerate(lines, 1):
            if len(line) > COLUMNS and not re.search(r"https?://\S{40}", line):
                tree.report(path, number, "line-size", f"{len(line)} columns; at most {COLUMNS}.")


def cpp_functions(text):
    """(first line, last line) of each function body that is not inside another one."""
    code = re.sub(r"(?m)^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", lambda m: re.sub(r"[^\n]", " ", m.group(0)),
                  blank(text))
    stack = []  # (kind, offset where the statement started)
    start = 0
    for match in re.finditer(r"[{};]", code):
        at = match.start()
        sign = match.group(0)
        inside_init = bool(stack) and stack[-1][0] == "init"
        if sign == "{":
            before = code[start:at]
            head = before.strip()
            if at > 0 and not code[at - 1].isspace() or re.search(r"(=|return|,|\()$", head):
                stack.append(("init", start))
                continue
            control = re.match(r"(if|for|while|switch|else|do|try|catch|namespace|class|struct|enum"
                               r"|union|extern|template\s*<[^{]*>\s*(class|struct))\b", head)
            kind = "function" if "(" in head and not control else "block"
            if control and control.group(0) in ("struct", "class") and head.endswith(")"):
                kind = "function"
            stack.append((kind, start + len(before) - len(before.lstrip())))
            start = at + 1
        elif sign == "}":
            kind, began = stack.pop() if stack else ("block", at)
            if kind == "init":
                continue
            if kind == "function" and not any(k == "function" for k, _ in stack):
                yield line_of(code, began), line_of(code, at)
            start = at + 1
        elif not inside_init:
            start = at + 1


def check_functions(tree):
    for path in tree.sources():
        text = tree.text(path)
        spans = []
        if path.endswith(CPP):
            spans = list(cpp_functions(text))
        elif path.endswith(".py"):
            spans = [(node.lineno, node.end_lineno) for node in ast.walk(ast.parse(text))
                     if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
        elif path.endswith(".sh") or text.startswith("#!/usr/bin/env bash"):
            for match in re.finditer(r"(?m)^\w+\(\) [{(]$.*?^[})]", text, re.DOTALL):
                spans.append((line_of(text, match.start()), line_of(text, match.end())))
        for first, last in spans:
            size = last - first + 1
            if size > FUNCTION_LINES:
                tree.report(path, first, "function-size",
                            f"a function of {size} lines; at most {FUNCTION_LINES}.")


def check_tests(tree):
    listed = {}
    table = tree.root / "tools" / "untested.toml"
    if table.exists():
        listed = tomllib.loads(table.read_text()).get("untested", {})
    known = set(tree.files)
    for path in tree.cpp(("src/",)):
        if not path.endswith(".cpp") or re.search(r"_(test|fuzz|benchmark)\.cpp$", path):
            continue
        has_test = path.removesuffix(".cpp") + "_test.cpp" in known
        if not has_test and path not in listed:
            tree.report(path, 1, "test-beside",
                        "no _test.cpp beside it, and tools/untested.toml gives no reason.")
        if has_test and path in listed:
            tree.report("tools/untested.toml", 1, "test-beside", f"{path} has a test by now.")
    for path, reason in listed.items():
        if path not in known:
            tree.report("tools/untested.toml", 1, "test-beside", f"{path} does not exist.")
        if len(str(reason).split()) < 3:
            tree.report("tools/untested.toml", 1, "test-beside", f"{path} needs a reason.")


def check_paths(tree):
    words = [re.escape(str(tree.root)) + r"(?![\w-])",
             r"/(?:home|Users)/(?!vllm\b|user\b|u\b)[a-z]\w*/"]
    home = str(pathlib.Path.home())
    if home not in ("/", "/root") and len(home) > 4:
        words.append(re.escape(home) + r"(?![\w-])")
    pattern = re.compile("|".join(words))
    for path in tree.files:
        text = tree.text(path)
        if path.startswith("tools/tidy") or "\0" in text[:1024]:
            continue
        for match in pattern.finditer(text):
            tree.report(path, line_of(text, match.start()), "machine-path",
                        f"{match.group(0)} exists on one machine only.")


def first_comment(path, text):
    """The text of the comment a file opens with, or nothing."""
    if path.endswith(".py"):
        return ast.get_docstring(ast.parse(text)) or ""
    lines = [x for x in text.splitlines() if not x.startswith("#!") and x != "#pragma once"]
    while lines and not lines[0].strip():
        lines.pop(0)
    mark = "//" if path.endswith(CPP + (".mjs", ".js", ".ts", ".tsx")) else "#"
    found = []
    for line in lines:
        if not line.startswith(mark):
            break
        found.append(line.removeprefix(mark).strip())
    return " ".join(found)


def check_openings(tree):
    for path in tree.sources():
        text = tree.text(path)
        if not text.strip():
            continue
        if path.endswith("_test.cpp"):
            continue  # the names of its tests are sentences
        comment = first_comment(path, text)
        if not re.match(r"[\"'`(<$A-Za-z0-9].*[.:!](\s|$)", comment, re.DOTALL):
            tree.report(path, 1, "opening", "opens with no sentence that says what it is for.")
        if path.endswith(".hpp") and not re.search(r"(?m)^#pragma once$", text):
            tree.report(path, 1, "pragma-once", "a header has #pragma once.")


def check_format(tree):
    files = tree.cpp()
    if not files:
        return
    tool = shutil.which("clang-format-19")
    if tool is None:
        tree.findings.append(Finding("tools/tidy.py", 1, "format",
                                     "clang-format-19 is missing; apt-get install it."))
        return
    done = subprocess.run([tool, "--dry-run", "-Werror", *files], cwd=tree.root, text=True,
                          capture_output=True, check=False)
    for match in re.finditer(r"(?m)^(\S+?):(\d+):\d+: error: .*clang-format", done.stderr):
        tree.report(match.group(1), int(match.group(2)), "format",
                    "run clang-format-19 -i on this file.")
    if done.returncode != 0 and "clang-format" not in done.stderr:
        tree.findings.append(Finding(files[0], 1, "format", done.stderr.strip()[:200]))


CHECKS = (check_layers, check_bans, check_catch_all, check_sizes, check_functions, check_tests,
          check_paths, check_openings, check_format)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default=pathlib.Path(__file__).resolve().parents[1])
    parser.add_argument("--no-format", action="store_true")
    args = parser.parse_args()
    tree = Tree(args.root)
    failed = 0
    for check in CHECKS:
        if check is check_format and args.no_format:
            continue
        before = len(tree.findings)
        check(tree)
        failed += len(tree.findings) > before
    for finding in sorted(tree.findings, key=lambda f: (f.path, f.line)):
        print(finding)
    checks = len(CHECKS) - args.no_format
    print(f"tidy: {checks - failed} passed, {failed} failed, {len(tree.findings)} findings in "
          f"{len(tree.files)} files", file=sys.stderr)
    return 1 if tree.findings else 0


if __name__ == "__main__":
    sys.exit(main())
