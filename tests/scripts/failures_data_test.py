"""data/failures.json against its schema, its page, its excerpts and the cases that provoke it."""
import json
import pathlib
import subprocess
import sys

import jsonschema

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(pathlib.Path(__file__).parent))
from provoke_failures import CASES, TESTDATA  # noqa: E402

FAILURES = json.loads((ROOT / "data" / "failures.json").read_text())


def test_it_keeps_to_its_schema():
    schema = json.loads((ROOT / "api" / "schemas" / "failures.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(FAILURES)


def test_the_page_says_the_same():
    done = subprocess.run([sys.executable, ROOT / "tools" / "failures_doc.py", "--check"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_engines_are_ones_nova_knows():
    known = {path.stem for path in (ROOT / "data" / "engines").glob("*.json")}
    for failure in FAILURES["failures"]:
        assert set(failure["engines"]) <= known, failure["id"]


def test_whatever_was_observed_can_be_provoked_again():
    observed = {f["id"] for f in FAILURES["failures"] if f["source"] == "observed"}
    assert observed == set(CASES)
    assert len(observed) >= 20


def test_every_failure_has_its_excerpt_and_none_names_this_machine():
    ids = {failure["id"] for failure in FAILURES["failures"]}
    assert ids == {path.stem for path in TESTDATA.glob("*.txt")}
    for path in TESTDATA.glob("*.txt"):
        text = path.read_text()
        for trace in ("/root", "/tmp/", "/home/"):
            assert trace not in text, f"{path.name} names {trace}"
