"""The rules of tools/traps.py, and the table itself."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import traps  # noqa: E402

TESTS = {"Sse.JoinsLines", "tests/clients/a_test.py::test_b"}


def table(**rows):
    """A table in order, with other cells for some rows ("n7")."""
    good = {f"n{number}": "`Sse.JoinsLines`" for number in range(1, traps.TRAPS + 1)}
    cells = {**good, **rows}
    return "\n".join(
        f"| {name[1:]} | what bit | {cover} |" for name, cover in cells.items() if cover
    )


def test_a_full_table_passes():
    both = "`tests/clients/a_test.py::test_b`, `Sse.JoinsLines`"
    assert not traps.findings(table(n3=both), TESTS)


def test_a_test_that_is_not_there_is_named():
    assert traps.findings(table(n7="`Sse.Gone`"), TESTS) == ["7: there is no test `Sse.Gone`"]


def test_a_row_without_a_test_needs_a_sentence():
    assert traps.findings(table(n7="soon"), TESTS) == ["7: no test is named"]
    assert traps.findings(table(n7="cannot apply: no"), TESTS) == [
        "7: say in a sentence why it cannot apply"
    ]
    assert not traps.findings(table(n7="cannot apply: nova never opens such a connection."), TESTS)


def test_a_missing_and_a_doubled_row_are_found():
    assert traps.findings(table(n7=None), TESTS) == ["7: stands 0 times in the table"]
    doubled = table() + "\n| 7 | again | `Sse.JoinsLines` |"
    assert traps.findings(doubled, TESTS) == ["7: stands 2 times in the table"]


def test_too_many_rows_without_a_test_are_found():
    excuse = "cannot apply: nova never opens such a connection."
    rows = {f"n{number}": excuse for number in range(1, traps.MOST_WITHOUT + 2)}
    assert traps.findings(table(**rows), TESTS) == ["16 rows without a test; 15 is the most"]


def test_every_trap_of_the_field_has_its_test():
    assert traps.main() == 0
