#!/usr/bin/env python3
"""Adds up JUnit files: prints `PASSED FAILED`, and each test that did not pass on standard error.

A test that was skipped or not run did not pass: a missing engine must be seen.

usage: tools/sum_tests.py FILE...
"""
import pathlib
import sys
import xml.etree.ElementTree as ElementTree


def verdict(case):
    """Empty when the test case passed, else what happened to it."""
    for kind in ("failure", "error", "skipped"):
        found = case.find(kind)
        if found is not None:
            return f"{kind}: {(found.get('message') or found.text or '').strip()[:300]}"
    status = case.get("status", "run")
    return "" if status in ("run", "passed") else f"status {status}"


def count(paths):
    """Passed, failed, and a line for each that failed; a missing file is a failure."""
    passed, failures = 0, []
    for path in map(pathlib.Path, paths):
        try:
            cases = list(ElementTree.parse(path).iter("testcase"))
        except (OSError, ElementTree.ParseError) as error:
            failures.append(f"{path}: {error}")
            continue
        if not cases:
            failures.append(f"{path}: no test ran")
        for case in cases:
            what = verdict(case)
            if what:
                failures.append(f"{case.get('classname')} {case.get('name')}: {what}")
            else:
                passed += 1
    return passed, failures


if __name__ == "__main__":
    good, bad = count(sys.argv[1:])
    for line in bad:
        print("    " + line.replace("\n", "\n      "), file=sys.stderr)
    print(good, len(bad))
