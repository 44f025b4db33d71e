#!/usr/bin/env python3
"""sum_tests.py counts what each runner writes, and never takes silence for success."""
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import sum_tests  # noqa: E402


def counted(text):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "junit.xml")
        path.write_text(text)
        passed, failures = sum_tests.count([path])
        return passed, len(failures)


class Counts(unittest.TestCase):
    def test_ctest(self):
        self.assertEqual(counted(
            '<testsuite><testcase name="a" status="run"/>'
            '<testcase name="b" status="fail"><failure message="x"/></testcase>'
            '<testcase name="c_NOT_BUILT" status="notrun"><skipped message="Unable"/></testcase>'
            '</testsuite>'), (1, 2))

    def test_googletest(self):
        self.assertEqual(counted(
            '<testsuites><testsuite><testcase name="A" status="run" result="completed"/>'
            '<testcase name="D" status="notrun" result="suppressed"/>'
            '<testcase name="B" status="run"><failure message="x">why</failure></testcase>'
            '</testsuite></testsuites>'), (1, 2))

    def test_pytest(self):
        self.assertEqual(counted(
            '<testsuites><testsuite><testcase name="a"/><testcase name="b"/>'
            '<testcase name="c"><error message="fixture"/></testcase>'
            '<testcase name="d"><skipped message="no engine"/></testcase>'
            '</testsuite></testsuites>'), (2, 2))

    def test_silence_is_a_failure(self):
        self.assertEqual(counted("<testsuites/>"), (0, 1))
        self.assertEqual(counted("half a fi"), (0, 1))
        self.assertEqual(len(sum_tests.count(["does/not/exist.xml"])[1]), 1)


if __name__ == "__main__":
    unittest.main()
