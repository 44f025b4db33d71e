#!/usr/bin/env python3
"""Checks docs/traps.md: every trap has a test that exists, or a sentence why it cannot apply.

A row is `| number | trap | tests |`. Tests are named in backquotes: `Suite.Name` of GoogleTest, or
`path/file_test.py::test_name`; a row without one begins with "cannot apply: " and a sentence.
"""

import pathlib
import re
import sys

TRAPS = 106
MOST_WITHOUT = 15
ROW = re.compile(r"^\| *(\d+) *\|(.*)\|(.*)\| *$")
NAMED = re.compile(r"`([^`]+)`")
GTEST = re.compile(r"\bTEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\s*\)")
PYTEST = re.compile(r"^(?:async )?def (test_\w+)", re.MULTILINE)
WITHOUT = "cannot apply: "


def tests_of(root):
    """Names of every test of the tree."""
    names = set()
    for folder in ("src", "tests"):
        for path in sorted((root / folder).rglob("*_test.cpp")):
            names |= {f"{suite}.{name}" for suite, name in GTEST.findall(path.read_text())}
        for path in sorted((root / folder).rglob("*_test.py")):
            where = path.relative_to(root)
            names |= {f"{where}::{name}" for name in PYTEST.findall(path.read_text())}
    return names


def findings(text, tests):
    """What is wrong with the table, one sentence each."""
    found, seen, without = [], [], 0
    for line in text.splitlines():
        row = ROW.match(line)
        if not row:
            continue
        number, cover = int(row.group(1)), row.group(3).strip()
        seen.append(number)
        if cover.startswith(WITHOUT):
            without += 1
            if len(cover) < len(WITHOUT) + 20 or not cover.endswith("."):
                found.append(f"{number}: say in a sentence why it cannot apply")
            continue
        named = NAMED.findall(cover)
        if not named:
            found.append(f"{number}: no test is named")
        found += [f"{number}: there is no test `{name}`" for name in named if name not in tests]
    for number in range(1, TRAPS + 1):
        if seen.count(number) != 1:
            found.append(f"{number}: stands {seen.count(number)} times in the table")
    found += [f"{number}: there are {TRAPS} traps" for number in seen if not 1 <= number <= TRAPS]
    if without > MOST_WITHOUT:
        found.append(f"{without} rows without a test; {MOST_WITHOUT} is the most")
    return found


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    found = findings((root / "docs/traps.md").read_text(), tests_of(root))
    for line in found:
        print(f"docs/traps.md: {line}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
